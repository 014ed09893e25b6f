"""Compiled steps, kept for the next fit of a network of the same form.

Weights, rates, momentum and alpha are state of a step, none of its code: the fits of a search share one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schuss import nn
from schuss.ir.executor import Array, Loop, Step
from schuss.ir.executors import on_able
from schuss.ir.types import N, TensorType
from schuss.nn.module import Module
from schuss.signature.form import ALONE, SEVERAL
from schuss.sklearn.keyed import Keyed
from schuss.sklearn.network import Net, linears
from schuss.sklearn.objective import Objective, Penalised, Summed
from schuss.sklearn.solvers import GradientSum
from schuss.train.step import Task, training

KEPT = 16  # forms of steps whose compiled loops wait for another fit
LARGEST = 1 << 26  # bytes of a loop that waits
SMALL, LARGE = 200, 256  # rows of a batch: loops are made for at least so many; passes over all data go by so many


class Learned(Module):
    """The network and alpha, which is no part of it but of what its training computes."""

    def __init__(self, net: Net, penalised: bool) -> None:
        self.net = net.build()
        self.alpha = nn.Parameter(np.zeros(()), dtype=net.dtype, requires_grad=False) if penalised else None

    def forward(self, x: Any) -> Any:
        return self.net(x)


@dataclass(frozen=True)
class Form:
    """What the code of a step depends on.

    solver     of schuss.sklearn.solvers, or an optimizer of the user's
    weighted   whether examples have weights
    penalised  whether alpha is not 0
    """

    net: Net
    objective: Objective
    solver: Keyed
    weighted: bool
    penalised: bool

    def task(self) -> Task:
        """As train.step.training takes it. The shown losses add up in sum/shown."""
        learned = Learned(self.net, self.penalised)
        if isinstance(self.solver.given, GradientSum):
            loss: Any = Summed(self.objective)
        else:
            loss = Penalised(self.objective, [layer.weight for _, layer in linears(learned.net)], learned.alpha)
        dtype, targets = self.net.dtype, self.objective.targets(self.net.widths[-1])
        target = TensorType("int32", (N,)) if self.objective.whole else TensorType(dtype, (N, targets))
        return Task(
            learned,
            loss,
            self.solver.given,
            (TensorType(dtype, (N, self.net.widths[0])),),  # type: ignore[arg-type]
            target,
            metrics={"shown": loss.shown},
            frozen=frozenset({"alpha"}),
            others=(TensorType(dtype, (N,)),) if self.weighted else (),
            form=SEVERAL if self.weighted else ALONE,
        )


@dataclass(frozen=True)
class Program:
    """A compiled step with memory of its own.

    first    the optimizer's state before the first step
    blank    columns of one row, which the loop holds while nobody uses it
    """

    loop: Loop
    task: Task
    step: Step
    first: Mapping[str, Array]
    learned: tuple[str, ...]
    blank: Mapping[str, Array]


_waiting: dict[Any, list[Program]] = {}


@contextmanager
def program(form: Form, rows: int, threads: int | None) -> Iterator[Program]:
    """A program of this form for batches of so many rows, the caller's alone until it is given back."""
    capacity = max(rows, SMALL)
    key = form, capacity, threads
    try:
        made = _waiting.setdefault(key, []).pop()
    except IndexError:
        made = _made(form, capacity, threads)
    yield made  # one whose use was broken off is dropped
    if sum(getattr(made.loop, "sizes", {}).values()) > LARGEST:
        return  # beside the training of such a network its compilation is nothing, and its memory is much
    made.loop.bind(made.blank)
    _waiting.setdefault(key, []).append(made)
    while len(_waiting) > KEPT:
        _waiting.pop(next(iter(_waiting)), None)


def _made(form: Form, capacity: int, threads: int | None) -> Program:
    task = form.task()
    found = training(task)
    step = replace(found.step, watch=None)  # as in scikit-learn a loss that is not finite ends nothing
    columns = {**task.types}
    blank = {name: np.zeros((1, *columns[name].shape[1:]), columns[name].dtype) for name in step.columns}
    loop = on_able(lambda on: on.loop(step, capacity), threads)
    return Program(loop, task, step, found.state, found.learned, blank)


__all__ = ["LARGE", "Form", "Program", "program"]
