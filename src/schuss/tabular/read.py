"""Files of tables, read whole or in chunks.

    read_table(source, reading=Reading()) -> polars.DataFrame
    scan_table(source, reading=Reading(), rows=50_000, dtypes={}) -> iterator of (Lines, polars.DataFrame)
    lines_of(source, reading=Reading()) -> where        what messages call a row of read_table's frame: where(3)
    read_found(source, reading=Reading()) -> (frame, reading)   read_table's frame, and the reading with delimiter,
                                                        encoding and decimal sign as the file has them

source  a path; "-" for standard input; a binary file. Text (CSV, TSV, ...; as it is, or packed by gzip, bzip2, xz or
        zstd), Parquet, Arrow IPC (Feather), told apart by the first bytes
reading how text is read (schuss.tabular.dialect): delimiter, encoding, decimal sign, header, quote, missing texts

read_table gives Int64, Float64, Boolean and String for text: the first of these that all cells of a column are. Whole
numbers with zeros before them (00501) or beyond 64 bits stay text. scan_table gives text for all columns, but those
with a dtype in `dtypes`, so that a column is the same in all chunks (Parquet and Arrow have dtypes of their own); the
memory that it takes does not grow with the file. Its `Lines` is a function as lines_of gives: lines(3) is
"houses.csv line 21", lines.line(3) is 21, lines.first the first.

Each fault of a file is a DataError of one line: name, line, what it is, and how to mend it. Names of columns lose the
blanks around them, as levels and numbers do. Blank lines between rows go, line ends of Windows and old Macs and a byte
order mark are taken for what they are.

What the extra [tables] costs: schuss.tabular.extra.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

from schuss.errors import DataError, one_line
from schuss.tabular.delimited import Lines, read_text, scan_text
from schuss.tabular.dialect import Reading
from schuss.tabular.extra import pl
from schuss.tabular.files import Opened, opened
from schuss.tabular.frame import as_frame
from schuss.tabular.kind import Where, rows_of

ROWS = 50_000  # of a chunk
CELLS = 1 << 23  # that are read at once of a Parquet file


def read_table(source: Any, reading: Reading | None = None) -> pl.DataFrame:
    """All of a table; see the module's head."""
    return read_found(source, reading)[0]


def read_found(source: Any, reading: Reading | None = None) -> tuple[pl.DataFrame, Reading]:
    """All of a table, and how it was read, of text with nothing left to find. In one pass, as standard input has."""
    with opened(source) as file:
        if file.form == "text":
            return read_text(file, reading or Reading())
        with _told(file):
            frame = _lazy(file).collect()
        if not frame.height:
            raise DataError(f"{file.name}: has no rows; give it rows")
        return as_frame(frame, file.name), reading or Reading()


def scan_table(
    source: Any, reading: Reading | None = None, rows: int = ROWS, dtypes: Mapping[str, Any] | None = None
) -> Iterator[tuple[Where, pl.DataFrame]]:
    """A table in chunks of at most so many rows, each with what messages call its rows; see the module's head."""
    with opened(source) as file:
        if file.form == "text":
            yield from scan_text(file, reading or Reading(), rows, dtypes or {})
        else:
            yield from _scan_columns(file, rows)


def first_rows(source: Any, most: int, reading: Reading | None = None) -> tuple[pl.DataFrame, Where, bool]:
    """At most so many rows of a table, as `scan_table` reads them, what messages call them, and whether it has more."""
    parts: list[pl.DataFrame] = []
    starts: list[int] = []
    places: list[Where] = []
    known, more = 0, False
    for place, chunk in scan_table(source, reading, most):
        more = known + chunk.height > most
        parts.append(chunk[: most - known])
        starts.append(known)
        places.append(place)
        known += parts[-1].height
        if more:
            break

    def where(row: int) -> str:
        i = bisect_right(starts, row) - 1
        return places[i](row - starts[i])

    return pl.concat(parts), where, more


def reading_for(record: Mapping[str, Any], reading: Reading | None = None) -> Reading:
    """How a file is read for a model with this record: the decimal sign, where the file does not tell, is that of the
    training."""
    sign = record.get("decimal")
    return replace(reading or Reading(), usual=sign if sign in (".", ",") else None)


def lines_of(source: Any, reading: Reading | None = None) -> Where:
    """What messages call a row of the table that was read from there: its line, for which the file is read again."""

    def where(row: int) -> str:
        name = str(getattr(source, "name", source))
        if source == "-" or hasattr(source, "read"):
            return f"{'standard input' if source == '-' else name} row {row}"
        return _line_of(source, reading, row)

    return where


def _line_of(source: Any, reading: Reading | None, row: int) -> str:
    for place, chunk in scan_table(source, reading):
        if row < chunk.height:
            return place(row)
        row -= chunk.height
    return f"{source} row {row}"


# -- Parquet and Arrow ----------------------------------------------------------------------------


@contextlib.contextmanager
def _told(file: Opened) -> Iterator[None]:
    kind = {"parquet": "Parquet", "arrow": "Arrow"}.get(file.form, "Arrow stream")
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{file.name}: is cut short or damaged ({kind}: {one_line(error)[:200]}); copy or write it again"
        ) from None


def _lazy(file: Opened) -> pl.LazyFrame:
    source: Any = file.path or BytesIO(file.file.read())
    if file.form == "stream":
        return pl.read_ipc_stream(source).lazy()
    return pl.scan_parquet(source, glob=False) if file.form == "parquet" else pl.scan_ipc(source)


def _scan_columns(file: Opened, rows: int) -> Iterator[tuple[Where, pl.DataFrame]]:
    with _told(file):
        table = _lazy(file)
        width = max(1, len(table.collect_schema()))
    size = max(rows, CELLS // width // rows * rows)
    start = 0
    while True:
        with _told(file):
            part = as_frame(table.slice(start, size).collect(), file.name)
        for at in range(0, part.height, rows):
            yield _rows_from(file.name, start + at), part[at : at + rows]
        start += part.height
        if part.height < size:
            break
    if not start:
        raise DataError(f"{file.name}: has no rows; give it rows")


def _rows_from(name: str, first: int) -> Where:
    whole = rows_of(name)
    return lambda row: whole(first + row)


__all__ = ["Lines", "Reading", "first_rows", "lines_of", "read_found", "read_table", "reading_for", "scan_table"]
