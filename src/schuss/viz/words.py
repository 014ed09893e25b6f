"""Numbers as a person reads them, in pictures and reports; the page has the same in static/format.js."""

from __future__ import annotations

import math
from typing import Any

LARGE, SMALL = 1e6, 1e-4  # from here on, and below, in powers of ten


def number(value: Any, digits: int = 4) -> str:
    """So many significant digits: 0.1234, 12,346, 1.23e7; "–" for what is no number."""
    if not _known(value):
        return "–"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= LARGE or size < SMALL:
        return _power(value, max(0, digits - 2))
    return _signed(_threes(f"{value:.0f}" if size >= 10.0 ** (digits - 1) else f"{value:.{digits}g}"))


def with_error(value: Any, error: Any) -> str:
    """0.177 ± 0.010: the error with two digits, the value to the same place; both in one power of ten."""
    if not _known(value) or not _known(error) or error <= 0 or error < 1e-9 * abs(value):
        return f"{number(value)} ± {number(error, 2)}"
    size = max(abs(value), error)
    power = math.floor(math.log10(size)) if size >= LARGE or size < SMALL else 0
    scaled = [x / 10.0**power for x in (value, error)]
    place = 1 - math.floor(math.log10(float(f"{scaled[1]:.2g}")))  # of the last digit, behind the point
    words = [_signed(_threes(f"{round(x, place) + 0.0:.{max(0, place)}f}")) for x in scaled]
    tail = f"e{_signed(str(power))}" if power else ""
    return " ± ".join(word + tail for word in words)


def _known(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _power(value: float, digits: int) -> str:
    base, _, power = f"{value:.{digits}e}".partition("e")
    base = base.rstrip("0").rstrip(".") if "." in base else base
    return _signed(f"{base}e{int(power)}")


def _threes(text: str) -> str:
    """From five digits before the point on in threes."""
    whole, point, rest = text.partition(".")
    return (f"{int(whole):,}" if len(whole.lstrip("-")) > 4 else whole) + point + rest


def _signed(text: str) -> str:
    return text.replace("-", "−")


__all__ = ["number", "with_error"]
