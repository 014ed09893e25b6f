"""What a model's file tells of each column that the model reads, and rows drawn from that alone.

A file holds no rows. It holds medians, quantiles, levels and how often each is there: enough for a form that asks for
a row, and for rows of which each column is drawn by itself, as if the columns were independent.

A value of a form is what JSON has: a number, the text of a level, "yes" or "no" (in the table's words), a date as
2020-01-31, a time as 14:05; None where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.dates import MOMENT, TIME
from schuss.tabular.extra import pl
from schuss.tabular.kind import FALSE, TRUE, Kind
from schuss.tabular.preparation import LACKING, Category, Number, Preparation

Shares = Mapping[str, Any]  # {column: the share of each of its levels}, as the file has them
Form = float | str | None  # a value of a form
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIDY = 12  # digits of a number that was computed from others
TIE = 1e-9  # a share that is rounding alone
COUNTED = 1000  # levels at most, whose shares a file keeps


@dataclass(frozen=True)
class Field:
    """One column.

    kind     number, boolean or category; date, moment (a date with a time) or time (of day)
    low, high  of the training values, but for levels
    typical  the median, or the most frequent level
    levels   of a category, the most frequent first; of a boolean yes and no. Missing is none of them
    shares   of these among the training rows, where the file tells them
    whole    whether a number's values look like whole numbers
    missing  whether training rows lack a value
    """

    name: str
    kind: str
    reason: str
    typical: Form
    low: Form = None
    high: Form = None
    levels: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()
    whole: bool = False
    missing: bool = False


def fields_of(preparation: Preparation, shares: Shares | None = None) -> list[Field]:
    """Each column that the model reads, in the table's order."""
    numbers = {n.source: n for n in preparation.numbers}
    categories = {c.source: c for c in preparation.categories}
    made = []
    for name, kind in preparation.kinds.items():
        if name in categories:
            made.append(_of_levels(name, kind, categories[name], (shares or {}).get(name)))
        elif kind.name == "date":
            made.append(_of_dates(name, kind, numbers))
        elif kind.name == "boolean":
            made.append(_of_truth(name, kind, numbers[name, ""]))
        else:
            number = numbers[name, ""]
            low, high = ends(number)
            made.append(Field(name, "number", kind.reason, number.median, low, high, whole=_is_whole(number)))
    lacking = {n.source[0] for n in preparation.numbers if n.missing is not None}
    lacking |= {c.source for c in preparation.categories if c.missing}
    return [replace(field, missing=field.name in lacking) for field in made]


def _of_levels(name: str, kind: Kind, category: Category, given: Any) -> Field:
    known = shares_of(category, given)
    pairs = [(s, level) for s, level in zip(known, category.levels, strict=True) if level != LACKING]
    if given is not None:
        pairs.sort(key=lambda pair: -pair[0])  # of equal ones in their order
    levels = tuple(level for _, level in pairs)
    return Field(
        name, "category", kind.reason, levels[0] if levels else None, levels=levels,
        shares=() if given is None else tuple(float(share) for share, _ in pairs),
    )  # fmt: skip


def _of_truth(name: str, kind: Kind, number: Number) -> Field:
    share = shares_of_two(number)[1] if number.two else number.median
    words = words_of(kind)
    typical = words[0] if number.median >= 0.5 else words[1]
    return Field(name, "boolean", kind.reason, typical, levels=words, shares=(float(share), float(1 - share)))


def _of_dates(name: str, kind: Kind, numbers: Mapping[tuple[str, str], Number]) -> Field:
    form = date_form(name, kind, numbers)
    days = numbers.get((name, "days"))
    low, high = (0.0, 0.0) if days is None else ends(days)
    at = EPOCH + timedelta(days=0.0 if days is None else np.floor(days.median))
    for part, unit in (("hour", "hours"), ("minute", "minutes")):
        if form != "date" and (number := numbers.get((name, part))) is not None:
            at += timedelta(**{unit: float(np.floor(number.median))})
    if form == "time":
        return Field(name, form, kind.reason, date_text(at, form), "00:00", "23:59")
    last = timedelta(hours=23, minutes=59) if form == "moment" else timedelta()
    first, end = EPOCH + timedelta(days=low), EPOCH + timedelta(days=high) + last
    return Field(name, form, kind.reason, date_text(at, form), date_text(first, form), date_text(end, form))


# -- words and parts -------------------------------------------------------------------------------


def words_of(kind: Kind) -> tuple[str, str]:
    """What a table calls yes and no."""
    found = kind.reason.split(" or ")
    if len(found) == 2 and found[0].lower() in TRUE and found[1].lower() in FALSE:
        return found[0], found[1]
    return "yes", "no"


def date_form(name: str, kind: Kind, numbers: Mapping[tuple[str, str], Number]) -> str:
    """ "date", "moment" where hours or minutes differ, "time" of a time of day."""
    if kind.format == TIME:
        return "time"
    parts = (numbers.get((name, part)) for part in ("hour", "minute"))
    return "moment" if any(n is not None and (n.edges or n.two) for n in parts) else "date"


def date_text(at: datetime, form: str) -> str:
    """A date as a form has it."""
    if form == "time":
        return at.strftime("%H:%M")
    return at.strftime("%Y-%m-%dT%H:%M" if form == "moment" else "%Y-%m-%d")


def ends(number: Number) -> tuple[float, float]:
    """The lowest and the highest of the training values."""
    if number.edges:
        return number.edges[0], number.edges[-1]
    return two_values(number) if number.two else (number.median, number.median)


def two_values(number: Number) -> tuple[float, float]:
    """The values of a column that has two, ascending."""
    return (number.values[0], number.values[1]) if len(number.values) == 2 else _from_moments(number)


def shares_of_two(number: Number) -> tuple[float, float]:
    """How many of the rows with a value have the lower and the higher of two.

    Of a share g without one the median counts: center = (1 - g) mean + g median.
    """
    low, high = two_values(number)
    mean = number.median + (number.center - number.median) / _known(number)
    share = min(max((mean - low) / (high - low), 0.0), 1.0) if low < high else 0.5  # rounded they may be one
    return 1 - share, share


def _from_moments(number: Number) -> tuple[float, float]:
    """Of a file that has two values by their moments alone, rounded.

    Where the median is one of them, a, and p the share of the other, b, the center is m = a + p (b - a), the variance
    s**2 = p (1 - p) (b - a)**2, and so p = (m - a)**2 / ((m - a)**2 + s**2). Where it lies between them, at m, as many
    of each are d away from it, and a share g, without a value, is there: s**2 = (1 - g) d**2.
    """
    away = number.center - number.median
    share = away**2 / (away**2 + number.deviation**2)
    if share < TIE:
        distance = number.deviation / sqrt(_known(number))
        return _tidy(number.center - distance), _tidy(number.center + distance)
    first, other = number.median, _tidy(number.median + away / share)
    return (first, other) if first < other else (other, first)


def _gone(number: Number) -> float:
    """The share of the rows without a value."""
    return 0.0 if number.missing is None else number.missing[0]


def _known(number: Number) -> float:
    """The share of those that have one, which some do."""
    return max(1 - _gone(number), TIE)


def _tidy(x: float) -> float:
    return float(f"{x:.{TIDY}g}")


def _is_whole(number: Number) -> bool:
    return all(float(v).is_integer() for v in (*number.edges, *(two_values(number) if number.two else ())))


# -- levels ----------------------------------------------------------------------------------------


def slopes_at(preparation: Preparation) -> dict[str, list[int]]:
    """The places in a prepared row that move with a column little by little: all but codes."""
    p = preparation
    found: dict[str, list[int]] = {name: [] for name in p.kinds}
    at = 0
    widths = [(n.source[0], 1) for n in p.numbers if n.missing is not None]
    widths += [(n.source[0], 1) for n in p.numbers if n.two]
    widths += [(c.source, _width(c)) for c in p.categories if c.one_hot]
    widths += 2 * [(p.numbers[i].source[0], 1) for i in p.curves]
    for name, width in widths:
        found[name] += range(at, at + width)
        at += width
    return found


def _width(category: Category) -> int:
    return 1 if len(category.levels) == 2 else len(category.levels)


def level_shares(preparation: Preparation, x: Array) -> dict[str, list[float]]:
    """How many of the prepared rows x have each level of each category, for the file; not of more than 1,000 levels."""
    p, slopes = preparation, slopes_at(preparation)
    start = p.plain + 2 * len(p.curves) + sum(bool(n.levels) for n in p.numbers)
    coded = [c.source for c in p.categories if c.embedded or c.encoded]
    found = {}
    for category in p.categories:
        count = len(category.levels)
        if category.one_hot:
            share = x[:, slopes[category.source]].mean(0, dtype=np.float64)
            share = np.array([1 + share[0], 1 - share[0]]) / 2 if count == 2 else share
        elif count <= COUNTED:
            codes = x[:, start + coded.index(category.source)].astype(np.int64)
            share = np.bincount(codes, minlength=count + 1)[:count] / len(x)
        else:
            continue
        found[category.source] = np.round(share, 6).tolist()
    return found


def shares_of(category: Category, given: Any) -> Array:
    """Of each level; all alike where the file does not tell them."""
    count = len(category.levels)
    try:
        share = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        share = np.zeros(0)
    if share.shape != (count,) or not np.isfinite(share).all() or share.min() < 0 or share.sum() <= 0:
        return np.full(count, 1 / count)
    return np.asarray(share / share.sum())


# -- rows ------------------------------------------------------------------------------------------


def drawn_rows(preparation: Preparation, shares: Shares | None, count: int, seed: int = 0) -> pl.DataFrame:
    """Rows of which each column is drawn by itself: numbers and days by the quantiles, levels by their shares. In the
    columns are canonical values (schuss.tabular.values)."""
    rng = np.random.default_rng([seed, 25])
    numbers = {n.source: n for n in preparation.numbers}
    categories = {c.source: c for c in preparation.categories}
    made = []
    for name, kind in preparation.kinds.items():
        if name in categories:
            category = categories[name]
            at = rng.choice(len(category.levels), count, p=shares_of(category, (shares or {}).get(name)))
            levels = [None if level == LACKING else level for level in category.levels]
            made.append(pl.Series(name, [levels[i] for i in at], pl.String))
        elif kind.name == "date":
            made.append(_drawn_dates(name, numbers, count, rng))
        else:
            x = _drawn(numbers[name, ""], count, rng)
            made.append(pl.Series(name, x, pl.Float64).fill_nan(None))
    return pl.DataFrame(made)


def _drawn(number: Number, count: int, rng: np.random.Generator) -> Array:
    """float64 [count], NaN where missing."""
    u = rng.uniform(size=count)
    if number.edges:
        x = np.interp(u * (len(number.edges) - 1), np.arange(len(number.edges)), number.edges)
        x = np.rint(x) if _is_whole(number) else x
    elif number.two:
        low, high = two_values(number)
        x = np.where(u < shares_of_two(number)[0], low, high)
    else:
        x = np.full(count, number.median)
    gone = rng.uniform(size=count) < _gone(number)
    return np.where(gone, np.nan, x)


def _drawn_dates(
    name: str, numbers: Mapping[tuple[str, str], Number], count: int, rng: np.random.Generator
) -> pl.Series:
    days = numbers.get((name, "days"))
    at = np.zeros(count) if days is None else np.floor(_drawn(days, count, rng)) * 1440.0
    for part, minutes in (("hour", 60.0), ("minute", 1.0)):
        if (number := numbers.get((name, part))) is not None:
            at = at + np.floor(_drawn(number, count, rng)) * minutes
    micro = pl.Series(name, at * 60e6, pl.Float64).fill_nan(None).cast(pl.Int64)
    return micro.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(MOMENT)


__all__ = ["Field", "drawn_rows", "fields_of", "level_shares", "slopes_at"]
