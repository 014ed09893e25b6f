"""Schedules of other numbers than learning rates, looked at before a run: what they give must be in range."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from schuss import nn, optim
from schuss.errors import UsageError
from schuss.exec.reference import run_graph
from schuss.ir.types import TensorType
from schuss.optim.schedules import Around, Scaled, Schedule
from schuss.trace import trace
from schuss.train.options import Options
from schuss.train.step import Task

LOOKED_AT = 10_000  # steps of a schedule, at most, before a run: they cost a millisecond, in one evaluation
ONE_BY_ONE = 100  # of a function that takes one step at a time
Taken = Callable[[float], Any]
"""Makes what has the number, and raises UsageError where it may not be one."""


def at_step(given: Callable[[Any], Any]) -> Callable[[int], float]:
    """A schedule as a function of numbers, the last of which are known: it is asked twice an epoch, and by members of
    one kind for the same steps."""
    graph = trace(given, [TensorType("int64", ())])

    @lru_cache(LOOKED_AT)
    def value(step: int) -> float:
        return float(run_graph(graph, [np.asarray(step, np.int64)])[graph.outputs[0]])

    return value


def looked_at(given: Callable[[Any], Any], first: int, steps: int) -> tuple[Any, Any]:
    """Steps from first to before `steps`, and the schedule's values there, by a look at many of them at once; of one
    that cannot be asked so, at some evenly spread."""
    at = np.unique(np.linspace(first, steps - 1, min(steps - first, LOOKED_AT)).astype(np.int64))
    try:
        graph = trace(given, [TensorType("int64", at.shape)])
        return at, np.broadcast_to(run_graph(graph, [at])[graph.outputs[0]], at.shape)
    except Exception:  # a function of the user's, made for one step
        at = at[np.unique(np.linspace(0, len(at) - 1, ONE_BY_ONE).astype(np.int64))]
        value = at_step(given)
        return at, np.asarray([value(step) for step in at.tolist()])


def check_schedules(task: Task, asked: Options, steps: int, looked: list[tuple[str, Any, int]]) -> None:
    """UsageError, naming the step, for a schedule that gives what its number may not be; for one that acts on learning
    rates alone. looked: what was fine for another run, by name and steps, is not looked at again."""
    for name, given, taken in _scheduled(task, asked):
        if any(at == steps and called == name and same(given, other) for called, other, at in looked):
            continue
        if isinstance(given, Schedule) and acts_after_epochs(given):
            raise UsageError(f"{name}: {type(given).__name__} changes learning rates alone; give another schedule")
        at, values = looked_at(given, 0, steps)
        for i in {int(np.argmin(values)), int(np.argmax(values))}:  # NaN is both
            try:
                taken(float(values[i]))
            except UsageError as error:
                raise UsageError(f"{error}: the schedule's value at step {at[i]} of {steps}") from None
        looked.append((name, given, steps))


def _scheduled(task: Task, asked: Options) -> Iterator[tuple[str, Callable[[Any], Any], Taken]]:
    """Every schedule but those of learning rates: where it is, the schedule, and what takes its numbers."""
    if isinstance(task.optimizer, optim.Optimizer):
        for key, optimizer in task.optimizer.members():
            for name, given, taken in optimizer.scheduled():
                yield f"{type(optimizer).__name__}: {name}{f' of {key}' if key else ''}", given, taken
    if callable(task.clip_norm):
        yield "fit: clip_norm", task.clip_norm, lambda value: replace(asked, clip_norm=value)
    for path, layer in nn.named_modules(task.model).items():
        if isinstance(layer, nn.Dropout) and callable(layer.p):
            yield f"Dropout {path}", layer.p, nn.Dropout


def acts_after_epochs(given: Any) -> bool:
    """Whether a schedule looks at the history after an epoch."""
    if isinstance(given, Around) and type(given).after_epoch in (Around.after_epoch, Scaled.after_epoch):
        return acts_after_epochs(given.inner)
    return hasattr(given, "after_epoch") and getattr(type(given), "after_epoch", None) is not Schedule.after_epoch


def same(one: Any, other: Any) -> bool:
    """Whether two settings are known to be equal: a class of the user's may have more in it than it compares."""
    if one is other:
        return True
    ours = isinstance(one, (int, float)) or type(one).__module__.startswith("schuss.")
    return ours and type(one) is type(other) and bool(one == other)


__all__ = ["acts_after_epochs", "at_step", "check_schedules", "looked_at", "same"]
