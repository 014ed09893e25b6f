"""Schedules of learning rates and of other numbers: functions of the step (int64, from 0) to float64, in graph code.

Their settings are inputs of the compiled step, as all hyperparameters are (schuss.trace.hyper). Called with a tensor
they give a tensor, with a whole number a number: plot [s(i) for i in range(n)].
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from schuss import ops
from schuss.configured import Configured
from schuss.constraints import FRACTION, NOT_NEGATIVE, POSITIVE, Constraints, Each, Number, Scheduled, Whole
from schuss.errors import UsageError
from schuss.optim.base import Rate, value_at
from schuss.trace import hyper


class Schedule(Configured):
    """Base of the schedules. Any function of the step may stand in for one."""

    @property
    def length(self) -> int | None:
        """The steps after which nothing is left of the rate: no run may have more. None for one that goes on."""
        return None

    @property
    def rise(self) -> int:
        """The steps of a warmup: a run of no more never reaches the rate that was asked for."""
        return 0

    def __call__(self, step: Any) -> Any:
        return self.at(ops.cast(step, dtype="float64"))

    def at(self, t: Any) -> Any:
        """The rate at step t, a float64 scalar."""
        raise NotImplementedError

    def check(self, columns: Collection[str]) -> None:
        """Before a run whose history will have these columns. UsageError if the schedule needs another."""

    def after_epoch(self, history: Mapping[str, Sequence[float]], rate: float) -> float:
        """What the rate becomes after an epoch that ended with this one, by the history so far; the schedule's later
        values are multiplied likewise. What it does must follow from the history alone, so that a resumed run goes on
        as it would have."""
        return rate

    def __mul__(self, factor: float) -> Scaled:
        """Its values times a number: Group("body", lr=0.1 * schedule)."""
        return Scaled(self, factor) if isinstance(factor, Real) else NotImplemented

    __rmul__ = __mul__


_UNIT = Number(0, 1, open="low")


class _Fixed(Number):
    """A positive number, and no schedule."""

    def __call__(self, value: Any) -> str | None:
        return "must be a number, not a schedule" if callable(value) else super().__call__(value)


_LR = _Fixed(0, open="low")


def _cosine(start: float, end: float, done: Any) -> Any:
    """From start (done = 0) to end (done = 1) along half a cosine."""
    return end + (start - end) * 0.5 * (1.0 + ops.cos(done * math.pi))


def _check_order(schedule: Cosine | FlatCosine | CosineWarmRestarts) -> None:
    if schedule.min_lr > schedule.lr:
        name = type(schedule).__name__
        raise UsageError(f"{name}: min_lr must be between 0 and lr, got {schedule.min_lr!r} and lr {schedule.lr!r}")


def _cycle(t: Any, steps: int, pct_start: float, start: Any, peak: Any, end: Any) -> Any:
    """From start to peak over pct_start of the steps, then to end, where it stays, by half cosines."""
    top = pct_start * steps - 1.0  # below 0 for few steps: no rise
    span, turn = hyper("span", steps * (1.0 - pct_start) or 1.0, t), hyper("top", top, t)
    fall = _cosine(peak, end, ops.clip((t - turn) / span, low=0.0, high=1.0))
    if top <= 0.0:
        return fall
    return ops.where(ops.less_equal(t, turn), _cosine(start, peak, t / turn), fall)


@dataclass(frozen=True)
class Constant(Schedule):
    """lr"""

    lr: float

    constraints: ClassVar[Constraints] = {"lr": _LR}

    def at(self, t: Any) -> Any:
        return t * 0.0 + hyper("lr", self.lr, t)


@dataclass(frozen=True)
class Step(Schedule):
    """lr * gamma ** floor(t / step_size)"""

    lr: float
    step_size: int
    gamma: float = 0.1

    constraints: ClassVar[Constraints] = {"lr": _LR, "step_size": Whole(), "gamma": _UNIT}

    def at(self, t: Any) -> Any:
        passed = ops.floor(t / hyper("step_size", self.step_size, t))
        return ops.pow(hyper("gamma", self.gamma, t), passed) * hyper("lr", self.lr, t)


@dataclass(frozen=True)
class MultiStep(Schedule):
    """lr * gamma ** (how many of the milestones are at or before step t). PyTorch's MultiStepLR, in steps."""

    lr: float
    milestones: tuple[int, ...]
    gamma: float = 0.1

    constraints: ClassVar[Constraints] = {"lr": _LR, "milestones": Each(Whole()), "gamma": _UNIT}

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "milestones", tuple(self.milestones))

    def at(self, t: Any) -> Any:
        passed = t * 0.0
        for i, step in enumerate(self.milestones):
            milestone = hyper(f"milestones[{i}]", float(step), t)
            passed = passed + ops.cast(ops.greater_equal(t, milestone), dtype="float64")
        return ops.pow(hyper("gamma", self.gamma, t), passed) * hyper("lr", self.lr, t)


@dataclass(frozen=True)
class Exponential(Schedule):
    """lr * gamma ** t"""

    lr: float
    gamma: float

    constraints: ClassVar[Constraints] = {"lr": _LR, "gamma": _UNIT}

    def at(self, t: Any) -> Any:
        return ops.pow(hyper("gamma", self.gamma, t), t) * hyper("lr", self.lr, t)


@dataclass(frozen=True)
class Cosine(Schedule):
    """min_lr + (lr - min_lr) * (1 + cos(pi * t / steps)) / 2, and min_lr from step `steps` on.

    A run of more steps is refused unless min_lr is above 0.
    Source: Loshchilov and Hutter, SGDR (ICLR 2017), without restarts.
    """

    lr: float
    steps: int
    min_lr: float = 0.0

    constraints: ClassVar[Constraints] = {"lr": _LR, "steps": Whole(), "min_lr": NOT_NEGATIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_order(self)

    @property
    def length(self) -> int | None:
        return None if self.min_lr else self.steps

    def at(self, t: Any) -> Any:
        done = ops.minimum(t / hyper("steps", self.steps, t), 1.0)
        return _cosine(hyper("lr", self.lr, t), hyper("min_lr", self.min_lr, t), done)


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """lr for the share `flat` of the steps, then as Cosine to min_lr, where it stays from step `steps` on.

    From step first = flat * steps on it is min_lr + (lr - min_lr) * (1 + cos(pi * (t - first) / (steps - first))) / 2.
    For rates, decays and nn.Dropout(FlatCosine(0.1, n)) alike. As a rate it refuses a run of more steps unless min_lr
    is above 0. fastai's fit_flat_cos, whose flat is 0.75.
    """

    lr: float
    steps: int
    flat: float = 0.5
    min_lr: float = 0.0

    constraints: ClassVar[Constraints] = {"lr": _LR, "steps": Whole(), "flat": FRACTION, "min_lr": NOT_NEGATIVE}

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_order(self)

    @property
    def length(self) -> int | None:
        return None if self.min_lr else self.steps

    def at(self, t: Any) -> Any:
        first = self.flat * self.steps
        lr, begin, span = hyper("lr", self.lr, t), hyper("first", first, t), hyper("span", self.steps - first, t)
        fall = _cosine(lr, hyper("min_lr", self.min_lr, t), ops.clip((t - begin) / span, low=0.0, high=1.0))
        return ops.where(ops.less_equal(t, begin), lr, fall)


@dataclass(frozen=True)
class CosineWarmRestarts(Schedule):
    """Cosine over `steps` steps, then from lr again over steps * multiplier, steps * multiplier**2, ...

    PyTorch's CosineAnnealingWarmRestarts (T_0 = steps, T_mult = multiplier, eta_min = min_lr), in steps.
    Source: Loshchilov and Hutter, SGDR (ICLR 2017).
    """

    lr: float
    steps: int
    multiplier: int = 1
    min_lr: float = 0.0

    constraints: ClassVar[Constraints] = {
        "lr": _LR,
        "steps": Whole(),
        "multiplier": Whole(),
        "min_lr": NOT_NEGATIVE,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_order(self)

    def at(self, t: Any) -> Any:
        lr, min_lr, steps = (hyper(name, getattr(self, name), t) for name in ("lr", "min_lr", "steps"))
        if self.multiplier == 1:
            return _cosine(lr, min_lr, t / steps - ops.floor(t / steps))
        grow = self.multiplier - 1.0
        per_step, logarithm = hyper("grow", grow / self.steps, t), hyper("log", math.log(self.multiplier), t)
        guess = ops.floor(ops.log(t * per_step + 1.0) / logarithm)  # one off by rounding
        cycle = guess + 1.0
        for _ in range(2):
            cycle = ops.where(ops.less(t, self._start(cycle)), cycle - 1.0, cycle)
        start = self._start(cycle)
        return _cosine(lr, min_lr, (t - start) / (self._start(cycle + 1.0) - start))

    def _start(self, cycle: Any) -> Any:
        """The step at which a cycle begins, a whole number."""
        multiplier = hyper("multiplier", float(self.multiplier), cycle)
        grown = ops.floor(ops.pow(multiplier, cycle) + 0.5)
        return (grown - 1.0) * hyper("first", self.steps / (self.multiplier - 1.0), cycle)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """From max_lr / div_factor up to max_lr, down to max_lr / div_factor / final_div_factor, by half cosines.

    The rise ends at step pct_start * steps - 1, the fall at steps - 1, as in PyTorch's OneCycleLR; then the
    rate stays, and a run of more steps is refused. Source: Smith and Topin, Super-convergence (2018).
    """

    max_lr: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    constraints: ClassVar[Constraints] = {
        "max_lr": _LR,
        "steps": Whole(),
        "pct_start": Number(0, 1),
        "div_factor": Number(1),
        "final_div_factor": Number(1),
    }

    @property
    def length(self) -> int:
        return self.steps

    def at(self, t: Any) -> Any:
        first = self.max_lr / self.div_factor
        low, end = hyper("low", first, t), hyper("end", first / self.final_div_factor, t)
        return _cycle(t, self.steps, self.pct_start, low, hyper("max_lr", self.max_lr, t), end)


@dataclass(frozen=True)
class OneCycleMomentum(Schedule):
    """From high down to low while OneCycle's rate rises, then back to high, where it stays, by half cosines.

    For SGD's momentum or the first of Adam's betas, with OneCycle's steps and pct_start, as PyTorch's OneCycleLR cycles
    them: Adam(OneCycle(1e-2, n), betas=(OneCycleMomentum(n), 0.999)). Source: Smith and Topin (2018).
    """

    steps: int
    low: float = 0.85
    high: float = 0.95
    pct_start: float = 0.3

    constraints: ClassVar[Constraints] = {
        "steps": Whole(),
        "low": FRACTION,
        "high": FRACTION,
        "pct_start": Number(0, 1),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise UsageError(f"OneCycleMomentum: low must be at most high, got {self.low!r} and {self.high!r}")

    def at(self, t: Any) -> Any:
        low, high = hyper("low", self.low, t), hyper("high", self.high, t)
        return _cycle(t, self.steps, self.pct_start, high, low, high)


class Around(Schedule):
    """Base of those that change the values of `inner`, a number or another schedule, which acts after epochs as it
    would by itself."""

    inner: Rate

    @property
    def length(self) -> int | None:
        inner: int | None = getattr(self.inner, "length", None)
        return inner

    @property
    def rise(self) -> int:
        return int(getattr(self.inner, "rise", 0))

    def check(self, columns: Collection[str]) -> None:
        if isinstance(self.inner, Schedule):
            self.inner.check(columns)

    def after_epoch(self, history: Mapping[str, Sequence[float]], rate: float) -> float:
        return self.inner.after_epoch(history, rate) if isinstance(self.inner, Schedule) else rate


@dataclass(frozen=True)
class Scaled(Around):
    """inner(t) * factor, as 0.1 * Cosine(1e-3, steps) writes it: for a group's rate in proportion to the others'.

    inner is a number or another schedule.
    """

    inner: Rate
    factor: float

    constraints: ClassVar[Constraints] = {"inner": Scheduled(POSITIVE), "factor": POSITIVE}

    def at(self, t: Any) -> Any:
        return value_at("inner", self.inner, ops.cast(t, dtype="int64")) * hyper("factor", self.factor, t)

    def after_epoch(self, history: Mapping[str, Sequence[float]], rate: float) -> float:
        return super().after_epoch(history, rate / self.factor) * self.factor


@dataclass(frozen=True)
class Warmup(Around):
    """inner(0) * (t + 1) / (steps + 1) for the first `steps` steps, then inner(t - steps).

    inner is a number or another schedule, which starts when the warmup is over.
    Source: Goyal et al., Accurate, large minibatch SGD (2017).
    """

    inner: Rate
    steps: int

    constraints: ClassVar[Constraints] = {"inner": Scheduled(POSITIVE), "steps": Whole()}

    @property
    def length(self) -> int | None:
        inner = super().length
        return None if inner is None else self.steps + inner

    @property
    def rise(self) -> int:
        return self.steps + super().rise

    def at(self, t: Any) -> Any:
        since = ops.cast(ops.maximum(t - hyper("steps", float(self.steps), t), 0.0), dtype="int64")
        part = ops.minimum((t + 1.0) / hyper("rise", self.steps + 1.0, t), 1.0)
        return part * value_at("inner", self.inner, since)
