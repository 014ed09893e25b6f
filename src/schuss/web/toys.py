"""The playground's data: small problems in the square from -1 to 1, each of which asks something else of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.errors import UsageError
from schuss.ir.executor import Array

COUNT = 400
MOST_POINTS = 500
LABELS = 3  # of points that were clicked in


@dataclass(frozen=True)
class Toy:
    """x float32 [N, 1 or 2]; y int64 [N] labels below `classes`, or float32 [N, 1]; the function where it is known."""

    x: Array
    y: Array
    classes: int | None
    target: Callable[[Array], Array] | None = None


def toy(name: str, noise: float, seed: int, points: Any = None) -> Toy:
    """Rows of the data set of that name. UsageError for another name, or points that are none."""
    if name == "points":
        return _clicked(points)
    rng = np.random.default_rng(seed)
    if name in PLANES:
        x, y = PLANES[name](rng)
        return Toy((x + noise * rng.normal(size=x.shape) / 2).astype(np.float32), y.astype(np.int64), 2)
    if name in CURVES:
        target = CURVES[name]
        x = np.sort(rng.uniform(-1, 1, COUNT // 2))
        y = target(x) + noise * rng.normal(size=len(x)) / 2
        return Toy(x[:, None].astype(np.float32), y[:, None].astype(np.float32), None, target)
    raise UsageError(f"data must be one of {', '.join([*PLANES, *CURVES, 'points'])}")


def _circle(rng: Any) -> tuple[Array, Array]:
    """A disc in a ring: a single straight line is of no use."""
    y = np.arange(COUNT) % 2
    radius = np.where(y == 1, 0.45 * np.sqrt(rng.uniform(size=COUNT)), rng.uniform(0.65, 0.95, COUNT))
    angle = rng.uniform(0, 2 * math.pi, COUNT)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def _xor(rng: Any) -> tuple[Array, Array]:
    """Exclusive or: class 1 where the coordinates' signs differ."""
    x = rng.uniform(0.08, 0.95, (COUNT, 2)) * rng.choice([-1.0, 1.0], (COUNT, 2))
    return x, (x[:, 0] > 0) != (x[:, 1] > 0)


def _spiral(rng: Any) -> tuple[Array, Array]:
    """Two arms wound around each other."""
    y = np.arange(COUNT) % 2
    along = rng.uniform(0.05, 1, COUNT)
    angle = along * 3.5 * math.pi + math.pi * y
    return 0.95 * along[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1), y


def _sine(x: Array) -> Array:
    """One and a half waves."""
    return 0.8 * np.sin(1.5 * math.pi * x)


def _steps(x: Array) -> Array:
    """A staircase of five steps: smooth units must add up to corners."""
    return 0.4 * np.clip(np.floor(2.5 * x + 0.5), -2, 2)


PLANES = {"circle": _circle, "xor": _xor, "spiral": _spiral}
CURVES = {"sine": _sine, "steps": _steps}


def _clicked(points: Any) -> Toy:
    """[x, y, label] each: classes in the plane; with every label null a curve y(x)."""
    if not isinstance(points, list) or not 2 <= len(points) <= MOST_POINTS:
        raise UsageError(f"points must be a list of 2 to {MOST_POINTS} points")
    if not all(isinstance(p, list) and len(p) == 3 and all(_coordinate(v) for v in p[:2]) for p in points):
        raise UsageError("a point must be [x, y, label] with x and y from -1 to 1")
    x = np.array([p[:2] for p in points], np.float32)
    labels: Sequence[Any] = [p[2] for p in points]
    if all(label is None for label in labels):
        return Toy(np.ascontiguousarray(x[:, :1]), np.ascontiguousarray(x[:, 1:]), None)
    if not all(type(label) is int and 0 <= label < LABELS for label in labels):
        raise UsageError(f"labels must be whole numbers below {LABELS}, or null for every point")
    return Toy(x, np.array(labels, np.int64), max(*labels, 1) + 1)


def _coordinate(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1 <= value <= 1
