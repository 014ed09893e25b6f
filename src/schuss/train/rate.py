"""The learning rates of a run as numbers: what they are, set by hand, changed by a schedule after an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from schuss import optim
from schuss.errors import UsageError, warn
from schuss.ir.executor import Array
from schuss.optim.base import LR_FACTOR, LR_HELD, scalar_name
from schuss.optim.schedules import Schedule
from schuss.train.schedules import ONE_BY_ONE, acts_after_epochs, at_step, looked_at


def schedule_of(optimizer: Any) -> Callable[[int], float | None]:
    """The optimizer's own rate at a step; None for an optimizer of the user's own without `lr`."""
    given = getattr(optimizer, "lr", None)
    if callable(given):
        return at_step(given)
    fixed = None if given is None else float(given)
    return lambda step: fixed


@dataclass(frozen=True)
class _Rate:
    """A group's: the schedule or number it has, and the arrays through which it is steered."""

    group: str
    given: Any
    scheduled: Callable[[int], float | None]

    @cached_property
    def factor(self) -> str:
        return f"opt/{scalar_name(LR_FACTOR, self.group)}"

    @cached_property
    def held(self) -> str:
        return f"opt/{scalar_name(LR_HELD, self.group)}"

    def at(self, step: int, arrays: Mapping[str, Array]) -> float | None:
        scheduled = self.scheduled(step)
        if scheduled is None:
            return None
        return scheduled * float(arrays.get(self.factor, 1.0)) + float(arrays.get(self.held, 0.0))

    def steered(self, lr: float, hold: bool, step: int) -> dict[str, Array]:
        """The arrays that make it `lr` at a step, and with hold at every later one; none where no factor does."""
        if hold and callable(self.given):
            return {self.factor: np.zeros(()), self.held: np.asarray(lr, np.float64)}
        with np.errstate(all="ignore"):
            factor = np.float64(lr) / np.float64(self.scheduled(step) or 0.0)
        return {self.factor: np.asarray(factor), self.held: np.zeros(())} if np.isfinite(factor) else {}


class Rates:
    """The learning rates of a run, of each group of the optimizer with a parameter that is learned.

    In the history "lr" is that of the parameters in no group or, if there are none, of the first group; "lr/NAME" that
    of a group. arrays: a run's, by name.
    """

    def __init__(self, optimizer: Any, learned: Collection[str], state: Collection[str]) -> None:
        self._name, self._state = type(optimizer).__name__, {f"opt/{name}" for name in state}
        groups: list[tuple[str, Any]] = [("", optimizer)]
        if isinstance(optimizer, optim.Optimizer):
            groups = [(group, made) for group, made, names in optimizer.parts(dict.fromkeys(learned)) if names]
        self._rates = [_Rate(group, getattr(made, "lr", None), schedule_of(made)) for group, made in groups]
        self._acting = [rate for rate in self._rates if acts_after_epochs(rate.given)]
        self._learned = frozenset(learned)
        self._fine: set[tuple[float | int, ...]] = set()  # what check_sign was asked for

    def are_of(self, learned: Collection[str], state: Collection[str]) -> bool:
        """Whether they are those of a run that learns these parameters, with this state of the optimizer."""
        return self._learned == frozenset(learned) and self._state == {f"opt/{name}" for name in state}

    def at(self, step: int, arrays: Mapping[str, Array]) -> dict[str, float | None]:
        """Those of a step, by column; None for an optimizer of the user's own without `lr`."""
        named = {f"lr/{rate.group}": rate.at(step, arrays) for rate in self._rates if rate.group}
        return {"lr": self._rates[0].at(step, arrays), **named}

    def why_fixed(self, hold: bool) -> str | None:
        """Why they cannot be changed while the run goes on, or not be held; None if they can."""
        first = self._rates[0]
        if first.given is None or first.factor not in self._state:
            return (
                f"the rate of {self._name} cannot be changed during a run: it has no lr with a state {LR_FACTOR!r} "
                "that multiplies it; optimizers derived from schuss.optim.Optimizer have"
            )
        if hold and callable(first.given) and first.held not in self._state:
            return (
                f"the rate of {self._name} cannot be held: it has a schedule, and no state {LR_HELD!r} that is added "
                "to the rate; hold=False multiplies the schedule"
            )
        return None

    def set(self, lr: float, hold: bool, step: int, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The arrays that make the first rate `lr` at a step, and change the others in proportion."""
        now = [rate.at(step, arrays) or 0.0 for rate in self._rates]
        if not now[0]:  # as by the schedules: what was set to 0 by hand has lost its proportions
            now = [rate.scheduled(step) or 0.0 for rate in self._rates]
        wanted = [lr, *(other * (lr / now[0]) if now[0] else other for other in now[1:])]
        made: dict[str, Array] = {}
        for rate, value in zip(self._rates, wanted, strict=True):
            made |= rate.steered(value, hold, step)
        return {name: value for name, value in made.items() if name in self._state}

    @cached_property
    def end(self) -> tuple[str, int] | None:
        """The schedule that ends first, and after how many steps nothing of its rate is left; None if none does."""
        ends = [(type(r.given).__name__, r.given.length) for r in self._rates if isinstance(r.given, Schedule)]
        return min(((name, n) for name, n in ends if n is not None), key=lambda e: e[1], default=None)

    def holds(self, hold: bool) -> bool:
        """Whether holding the rate is something else than changing it: whether there is a schedule."""
        return hold and any(callable(rate.given) for rate in self._rates)

    def check(self, columns: Collection[str], epochs: int, steps: int) -> None:
        """Before a run of so many epochs and steps. UsageError if a schedule needs a column that the history will not
        have, or leaves nothing of the rate before the last step. A UserWarning if it rises to the end."""
        for rate in self._rates:
            if isinstance(rate.given, Schedule):
                rate.given.check(columns)
                _check_length(rate.given, epochs, steps)
                _warn_of_rise(rate, rate.given.rise, steps)

    def check_sign(self, first: int, steps: int, arrays: Mapping[str, Array]) -> None:
        """Before a run from the step `first` to so many in total. UsageError if a rate is below 0 at one of them; of
        more than 10,000 it looks at so many. Other runs of these rates are not looked at again."""
        steered = [float(arrays.get(n, 1.0)) for rate in self._rates for n in (rate.factor, rate.held)]
        asked = first, steps, *steered
        if asked in self._fine:
            return
        for rate in (each for each in self._rates if callable(each.given) and first < steps):
            at, rates = looked_at(rate.given, first, steps)
            for step in at[rates < 0.0][:ONE_BY_ONE].tolist():
                lr = rate.at(step, arrays) or 0.0
                if lr < 0.0:
                    column = f"lr/{rate.group}" if rate.group else "lr"
                    raise UsageError(
                        f"optimizer: {column} is {lr:.3g} at step {step} of {steps}: a rate below 0 climbs; keep it "
                        "from falling so far, as with schuss.maximum(rate, 0.0)"
                    )
        self._fine.add(asked)

    def after_epoch(
        self, history: Mapping[str, Sequence[float]], step: int, arrays: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The arrays that schedules change after an epoch, whose last step is given. What is held by hand stays."""
        made: dict[str, Array] = {}
        for rate in self._acting:
            before = rate.at(step, arrays)
            if not before or arrays.get(rate.held) or rate.factor not in self._state:
                continue
            after = float(rate.given.after_epoch(history, before))
            if after < 0.0:
                raise UsageError(
                    f"optimizer: the schedule {type(rate.given).__name__} makes the rate {after:.3g} after an epoch, "
                    "and a rate below 0 climbs; give at least 0 from after_epoch"
                )
            if after != before and math.isfinite(after):
                made[rate.factor] = np.asarray(float(arrays[rate.factor]) * (after / before))
        return made


def _check_length(schedule: Schedule, epochs: int, steps: int) -> None:
    if schedule.length is not None and steps > schedule.length:
        raise UsageError(
            f"optimizer: the schedule {type(schedule).__name__} has {schedule.length} steps, and {epochs} epochs take "
            f"{steps}; give an optimizer with a longer schedule ({steps} steps, counted from the run's first) or "
            "another one, or train fewer epochs"
        )


def _warn_of_rise(rate: _Rate, rise: int, steps: int) -> None:
    """Of a rate that is still rising when the run ends: resumed, it may go on."""
    if rise >= steps:
        warn(
            f"optimizer: the rate of {type(rate.given).__name__} rises over {rise} steps and the run has {steps}: it "
            f"ends at {rate.scheduled(steps - 1):.3g}, below its height; give fewer steps or train more epochs"
        )


__all__ = ["Rates", "schedule_of"]
