"""Operations whose places hang on data, or that read an operand in a part of the space only.

    concatenate, pad   each operand is copied to its part; what no part covers is filled first
    take               rows (all that lies behind the indexed axis) are copied from where an index says
    set_rows           the table, unless the result lies in its place; then rows are copied to where an index says
    scatter_add        zeros; then rows are added where an index says, in row-major order of the indices

Rows go by vectors where they lie contiguously. A thread computes its own share of the result's first axis; where an
index says which one that is, it passes over what is another's, so that each sum keeps its order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from schuss.compiler.llvm.builder import numbers
from schuss.compiler.llvm.loops import for_range, if_then
from schuss.compiler.llvm.simd import I8, I64, Lanes, Value
from schuss.compiler.lower.kernel import Kernel, fitting, load, store, tail_mask
from schuss.compiler.lower.loop_nest import LoopAxis, StridedOperand, advance, collapse, emit_bound, nest
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.structure import base_of, structure_of
from schuss.ir.graph import Node
from schuss.ir.structure import Access, Part, Structure
from schuss.ir.types import Dim, Shape, static_size


def emit_gather(kernel: Kernel, node: Node) -> None:
    """The loops of one node."""
    structure = structure_of(node)
    assert structure is not None
    if structure.writes is not None:
        _scatter(kernel, node, structure, structure.writes)
    elif any(a is not None and a.part is not None for a in structure.reads):
        _parts(kernel, node, structure)
    else:
        _take(kernel, node, structure)


# -- parts ------------------------------------------------------------------------------------------


def _parts(kernel: Kernel, node: Node, structure: Structure) -> None:
    target = kernel.write(node)
    parts = [(o, a.part) for o, a in zip(node.inputs, structure.reads, strict=True) if a is not None and a.part]
    if not _covered(node, parts):
        fill(kernel, target, node, structure.outside)
    for alike in _alike(kernel, parts):
        if len(alike) < kernel.plan.tuning.alike:
            for operand, part in alike:
                _part(
                    kernel, target, kernel.read(operand, operand.type.rank), operand.type.shape, part, I64(part.start)
                )
            continue
        b, (operand, part) = kernel.b, alike[0]
        starts = numbers(b.module, (p.start for _, p in alike))
        with for_range(b, I64(0), I64(len(alike))) as i:
            pointer = kernel.any_of([o for o, _ in alike], i)
            start = b.load(b.gep(starts, [i], source_etype=I64), typ=I64)
            source = replace(kernel.unplaced(operand, operand.type.rank), pointer=pointer)
            _part(kernel, target, source, operand.type.shape, part, start)


def _alike(kernel: Kernel, parts: Sequence[tuple[Node, Part]]) -> list[list[tuple[Node, Part]]]:
    """Parts that lie in the same way, though elsewhere: they share their code."""
    found: dict[Any, list[tuple[Node, Part]]] = {}
    for operand, part in parts:
        term = kernel.unplaced(operand, operand.type.rank)
        key = operand.type, term.strides, term.rows, part.axis, part.step
        found.setdefault(key, []).append((operand, part))
    return [*found.values()]


def _part(kernel: Kernel, target: StridedOperand, source: StridedOperand, shape: Shape, part: Part, start: Any) -> None:
    """Copy a value of this shape to its part of the result, which begins at `start`."""
    b, axis, step = kernel.b, part.axis, target.strides[part.axis]
    strides = tuple(s * part.step if a == axis else s for a, s in enumerate(target.strides))
    moved = b.gep(target.pointer, [b.mul(start, I64(step * ITEMSIZE[target.dtype]))], source_etype=I8)
    terms = [source, replace(target, strides=strides, pointer=moved)]
    axes = kernel.axes(shape, terms)
    axes = kernel.shared(axes) if part.axis else _share(kernel, axes, start, part.step)
    by_vectors(kernel, axes, terms, [I64(0)] * 2, partial(copy_lanes, terms))


def _covered(node: Node, parts: Sequence[tuple[Node, Part]]) -> bool:
    """Whether the parts leave out no place of the result."""
    axis = parts[0][1].axis
    lengths = [operand.type.shape[axis] for operand, _ in parts]
    return sum(static_size((d,)) for d in lengths) == node.type.shape[axis]


def _share(kernel: Kernel, axes: list[LoopAxis], start: Any, step: int) -> list[LoopAxis]:
    """The operand's axes, of the first what lies in this thread's share of the result's."""
    b, length = kernel.b, axes[0].stop

    def at(bound: Any) -> Any:
        behind = b.add(b.sub(bound, start), I64(step - 1))
        behind = b.select(b.icmp_signed(">", behind, I64(0)), behind, I64(0))
        place, most = b.sdiv(behind, I64(step)), emit_bound(b, length)
        return b.select(b.icmp_signed("<", place, most), place, most)

    low, high = at(kernel.low), at(kernel.high)
    return [replace(axes[0], start=lambda b: low, stop=lambda b: high), *axes[1:]]


# -- through an index -------------------------------------------------------------------------------


def _take(kernel: Kernel, node: Node, structure: Structure) -> None:
    (source, index), target = node.inputs, kernel.write(node)
    entries, numbers = structure.reads
    assert entries is not None
    assert entries.through is not None
    axis = entries.through[0]
    rank = node.type.rank
    terms = [kernel.read(source, rank, entries), kernel.read(index, rank, numbers), target]
    apart = kernel.view(source).strides[axis]
    axes = kernel.shared(kernel.axes(node.type.shape, terms))
    outer = axis + index.type.rank
    with nest(kernel.b, axes[:outer], terms, [I64(0)] * 3, None) as at:
        row = row_at(kernel, terms[1], at[1], source.type.shape[axis])
        places = [kernel.b.add(at[0], kernel.b.mul(row, I64(apart))), at[2]]
        inner, both = without(axes[outer:], 1), [terms[0], target]
        by_vectors(kernel, inner, both, places, partial(copy_lanes, both))


def _scatter(kernel: Kernel, node: Node, structure: Structure, writes: Access) -> None:
    (source, index), (entries, numbers) = _written(node, structure)
    assert writes.through is not None
    axis = writes.through[0]
    whole = kernel.write(node)
    _begin(kernel, whole, node, structure)
    rank, length = source.type.rank, node.type.shape[axis]
    strides = [0] * rank
    for place, stride in zip(writes.axes, whole.strides, strict=True):
        if place is not None:
            strides[place] = stride
    target = replace(whole, strides=tuple(strides))
    terms = [kernel.read(source, rank, entries), kernel.read(index, rank, numbers), target]
    b, axes = kernel.b, kernel.axes(source.type.shape, terms)
    shared = axis > 0  # whether the first axis is divided as the result's is
    axes = kernel.shared(axes) if shared else axes
    outer = axis + index.type.rank
    with nest(b, axes[:outer], terms, [I64(0)] * 3, None) as at:
        row = row_at(kernel, terms[1], at[1], length)
        mine = None
        if not shared:
            mine = b.and_(b.icmp_signed(">=", row, kernel.low), b.icmp_signed("<", row, kernel.high))
        places = [at[0], b.add(at[2], b.mul(row, I64(whole.strides[axis])))]
        inner, both = without(axes[outer:], 1), [terms[0], target]
        with contextlib.nullcontext() if mine is None else if_then(b, mine):
            by_vectors(kernel, inner, both, places, partial(add_lanes if structure.onto is None else copy_lanes, both))


def _written(node: Node, structure: Structure) -> tuple[tuple[Node, Node], tuple[Access | None, Access | None]]:
    """What is written where, and how they are read: the values and the indices."""
    assert structure.writes is not None
    assert structure.writes.through is not None
    at = structure.writes.through[1]
    (values,) = {*range(len(node.inputs))} - {at, structure.onto}
    return (node.inputs[values], node.inputs[at]), (structure.reads[values], structure.reads[at])


def _begin(kernel: Kernel, target: StridedOperand, node: Node, structure: Structure) -> None:
    """This thread's share of the result before anything is written: zeros, or the operand that is written over."""
    if structure.onto is None:
        fill(kernel, target, node, 0)
        return
    below, places = node.inputs[structure.onto], kernel.plan.places
    if base_of(below) is below and places[node] == places[below]:
        return  # it is there
    terms = [kernel.read(below, node.type.rank), target]
    by_vectors(
        kernel, kernel.shared(kernel.axes(node.type.shape, terms)), terms, [I64(0)] * 2, partial(copy_lanes, terms)
    )


def row_at(kernel: Kernel, term: StridedOperand, offset: Any, length: Dim) -> Any:
    """The position that the index holds, kept within the axis."""
    return clamped(kernel, load(kernel.lanes(1), term, offset, 0), static_size((length,))).llvm


def clamped(kernel: Kernel, index: Value, size: int) -> Value:
    """An index kept within 0 .. size-1, as int64."""
    k = kernel.lanes(1)
    wide = k.cast(index, "int64")
    return k.minimum(k.maximum(wide, k.constant(0, "int64")), k.constant(size - 1, "int64"))


# -- loops ------------------------------------------------------------------------------------------


def without(axes: Sequence[LoopAxis], number: int) -> list[LoopAxis]:
    """The axes for all terms but one."""
    return [replace(a, strides=(*a.strides[:number], *a.strides[number + 1 :])) for a in axes]


def fill(kernel: Kernel, target: StridedOperand, node: Node, value: float) -> None:
    """This thread's share of the result, all of one value."""
    axes = kernel.shared(kernel.axes(node.type.shape, [target]))

    def fill(k: Lanes, at: Sequence[Any], mask: Any) -> None:
        store(k, target, at[0], k.constant(value, node.type.dtype), mask)

    by_vectors(kernel, axes, [target], [I64(0)], fill)


def copy_lanes(terms: Sequence[StridedOperand], k: Lanes, at: Sequence[Any], mask: Any) -> None:
    store(k, terms[1], at[1], load(k, terms[0], at[0], int(k.width > 1), mask), mask)


def add_lanes(terms: Sequence[StridedOperand], k: Lanes, at: Sequence[Any], mask: Any) -> None:
    stride = int(k.width > 1)
    held = load(k, terms[1], at[1], stride, mask)
    store(k, terms[1], at[1], k.add(held, load(k, terms[0], at[0], stride, mask)), mask)


def by_vectors(
    kernel: Kernel,
    axes: Sequence[LoopAxis],
    terms: Sequence[StridedOperand],
    offsets: list[Any],
    body: Callable[[Lanes, Sequence[Any], Any], None],
) -> None:
    """The axes as loops, the innermost by vectors where all terms lie contiguously along it."""
    b = kernel.b
    divided = bool(axes) and not isinstance(axes[0].start, int)  # a thread's share of an axis of one may be none
    axes = collapse(axes, terms, first=divided)
    contiguous = bool(axes) and all(s == 1 for s in axes[-1].strides)
    width = kernel.target.lanes(max((t.dtype for t in terms), key=ITEMSIZE.__getitem__)) if contiguous else 1
    width = fitting(width, axes[-1].length) if width > 1 else 1
    outer = axes[:-1] if contiguous else axes
    k = kernel.lanes(width)
    with nest(b, outer, terms, offsets, None) as at:
        if not contiguous:
            body(k, at, None)
            return
        start, stop = emit_bound(b, axes[-1].start), emit_bound(b, axes[-1].stop)
        full = b.sub(stop, b.srem(b.sub(stop, start), I64(width)))
        with for_range(b, start, full, width) as i:
            body(k, advance(b, axes[-1], terms, at, i, None), None)
        length = axes[-1].length
        if width > 1 and (length is None or not isinstance(axes[-1].start, int) or length % width):
            with if_then(b, b.icmp_signed("<", full, stop)):
                mask = tail_mask(b, width, b.sub(stop, full))
                body(k, advance(b, axes[-1], terms, at, full, None), mask)
