"""Canonical values of columns by their kinds, whatever the dtype of the frame that they come in.

    column_values(series, kind, where=None) -> series
    row_values(row, kinds, what="x") -> dict        the same of one row that is a dict, without a frame: microseconds

number and boolean: Float64; date: Datetime(us, UTC); all others: String. In a row they are float, datetime and str.
Null, and None in a row, where missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.tabular.dates import MOMENT, TIME, as_date, as_dates, read_date, read_dates
from schuss.tabular.extra import pl
from schuss.tabular.kind import FALSE, TRUE, Kind, Where, quoted, rows_of
from schuss.tabular.objects import check_length, null_where, object_text, plain
from schuss.tabular.texts import (
    AROUND,
    by_value,
    by_values,
    known_text,
    known_texts,
    level_of,
    level_of_number,
    level_texts,
)

DIGITS = 308  # of a number, at most
WRONG = object()  # what cannot be read


def column_values(series: pl.Series, kind: Kind, where: Where | None = None) -> pl.Series:
    """The column's values; see the module's head.

    kind    as found on training rows (schuss.tabular.kinds)
    where   what messages call a row of this series (default: "x row 3")

    DataError with row, column and value for what is not of the kind, and for infinite numbers.
    """
    place = where or rows_of("x")
    if series.dtype == pl.Null:
        series = series.cast(pl.String)
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    read = {"number": _numbers, "boolean": _truth, "date": _dates}.get(kind.name, _levels)
    return read(series, kind, place)


def _numbers(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        read = series.cast(pl.Float64)
    elif dtype == pl.Duration:
        read = series.dt.total_microseconds() / 1e6
    elif dtype == pl.String:
        read = _numbers_of_texts(series, kind, where)
    else:
        raise _refused(series, _first(series), where, kind)
    x = read.to_numpy()
    if (endless := np.isinf(x)).any():
        raise _refused(series, int(endless.argmax()), where, kind)
    if np.count_nonzero(np.isnan(x)) > read.null_count():
        read = read.fill_nan(None)
    if codes := _missing_numbers(kind.missing):
        read = null_where(read, read.is_in(codes))
    return read


def _numbers_of_texts(texts: pl.Series, kind: Kind, where: Where) -> pl.Series:
    """Float64 of numbers as text; most are read by a cast."""
    if kind.numeral.is_plain:
        read = texts.cast(pl.Float64, strict=False)
        rest = read.is_null() & texts.is_not_null()
        if not rest.any():
            return read
    else:
        read, rest = pl.Series(texts.name, [None], pl.Float64).new_from_index(0, len(texts)), texts.is_not_null()
    known = known_texts(texts.filter(rest), kind.missing)
    values = kind.numeral.read(known)
    bad = values.is_null() & known.is_not_null()
    if bad.any():
        row = int(rest.arg_true()[bad.arg_max() or 0])
        raise _refused(texts, row, where, kind)
    return read.scatter(rest.arg_true(), values)


@cache
def _missing_numbers(missing: tuple[str, ...]) -> list[float]:
    """Those of the missing texts that are numbers, as -999."""
    found = []
    for text in missing:
        with contextlib.suppress(ValueError):
            found.append(float(text))
    return [x for x in found if x == x]


def _truth(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    if series.dtype == pl.Boolean:
        return series.cast(pl.Float64)
    if not (series.dtype == pl.String or series.dtype.is_numeric()):
        raise _refused(series, _first(series), where, kind)
    bad = []

    def truth(value: Any) -> float | None:
        read = _truth_of(value, kind)
        if read is WRONG:
            bad.append(value)
            return None
        return read  # type: ignore[return-value]

    read = by_value(series, truth, pl.Float64)
    if bad:
        raise _refused(series, series.is_in(bad).arg_max(), where, kind)
    return read


def _truth_of(value: Any, kind: Kind) -> float | object | None:
    word = level_of(value, kind.missing) if isinstance(value, str) else level_of_number(value)
    lower = word.lower() if word else ""
    return None if word is None else 1.0 if lower in TRUE else 0.0 if lower in FALSE else WRONG


def _dates(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    dtype = series.dtype
    if dtype in (pl.Date, pl.Datetime, pl.Time):
        if (dtype == pl.Time) != (kind.format == TIME):
            raise _refused(series, _first(series), where, kind)
        return as_dates(series)
    if not (dtype == pl.String or (dtype.is_integer() and kind.format.startswith("%"))):
        if series.null_count() == len(series):
            return series.cast(pl.String).cast(MOMENT)
        raise _refused(series, _first(series), where, kind)
    texts = series.cast(pl.String)
    read = by_values(texts, lambda values: read_dates(known_texts(values, kind.missing), kind.format))
    if read.null_count() > texts.null_count():
        bad = read.is_null() & known_texts(texts, kind.missing).is_not_null()
        if bad.any():
            raise _refused(series, bad.arg_max(), where, kind)
    return read


def _levels(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        raise _refused(series, _first(series), where, kind)
    return level_texts(series, kind.missing, kind.digits)


def _first(series: pl.Series) -> int:
    return series.is_not_null().arg_max() or 0


def _refused(series: pl.Series, row: int | None, where: Where, kind: Kind) -> DataError:
    """The error for a value that is not of the kind, in that row."""
    at = row or 0
    return _error(series[at] if len(series) > at else None, kind, series.name, where(at))


def _error(value: Any, kind: Kind, name: str, where: str) -> DataError:
    if kind.name == "number":
        fault, mend = "is no number", "mend it, or leave it empty"
        text = str(value).strip(AROUND).lower().lstrip("+-")
        if text in ("inf", "infinity"):
            fault, mend = "is infinite", "give a number, or leave it empty"
        elif len(text) > DIGITS and text.isdigit():
            fault = f"has {len(text):,} digits, more than a number here can"
        elif unit := kind.numeral.unit:
            fault, mend = f"is no number in {unit}", f"write it in {unit}, or leave it empty"
    elif kind.name == "boolean":
        fault, mend = "is neither yes nor no", "mend it, or leave it empty"
    elif kind.name == "date":
        shape = "time of day, as 14:05" if kind.format == TIME else "date as 2020-01-31"
        fault, mend = f"is no {f'date as {kind.format}' if '%' in kind.format else shape}", "mend it, or leave it empty"
    else:
        fault, mend = "is no text", "give numbers or text"
    return DataError(f"{where}, column {name}: {quoted(value)} {fault}; {mend}")


# -- one row --------------------------------------------------------------------------------------


def row_values(row: Mapping[str, Any], kinds: Mapping[str, Kind], what: str = "x") -> dict[str, Any]:
    """The values of a row, {name of column: value}, for the columns that have a kind here and are read.

    DataError for a column that is missing and for what is not of its kind, as column_values.
    """
    read = {}
    for name, kind in kinds.items():
        if not kind.used:
            continue
        if name not in row:
            raise DataError(f"{what}: has no column {name!r}, which the model was trained on; give it, or None for it")
        read[name] = _value(row[name], kind, name, what)
    return read


def _value(value: Any, kind: Kind, name: str, what: str) -> Any:
    if value is None:
        return None
    value = plain(value) if type(value) not in (float, int, str) or value != value else value
    if value is None:
        return None
    check_length(value, name, f"{what} row 0")
    read: Any = WRONG
    if kind.name == "number":
        read = _number(value, kind)
    elif kind.name == "boolean":
        read = _truth_of(value, kind) if isinstance(value, str | int | float | Decimal) else WRONG
    elif kind.name == "date":
        read = _date(value, kind)
    elif isinstance(value, str):
        read = level_of(value, kind.missing, kind.digits)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        exact = isinstance(value, int)
        read = level_of(str(value), kind.missing, kind.digits) if exact else level_of_number(float(value), kind.digits)
    elif isinstance(value, datetime):
        read = as_date(value).strftime("%Y-%m-%dT%H:%M:%S")
    elif isinstance(value, bool | date | time):
        read = object_text(value)
    if read is WRONG or read in (np.inf, -np.inf):
        raise _error(value, kind, name, f"{what} row 0")
    return read


def _number(value: Any, kind: Kind) -> Any:
    if isinstance(value, str):
        known = known_text(value, kind.missing)
        read = None if known is None else kind.numeral.number(known)
        if read is None:
            return None if known is None else WRONG
    elif isinstance(value, int | float | Decimal):
        try:
            read = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            return WRONG
    elif isinstance(value, timedelta):
        read = value.total_seconds()
    else:
        return WRONG
    return None if read != read or read in _missing_numbers(kind.missing) else read


def _date(value: Any, kind: Kind) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and kind.format.startswith("%"):
        value = str(value)
    if isinstance(value, str):
        known = known_text(value, kind.missing)
        return None if known is None else read_date(known, kind.format) or WRONG
    if isinstance(value, datetime | date | time) and isinstance(value, time) == (kind.format == TIME):
        return as_date(value)
    return WRONG


__all__ = ["column_values", "row_values"]
