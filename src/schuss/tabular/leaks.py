"""A warning for a target that leaks: a column that alone predicts it, as what is only known afterwards does.

Each column alone predicts the target of each row by the mean of other rows with a like value (10 neighbours of a
number, the same level of a category), out of 5 folds. Measured is the ROC AUC of classes, each against the rest, and R2
of the ranks of numbers, which does not mind a logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from schuss.asking import asked
from schuss.errors import warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.tabular.association import codes_of
from schuss.tabular.metrics import r2, roc_auc

if TYPE_CHECKING:
    import polars as pl

ALONE = 0.99  # of AUC or R2, from which a column may leak
FAR = 5.0  # times as far from 1 is the next best column that does not
ROWS = 20_000  # that are looked at, evenly spaced
FOLDS, NEIGHBOURS, BINS, PRIOR = 5, 10, 1024, 0.1


@dataclass(frozen=True)
class Leak:
    """A column that alone predicts the target. measure: "ROC AUC" or "R2"; best_other: of the columns that do not, None
    where there are none. targets: of several those that it predicts, the best first, of which the numbers are."""

    column: str
    measure: str
    score: float
    best_other: float | None
    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        other = "" if self.best_other is None else f" (the next best column {self.best_other:.3f})"
        return (
            f"column {self.column!r} alone predicts {self._of}, {self.measure} {self.score:.4f}{other}: "
            f"if it is not known when you predict, leave it out with {asked('drop', [self.column])}"
        )

    @property
    def _of(self) -> str:
        """What it predicts."""
        if not self.targets:
            return "the target"
        return f"target{'s' * (len(self.targets) > 1)} {listed(self.targets)}"


def find_leaks(frame: pl.DataFrame, y: Array, *, classes: int | None = None, targets: Sequence[str] = ()) -> list[Leak]:
    """The columns that score above 0.99 alone, where the best of all others is 5 times as far from 1; the most certain
    first.

    frame    the columns without the target
    y        int [N], classes 0..classes-1; or without `classes` float [N] or [N, T], each by itself
    targets  the names of several
    """
    y = np.asarray(y)
    if len(y) > ROWS:
        some = np.linspace(0, len(y) - 1, ROWS).astype(np.int64)
        frame, y = frame[some], y[some]
    truth = np.eye(classes)[y] if classes else np.stack([_ranks(t) for t in y.reshape(len(y), -1).T], 1)
    scores = {name: _scores(_bins(frame[name]), y, truth, classes) for name in frame.columns}
    found: dict[str, list[tuple[float, float | None, str]]] = {}  # by column: of each target that it predicts
    for t, target in enumerate(targets if len(targets) > 1 else [""] * (1 if classes else truth.shape[1])):
        best = max((own[t] for own in scores.values() if not own[t] > ALONE), default=None)
        for name, own in scores.items():
            if own[t] > ALONE and (best is None or (1 - best) > FAR * (1 - own[t])):
                found.setdefault(name, []).append((own[t], best, target))
    measure, leaks = "ROC AUC" if classes else "R2", []
    for name, of in found.items():
        of.sort(key=lambda one: -one[0])
        leaks.append(Leak(name, measure, *of[0][:2], tuple(target for _, _, target in of if target)))
    return sorted(leaks, key=lambda leak: -leak.score)


def warn_of_leaks(
    frame: pl.DataFrame, y: Array, *, classes: int | None = None, targets: Sequence[str] = ()
) -> list[Leak]:
    """find_leaks, each also told as a warning."""
    found = find_leaks(frame, y, classes=classes, targets=targets)
    for leak in found:
        warn(str(leak))
    return found


def _scores(code: Array, y: Array, truth: Array, classes: int | None) -> list[float]:
    """AUC, or R2 of each target, of the means of like rows, out of fold."""
    predicted = _means(code, truth)
    w = np.ones(len(y))
    if classes:
        return [float(roc_auc(y, predicted, w))]
    return [float(r2(t, p, w)) for t, p in zip(truth.T, predicted.T, strict=True)]


def _means(code: Array, truth: Array) -> Array:
    """float64 [N, K]: the mean of the truth over rows of the same code in other folds, drawn towards that of all by the
    weight of a tenth of a row."""
    rows, size = len(code), int(code.max()) + 1
    fold = np.random.default_rng(22).permutation(rows) % FOLDS
    at = fold * size + code
    counts = np.bincount(at, minlength=FOLDS * size).reshape(FOLDS, size)
    left = (counts.sum(0) - counts).ravel()[at] + PRIOR
    out = np.empty((rows, truth.shape[1]))
    for k, column in enumerate(truth.T):
        sums = np.bincount(at, column, FOLDS * size).reshape(FOLDS, size)
        out[:, k] = ((sums.sum(0) - sums).ravel()[at] + PRIOR * column.mean()) / left
    return out


def _bins(column: pl.Series) -> Array:
    """int64 [N]: levels; of a number of many values about 10 neighbours each, 1024 bins at most."""
    import polars as pl

    if column.dtype.is_float():
        column = column.fill_nan(None)
    codes = codes_of(column)
    several = len(column) // NEIGHBOURS
    number = column.dtype.is_numeric() or column.dtype.is_temporal()
    if not number or int(codes.max()) + 1 <= max(2, several):
        return codes
    bins = min(max(2, several), BINS)
    ranks = column.rank("ordinal").cast(pl.Int64).fill_null(0).to_numpy()
    known = int(np.count_nonzero(ranks))
    # equal values in one bin: that of the first of them
    first = np.full(int(codes.max()) + 1, len(column))
    np.minimum.at(first, codes, ranks)
    return np.where(ranks == 0, bins, (first[codes] - 1).clip(0) * bins // max(known, 1))


def _ranks(x: Array) -> Array:
    """Average ranks, which equal values share."""
    _, at, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[at]


__all__ = ["Leak", "find_leaks", "warn_of_leaks"]
