"""Products blocked along k, a block at a time: what a block reads of the operands stays in a core's cache.

What the sums are so far waits in memory from block to block (schedule/partition.py says where this is done).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.simd import I64
from schuss.compiler.lower.gemm.tiles import Panel, Tile
from schuss.compiler.lower.kernel import Kernel, load, prefetch, store
from schuss.compiler.lower.loop_nest import StridedOperand, emit_bound
from schuss.compiler.storage import ITEMSIZE
from schuss.ir.types import Dim, Sym


class KBlocks:
    """The blocks of one product, and where its sums so far lie."""

    def __init__(self, kernel: Kernel, so_far: StridedOperand, depth: Dim) -> None:
        self.kernel = kernel
        self.so_far = so_far
        self.depth = depth
        self.block = kernel.plan.tuning.block
        self.steps: tuple[Any, Any] = (I64(0), I64(0))  # of this block: from which to which

    @contextlib.contextmanager
    def blocks(self, low: Any, high: Any, tile: Tile) -> Iterator[tuple[Any, Any]]:
        """Some of these rows, from the first up to another, with some steps of their sums."""
        if isinstance(self.depth, Sym):  # a block of examples serves all rows of a gradient
            with self._some_steps(), self._some_rows(low, high, tile) as rows:
                yield rows
        else:  # the sums of some rows stay in cache from block to block
            with self._some_rows(low, high, tile) as rows, self._some_steps():
                yield rows

    @contextlib.contextmanager
    def _some_rows(self, low: Any, high: Any, tile: Tile) -> Iterator[tuple[Any, Any]]:
        """The rows in portions: their block of the left operand stays in a core's own cache."""
        b, rows = self.kernel.b, self.rows_near(tile)
        with for_range(b, low, high, rows) as first:
            end = b.add(first, I64(rows))
            yield first, b.select(b.icmp_signed("<", end, high), end, high)

    def rows_near(self, tile: Tile) -> int:
        """Rows of such a portion, whole tiles."""
        rows = self.kernel.plan.tuning.block_bytes // (self.block * ITEMSIZE[self.so_far.dtype])
        return max(rows // tile.rows, 1) * tile.rows

    @contextlib.contextmanager
    def _some_steps(self) -> Iterator[None]:
        """The sums in blocks; one of none where there is nothing to add."""
        b = self.kernel.b
        whole = self._all_steps()
        with for_range(b, I64(0), b.select(b.icmp_signed(">", whole, I64(0)), whole, I64(1)), self.block) as start:
            end = b.add(start, I64(self.block))
            self.steps = start, b.select(b.icmp_signed("<", end, whole), end, whole)
            yield

    def _all_steps(self) -> Any:
        return emit_bound(self.kernel.b, self.kernel.length(self.depth))

    def begin(self, panel: Panel, i: Any, rows: Any) -> None:
        """The sums so far into the buffer; zeros at first. Those of the next tile are asked for."""
        k, b, zero = panel.k, panel.k.b, panel.zero()
        with b.if_else(b.icmp_signed("==", self.steps[0], I64(0))) as (first, later):
            with first, for_range(b, I64(0), b.mul(rows, I64(panel.tile.vectors))) as number:
                b.store(zero, panel.place(number))
            with later:
                for place, at, mask in self._vectors(panel, i, rows):
                    b.store(load(k, self.so_far, at, 1, mask).llvm, place)
                    prefetch(b, self.so_far, b.add(at, I64(panel.tile.rows * self.so_far.strides[-2])))

    @contextlib.contextmanager
    def when_complete(self, panel: Panel, i: Any, rows: Any) -> Iterator[None]:
        """From the buffer to memory, where the sums go on; the body where they are complete."""
        b = panel.k.b
        with b.if_else(b.icmp_signed("<", self.steps[1], self._all_steps())) as (more, done):
            with more:
                for place, at, mask in self._vectors(panel, i, rows):
                    store(panel.k, self.so_far, at, panel.load(place), mask)
            with done:
                yield

    def _vectors(self, panel: Panel, i: Any, rows: Any) -> Iterator[tuple[Any, Any, Any]]:
        """(place in the buffer, offset in memory, mask) for each vector of a tile."""
        b = panel.k.b
        with for_range(b, I64(0), rows) as r:
            row = b.add(b.mul(b.add(i, r), I64(self.so_far.strides[-2])), panel.column(self.so_far))
            for v in range(panel.tile.vectors):
                yield panel.place_of(r, v), b.add(row, I64(v * panel.tile.width)), panel.mask_of(v)
