"""Sums of rows with the same index: by one thread, in row-major order. What it costs goes by the places alone.

It works with three arrays of its own (the operation's `scratch`), whatever they hold at first:

    first   for each index the place where it stood first
    named   of each place its index
    source  of each place the first place of its index

What `first` says of an index that has not come yet is told from the truth: it is no place before this one, or one of
another index. So nothing of the table's length is ever cleared.
Source: Briggs and Torczon, An efficient representation for sparse sets (1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from schuss.compiler.llvm.loops import if_then
from schuss.compiler.llvm.simd import I64, Lanes
from schuss.compiler.lower.gather import add_lanes, by_vectors, copy_lanes, row_at, without
from schuss.compiler.lower.kernel import Kernel, number_at, store, work_arrays
from schuss.compiler.lower.loop_nest import StridedOperand, nest
from schuss.compiler.storage import row_major
from schuss.ir.graph import Node
from schuss.ir.structure import Access
from schuss.ir.types import Shape


def emit_coalesce(kernel: Kernel, node: Node) -> None:
    """The loops of the node: first the sums, at the first place of each index, then these at the others."""
    (x, index), b = node.inputs, kernel.b
    rank, outer = x.type.rank, index.type.rank
    place = StridedOperand((*row_major(index.type.shape, 1), *[0] * (rank - outer)))
    numbers = kernel.read(index, rank, Access(tuple(range(outer))))
    terms = [kernel.read(x, rank), numbers, kernel.write(node), place]
    arrays = work_arrays(kernel, node)
    axes, start = kernel.axes(x.type.shape, terms), [I64(0)] * 4
    added = without(without(axes[outer:], 3), 1)
    copied = [replace(axis, strides=(axis.strides[1],) * 2) for axis in added]
    with nest(b, axes[:outer], terms, start, None) as at:
        row = row_at(kernel, terms[1], at[1], node.attrs["size"])
        seen, origin = _note(b, arrays, at[3], row)
        with if_then(b, b.not_(seen)):
            by_vectors(kernel, without(added, 0), [terms[2]], [at[2]], partial(_clear, terms[2]))
        sums = _offset(b, origin, index.type.shape, terms[2].strides)
        both = [terms[0], terms[2]]
        by_vectors(kernel, added, both, [at[0], sums], partial(add_lanes, both))
    with nest(b, axes[:outer], terms, start, None) as at:
        origin = b.load(number_at(b, arrays[2], at[3]), typ=I64)
        with if_then(b, b.icmp_signed("!=", origin, at[3])):
            sums = _offset(b, origin, index.type.shape, terms[2].strides)
            both = [terms[2], terms[2]]
            by_vectors(kernel, copied, both, [sums, at[2]], partial(copy_lanes, both))


def _note(b: Any, arrays: Sequence[Any], here: Any, row: Any) -> tuple[Any, Any]:
    """(whether the index stood at an earlier place, the first place where it stands), which the arrays note."""
    first, named, source = arrays
    told = b.load(number_at(b, first, row), typ=I64)
    earlier = b.icmp_unsigned("<", told, here)
    place = b.select(earlier, told, I64(0))
    seen = b.and_(earlier, b.icmp_signed("==", b.load(number_at(b, named, place), typ=I64), row))
    origin = b.select(seen, told, here)
    for array, entry, value in ((first, row, origin), (named, here, row), (source, here, origin)):
        b.store(value, number_at(b, array, entry))
    return seen, origin


def _offset(b: Any, place: Any, shape: Shape, strides: Sequence[int]) -> Any:
    """Where the elements of a place begin, in a value with these strides along the axes of the places."""
    offset = I64(0)
    for axis in reversed(range(len(shape))):
        length = shape[axis]
        if axis and isinstance(length, int):
            along, place = b.urem(place, I64(length)), b.udiv(place, I64(length))
        else:
            along = place
        offset = b.add(offset, b.mul(along, I64(strides[axis])))
    return offset


def _clear(term: StridedOperand, k: Lanes, at: Sequence[Any], mask: Any) -> None:
    store(k, term, at[0], k.constant(0, term.dtype), mask)
