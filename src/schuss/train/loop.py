"""fit: the loop a person sees. Epochs in slices of native steps, with evaluation, callbacks and stops between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from schuss import nn
from schuss.data import Orders
from schuss.ir.executor import Array, Executor, Loop
from schuss.optim.base import LR_FACTOR, counts_own_steps
from schuss.signature import Signature
from schuss.train.callbacks import as_callbacks, call, name_of
from schuss.train.control import Control
from schuss.train.diagnose import blown_up, finite, last_good
from schuss.train.early_stop import early_stop
from schuss.train.edits import check_untouched, edited
from schuss.train.evaluate import Evaluation, means
from schuss.train.options import Options, without_data
from schuss.train.position import Position, Progress
from schuss.train.rate import Rates
from schuss.train.record import EVERY, SHARE, Curve, Moment, Recorder, interval
from schuss.train.run import Run, State
from schuss.train.step import Task, training

SLICE = 0.08  # seconds of native work between two looks at the world
SNAPSHOT = 1.0  # seconds between snapshots a run can go back to when a loss is not finite, at least,
SNAPSHOT_SHARE, SNAPSHOT_MOST = 0.02, 10.0  # and this share of the time goes into them, unless they come too rarely
LOOK = 0.05  # seconds between two looks at the world while the run is paused
FACTOR = f"opt/{LR_FACTOR}"


class Trainer:
    """One run of fit."""

    def __init__(
        self,
        task: Task,
        executor: Executor,
        options: Options,
        key: Array,
        data: Mapping[str, Array],
        validation: Mapping[str, Array] | None,
        run: Run | None = None,
        signature: Signature | None = None,
    ) -> None:
        self.task, self.key = task, key
        columns = [*task.sums[1:], *(f"val_{name}" for name in task.sums[1:] if validation is not None)]
        stop = early_stop(options.early_stop)
        self.early_stop = None if stop is None else stop.resolved(columns)
        self.options = replace(options, early_stop=self.early_stop)
        self.rows = len(data["y"])
        self.batch = min(options.batch_size, self.rows)
        self.steps = -(-self.rows // self.batch)
        self.callbacks = as_callbacks(options.callbacks)
        self.orders = Orders(self.rows, key, options.epochs)
        self.position = Position()
        self.slice = 1  # steps of the next slice; grows to what SLICE seconds take
        self.best: dict[str, Array] = {}
        self.data = dict(data)
        self.run = run or Run(task.model)
        self.run.task, self.run.data, self.run.validation = task, self.data, validation
        self.signature = signature  # which the model gets when nothing can refuse the run any more
        signature = signature or nn.signature_of(task.model)
        self.run.prepared = {} if signature is None else signature.in_words()
        self.parameters = nn.named_parameters(task.model)
        self._executor = executor
        state, learned = self._make_step()
        self.rates = Rates(task.optimizer, learned, state)
        self.rates.check(columns, options.epochs, options.epochs * self.steps)
        self.control = options.control or Control()
        self.control.attach(self.rates.why_fixed)
        every = interval(options.record or options.watch)
        self.recorder = None
        if every is not None:
            own = every == EVERY  # an interval of ours, not of the user's
            total = options.epochs * self.steps if own else 0
            self.recorder = Recorder(every, self.run.path, SHARE if own else math.inf, total)
        self._measure()
        self._earlier = 0.0  # seconds of the epochs that have ended
        self._mark = self._taken = 0.0  # when seconds were last counted; when the snapshot was taken
        self._apart = SNAPSHOT  # seconds to the next one
        self._back = (0, self.arrays)  # the snapshot, and its step of the epoch

    def _measure(self) -> None:
        """Where the task's metrics go, and what measures them on the validation data."""
        names = ("loss", *(n for n in self.task.sums if n not in ("count", "loss")))
        before = self.run.curve  # of a run that goes on
        self.curve = self.run.curve = before if before is not None and before.names == names else Curve(names)
        held, self.evaluation = self.run.validation, None
        if held is not None:
            self.evaluation = Evaluation(_measured(self.task, held), self._executor, held)

    def _make_step(self) -> tuple[dict[str, Array], tuple[str, ...]]:
        """The step and the first arrays of the task; the optimizer's state, and what is learned."""
        made = training(self.task)
        self.step = made.step
        first = {f"param/{name}": p.data for name, p in self.parameters.items()}
        first |= {f"opt/{name}": v for name, v in made.state.items()}
        self.arrays: dict[str, Array] = first | self._no_sums() | {"key": self.key}
        return made.state, made.learned

    @cached_property
    def loop(self) -> Loop:
        """The compiled step with its data; compiled when it is asked for, since resuming may change the step."""
        made = self._executor.loop(self.step, self.batch)
        made.bind(self.data)
        return made

    def count_apart(self, late: Iterable[str]) -> None:
        """Have the optimizer count the steps of these parameters apart: they were unfrozen during the run."""
        names = frozenset(late)
        if names != self.task.late and counts_own_steps(self.task.optimizer):
            self._change_task(late=names)

    def measure_only(self, names: Iterable[str]) -> None:
        """Go on without metrics that a run did not have before."""
        known = {*names}
        metrics = {name: metric for name, metric in self.task.metrics.items() if name in known}
        if metrics != self.task.metrics:
            self._change_task(metrics=metrics)
            self._measure()

    def _change_task(self, **changes: Any) -> None:
        """Another step, before the run goes on; the one that is compiled, if any, is dropped."""
        self.task = self.run.task = replace(self.task, **changes)
        self._make_step()
        vars(self).pop("loop", None)

    # -- the state as a whole, for checkpoints ---------------------------------------------------

    def _no_sums(self) -> dict[str, Array]:
        return {f"sum/{name}": np.zeros(()) for name in self.task.sums}

    def snapshot(self) -> dict[str, Array]:
        """Every array a checkpoint holds."""
        return {**self.arrays, **{f"best/{name}": v for name, v in self.best.items()}}

    def restore(self, arrays: Mapping[str, Array], position: Position) -> None:
        """Go on from a checkpoint."""
        self.arrays = {name: np.asarray(arrays[name]) for name in self.arrays}
        self.best = {n.removeprefix("best/"): np.asarray(v) for n, v in arrays.items() if n.startswith("best/")}
        self.position, self._back = position, (position.step, dict(self.arrays))
        self._earlier = sum(position.history.get("seconds", []))
        self.run.history, self.run.changes = position.history, position.changes
        self.run.epochs, self.run.steps, self.run.best = position.epoch, position.counter, position.best_epoch

    # -- the loop --------------------------------------------------------------------------------

    def train(
        self,
        progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], str | None] = lambda: None,
        saved: Callable[[bool], None] = lambda epoch_ended: None,
    ) -> Run:
        """Run to the last epoch, or until something stops it. The model gets the weights in any case.

        stop: returns a reason to stop at the next slice, or None. saved: called when a snapshot is fresh. UsageError
        while the control steers another run.
        """
        self.loop.load(self.arrays)
        self.run.history, self.run.changes = self.position.history, self.position.changes
        self.run.stopped = self.ended_early()
        self.control.begin()
        self.curve.begin(self.position.counter, self._sums(self.arrays))
        try:
            if self.recorder is not None:
                self.recorder.begin(self._moment(self.weights()), self._sums(self.arrays), self.batch)
            halted = self._call("begin")
            while not halted and self.position.epoch < self.options.epochs and self.run.stopped is None:
                self._epoch(progress, stop, saved)
                if self.run.stopped is None:
                    halted = self._call("epoch")
                    self.run.stopped = "a callback asked to" if halted else self._waited_long_enough()
                    saved(True)
            self._record_moment()
        except BaseException as error:
            error.run = self.run  # type: ignore[attr-defined]  # what there is of it can be had, and gone on with
            raise
        finally:
            self._settle()
            self.control.detach()
            self.publish(self.best if self._restores_best() else self.weights())
            self.run.state = State(without_data(self.options), self.key, self.snapshot(), self.position, self.signature)
            self._note_record()
        call(self.callbacks, "end", self.run)
        return self.run

    def weights(self) -> dict[str, Array]:
        """The last snapshot's parameters."""
        return {n.removeprefix("param/"): v for n, v in self.arrays.items() if n.startswith("param/")}

    def publish(self, weights: Mapping[str, Array]) -> None:
        """Put weights into the model."""
        for name, parameter in self.parameters.items():
            parameter.data = weights[name]

    def rate(self, step: int) -> float | None:
        """The learning rate of a step, as it was set last; None for an optimizer of the user's own without `lr`."""
        return self.rates_at(step)["lr"]

    def rates_at(self, step: int) -> dict[str, float | None]:
        """Likewise those of all groups, by column of the history: lr, lr/NAME, ..."""
        return self.rates.at(step, self.arrays)

    def _note_record(self) -> None:
        signature = nn.signature_of(self.task.model)
        if signature is not None:
            asked = {name: getattr(self.options, name) for name in ("batch_size", "seed", "clip_norm")}
            nn.set_signature(
                self.task.model, replace(signature, optimizer=self.task.optimizer, record=self.run.record() | asked)
            )

    def _call(self, hook: str) -> bool:
        """Show the callbacks the weights, and go on from those that they leave in the model. True: to stop."""
        if not self.callbacks:
            return False
        self.publish(self.weights())
        halted = False
        for callback in (c for c in self.callbacks if hasattr(c, hook)):
            halted |= call((callback,), hook, self.run)
            check_untouched(self.task.model, self.parameters, self.weights(), self.task.frozen)
            self._steer(edited(self.parameters, self.weights(), f"fit: the callback {name_of(callback)}"))
        return halted

    def _settle(self) -> None:
        """Where an exception came within an epoch, the position of the last snapshot."""
        at = self.position
        if at.step:
            step, arrays = self._back
            self.arrays = dict(arrays)
            at.counter -= at.step - step
            at.step = step
            self.run.steps = at.counter

    def _restores_best(self) -> bool:
        return self.early_stop is not None and bool(self.best)

    def ended_early(self) -> str | None:
        """Why a run that is resumed just after an epoch has ended, if it has."""
        return None if self.position.step else self._waited_long_enough()

    def _waited_long_enough(self) -> str | None:
        if self.early_stop is None or self.position.waited < self.early_stop.patience:
            return None
        return f"no better for {self.early_stop.patience} epochs"

    def _epoch(self, progress: Any, stop: Any, saved: Any) -> None:
        """One epoch from where the position says, in slices; stops within it leave the position there."""
        at = self.position
        self._mark = time.perf_counter()
        if at.step == 0:
            at.epoch_seconds = 0.0
            self.arrays |= self._no_sums()
            self.loop.load(self._no_sums())
        order = self.orders(at.epoch) if self.options.shuffle else np.arange(self.rows)
        self._back, self._taken = (at.step, dict(self.arrays)), time.perf_counter()
        while at.step < self.steps:
            reason = self._follow(order, stop, saved)
            if reason is None:
                self._slice(order)
                reason = stop()
                fresh = at.step == self.steps or reason is not None or self._mark - self._taken > self._apart
                if fresh:
                    self._snapshot(order)
                self._record_slice()
                if progress:
                    progress(self._progress())
            if reason:
                self.run.stopped = reason
                return
            if at.step < self.steps and fresh:
                saved(False)
        at.epoch_seconds += time.perf_counter() - self._mark
        self._finish_epoch()

    def _slice(self, order: Array) -> None:
        """Some steps in one native call."""
        at = self.position
        start = time.perf_counter()
        most = self.steps if self.recorder is None else self.recorder.steps_ahead(self.seconds, at.counter)
        count = self.control.grant(min(self.slice, self.steps - at.step, most))
        done = self.loop.run(order, self.batch, at.step, count, at.counter)
        if done < count or (at.step + done == self.steps and not self._last_was_finite()):
            self._non_finite(order, at.step + done - 1)
        at.step += done
        at.counter += done
        self.run.steps = at.counter
        now = time.perf_counter()
        at.epoch_seconds += now - self._mark
        self._mark = now
        portion = SLICE if self.recorder is None else min(SLICE, self.recorder.ahead(self.seconds))
        self.slice = max(1, min(4 * self.slice, int(done * portion / max(now - start, 1e-6))))

    def _snapshot(self, order: Array) -> None:
        """Copy the state, unless that was done at this step; the run goes back to it when numbers blow up."""
        at = self.position
        if self._back[0] != at.step:
            start = time.thread_time()
            self.arrays = self.loop.state()
            if not finite(self.arrays):
                self._non_finite(order, at.step - 1)
            self._apart = min(max(SNAPSHOT, (time.thread_time() - start) / SNAPSHOT_SHARE), SNAPSHOT_MOST)
        self._back, self._taken = (at.step, dict(self.arrays)), self._mark

    # -- steered by hand -----------------------------------------------------------------------------

    def _follow(self, order: Array, stop: Callable[[], str | None], saved: Callable[[bool], None]) -> str | None:
        """Do what the control asks for, and wait while it holds the run. A reason to stop, or None."""
        self._obey(order)
        if self.control.holds:
            self._snapshot(order)
            self._record_moment()
            saved(False)
            reason = stop()
            while self.control.holds and not reason:
                self.control.wait(LOOK)
                self._obey(order)
                reason = stop()
            self._mark = time.perf_counter()  # a pause is no training
            if reason:
                return reason
        if self.control.reason:
            self._snapshot(order)
        return self.control.reason

    def _obey(self, order: Array) -> None:
        """Note what was asked for; set the rate."""
        at = self.position
        for what, value in self.control.take():
            change: dict[str, Any] = {"step": at.counter, "epoch": self._epochs(), "what": what}
            change |= {"from": None, "to": None}
            if what == "lr":
                lr, hold = value
                change["from"] = self.rate(at.counter)
                self._snapshot(order)  # steps before this one must not be run again with the new rate
                self._steer(self.rates.set(lr, hold, at.counter, self.arrays))
                change["to"] = self.rate(at.counter)
                change |= {"held": True} if self.rates.holds(hold) else {}
            at.changes.append(change)

    def _steer(self, arrays: Mapping[str, Array]) -> None:
        """Other values of the scalars through which the rates are steered, from the next step on."""
        if arrays:
            self.arrays.update(arrays)
            self.loop.load(arrays)
            self._back = (self._back[0], dict(self.arrays))

    # -- what is seen of it --------------------------------------------------------------------------

    def _last_was_finite(self) -> bool:
        """The loop stops at a loss that is not finite; at the very last step only the sum tells."""
        return bool(np.isfinite(self.loop.peek("sum/loss")))

    def _progress(self) -> Progress:
        at = self.position
        done = min(at.step * self.batch, self.rows)
        rates = self.rates_at(max(at.counter - 1, 0))
        return Progress(at.epoch, self.options.epochs, at.step, self.steps, done, self._means(), rates)

    def _peeked(self) -> dict[str, Array]:
        return {f"sum/{name}": self.loop.peek(f"sum/{name}") for name in self.task.sums}

    def _means(self) -> dict[str, float]:
        """The epoch's means so far."""
        return means(self._peeked(), self.task)

    def _sums(self, arrays: Mapping[str, Array]) -> dict[str, float]:
        """The running epoch's sums, by name; none between epochs."""
        return {n: float(arrays[f"sum/{n}"]) for n in self.task.sums} if self.position.step else {}

    def _epochs(self) -> float:
        """Epochs done, with fractions."""
        return self.position.epoch + self.position.step / self.steps

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self._earlier + (self.position.epoch_seconds if self.position.step else 0.0)

    def _moment(self, weights: dict[str, Array]) -> Moment:
        """The run as it is now, its means not known."""
        at = self.position
        rates = self.rates_at(at.counter - 1 if self.recorder and self.recorder.path else at.counter)
        lr = rates.pop("lr")
        return Moment(at.counter, self._epochs(), self.seconds, math.nan, {}, lr, weights, rates)

    def _record_slice(self) -> None:
        """After a slice: a moment, and a stretch of the curve, if it is time for one."""
        seconds, at = self.seconds, self.position
        if self.curve.due(seconds) or (self.recorder and self.recorder.due(seconds, at.counter)):
            self.curve.add(at.counter, self._epochs(), seconds, self._sums(self._peeked()))
        if self.recorder is None:
            return
        if math.isnan(self.recorder.path[0].loss):
            self.recorder.first_step(self._sums(self._peeked()))
        if self.recorder.due(seconds, at.counter):
            start = time.thread_time()
            weights = {name: self.loop.peek(f"param/{name}") for name in self.parameters}
            if finite(weights):  # else the next snapshot will tell
                self.recorder.add(lambda: self._moment(weights), self._sums(self._peeked()))
            self.recorder.took(time.thread_time() - start)

    def _record_moment(self) -> None:
        """A moment of the last snapshot, which is fresh, and the curve up to it; none if there is one of this step."""
        self.curve.add(self.position.counter, self._epochs(), self.seconds, self._sums(self.arrays))
        if self.recorder is not None and self.recorder.path[-1].step < self.position.counter:
            weights = {name: np.array(value) for name, value in self.weights().items()}
            self.recorder.add(lambda: self._moment(weights), self._sums(self.arrays))

    def _finish_epoch(self) -> None:
        at = self.position
        row: dict[str, Any] = {"epoch": at.epoch + 1, **means(self.arrays, self.task)}
        if self.evaluation is not None:
            row |= {f"val_{k}": v for k, v in self.evaluation(self.weights()).items()}
        row |= {**self.rates_at(at.counter - 1), "seconds": at.epoch_seconds}
        for name, value in row.items():
            at.history.setdefault(name, []).append(value)
        for ended in (self.curve.since, self.recorder):
            if ended is not None:
                ended.epoch_ended(self._sums(self.arrays))
        self._steer(self.rates.after_epoch(at.history, at.counter - 1, self.arrays))
        self._remember_best(row)
        self._earlier += at.epoch_seconds
        at.epoch += 1
        at.step = 0
        self.run.epochs, self.run.best = at.epoch, at.best_epoch

    def _remember_best(self, row: Mapping[str, Any]) -> None:
        at, stop = self.position, self.early_stop
        if self.evaluation is None and stop is None:
            return
        score = row["val_loss"] if stop is None else stop.score(row[str(stop.metric)])
        at.waited += 1
        if score < at.best_loss - (stop.min_delta if stop else 0.0):
            at.best_loss, at.best_epoch, at.waited = score, at.epoch + 1, 0
            self.best = {name: value.copy() for name, value in self.weights().items()}

    def _non_finite(self, order: Array, bad: int) -> None:
        """Go back to the last good weights and say which operation went wrong. Always raises."""
        at, batch = self.position, self.batch
        base = at.counter - at.step
        self.arrays, number = last_good(self.loop, order, batch, self._back, bad, base)
        self._back, at.step, at.counter = (number, dict(self.arrays)), number, base + number
        self.run.steps = at.counter
        rows = order[number * batch : (number + 1) * batch]
        columns = {name: self.data[name][rows] for name in self.step.columns}
        where = f"epoch {at.epoch + 1}, step {number + 1}"
        raise blown_up(self.step, {**self.arrays, **columns}, base + number, where, self.data)


def _measured(task: Task, validation: Mapping[str, Array]) -> Task:
    """The task on validation data, which may have weights where the training data have none."""
    return replace(task, weighted="w" in validation)


__all__ = ["Evaluation", "Trainer"]
