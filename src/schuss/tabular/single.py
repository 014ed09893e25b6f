"""One row of a table as the numbers a model takes, without a frame: a tenth of a millisecond.

    Single(preparation)(x) -> float32 [1, width], or None where the row is for others

The bits are those of the way that many rows take. Rows that it knows are a dict of single values and a data frame of
polars or pandas with one row, whose values are Python's own; anything else, and whatever is wrong in a row, is for
TableColumns.read to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from math import nan
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.tabular.extra import pl
from schuss.tabular.preparation import LACKING, Preparation
from schuss.tabular.values import row_values

EPOCH, DAY = datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=1)
EXACT = 2**53  # whole numbers below are floats
KNOWN = frozenset((float, str, bool, date, datetime, type(None)))
POLARS = frozenset(
    (pl.Float64, pl.String, pl.Boolean, pl.Date, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)
)
PANDAS = frozenset(map(np.dtype, ("float64", "bool", "int8", "int16", "int32", "int64", "O")))
PARTS: dict[str, Callable[[datetime], int]] = {
    "year": lambda t: t.year,
    "month": lambda t: t.month,
    "day": lambda t: t.day,
    "weekday": lambda t: t.isoweekday(),
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "days": lambda t: (t - EPOCH) // DAY,
}


class Single:
    """See the module's head."""

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        self._numbers = [(n.source[0], PARTS.get(n.source[1])) for n in preparation.numbers]
        self._levels: list[tuple[str, dict[Any, int]]] = [
            (c.source, {None if level == LACKING else level: i for i, level in enumerate(c.levels)})
            for c in preparation.categories
        ]

    def __call__(self, x: Any) -> Array | None:
        kinds = self._preparation.kinds
        row = row_of(x)
        if row is None:
            return None
        for name in kinds:
            value = row.get(name, row)
            if type(value) not in KNOWN and not (type(value) is int and -EXACT < value < EXACT):
                return None
        try:
            values = row_values(row, kinds)
        except DataError:
            return None
        numbers = [_number(values[name], part) for name, part in self._numbers]
        codes = [levels.get(values[name], len(levels)) for name, levels in self._levels]
        return self._preparation.rows(np.array([numbers], np.float64), np.array([codes], np.int64))


def _number(value: Any, part: Callable[[datetime], int] | None) -> float:
    return nan if value is None else value if part is None else part(value)


def row_of(x: Any) -> Mapping[str, Any] | None:
    """The one row of x as a dict; None for several, and for columns whose values Python's own may not be."""
    if type(x) is dict:
        return x
    if type(x) is pl.DataFrame:
        return x.row(0, named=True) if x.height == 1 and POLARS.issuperset(x.dtypes) else None
    if type(x).__module__.startswith("pandas") and hasattr(x, "itertuples") and len(x) == 1:
        if not all(dtype in PANDAS if isinstance(dtype, np.dtype) else dtype.name == "str" for dtype in x.dtypes):
            return None
        names = x.columns.tolist()
        return dict(zip(names, next(x.itertuples(index=False, name=None)), strict=True)) if _once(names) else None
    return None


def _once(names: list[Any]) -> bool:
    return len(set(names)) == len(names)


__all__ = ["Single"]
