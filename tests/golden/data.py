"""Data of the golden record: exact multiples of 2^-24, made of a generator's raw bits, the same everywhere."""

from __future__ import annotations

import numpy as np


def uniform(seed: int, *shape: int, dtype: str = "f4") -> np.ndarray:
    """Numbers in [-1, 1), multiples of 2^-23."""
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape))) >> np.uint64(40)
    return ((raw.astype(np.float64) / 2**23) - 1.0).astype(dtype).reshape(shape)


def whole(seed: int, below: int, *shape: int) -> np.ndarray:
    """Whole numbers from 0."""
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape))) >> np.uint64(40)
    return (raw % np.uint64(below)).astype(np.int64).reshape(shape)


def classes(n: int = 150, features: int = 6, count: int = 3, dtype: str = "f4") -> tuple[np.ndarray, np.ndarray]:
    x, y = uniform(1, n, features, dtype=dtype), whole(2, count, n)
    x[np.arange(n), y] += 1.0
    return x, y


def numbers(n: int = 150, features: int = 6, outputs: int = 1, dtype: str = "f4") -> tuple[np.ndarray, np.ndarray]:
    x = uniform(3, n, features, dtype=dtype)
    return x, np.stack([x[:, 0] * (k + 1) - x[:, 1] * x[:, 2] for k in range(outputs)], axis=1)


def pixels(n: int = 120, side: int = 5) -> tuple[np.ndarray, np.ndarray]:
    return whole(4, 256, n, side * side).astype(np.uint8), whole(5, 4, n)
