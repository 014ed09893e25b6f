"""The kind that a column shows by itself. See schuss.tabular.kinds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from schuss.asking import asked
from schuss.errors import DataError
from schuss.tabular.alike import warn_of_alike
from schuss.tabular.dates import ISO, TIME, find_format, read_dates
from schuss.tabular.extra import pl
from schuss.tabular.kind import TRUE, WORDS, Kind, Where, quoted
from schuss.tabular.numerals import FIRST, Numeral, find_numeral
from schuss.tabular.odd import Odd, find_odd, warn_of_odd, warn_of_signs, warn_of_stand_ins
from schuss.tabular.texts import AROUND, STRIPPED, known_texts, zeros_of
from schuss.tabular.units import Units, find_units, tell_units

LEVELS = 50  # above it, a column whose values are mostly different is text
ID_ROWS, ID_SPREAD = 50, 1.3  # whole numbers, all different, within 1.3 times as many
CODES = re.compile(
    r"(?:^|[^a-z])(?:zip|plz|postal|code|id|nr|no|key|class|type)s?$|[a-z](?:Id|ID|Code|Nr|No|Class|Type)$"
)
"""Names of columns of codes."""
DAYS = (1900_01_01, 2099_12_31)  # as whole numbers
ONE_BY_ONE = 5000  # texts that are sooner counted in Python
EXACT = 2**53  # whole numbers beyond are no floats
FEW = 20  # values of whole numbers that may be codes


def found_kind(series: pl.Series, is_target: bool, missing: Collection[str], where: Where) -> Kind:
    """The kind of a column, by its dtype and values. missing: texts that stand for a missing value."""
    dtype = series.dtype
    if dtype == pl.String or dtype in (pl.Categorical, pl.Enum):
        return _of_texts(series, is_target, missing, where)
    if series.null_count() == len(series):
        return Kind("empty", "no value is known")
    if dtype == pl.Boolean or dtype in (pl.Date, pl.Datetime, pl.Time):
        kind = Kind("boolean", "true or false") if dtype == pl.Boolean else of_dates(series)
        return _unless_constant(series, kind, is_target)
    if dtype.is_numeric():
        warn_of_stand_ins(series)
    return of_numbers(series, is_target)


def of_dates(series: pl.Series) -> Kind:
    """The kind of a column with a dtype of dates."""
    if series.dtype == pl.Time:
        return Kind("date", "times of day", format=TIME)
    low, high = (str(end)[:10] for end in (series.min(), series.max()))
    return Kind("date", f"{'dates' if series.dtype == pl.Date else 'times'} {low} to {high}", format=ISO)


def _unless_constant(series: pl.Series, kind: Kind, is_target: bool) -> Kind:
    if is_target or series.null_count() or series.n_unique() > 1:
        return kind
    return Kind("constant", f"always {series[0]}")


def of_numbers(series: pl.Series, is_target: bool, told: str = "") -> Kind:
    """The kind of a column of numbers. told: how they were read, to follow in the reason."""
    if series.dtype == pl.Duration:
        return Kind("number", "durations, in seconds")
    known = series.drop_nulls() if series.null_count() else series
    low, high = known.min(), known.max()
    whole = series.dtype.is_integer() or _are_whole(known)
    as_text = _rounded if whole else _short
    if series.dtype.is_integer() and max(-int(low), int(high)) > EXACT and low != high:  # type: ignore[arg-type]
        found = _of_levels(known.unique().cast(pl.String), len(known), len(series), is_target, False)
        return replace(found, reason=f"{found.reason}: whole numbers beyond 2**53, which no float holds, are names")
    if low == high:
        gone = series.null_count()
        if not gone and not is_target:
            return Kind("constant", f"always {as_text(low)}{told}")
        return Kind("number", f"{as_text(low)}{' or missing' if gone else ''}{told}")
    span = f"{as_text(low)} to {as_text(high)}{told}"
    if not whole:
        return Kind("number", span)
    if not is_target and _is_running(known, low, high, len(series)):
        return Kind("id", f"a running number, all different, {span}")
    return Kind("number", f"integers {span}{_maybe_codes(known, low, high)}")


def _are_whole(known: pl.Series) -> bool:
    x = known.cast(pl.Float64).to_numpy()
    return bool((x[:FIRST] == np.rint(x[:FIRST])).all() and (x == np.rint(x)).all())


def _rounded(value: object) -> str:
    return f"{value:.0f}"


def _short(value: object) -> str:
    return f"{value:.6g}"


def _is_running(known: pl.Series, low: object, high: object, rows: int) -> bool:
    """Whether these whole numbers only number the rows."""
    if len(known) < max(ID_ROWS, rows) or not float(high) - float(low) + 1 <= ID_SPREAD * rows:  # type: ignore[arg-type]
        return False
    return known.n_unique() == len(known)


def _maybe_codes(known: pl.Series, low: object, high: object) -> str:
    """What to do if whole numbers of few values are codes."""
    if DAYS[0] <= float(low) and float(high) <= DAYS[1]:  # type: ignore[arg-type]
        return f"; {asked('date', [known.name])} if they are dates"
    if CODES.search(known.name):
        return f"; {asked('category', [known.name])} if they are codes"
    if not 1 < float(high) - float(low) <= 1000:  # type: ignore[arg-type]
        return ""
    values = known.n_unique() if known.head(1000).n_unique() <= FEW else FEW + 1
    if not 2 < values <= FEW:
        return ""
    return f", {values} values; {asked('category', [known.name])} if they are codes"


# -- texts ----------------------------------------------------------------------------------------


def _of_texts(series: pl.Series, is_target: bool, missing: Collection[str], where: Where) -> Kind:
    declared = series.dtype != pl.String
    values, known = _counted(series.cast(pl.String), missing)
    if not known:
        return Kind("empty", "no value is known")
    if len(values) == 1:
        if known == len(series) and not is_target:
            return Kind("constant", f"always {quoted(values[0])}")
        held = f"{quoted(values[0])}{' or missing' if known < len(series) else ' always'}"
        return _single(series, values, known, is_target) or Kind("category", held)
    if not declared and (kind := _read_kind(series, values, known, is_target, missing, where)):
        return kind
    odd = None if declared else find_odd(series, values, known, missing)
    units = None if declared or odd is not None else find_units(values)
    kind = _of_levels(values, known, len(series), is_target, declared, odd or units)
    if units is not None and (len(values) > FEW if is_target else not kind.used):
        tell_units(series, kind, is_target, units, missing, where)
    if odd is None and units is None and not declared:
        warn_of_signs(series, values, kind, missing, where)
    if odd is not None and not (is_target and len(values) > FEW):  # which is refused
        warn_of_odd(series.name, kind, is_target, odd, where)
    return kind


def _counted(texts: pl.Series, missing: Collection[str]) -> tuple[pl.Series, int]:
    """The different known texts, in the order in which they come, and how many rows have one."""
    if len(texts) <= ONE_BY_ONE:
        counts = Counter(text.strip(AROUND) for text in texts.to_list() if text is not None)
        for text in ("", *missing):
            counts.pop(text, None)
        return pl.Series(texts.name, list(counts), pl.String), counts.total()
    each = texts.unique(maintain_order=True).drop_nulls()
    values = known_texts(each, missing)
    gone = each.filter(values.is_null())
    lacking = texts.is_null() | texts.is_in(gone) if len(gone) else texts.is_null()
    return values.drop_nulls().unique(maintain_order=True), len(texts) - int(lacking.sum())


def _read_kind(
    series: pl.Series, values: pl.Series, known: int, is_target: bool, missing: Collection[str], where: Where
) -> Kind | None:
    """The kind of texts that can be read: truth, numbers, dates."""
    lower = {text.lower() for text in values.to_list()} if len(values) <= 2 * len(TRUE) else set()
    if lower in WORDS and not is_target:
        yes = sorted(lower, key=lambda word: word not in TRUE)
        return Kind("boolean", " or ".join(yes))
    numeral = find_numeral(values)
    if numeral and not (numeral.unit and is_target and len(values) <= FEW):  # "5 stars" is the name of a class
        digits = zeros_of(values)
        if digits != STRIPPED:
            codes = f"{len(values)} codes{f' of {digits} digits,' if digits > 0 else ''} with zeros before them"
            return Kind("category", f"{codes}; {asked('number', [series.name])} if they are none", digits=digits)
        return _of_numerals(values, known, len(series), numeral, is_target)
    return _of_dates_in_text(series, values, missing, where)


def _single(series: pl.Series, values: pl.Series, known: int, is_target: bool) -> Kind | None:
    """The kind of a text that is the only one, where it can be read."""
    if str(values[0]).lower() in ("true", "false"):
        return Kind("boolean", f"{values[0]} or missing")
    if (numeral := find_numeral(values)) and zeros_of(values) == STRIPPED:
        return _of_numerals(values, known, len(series), numeral, is_target)
    found = find_format(values)
    return Kind("date", f"{values[0]} or missing", format=found.name) if found and not found.other else None


def _of_numerals(values: pl.Series, known: int, rows: int, numeral: Numeral, is_target: bool) -> Kind:
    """Numbers as text. Of equal ones, values has one."""
    read = numeral.read(values)
    told = f", written as text{numeral.told()}"
    everything = read if known == len(read) else read.extend_constant(read[0], known - len(read))
    everything = everything.extend_constant(None, rows - known)
    kind = of_numbers(everything, is_target, told)
    return replace(kind, decimal=numeral.decimal, group=numeral.group, affix=numeral.affix)


def _of_dates_in_text(series: pl.Series, values: pl.Series, missing: Collection[str], where: Where) -> Kind | None:
    found = find_format(values)
    if found is None:
        return None
    if found.other:
        texts = known_texts(series, missing)
        row = int(texts.is_not_null().arg_max() or 0)
        shown = f"{where(row)}, column {series.name}: {quoted(texts[row])}"
        mend = asked("date", {series.name: found.name})
        raise DataError(f"{shown} and all others could be {found.name} and {found.other}; say which, as {mend}")
    if found.name == TIME:
        return Kind("date", found.told, format=TIME)
    read = read_dates(values, found.name)
    low, high = (str(end)[:10] for end in (read.min(), read.max()))
    return Kind("date", f"dates {low} to {high}{found.told}", format=found.name)


def _of_levels(
    values: pl.Series, known: int, rows: int, is_target: bool, declared: bool, odd: Odd | Units | None = None
) -> Kind:
    """Words: levels of a category, or text and ids, of which each row has its own."""
    count, told = len(values), "" if odd is None else f", as {odd}"
    if count > LEVELS and count > known / 2 and not is_target:
        if count == known and odd is None and not values.str.contains(r"\s").any():
            return Kind("id", f"{count} names, all different")
        return Kind("text", f"{count} different texts in {known} rows{told}")
    if not is_target:
        warn_of_alike(f"column {values.name!r} has levels", values.to_list())
    return Kind("category", f"{count} levels{', declared as such' if declared else ''}{told}")
