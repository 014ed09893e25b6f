"""What is shown of an array: its shape, mean and spread, a small histogram, and the numbers of a tiny one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schuss.ir.executor import Array

BINS = 24
MOST = 64  # numbers of an array that are listed in to_json()


@dataclass(frozen=True, eq=False)
class Summary:
    """An array as a picture shows it. Mean, spread, range and histogram are those of its finite values, in float64."""

    array: Array

    @cached_property
    def finite(self) -> NDArray[np.float64]:
        flat = self.array.reshape(-1).astype(np.float64)
        kept = np.isfinite(flat)
        return flat if kept.all() else flat[kept]

    @cached_property
    def mean(self) -> float | None:
        with np.errstate(over="ignore"):
            return _known(float(self.finite.sum()) / self.finite.size) if self.finite.size else None

    @cached_property
    def std(self) -> float | None:
        if self.mean is None:
            return None
        with np.errstate(over="ignore"):
            centred = self.finite - self.mean
            return _known(math.sqrt(float(centred @ centred) / self.finite.size))

    @cached_property
    def norm(self) -> float | None:
        """The root of the sum of squares."""
        top = max((abs(v) for v in (self.low, self.high) if v is not None), default=0.0)
        if not self.finite.size or top == 0.0:
            return 0.0 if self.finite.size else None
        scaled = self.finite / top  # whose squares neither vanish nor overflow
        return _known(top * math.sqrt(float(scaled @ scaled)))

    @property
    def is_centred(self) -> bool:
        """Whether the mean says nothing: the numbers cancel, as gradients of a softmax and of a centred layer do."""
        return self.mean is None or self.std is None or abs(self.mean) < 1e-3 * self.std

    @cached_property
    def low(self) -> float | None:
        return float(self.finite.min()) if self.finite.size else None

    @cached_property
    def high(self) -> float | None:
        return float(self.finite.max()) if self.finite.size else None

    @cached_property
    def histogram(self) -> list[int]:
        """How many values fall into each of BINS equal parts from the lowest to the highest."""
        counts = [0] * BINS
        if self.low is None or self.high is None:
            return counts
        span = self.high - self.low
        if not 0 < span < math.inf:
            counts[BINS // 2] = int(self.finite.size)
        elif self.finite.size <= MOST:  # for few, numpy's calls cost more than the loop
            for value in self.finite.tolist():
                counts[min(int((value - self.low) / span * BINS), BINS - 1)] += 1
        else:
            place = ((self.finite - self.low) / span * BINS).astype(np.int64)
            counts = np.bincount(np.minimum(place, BINS - 1), minlength=BINS).tolist()
        return counts

    def to_json(self) -> dict[str, Any]:
        """shape, dtype, mean, std, centred, norm, min, max, hist, edges, nonfinite; numbers: at most MOST values,
        nested, else None.

        JSON knows no infinity: among the numbers they are the texts "inf", "-inf" and "nan".
        """
        numbers = None
        if self.array.size <= MOST:
            numbers = self.array.tolist()
            if self.finite.size < self.array.size:
                numbers = _plain(numbers)
        return {
            "shape": list(self.array.shape),
            "dtype": str(self.array.dtype),
            "mean": self.mean,
            "std": self.std,
            "centred": self.is_centred,
            "norm": self.norm,
            "min": self.low,
            "max": self.high,
            "hist": self.histogram,
            "edges": [self.low, self.high],
            "nonfinite": int(self.array.size - self.finite.size),
            "numbers": numbers,
        }


def _known(value: float) -> float | None:
    """None for what overflowed."""
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
