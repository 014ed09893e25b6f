"""fit: the loop a person sees. Epochs in slices of native steps, with evaluation, callbacks and stops between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from schuss import nn
from schuss.data import Orders
from schuss.data.rows import whole
from schuss.ir.executor import Array, Executor, GivenUp
from schuss.optim.base import counts_own_steps
from schuss.signature import Signature
from schuss.train.best import Best
from schuss.train.callbacks import as_callbacks, call, name_of
from schuss.train.control import Control
from schuss.train.early_stop import early_stop
from schuss.train.edits import check_untouched, edited
from schuss.train.evaluate import Evaluation, means
from schuss.train.graphs import Graphs
from schuss.train.hurry import Hurry
from schuss.train.moments import interval
from schuss.train.options import Options, without_data
from schuss.train.position import Position, Progress
from schuss.train.recording import Place, Recording, keep_record
from schuss.train.recovery import Snapshot, blown_up
from schuss.train.run import Run, State
from schuss.train.step import Task
from schuss.train.stepping import Stepping

SLICE = 0.08  # seconds of native work between two looks at the world
LOOK = 0.05  # seconds between two looks at the world while the run is paused


class Trainer(Stepping):
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
        graphs: Graphs | None = None,
    ) -> None:
        super().__init__(task, executor, key, data, options.batch_size, run or Run(task.model), graphs or Graphs())
        columns = [*task.sums[1:], *(f"val_{name}" for name in task.sums[1:] if validation is not None)]
        stop = early_stop(options.early_stop)
        self.best = Best(None if stop is None else stop.resolved(columns))
        self.options = replace(options, early_stop=self.best.stop)
        self.callbacks = as_callbacks(options.callbacks)
        self.orders = Orders(self.rows, key, options.epochs)
        self.slice = 1  # steps of the next slice; grows to what SLICE seconds take
        self.run.task, self.run.data, self.run.validation = task, self.data, validation
        self.signature = signature  # which the model gets when nothing can refuse the run any more
        signature = signature or nn.signature_of(task.model)
        self.run.prepared = {} if signature is None else signature.in_words()
        state, learned = self._make_step()
        self.rates = self.graphs.rates(task.optimizer, learned, state)
        self.rates.check(columns, options.epochs, options.epochs * self.steps)
        self.control = options.control or Control()
        self.control.attach(self.rates.why_fixed)
        every = interval(options.record or options.watch)
        self.recording = Recording(self.run, self.rates_at, every, options.epochs * self.steps)
        self._measure()
        self._earlier = 0.0  # seconds of the epochs that have ended
        self._mark = 0.0  # when seconds were last counted

    def _measure(self) -> None:
        """Where the task's metrics go, and what measures them on the validation data."""
        names = ("loss", *(n for n in self.task.sums if n not in ("count", "loss")))
        self.recording.measure(names)
        held, self.evaluation = self.run.validation, None
        if held is not None:  # it may have weights of examples where the training data have none
            task = replace(self.task, weighted="w" in held)
            self.evaluation = Evaluation(task, self._executor, held, self.graphs.evaluation(task))

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

    # -- the state as a whole, for checkpoints ---------------------------------------------------

    def snapshot(self) -> dict[str, Array]:
        """Every array a checkpoint holds."""
        return {**self.arrays, **{f"best/{name}": v for name, v in self.best.weights.items()}}

    def restore(self, arrays: Mapping[str, Array], position: Position) -> None:
        """Go on from a checkpoint."""
        self.last = Snapshot({name: np.asarray(arrays[name]) for name in self.arrays})
        self.last.step = position.step
        self.best.weights = {n.removeprefix("best/"): np.asarray(v) for n, v in arrays.items() if n.startswith("best/")}
        self.position = position
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
        try:
            self.recording.begin(self._place(), self._sums(self.arrays), self.weights(), self.batch)
            halted = self._call("begin")
            while not halted and self.position.epoch < self.options.epochs and self.run.stopped is None:
                self._epoch(progress, stop, saved)
                if self.run.stopped is None:
                    halted = self._call("epoch")
                    self.run.stopped = "a callback asked to" if halted else self.best.waited_long_enough(self.position)
                    saved(True)
            self._note_moment()
        except BaseException as error:
            error.run = self.run  # type: ignore[attr-defined]  # what there is of it can be had, and gone on with
            raise
        finally:
            self._settle()
            self.control.detach()
            self.publish(self.best.weights if self.best.is_restored else self.weights())
            self.run.state = State(without_data(self.options), self.key, self.snapshot(), self.position, self.signature)
            keep_record(self.run, self.task.model, self.task.optimizer, self.options)
        call(self.callbacks, "end", self.run)
        return self.run

    def rate(self, step: int) -> float | None:
        """The learning rate of a step, as it was set last; None for an optimizer of the user's own without `lr`."""
        return self.rates_at(step)["lr"]

    def rates_at(self, step: int) -> dict[str, float | None]:
        """Likewise those of all groups, by column of the history: lr, lr/NAME, ..."""
        return self.rates.at(step, self.arrays)

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
            at.counter -= at.step - self.last.step
            at.step = self.last.step
            self.run.steps = at.counter

    def ended_early(self) -> str | None:
        """Why a run that is resumed just after an epoch has ended, if it has."""
        return None if self.position.step else self.best.waited_long_enough(self.position)

    def _epoch(self, progress: Any, stop: Any, saved: Any) -> None:
        """One epoch from where the position says, in slices; stops within it leave the position there."""
        at = self.position
        self._mark = time.perf_counter()
        if at.step == 0:
            at.epoch_seconds = 0.0
            self.arrays.update(self._no_sums())
            self.loop.load(self._no_sums())
        order = self.orders(at.epoch) if self.options.shuffle else np.arange(self.rows)
        order = order if self.picked is None else self.picked[order]
        self.last.renew(at.step, time.perf_counter())
        while at.step < self.steps:
            reason = self._follow(order, stop, saved)
            if reason is None:
                self._slice(order, Hurry(stop, self.control))
                reason = stop()
                fresh = at.step == self.steps or reason is not None or self.last.is_due(self._mark)
                if fresh:
                    self._snapshot(order)
                self.recording.after_slice(self._place(), self._running_sums, self._running_weights)
                if progress:
                    progress(self._progress())
            if reason:
                self.run.stopped = reason
                return
            if at.step < self.steps and fresh:
                saved(False)
        at.epoch_seconds += time.perf_counter() - self._mark
        measured = {} if self.evaluation is None else self._validated(order, stop, saved, self.evaluation)
        if measured is not None:
            self._finish_epoch(measured)

    def _validated(self, order: Array, stop: Any, saved: Any, evaluation: Any) -> dict[str, float] | None:
        """The means on the validation data; None, and the run has stopped, if they were given up."""
        while True:
            try:
                measured: dict[str, float] = evaluation(self.weights(), Hurry(stop, self.control))
                return measured
            except GivenUp:
                self.run.stopped = self._follow(order, stop, saved) or stop()
                if self.run.stopped:
                    return None

    def _slice(self, order: Array, hurry: Hurry) -> None:
        """Some steps in one native call; where they are given up, back to the last snapshot."""
        at = self.position
        start = time.perf_counter()
        most = self.recording.steps_ahead(self.seconds, at.counter, self.steps)
        count = self.control.grant(min(self.slice, self.steps - at.step, most))
        try:
            done = self.loop.run(order, self.batch, at.step, count, at.counter, hurry)
        except GivenUp:
            self._go_back()
            return
        if done < count or (at.step + done == self.steps and not self._last_was_finite()):
            self._non_finite(order, at.step + done - 1)
        at.step += done
        at.counter += done
        self.run.steps = at.counter
        now = time.perf_counter()
        at.epoch_seconds += now - self._mark
        self._mark = now
        portion = self.recording.seconds_ahead(self.seconds, SLICE)
        self.slice = max(1, min(4 * self.slice, int(done * portion / max(now - start, 1e-6))))

    def _go_back(self) -> None:
        """To the last snapshot: what came after it is computed again when the run goes on, to the same bits."""
        self._settle()
        self.loop.load(self.arrays)
        self.recording.begin(self._place(), self._sums(self.arrays), self.weights(), self.batch)
        now = time.perf_counter()
        self.position.epoch_seconds += now - self._mark
        self._mark, self.slice = now, 1

    def _snapshot(self, order: Array) -> None:
        """Copy the state, unless that was done at this step; the run goes back to it when numbers blow up."""
        if not self.last.take(self.loop, self.position.step, self._mark):
            self._non_finite(order, self.position.step - 1)

    # -- steered by hand -----------------------------------------------------------------------------

    def _follow(self, order: Array, stop: Callable[[], str | None], saved: Callable[[bool], None]) -> str | None:
        """Do what the control asks for, and wait while it holds the run. A reason to stop, or None."""
        self._obey(order)
        if self.control.holds:
            self._snapshot(order)
            self._note_moment()
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
            change: dict[str, Any] = {"step": at.counter, "epoch": at.epochs(self.steps), "what": what}
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

    # -- what is seen of it --------------------------------------------------------------------------

    def _progress(self) -> Progress:
        at = self.position
        done = min(at.step * self.batch, self.rows)
        rates = self.rates_at(max(at.counter - 1, 0))
        return Progress(at.epoch, self.options.epochs, at.step, self.steps, done, self._means(), rates)

    def _place(self) -> Place:
        return Place(self.position.counter, self.position.epochs(self.steps), self.seconds)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self._earlier + (self.position.epoch_seconds if self.position.step else 0.0)

    def _note_moment(self) -> None:
        """A moment of the last snapshot, which is fresh, and the curve up to it."""
        self.recording.note(self._place(), self._sums(self.arrays), self.weights())

    def _finish_epoch(self, measured: Mapping[str, float]) -> None:
        at = self.position
        row: dict[str, Any] = {"epoch": at.epoch + 1, **means(self.arrays, self.task)}
        if measured:
            row |= {f"val_{k}": v for k, v in measured.items()}
        row |= {**self.rates_at(at.counter - 1), "seconds": at.epoch_seconds}
        for name, value in row.items():
            at.history.setdefault(name, []).append(value)
        self.recording.epoch_ended(self._sums(self.arrays))
        self._steer(self.rates.after_epoch(at.history, at.counter - 1, self.arrays))
        if self.evaluation is not None or self.best.stop is not None:
            self.best.remember(row, at, self.weights())
        self._earlier += at.epoch_seconds
        at.epoch += 1
        at.step = 0
        self.run.epochs, self.run.best = at.epoch, at.best_epoch

    def _non_finite(self, order: Array, bad: int) -> None:
        """Go back to the last good weights and say which operation went wrong. Always raises."""
        at, batch = self.position, self.batch
        base = at.counter - at.step
        self.last.advance(self.loop, order, batch, bad, base)
        number = self.last.step
        at.step, at.counter = number, base + number
        self.run.steps = at.counter
        rows = order[number * batch : (number + 1) * batch]
        columns = {name: whole(self.data)[name][rows] for name in self.step.columns}
        where = f"epoch {at.epoch + 1}, step {number + 1}"
        raise blown_up(self.step, {**self.arrays, **columns}, base + number, where, self.data)


__all__ = ["Evaluation", "Trainer"]
