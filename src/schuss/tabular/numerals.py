"""Numbers that are written as text: '1,234.5', '1.234,5', "1'234", '12 %', '$5', '(3)', '−2', '12 kg'."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from schuss.tabular.extra import pl

CURRENCIES = ("$", "€", "£", "¥", "₹", "USD", "EUR", "GBP", "CHF", "JPY")
BLANKS = "[ \u00a0\u202f'’]"  # between groups of three digits
EXPONENT = "(?:[eE][+-]?[0-9]+)?"
PLAIN = f"(?:[0-9]+[.]?[0-9]*|[.][0-9]+){EXPONENT}"
SHAPES = {  # (decimal sign, sign between groups): the unsigned number
    (".", ""): PLAIN,
    (".", ","): "(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:[.][0-9]*)?",
    (",", ""): f"(?:[0-9]+,?[0-9]*|,[0-9]+){EXPONENT}",
    (",", "."): "(?:[1-9][0-9]{0,2}(?:[.][0-9]{3})+|[0-9]+)(?:,[0-9]*)?",
    (".", " "): f"(?:[1-9][0-9]{{0,2}}(?:{BLANKS}[0-9]{{3}})+|[0-9]+)(?:[.][0-9]*)?",
    (",", " "): f"(?:[1-9][0-9]{{0,2}}(?:{BLANKS}[0-9]{{3}})+|[0-9]+)(?:,[0-9]*)?",
}
GROUPS = {".": "[.]", ",": ",", " ": BLANKS}
SPECIAL = re.compile(f"[+-]?(?:{PLAIN}|inf|infinity|nan)", re.IGNORECASE)  # what polars takes for a number
DIGIT = re.compile("[0-9]")
WORD = "[^\\W\\d_]+[23²³]?"
UNIT = re.compile(rf"[+-]?[0-9][0-9.,'’\u00a0\u202f ]*?\s*((?:°?{WORD}(?:[ /·*^.-]{{1,2}}{WORD})*[.]?|[\"′″]))")
"""A number and what it is in: 12 kg, 5km/h, 20 °C, 3 sq. ft, 4 m2."""
FIRST = 64  # values that are tried before all


@dataclass(frozen=True)
class Numeral:
    """How numbers are written. affix: a currency before or after them, % or a unit."""

    decimal: str = "."
    group: str = ""
    affix: str = ""

    @property
    def is_plain(self) -> bool:
        return self == Numeral()

    @property
    def unit(self) -> str:
        """What the numbers are in; "" where that is a currency, % or nothing."""
        return "" if self.affix in (*CURRENCIES, "%") else self.affix

    @cached_property
    def _steps(self) -> list[tuple[str, str]]:
        """What is replaced, by what, before the text has the shape of a number. The same for re and for polars."""
        sign = re.escape(self.affix)
        around = [(rf"^([+-]?)\s*{sign}\s*", "1"), (rf"\s*{sign}$", "")] if self.affix else []
        return [("\u2212", "-"), (r"^\((.*)\)$", "-1"), *around, (r"^\+", "")]

    @property
    def _shape(self) -> str:
        return f"^-?{SHAPES[self.decimal, self.group]}$"

    def number(self, text: str) -> float | None:
        """The number that a text is, stripped; None if it is not written so."""
        if self.is_plain:
            return float(text) if SPECIAL.fullmatch(text) else None
        if self.affix not in text or not DIGIT.search(text):
            return None
        for pattern, by in self._steps:
            text = re.sub(pattern, by.replace("1", r"\1"), text)
        if not re.match(self._shape, text):
            return None
        text = re.sub(GROUPS[self.group], "", text) if self.group else text
        return float(text.replace(",", ".") if self.decimal == "," else text)

    def read(self, texts: pl.Series) -> pl.Series:
        """Float64, null for what is not written so."""
        bare = texts.str.strip_chars()
        if self.is_plain:
            return bare.cast(pl.Float64, strict=False)
        t = pl.col("")
        for pattern, by in self._steps:
            t = t.str.replace(pattern, by.replace("1", "${1}"))
        valid = t.str.contains(self._shape)
        number = t.str.replace_all(GROUPS[self.group], "") if self.group else t
        if self.decimal == ",":
            number = number.str.replace(",", ".", literal=True)
        if self.affix:
            valid &= pl.col("").str.contains(self.affix, literal=True)
        out = pl.when(valid).then(number).cast(pl.Float64, strict=False)
        return pl.DataFrame({"": bare}).select(out).to_series().alias(texts.name)

    def told(self) -> str:
        """How they are taken, for people: ', comma before decimals, % left out, ...'."""
        signs = {".": "point", ",": "comma", " ": "blank"}
        parts = [f"{signs[self.group]} between thousands"] if self.group else []
        parts += ["comma before decimals"] if self.decimal == "," else []
        parts += [f"{self.affix} left out, numbers without it are in {self.affix}"] if self.affix else []
        return "".join(f", {part}" for part in parts)


def find_numeral(values: pl.Series) -> Numeral | None:
    """How these texts, stripped and none missing, are written if all are numbers; None if they are not."""
    first = values.head(FIRST).to_list()
    for candidate in _candidates(first):
        if any(candidate.number(text) is None for text in first):
            continue
        if len(values) <= FIRST or not candidate.read(values).null_count():
            return candidate
    return None


def nearest_numeral(values: pl.Series) -> Numeral:
    """The way of writing in which most of the first of these texts are numbers."""
    first = values.head(FIRST).to_list()
    candidates = dict.fromkeys([*_candidates(first), *_candidates(first[1:])])  # the first one may be odd
    return min(candidates, key=lambda n: sum(n.number(text) is None for text in first))


def _candidates(first: list[str]) -> list[Numeral]:
    if not first:
        return []
    affix = next((a for a in (*CURRENCIES, "%") if a in first[0]), "")
    unit = None if affix else UNIT.fullmatch(first[0])
    affixes = [affix] if unit is None or SPECIAL.fullmatch(first[0]) else [affix, unit[1]]
    return [Numeral(decimal, group, affix) for affix in affixes for decimal, group in SHAPES]


__all__ = ["FIRST", "PLAIN", "Numeral", "find_numeral", "nearest_numeral"]
