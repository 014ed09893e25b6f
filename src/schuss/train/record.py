"""The record of a run: its weights and means at moments taken by time, between slices of native steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from schuss.ir.executor import Array

EVERY = 0.02  # seconds between two moments at first: a short run has a path too, a long one's interval doubles
MOMENTS = 200  # held at most
BYTES = 256 << 20  # of weights held at most
SHARE = 0.005  # of the time may go into moments whose interval is ours: those of large models come further apart
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
    """

    step: int
    epoch: float
    seconds: float
    loss: float
    metrics: dict[str, float]
    lr: float | None
    weights: dict[str, Array]


@dataclass(frozen=True)
class Track:
    """A run's path in a plane through its last weights: last + a * directions[0] + b * directions[1]. A model file can
    keep it, where all the weights of the path would be too many.

    directions  two sets of weights, by parameter name
    at          [moments, 2]: a and b of the plane's nearest point to each moment's weights
    loss        [moments]: at these weights themselves
    shares      of the weights' variance along each direction
    """

    directions: tuple[dict[str, Array], dict[str, Array]]
    at: Array
    loss: Array
    shares: tuple[float, float]


def interval(record: bool | float) -> float | None:
    """Seconds between moments for what `fit` was given as record, None for no record."""
    if isinstance(record, (bool, np.bool_)):
        return EVERY if record else None
    return float(record)


class Recorder:
    """Moments of a run, never more than MOMENTS, nor than BYTES of weights allow (but always the first and the last):
    where they would be, every other one is dropped and the interval doubles.

    path   where the moments go, the oldest first
    share  of the run's time that they may take: where they take more, the interval grows

    The run's sums of losses and metrics start afresh each epoch; a moment's means come from their differences.
    """

    def __init__(self, every: float, path: list[Moment], share: float = math.inf) -> None:
        self.every, self.path, self._share = every, path, share
        self._cost = 0.0  # seconds of a moment
        self._sums: list[Sums] = []  # of each moment: over the steps since the moment before
        self._ended: Sums = {}  # epochs that ended since the newest moment, and moments dropped after it
        self._seen: Sums = {}  # of the running epoch: sums at the newest moment

    @property
    def apart(self) -> float:
        """Seconds between moments as things are."""
        return max(self.every, self._cost / self._share)

    def due(self, seconds: float) -> bool:
        """Whether it is time for another moment."""
        return not self.path or seconds - self.path[-1].seconds >= NEAR * self.apart

    def ahead(self, seconds: float) -> float:
        """How long the next slice should be for the next moment to be on time."""
        left = self.apart if self.due(seconds) else self.path[-1].seconds + self.apart - seconds
        return max(left, self.apart / 4)

    def took(self, seconds: float) -> None:
        """What a moment cost the run. One that took long by accident counts as twice the one before at most."""
        self._cost = min(seconds, 2 * self._cost) if self._cost else seconds

    def begin(self, moment: Moment, sums: Mapping[str, float], batch: int) -> None:
        """The run at its first step, or where it goes on: a path there is up to here stays.

        sums: of the running epoch so far, where a run is resumed. batch: examples a step
        """
        self.path[:] = [m for m in self.path if m.step <= moment.step] or [moment]
        apart = ((new, (new.step - old.step) * batch) for old, new in pairwise(self.path))
        self._sums = [{}, *(_sums_of(new, count) for new, count in apart)]
        self._seen = dict(sums)

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
        self._ended, self._seen = {}, dict(sums)
        self.path.append(made)

    def epoch_ended(self, sums: Mapping[str, float]) -> None:
        """The sums start afresh after these."""
        self._ended, self._seen = self._since(sums), {}

    def _since(self, sums: Mapping[str, float]) -> Sums:
        """Sums over the steps since the newest moment."""
        return _added(self._ended, {name: value - self._seen.get(name, 0.0) for name, value in sums.items()})

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
        self._ended = _added(carried, self._ended)
        self.path[:], self._sums = kept, sums
        self.every *= 2


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


__all__ = ["Moment", "Recorder", "Track"]
