"""Dates and times that are written as text.

    find_format(values) -> Format    how all of these texts are written
    read_dates(texts, name) -> Datetime(us, UTC), null for what is not written so

"iso" is 2020-01-31, 2020-01, and 2020-01-31 with 14:05, 14:05:09 or 14:05:09.25 after a T or a blank, with Z, +01:00 or
nothing (UTC); "time" is 14:05 and 14:05:09, on the day 1970-01-01. Anything else is a format of strptime, and what is
ISO is read beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from schuss.tabular.extra import pl
from schuss.tabular.numerals import FIRST
from schuss.tabular.objects import null_where

ISO, TIME = "iso", "time"
MOMENT = pl.Datetime("us", "UTC")
NAMED = {  # with the month's name: what such a date looks like
    "[0-9]{1,2} [A-Za-z]+ [0-9]{4}": ("%d %b %Y", "%d %B %Y"),
    "[0-9]{1,2}-[A-Za-z]+-[0-9]{4}": ("%d-%b-%Y",),
    "[0-9]{1,2}-[A-Za-z]+-[0-9]{2}": ("%d-%b-%y",),
    r"[0-9]{1,2}\. [A-Za-z]+ [0-9]{4}": ("%d. %b %Y", "%d. %B %Y"),
    "[A-Za-z]+ [0-9]{1,2} [0-9]{4}": ("%b %d %Y", "%B %d %Y"),
    "[A-Za-z]+ [0-9]{1,2}, [0-9]{4}": ("%b %d, %Y", "%B %d, %Y"),
}
NUMBERED = {
    r"[0-9]{1,2}([-/])[0-9]{1,2}\1[0-9]{4}": ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y"),
    r"[0-9]{1,2}([-/])[0-9]{1,2}\1[0-9]{2}": ("%d{0}%m{0}%y", "%m{0}%d{0}%y"),
    r"[0-9]{1,2}(\.)[0-9]{1,2}\.[0-9]{4}": ("%d.%m.%Y",),  # nobody writes the month first so
    r"[0-9]{1,2}(\.)[0-9]{1,2}\.[0-9]{2}": ("%d.%m.%y",),
    r"[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}": ("%Y{0}%m{0}%d",),
}
HOURS = {  # what may follow
    "": "",
    "[0-9]{1,2}:[0-9]{2}": "%H:%M",
    "[0-9]{1,2}:[0-9]{2}:[0-9]{2}": "%H:%M:%S",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}\.[0-9]+": "%H:%M:%S%.f",
    "[0-9]{1,2}:[0-9]{2} [AaPp][Mm]": "%I:%M %p",
    "[0-9]{1,2}:[0-9]{2}:[0-9]{2} [AaPp][Mm]": "%I:%M:%S %p",
}
IS_ISO = re.compile("[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}.*)?)?")
ISO_PARTS = re.compile(  # day, minute, second, fraction, zone
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:(?:T| +)([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?: ?(Z|UTC)|([+-][0-9]{2}:[0-9]{2}))?)?"
)
IS_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?")
FEW = 3  # texts by which the nearest format is looked for
YEARS = (1000, 9999)  # what is outside was written with two digits


@dataclass(frozen=True)
class Format:
    """name: ISO, TIME or a format; told: in words; other: another format that fits all values as well, or ""."""

    name: str
    told: str
    other: str = ""


def read_dates(texts: pl.Series, name: str) -> pl.Series:
    """Datetime(us, UTC) of texts in a format, null where one is not written so."""
    read = _read(texts, name)
    if name == TIME:
        return read
    lacking = read.is_null() & texts.is_not_null()
    if name != ISO and lacking.any():
        read = read.zip_with(~lacking, _iso(texts))
    return read


def _read(texts: pl.Series, name: str) -> pl.Series:
    return {ISO: _iso, TIME: _times}.get(name, lambda t: _strptime(t, name))(texts)


def as_dates(series: pl.Series) -> pl.Series:
    """Datetime(us, UTC) of a column of dates, datetimes or times; without a time zone they are UTC."""
    if series.dtype == pl.Time:
        return (series.cast(pl.Int64) // 1000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if series.dtype == pl.Datetime and series.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return series.dt.convert_time_zone("UTC").cast(MOMENT)
    return series.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def read_date(text: str, name: str) -> datetime | None:
    """One text as read_dates reads it."""
    found = ISO_PARTS.fullmatch(text) if name == ISO else None
    if found is None:
        read = read_dates(pl.Series([text]), name)[0]
        return read if read is None else read.astimezone(UTC)
    day, minute, second, fraction, _, zone = found.groups()
    moment = f"{day}T{minute or '00:00'}:{second or '00'}" + (f".{fraction[:6]:0<6}" if fraction else "")
    try:
        return datetime.fromisoformat(moment + (zone or "+00:00")).astimezone(UTC)
    except ValueError:
        return None


def as_date(value: date | time) -> datetime:
    """One object as as_dates has it."""
    if isinstance(value, time):
        return datetime.combine(date(1970, 1, 1), value, UTC)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def find_format(values: pl.Series) -> Format | None:
    """How these texts, stripped and none missing, are written if all are dates; None if they are not."""
    fitting = [name for name in _formats(str(values[0]) if len(values) else "") if _fits(values, name)]
    if fitting and fitting[0] in (ISO, TIME):
        return Format(fitting[0], "" if fitting[0] == ISO else "times of day")
    if not fitting:
        return None
    read = read_dates(values, fitting[0])
    others = [name for name in fitting[1:] if not read_dates(values, name).equals(read)]
    return _chosen(values, [fitting[0], *others]) if others else Format(fitting[0], _told(fitting[0]))


def nearest_format(values: pl.Series) -> str | None:
    """The format in which most of the first of these texts are written; None where none of the first few is in any."""
    first = values.head(FIRST)
    names = dict.fromkeys(name for text in first.head(FEW).to_list() for name in _formats(text))
    return min(names, key=lambda name: read_dates(first, name).null_count(), default=None)


def _chosen(values: pl.Series, fitting: list[str]) -> Format:
    """Of day and month in either order: where one of them is always 1, that is the day."""
    for name in fitting:
        if (read_dates(values, name).dt.day() == 1).all():
            return Format(name, f"{_told(name)}, as the days would all be 1")
    return Format(fitting[0], _told(fitting[0]), fitting[1])


def _fits(values: pl.Series, name: str) -> bool:
    """Whether all are written so; the first ones are tried before all."""
    return all(not _read(texts, name).null_count() for texts in (values.head(1), values.head(FIRST), values))


def _formats(value: str) -> list[str]:
    """Those that a value may be written in."""
    if IS_ISO.fullmatch(value) or IS_TIME.fullmatch(value):
        return [ISO if IS_ISO.fullmatch(value) else TIME]
    parts = re.fullmatch("(.*?[0-9])(?:([ T])([0-9]{1,2}:.*))?", value)
    if parts is None:
        return []
    day, between, time = parts.groups("")
    hours = [between + name for shape, name in HOURS.items() if re.fullmatch(shape, time)]
    days = [name for shape, names in NAMED.items() if re.fullmatch(shape, day) for name in names]
    for shape, names in NUMBERED.items():
        if found := re.fullmatch(shape, day):
            days += [name.format(found[1]) for name in names]
    return [day + hour for day in days for hour in hours]


def _told(name: str) -> str:
    if "%b" in name or "%B" in name:
        return f", as {name}"
    order = sorted(("day", "month", "year"), key=lambda part: name.lower().index(f"%{part[0]}"))
    return f", as {'/'.join(order)}"


def _strptime(texts: pl.Series, name: str) -> pl.Series:
    if "%H" in name or "%I" in name or "%s" in name:
        read = texts.str.strptime(pl.Datetime("us"), name, strict=False)
    else:
        read = texts.str.strptime(pl.Date, name, strict=False).cast(pl.Datetime("us"))
    if read.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return as_dates(read)
    low, high = YEARS
    return as_dates(null_where(read, ~read.dt.year().is_between(low, high)))


def _iso(texts: pl.Series) -> pl.Series:
    """ISO 8601, in all the forms that frames are written in."""
    t = texts.str.replace(r"^([0-9]{4}-[0-9]{2})$", "${1}-01").str.replace(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}) +", "${1}T")
    t = t.str.replace(r"^(\S{16})($|Z|[+-])", "${1}:00${2}").str.replace(r" ?(?:Z|UTC)$", "+00:00")
    t = t.str.replace(r"([+-][0-9]{2})$", "${1}:00") if t.str.contains(r"T.*[+-][0-9]{2}$").any() else t
    read = t.str.strptime(pl.Date, "%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    for name in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%z"):
        lacking = read.is_null() & t.is_not_null()
        if lacking.any():
            read = read.zip_with(~lacking, as_dates(t.str.strptime(pl.Datetime("us"), name, strict=False)))
    return read


def _times(texts: pl.Series) -> pl.Series:
    t = texts.str.replace(r"^([0-9]{1,2}:[0-9]{2})$", "${1}:00")
    return as_dates(t.str.strptime(pl.Time, "%H:%M:%S%.f", strict=False))


__all__ = ["ISO", "MOMENT", "TIME", "Format", "as_date", "as_dates", "find_format", "nearest_format"]
__all__ += ["read_date", "read_dates"]
