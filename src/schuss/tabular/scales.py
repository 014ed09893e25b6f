"""Scales on which a target of numbers is learned, where a few of its values lie far from all others.

Under squared error those few rows are most of the loss, and what they say of all other rows is mostly noise. Learned on
the scale t = log(1 + (y - start) / half) they are rows as others. As the value at the mean of t is not the mean of the
values, `back` gives the mean over residuals e of rows held out, E[y | t] = mean_e value(t + e): Duan, Smearing estimate
(JASA 1983). That rises with t, whatever was held out, and the residuals' own mean is left out of it: a fold's level is
no news of its rows. Whether such a network earns a weight is left to the blend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schuss import ops
from schuss.ir.executor import Array
from schuss.tabular.algebra import moments
from schuss.tabular.baselines import weighted_quantiles

SKEWED, PEAKED = 1.0, 3.0  # third moment, fourth moment less 3: an exponential distribution has 2 and 6
SCALES = ("log", "asinh")
LEAST = 1e-3  # of `half`, in deviations
FURTHEST = 10.0  # a residual


@dataclass(frozen=True)
class Scale:
    """Of each target: t = (f(side (y - start) / half) - mean) / deviation, f(v) = log(1 + v), or asinh(v).

    side   1, or -1 for a tail below
    low, high  of t over the training rows
    up, down   means of exp(e) and exp(-e) over residuals e, in units of f; from `smeared`
    """

    name: str
    side: tuple[float, ...]
    start: tuple[float, ...]
    half: tuple[float, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    up: tuple[float, ...] = ()
    down: tuple[float, ...] = ()

    @classmethod
    def of(cls, name: str, y: Array, weights: Array | None = None) -> Scale:
        """For targets y [N, targets]; a logarithm starts at each one's end without a tail."""
        w = np.ones(len(y)) if weights is None else weights
        side, start = np.ones(y.shape[1]), _medians(y, w)
        if name == "log":
            side = np.where(_moment(y, 3, w) < 0, -1.0, 1.0)
            start = np.where(side > 0, y.min(0), y.max(0))
        half = _medians(np.abs(y - start), w)
        half = np.maximum(half, LEAST * moments(y, w)[1])
        plain = cls(name, _tuple(side), _tuple(start), _tuple(half))
        t = plain._bent(y)
        mean, deviation = moments(t, w)
        deviation = np.maximum(deviation, 1e-9)
        t = (t - mean) / deviation
        one = (1.0,) * y.shape[1]
        return replace(plain, mean=_tuple(mean), deviation=_tuple(deviation), low=_tuple(t.min(0)),
                       high=_tuple(t.max(0)), up=one, down=one)  # fmt: skip

    def _bent(self, y: Array) -> Array:
        v = np.array(self.side) * (y - np.array(self.start)) / np.array(self.half)
        return np.log1p(np.maximum(v, 0)) if self.name == "log" else np.arcsinh(v)

    def forth(self, y: Array) -> Array:
        """t of targets y [N, targets]"""
        return (self._bent(y) - np.array(self.mean)) / np.array(self.deviation)

    def back(self, t: Any) -> Any:
        """Values of outputs t [..., targets], tensors or arrays; t is held within what training rows had."""
        low, high, mean, deviation, side, half, start, up, down = (
            np.array(v, np.float32)
            for v in (self.low, self.high, self.mean, self.deviation, self.side, self.half, self.start, self.up,
                      self.down)
        )  # fmt: skip
        bent = ops.clip(t, low, high) * deviation + mean
        v = (
            ops.exp(bent) * up - 1.0
            if self.name == "log"
            else (ops.exp(bent) * up - ops.exp(ops.neg(bent)) * down) * 0.5
        )
        return v * (side * half) + start

    def smeared(self, t: Array, y: Array, weights: Array | None) -> Scale:
        """With the residuals of rows held out, of outputs t [N, targets] and targets y."""
        w = np.ones(len(y)) if weights is None else weights
        e = (self.forth(y) - np.clip(t, self.low, self.high)) * np.array(self.deviation)
        e = np.clip(e - np.average(e, 0, w), -FURTHEST, FURTHEST)
        up, down = (_tuple(np.average(np.exp(v), 0, w)) for v in (e, -e))
        return replace(self, up=up, down=down)


def suited(y: Array, weights: Array | None = None) -> str:
    """The scale that targets y [N, targets] ask for: "log" for a tail on one side, "asinh" for tails on both, "" for
    none."""
    w = np.ones(len(y)) if weights is None else weights
    if (np.abs(_moment(y, 3, w)) > SKEWED).any():
        return "log"
    return "asinh" if (_moment(y, 4, w) - 3 > PEAKED).any() else ""


def _moment(y: Array, power: int, w: Array) -> Array:
    mean, deviation = moments(y, w)
    return np.asarray(np.average(((y - mean) / np.maximum(deviation, 1e-300)) ** power, 0, w))


def _medians(y: Array, w: Array) -> Array:
    return np.array([weighted_quantiles(column, (0.5,), w)[0] for column in y.T])


def _tuple(a: Array) -> tuple[float, ...]:
    return tuple(a.tolist())
