"""What is shown of an array: its shape, mean and spread, a small histogram, and the numbers of a tiny one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BINS = 24
MOST = 64  # numbers of an array that are listed in to_json()


@dataclass(frozen=True, eq=False)
class Summary:
    """An array as a picture shows it. Mean, spread, range and histogram are those of its finite values."""

    array: Array

    @cached_property
    def finite(self) -> NDArray[np.float64]:
        flat = self.array.reshape(-1).astype(np.float64)
        return flat[np.isfinite(flat)]

    @cached_property
    def mean(self) -> float | None:
        return float(self.finite.mean()) if self.finite.size else None

    @cached_property
    def std(self) -> float | None:
        return float(self.finite.std()) if self.finite.size else None

    @property
    def low(self) -> float | None:
        return float(self.finite.min()) if self.finite.size else None

    @property
    def high(self) -> float | None:
        return float(self.finite.max()) if self.finite.size else None

    @cached_property
    def histogram(self) -> list[int]:
        """How many values fall into each of BINS equal parts from the lowest to the highest."""
        if self.low is None or self.high is None:
            return [0] * BINS
        span = self.high - self.low
        if not math.isfinite(span) or span <= 0:
            counts = [0] * BINS
            counts[BINS // 2] = int(self.finite.size)
            return counts
        place = ((self.finite - self.low) / span * BINS).astype(np.int64).clip(0, BINS - 1)
        return np.bincount(place, minlength=BINS).tolist()

    def to_json(self) -> dict[str, Any]:
        """shape, dtype, mean, std, min, max, hist, edges, nonfinite; numbers, nested, of at most MOST values, else None.

        JSON knows no infinity: among the numbers they are the texts "inf", "-inf" and "nan".
        """
        numbers = None
        if self.array.size <= MOST:
            numbers = _plain(self.array.tolist())
        return {
            "shape": list(self.array.shape),
            "dtype": str(self.array.dtype),
            "mean": self.mean,
            "std": self.std,
            "min": self.low,
            "max": self.high,
            "hist": self.histogram,
            "edges": [self.low, self.high],
            "nonfinite": int(self.array.size - self.finite.size),
            "numbers": numbers,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
