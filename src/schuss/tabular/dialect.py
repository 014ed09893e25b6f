"""How a file of text is written, found by its beginning: encoding, delimiter, decimal sign, names of its columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from schuss.asking import asked
from schuss.errors import DataError, UsageError
from schuss.frames import listed
from schuss.tabular.kind import MISSING

DELIMITERS = ("\t", ";", "|", ",")
LOOKED_AT = 1000  # records, and as many kilobytes


@dataclass(frozen=True)
class Reading:
    """How a file of text is read. None: found by the file's beginning.

    delimiter   between the columns: one character, as "," ";" "|" or a tab
    encoding    by Python's names, as "utf-8", "utf-16", "cp1252"
    decimal     the sign before decimals: "." or ","
    header      whether the first line names the columns; without one they are column1, column2, ...
                None: it does, and a first line of numbers is refused
    quote       what quotes a text; "" for nothing
    missing     texts that stand for a missing value; an empty one always does
    usual       the decimal sign of a file whose beginning does not tell, as that of the rows trained on
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    header: bool | None = None
    quote: str = '"'
    missing: tuple[str, ...] = MISSING
    usual: str | None = None

    def __post_init__(self) -> None:
        for name, given, most in (("delimiter", self.delimiter, 1), ("quote", self.quote, 1)):
            if given is not None and (len(given.encode()) > most or (name == "delimiter" and not given)):
                raise UsageError(f"{name} is {given!r}; it is one character of ASCII")
        if self.decimal not in (None, ".", ","):
            raise UsageError(f"decimal is {self.decimal!r}; it is '.' or ','")
        if self.decimal == "," and self.delimiter == ",":
            raise UsageError("delimiter and decimal are both ','; give the delimiter that the file has")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise UsageError(f"encoding {self.encoding!r} is unknown; utf-8, utf-16 and cp1252 are some") from None
        object.__setattr__(self, "missing", tuple(self.missing))


@dataclass(frozen=True)
class Dialect:
    """A file's own way.

    reading     with nothing left to find
    names       of the columns
    lines       of the header; its length in bytes of UTF-8
    returns     whether lines end with a carriage return alone
    """

    reading: Reading
    names: tuple[str, ...]
    lines: int
    length: int
    returns: bool = False

    @property
    def delimiter(self) -> bytes:
        return (self.reading.delimiter or ",").encode()

    @property
    def quote(self) -> bytes:
        return self.reading.quote.encode()

    @property
    def decimal(self) -> str:
        return self.reading.decimal or "."


def find_dialect(head: bytes, whole: bool, encoding: str, reading: Reading, name: str) -> Dialect:
    """How a file is written that begins with these bytes of UTF-8.

    whole: whether they are all of it; encoding: what it has in truth
    """
    returns = b"\n" not in head and b"\r" in head
    text = head.replace(b"\r", b"\n") if returns else head
    quote = reading.quote.encode()
    sample = [(line, record) for line, record in _sampled(text, quote, whole) if record.strip(b" \r")]
    if not sample:
        raise DataError(f"{name}: is empty; give a file with a line of names and rows")
    bare = [_unquoted(record, quote) for _, record in sample]
    delimiter = reading.delimiter or _delimiter(bare)
    if not any(delimiter.encode() in record for record in bare) and _delimiter(bare) != delimiter:
        seen = _delimiter(bare)
        if any(seen.encode() in record for record in bare):
            raise DataError(f"{name}: has no {delimiter!r}; between its columns is {seen!r}: leave the delimiter out")
    decimal = reading.decimal or _decimal(bare, delimiter, reading.usual or ".")
    reading = replace(reading, delimiter=delimiter, decimal=decimal, encoding=encoding)
    line, header = sample[0]
    fields = [name.strip() for name in _fields(header.decode("utf-8", "replace"), reading)]
    if reading.header is False:
        return Dialect(reading, tuple(f"column{i + 1}" for i in range(len(fields))), 0, 0, returns)
    _check_names(fields, reading, f"{name} line {line}")
    length = text.index(header) + len(header)
    length += next((len(end) for end in (b"\r\n", b"\n") if text.startswith(end, length)), 0)
    lines = text.count(b"\n", 0, length)
    return Dialect(replace(reading, header=True), tuple(fields), lines, length, returns)


# -- records --------------------------------------------------------------------------------------


def records(data: bytes, quote: bytes, last: bool = False) -> Iterator[tuple[int, bytes]]:
    """Records with the number of the first line, from 1: lines, or several where a quoted text goes over their end.

    last: whether what comes after the last complete one is a record, too.
    """
    start, line, first, odd, at = 0, 1, 1, False, 0
    while (end := data.find(b"\n", at)) >= 0:
        if quote and data.count(quote, at, end) % 2:
            odd = not odd
        line += 1
        at = end + 1
        if not odd:
            yield first, data[start:end].removesuffix(b"\r")
            start, first = at, line
    if last and start < len(data):
        yield first, data[start:].removesuffix(b"\r")


def _sampled(data: bytes, quote: bytes, whole: bool) -> list[tuple[int, bytes]]:
    """The first records; where the data are not the whole file, the last one may be cut and is left out."""
    found: list[tuple[int, bytes]] = []
    held = 0
    for line, record in records(data, quote, last=True):
        found.append((line, record))
        held += len(record)
        if len(found) > LOOKED_AT or (held > 1000 * LOOKED_AT and len(found) > 3):
            break
    return found if whole or len(found) < 2 else found[:-1]


def _unquoted(record: bytes, quote: bytes) -> bytes:
    """With nothing between quotes."""
    if not quote or quote not in record:
        return record
    q = re.escape(quote)
    return re.sub(q + b"[^" + q + b"]*" + q, quote + quote, record)


def _fields(header: str, reading: Reading) -> list[str]:
    if reading.quote and reading.quote in header:
        lines = header.splitlines(keepends=True)
        return next(csv.reader(lines, delimiter=reading.delimiter or ",", quotechar=reading.quote, doublequote=True))
    return header.split(reading.delimiter)


# -- what is found --------------------------------------------------------------------------------


def _delimiter(bare: list[bytes]) -> str:
    """That by which all records have as many fields; else that by which most have as many as the first."""
    shares = {}
    for sign in DELIMITERS:
        counts = [record.count(sign.encode()) for record in bare]
        if counts[0] and min(counts) == max(counts):
            return sign
        shares[sign] = counts.count(counts[0]) / len(counts) if counts[0] else 0.0
    best = max(reversed(DELIMITERS), key=lambda sign: shares[sign])
    return best if shares[best] else ","


def _decimal(bare: list[bytes], delimiter: str, usual: str) -> str:
    """A comma, where fields are numbers with one, none has a point before decimals, and not all may have it between
    thousands: "0,346" has it before decimals, "1,346" may be either, and is as usual."""
    if delimiter == ",":
        return "."
    fields = [field.strip() for record in bare[1:] for field in record.split(delimiter.encode())]
    points = [field for field in fields if re.fullmatch(rb"[+-]?[\d,]+\.\d+(?:[eE][+-]?\d+)?", field)]
    if not all(re.fullmatch(rb"[+-]?[1-9]\d{0,2}(?:\.\d{3})+", field) for field in points):
        return "."
    commas = [field for field in fields if re.fullmatch(rb"[+-]?[\d.]+,\d+(?:[eE][+-]?\d+)?", field)]
    thousands = [field for field in commas if re.fullmatch(rb"[+-]?[1-9]\d{0,2}(?:,\d{3})+", field)]
    return "," if len(commas) > len(thousands) else usual


def _check_names(names: list[str], reading: Reading, where: str) -> None:
    mend = f"or, if it is no line of names, say {asked('header', False)}"
    numbers = [name for name in names if _is_number(name, reading.decimal)]
    if reading.header is None and len(numbers) == len(names) and not _is_counted(names):
        raise DataError(
            f"{where}: has numbers, {listed(names[:3])}, in place of names; give it a line of names, or say "
            f"{asked('header', False)}"
        )
    if twice := [name for name, count in Counter(names).items() if count > 1 and name]:
        raise DataError(f"{where}: names column {listed(twice)} more than once; rename all but one of each, {mend}")
    if "" in names:
        hint = " (row numbers? write them not: index=False)" if names[0] == "" else ""
        raise DataError(f"{where}: column {names.index('') + 1} has no name{hint}; name it, {mend}")


def _is_number(text: str, decimal: str | None) -> bool:
    try:
        float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return False
    return True


def _is_counted(names: list[str]) -> bool:
    """Whether the names are 0, 1, 2, ... or 1, 2, 3, ..., as frames without names are written."""
    return any(names == [str(i + start) for i in range(len(names))] for start in (0, 1)) and len(names) > 1


__all__ = ["Dialect", "Reading", "find_dialect", "records"]
