"""Some panels of a right operand whose rows lie far apart, copied: all tiles of their columns read them in turn.

A row of tiles goes through these panels one after the other, so what it reads of the left operand stays in the first
cache.
"""

from __future__ import annotations

from typing import Any

from schuss.compiler.llvm.loops import entry_alloca, for_range
from schuss.compiler.llvm.simd import I64
from schuss.compiler.lower.kernel import Kernel, load, store
from schuss.compiler.lower.loop_nest import StridedOperand, emit_bound
from schuss.compiler.storage import ITEMSIZE, PANEL
from schuss.ir.types import Dim


class GatheredPanels:
    """So many panels as fit in the place for them, on the stack."""

    def __init__(self, kernel: Kernel, y: StridedOperand, depth: Dim) -> None:
        tuning, rows = kernel.plan.tuning, kernel.plan.storage.capacity
        self.kernel, self.y, self.depth = kernel, y, depth
        self.apart = rows * PANEL
        self.panels = min(tuning.gather_bytes // (self.apart * ITEMSIZE[y.dtype]), tuning.gather_most)

    def copy(self, offset: Any, first: Any, end: Any) -> tuple[StridedOperand, Any]:
        """Panels from the first column to the end. How they are read there, and from where, as from column 0.

        offset: from where the operand is read.
        """
        b, y = self.kernel.b, self.y
        k = self.kernel.lanes(self.kernel.target.lanes(y.dtype))
        buffer = entry_alloca(b, k.type(y.dtype), self.panels * self.apart // k.width)
        target = StridedOperand((PANEL, 1), buffer, y.dtype, panel=(-1, self.apart))
        start = b.sub(I64(0), target.along(b, -1, first))
        with for_range(b, first, end, PANEL) as j:
            source, place = b.add(offset, y.along(b, -1, j)), b.add(start, target.along(b, -1, j))
            with for_range(b, I64(0), emit_bound(b, self.kernel.length(self.depth))) as step:
                row, to = b.add(source, b.mul(step, I64(y.strides[-2]))), b.add(place, b.mul(step, I64(PANEL)))
                for v in range(0, PANEL, k.width):
                    store(k, target, b.add(to, I64(v)), load(k, y, b.add(row, I64(v)), 1))
        return target, start
