"""fit: the loop a person sees. Epochs in slices of native steps, with evaluation, callbacks and stops between."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from schuss import nn
from schuss.data import Orders
from schuss.exec.reference import run_graph
from schuss.ir.executor import Array, Executor, Loop
from schuss.ir.types import TensorType
from schuss.nn.forward import remember, seen_by
from schuss.train.callbacks import Run, call
from schuss.train.diagnose import blown_up, finite
from schuss.train.step import Task, evaluation_step, training_step

SLICE = 0.08  # seconds of native work between two looks at the world
SNAPSHOT = 1.0  # seconds between snapshots a run can go back to when a loss is not finite
MAX_EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class Progress:
    """Where a run is, for whoever shows it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    examples: int
    means: Mapping[str, float]


@dataclass
class Position:
    """Everything beside the arrays that a checkpoint must hold to go on bit for bit."""

    epoch: int = 0
    step: int = 0  # within the epoch
    counter: int = 0  # over the whole run
    history: dict[str, list[Any]] = field(default_factory=dict)
    best_loss: float = math.inf
    best_epoch: int | None = None
    waited: int = 0  # epochs since the best
    epoch_seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """How long and in what portions to train."""

    epochs: int
    batch_size: int
    seed: int
    shuffle: bool = True
    early_stop: int | None = None


class Trainer:
    """One run of fit."""

    def __init__(
        self,
        task: Task,
        executor: Executor,
        plan: Plan,
        key: Array,
        data: Mapping[str, Array],
        validation: Mapping[str, Array] | None,
        callbacks: list[Any],
    ) -> None:
        self.task, self.plan, self.key = task, plan, key
        self.rows = len(data["y"])
        self.batch = min(plan.batch_size, self.rows)
        self.steps = -(-self.rows // self.batch)
        self.callbacks = callbacks
        self.orders = Orders(self.rows, key)
        self.position = Position()
        self.slice = 1  # steps of the next slice; grows to what SLICE seconds take
        self.best: dict[str, Array] = {}
        self.run = Run(task.model)
        self.data = dict(data)
        self.parameters = nn.named_parameters(task.model)
        params = {name: p.data for name, p in self.parameters.items()}
        state = {name: np.asarray(v) for name, v in task.optimizer.init(dict(params)).items()}
        types = {name: TensorType(str(v.dtype), v.shape) for name, v in state.items()}
        self.step = training_step(task, types)
        self.loop = executor.loop(self.step, self.batch)
        self.loop.bind(data)
        first = {f"param/{n}": v for n, v in params.items()} | {f"opt/{n}": v for n, v in state.items()}
        self.arrays: dict[str, Array] = first | self._no_sums() | {"key": key}
        self.evaluation = Evaluation(task, executor, validation) if validation is not None else None

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
        self.position = position
        self.run.history = position.history
        self.run.epochs, self.run.steps, self.run.best = position.epoch, position.counter, position.best_epoch

    # -- the loop --------------------------------------------------------------------------------

    def train(
        self,
        progress: Callable[[Progress], None] | None = None,
        stop: Callable[[], str | None] = lambda: None,
        saved: Callable[[bool], None] = lambda epoch_ended: None,
    ) -> Run:
        """Run to the last epoch, or until something stops it. The model gets the weights in any case.

        stop: returns a reason to stop at the next slice, or None. saved: called when a snapshot is fresh.
        """
        self.loop.load(self.arrays)
        self.run.history = self.position.history
        if self.position.step == 0:  # resumed just after the epoch that was to be the last
            self.run.stopped = self._waited_long_enough()
        try:
            halted = call(self.callbacks, "begin", self.run)
            while not halted and self.position.epoch < self.plan.epochs and self.run.stopped is None:
                self._epoch(progress, stop, saved)
                if self.run.stopped is None:
                    halted = call(self.callbacks, "epoch", self.run)
                    self.run.stopped = "a callback asked to" if halted else self._waited_long_enough()
                    saved(True)
        finally:
            self.publish(self.best if self._restores_best() else self.weights())
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

    def _note_record(self) -> None:
        seen = seen_by(self.task.model)
        if seen is not None:
            about = {k: v for k, v in vars(self.run).items() if k not in ("model", "steps")}
            plan = {"batch_size": self.plan.batch_size, "seed": self.plan.seed, "clip_norm": self.task.clip_norm}
            remember(self.task.model, replace(seen, record=about | plan))

    def _restores_best(self) -> bool:
        return self.plan.early_stop is not None and bool(self.best)

    def _waited_long_enough(self) -> str | None:
        patience = self.plan.early_stop
        if patience is None or self.position.waited < patience:
            return None
        return f"no better for {patience} epochs"

    def _epoch(self, progress: Any, stop: Any, saved: Any) -> None:
        """One epoch from where the position says, in slices; stops within it leave the position there."""
        at = self.position
        mark = time.perf_counter()
        if at.step == 0:
            at.epoch_seconds = 0.0
        last = at.epoch + 1 >= self.plan.epochs
        order = self.orders(at.epoch, last) if self.plan.shuffle else np.arange(self.rows)
        if at.step == 0:
            self.arrays |= self._no_sums()
            self.loop.load(self._no_sums())
        taken = time.perf_counter()
        back = (at.step, dict(self.arrays))
        while at.step < self.steps:
            start = time.perf_counter()
            count = min(self.slice, self.steps - at.step)
            done = self.loop.run(order, self.batch, at.step, count, at.counter)
            if done < count or (at.step + done == self.steps and not self._last_was_finite()):
                self._non_finite(order, back, at.step + done - 1)
            at.step += done
            at.counter += done
            self.run.steps = at.counter
            now = time.perf_counter()
            at.epoch_seconds += now - mark
            mark = now
            self.slice = max(1, min(4 * self.slice, int(done * SLICE / max(now - start, 1e-6))))
            reason = stop()
            if at.step == self.steps or reason or now - taken > SNAPSHOT:
                self.arrays = self.loop.state()
                if not finite(self.arrays):
                    self._non_finite(order, back, at.step - 1)
                back, taken = (at.step, dict(self.arrays)), now
            if progress:
                progress(self._progress())
            if reason:
                self.run.stopped = reason
                return
            if at.step < self.steps and taken == now:
                saved(False)
        at.epoch_seconds += time.perf_counter() - mark
        self._finish_epoch()

    def _last_was_finite(self) -> bool:
        """The loop stops at a loss that is not finite; at the very last step only the sum tells."""
        return bool(np.isfinite(self.loop.peek("sum/loss")))

    def _progress(self) -> Progress:
        at = self.position
        done = min(at.step * self.batch, self.rows)
        return Progress(at.epoch, self.plan.epochs, at.step, self.steps, done, self._means())

    def _means(self) -> dict[str, float]:
        """The epoch's means so far."""
        return means({f"sum/{name}": self.loop.peek(f"sum/{name}") for name in self.task.sums}, self.task)

    def _finish_epoch(self) -> None:
        at = self.position
        row: dict[str, Any] = {"epoch": at.epoch + 1, **means(self.arrays, self.task)}
        if self.evaluation is not None:
            row |= {f"val_{k}": v for k, v in self.evaluation(self.weights()).items()}
        row |= {"lr": rate(self.task.optimizer, at.counter - 1), "seconds": at.epoch_seconds}
        for name, value in row.items():
            at.history.setdefault(name, []).append(value)
        self._remember_best(row.get("val_loss", row["loss"]))
        at.epoch += 1
        at.step = 0
        self.run.epochs, self.run.best = at.epoch, at.best_epoch
        if self.callbacks:
            self.publish(self.weights())

    def _remember_best(self, loss: float) -> None:
        at = self.position
        if self.evaluation is None and self.plan.early_stop is None:
            return
        at.waited += 1
        if loss < at.best_loss:
            at.best_loss, at.best_epoch, at.waited = loss, at.epoch + 1, 0
            self.best = {name: value.copy() for name, value in self.weights().items()}

    def _non_finite(self, order: Array, back: tuple[int, dict[str, Array]], bad: int) -> None:
        """Go back to the last good weights and say which operation went wrong. Always raises."""
        at, batch = self.position, self.batch
        base = at.counter - at.step
        self.arrays, number = last_good(self.loop, order, batch, back, bad, base)
        rows = order[number * batch : (number + 1) * batch]
        columns = {name: self.data[name][rows] for name in self.step.columns}
        where = f"epoch {at.epoch + 1}, step {number + 1}"
        raise blown_up(self.step, {**self.arrays, **columns}, base + number, where)


def last_good(
    loop: Loop, order: Array, batch: int, back: tuple[int, dict[str, Array]], bad: int, base: int
) -> tuple[dict[str, Array], int]:
    """The newest state in which all is finite, and the step that spoils it, found by running again.

    back: (step, state) to start from; bad: the step whose loss was not finite (its state may have been
    spoiled by the step before).
    """
    first, arrays = back
    for number in range(bad, first, -1):
        loop.load(arrays)
        loop.run(order, batch, first, number - first, base + first)
        state = loop.state()
        if finite(state):
            return state, number
    return arrays, first


class Evaluation:
    """The task's metrics over a data set."""

    def __init__(self, task: Task, executor: Executor, data: Mapping[str, Array]) -> None:
        self._task = task
        self._rows = len(data["y"])
        self._batch = min(MAX_EVALUATION_BATCH, max(self._rows, 1))
        self._loop = executor.loop(evaluation_step(task), self._batch)
        self._loop.bind(data)
        self._order = np.arange(self._rows)

    def __call__(self, weights: Mapping[str, Array]) -> dict[str, float]:
        """Means of the loss and every metric."""
        state = {f"param/{name}": v for name, v in weights.items()}
        state |= {f"sum/{name}": np.zeros(()) for name in self._task.sums}
        self._loop.load(state)
        self._loop.run(self._order, self._batch, 0, -(-self._rows // self._batch), 0)
        return means(self._loop.state(), self._task)


def means(arrays: Mapping[str, Array], task: Task) -> dict[str, float]:
    """Sums divided by the number of examples."""
    count = float(arrays["sum/count"]) or math.nan
    return {name: float(arrays[f"sum/{name}"]) / count for name in task.sums if name != "count"}


def rate(optimizer: Any, step: int) -> float | None:
    """The learning rate at a step; None for an optimizer of the user's own without `lr`."""
    given = getattr(optimizer, "lr", None)
    if not callable(given):
        return None if given is None else float(given)
    from schuss.trace import trace

    graph = trace(given, [TensorType("int64", ())])
    return float(run_graph(graph, [np.asarray(step, np.int64)])[graph.outputs[0]])


__all__ = ["Evaluation", "Plan", "Position", "Progress", "Trainer"]
