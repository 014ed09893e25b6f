"""The kinds of a table's columns, found on all rows given, each with its reason.

    find_kinds(frame, targets=(), *, category=(), number=(), date=(), drop=(), missing=MISSING, what="x", where=None)
        -> dict[str, Kind]          of all columns, in the frame's order; missing: texts, or texts by column
    column_values(series, kind, where=None) -> series       canonical values of a column of any later frame
    row_values(row, kinds, what="x") -> dict                the same of one row that is a dict, in microseconds
        (both in schuss.tabular.values)

A `Kind` has a name and a reason, one short clause for a person, and how the column's texts are read. It is JSON:
`dataclasses.asdict(kind)` and back by `Kind(**written)`. Names, and what column_values makes of the column:

    number    Float64
    boolean   Float64, 0 and 1: true and false, yes and no, y and n, t and f, on and off
    category  String: the text of the level (schuss.tabular.texts)
    date      Datetime(us, UTC); what has no time zone is UTC, times of day are on 1970-01-01
    text, id, constant, empty, dropped    left out (`kind.used` is False)

A missing value is null in all of them: None, NaN, and texts that are empty or one of `missing`. Numbers of two values
stay numbers. Texts that are all numbers ("1,234", "12 %", "$5", "12 kg": one unit in all) are numbers, dates in one
format are dates; both are told. Where day and month could be either, that is an error; date={"COLUMN": "%d/%m/%Y"} says
which.

Targets are number, boolean, category, date or empty, and never left out; words of yes and no are a category there.
The arguments category, number, date and drop name columns whose kind is set. DataError for a column that cannot be read
so, with the first line and value that fails, and UsageError for a name that is no column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from schuss.asking import asked, called, no_column
from schuss.errors import DataError, UsageError
from schuss.tabular.extra import pl
from schuss.tabular.found import found_kind
from schuss.tabular.kind import MISSING, Kind, Where, rows_of
from schuss.tabular.values import column_values, row_values
from schuss.tabular.wanted import wanted_kind


def find_kinds(
    frame: pl.DataFrame,
    targets: str | Iterable[str] = (),
    *,
    category: str | Iterable[str] = (),
    number: str | Iterable[str] = (),
    date: str | Iterable[str] | Mapping[str, str] = (),
    drop: str | Iterable[str] = (),
    missing: Iterable[str] | Mapping[str, Iterable[str]] = MISSING,
    what: str = "x",
    where: Where | None = None,
) -> dict[str, Kind]:
    """The kind of each column; see the module's head.

    missing texts that stand for a missing value; or {column: texts}, where others have the usual ones
    what    the table in messages; where    what they call a row (default: "x row 3")
    """
    place = where or rows_of(what)
    given = _given(frame, what, category=category, number=number, date=date, drop=drop)
    own = set(names_of(targets))
    _check_columns(frame, own, "target", what)
    formats = dict(date) if isinstance(date, Mapping) else {}
    by_column = missing if isinstance(missing, Mapping) else dict.fromkeys(frame.columns, missing)
    _check_columns(frame, by_column, "missing", what)
    kinds = {}
    for series in frame.get_columns():
        name = series.name
        texts = tuple(by_column.get(name, MISSING))
        if given.get(name) == "dropped":
            kinds[name] = Kind("dropped", "left out as asked")
            continue
        _check_dtype(series, what)
        if name in given:
            kind = wanted_kind(given[name], series, name in own, formats.get(name, ""), texts, place)
        else:
            kind = found_kind(series, name in own, texts, place)
        kinds[name] = replace(kind, missing=texts)
    return kinds


def names_of(given: str | Iterable[str]) -> list[str]:
    """The names of columns that an argument gives."""
    return [given] if isinstance(given, str) else list(given)


def _given(frame: pl.DataFrame, what: str, **lists: str | Iterable[str]) -> dict[str, str]:
    """The kind that is asked for, by column."""
    given: dict[str, str] = {}
    for argument, names in lists.items():
        _check_columns(frame, names_of(names), argument, what)
        for name in names_of(names):
            kind = "dropped" if argument == "drop" else argument
            if given.setdefault(name, kind) != kind:
                raise UsageError(
                    f"{called(argument)}: column {name!r} is asked to be {given[name]} as well; name it once"
                )
    return given


def _check_columns(frame: pl.DataFrame, names: Iterable[str], argument: str, what: str) -> None:
    if wrong := [name for name in names if name not in frame.columns]:
        raise UsageError(no_column(argument, wrong, frame.columns, what))


def _check_dtype(series: pl.Series, what: str) -> None:
    dtype = series.dtype
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        mend = "give each of its values a column of its own" if dtype.is_nested() else "give numbers or text"
        told = (
            f"{what}: column {series.name!r} holds {str(dtype).split('(')[0].lower()} values, which no column here can"
        )
        raise DataError(f"{told}; {mend}, or leave it out: {asked('drop', [series.name])}")


__all__ = ["MISSING", "Kind", "Where", "column_values", "find_kinds", "names_of", "row_values", "rows_of"]
