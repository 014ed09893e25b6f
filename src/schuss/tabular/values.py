"""Canonical values of a column, by its kind, whatever the dtype of the frame that it comes in."""

from __future__ import annotations

import contextlib
from functools import cache

import numpy as np

from schuss.errors import DataError
from schuss.tabular.dates import TIME, UTC, as_dates, read_dates
from schuss.tabular.extra import pl
from schuss.tabular.kind import FALSE, TRUE, Kind, Where, quoted, rows_of
from schuss.tabular.texts import by_value, known_texts, level_texts


def column_values(series: pl.Series, kind: Kind, where: Where | None = None) -> pl.Series:
    """The column's values, null where missing: Float64 for numbers and booleans (0 and 1), String for categories and
    what is left out, Datetime(us, UTC) for dates.

    kind    as found on training rows (schuss.tabular.kinds)
    where   what messages call a row of this series (default: "x row 3")

    They do not depend on the column's dtype. DataError with row, column and value for what is not of the kind, and for
    infinite numbers.
    """
    place = where or rows_of("x")
    if series.dtype == pl.Null:
        series = series.cast(pl.String)
    read = {"number": _numbers, "boolean": _truth, "date": _dates}.get(kind.name, _levels)
    return read(series, kind, place)


def _is_text(series: pl.Series) -> bool:
    return series.dtype == pl.String or series.dtype in (pl.Categorical, pl.Enum)


def _numbers(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    dtype = series.dtype
    if dtype.is_numeric() or dtype == pl.Boolean:
        read = series.cast(pl.Float64)
    elif dtype == pl.Duration:
        read = series.dt.total_microseconds() / 1e6
    elif _is_text(series):
        read = _numbers_of_texts(series.cast(pl.String), kind, where)
    else:
        raise _refused(series, 0, where, "is no number", f"leave it out: drop=[{series.name!r}] (--drop {series.name})")
    x = read.to_numpy()
    if (endless := np.isinf(x)).any():
        raise _refused(series, int(endless.argmax()), where, "is infinite", "give a number, or leave it empty")
    if np.count_nonzero(np.isnan(x)) > read.null_count():
        read = read.fill_nan(None)
    if codes := _missing_numbers(kind.missing):
        read = read.set(read.is_in(codes), None)
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
        mend = f"mend it, leave it empty, or train with category=[{texts.name!r}] (--category {texts.name})"
        raise _refused(texts, int(rest.arg_true()[bad.arg_max() or 0]), where, "is no number", mend)
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
    words = level_texts(series, kind.missing)
    lower = words.str.to_lowercase()
    read = lower.is_in(TRUE).cast(pl.Float64)
    bad = ~(lower.is_in(TRUE) | lower.is_in(FALSE)) & words.is_not_null()
    if bad.any():
        raise _refused(series, bad.arg_max(), where, "is neither yes nor no", "mend it, or leave it empty")
    return read.set(words.is_null(), None)


def _dates(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    dtype = series.dtype
    is_time = kind.format == TIME
    if dtype in (pl.Date, pl.Datetime, pl.Time):
        if (dtype == pl.Time) != is_time:
            held, wanted = ("times of day", "dates") if dtype == pl.Time else ("dates", "times of day")
            raise _refused(series, 0, where, f"is of {held}", f"give {wanted}, as in training")
        return as_dates(series)
    if not (_is_text(series) or (dtype.is_integer() and kind.format.startswith("%"))):
        if series.null_count() == len(series):
            return series.cast(pl.String).cast(UTC)
        raise _refused(series, _first(series), where, "is no date", "give dates as 2020-01-31")
    texts = known_texts(series.cast(pl.String), kind.missing)
    read = by_value(texts, lambda values: read_dates(values, kind.format))
    bad = read.is_null() & texts.is_not_null()
    if bad.any():
        shape = (
            "time of day, as 14:05"
            if is_time
            else f"date as {kind.format}"
            if "%" in kind.format
            else "date as 2020-01-31"
        )
        raise _refused(series, bad.arg_max(), where, f"is no {shape}", "mend it, or leave it empty")
    return read


def _levels(series: pl.Series, kind: Kind, where: Where) -> pl.Series:
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        raise _refused(series, _first(series), where, "is no text", "give numbers or text")
    return level_texts(series, kind.missing, kind.digits)


def _first(series: pl.Series) -> int:
    return series.is_not_null().arg_max() or 0


def _refused(series: pl.Series, row: int | None, where: Where, what: str, mend: str) -> DataError:
    at = row or 0
    value = series[at] if len(series) > at else None
    return DataError(f"{where(at)}, column {series.name}: {quoted(value)} {what}; {mend}")


__all__ = ["column_values"]
