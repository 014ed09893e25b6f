"""A tile's sums over k, in registers, then in its buffer: by rows, or by blocks of an operand that is turned.

Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication (2008), the inner kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.lower.gemm.prefetch import prefetch_right
from schuss.compiler.lower.gemm.tiles import Panel
from schuss.compiler.lower.kernel import load
from schuss.compiler.lower.loop_nest import StridedOperand
from schuss.compiler.lower.transpose import transposed
from schuss.compiler.storage import ITEMSIZE


def row_sums(
    panel: Panel,
    i: Any,
    rows: int,
    steps: tuple[Any, Any],
    resumed: bool,
    far: int,
    between: Callable[[Any], None] | None,
) -> None:
    """Vectors of the right operand's rows, times scalars of `rows` rows of the left one from row i on.

    steps: from which on, up to which. resumed: whether the buffer holds what the sums are so far. far: how many
    rows in advance the right operand's are asked for. between: what else to do, once a row, among steps from 0 on.
    """
    k, dtype, tile, x, y = panel.k, panel.dtype, panel.tile, panel.x, panel.y
    b = k.b
    sums = [panel.zero()] * (rows * tile.vectors)
    if resumed:
        sums = [panel.load(panel.place(I64(n))).llvm for n in range(len(sums))]
    left_at = _left_rows(panel, i, rows)
    y0 = b.add(panel.offsets[1], panel.column(y))

    def some(first: Any, last: Any) -> None:
        with for_range(b, first, last, carried=sums) as step:
            lefts = left_at(step)
            yk = b.add(y0, b.mul(step, I64(y.strides[-2])))
            right = [
                load(k, y, b.add(yk, I64(v * tile.width)), y.strides[-1], panel.mask_of(v)) for v in range(tile.vectors)
            ]
            if far and tile.width > 1:
                prefetch_right(panel, yk, far)
            for r in range(rows):
                left = load(k, x, lefts(r), 0)
                for n, vector in enumerate(right, start=r * tile.vectors):
                    sums[n] = k.fma(left, vector, Value(sums[n], dtype)).llvm

    low, end = steps
    if between is None:
        some(low, end)
    else:
        assert not resumed, "the steps are divided from 0 on"
        count = I64(rows)
        with for_range(b, I64(0), count, carried=sums) as row:
            between(row)
            some(*(b.sdiv(b.mul(end, number), count) for number in (row, b.add(row, I64(1)))))
    for number, total in enumerate(sums):
        b.store(total, panel.place(I64(number)))


def _left_rows(panel: Panel, i: Any, rows: int) -> Callable[[Any], Callable[[int], Any]]:
    """Where the left operand is read: for a step, for one of so many rows from i on. These may lie in two panels."""
    b, x, offset = panel.k.b, panel.x, panel.offsets[0]
    if x.jump(-2):
        starts = [b.add(offset, x.along(b, -2, b.add(i, I64(r)))) for r in range(rows)]

        def in_panels(step: Any) -> Callable[[int], Any]:
            along = b.mul(step, I64(x.strides[-1]))
            return lambda r: b.add(starts[r], along)

        return in_panels
    first = b.add(offset, b.mul(i, I64(x.strides[-2])))

    def from_first(step: Any) -> Callable[[int], Any]:
        along = b.add(first, b.mul(step, I64(x.strides[-1])))
        return lambda r: b.add(along, I64(r * x.strides[-2]))

    return from_first


def transposed_sums(panel: Panel, i: Any, rows: int, depth: int, columns: int) -> None:
    """The sums where the right operand lies transposed: a vector's lanes are columns of it, each lying in a row.

    Lanes beyond the last column repeat it.
    """
    b, width, (x, y) = panel.k.b, panel.k.width, (panel.x, panel.y)
    x0 = b.add(panel.offsets[0], b.mul(i, I64(x.strides[-2])))
    last = b.sub(I64(columns - 1), panel.j)
    lanes = [b.select(b.icmp_signed("<", I64(lane), last), I64(lane), last) for lane in range(width)]
    starts = [b.add(panel.offsets[1], b.mul(b.add(panel.j, lane), I64(y.strides[-1]))) for lane in lanes]
    lefts = [b.add(x0, I64(r * x.strides[-2])) for r in range(rows)]
    _lane_sums(panel.k, depth, (y, -1), starts, last, (x, -1), lefts, panel.buffer)


def column_sums(panel: Panel, k: Lanes, i: Any, rows: int, depth: int) -> None:
    """The sums of a single column, by vectors of k's width, whose lanes are rows of the left operand."""
    b, x, vector = k.b, panel.x, k.type(panel.dtype)
    for first in range(0, rows, k.width):
        lanes = [b.add(i, I64(first + lane)) for lane in range(k.width)]
        starts = [b.add(panel.offsets[0], b.mul(row, I64(x.strides[-2]))) for row in lanes]
        place = b.bitcast(panel.place(I64(first)), vector.as_pointer())
        _lane_sums(k, depth, (x, -2), starts, None, (panel.y, -2), [panel.offsets[1]], place)


def _lane_sums(
    k: Lanes,
    depth: int,
    lanes: tuple[StridedOperand, int],
    starts: list[Any],
    last: Any,
    scalars: tuple[StridedOperand, int],
    lefts: list[Any],
    buffer: Any,
) -> None:
    """The sums of vectors times each of some scalars, into the buffer.

    lanes: the operand of which lane l is read from starts[l] on, along k, in square blocks that are turned in
    registers, and the axis on which lanes lie; last: the last lane that exists, if one may not.
    scalars: the other operand and its axis k; lefts: where it is read from on for each sum.
    """
    (across, axis), (other, along) = lanes, scalars
    dtype, width, b = across.dtype, k.width, k.b
    sums = [k.constant(0, dtype).llvm] * len(lefts)

    def add(step: Any, right: Value) -> None:
        far = b.mul(step, I64(other.strides[along]))
        for n, start in enumerate(lefts):
            left = load(k, other, b.add(start, far), 0)
            sums[n] = k.fma(left, right, Value(sums[n], dtype)).llvm

    whole = depth - depth % width
    turned = -1 if axis == -2 else -2
    with for_range(b, I64(0), I64(whole), width, sums) as block:
        at = across.along(b, turned, block)
        rows = [load(k, across, b.add(start, at), 1) for start in starts]
        for c, right in enumerate(transposed(k, rows)):
            add(b.add(block, I64(c)), right)
    for step in range(whole, depth):
        at = across.along(b, turned, I64(step))
        add(I64(step), load(k, across, b.add(starts[0], at), across.strides[axis], last=last))
    for number, total in enumerate(sums):
        b.store(total, b.gep(buffer, [I64(number)], source_etype=k.type(dtype))).align = ITEMSIZE[dtype]
