"""The learning rate an optimizer uses, as a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from schuss.exec.reference import run_graph
from schuss.ir.types import TensorType
from schuss.optim.base import LR_FACTOR
from schuss.optim.schedules import Schedule
from schuss.trace import trace


def schedule_of(optimizer: Any) -> Callable[[int], float | None]:
    """The optimizer's own rate at a step; None for an optimizer of the user's own without `lr`."""
    given = getattr(optimizer, "lr", None)
    if not callable(given):
        fixed = None if given is None else float(given)
        return lambda step: fixed
    graph = trace(given, [TensorType("int64", ())])

    def at(step: int) -> float:
        return float(run_graph(graph, [np.asarray(step, np.int64)])[graph.outputs[0]])

    return at


def schedules_in(optimizer: Any) -> list[Schedule]:
    """The schedules among an optimizer's settings, however deep; what a schedule contains is its own affair."""
    found: list[Schedule] = []
    waiting = [optimizer]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Schedule):
            found.append(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            waiting += vars(value).values()
        elif isinstance(value, (tuple, list)):
            waiting += value
        elif isinstance(value, Mapping):
            waiting += value.values()
    return found


def why_fixed(optimizer: Any, state: dict[str, Any]) -> str | None:
    """Why the rate cannot be changed while it runs; None if it can."""
    if LR_FACTOR in state and getattr(optimizer, "lr", None) is not None:
        return None
    return (
        f"the rate of {type(optimizer).__name__} cannot be changed during a run: it has no lr with a state "
        f"{LR_FACTOR!r} that multiplies it; optimizers derived from schuss.optim.Optimizer have"
    )


def steered(scheduled: float, lr: float) -> float | None:
    """The factor that makes a scheduled rate `lr`; None where none does (a schedule that is at 0)."""
    with np.errstate(all="ignore"):
        factor = float(np.float64(lr) / np.float64(scheduled))
    return factor if np.isfinite(factor) else None


__all__ = ["schedule_of", "schedules_in", "steered", "why_fixed"]
