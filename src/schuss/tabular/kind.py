"""What a column is: a `Kind`, which a model file keeps. See schuss.tabular.kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schuss.tabular.numerals import Numeral
from schuss.tabular.texts import STRIPPED

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
"""Texts that stand for a missing value, if nothing else is said."""
USED = ("number", "boolean", "category", "date")
TRUE, FALSE = ("true", "yes", "y", "t", "on", "1"), ("false", "no", "n", "f", "off", "0")
NOES_AND_YESES = (
    ("nein", "ja"), ("nee", "ja"), ("nej", "ja"), ("n", "j"), ("non", "oui"), ("faux", "vrai"), ("falsch", "wahr"),
    ("no", "sí"), ("no", "si"), ("não", "sim"), ("nao", "sim"), ("nie", "tak"), ("нет", "да"), ("ne", "ano"),
    ("hayır", "evet"), ("ei", "kyllä"), ("いいえ", "はい"), ("否", "是"),
)  # fmt: skip
"""Of other languages, for labels."""
NO, YES = (frozenset({*known, *(pair[i] for pair in NOES_AND_YESES)}) for i, known in enumerate((FALSE, TRUE)))
WORDS = tuple({t, f} for t, f in zip(TRUE[:-1], FALSE[:-1], strict=True))  # but 0 and 1, which are numbers

Where = Callable[[int], str]
"""What messages call a row, by its place in the column: 'houses.csv line 17'."""


@dataclass(frozen=True)
class Kind:
    """What a column is. See the module's head.

    format                  of dates as text (schuss.tabular.dates)
    decimal, group, affix   of numbers as text (schuss.tabular.numerals)
    digits                  of levels with leading zeros (schuss.tabular.texts)
    missing                 texts that stand for a missing value
    """

    name: str
    reason: str = ""
    format: str = ""
    decimal: str = "."
    group: str = ""
    affix: str = ""
    digits: int = STRIPPED
    missing: tuple[str, ...] = MISSING

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", tuple(self.missing))  # JSON has lists

    @property
    def used(self) -> bool:
        """Whether a model reads the column."""
        return self.name in USED

    @property
    def numeral(self) -> Numeral:
        return Numeral(self.decimal, self.group, self.affix)


def rows_of(what: str) -> Where:
    """What messages call the rows of a frame."""
    return lambda row: f"{what} row {row}"


def quoted(text: object) -> str:
    """A value as messages show it."""
    shown = str(text)
    return repr(shown if len(shown) <= 40 else shown[:37] + "...")
