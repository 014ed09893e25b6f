"""A task measured at given weights: its metrics, its loss at many of them, the norm of its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schuss.data.rows import count, whole, within
from schuss.ir.executor import Array, Executor, GivenUp, Step
from schuss.ir.executors import on_able
from schuss.train.step import Task, evaluation_step, gradient_step

MAX_EVALUATION_BATCH = 1024
BATCHES = 32  # at a time: between them Python sees whether somebody wants to stop


class Evaluation:
    """The task's metrics over a data set. step: of the evaluation, where it is known."""

    def __init__(self, task: Task, executor: Executor, data: Mapping[str, Array], step: Step | None = None) -> None:
        self._task = task
        self._rows = count(data)
        self._batch = min(MAX_EVALUATION_BATCH, max(self._rows, 1))
        self._loop = executor.loop(step or evaluation_step(task), self._batch)
        self._loop.bind(whole(data))
        self._order = within(data, np.arange(self._rows))

    def __call__(self, weights: Mapping[str, Array], hurry: Callable[[], bool] | None = None) -> dict[str, float]:
        """Means of the loss and every metric. GivenUp as soon as `hurry` says so, see Loop.run."""
        state = {f"param/{name}": v for name, v in weights.items()}
        state |= {f"sum/{name}": np.zeros(()) for name in self._task.sums}
        self._loop.load(state)
        for first in range(0, -(-self._rows // self._batch), BATCHES):
            if hurry is not None and hurry():
                raise GivenUp
            some = self._order[first * self._batch : (first + BATCHES) * self._batch]
            self._loop.run(some, self._batch, 0, -(-len(some) // self._batch), first, hurry)
        return means({f"sum/{name}": self._loop.peek(f"sum/{name}") for name in self._task.sums}, self._task)


def means(arrays: Mapping[str, Array], task: Task) -> dict[str, float]:
    """Sums divided by the number of examples."""
    count = float(arrays["sum/count"]) or math.nan
    return {name: float(arrays[f"sum/{name}"]) / count for name in task.sums if name != "count"}


def losses(
    task: Task,
    points: Iterable[Mapping[str, Array]],
    data: Mapping[str, Array],
    threads: int | None = None,
    progress: Callable[[int, int | None], Any] | None = None,
) -> NDArray[np.float64]:
    """The mean loss of the task on data for each set of weights, by native code; one float64 each.

    points    weights by parameter name, asked for one set at a time
    data      columns as the task has them: x0, ..., y and, if it is weighted, w
    threads   None: the cores this process may use
    progress  called after each with (done, how many there are; None if points has no length)
    """
    evaluation = on_able(lambda on: Evaluation(replace(task, metrics={}), on, data), threads)
    total = len(points) if isinstance(points, Sized) else None
    found = []
    for weights in points:
        found.append(evaluation(weights)["loss"])
        if progress:
            progress(len(found), total)
    return np.array(found, np.float64)


def gradient_norms(
    task: Task, points: Iterable[Mapping[str, Array]], data: Mapping[str, Array], threads: int | None = None
) -> NDArray[np.float64]:
    """For each set of weights the Euclidean norm of the gradient of the task's mean loss on data, with respect to all
    parameters together; one float64 each. Nothing is clipped, dropout is off.

    The arguments are those of `losses`. As in training, the loss of data in several batches is the mean of the batches'
    losses, each counted by its examples.
    """
    rows = len(data["y"])
    batch = min(MAX_EVALUATION_BATCH, max(rows, 1))
    loop = on_able(lambda on: on.loop(gradient_step(task), batch), threads)
    loop.bind(data)
    order = np.arange(rows)
    found = []
    for weights in points:
        zeros = {f"grad/{name}": np.zeros(w.shape, w.dtype) for name, w in weights.items()}
        loop.load({f"param/{name}": w for name, w in weights.items()} | zeros)
        loop.run(order, batch, 0, -(-rows // batch), 0)
        squares = (np.square(loop.peek(name), dtype=np.float64).sum() for name in zeros)
        found.append(math.sqrt(sum(squares)) / (rows or math.nan))
    return np.array(found, np.float64)


def gradient_norm(task: Task, weights: Mapping[str, Array], data: Mapping[str, Array]) -> float:
    """gradient_norms for one set of weights."""
    return float(gradient_norms(task, [weights], data)[0])


__all__ = ["Evaluation", "gradient_norm", "gradient_norms", "losses", "means"]
