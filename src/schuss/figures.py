"""Numbers and rows of text as people read them; the page has the same in web/static/format.js.

Four significant digits, all that stand before the point, in threes from five on: 0.01235, 9999, 12,346, 1,550,000;
powers of ten from 1e9 on and below 1e-4: 1.55e9, 1.2e-5. Signs are those of print, "−", "±" and "–" for what is no
number; in a terminal `plain` ones, "-" and "+-".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

LARGE, SMALL = 1e9, 1e-4  # from here on, and below, in powers of ten
MOST = 14  # digits of a tick


def number(value: Any, digits: int = 4, *, plain: bool = False) -> str:
    """So many significant digits, but all before the point."""
    return _signs(_written(value, digits), plain)


def with_error(value: Any, error: Any, *, plain: bool = False) -> str:
    """0.177 ± 0.010: the error with two digits, the value to the same place; both in one power of ten. The value alone
    where the error is not known."""
    return _signs(" ± ".join(pair(value, error)), plain)


def pair(value: Any, error: Any) -> list[str]:
    """[value, error] as with_error has them; [value] where the error is not known."""
    if not _known(value) or not _known(error):
        return [_written(value)]
    if error <= 0 or error < 1e-9 * abs(value):
        return [_written(value), _written(error, 2)]
    size = max(abs(value), error)
    power = math.floor(math.log10(size)) if size >= LARGE or size < SMALL else 0
    scaled = [x / 10.0**power for x in (value, error)]
    place = 1 - math.floor(math.log10(float(f"{scaled[1]:.2g}")))  # of the last digit, behind the point
    tail = f"e{power}" if power else ""
    return [_threes(f"{round(x, place) + 0.0:.{max(0, place)}f}") + tail for x in scaled]


def ticks(values: Sequence[float]) -> list[str]:
    """The words of an axis's ticks: alike, and with as many digits as tell them apart."""
    sizes = [abs(v) for v in values if v]
    far = any(size >= LARGE for size in sizes) or (bool(sizes) and max(sizes) < 10 * SMALL)
    for digits in range(4, MOST + 1):
        words = ["0" if not v else _power(v, digits - 2) if far else _written(v, digits) for v in values]
        if all(math.isclose(float(w.replace(",", "")), v, rel_tol=1e-9) for w, v in zip(words, values, strict=True)):
            break
    if not values:
        return []
    places = 0 if far else max(len(word.partition(".")[2]) for word in words)
    return [_signs(word if word == "0" else _padded(word, places), plain=False) for word in words]


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of cells in columns; `right`: those that end at their right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        .rstrip() for row in rows
    ]  # fmt: skip


def _known(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _written(value: Any, digits: int = 4) -> str:
    """With plain signs; "–" for what is no number."""
    if not _known(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= LARGE or size < SMALL:
        return _power(value, max(0, digits - 2))
    if value == int(value):
        return _threes(f"{value:.0f}")
    fixed = size >= min(1000.0, 10.0 ** (digits - 1))
    return _threes(f"{value:.{max(0, digits - 4)}f}" if fixed else f"{value:.{digits}g}")


def _padded(word: str, places: int) -> str:
    """With so many decimals."""
    whole, _, decimals = word.partition(".")
    return f"{whole}.{decimals:0<{places}}" if places and "e" not in word else word


def _power(value: float, digits: int) -> str:
    base, _, power = f"{value:.{digits}e}".partition("e")
    base = base.rstrip("0").rstrip(".") if "." in base else base
    return f"{base}e{int(power)}"


def _threes(text: str) -> str:
    """From five digits before the point on in threes."""
    whole, point, rest = text.partition(".")
    return (f"{int(whole):,}" if len(whole.lstrip("-")) > 4 else whole) + point + rest


def _signs(text: str, plain: bool) -> str:
    return text.replace("±", "+-").replace("–", "-") if plain else text.replace("-", "−")


__all__ = ["aligned", "number", "pair", "ticks", "with_error"]
