"""Whether rows are those that a model was trained on: figures of rows that it has seen are none of others.

A row is what the model reads of it, prepared, and its target.

A model's file has a digest of the rows of its training as a whole: their number, and 32 bits of the sum of a hash of
each. By it the same rows are known again, in any order, and nothing of a part of them: a row can be tried only by who
knows all others. A training of fewer than 20 different rows has none. A second one is of all rows, those held apart,
for a test or validation, among them.

Rows of a validation or a test are compared with those of the training one by one, and nothing of that is kept. Rows of
few possible values are alike by chance. If it were chance alone, equal rows would be dealt to the two tables as any
others are; `compared` tells whether they are on both sides more often than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log
from typing import Any

import numpy as np

from schuss.errors import warn
from schuss.ir.executor import Array

FEW = 20  # different rows at least, for a digest
CHANCE = 1e-6  # what is less likely by chance is told
BITS = 32  # of a digest
CHUNK = 2048  # rows that are hashed at once: they stay in the cache
STEP, FIRST, SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # odd


@dataclass(frozen=True)
class Digest:
    """Of so many rows as a whole, in any order (see the module's head), of which so many were trained on."""

    rows: int
    trained: int
    number: int

    def is_of(self, x: Array, y: Array) -> bool:
        """Whether it is of these rows, as `hashes` takes them."""
        return len(x) == self.rows and _number(hashes(x, y)) == self.number


def digests(trained: Array, apart: Sequence[Array]) -> list[dict[str, int]]:
    """As a model file has them: of the rows of a training by their hashes, and of these with all rows that were held
    apart. Of too few different rows there is none."""
    every = [trained, np.concatenate([trained, *apart])] if apart else [trained]
    return [asdict(Digest(len(h), len(trained), _number(h))) for h in every if _are_many(trained)]


def trained_on(written: Any, x: Array, y: Array) -> int | None:
    """How many of these rows were trained on by what a file has; None where it does not tell, or not in these words."""
    for row in written if isinstance(written, list) else ():
        if isinstance(row, Mapping) and all(type(row.get(n)) is int for n in ("rows", "trained", "number")):
            known = Digest(row["rows"], row["trained"], row["number"])
            if known.is_of(x, y):
                return known.trained
    return None


def _number(hashed: Array) -> int:
    return int(_mixed(hashed.sum(keepdims=True))[0]) >> (64 - BITS)


def _are_many(hashed: Array) -> bool:
    return any(len(np.unique(some)) >= FEW for some in (hashed[:CHUNK], hashed))


@dataclass(frozen=True)
class Common:
    """rows: how many of `of` rows are equal to rows of the training. told: whether that is surely more than chance."""

    rows: int
    of: int
    told: bool


def compared(trained: Array, others: Array) -> Common:
    """Of hashes of the rows of a training and of others those in common.

    Told is it where both are the same rows, or more groups of equal rows are on both sides than chance deals there:
    k equal ones among n + m rows are all on one side with probability (C(n, k) + C(m, k)) / C(n + m, k); of g groups a
    share p is expected not to be. Of a larger share q the chance is below exp(-g (q log(q / p) + (1 - q) log((1 - q) /
    (1 - p)))) (Hoeffding), and told where that is below one in a million.
    """
    (own, counts), (other, found) = (np.unique(hashed, return_counts=True) for hashed in (trained, others))
    both, at, place = np.intersect1d(own, other, assume_unique=True, return_indices=True)
    rows = int(found[place].sum())
    if not rows:
        return Common(0, len(others), False)
    if len(own) >= FEW and np.array_equal(np.sort(trained), np.sort(others)):
        return Common(rows, len(others), True)
    sizes = np.concatenate([counts[at] + found[place], np.delete(counts, at), np.delete(found, place)])
    size, times = np.unique(sizes[sizes > 1], return_counts=True)
    share = np.array([1 - _together(k, len(trained), len(others)) for k in size.tolist()])
    p, q = float(times @ share / times.sum()), float(len(both) / times.sum())
    told = q > p and times.sum() * (_part(q, p) + _part(1 - q, 1 - p)) > -log(CHANCE)
    return Common(rows, len(others), bool(told))


def _part(q: float, p: float) -> float:
    return q * log(q / p) if q else 0.0


def _together(k: int, n: int, m: int) -> float:
    """The probability that k of n + m rows, drawn at random, are all among the n or all among the m."""
    left = n + m - np.arange(k)
    return float(sum(np.exp(np.log1p(-others / left).sum()) for part, others in ((n, m), (m, n)) if k <= part))


def hashes(x: Array, y: Array) -> Array:
    """uint64 [N]: of each row of x float32 [N, width] with its target y, [N] or [N, targets]. 0 and -0 are equal."""
    y = np.asarray(y, np.float64).reshape(len(y), -1 if len(y) else 1)
    width, pairs = x.shape[1], (x.shape[1] + 1) // 2
    keys = _mixed(np.arange(1, pairs + y.shape[1] + 1, dtype=np.uint64) * STEP)  # one for each place
    found = np.empty(len(x), np.uint64)
    for start in range(0, len(x), CHUNK):
        some = slice(start, start + CHUNK)
        words = np.zeros((len(x[some]), len(keys)), np.uint64)
        np.add(x[some], np.float32(0), out=words.view(np.float32)[:, :width])  # -0 + 0 is 0
        np.add(y[some], 0.0, out=words.view(np.float64)[:, pairs:])
        words ^= keys
        found[some] = _mixed(_mixed(words).sum(1))
    return found


def _mixed(words: Array) -> Array:
    """uint64, changed in place, one to one: each bit depends on all."""
    for shift, factor in ((30, FIRST), (27, SECOND)):
        words ^= words >> np.uint64(shift)
        words *= factor
    words ^= words >> np.uint64(31)
    return words


def warn_of_trained(trained: int, of: int, what: str) -> None:
    """The warning for a table of just the rows of a training."""
    warn(
        f"{what}: the model was trained on {trained:,} of its {of:,} rows: their figures tell nothing of rows that it "
        "has not seen; give others, or take the report of its training (schuss info)"
    )


def warn_of_common(common: Common, what: str) -> None:
    """A warning where rows of a validation or test are trained on."""
    if common.told:
        warn(
            f"{what}: {common.rows:,} of {common.of:,} rows are equal to rows of the training, more than by chance: "
            "their figures tell nothing of rows that the model has not seen; leave them out of one of the two"
        )


__all__ = ["Common", "Digest", "compared", "digests", "hashes", "trained_on", "warn_of_common", "warn_of_trained"]
