"""Lowering of MAP groups: one loop nest over the space, maps evaluated lane by lane, then folds.

Elementwise results do not depend on the vector width. A fold along a row always uses 16 virtual
lanes and one fixed tree, so its bits are the same on every instruction set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from schuss.compiler.llvm.loops import for_range, if_then
from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.lower.expression import FusedExpression
from schuss.compiler.lower.kernel import VIRTUAL_LANES, Kernel, fitting, prefetch, store, tail_mask
from schuss.compiler.lower.loop_nest import LoopAxis, advance, collapse, emit_bound, nest
from schuss.compiler.lower.reduction import Reduction
from schuss.compiler.schedule.fuse import Group
from schuss.compiler.storage import ITEMSIZE, LATER, LINE
from schuss.compiler.structure import folded_axes
from schuss.ir.graph import Node
from schuss.ir.structure import Access


def emit_map_group(kernel: Kernel, group: Group) -> None:
    """The loops of a group of maps and folds."""
    ElementwiseLoops(kernel, group).emit()


class ElementwiseLoops:
    """Terms, axes and width of one group, and the code made from them."""

    def __init__(self, kernel: Kernel, group: Group) -> None:
        self.kernel = kernel
        self.group = group
        self.rank = len(group.space)
        self._everywhere = tuple(range(self.rank))
        self.body = FusedExpression(kernel, group.maps, self.rank, panels=True)
        self.inside = set(group.maps)
        for fold in group.folds:
            if fold.inputs[0] not in self.inside:
                self.body.read(fold.inputs[0], Access(self._everywhere))
        self.stored = [n for n in group.stores if n in self.inside]
        self.terms = [*self.body.terms, *(kernel.write(n, panels=True) for n in self.stored)]
        self.folds = [Reduction(kernel, node, group.space) for node in group.folds]
        self.terms += [f.term for f in self.folds]

    def emit(self) -> None:
        kernel = self.kernel
        if kernel.flat:
            steps = tuple(int(any(t.strides)) for t in self.terms)
            axis = LoopAxis(lambda _: kernel.low, lambda _: kernel.high, None, steps)
            self._block(axis, [I64(0)] * len(self.terms), None)
            return
        folded = len(folded_axes(self.group.folds[0])) if self.group.folds else 0
        axes = self.kernel.shared(self.kernel.axes(self.group.space, self.terms))
        kept, reduced = axes[: self.rank - folded], axes[self.rank - folded :]
        zero = [I64(0)] * len(self.terms)
        if not folded:
            loops = collapse(axes, self.terms, first=True)
            self._rows(loops, zero, first=True)
            return
        outer = collapse(kept, self.terms, first=True)
        inner = collapse(reduced, self.terms, first=not kept)
        order = kernel.order if kept else None
        with self._loops(outer, inner, zero, order) as offsets:
            for fold in self.folds:
                fold.begin(kernel.lanes(VIRTUAL_LANES))
            self._rows(inner, offsets, first=not kept)
            for fold, offset in zip(self.folds, offsets[-len(self.folds) :], strict=True):
                fold.finish(kernel.lanes(VIRTUAL_LANES), offset)

    def _rows(self, axes: list[LoopAxis], offsets: list[Any], first: bool) -> None:
        """The outer axes as loops, the innermost in vectors."""
        if not axes:
            self._block(LoopAxis(0, 1, 1, (0,) * len(self.terms)), offsets, None)
            return
        order = self.kernel.order if first else None
        if len(axes) == 1:
            self._block(axes[0], offsets, order)
            return
        with self._loops(axes[:-1], axes[-1:], offsets, order) as inner:
            self._block(axes[-1], inner, None)

    @contextlib.contextmanager
    def _loops(
        self, axes: Sequence[LoopAxis], inner: Sequence[LoopAxis], offsets: list[Any], order: Any
    ) -> Iterator[list[Any]]:
        """Loops over the axes, of which only the first may go through the order of examples, around the inner ones."""
        if not axes:
            yield offsets
            return
        b = self.kernel.b
        with for_range(b, emit_bound(b, axes[0].start), emit_bound(b, axes[0].stop), going=self.kernel.going) as i:
            if order is not None:
                self._fetch_rows(axes[0], [*axes[1:], *inner], i, order)
            first = advance(b, axes[0], self.terms, offsets, i, order)
            with nest(b, axes[1:], self.terms, first, None) as rest:
                yield rest

    def _fetch_rows(self, axis: LoopAxis, rest: Sequence[LoopAxis], i: Any, order: Any) -> None:
        """Ask for what is read of the rows of data some rounds later: they lie anywhere, and no core foresees where."""
        b, tuning = self.kernel.b, self.kernel.plan.tuning
        for number, (term, stride) in enumerate(zip(self.terms, axis.strides, strict=True)):
            read = 1 + sum((a.length - 1) * a.strides[number] for a in rest if a.length)
            if not term.rows or not stride or read * ITEMSIZE[term.dtype] < tuning.row_least:
                continue
            row = b.load(b.gep(order, [b.add(i, I64(LATER))], source_etype=I64), typ=I64)
            start = b.mul(row, I64(stride * ITEMSIZE[term.dtype]))
            for at in range(0, min(read * ITEMSIZE[term.dtype], tuning.row_most), LINE):
                prefetch(b, replace(term, dtype="uint8"), b.add(start, I64(at)), write=False)

    def _width(self, axis: LoopAxis, gathered: bool) -> int:
        if self.folds:
            return VIRTUAL_LANES
        if axis.length == 1 or gathered:
            return 1
        nodes = [*self.group.maps, *(i for n in self.group.maps for i in n.inputs)]
        wide = any(n.type.dtype in ("float64", "int64") for n in nodes if n.type.shape)
        return fitting(self.kernel.target.lanes("float64" if wide else "float32"), axis.length)

    def _block(self, axis: LoopAxis, offsets: list[Any], order: Any) -> None:
        """One run along the innermost axis: whole vectors, then the masked rest."""
        b = self.kernel.b
        rows = order is not None and any(t.rows and s for t, s in zip(self.terms, axis.strides, strict=True))
        strided = rows or any(s not in (0, 1) for t, s in zip(self.terms, axis.strides, strict=True) if t.pointer)
        width = self._width(axis, strided)
        if any(axis.jumps) and not isinstance(axis.start, int):
            width = 1  # a thread's share may begin within a panel
        k = self.kernel.lanes(width)
        start, stop = emit_bound(b, axis.start), emit_bound(b, axis.stop)
        if width == 1:
            with for_range(b, start, stop) as i:
                self._place(k, axis, advance(b, axis, self.terms, offsets, i, order))
            return
        full = b.sub(stop, b.srem(b.sub(stop, start), I64(width)))
        with for_range(b, start, full, width) as i:
            self._place(k, axis, self._along(axis, offsets, i, order), at=i, stop=stop, order=order)
        if axis.length is None or not isinstance(axis.start, int) or axis.length % width:
            with if_then(b, b.icmp_signed("<", full, stop)):
                mask = tail_mask(b, width, b.sub(stop, full))
                self._place(k, axis, self._along(axis, offsets, full, order), mask, full, stop, order)

    def _along(self, axis: LoopAxis, offsets: list[Any], i: Any, order: Any) -> list[Any]:
        return advance(self.kernel.b, axis, self.terms, offsets, i, None if self.folds else order)

    def _place(
        self,
        k: Lanes,
        axis: LoopAxis,
        offsets: list[Any],
        mask: Any = None,
        at: Any = None,
        stop: Any = None,
        order: Any = None,
    ) -> None:
        """Load, evaluate, store and fold at one place."""
        count = len(self.body.terms)
        last = k.b.sub(k.b.sub(stop, at), I64(1)) if stop is not None and self.folds else None
        loaded = [self.body.load(k, t, offsets[t], axis.strides[t], mask, last) for t in range(count)]
        values = self.body.evaluate(k, {}, loaded)
        for number, node in enumerate(self.stored, start=count):
            store(k, self.terms[number], offsets[number], values[node], mask)
        for fold in self.folds:
            source: Node = fold.node.inputs[0]
            value: Value = values[source] if source in values else loaded[self.body.operands[source, self._everywhere]]
            position = k.iota(at, 1) if fold.positional else None
            fold.take(k, value, mask, position)
