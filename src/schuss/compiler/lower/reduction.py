"""Reductions: sum, mean, max, min. Each has one order, whatever the plan, the width or the threads.

The last axis is folded:  16 virtual lanes run along it, lane l taking elements l, l+16, ... (of every row
                          folded with it, in row-major order), and one fixed tree joins the lanes.
The last axis is kept:    each result adds its elements in row-major order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from schuss.compiler.llvm.loops import entry_alloca, fold_lanes, for_range, if_then
from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.lower.kernel import VIRTUAL_LANES, Kernel, load, store, tail_mask
from schuss.compiler.lower.loop_nest import Axis, Term, advance, collapse, emit_bound, nest
from schuss.compiler.storage import Storage
from schuss.ir.graph import Node
from schuss.ir.types import FLOATS, Shape, Sym

LARGEST = {
    "float32": math.inf,
    "float64": math.inf,
    "int64": 2**63 - 1,
    "int32": 2**31 - 1,
    "uint32": 2**32 - 1,
    "uint8": 255,
}


def identity(op: str, dtype: str) -> float:
    """What leaves a fold as it is."""
    if op in ("sum", "mean"):
        return 0
    largest = LARGEST[dtype]
    if op == "min":
        return largest
    return -largest if dtype in FLOATS else 0 if dtype in ("uint8", "uint32") else -largest - 1


def join(k: Lanes, op: str, x: Value, y: Value) -> Value:
    """Two partial results."""
    return k.maximum(x, y) if op == "max" else k.minimum(x, y) if op == "min" else k.add(x, y)


def result_strides(node: Node, storage: Storage) -> tuple[int, ...]:
    """Where a fold's result lies, over the axes of what it folds (0 along folded ones)."""
    axes, keep = node.attrs["axis"], node.attrs["keepdims"]
    strides = iter(storage.strides(node))
    result = []
    for axis in range(node.inputs[0].type.rank):
        if axis in axes:
            if keep:
                next(strides)
            result.append(0)
        else:
            result.append(next(strides))
    return tuple(result)


class Fold:
    """One reduction in progress: an accumulator of some width, folded into memory at the end."""

    def __init__(self, kernel: Kernel, node: Node, space: Shape) -> None:
        self.kernel = kernel
        self.node = node
        self.dtype = node.type.dtype
        self.lengths = [space[a] for a in node.attrs["axis"]]
        pointer = kernel.pointer(kernel.plan.places[node], 0, self.dtype)
        self.term = Term(result_strides(node, kernel.plan.storage), pointer, self.dtype)
        self._memory: Any = None

    def begin(self, k: Lanes) -> None:
        """An empty accumulator."""
        if self._memory is None:
            self._memory = entry_alloca(k.b, k.type(self.dtype))
        k.b.store(k.constant(identity(self.node.op, self.dtype), self.dtype).llvm, self._memory)

    def take(self, k: Lanes, value: Value, mask: Any = None) -> None:
        """Join in the lanes the mask admits."""
        if mask is not None:
            value = k.select(Value(mask, "bool"), value, k.constant(identity(self.node.op, self.dtype), self.dtype))
        held = Value(k.b.load(self._memory, typ=k.type(self.dtype)), self.dtype)
        k.b.store(join(k, self.node.op, held, value).llvm, self._memory)

    def finish(self, k: Lanes, offset: Any) -> None:
        """The lanes joined by the fixed tree, stored at the offset."""
        lanes = k.b.load(self._memory, typ=k.type(self.dtype))
        scalar = self.kernel.lanes(1)

        def two(x: Any, y: Any, width: int) -> Any:
            return join(self.kernel.lanes(width), self.node.op, Value(x, self.dtype), Value(y, self.dtype)).llvm

        total = Value(fold_lanes(k.b, lanes, two), self.dtype)
        store(scalar, self.term, offset, self.scaled(scalar, total))

    def column(self, k: Lanes, offset: Any, mask: Any) -> None:
        """Each lane a result of its own, stored side by side."""
        total = Value(k.b.load(self._memory, typ=k.type(self.dtype)), self.dtype)
        store(k, self.term, offset, self.scaled(k, total), mask)

    def scaled(self, k: Lanes, total: Value) -> Value:
        """A mean is the sum divided by the number of elements."""
        if self.node.op != "mean":
            return total
        count: Any = I64(1)
        for dim in self.lengths:
            count = k.b.mul(count, self.kernel.n if isinstance(dim, Sym) else I64(dim))
        return k.div(total, k.cast(k.splat(count, "int64"), self.dtype))


def emit_reduce_group(kernel: Kernel, node: Node) -> None:
    """A reduction over any axes of a value in memory."""
    shape = node.inputs[0].type.shape
    source = kernel.read(node.inputs[0], len(shape))
    fold = Fold(kernel, node, shape)
    terms = [source, fold.term]
    axes = _axes(kernel, shape, terms)
    folded = node.attrs["axis"]
    kept = [a for i, a in enumerate(axes) if i not in folded]
    reduced = [a for i, a in enumerate(axes) if i in folded]
    if len(shape) - 1 in folded:
        _row_form(kernel, fold, terms, kept, reduced)
    else:
        _column_form(kernel, fold, terms, kept, reduced)


def _axes(kernel: Kernel, shape: Shape, terms: Sequence[Term]) -> list[Axis]:
    axes = []
    for at, dim in enumerate(shape):
        strides = tuple(t.strides[at] for t in terms)
        whole = None if isinstance(dim, Sym) else dim
        if at == 0:
            axes.append(Axis(lambda b: kernel.low, lambda b: kernel.high, whole, strides))
        else:
            axes.append(Axis(0, kernel.length(dim), whole, strides))
    return axes


def _row_form(kernel: Kernel, fold: Fold, terms: list[Term], kept: list[Axis], reduced: list[Axis]) -> None:
    b = kernel.b
    k = kernel.lanes(VIRTUAL_LANES)
    with nest(b, kept, terms, [I64(0)] * 2, None) as offsets:
        fold.begin(k)
        runs = collapse(reduced[:-1], terms, first=False)
        with nest(b, runs, terms, offsets, None) as inner:
            _run(kernel, k, fold, terms, reduced[-1], inner)
        fold.finish(k, offsets[1])


def _run(kernel: Kernel, k: Lanes, fold: Fold, terms: list[Term], axis: Axis, offsets: list[Any]) -> None:
    """One run along the last axis, 16 lanes at a time."""
    b = kernel.b
    start, stop = emit_bound(b, axis.start), emit_bound(b, axis.stop)
    full = b.sub(stop, b.srem(b.sub(stop, start), I64(k.width)))

    def take(i: Any, mask: Any) -> None:
        at = advance(b, axis, terms, offsets, i, None)
        last = b.sub(b.sub(stop, i), I64(1))
        fold.take(k, load(k, terms[0], at[0], axis.strides[0], mask, last), mask)

    with for_range(b, start, full, k.width) as i:
        take(i, None)
    with if_then(b, b.icmp_signed("<", full, stop)):
        take(full, tail_mask(b, k.width, b.sub(stop, full)))


def _column_form(kernel: Kernel, fold: Fold, terms: list[Term], kept: list[Axis], reduced: list[Axis]) -> None:
    b = kernel.b
    runs = collapse(reduced, terms, first=False)
    last = kept[-1]
    contiguous = last.strides == (1, 1)
    k = kernel.lanes(kernel.target.lanes(fold.dtype) if contiguous and fold.dtype in FLOATS else 1)

    def results(i: Any, offsets: list[Any], mask: Any) -> None:
        at = advance(b, last, terms, offsets, i, None)
        fold.begin(k)
        with nest(b, runs, terms, at, None) as inner:
            fold.take(k, load(k, terms[0], inner[0], last.strides[0], mask), mask)
        fold.column(k, at[1], mask)

    with nest(b, kept[:-1], terms, [I64(0)] * 2, None) as offsets:
        start, stop = emit_bound(b, last.start), emit_bound(b, last.stop)
        full = b.sub(stop, b.srem(b.sub(stop, start), I64(k.width)))
        with for_range(b, start, full, k.width) as i:
            results(i, offsets, None)
        if k.width > 1:
            with if_then(b, b.icmp_signed("<", full, stop)):
                results(full, offsets, tail_mask(b, k.width, b.sub(stop, full)))
