"""The place of numbers among the edges of their bins, many at once."""

from __future__ import annotations

import numpy as np

from schuss.ir.executor import Array

CELLS = 2048
WITHIN = 8.0  # quartile distances on each side of the median that the cells cover; the outer ones reach on without end
MOST = 2  # edges within a cell, from which on numbers in it are sought for
FEW = 256  # numbers up to which all are sought for


class Bins:
    """np.interp(x, edges, 0 .. B), to the bit, in half of its time or less: a number's cell among 2,048 equally wide
    ones tells its bin but for an edge or two, with which it is compared.

    edges          float64 [B + 1], rising
    median, scale  z = (x - median) / scale has most numbers within -8 and 8

    A cell never falls where x rises, in floating point either, so a number in a higher cell than an edge's is above it.
    """

    def __init__(self, edges: Array, median: float, scale: float) -> None:
        self._edges, self._places = edges, np.arange(len(edges), dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # of edges that lie far apart, or next to each other
            z, self._slope = (edges - median) / scale, np.append(1.0 / np.diff(edges), 0.0)
        self._plain = not (np.isfinite(z).all() and np.isfinite(self._slope).all())  # at the ends of float64
        inside = np.bincount(_cell(np.nan_to_num(z)), minlength=CELLS)
        self._first = (np.cumsum(inside) - inside - 1).clip(0)  # the last edge of all lower cells
        self._full = inside > MOST
        self._any_full = bool(self._full.any())
        self._compared = int(inside[~self._full].max(initial=0))
        self._next = np.append(edges[1:], np.inf)

    def __call__(self, x: Array, z: Array) -> Array:
        """float64 [N] of finite x [N], and of their z."""
        if len(x) <= FEW or self._plain:
            return np.interp(x, self._edges, self._places)
        cell = _cell(z)
        x = np.clip(x, self._edges[0], self._edges[-1])
        at = self._first.take(cell)
        for _ in range(self._compared):
            at += x >= self._next.take(at)
        u = x - self._edges.take(at)
        u *= self._slope.take(at)
        u += at
        if self._any_full:
            sought = np.flatnonzero(self._full.take(cell))
            u[sought] = np.interp(x[sought], self._edges, self._places)
        return np.asarray(u)


def _cell(z: Array) -> Array:
    at = z * (CELLS / (2 * WITHIN))
    at += CELLS / 2
    return np.clip(at, 0, CELLS - 1, out=at).astype(np.intp)


__all__ = ["Bins"]
