"""How much a model needs each column: what its loss rises by where the column's values are shuffled among the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from schuss.errors import DataError, UsageError
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.tabular.association import column_groups
from schuss.tabular.metrics import Measure
from schuss.tabular.scoring import SURE, Draws, deviation

if TYPE_CHECKING:
    import polars as pl

Predict = Callable[["pl.DataFrame"], Array]
REPEATS = 5


@dataclass(frozen=True)
class Importance:
    """Of a group of columns that were shuffled together.

    rises   float64 [repeats]: how much the loss rose each time
    by_rows the standard error of their mean over draws of the rows, the shuffles being what they are
    """

    columns: tuple[str, ...]
    rises: Array
    by_rows: float = 0.0

    @property
    def mean(self) -> float:
        return float(self.rises.mean())

    @property
    def error(self) -> float:
        """The standard error of the mean, over rows and shuffles: sqrt(by_rows^2 + s^2 / repeats), s the standard
        deviation over the repeats; of one repeat over rows alone."""
        shuffles = float(self.rises.std(ddof=1)) / len(self.rises) ** 0.5 if len(self.rises) > 1 else 0.0
        return float(np.hypot(self.by_rows, shuffles))


def is_sure(rise: float, error: float) -> bool:
    """Whether a column is surely needed: its importance is above two of its standard errors, else it may be chance."""
    return rise > SURE * error


def permutation_importance(
    predict: Predict,
    frame: pl.DataFrame,
    y: Array,
    loss: Measure,
    *,
    weights: Array | None = None,
    groups: Sequence[Sequence[str]] | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> list[Importance]:
    """The importance of each group of columns, greatest first: loss(y, predict(shuffled)) - loss(y, predict(frame)).

    predict  a frame of raw rows to predictions [N, ...]
    loss     of targets, predictions and weights [..., N], as a metric's `of` (schuss.tabular.metrics): less is better
    weights  [N] of the rows
    groups   columns that are shuffled together, all with the same permutation; None: those that go together
             (schuss.tabular.association), for a model can do without one of two columns that say the same

    A permutation is of seed and repeat alone: every group sees the same ones. Source: Breiman (Machine Learning 2001).
    UsageError for no repeats; DataError for columns that are not there, and for less than two rows.
    """
    if repeats < 1:
        raise UsageError(f"permutation_importance: repeats must be at least 1, got {repeats}")
    if len(frame) < 2:
        raise DataError(f"{len(frame)} rows cannot be shuffled: give at least two")
    chosen = column_groups(frame) if groups is None else [list(group) for group in groups]
    if missing := sorted({name for group in chosen for name in group} - set(frame.columns)):
        raise DataError(f"there is no column {listed(missing)}; the table has {listed(frame.columns)}")
    orders = [np.random.default_rng([seed, 22, i]).permutation(len(frame)) for i in range(repeats)]
    w = np.ones(len(frame)) if weights is None else weights
    drawn = Draws.of_rows(w, seed)
    p = predict(frame)
    before, before_drawn = loss(y, p, w), drawn(loss, y, p)
    found = []
    for group in chosen:
        part = frame.select(group)
        after = [predict(frame.with_columns(part[order])) for order in orders]
        rises = np.array([loss(y, p, w) for p in after]) - before
        by_rows = deviation(np.mean([drawn(loss, y, p) - before_drawn for p in after], 0))
        found.append(Importance(tuple(group), rises, by_rows))
    return sorted(found, key=lambda one: -one.mean)


__all__ = ["Importance", "Predict", "is_sure", "permutation_importance"]
