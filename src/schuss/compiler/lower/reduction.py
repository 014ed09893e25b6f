"""Reductions: sum, mean, max, min, argmax. Each has one order, whatever the plan, the width or the threads.

The last axis is folded:  16 virtual lanes run along it, lane l taking elements l, l+16, ... (of every row
                          folded with it, in row-major order), and one fixed tree joins the lanes.
The last axis is kept:    each result adds its elements in row-major order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from schuss.compiler.llvm.loops import entry_alloca, fold_lanes, for_range, if_then
from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.lower.kernel import VIRTUAL_LANES, Kernel, load, store, tail_mask
from schuss.compiler.lower.loop_nest import LoopAxis, StridedOperand, advance, collapse, emit_bound, nest
from schuss.compiler.storage import Storage
from schuss.compiler.structure import folded_axes, structure_of
from schuss.ir.graph import Node
from schuss.ir.structure import Fold
from schuss.ir.types import FLOATS, Shape, Sym

LARGEST = {
    "float32": math.inf,
    "float64": math.inf,
    "int64": 2**63 - 1,
    "int32": 2**31 - 1,
    "uint32": 2**32 - 1,
    "uint8": 255,
}


NOWHERE = 2**63 - 1  # the position of no element, after that of any


def identity(fold: Fold, dtype: str) -> float:
    """What leaves a fold as it is."""
    if fold is Fold.SUM:
        return 0
    largest = LARGEST[dtype]
    if fold is Fold.MIN:
        return largest
    return -largest if dtype in FLOATS else 0 if dtype in ("uint8", "uint32") else -largest - 1


def join(k: Lanes, fold: Fold, x: list[Value], y: list[Value]) -> list[Value]:
    """Two partial results: a value each, or the largest so far and its position."""
    return _JOINS[fold](k, x, y)


def _first_largest(k: Lanes, x: list[Value], y: list[Value]) -> list[Value]:
    """The larger with its position; of equal ones the first. A NaN counts as largest."""
    (v, i), (w, j) = x, y
    better, tied = k.compare(">", w, v), k.compare("==", w, v)
    if v.is_float:
        nan, other = k.is_nan(w), k.is_nan(v)
        better = k.logical_or(better, k.logical_and(nan, k.logical_not(other)))
        tied = k.logical_or(tied, k.logical_and(nan, other))
    better = k.logical_or(better, k.logical_and(tied, k.compare("<", j, i)))
    return [k.select(better, w, v), k.select(better, j, i)]


_JOINS: dict[Fold, Callable[[Lanes, list[Value], list[Value]], list[Value]]] = {
    Fold.SUM: lambda k, x, y: [k.add(x[0], y[0])],
    Fold.MAX: lambda k, x, y: [k.maximum(x[0], y[0])],
    Fold.MIN: lambda k, x, y: [k.minimum(x[0], y[0])],
    Fold.ARGMAX: _first_largest,
}


def result_strides(node: Node, storage: Storage) -> tuple[int, ...]:
    """Where a fold's result lies, over the axes of what it folds (0 along folded ones)."""
    axes, space = folded_axes(node), node.inputs[0].type.rank
    kept = iter(storage.strides(node))
    all_stay = node.type.rank == space  # folded axes are of length 1 in the result
    result = []
    for axis in range(space):
        stride = 0 if axis in axes and not all_stay else next(kept)
        result.append(0 if axis in axes else stride)
    return tuple(result)


class Reduction:
    """One fold in progress: an accumulator of some width, joined into memory at the end."""

    def __init__(self, kernel: Kernel, node: Node, space: Shape) -> None:
        structure = structure_of(node)
        assert structure is not None
        assert structure.fold is not None
        self.kernel = kernel
        self.node = node
        self.fold = structure.fold
        self.averaged = structure.averaged
        self.dtype = node.type.dtype
        self.lengths = [space[a] for a in structure.folded]
        source = node.inputs[0].type.dtype
        empty = (source, identity(self.fold, source))
        self._empty: list[tuple[str, float]] = [empty, ("int64", NOWHERE)] if self.positional else [empty]
        pointer = kernel.pointer(kernel.plan.places[node], 0, self.dtype)
        self.term = StridedOperand(result_strides(node, kernel.plan.storage), pointer, self.dtype)
        self._memory: list[Any] = []

    @property
    def positional(self) -> bool:
        """Whether positions along the folded axis are joined along with the values."""
        return self.fold is Fold.ARGMAX

    def begin(self, k: Lanes) -> None:
        """An empty accumulator."""
        if not self._memory:
            self._memory = [entry_alloca(k.b, k.type(dtype)) for dtype, _ in self._empty]
        for memory, (dtype, number) in zip(self._memory, self._empty, strict=True):
            k.b.store(k.constant(number, dtype).llvm, memory)

    def take(self, k: Lanes, value: Value, mask: Any = None, position: Value | None = None) -> None:
        """Join in the lanes the mask admits."""
        given = [value] if position is None else [value, position]
        if mask is not None:
            given = [
                k.select(Value(mask, "bool"), v, k.constant(number, dtype))
                for v, (dtype, number) in zip(given, self._empty, strict=True)
            ]
        for memory, joined in zip(self._memory, join(k, self.fold, self._held(k), given), strict=True):
            k.b.store(joined.llvm, memory)

    def _held(self, k: Lanes) -> list[Value]:
        typed = zip(self._memory, self._empty, strict=True)
        return [Value(k.b.load(memory, typ=k.type(dtype)), dtype) for memory, (dtype, _) in typed]

    def finish(self, k: Lanes, offset: Any) -> None:
        """The lanes joined by the fixed tree, stored at the offset."""
        scalar, held = self.kernel.lanes(1), self._held(k)

        def two(x: list[Any], y: list[Any], width: int) -> list[Any]:
            dtypes = [v.dtype for v in held]
            left, right = ([Value(p, d) for p, d in zip(parts, dtypes, strict=True)] for parts in (x, y))
            return [v.llvm for v in join(self.kernel.lanes(width), self.fold, left, right)]

        total = Value(fold_lanes(k.b, [v.llvm for v in held], two)[-1], self.dtype)
        store(scalar, self.term, offset, self.scaled(scalar, total))

    def column(self, k: Lanes, offset: Any, mask: Any) -> None:
        """Each lane a result of its own, stored side by side."""
        store(k, self.term, offset, self.scaled(k, self._held(k)[-1]), mask)

    def scaled(self, k: Lanes, total: Value) -> Value:
        """A mean is the sum divided by the number of elements."""
        if not self.averaged:
            return total
        count: Any = I64(1)
        for dim in self.lengths:
            count = k.b.mul(count, self.kernel.n if isinstance(dim, Sym) else I64(dim))
        return k.div(total, k.cast(k.splat(count, "int64"), self.dtype))


def emit_reduce_group(kernel: Kernel, node: Node, by_columns: bool = False) -> None:
    """A reduction over any axes of a value in memory. by_columns: a thread's share is one of the last axis, not of the
    first."""
    shape = node.inputs[0].type.shape
    source = kernel.read(node.inputs[0], len(shape))
    fold = Reduction(kernel, node, shape)
    terms = [source, fold.term]
    axes = kernel.axes(shape, terms)
    axes = [*axes[:-1], *kernel.shared(axes[-1:])] if by_columns else kernel.shared(axes)
    folded = folded_axes(node)
    kept = [a for i, a in enumerate(axes) if i not in folded]
    reduced = [a for i, a in enumerate(axes) if i in folded]
    if len(shape) - 1 in folded:
        _row_form(kernel, fold, terms, kept, reduced)
    else:
        _column_form(kernel, fold, terms, kept, reduced)


def _row_form(
    kernel: Kernel, fold: Reduction, terms: list[StridedOperand], kept: list[LoopAxis], reduced: list[LoopAxis]
) -> None:
    b = kernel.b
    k = kernel.lanes(VIRTUAL_LANES)
    with nest(b, kept, terms, [I64(0)] * 2, None, kernel.going) as offsets:
        fold.begin(k)
        runs = collapse(reduced[:-1], terms, first=False)
        with nest(b, runs, terms, offsets, None) as inner:
            _run(kernel, k, fold, terms, reduced[-1], inner)
        fold.finish(k, offsets[1])


def _run(
    kernel: Kernel, k: Lanes, fold: Reduction, terms: list[StridedOperand], axis: LoopAxis, offsets: list[Any]
) -> None:
    """One run along the last axis, 16 lanes at a time."""
    b = kernel.b
    start, stop = emit_bound(b, axis.start), emit_bound(b, axis.stop)
    full = b.sub(stop, b.srem(b.sub(stop, start), I64(k.width)))

    def take(i: Any, mask: Any) -> None:
        at = advance(b, axis, terms, offsets, i, None)
        last = b.sub(b.sub(stop, i), I64(1))
        position = k.iota(i, 1) if fold.positional else None
        fold.take(k, load(k, terms[0], at[0], axis.strides[0], mask, last), mask, position)

    with for_range(b, start, full, k.width) as i:
        take(i, None)
    with if_then(b, b.icmp_signed("<", full, stop)):
        take(full, tail_mask(b, k.width, b.sub(stop, full)))


def _column_form(
    kernel: Kernel, fold: Reduction, terms: list[StridedOperand], kept: list[LoopAxis], reduced: list[LoopAxis]
) -> None:
    b = kernel.b
    if fold.positional:  # one axis, whose positions are counted
        reduced = [replace(axis, strides=(*axis.strides, 1)) for axis in reduced]
        kept = [replace(axis, strides=(*axis.strides, 0)) for axis in kept]
        terms = [*terms, StridedOperand(())]
    runs = collapse(reduced, terms, first=False)
    last = kept[-1]
    contiguous = last.strides[:2] == (1, 1)
    folded = fold.node.inputs[0].type.dtype
    k = kernel.lanes(kernel.target.lanes(folded) if contiguous and folded in FLOATS else 1)

    def results(i: Any, offsets: list[Any], mask: Any) -> None:
        at = advance(b, last, terms, offsets, i, None)
        fold.begin(k)
        with nest(b, runs, terms, at, None) as inner:
            position = k.splat(inner[2], "int64") if fold.positional else None
            fold.take(k, load(k, terms[0], inner[0], last.strides[0], mask), mask, position)
        fold.column(k, at[1], mask)

    with nest(b, kept[:-1], terms, [I64(0)] * len(terms), None) as offsets:
        start, stop = emit_bound(b, last.start), emit_bound(b, last.stop)
        full = b.sub(stop, b.srem(b.sub(stop, start), I64(k.width)))
        with for_range(b, start, full, k.width) as i:
            results(i, offsets, None)
        if k.width > 1:
            with if_then(b, b.icmp_signed("<", full, stop)):
                results(full, offsets, tail_mask(b, k.width, b.sub(stop, full)))
