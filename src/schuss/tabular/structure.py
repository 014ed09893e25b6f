"""Whether the bytes of a table have the form that was read from them, and where they do not.

A CSV reader does not tell of rows that are too short, of quotes that swallow lines, or of zeros before whole numbers.
`census` counts what there must be as fast as memory goes; `look` goes through the records one by one, and is only asked
where the counts do not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schuss.asking import asked
from schuss.errors import DataError
from schuss.ir.executor import Array

CHUNK = 1 << 18
NEWLINE, RETURN, ZERO = 10, 13, 48
NONE = np.zeros(0, np.int64)
LONGEST = 40  # digits of a whole number


@dataclass
class Census:
    """What bytes of UTF-8 have. lines, delimiters: how many, wherever they are; quotes: whether there are any; sound:
    whether they stand around fields; nul: whether there is a zero byte; zeros: whether a whole number has a zero before
    it."""

    lines: int = 0
    delimiters: int = 0
    quotes: bool = False
    sound: bool = True
    nul: bool = False
    zeros: bool = False


def census(data: Array, delimiter: bytes, quote: bytes, zeros: bool) -> Census:
    """The counts of data, uint8 [N]. zeros: whether to look for them."""
    found, sign, mark = Census(), delimiter[0], quote[0] if quote else -1
    border, inside = True, 0  # whether a field may begin there; whether a quote is open
    for start in range(0, len(data), CHUNK):
        part = data[start : start + CHUNK]
        lines, signs = part == NEWLINE, part == sign
        found.lines += int(np.count_nonzero(lines))
        found.delimiters += int(np.count_nonzero(signs))
        found.nul = found.nul or not part.all()
        marks = np.flatnonzero(part == mark) if mark >= 0 else NONE
        if len(marks):
            found.quotes = True
            found.sound = found.sound and _is_sound(data, marks + start, inside, sign, mark)
            inside = (inside + len(marks)) % 2
        if zeros and not found.zeros:
            ends = lines | signs
            ends[marks] = True
            found.zeros = _has_zeros(data, start, part, ends, border, sign, mark)
        border = part[-1] in (NEWLINE, RETURN, sign, mark)
    found.lines += bool(len(data)) and data[-1] != NEWLINE
    found.sound = found.sound and not inside
    return found


def _is_sound(data: Array, marks: Array, inside: int, sign: int, mark: int) -> bool:
    """Whether quotes open where a field begins and close where one ends; two of them are one quote in the text."""
    opening, closing = marks[inside::2], marks[1 - inside :: 2]
    before = data[opening - 1]
    before[opening == 0] = NEWLINE
    after = data[np.minimum(closing + 1, len(data) - 1)]
    after[closing == len(data) - 1] = NEWLINE
    opens = (before == sign) | (before == NEWLINE) | (before == mark)
    closes = (after == sign) | (after == NEWLINE) | (after == mark) | (after == RETURN)
    return bool(opens.all() and closes.all())


def unquoted_counts(data: Array, delimiter: bytes, quote: bytes) -> tuple[int, int]:
    """How many records there are, and delimiters between their fields, none of them within quotes."""
    records = delimiters = inside = 0
    for start in range(0, len(data), CHUNK):
        part = data[start : start + CHUNK]
        marks = np.flatnonzero(part == quote[0])
        records += _outside(part == NEWLINE, marks, inside)
        delimiters += _outside(part == delimiter[0], marks, inside)
        inside = (inside + len(marks)) % 2
    return records + (bool(len(data)) and data[-1] != NEWLINE), delimiters


def _outside(which: Array, marks: Array, inside: int) -> int:
    """How many of these places are not between quotes."""
    edges = np.concatenate([[0], marks])
    return int(np.add.reduceat(which.view(np.uint8), edges, dtype=np.int64)[inside::2].sum())


def _has_zeros(data: Array, start: int, part: Array, ends: Array, border: bool, sign: int, mark: int) -> bool:
    """Whether some field is a whole number that begins with a zero. border: whether a field may begin with the part."""
    first = part == ZERO
    first[1:] &= ends[:-1]
    first[0] &= border
    at = np.flatnonzero(first) + start + 1
    at = at[at < len(data)]
    at = at[(data[at] - ZERO) < 10]  # another digit
    for _ in range(LONGEST):
        if not len(at):
            return False
        if at[-1] + 1 == len(data):
            return True
        at += 1
        byte = data[at]
        if ((byte == sign) | (byte == NEWLINE) | (byte == RETURN) | (byte == mark)).any():
            return True
        at = at[(byte - ZERO) < 10]
    return False


# -- one by one -----------------------------------------------------------------------------------


@dataclass
class Body:
    """Records without the blank lines among them. numbers: the first line of each; None: one after the other."""

    data: bytes
    numbers: list[int] | None = None


def look(data: bytes, line: int, width: int, delimiter: bytes, quote: bytes, name: str) -> Body:
    """The records of UTF-8 data of which the first is in that line. DataError with the line of what is no record.

    Blank lines go, where there are several columns.
    """
    if (nul := data.find(b"\0")) >= 0:
        at = line + data.count(b"\n", 0, nul)
        raise DataError(
            f"{name} line {at}: has a zero byte; the file is damaged, or in another encoding, as "
            f"{asked('encoding', 'utf-16')}"
        )
    kept, numbers, plain, at = [], [], True, 0
    while at < len(data):
        end, fields, lines = _record(data, at, line, delimiter, quote, name)
        if width > 1 and not data[at:end].strip(b" \r\n"):
            plain = False
        else:
            if fields != width:
                raise DataError(f"{name} line {line}: {_ragged(fields, width, delimiter.decode())}")
            kept.append(data[at:end])
            numbers.append(line)
        plain = plain and lines == 1
        at, line = end, line + lines
    return Body(data) if plain else Body(b"".join(kept), numbers)


def _ragged(fields: int, width: int, delimiter: str) -> str:
    shown = "a tab" if delimiter == "\t" else f"{delimiter!r}"
    mend = f"quote a field that holds {shown}" if fields > width else "mend the line"
    return (
        f"has {fields} field{'s' * (fields != 1)}, the first line has {width}; {mend}, or say which delimiter, as "
        f"{asked('delimiter', ';' if delimiter == ',' else ',')}"
    )


def _record(data: bytes, at: int, line: int, delimiter: bytes, quote: bytes, name: str) -> tuple[int, int, int]:
    """Where the record that begins there ends, how many fields and lines it has."""
    end = data.find(b"\n", at)
    end = len(data) if end < 0 else end + 1
    if not quote or data.find(quote, at, end) < 0:
        return end, data.count(delimiter, at, end) + 1, 1
    fields, start = 0, at
    while True:
        fields += 1
        if data[at : at + 1] == quote:
            at = _closed(data, at, line + data.count(b"\n", start, at), delimiter, quote, name)
        else:
            at = _bare(data, at, line + data.count(b"\n", start, at), delimiter, quote, name)
        if data[at : at + 1] != delimiter:
            break
        at += 1
    end = data.find(b"\n", at)
    end = len(data) if end < 0 else end + 1
    return end, fields, max(1, data.count(b"\n", start, end))


def _closed(data: bytes, at: int, line: int, delimiter: bytes, quote: bytes, name: str) -> int:
    """The place after the quote that closes the one there."""
    end = data.find(quote, at + 1)
    while end >= 0 and data[end + 1 : end + 2] == quote:
        end = data.find(quote, end + 2)
    if end < 0:
        raise DataError(f"{name} line {line}: the quote that opens there never closes; {_mend(quote)}")
    after = data[end + 1 : end + 3]
    if after and after[:1] not in (delimiter, b"\n") and after.rstrip(b"\n") != b"\r":
        over = data.count(b"\n", at, end)
        told = f"closes in line {line + over}, inside a field" if over else "closes inside the field"
        raise DataError(f"{name} line {line}: the quote that opens there {told}; {_mend(quote)}")
    return end + 1


def _bare(data: bytes, at: int, line: int, delimiter: bytes, quote: bytes, name: str) -> int:
    """The place after the field without quotes that begins there."""
    ends = [end for end in (data.find(delimiter, at), data.find(b"\n", at)) if end >= 0]
    end = min(ends, default=len(data))
    if data.find(quote, at, end) >= 0:
        raise DataError(f"{name} line {line}: there is a quote inside a field that has none around it; {_mend(quote)}")
    return end


def _mend(quote: bytes) -> str:
    q = quote.decode()
    return f"write {q}{q} for a quote in a quoted text, or, if the file quotes nothing, say {asked('quote', '')}"


def lines_of_records(data: Array, quote: bytes, line: int) -> Array:
    """The first line of each record of uint8 data [N], int64."""
    ends = np.flatnonzero(data == NEWLINE)
    if quote:
        marks = np.flatnonzero(data == quote[0])
        outside = np.searchsorted(marks, ends) % 2 == 0
    else:
        outside = np.ones(len(ends), bool)
    return line + np.concatenate([[0], np.flatnonzero(outside) + 1])


__all__ = ["Body", "Census", "census", "lines_of_records", "look", "unquoted_counts"]
