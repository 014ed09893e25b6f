"""Scales on which a target of numbers is learned, where a few of its values lie far from all others.

Under squared error those few rows are most of the loss, and what they say of all other rows is mostly noise. Learned on
the scale t = log(1 + (y - start) / half) they are rows as others. `back` gives values again; as the mean of a logarithm
is not the logarithm of the mean, a line through predictions and targets out of fold corrects them
(Duan, Smearing estimate, JASA 1983). Whether such a network earns a weight is left to the blend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schuss import ops
from schuss.ir.executor import Array

SKEWED, PEAKED = 1.0, 3.0  # third moment, fourth moment less 3: an exponential distribution has 2 and 6
SCALES = ("log", "asinh")
LEAST = 1e-3  # of `half`, in deviations


@dataclass(frozen=True)
class Scale:
    """Of each target: t = (f(side (y - start) / half) - mean) / deviation, f(v) = log(1 + v), or asinh(v).

    side   1, or -1 for a tail below
    low, high  of t over the training rows
    slope, offset  y = slope back(t) + offset, from `corrected`
    """

    name: str
    side: tuple[float, ...]
    start: tuple[float, ...]
    half: tuple[float, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    slope: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, y: Array) -> Scale:
        """For targets y [N, targets]; a logarithm starts at each one's end without a tail."""
        if name == "log":
            side = np.where(_moment(y, 3) < 0, -1.0, 1.0)
            start = np.where(side > 0, y.min(0), y.max(0))
            half = np.median(side * (y - start), 0)
        else:
            side, start = np.ones(y.shape[1]), np.median(y, 0)
            half = np.median(np.abs(y - start), 0)
        half = np.maximum(half, LEAST * y.std(0))
        plain = cls(name, *(tuple(v.tolist()) for v in (side, start, half)))
        t = plain._bent(y)
        mean, deviation = t.mean(0), np.maximum(t.std(0), 1e-9)
        t = (t - mean) / deviation
        ends = (mean, deviation, t.min(0), t.max(0), np.ones(y.shape[1]), np.zeros(y.shape[1]))
        return cls(name, plain.side, plain.start, plain.half, *(tuple(v.tolist()) for v in ends))

    def _bent(self, y: Array) -> Array:
        v = np.array(self.side) * (y - np.array(self.start)) / np.array(self.half)
        return np.log1p(np.maximum(v, 0)) if self.name == "log" else np.arcsinh(v)

    def forth(self, y: Array) -> Array:
        """t of targets y [N, targets]"""
        return (self._bent(y) - np.array(self.mean)) / np.array(self.deviation)

    def back(self, t: Any) -> Any:
        """Values of outputs t [..., targets], tensors or arrays, within what training rows had."""
        low, high, mean, deviation, side, half, start, slope, offset = (
            np.array(v, np.float32)
            for v in (self.low, self.high, self.mean, self.deviation, self.side, self.half, self.start, self.slope,
                      self.offset)
        )  # fmt: skip
        bent = ops.clip(t, low, high) * deviation + mean
        v = ops.expm1(bent) if self.name == "log" else (ops.exp(bent) - ops.exp(ops.neg(bent))) * 0.5
        return (v * (side * half) + start) * slope + offset

    def corrected(self, value: Array, y: Array, weights: Array | None) -> Scale:
        """With the line by which values [N, targets], of rows held out, come closest to their targets y."""
        w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
        mean, truth = w @ value / w.sum(), w @ y / w.sum()
        spread = w @ np.square(value - mean)
        varied = spread > 1e-9 * (w @ np.square(y - truth))  # where it does not, no line is steeper than another
        slope = np.divide(w @ ((value - mean) * (y - truth)), spread, out=np.ones(len(mean)), where=varied)
        return replace(self, slope=tuple(slope.tolist()), offset=tuple((truth - slope * mean).tolist()))


def suited(y: Array) -> str:
    """The scale that targets y [N, targets] ask for: "log" for a tail on one side, "asinh" for tails on both, "" for
    none."""
    if any(abs(v) > SKEWED for v in _moment(y, 3)):
        return "log"
    return "asinh" if any(v - 3 > PEAKED for v in _moment(y, 4)) else ""


def _moment(y: Array, power: int) -> Array:
    z = (y - y.mean(0)) / np.maximum(y.std(0), 1e-300)
    return np.asarray((z**power).mean(0))
