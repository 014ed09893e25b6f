"""Tables as text, CSV and the like: whole or in blocks. polars reads; what it does not tell is seen in the bytes."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from schuss.asking import asked
from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.tabular.decoding import BOM, Decoder, find_encoding
from schuss.tabular.dialect import Dialect, Reading, find_dialect
from schuss.tabular.extra import pl
from schuss.tabular.files import Opened, read_exactly
from schuss.tabular.kind import quoted
from schuss.tabular.numerals import PLAIN, Numeral
from schuss.tabular.structure import Census, census, lines_of_records, look, unquoted_counts

HEAD = 1 << 20  # bytes by which the dialect and the dtypes are found
HEAD_LINES = 50  # that it has at least, where the file has
HEAD_MOST = 1 << 26
SAMPLE = 1 << 18  # bytes by which dtypes are found, of as many lines at least
BLOCK = 1 << 23  # bytes that are read at once
RECORD_MOST = 1 << 27  # bytes of one record
WHOLE_NUMBER = re.compile(" *[+-]?[0-9]+ *")
PADDED = re.compile(" *[+-]?0[0-9]+ *")
NUMBER = re.compile(f" *[+-]?{PLAIN} *")
LONGEST = 40  # characters of a whole number of 64 bits, and more: Python reads no number of 4,300 digits
FIRST = 200  # cells that are looked at one by one before all

Schema = dict[str, Any]


class Lines:
    """What messages call a row of a file: 'houses.csv line 17'."""

    def __init__(self, name: str, first: int, data: bytes = b"", quote: bytes = b"", numbers: Any = None) -> None:
        self.name, self.first = name, first
        self._data, self._quote, self._numbers = data, quote, numbers
        self._skipped = 0

    def line(self, row: int) -> int:
        """The number of its first line, from 1."""
        if self._numbers is None and self._data:
            self._numbers = lines_of_records(np.frombuffer(self._data, np.uint8), self._quote, self.first)
        return self.first + row if self._numbers is None else int(self._numbers[self._skipped + row])

    def after(self, rows: int) -> Lines:
        """The same from a later row on."""
        later = Lines(self.name, self.line(rows) if rows else self.first, self._data, self._quote, self._numbers)
        later._skipped = self._skipped + rows
        return later

    def __call__(self, row: int) -> str:
        return f"{self.name} line {self.line(row)}"


class Text:
    """An open file of text: its dialect, and its bytes in UTF-8, in blocks of whole records."""

    def __init__(self, source: Opened, reading: Reading) -> None:
        self.name, self._file = source.name, source.file
        self.head, self.whole = _head(source)
        encoding = find_encoding(self.head, reading.encoding)
        self._decoder = Decoder(encoding, reading.encoding is not None, self.name)
        self._first = self._decoder(self.head, self.whole)
        self.dialect = find_dialect(self._first, self.whole, self._decoder.encoding, reading, self.name)
        if self.dialect.returns:
            self._first = self._first.replace(b"\r", b"\n")
        marked = self.head.startswith(BOM) or self.dialect.returns
        self.is_plain = self._decoder.encoding == "utf-8" and not marked  # the file's bytes are what is read

    @property
    def sample(self) -> bytes:
        """The first records, whole ones, without the header."""
        data, whole = self._first[self.dialect.length :], self.whole
        for size in (SAMPLE, len(data)):
            part = data[:size]
            end = len(part) if whole and size >= len(data) else _last_end(part, self.dialect.quote)
            if part.count(b"\n", 0, end) >= HEAD_LINES:
                break
        return part[:end]

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """The records behind the header, with the number of the first line."""
        line, skipped = self.dialect.lines + 1, self.dialect.length
        pending = b""
        for piece, last in self._pieces():
            data = pending + piece
            end = len(data) if last else _last_end(data, self.dialect.quote)
            if not end and len(data) > RECORD_MOST:
                mend = (
                    f'write "" for a quote in a quoted text, or, if the file quotes nothing, say {asked("quote", "")}'
                )
                raise DataError(f"{self.name} line {line}: a quoted text that begins there is endless; {mend}")
            block, pending = data[skipped:end], data[end:]
            if end:
                skipped = 0
            if block:
                yield line, block
                line += block.count(b"\n")

    def _pieces(self) -> Iterator[tuple[bytes, bool]]:
        piece, last = self._first, self.whole
        self._first = b""
        yield piece, last
        while not last:
            raw = read_exactly(self._file, BLOCK, self.name)
            last = len(raw) < BLOCK
            piece = self._decoder(raw, last)
            yield piece.replace(b"\r", b"\n") if self.dialect.returns else piece, last


def _head(source: Opened) -> tuple[bytes, bool]:
    """The file's beginning, and whether it is all of it."""
    head, size = b"", HEAD
    while True:
        part = read_exactly(source.file, size, source.name)
        head += part
        if len(part) < size:
            return head, True
        if max(head.count(b"\n"), head.count(b"\r")) >= HEAD_LINES or len(head) >= HEAD_MOST:
            return head, False
        size = len(head)


def _last_end(data: bytes, quote: bytes) -> int:
    """Where the last whole record ends; 0 where none does."""
    end = data.rfind(b"\n")
    if not quote:
        return end + 1
    before = data.count(quote, 0, max(end, 0))
    while end >= 0 and before % 2:
        earlier = data.rfind(b"\n", 0, end)
        before -= data.count(quote, max(earlier, 0), end)
        end = earlier
    return end + 1


# -- whole ----------------------------------------------------------------------------------------


def read_text(source: Opened, reading: Reading) -> tuple[pl.DataFrame, Reading]:
    """The table with the dtypes that its cells have: Int64, Float64, Boolean, else String; and how it was read."""
    text = Text(source, reading)
    dialect = text.dialect
    schema = find_schema(text.sample, dialect)
    if text.is_plain and source.path is not None and not text.whole:
        frame = _mapped(source.path, dialect, schema)
        if frame is not None:
            return _checked_rows(frame, text), dialect.reading
    line, data = dialect.lines + 1, b"".join(block for _, block in text.blocks())
    frame = _attempt(data, np.frombuffer(data, np.uint8), dialect, schema)
    if frame is None:
        frame, _ = _as_text(data, line, dialect, text.name)
        frame = pl.DataFrame([narrowed(series, dialect.decimal) for series in frame.get_columns()])
    return _checked_rows(frame, text), dialect.reading


def _checked_rows(frame: pl.DataFrame, text: Text) -> pl.DataFrame:
    if not frame.height:
        raise DataError(f"{text.name}: has a line of names and no rows; give it rows")
    return frame


def _mapped(path: Path, dialect: Dialect, schema: Schema) -> pl.DataFrame | None:
    """A plain file through polars' own reader; None where something is not as it should be."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        data = np.frombuffer(pages, np.uint8)
        try:
            return _attempt(str(path), data[dialect.length :], dialect, schema, dialect.lines)
        finally:
            del data


def _attempt(
    source: Any, data: Array, dialect: Dialect, schema: Schema, skip: int = 0, fixed: bool = False
) -> pl.DataFrame | None:
    """The table if all of its bytes fit the schema and its form; else None.

    data: what is behind the header, uint8; fixed: whether whole numbers are such even with zeros before them
    """
    if not len(data):
        return pl.DataFrame(schema=schema)
    frame = _polars(source, dialect, schema, skip)
    if frame is None:
        return None
    whole = [] if fixed else [name for name, dtype in schema.items() if dtype == pl.Int64]
    counts = census(data, dialect.delimiter, dialect.quote, bool(whole))
    if not _fits(frame, counts, data, dialect):
        return None
    if counts.zeros:  # 00501 is no number: these columns again, as they are written
        frame = _polars(source, dialect, schema | dict.fromkeys(whole, pl.String), skip)
        frame = None if frame is None else frame.with_columns([narrowed(frame[n], dialect.decimal) for n in whole])
    return None if frame is None else _without_missing(frame, dialect)


def _fits(frame: pl.DataFrame, counts: Census, data: Array, dialect: Dialect) -> bool:
    """Whether the bytes are rows as they were read. A row that is too short has null in the last column."""
    if counts.nul or not counts.sound or data[-1] == dialect.delimiter[0]:  # polars passes over an empty field there
        return False
    wanted = frame.height, frame.height * (frame.width - 1)
    alone = counts.delimiters == wanted[1] and not counts.quotes
    if counts.lines == frame.height and (alone or not frame[:, -1].null_count()):
        return True
    return counts.quotes and unquoted_counts(data, dialect.delimiter, dialect.quote) == wanted


def _polars(source: str | bytes, dialect: Dialect, schema: Schema, skip: int = 0) -> pl.DataFrame | None:
    """What polars reads; None where a cell is not of its dtype, or a row too long. Missing texts are null among
    numbers, and still there among texts."""
    reading = dialect.reading
    every = ["", *reading.missing]
    for missing in [every] if any(NUMBER.fullmatch(text) for text in every) else [[], every]:
        try:
            return pl.read_csv(
                source,
                has_header=False,
                skip_lines=skip,
                separator=dialect.delimiter.decode(),
                quote_char=reading.quote or None,
                schema=schema,
                null_values=missing or None,
                decimal_comma=dialect.decimal == ",",
                glob=False,
            )
        except pl.exceptions.PolarsError:
            if all(dtype == pl.String for dtype in schema.values()):
                break
    return None


def _without_missing(frame: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """With null for missing texts and for NaN."""
    missing = ["", *dialect.reading.missing]
    found = frame.select(
        pl.col(pl.String).is_in(missing).any(),
        pl.selectors.float().is_nan().any(),
    )
    texts = [name for name in found.columns if found[name][0] and frame.schema[name] == pl.String]
    floats = [name for name in found.columns if found[name][0] and frame.schema[name] != pl.String]
    if not (texts or floats):
        return frame
    kept = [pl.when(~pl.col(name).is_in(missing)).then(pl.col(name)) for name in texts]
    return frame.with_columns(*kept, *(pl.col(name).fill_nan(None) for name in floats))


def _as_text(data: bytes, line: int, dialect: Dialect, name: str) -> tuple[pl.DataFrame, Lines]:
    """Records as text, whatever their cells are. DataError with the line of what is no record."""
    schema = dict.fromkeys(dialect.names, pl.String)
    frame = _attempt(data, np.frombuffer(data, np.uint8), dialect, schema)
    if frame is not None:
        return frame, Lines(name, line, data, dialect.quote)
    body = look(data, line, len(dialect.names), dialect.delimiter, dialect.quote, name)
    frame = _polars(body.data, dialect, schema)
    if frame is None:
        raise DataError(f"{name} line {line}: polars cannot read the rows from there on; write the table anew")
    return _without_missing(frame, dialect), Lines(name, line, body.data, dialect.quote, body.numbers)


# -- dtypes ---------------------------------------------------------------------------------------


def find_schema(sample: bytes, dialect: Dialect) -> Schema:
    """The dtypes of the columns by their first records."""
    frame = _polars(sample, dialect, dict.fromkeys(dialect.names, pl.String)) if sample else None
    if frame is None:
        return dict.fromkeys(dialect.names, pl.String)
    frame = _without_missing(frame, dialect)
    return {name: _dtype(frame[name], dialect.decimal) for name in dialect.names}


def narrowed(texts: pl.Series, decimal: str) -> pl.Series:
    """A column of text as Int64, Float64 or Boolean where all of it is; as it is otherwise. Whole numbers with zeros
    before them, or beyond 64 bits, stay text."""
    dtype = _dtype(texts, decimal)
    if dtype == pl.String:
        return texts
    if dtype == pl.Boolean:
        return texts.str.to_lowercase() == "true"
    if dtype == pl.Float64 and decimal == ",":
        return Numeral(",").read(texts)
    return texts.str.strip_chars(" ").cast(dtype)


def _dtype(texts: pl.Series, decimal: str) -> Any:
    first = [cell for cell in texts.head(FIRST).to_list() if cell is not None]
    dtype = _dtype_of(first, decimal)
    if len(texts) <= FIRST:
        return dtype or pl.String
    known = texts.drop_nulls()
    if dtype is None:  # nothing among the first
        dtype = _dtype_of(known.head(FIRST).to_list(), decimal)
    padded = known.str.contains(f"^(?:{PADDED.pattern})$").any() if dtype in (pl.Int64, pl.Float64) else False
    return pl.String if dtype is None or padded else _wider(known, dtype, decimal)


def _dtype_of(cells: list[str], decimal: str) -> Any:
    """The dtype of a few cells; None of no cell."""
    if not cells:
        return None
    if any(PADDED.fullmatch(cell) for cell in cells):
        return pl.String
    if all(WHOLE_NUMBER.fullmatch(cell) for cell in cells):
        return pl.Int64 if all(len(cell) < LONGEST and -(2**63) <= int(cell) < 2**63 for cell in cells) else pl.String
    if all(
        NUMBER.fullmatch(cell) if decimal == "." else Numeral(",").number(cell.strip()) is not None for cell in cells
    ):
        return pl.Float64
    return pl.Boolean if all(cell.lower() in ("true", "false") for cell in cells) else pl.String


def _wider(known: pl.Series, dtype: Any, decimal: str) -> Any:
    """The dtype if all cells have it, else the next that holds them."""
    if dtype == pl.Boolean:
        return dtype if known.str.to_lowercase().is_in(["true", "false"]).all() else pl.String
    if dtype == pl.Int64 and known.str.contains(f"^(?:{WHOLE_NUMBER.pattern})$").all():
        return pl.String if known.str.strip_chars(" ").cast(pl.Int64, strict=False).null_count() else dtype
    if dtype == pl.String:
        return dtype
    if decimal == ",":
        return pl.String if Numeral(",").read(known).null_count() else pl.Float64
    return pl.Float64 if known.str.contains(f"^(?:{NUMBER.pattern})$").all() else pl.String


# -- in blocks ------------------------------------------------------------------------------------


def scan_text(
    source: Opened, reading: Reading, rows: int, dtypes: Mapping[str, Any]
) -> Iterator[tuple[Lines, pl.DataFrame]]:
    """The table in chunks of at most so many rows, all columns as text but those with a dtype."""
    text = Text(source, reading)
    dialect = text.dialect
    commas = _with_commas(text.sample, dialect, dtypes)
    schema = {name: dtypes.get(name, pl.String) for name in dialect.names}
    empty = True
    for line, data in text.blocks():
        frame, lines = _block(data, line, dialect, schema, text.name)
        frame = frame.with_columns([_with_points(frame[name]) for name in commas])
        empty = empty and not frame.height
        for start in range(0, frame.height, rows):
            yield lines.after(start), frame[start : start + rows]
    if empty:
        _checked_rows(pl.DataFrame(), text)


def _block(data: bytes, line: int, dialect: Dialect, schema: Schema, name: str) -> tuple[pl.DataFrame, Lines]:
    frame = _attempt(data, np.frombuffer(data, np.uint8), dialect, schema, fixed=True)
    if frame is not None:
        return frame, Lines(name, line, data, dialect.quote)
    frame, lines = _as_text(data, line, dialect, name)
    return frame.with_columns([_cast(frame[c], d, dialect, lines) for c, d in schema.items() if d != pl.String]), lines


def _cast(texts: pl.Series, dtype: Any, dialect: Dialect, lines: Lines) -> pl.Series:
    bare = texts.str.strip_chars()
    bare = Numeral(",").read(bare) if dtype.is_float() and dialect.decimal == "," else bare
    read = bare.cast(dtype, strict=False)
    bad = read.is_null() & texts.is_not_null()
    if bad.any():
        row = int(bad.arg_max() or 0)
        what = "number" if dtype.is_numeric() else str(dtype).lower()
        raise DataError(
            f"{lines(row)}, column {texts.name}: {quoted(texts[row])} is no {what}; mend it, or leave it empty"
        )
    return read


def _with_commas(sample: bytes, dialect: Dialect, dtypes: Mapping[str, Any]) -> list[str]:
    """Columns that are text here and numbers with a decimal comma in truth."""
    if dialect.decimal != ",":
        return []
    return [n for n, dtype in find_schema(sample, dialect).items() if dtype == pl.Float64 and n not in dtypes]


def _with_points(texts: pl.Series) -> pl.Series:
    return texts.str.replace(r"^(\s*[+-]?\d*),(\d)", "${1}.${2}")


__all__ = ["BOM", "Lines", "Text", "find_schema", "narrowed", "read_text", "scan_text"]
