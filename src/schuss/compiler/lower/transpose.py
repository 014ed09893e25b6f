"""A matrix copied as its transpose: square blocks are read by vectors, transposed in registers and stored by vectors.

An element at a time, such a copy would touch a cache line for each; this way each line is read once and written once.
"""

from __future__ import annotations

from typing import Any

from schuss.compiler.llvm.builder import chosen
from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.simd import I64, Lanes, Value
from schuss.compiler.lower.kernel import Kernel, load, store
from schuss.compiler.lower.loop_nest import StridedOperand
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.structure import is_copy
from schuss.ir.graph import Node
from schuss.ir.types import FLOATS, Sym


def is_transpose(kernel: Kernel, group: Group) -> bool:
    """Whether the group is nothing but copies of static matrices that lie transposed, to where they lie row-major."""
    if group.form is not Form.MAP or group.folds or len(group.space) != 2:
        return False
    if any(isinstance(d, Sym) for d in group.space):
        return False
    panels = any(kernel.plan.storage.panel(node) for node in group.maps)
    return not panels and all(is_copy(node) and _lies_transposed(kernel, node.inputs[0]) for node in group.maps)


def _lies_transposed(kernel: Kernel, source: Node) -> bool:
    if source.type.dtype not in FLOATS or source.type.rank != 2:
        return False
    view = kernel.view(source)
    return view.rows is None and view.strides[0] == 1 and view.strides[1] > 1


def emit_transpose(kernel: Kernel, group: Group) -> None:
    """This thread's rows of each copy, one matrix after the other."""
    for node in group.maps:
        _transpose(kernel, node)


def _transpose(kernel: Kernel, node: Node) -> None:
    """Blocks of a vector's length each way, then what is left, by elements."""
    source, target = kernel.read(node.inputs[0], 2, panels=True), kernel.write(node)
    columns = node.type.shape[1]
    assert isinstance(columns, int)
    b, k = kernel.b, kernel.lanes(kernel.target.lanes(node.type.dtype))
    first = kernel.low if source.panel is None else _aligned(b, kernel.low, kernel.high, k.width)
    whole_rows = b.sub(kernel.high, b.srem(b.sub(kernel.high, first), I64(k.width)))
    whole_columns = I64(columns - columns % k.width)
    with for_range(b, first, whole_rows, k.width) as i, for_range(b, I64(0), whole_columns, k.width) as j:
        _block(k, source, target, i, j)
    if source.panel is not None:
        _elements(kernel, source, target, (kernel.low, first), (I64(0), I64(columns)))
    _elements(kernel, source, target, (first, whole_rows), (whole_columns, I64(columns)))
    _elements(kernel, source, target, (whole_rows, kernel.high), (I64(0), I64(columns)))


def _aligned(b: Any, low: Any, high: Any, width: int) -> Any:
    """The first row of a thread's share from which on no block is cut by the end of a panel, or the share's end."""
    above = b.add(low, I64(width - 1))
    first = b.sub(above, b.srem(above, I64(width)))
    return b.select(b.icmp_signed("<", first, high), first, high)


def _offset(b: Any, term: StridedOperand, i: Any, j: Any) -> Any:
    return b.add(term.along(b, -2, i), term.along(b, -1, j))


def _block(k: Lanes, source: StridedOperand, target: StridedOperand, i: Any, j: Any) -> None:
    b = k.b
    at = _offset(b, source, i, j)
    vectors = [load(k, source, b.add(at, I64(c * source.strides[1])), 1) for c in range(k.width)]
    at = _offset(b, target, i, j)
    for r, value in enumerate(transposed(k, vectors)):
        store(k, target, b.add(at, I64(r * target.strides[0])), value)


def transpose_panel(
    k: Lanes, source: StridedOperand, starts: list[Any], last: Any, depth: int, target: StridedOperand, at: Any
) -> None:
    """Columns of the source, each of which lies in a row, from `starts` on, into rows of the target from `at` on.

    They are whole vectors; last: the number of the last column that exists, if of the only vector one may not.
    """
    b, width = k.b, k.width
    whole = depth - depth % width
    with for_range(b, I64(0), I64(whole), width) as block:
        along = source.along(b, -2, block)
        for v in range(0, len(starts), width):
            columns = [load(k, source, b.add(start, along), 1) for start in starts[v : v + width]]
            for c, row in enumerate(transposed(k, columns)):
                place = b.add(at, b.mul(b.add(block, I64(c)), I64(target.strides[-2])))
                store(k, target, b.add(place, I64(v)), row)
    with for_range(b, I64(whole), I64(depth)) as step:
        along = source.along(b, -2, step)
        for v in range(0, len(starts), width):
            row = load(k, source, b.add(starts[v], along), source.strides[-1], last=last)
            store(k, target, b.add(b.add(at, b.mul(step, I64(target.strides[-2]))), I64(v)), row)


def transposed(k: Lanes, vectors: list[Value]) -> list[Value]:
    """Row r of the result is lane r of every vector: off-diagonal blocks change places, halves, quarters, and so on.

    Source: Eklundh, A fast computer method for matrix transposing (1972).
    """
    rows, width = [v.llvm for v in vectors], k.width
    distance = width // 2
    while distance:
        for r in range(width):
            if not r & distance:
                x, y = rows[r], rows[r | distance]
                low = [width + (lane ^ distance) if lane & distance else lane for lane in range(width)]
                high = [width + lane if lane & distance else lane | distance for lane in range(width)]
                rows[r], rows[r | distance] = (chosen(k.b, x, y, lanes) for lanes in (low, high))
        distance //= 2
    return [Value(row, vectors[0].dtype) for row in rows]


def _elements(
    kernel: Kernel, source: StridedOperand, target: StridedOperand, rows: tuple[Any, Any], columns: tuple[Any, Any]
) -> None:
    b, k = kernel.b, kernel.lanes(1)
    with for_range(b, *rows) as i, for_range(b, *columns) as j:
        store(k, target, _offset(b, target, i, j), load(k, source, _offset(b, source, i, j), 0))
