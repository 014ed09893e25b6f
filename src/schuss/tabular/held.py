"""Rows held out of a training: what the finished model says of them, and which columns it says it by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.association import column_groups
from schuss.tabular.importance import Importance, permutation_importance
from schuss.tabular.objectives import Objective
from schuss.tabular.rows import Table

GROUPS = 300  # of columns that are measured at most
WORK = 100_000  # predictions of a row, at most about so many
FEWEST, MOST = 200, 2_000  # rows that are shuffled


@dataclass(frozen=True)
class HeldOut:
    """The rows that a report is of.

    columns  that the model reads
    predict  (frame, rows): of a frame of some of the rows, which are told, what members say that have not seen them
    """

    table: Table
    objective: Objective
    columns: tuple[str, ...]
    predict: Callable[[Any, Array], Array]

    def importance(self, repeats: int = 3, seed: int = 0) -> list[Importance]:
        """Permutation importance of the columns, those that go together as one, on some of the rows: what the report's
        main loss rises by. Nothing for more than 300 groups of columns, and for a single row.
        """
        groups = column_groups(self.table.frame.select(self.columns))
        if len(groups) > GROUPS or len(self.table) < 2:
            return []
        count = int(np.clip(WORK // (repeats * len(groups)), FEWEST, MOST))
        rows = np.sort(np.random.default_rng([seed, 23]).permutation(len(self.table))[:count])
        some, of = self.table.some(rows), self.objective
        y = some.target.y[:, 0] if of.quantiles else some.target.y
        return permutation_importance(
            lambda frame: self.predict(frame, rows), some.frame.select(self.columns), y,
            of.reported.of, weights=some.weights, groups=groups, repeats=repeats, seed=seed,
        )  # fmt: skip


__all__ = ["HeldOut"]
