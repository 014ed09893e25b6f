"""Columns that would hold numbers, dates or yes and no but for a few texts: mistakes, most likely, and told as such.

A column is so where at most a tenth of its different texts are odd, or at most a hundredth of its rows, or a single one
of 20 and more. Of yes and no the rows alone count: a third word that is frequent is a level.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from schuss.asking import asked, in_command
from schuss.errors import warn
from schuss.tabular.dates import nearest_format, read_dates
from schuss.tabular.extra import pl
from schuss.tabular.kind import WORDS, Kind, Where, quoted
from schuss.tabular.numerals import FIRST, nearest_numeral
from schuss.tabular.texts import STRIPPED, known_texts, zeros_of

OF_VALUES, OF_ROWS, FEWEST = 0.1, 0.01, 20
SIGNS = {"point": r"^[-+]?\d*\.\d+$", "comma": r"^[-+]?\d*,\d+$"}  # of decimals
STAND_INS = frozenset(sign * (10.0**n - 1) for n in range(1, 6) for sign in (1, -1)) - {9.0}  # 99, -999, ...
MOST_WORDS = 12  # different texts beside which yes and no are looked for
NEITHER = "neither yes nor no"


@dataclass(frozen=True)
class Odd:
    """text: the first odd one, in that row; lacks: what it is not; count: of the rows with an odd one, of all that are
    known; several: whether there are different ones."""

    text: str
    lacks: str
    row: int
    count: int
    known: int
    several: bool

    def __str__(self) -> str:
        return f"{quoted(self.text)} is {self.lacks}, most others are"


def find_odd(series: pl.Series, values: pl.Series, known: int, missing: Collection[str]) -> Odd | None:
    """What keeps a column from being what most of it is; None where nothing does, or too much to be a mistake.

    values  the different known texts, which are not all of one kind; known: how many rows have one
    """
    for lacks, misses in _ways(values):
        bad = misses(values)
        different, most = int(bad.sum()), max(OF_ROWS * known, known >= FEWEST)
        few = different <= OF_VALUES * len(values) and lacks != NEITHER
        if not 0 < different < len(values) - 1 or not (few or different <= most):
            continue
        odd = known_texts(series, missing).is_in(values.filter(bad).to_list()).fill_null(False)
        if few or int(odd.sum()) <= most:
            row = int(odd.arg_max() or 0)
            return Odd(series[row], lacks, row, int(odd.sum()), known, different > 1)
    return None


def _ways(values: pl.Series) -> Iterator[tuple[str, Callable[[pl.Series], pl.Series]]]:
    """What most of the texts may be: what the others are not, and which these are."""
    first = values.head(FIRST)
    numeral, most = nearest_numeral(first), max(1, OF_VALUES * len(first))
    if sum(numeral.number(text) is None for text in first.to_list()) <= most and zeros_of(values) == STRIPPED:
        yield f"no number{f' in {numeral.unit}' if numeral.unit else ''}", lambda texts: numeral.read(texts).is_null()
    if (form := nearest_format(first)) is not None and read_dates(first, form).null_count() <= most:
        yield "no date", lambda texts: read_dates(texts, form).is_null()
    words = set(values.str.to_lowercase().to_list()) if len(values) <= MOST_WORDS else set()
    if pair := next((pair for pair in WORDS if pair < words), None):
        yield NEITHER, lambda texts: ~texts.str.to_lowercase().is_in(list(pair))


def warn_of_odd(name: str, kind: Kind, is_target: bool, odd: Odd, where: Where) -> None:
    """Say that the column is not what most of it is, for which value, where, and what to do."""
    shown = f"{quoted(odd.text)} in {where(odd.row)}"
    if odd.count == 1:
        some, them, rows = f"1 of {odd.known:,} values is {odd.lacks}, {shown}", "it", "the row"
    else:
        some = f"{odd.count:,} of {odd.known:,} values are {odd.lacks}, the first {shown}"
        them, rows = "them", "these rows"
    mends = [f"mend {them}"]
    if is_target:
        mends.append(f"drop {rows}")
    else:
        mends += [f"leave {them} empty", *([] if odd.several else [f"say {asked('missing', odd.text.strip())}"])]
    way = "category" if kind.used else "drop"
    meant = "" if is_target else f"; if this is meant, say {asked(way, [name])}"
    warn(f"column {name!r} is {_taken(kind)}, as {some}; {', '.join(mends[:-1])} or {mends[-1]}{meant}")


def _taken(kind: Kind) -> str:
    return "taken as a category" if kind.used else f"left out as {kind.name}"


def warn_of_signs(series: pl.Series, values: pl.Series, kind: Kind, missing: Collection[str], where: Where) -> None:
    """Say that the different texts of a column are numbers by two decimal signs, and so none."""
    has = {sign: values.str.contains(form) for sign, form in SIGNS.items()}
    whole = values.str.contains(r"^[-+]?\d+$")
    if not all(found.any() for found in has.values()) or not (has["point"] | has["comma"] | whole).all():
        return
    texts, told = known_texts(series, missing), []
    for sign, found in has.items():
        rows = texts.is_in(values.filter(found).to_list()).fill_null(False)
        row = int(rows.arg_max() or 0)
        told.append(f"{int(rows.sum()):,} values have a decimal {sign} ({quoted(series[row])} in {where(row)})")
    warn(f"column {series.name!r} is {_taken(kind)}, as {' and '.join(told)}; write all with one sign")


def warn_of_stand_ins(series: pl.Series) -> None:
    """Say of a column of numbers that several are 99, -999 or the like, and far from all others."""
    known = series.drop_nulls()
    if not len(known):
        return
    ends = {float(end) for end in (known.min(), known.max())}  # type: ignore[arg-type]
    for end in sorted(ends & STAND_INS):
        others = known.filter(known != end)
        count = len(known) - len(others)
        if count < 2 or len(others) <= count:
            continue
        low, high = float(others.min()), float(others.max())  # type: ignore[arg-type]
        if min(abs(end - low), abs(end - high)) > high - low:
            what = f"{count:,} of {len(known):,} values are {end:g}, the others {low:g} to {high:g}"
            mend = f"say {asked('missing', f'{end:g}')}" if in_command() else "make them None"
            warn(f"column {series.name!r}: {what}; if they stand for a missing value, {mend}")
