"""The columns of a linear model, standardised. Those of the levels of categories are not made: they are sparse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.algebra import scipy

SMALL = 1e-6  # a column whose deviation is less is constant
BLOCK = 1024  # rows


@dataclass(frozen=True)
class Design:
    """Z [N, L + D + 1], standardised: a column for each of L levels, which is not made, D columns, and one of 1.

    dense  [N, D + 1]
    hot    scipy's sparse [N, L] of 0 and 1, None without levels; center, scale [L]: its columns' means and deviations
    """

    dense: Array
    hot: Any = None
    center: Array = field(default_factory=lambda: np.zeros(0))
    scale: Array = field(default_factory=lambda: np.ones(0))

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.dense), len(self.center) + self.dense.shape[1]

    def rows(self, some: slice) -> Design:
        return Design(self.dense[some], None if self.hot is None else self.hot[some], self.center, self.scale)

    def __matmul__(self, theta: Array) -> Array:
        """Z theta"""
        out = self.dense @ theta[len(self.center) :]
        if self.hot is not None:
            own = (theta[: len(self.center)].T / self.scale).T
            out += self.hot @ own - self.center @ own
        return out

    def back(self, v: Array) -> Array:
        """Z' v of v [N], or [N, K]."""
        out = self.dense.T @ v
        return out if self.hot is None else np.concatenate([self._back(v), out])

    def _back(self, v: Array) -> Array:
        """The levels' part."""
        lifted = self.center if v.ndim == 1 else self.center[:, None]
        return ((self.hot.T @ v - lifted * v.sum(0)).T / self.scale).T

    def gram(self, w: Array) -> Array:
        """Z' diag(w) Z, w at least 0."""
        root, width = np.sqrt(w)[:, None], self.dense.shape[1]
        out = np.zeros((width, width))
        for some in blocks(len(self)):
            part = self.dense[some] * root[some]
            out += part.T @ part  # which numpy knows to be symmetric
        if self.hot is None:
            return out
        cross = self._back(self.dense * w[:, None])
        told, weighed = self.hot.multiply(w[:, None]).tocsr(), self.hot.T @ w
        both = (self.hot.T @ told).toarray() - np.outer(self.center, weighed) - np.outer(weighed, self.center)
        both = (both + w.sum() * np.outer(self.center, self.center)) / np.outer(self.scale, self.scale)
        return np.block([[both, cross], [cross.T, out]])


def design(X: Array, w: Array, codes: Array | None, levels: Sequence[int]) -> tuple[Design, Array, Array]:
    """Z, and the means and deviations of its columns but the last. Of fewer rows than columns the levels' are made."""
    if codes is None or not levels:
        Z, center, scale = _standardised(X, w)
        return Design(Z), center, scale
    first = np.cumsum([0, *levels])
    place = (codes + first[:-1]).astype(np.int32)
    ends = np.arange(0, place.size + 1, len(levels), dtype=np.int32)
    hot = scipy("sparse").csr_array((np.ones(place.size), place.ravel(), ends), (len(X), int(first[-1])))
    if len(X) < X.shape[1] + first[-1]:
        return design(np.hstack([hot.toarray(), X]), w, None, ())
    share = hot.T @ w / len(X)
    deviation = np.sqrt(np.maximum(share - np.square(share), 0))
    deviation[deviation < SMALL] = 1.0
    Z, center, scale = _standardised(X, w)
    return Design(Z, hot, share, deviation), np.append(share, center), np.append(deviation, scale)


def _standardised(X: Array, w: Array) -> tuple[Array, Array, Array]:
    """Z [N, D + 1], whose last column is 1; the columns' means and deviations."""
    rows, columns = X.shape
    Z = np.ones((rows, columns + 1))
    center, variance = np.zeros(columns), np.zeros(columns)
    for some in blocks(rows):
        center += w[some] @ X[some].astype(np.float64) / rows
    for some in blocks(rows):
        part = X[some] - center
        variance += w[some] @ np.square(part) / rows
        Z[some, :-1] = part
    scale = np.sqrt(variance)
    scale[scale < SMALL] = 1.0
    for some in blocks(rows):
        Z[some, :-1] /= scale
    return Z, center, scale


def blocks(rows: int) -> Iterator[slice]:
    """Slices of rows, of which what is computed stays in a core's cache."""
    return (slice(start, start + BLOCK) for start in range(0, rows, BLOCK))
