"""Iteration spaces: axes, the terms that are addressed along them, and loops over both.

A term is anything whose address follows the loop indices: an operand read, a value stored, or an index
(iota) used as a number. Axes along which all terms are contiguous become one loop.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schuss.compiler.llvm.loops import Going, for_range
from schuss.compiler.llvm.simd import I64
from schuss.compiler.storage import PANEL


@dataclass(frozen=True, eq=False)
class StridedOperand:
    """strides: elements a step along each axis of the space. rows: axis 0 goes through the order of examples.

    panel: the axis, counted from the last, -1, that goes by panels of 16, and elements from one to the next.
    """

    strides: tuple[int, ...]
    pointer: Any = None  # of element 0; None for an iota
    dtype: str = "int64"
    rows: bool = False
    panel: tuple[int, int] | None = None

    def jump(self, axis: int) -> int:
        """Elements from a panel to the next along an axis, counted from the last, -1; 0 where there are none."""
        return self.panel[1] if self.panel is not None and self.panel[0] == axis else 0

    def along(self, b: Any, axis: int, index: Any) -> Any:
        """Elements from the start of an axis, counted from the last, -1, to an index of it."""
        return _panelled(b, index, self.strides[axis], self.jump(axis))


@dataclass(frozen=True)
class LoopAxis:
    """One loop: from start to stop, `length` when it is known, and each term's stride, and from panel to panel."""

    start: Any
    stop: Any
    length: int | None
    strides: tuple[int, ...]
    jumps: tuple[int, ...] = ()


def collapse(axes: Sequence[LoopAxis], terms: Sequence[StridedOperand], first: bool) -> list[LoopAxis]:
    """Axes of length 1 dropped, neighbours along which every term is contiguous joined.

    first: whether axes[0] is the space's axis 0, along which a column's rows lie anywhere.
    """
    result: list[LoopAxis] = []
    for at, axis in enumerate(axes):
        if axis.length == 1 and not (first and at == 0):
            continue
        outer = result[-1] if result else None
        pinned = first and len(result) == 1 and any(t.rows for t in terms)
        if outer is not None and axis.length is not None and not pinned and _contiguous(outer, axis):
            result[-1] = _joined(outer, axis, axis.length)
        else:
            result.append(axis)
    return result


def _contiguous(outer: LoopAxis, inner: LoopAxis) -> bool:
    return not any((*outer.jumps, *inner.jumps)) and all(
        o == i * inner.length for o, i in zip(outer.strides, inner.strides, strict=True) if inner.length
    )


def _joined(outer: LoopAxis, inner: LoopAxis, length: int) -> LoopAxis:
    """One axis for two; constant bounds are multiplied here, run-time ones by the nest."""
    known = None if outer.length is None else outer.length * length
    return LoopAxis(_times(outer.start, length), _times(outer.stop, length), known, inner.strides)


def _times(bound: Any, factor: int) -> Any:
    """A bound is a number or a function of the builder, so that none is emitted before it is needed."""
    if isinstance(bound, int):
        return bound * factor
    return lambda b: b.mul(bound(b), I64(factor))


def emit_bound(b: Any, bound: Any) -> Any:
    """The bound as an LLVM value."""
    return I64(bound) if isinstance(bound, int) else bound(b)


@contextlib.contextmanager
def nest(
    b: Any,
    axes: Sequence[LoopAxis],
    terms: Sequence[StridedOperand],
    offsets: list[Any],
    order: Any,
    going: Going | None = None,
) -> Iterator[list[Any]]:
    """Loops over the axes, outermost first; yields each term's offset in elements at this place. going: see for_range;
    asked by the outermost one.
    """
    with contextlib.ExitStack() as stack:
        for at, axis in enumerate(axes):
            start, stop = emit_bound(b, axis.start), emit_bound(b, axis.stop)
            index = stack.enter_context(for_range(b, start, stop, going=None if at else going))
            offsets = advance(b, axis, terms, offsets, index, order)
        yield offsets


@contextlib.contextmanager
def first_then_rest(
    b: Any, axes: Sequence[LoopAxis], terms: Sequence[StridedOperand], offsets: list[Any], order: Any
) -> Iterator[list[Any]]:
    """Loops over axes of which only the first may go through the order of examples."""
    with nest(b, axes[:1], terms, offsets, order) as first, nest(b, axes[1:], terms, first, None) as rest:
        yield rest


def advance(
    b: Any, axis: LoopAxis, terms: Sequence[StridedOperand], offsets: Sequence[Any], index: Any, order: Any
) -> list[Any]:
    """Offsets after moving to `index` along the axis. order: pointer to the examples' numbers, if this is axis 0."""
    row = None
    result = []
    jumps = axis.jumps or (0,) * len(terms)
    for term, stride, jump, offset in zip(terms, axis.strides, jumps, offsets, strict=True):
        at = index
        if term.rows and stride and order is not None:
            if row is None:
                row = b.load(b.gep(order, [index], source_etype=I64), typ=I64)
                row.align = 8
            at = row
        if stride == 0:
            result.append(offset)
        else:
            result.append(b.add(offset, _panelled(b, at, stride, jump)))
    return result


def _panelled(b: Any, index: Any, stride: int, jump: int) -> Any:
    """Elements to an index of an axis. jump: from a panel to the next, 0 where there are none."""
    if jump:
        within = b.and_(index, I64(PANEL - 1))
        whole = b.mul(b.ashr(index, I64(PANEL.bit_length() - 1)), I64(jump))
        return b.add(whole, within if stride == 1 else b.mul(within, I64(stride)))
    return index if stride == 1 else b.mul(index, I64(stride))
