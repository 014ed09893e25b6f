"""What is kept of a run while it goes on: its losses finely, and moments with their weights where these are wanted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from schuss import nn
from schuss.configured import plain
from schuss.ir.executor import Array
from schuss.train.moments import EVERY, SHARE, Curve, Moment, Recorder, Sums
from schuss.train.options import Options
from schuss.train.recovery import finite
from schuss.train.run import Run

Rates = Callable[[int], dict[str, float | None]]


class Place(NamedTuple):
    """Where a run is: steps and epochs done over the whole of it, and seconds of training."""

    step: int
    epoch: float
    seconds: float


class Recording:
    """The curve of a run, and its moments.

    rates     gives the learning rates of a step, by column of the history
    every     seconds between moments; None: none are kept
    steps     of the whole run, for moments whose interval is ours: see Recorder
    recorder  of the moments, if any
    """

    def __init__(self, run: Run, rates: Rates, every: float | None, steps: int) -> None:
        self._run, self._rates = run, rates
        self.curve = Curve(())
        self.recorder: Recorder | None = None
        if every is not None:
            ours = every == EVERY
            self.recorder = Recorder(every, run.path, SHARE if ours else math.inf, steps if ours else 0)

    def measure(self, names: tuple[str, ...]) -> None:
        """The loss and the metrics that the curve has; a run that goes on keeps its own."""
        before = self._run.curve
        self.curve = self._run.curve = before if before is not None and before.names == names else Curve(names)

    def begin(self, at: Place, sums: Sums, weights: dict[str, Array], batch: int) -> None:
        """The run at its first step, or where it goes on. batch: examples a step."""
        self.curve.begin(at.step, sums)
        if self.recorder is not None:
            self.recorder.begin(self._moment(at, weights), sums, batch)

    def steps_ahead(self, seconds: float, step: int, most: int) -> int:
        """How many steps the next slice may have, so that a moment is on time."""
        return most if self.recorder is None else self.recorder.steps_ahead(seconds, step)

    def seconds_ahead(self, seconds: float, most: float) -> float:
        """Likewise how long it may take."""
        return most if self.recorder is None else min(most, self.recorder.ahead(seconds))

    def after_slice(self, at: Place, sums: Callable[[], Sums], weights: Callable[[], dict[str, Array]]) -> None:
        """A moment, and a stretch of the curve, if it is time for one. sums, weights: of the run as it is now."""
        if self.curve.due(at.seconds) or (self.recorder and self.recorder.due(at.seconds, at.step)):
            self.curve.add(at.step, at.epoch, at.seconds, sums())
        if self.recorder is None or self.recorder.path[-1].step >= at.step:  # as where the slice was given up
            return
        if math.isnan(self.recorder.path[0].loss):
            self.recorder.first_step(sums())
        if self.recorder.due(at.seconds, at.step):
            start = time.thread_time()
            found = weights()
            if finite(found):  # else the next snapshot will tell
                self.recorder.add(lambda: self._moment(at, found), sums())
            self.recorder.took(time.thread_time() - start)

    def note(self, at: Place, sums: Sums, weights: Mapping[str, Array]) -> None:
        """A moment here, and the curve up to it; none if there is one of this step."""
        self.curve.add(at.step, at.epoch, at.seconds, sums)
        if self.recorder is not None and self.recorder.path[-1].step < at.step:
            copies = {name: np.array(value) for name, value in weights.items()}
            self.recorder.add(lambda: self._moment(at, copies), sums)

    def epoch_ended(self, sums: Sums) -> None:
        """The run's sums start afresh after these."""
        self.curve.since.epoch_ended(sums)
        if self.recorder is not None:
            self.recorder.epoch_ended(sums)

    def _moment(self, at: Place, weights: dict[str, Array]) -> Moment:
        """The run as it is now, its means not known."""
        rates = self._rates(at.step - 1 if self._run.path else at.step)
        lr = rates.pop("lr")
        return Moment(at.step, at.epoch, at.seconds, math.nan, {}, lr, weights, rates)


def keep_record(run: Run, model: Any, optimizer: Any, options: Options) -> None:
    """Have the model's signature, if it has one, know the run: what files keep of it, and by which optimizer."""
    signature = nn.signature_of(model)
    if signature is not None:
        asked = {name: plain(getattr(options, name)) for name in ("batch_size", "seed", "clip_norm")}
        nn.set_signature(model, replace(signature, optimizer=optimizer, record=run.record() | asked))


__all__ = ["Place", "Recording", "keep_record"]
