"""The kind that a user asks for, if the column can be read so. See schuss.tabular.kinds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from schuss.asking import asked
from schuss.errors import DataError
from schuss.tabular.alike import warn_of_alike
from schuss.tabular.dates import ISO, find_format
from schuss.tabular.extra import pl
from schuss.tabular.found import found_kind, of_dates, of_numbers
from schuss.tabular.kind import Kind, Where, quoted
from schuss.tabular.numerals import find_numeral, nearest_numeral
from schuss.tabular.texts import STRIPPED, known_texts, level_texts, zeros_of
from schuss.tabular.values import column_values

TEXTS = (pl.String, pl.Categorical, pl.Enum)
DIGITS = "%Y%m%d"  # of dates as whole numbers


def wanted_kind(
    name: str, series: pl.Series, is_target: bool, format: str, missing: Collection[str], where: Where
) -> Kind:
    """The kind of that name for the column. DataError with the first value that cannot be read so.

    format  of dates, where it is given; else ""
    """
    if series.null_count() == len(series):
        return Kind("empty", "no value is known")
    if name == "category":
        kind = _category(series, missing, is_target)
    else:
        kind = _number(series, missing) if name == "number" else _date(series, format, missing, where)
    try:
        column_values(series, kind, where)  # refuses what cannot be read so
    except DataError as error:
        raise DataError(f"{error}; or let it be words: {asked('category', [series.name])}") from None
    return kind


def _category(series: pl.Series, missing: Collection[str], is_target: bool) -> Kind:
    digits = STRIPPED
    if series.dtype in TEXTS:
        values = known_texts(series.cast(pl.String).unique(), missing).drop_nulls()
        digits = zeros_of(values) if values.str.contains(r"^[+-]?\d+$").all() else STRIPPED
    levels = level_texts(series, missing, digits).drop_nulls().unique()
    if not is_target:
        warn_of_alike(f"column {series.name!r} has levels", levels.to_list())
    return Kind("category", f"{len(levels)} levels, as asked", digits=digits, missing=tuple(missing))


def _number(series: pl.Series, missing: Collection[str]) -> Kind:
    told = ", as asked"
    if series.dtype in TEXTS:
        values = known_texts(series.cast(pl.String), missing).drop_nulls()
        numeral = find_numeral(values) or nearest_numeral(values)
        read = numeral.read(values)
        kind = of_numbers(read, True, told) if read.count() else Kind("number", told[2:])
        return replace(kind, decimal=numeral.decimal, group=numeral.group, affix=numeral.affix, missing=tuple(missing))
    if series.dtype == pl.Boolean:
        return Kind("number", "0 and 1, as asked", missing=tuple(missing))
    if series.dtype.is_temporal() and series.dtype != pl.Duration:
        return Kind("number", missing=tuple(missing))
    return replace(of_numbers(series, True, told), missing=tuple(missing))


def _date(series: pl.Series, format: str, missing: Collection[str], where: Where) -> Kind:
    if series.dtype.is_temporal() and series.dtype != pl.Duration:
        return of_dates(series)
    if format:
        return Kind("date", f"read as {format}, as asked", format=format, missing=tuple(missing))
    if series.dtype in TEXTS:
        values = known_texts(series.cast(pl.String), missing).drop_nulls().unique(maintain_order=True)
        found = find_format(values) if len(values) else None
        if found and found.other:
            return found_kind(series.cast(pl.String), False, missing, where)  # the error that says so
        told = found.told if found else ", as 2020-01-31"
        return Kind("date", f"dates{told}", format=found.name if found else ISO, missing=tuple(missing))
    if series.dtype.is_integer():
        return Kind("date", f"whole numbers read as {DIGITS}", format=DIGITS, missing=tuple(missing))
    raise DataError(f"{where(0)}, column {series.name}: {quoted(series[0])} is no date; give dates as 2020-01-31")
