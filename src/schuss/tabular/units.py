"""Numbers that are not all in one unit ("12.1 kg", "59851 g", "12"): none as they stand, and told so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from schuss.asking import asked
from schuss.errors import DataError, warn
from schuss.tabular.extra import pl
from schuss.tabular.kind import Kind, Where, quoted
from schuss.tabular.numerals import CURRENCIES, FIRST, UNIT
from schuss.tabular.texts import known_texts

MOST = 4  # units of a column, beyond which they are words
SHARE = 0.9  # of the different texts are such numbers
BARE = re.compile("[+-]?[0-9][0-9.,'’\u00a0\u202f ]*")
SIGNED = re.compile(rf"(?:{'|'.join(map(re.escape, (*CURRENCIES, '%')))})")


@dataclass(frozen=True)
class Units:
    """first: of each unit, the most frequent first, a text in it; "" is no unit."""

    first: dict[str, str]

    def __str__(self) -> str:
        return f"numbers are {_listed([_in(unit) for unit in self.first])}"


def find_units(values: pl.Series) -> Units | None:
    """The units of the numbers that these different texts are, in which they are not one; None for other texts."""
    found: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for seen, text in enumerate(values.to_list(), 1):
        if (unit := unit_of(text)) is not None:
            counts[unit] += 1
            found.setdefault(unit, text)
        if len(counts) > MOST or (seen == FIRST and counts.total() < SHARE * seen):
            return None
    if len(counts) < 2 or counts.total() < SHARE * len(values):
        return None
    return Units({unit: found[unit] for unit, _ in counts.most_common()})


def unit_of(text: str) -> str | None:
    """What a number is in, a currency and % included: "" for nothing; None for what is no number."""
    if sign := SIGNED.search(text):
        rest = (text[: sign.start()] + text[sign.end() :]).strip()
        return sign[0] if BARE.fullmatch(rest) else None
    if BARE.fullmatch(text):
        return ""
    found = UNIT.fullmatch(text)
    return None if found is None else found[1]


def tell_units(
    series: pl.Series, kind: Kind, is_target: bool, units: Units, missing: Collection[str], where: Where
) -> None:
    """A warning for a column that is left out for its units, with a row of each; DataError for a target."""
    texts = known_texts(series, missing)
    rows = {unit: int((texts == text).arg_max() or 0) for unit, text in units.first.items()}
    told = _listed([f"{_in(unit)} ({quoted(units.first[unit])} in {where(row)})" for unit, row in rows.items()])
    if is_target:
        raise DataError(
            f"target {series.name!r}: its numbers are {told}; write all in one unit, or say "
            f"{asked('category', [series.name])} if they are names"
        )
    warn(
        f"column {series.name!r} is left out as {kind.name}, as its numbers are {told}; write all in one unit; if "
        f"this is meant, say {asked('drop', [series.name])}"
    )


def _in(unit: str) -> str:
    return f"in {unit}" if unit else "without a unit"


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


__all__ = ["Units", "find_units", "tell_units", "unit_of"]
