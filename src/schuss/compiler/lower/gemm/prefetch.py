"""Memory asked for before it is read: rows of a large right operand, and what the epilogue reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.simd import I64
from schuss.compiler.lower.gemm.tiles import Panel
from schuss.compiler.lower.kernel import prefetch
from schuss.compiler.lower.loop_nest import StridedOperand
from schuss.compiler.storage import ITEMSIZE, LINE


def by_place(term: StridedOperand) -> bool:
    """Whether the epilogue reads the term along rows, each of its own: weights, moments."""
    return term.pointer is not None and term.strides[-1] == 1 and term.strides[-2] != 0 and not term.rows


def prefetch_rows(panel: Panel, terms: Sequence[StridedOperand], i: Any, rows: Any) -> None:
    """Ask for what the epilogue will read of these rows, so that it comes while k runs."""
    with for_range(panel.k.b, I64(0), rows) as r:
        prefetch_row(panel, terms, panel.k.b.add(i, r))


def prefetch_row(panel: Panel, terms: Sequence[StridedOperand], at: Any) -> None:
    """Ask for what it will read of one row. terms: those of the epilogue that are read."""
    b, tile = panel.k.b, panel.tile
    for term, offset in zip(terms, panel.offsets[2:], strict=False):
        if by_place(term):
            row = b.add(b.add(offset, b.mul(at, I64(term.strides[-2]))), panel.column(term))
            for v in range(tile.vectors):
                prefetch(b, term, b.add(row, I64(v * tile.width)))


def prefetch_right(panel: Panel, at: Any, rows: int) -> None:
    """Ask for the right operand's row so many steps after the one at this offset."""
    b, tile, y = panel.k.b, panel.tile, panel.y
    for v in range(0, tile.vectors, max(1, LINE // (tile.width * ITEMSIZE[panel.dtype]))):
        ahead = b.add(at, I64(v * tile.width + rows * y.strides[-2]))
        prefetch(b, y, ahead, write=False)
