"""Rows unlike all that a model was trained on: levels that it has not seen, numbers outside the range of the training.

    print(schuss.tabular.beyond_training(model, frame))

Predictions take any row; this tells which of them rest on nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.fields import ends
from schuss.tabular.preparation import Number, Preparation

NAMED = 4  # columns that are named
ROUNDED = 1e-9  # of a column's size: what is nearer is the end of its range, which may have been computed
TOLD = {  # in messages
    "levels": ("with a level that no training row has", "the model has learned nothing of it"),
    "outside": (
        "outside the range of the training",
        "what the model says there rests on none, and goes little further than at the end",
    ),
    "lacking": ("without a value that every training row has", "the training's median counts there"),
}


@dataclass(frozen=True)
class Odd:
    """rows: how many rows are odd in any column; columns: in which, and how many rows in each."""

    rows: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Sequence[tuple[str, Array]]) -> Odd:
        """Of columns and which rows, bool [N], are odd in each."""
        counts = {name: int(rows.sum()) for name, rows in found if rows.any()}
        return cls(int(np.logical_or.reduce([rows for _, rows in found]).sum()) if counts else 0, counts)

    def __add__(self, more: Odd) -> Odd:
        return Odd(self.rows + more.rows, dict(Counter(self.columns) + Counter(more.columns)))

    @property
    def where(self) -> str:
        """The columns of the most rows, and how many these are: area (12), rooms (3)"""
        most = sorted(self.columns.items(), key=lambda one: -one[1])
        named = ", ".join(f"{name} ({count:,})" for name, count in most[:NAMED])
        return named + (f" and {len(most) - NAMED:,} more columns" if len(most) > NAMED else "")


@dataclass(frozen=True)
class Beyond:
    """Of so many rows those that are unlike all of the training. Of several chunks of rows these may be added.

    levels   with a level that no training row has, or none where every one has one
    outside  with a number or date below the lowest or above the highest of the training
    lacking  without a number or date that every training row has
    """

    rows: int = 0
    levels: Odd = Odd()
    outside: Odd = Odd()
    lacking: Odd = Odd()

    @classmethod
    def of(cls, preparation: Preparation, numbers: Array, codes: Array) -> Beyond:
        """Of rows as the preparation takes them (schuss.tabular.columns.numbers_and_codes)."""
        unknown = [(c.source, codes[:, i] >= len(c.levels)) for i, c in enumerate(preparation.categories)]
        asked = [(n, numbers[:, i]) for i, n in enumerate(preparation.numbers) if n.source[1] in ("", "days")]
        outside = [(n.source[0], _outside(n, x)) for n, x in asked]
        lacking = [(n.source[0], np.isnan(x)) for n, x in asked if n.missing is None]
        return cls(len(numbers), *map(Odd.of, (unknown, outside, lacking)))

    def __add__(self, more: Beyond) -> Beyond:
        return Beyond(
            self.rows + more.rows, self.levels + more.levels, self.outside + more.outside, self.lacking + more.lacking
        )

    @property
    def lines(self) -> list[str]:
        """A line for each kind of such rows, as people read it; none where all rows are like those of the training."""
        told = [(getattr(self, kind), *words) for kind, words in TOLD.items()]
        return [
            f"rows {what}: {odd.rows:,} of {self.rows:,}, in {odd.where}; {so}" for odd, what, so in told if odd.rows
        ]

    def to_json(self) -> dict[str, Any]:
        odd: dict[str, Odd] = {kind: getattr(self, kind) for kind in TOLD}
        return {kind: {"rows": one.rows, "columns": dict(one.columns)} for kind, one in odd.items()}

    def __str__(self) -> str:
        return "\n".join(self.lines) or f"all {self.rows:,} rows are within what the training has seen"


def _outside(number: Number, x: Array) -> Array:
    """bool [N]; missing values are not."""
    low, high = ends(number)
    room = ROUNDED * max(abs(low), abs(high))
    found: Array = (x < low - room) | (x > high + room)
    return found


__all__ = ["Beyond", "Odd"]
