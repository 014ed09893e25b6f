"""Columns made of arrays and of Python's objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.tabular.extra import pl

KINDS = (bool, int, float, Decimal, str, datetime, date, time, timedelta)  # a subclass comes before its base
DIGITS, BITS = 4_300, 14_280  # of whole numbers that Python writes as text
UNITS = ("ms", "us", "ns")  # of time, that polars has


def known_where(series: pl.Series, known: Array) -> pl.Series:
    """The series with null where it is not known; known is bool [N]."""
    if known.all():
        return series
    return pl.select(pl.when(pl.Series(known)).then(series)).to_series().alias(series.name)


def null_where(series: pl.Series, gone: pl.Series) -> pl.Series:
    """The series with null where it is gone; gone is a series of booleans."""
    return pl.select(pl.when(~gone).then(series)).to_series().alias(series.name)


def series_of_array(array: Array, name: str, what: str) -> pl.Series:
    """A column of an array [N]. DataError for a dtype that is none of a table's."""
    if array.ndim != 1:
        raise DataError(
            f"{what}: column {name!r} is an array of shape {array.shape}; give each of its columns a name of its own"
        )
    if isinstance(array, np.ma.MaskedArray):
        return known_where(series_of_array(array.data, name, what), ~np.ma.getmaskarray(array))
    kind = array.dtype.kind
    if kind in "OUT":
        return series_of_objects(array.tolist(), name, what)
    if kind in "mM":
        return _of_times(array, name)
    if kind not in "biuf":
        mend = {"c": "give real and imaginary parts, each as a column", "S": f"decode it: x[{name!r}].astype('U')"}
        raise DataError(f"{what}: column {name!r} is of dtype {array.dtype}; {mend.get(kind, 'give numbers or text')}")
    if kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    return pl.Series(name, np.ascontiguousarray(array, array.dtype.newbyteorder("=")), nan_to_null=True)


def _of_times(array: Array, name: str) -> pl.Series:
    unit = np.datetime_data(array.dtype)[0]
    if unit not in UNITS:
        unit = "us"
        array = array.astype(f"{array.dtype.kind}8[us]")
    counts = known_where(pl.Series(name, array.astype(np.int64)), ~np.isnat(array))
    return counts.cast(pl.Datetime(unit) if array.dtype.kind == "M" else pl.Duration(unit))  # type: ignore[arg-type]


def series_of_objects(values: Sequence[Any], name: str, what: str) -> pl.Series:
    """A column of Python's objects: of their kind where they share one, else of text."""
    if str in (kinds := set(map(type, values))) and kinds <= {str, type(None)}:
        return pl.Series(name, values, pl.String)
    values = [plain(value) for value in values]
    held = {_kind(v, row, name, what) for row, v in enumerate(values) if v is not None}
    if not held:
        return pl.Series(name, values, pl.Null)
    if held == {bool}:
        return pl.Series(name, values, pl.Boolean)
    if held <= {int, float, Decimal}:
        return _of_numbers(values, held, name)
    if held <= {datetime, date}:
        return _of_datetimes(values, held, name, what)
    if held in ({time}, {timedelta}):
        return pl.Series(name, values, pl.Time if time in held else pl.Duration("us"))
    return pl.Series(name, [None if v is None else object_text(v) for v in values], pl.String)


def plain(value: Any) -> Any:
    """The value as an object of Python's own; None where it is missing."""
    if isinstance(value, np.generic):
        value = value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value.item()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, Decimal):
        return None if value.is_nan() else value
    return value


def check_length(value: Any, name: str, where: str) -> None:
    """DataError for a whole number that Python does not write as text, of more than 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > BITS:
        size = round(value.bit_length() * 0.30103)
        raise DataError(
            f"{where}, column {name}: is a whole number of some {size:,} digits, and at most "
            f"{DIGITS:,} are read; mend it, or give a text, if it is a name"
        )


def _kind(value: Any, row: int, name: str, what: str) -> type:
    check_length(value, name, f"{what} row {row}")
    for kind in KINDS:
        if isinstance(value, kind):
            return kind
    mends = {"bytes": "decode them: .decode()", "list": "give each entry a column of its own"}
    held = type(value).__name__
    mend = mends.get(held, "give a number or text for each")
    raise DataError(f"{what}: column {name!r} holds objects of {held}, the first at row {row}; {mend}")


def _of_numbers(values: list[Any], kinds: set[type], name: str) -> pl.Series:
    """Integers where all are; text where a float could not hold one of them."""
    if kinds == {int}:
        if all(v is None or -(2**63) <= v < 2**63 for v in values):
            return pl.Series(name, values, pl.Int64)
        return pl.Series(name, [None if v is None else str(v) for v in values], pl.String)
    if any(isinstance(v, int) and abs(v) > 2**53 and (v.bit_length() > 1023 or int(float(v)) != v) for v in values):
        return pl.Series(name, [None if v is None else object_text(v) for v in values], pl.String)
    return pl.Series(name, [None if v is None else float(v) for v in values], pl.Float64)


def _of_datetimes(values: list[Any], kinds: set[type], name: str, what: str) -> pl.Series:
    if kinds == {date}:
        return pl.Series(name, values, pl.Date)
    times = [v if v is None or isinstance(v, datetime) else datetime(v.year, v.month, v.day) for v in values]
    zoned = {v.tzinfo is not None for v in times if v is not None}
    if len(zoned) > 1:
        raise DataError(
            f"{what}: column {name!r} has times with a time zone and without; give all of them one, or none"
        )
    if True in zoned:
        times = [v and v.astimezone(UTC).replace(tzinfo=None) for v in times]
        return pl.Series(name, times, pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.Series(name, times, pl.Datetime("us"))


def object_text(value: Any) -> str:
    """The text of one of Python's objects: a whole number without its point, truth as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return value.isoformat() if isinstance(value, date | time) else str(value)
