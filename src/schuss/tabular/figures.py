"""Numbers and rows of text as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Lines of cells in columns; `right`: those that end at their right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        .rstrip() for row in rows
    ]  # fmt: skip


def figure(x: float | None, digits: int = 4) -> str:
    """With so many digits, but all before its point: 0.01235, 68,462; - where it is not defined."""
    if x is None or not math.isfinite(x):
        return "-"
    return f"{x:,.0f}" if 10**digits <= abs(x) < 1e15 else f"{x:.{digits}g}"


def with_error(value: float | None, error: float | None = None) -> str:
    """0.123 +- 0.01; the value alone where the error is not known."""
    known = value is not None and math.isfinite(value) and error is not None and math.isfinite(error)
    return figure(value) + (f" +- {figure(error, 2)}" if known else "")
