"""A plane through a run's last weights, and where the visited weights lie in it.

Weights are dicts of arrays by parameter name; sums over all of them run in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schuss.ir.executor import Array

Weights = Mapping[str, Array]
BLOCK = 1 << 13  # weights of each point that are held in float64 at once: in a core's own cache
FLAT = 1e-10  # of the largest variance: less than this is rounding, not a direction


@dataclass(frozen=True)
class Plane:
    """origin + a * directions[0] + b * directions[1].

    directions  two sets of weights; axes of the plane need not be orthogonal or of length 1
    shares      the share of the visited weights' variance along each direction (None for random ones)
    """

    origin: Weights
    directions: tuple[dict[str, Array], dict[str, Array]]
    shares: tuple[float, float] | None = None

    def point(self, a: float, b: float) -> dict[str, Array]:
        """The weights at these coordinates."""
        first, second = self.directions
        return {n: _moved(w, a, first[n], b, second[n]) for n, w in self.origin.items()}

    def project(self, points: Sequence[Weights]) -> Array:
        """The coordinates [points, 2] of the plane's nearest point to each."""
        sides = np.zeros((len(points), 2))
        along = {n: np.stack([_flat(d[n], w) for d in self.directions], axis=1) for n, w in self.origin.items()}
        for name, part, rows in _blocks(points, self.origin):
            sides += rows @ along[name][part].astype(np.float64)
        result: Array = sides @ np.linalg.pinv(self.gram)
        return result

    @property
    def gram(self) -> Array:
        """[2, 2]: the inner products of the directions."""
        return np.array([[dot(p, q) for q in self.directions] for p in self.directions])


def _moved(origin: Array, a: float, first: Array, b: float, second: Array) -> Array:
    kind = origin.dtype.type
    result: Array = origin + kind(a) * first + kind(b) * second
    return result


def dot(p: Weights, q: Weights) -> float:
    """The inner product over all parameters."""
    return float(sum(np.vdot(p[n].astype(np.float64), q[n].astype(np.float64)) for n in p))


def _dot_difference(d: Weights, p: Weights, q: Weights) -> float:
    """The inner product of d with p - q."""
    return float(sum(np.vdot(d[n].astype(np.float64), p[n].astype(np.float64) - q[n]) for n in d))


def principal(origin: Weights, points: Sequence[Weights], seed: int) -> Plane:
    """The plane of the two principal components of the points, moved through the origin. Directions have length 1.

    They are found from the Gram matrix of the points less their mean, of side len(points): the weights are many more.
    Points on one line leave the second direction free, and it is drawn at random.
    """
    gram = sum(rows @ rows.T for _, _, rows in _blocks(points, origin))  # of the points less the origin
    centre = np.eye(len(points)) - 1 / len(points)  # takes the mean away
    values, vectors = np.linalg.eigh(centre @ gram @ centre)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    total = values.sum()
    kept = [k for k in range(min(2, len(points))) if values[k] > FLAT * values[0] and values[k] > 0]
    by = centre @ vectors[:, kept] / np.sqrt(values[kept])
    by *= np.where((gram @ by)[0] >= 0, 1, -1)  # signs are free: the run begins on the positive side
    found = _combined(points, origin, by)
    free = _random(origin, seed, normalised=False)
    while len(found) < 2:
        found.append(_towards(_orthonormal(next(free), found), points[0], origin))
    first, second = (float(v / total) if total else 0.0 for v in np.append(values, 0.0)[:2])
    return Plane(origin, (found[0], found[1]), (first, second))


def mean_of(points: Sequence[Weights]) -> dict[str, Array]:
    """The points' mean, float64."""
    total = {n: np.zeros(w.shape) for n, w in points[0].items()}
    for point in points:
        for name, w in point.items():
            total[name] += w
    return {n: t / len(points) for n, t in total.items()}


def _blocks(points: Sequence[Weights], origin: Weights) -> Iterator[tuple[str, slice, Array]]:
    """(parameter, part of its flat array, [points, part] float64: the points less the origin), block after block."""
    for name, start in origin.items() if points else ():
        base, flat = _flat(start, start), [_flat(p[name], start) for p in points]
        for first in range(0, start.size, BLOCK):
            part = slice(first, first + BLOCK)
            yield name, part, np.stack([f[part] for f in flat]).astype(np.float64) - base[part]


def _flat(w: Array, like: Array) -> Array:
    """The numbers one after the other as they lie in `like`: a record's weights may lie transposed."""
    return (w if like.flags.c_contiguous else w.T).reshape(-1)


def _combined(points: Sequence[Weights], origin: Weights, by: Array) -> list[dict[str, Array]]:
    """For each column of `by` [points, columns], the sum of the points less the origin, each times its factor."""
    found = [{n: np.empty_like(w) for n, w in origin.items()} for _ in by.T]
    for name, part, rows in _blocks(points, origin):
        for one, sums in zip(found, by.T @ rows, strict=True):
            _flat(one[name], origin[name])[part] = sums
    return found


def _orthonormal(direction: dict[str, Array], others: Sequence[Weights]) -> dict[str, Array]:
    """The direction without its part along the others, which have length 1, made as long."""
    wide = {n: d.astype(np.float64) for n, d in direction.items()}
    for other in others:
        along = dot(wide, other)
        wide = {n: d - along * other[n] for n, d in wide.items()}
    length = np.sqrt(dot(wide, wide)) or 1.0
    return {n: (d / length).astype(direction[n].dtype) for n, d in wide.items()}


def _towards(direction: dict[str, Array], start: Weights, origin: Weights) -> dict[str, Array]:
    """Signs are free: the run begins on the positive side."""
    if _dot_difference(direction, start, origin) >= 0:
        return direction
    return {n: -d for n, d in direction.items()}


def random_plane(origin: Weights, seed: int) -> Plane:
    """Two random directions, filter-normalised: each row of a weight (all that leads into one unit) is as long as the
    origin's own row, and biases (parameters of one axis) stay where they are.

    Source: Li, Xu, Taylor, Studer and Goldstein, Visualizing the Loss Landscape of Neural Nets (2018), section 4.
    """
    draws = _random(origin, seed, normalised=True)
    return Plane(origin, (next(draws), next(draws)))


def _random(origin: Weights, seed: int, normalised: bool) -> Iterator[dict[str, Array]]:
    """Directions of normal numbers without end."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = {n: rng.standard_normal(w.shape) for n, w in origin.items()}
        if normalised:
            drawn = {n: filter_normalised(d, origin[n]) for n, d in drawn.items()}
        yield {n: d.astype(origin[n].dtype) for n, d in drawn.items()}


def filter_normalised(direction: Array, weight: Array) -> Array:
    """The direction with each filter (direction[i]) as long as the weight's; 0 for parameters of less than two axes."""
    if weight.ndim < 2:
        return np.zeros(weight.shape)
    axes = tuple(range(1, weight.ndim))
    own = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    wanted = np.sqrt((weight.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
    result: Array = direction * (wanted / np.maximum(own, 1e-30))
    return result
