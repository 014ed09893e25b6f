"""The moments of a run, its weights and means, and its losses finely: kept between slices of native steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from schuss.ir.executor import Array

EVERY = 0.02  # seconds between two moments at first: a short run has a path too, a long one's interval doubles
MOMENTS = 200  # held at most
BYTES = 256 << 20  # of weights held at most
SHARE = 0.005  # of the time may go into moments whose interval is ours: those of large models come further apart
LEAST = 100  # moments of a run that has as many steps: a run too short to have them by time has them by steps,
BUDGET = 0.03  # for which it spends no more than so many seconds and their share
POINTS = 600  # of the curve held at most
NEAR = 0.9  # of the interval: a slice that ends then is not followed by a tiny one
Sums = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """A run at one step.

    step      steps done over the whole run; epoch: the same in epochs, with fractions
    seconds   of training so far
    loss      mean over the steps since the moment before; the first moment has that of the first step, whose batch was
              seen by just these weights; NaN if there was no step
    metrics   likewise, by name
    lr        the learning rate of the step before (the first moment: of the step to come); None if it is not known
    weights   copies of all parameters by name; matrices may lie transposed in memory
    rates     likewise those of the optimizer's groups, as lr/NAME
    """

    step: int
    epoch: float
    seconds: float
    loss: float
    metrics: dict[str, float]
    lr: float | None
    weights: dict[str, Array]
    rates: dict[str, float | None] = field(default_factory=dict)


def interval(record: bool | float) -> float | None:
    """Seconds between moments for what `fit` was given as record, None for no record."""
    if isinstance(record, (bool, np.bool_)):
        return EVERY if record else None
    return float(record)


class Since:
    """Sums over what came since they were looked at last. The run's sums start afresh each epoch."""

    def __init__(self) -> None:
        self._ended: Sums = {}  # of epochs that ended since then
        self._seen: Sums = {}  # of the running epoch, then

    def __call__(self, sums: Mapping[str, float]) -> Sums:
        """The sums since then, from those of the running epoch."""
        return _added(self._ended, {name: value - self._seen.get(name, 0.0) for name, value in sums.items()})

    def look(self, sums: Mapping[str, float]) -> None:
        """From now on they count afresh."""
        self._ended, self._seen = {}, dict(sums)

    def epoch_ended(self, sums: Mapping[str, float]) -> None:
        """The epoch's sums start afresh after these."""
        self._ended, self._seen = self(sums), {}

    def carry(self, sums: Mapping[str, float]) -> None:
        """What was counted before counts from now on, too."""
        self._ended = _added(sums, self._ended)


class Curve:
    """The loss and metrics of a run, finely: for each stretch of steps the mean, and the lowest and highest mean in it.

    At most POINTS stretches: where there would be more, each two become one, so that no peak is lost. Costs a look at
    the run's sums, at most each 0.01 s.

    names  of the loss and the metrics
    rows   [step, epoch, examples, then mean, lowest, highest of each name]; the stretch ends at that step
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.rows: list[list[float]] = []
        self.since = Since()
        self._every = EVERY / 2
        self._at = -math.inf

    def begin(self, step: int, sums: Mapping[str, float]) -> None:
        """The run at its first step, or where it goes on: stretches up to here stay. sums: of its epoch so far."""
        self.rows[:] = [row for row in self.rows if row[0] <= step]
        self.since.look(sums)

    def due(self, seconds: float) -> bool:
        """Whether it is time for another stretch."""
        return seconds - self._at >= self._every

    def add(self, step: int, epoch: float, seconds: float, sums: Mapping[str, float]) -> None:
        """A stretch that ends here; none where no step was done, or its means are not finite."""
        own = self.since(sums)
        loss, metrics = _means(own)
        means = [{"loss": loss, **metrics}.get(name, math.nan) for name in self.names]
        if not own.get("count") or not all(map(math.isfinite, means)):
            return
        self.since.look(sums)
        self._at = seconds
        shown = [float(f"{mean:.6g}") for mean in means]
        self.rows.append([step, epoch, own["count"], *(v for mean in shown for v in (mean, mean, mean))])
        if len(self.rows) >= POINTS:
            self.rows[:] = [_joined(*self.rows[i : i + 2]) for i in range(0, len(self.rows), 2)]
            self._every *= 2

    def columns(self, after: float = -1) -> dict[str, list[float]]:
        """The rows that end after a step, as columns: step, epoch, count; loss, loss/low, loss/high, so each metric."""
        rows = [row for row in list(self.rows) if row[0] > after]
        return {name: [row[i] for row in rows] for i, name in enumerate(self._columns())}

    def restore(self, columns: Any) -> None:
        """Go on from such columns; from none where they are not of this run's form."""
        names = self._columns()
        if (
            isinstance(columns, Mapping)
            and list(columns) == names
            and all(isinstance(c, list) for c in columns.values())
        ):
            rows = [list(row) for row in zip(*columns.values(), strict=False)]
            if all(isinstance(v, (int, float)) for row in rows for v in row):
                self.rows[:] = rows

    def _columns(self) -> list[str]:
        values = [f"{name}{end}" for name in self.names for end in ("", "/low", "/high")]
        return ["step", "epoch", "count", *values]


def _joined(a: list[float], b: list[float] | None = None) -> list[float]:
    """Two stretches as one."""
    if b is None:
        return a
    count = a[2] + b[2]
    joined = [b[0], b[1], count]
    for i in range(3, len(a), 3):
        mean = float(f"{(a[i] * a[2] + b[i] * b[2]) / count:.6g}")
        joined += [mean, min(a[i + 1], b[i + 1]), max(a[i + 2], b[i + 2])]
    return joined


class Recorder:
    """Moments of a run, never more than MOMENTS, nor than BYTES of weights allow (but always the first and the last):
    where they would be, every other one is dropped and the interval doubles.

    path   where the moments go, the oldest first
    share  of the run's time that they may take: where they take more, the interval grows
    steps  of the whole run: one that is too short to have LEAST moments by time has them by steps; 0: by time alone

    A moment's means come from differences of the run's sums.
    """

    def __init__(self, every: float, path: list[Moment], share: float = math.inf, steps: int = 0) -> None:
        self.every, self.path, self._share, self.total = every, path, share, steps
        self.stride = max(1, steps // LEAST)
        self._cost = self._spent = 0.0  # seconds of a moment, and of all
        self._sums: list[Sums] = []  # of each moment: over the steps since the moment before
        self._since = Since()

    @property
    def apart(self) -> float:
        """Seconds between moments as things are."""
        return max(self.every, self._cost / self._share)

    def due(self, seconds: float, step: int = 0) -> bool:
        """Whether it is time for another moment."""
        if not self.path or seconds - self.path[-1].seconds >= NEAR * self.apart:
            return True
        return self._by_steps(seconds, step) and step - self.path[-1].step >= self.stride

    def _by_steps(self, seconds: float, step: int) -> bool:
        """Whether the run will be over before it has LEAST moments by time, and they cost next to nothing."""
        quick = seconds * self.total < LEAST * self.apart * step or not step
        return bool(self.total) and quick and self._spent <= BUDGET + self._share * seconds

    def ahead(self, seconds: float) -> float:
        """How long the next slice should be for the next moment to be on time."""
        left = self.apart if self.due(seconds) else self.path[-1].seconds + self.apart - seconds
        return max(left, self.apart / 4)

    def steps_ahead(self, seconds: float, step: int) -> int:
        """How many steps the next slice may have at most."""
        if not self.path or not self._by_steps(seconds, step):
            return max(self.total, 1)
        return max(1, self.path[-1].step + self.stride - step)

    def took(self, seconds: float) -> None:
        """What a moment cost the run. One that took long by accident counts as twice the one before at most."""
        self._spent += seconds
        self._cost = min(seconds, 2 * self._cost) if self._cost else seconds

    def begin(self, moment: Moment, sums: Mapping[str, float], batch: int) -> None:
        """The run at its first step, or where it goes on: a path there is up to here stays.

        sums: of the running epoch so far, where a run is resumed. batch: examples a step
        """
        self.path[:] = [m for m in self.path if m.step <= moment.step] or [moment]
        apart = ((new, (new.step - old.step) * batch) for old, new in pairwise(self.path))
        self._sums = [{}, *(_sums_of(new, count) for new, count in apart)]
        self._since.look(sums)

    def first_step(self, sums: Mapping[str, float]) -> None:
        """The loss the first moment's weights had on the first batch."""
        loss, metrics = _means(self._since(sums))
        self.path[0] = replace(self.path[0], loss=loss, metrics=metrics)

    def add(self, moment: Callable[[], Moment], sums: Mapping[str, float]) -> None:
        """One moment more; its means are worked out here."""
        if len(self.path) >= self._room():
            self._thin()
        since = self._since(sums)
        loss, metrics = _means(since)
        made = replace(moment(), loss=loss, metrics=metrics)
        self._sums.append(since)
        self._since.look(sums)
        self.path.append(made)

    def epoch_ended(self, sums: Mapping[str, float]) -> None:
        """The sums start afresh after these."""
        self._since.epoch_ended(sums)

    def _room(self) -> int:
        size = sum(w.nbytes for w in self.path[0].weights.values())
        return max(2, min(MOMENTS, BYTES // max(size, 1)))

    def _thin(self) -> None:
        """Drop every other moment but the first; the steps before a dropped one count to the next that stays."""
        kept: list[Moment] = []
        sums: list[Sums] = []
        carried: Sums = {}
        for i, (moment, own) in enumerate(zip(self.path, self._sums, strict=True)):
            own = _added(carried, own)
            carried = own if i % 2 else {}
            if i % 2:
                continue
            if i:
                loss, metrics = _means(own)
                moment = replace(moment, loss=loss, metrics=metrics)
            kept.append(moment)
            sums.append(own)
        self._since.carry(carried)
        self.path[:], self._sums = kept, sums
        self.every *= 2
        self.stride *= 2


def _sums_of(moment: Moment, count: float) -> Sums:
    """The sums whose means a moment has, over so many examples."""
    means = {"loss": moment.loss, **moment.metrics}
    return {"count": float(count)} | {name: mean * count for name, mean in means.items()}


def _added(a: Mapping[str, float], b: Mapping[str, float]) -> Sums:
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in {**a, **b}}


def _means(sums: Mapping[str, float]) -> tuple[float, dict[str, float]]:
    """(loss, metrics) from sums over `count` examples."""
    count = sums.get("count", 0.0) or math.nan
    metrics = {name: value / count for name, value in sums.items() if name not in ("count", "loss")}
    return sums.get("loss", math.nan) / count, metrics


__all__ = ["Curve", "Moment", "Recorder"]
