"""What is made of a run's task before it begins: for each, or once for all whose models are copies of one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from schuss import nn
from schuss.errors import UsageError
from schuss.ir.executor import Step
from schuss.nn.walk import walked_anew
from schuss.signature import Input
from schuss.train.rate import Rates
from schuss.train.schedules import same
from schuss.train.step import Task, Training, evaluation_step, first_state, training


class Graphs:
    """The graphs of a run's task, traced when they are asked for; its rates.

    looked  the schedules that were looked at: by name, and for how many steps
    """

    def __init__(self) -> None:
        self.looked: list[tuple[str, Any, int]] = []

    def rates(self, optimizer: Any, learned: Collection[str], state: Collection[str]) -> Rates:
        """The optimizer's rates."""
        return Rates(optimizer, learned, state)

    def training(self, task: Task) -> Training:
        """The training step."""
        return training(task)

    def evaluation(self, task: Task) -> Step:
        """The step of evaluation."""
        return evaluation_step(task)


class SharedGraphs(Graphs):
    """The graphs of tasks whose models are copies of one: equal ones are traced once, and what comes before the update
    once for all optimizers."""

    def __init__(self) -> None:
        super().__init__()
        self._rates: list[tuple[Any, Rates]] = []
        self._trained: list[tuple[Task, Training]] = []
        self._evaluated: list[tuple[Task, Step]] = []

    def rates(self, optimizer: Any, learned: Collection[str], state: Collection[str]) -> Rates:
        for other, rates in self._rates:
            if same(optimizer, other) and rates.are_of(learned, state):
                return rates
        rates = super().rates(optimizer, learned, state)
        self._rates.append((optimizer, rates))
        return rates

    def training(self, task: Task) -> Training:
        before = None
        for other, made in self._trained:
            if _same_forward(task, other):
                _check_whole(task, made)
                if task.late == other.late and _same_update(task, other):
                    return replace(made, state=first_state(task, made.learned))
                before = made.backward
        with walked_anew():
            made = training(task, before)
        self._trained.append((task, made))
        return made

    def evaluation(self, task: Task) -> Step:
        for other, step in self._evaluated:
            if _same_forward(task, other):
                return step
        with walked_anew():
            step = evaluation_step(task)
        self._evaluated.append((task, step))
        return step


def _check_whole(task: Task, made: Training) -> None:
    """UsageError for a copy without a layer that was made where the first one was traced."""
    known = nn.named_parameters(task.model)
    if late := [name for name in made.learned if name not in known]:
        raise UsageError(
            f"{type(task.model).__name__} makes {late[0]} in forward, which the other members lack: they are copies of "
            "the model as it was given; make all layers in __init__, or give a list of models"
        )


def _same_forward(one: Task, other: Task) -> bool:
    """Of tasks with equal models."""
    told = ("target", "others", "form", "weighted", "weighting", "frozen", "acting")
    return (
        same(one.loss, other.loss)
        and all(getattr(one, name) == getattr(other, name) for name in told)
        and same(one.target_transform, other.target_transform)
        and len(one.inputs) == len(other.inputs)
        and all(map(_same_input, one.inputs, other.inputs))
        and one.metrics.keys() == other.metrics.keys()
        and all(metric == other.metrics[name] for name, metric in one.metrics.items())
    )


def _same_input(one: Input, other: Input) -> bool:
    """Whether the model gets the same; what it is called for people is not asked."""
    told = ("name", "type", "keyed", "within")
    return same(one.transform, other.transform) and all(getattr(one, name) == getattr(other, name) for name in told)


def _same_update(one: Task, other: Task) -> bool:
    return same(one.optimizer, other.optimizer) and same(one.clip_norm, other.clip_norm)


__all__ = ["Graphs", "SharedGraphs"]
