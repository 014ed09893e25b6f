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

if TYPE_CHECKING:
    import polars as pl

Predict = Callable[["pl.DataFrame"], Array]
REPEATS = 5


@dataclass(frozen=True)
class Importance:
    """Of a group of columns that were shuffled together.

    rises   float64 [repeats]: how much the loss rose each time
    """

    columns: tuple[str, ...]
    rises: Array

    @property
    def mean(self) -> float:
        return float(self.rises.mean())

    @property
    def spread(self) -> float:
        """The standard deviation over the repeats; NaN of one."""
        return float(self.rises.std(ddof=1)) if len(self.rises) > 1 else float("nan")


def permutation_importance(
    predict: Predict,
    frame: pl.DataFrame,
    y: Array,
    loss: Callable[[Array, Array], float],
    *,
    groups: Sequence[Sequence[str]] | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> list[Importance]:
    """The importance of each group of columns, greatest first: loss(y, predict(shuffled)) - loss(y, predict(frame)).

    predict  a frame of raw rows to predictions [N, ...]
    loss     of targets and predictions: less is better
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
    before = loss(y, predict(frame))
    found = []
    for group in chosen:
        part = frame.select(group)
        after = [loss(y, predict(frame.with_columns(part[order]))) for order in orders]
        found.append(Importance(tuple(group), np.array(after) - before))
    return sorted(found, key=lambda one: -one.mean)


__all__ = ["Importance", "Predict", "permutation_importance"]
