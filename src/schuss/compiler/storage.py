"""How values lie in memory: row-major, the example axis outermost, long rows spaced out where schuss owns them.

Some matrices of the state lie in panels instead: the first 16 columns, row after row, then the next 16, and so on. A
product's tile of 16 columns then reads its right operand from end to end, as its epilogue does the optimizer's moments.

A matrix product walks down a column of its operand. Where rows are a multiple of 1 kB apart, all of a column's
elements fall into a few sets of the caches and push each other out, so one cache line is left between such rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schuss.compiler.structure import is_const, is_input
from schuss.ir.graph import Node
from schuss.ir.types import Shape, Sym, reach

LINE = 64  # bytes of a cache line
PANEL = 16  # columns of a panel: a thread's share of columns is a multiple of it
LATER = 4  # rows of data are asked for this many rows before they are read; an order goes on as long beyond its end
ITEMSIZE = {"float32": 4, "float64": 8, "int64": 8, "int32": 4, "uint32": 4, "uint8": 1, "bool": 1}


def row_major(shape: Shape, capacity: int, row: int | None = None) -> tuple[int, ...]:
    """Strides with the example axis moved to the front; capacity stands for N, row for the length of the last axis."""
    order = sorted(range(len(shape)), key=lambda a: not isinstance(shape[a], Sym))
    strides = [0] * len(shape)
    step = 1
    for axis in reversed(order):
        strides[axis] = step
        dim = shape[axis]
        length = row if row is not None and step == 1 and axis == order[-1] else dim
        step *= capacity if isinstance(length, Sym) else max(length, 1)
    return tuple(strides)


def spaced_row(shape: Shape, dtype: str, spacing: int) -> int | None:
    """Elements from one row to the next if the rows are spaced out, None if they lie close. spacing: see Tuning."""
    last = shape[-1] if shape else None
    if len(shape) < 2 or isinstance(last, Sym) or last is None:
        return None
    size = last * ITEMSIZE[dtype]
    return last + LINE // ITEMSIZE[dtype] if size and size % spacing == 0 else None


def panel_apart(shape: Shape) -> int:
    """Elements from a panel of a matrix to the next: a row more than there are, lest they share sets of a cache."""
    return (reach(shape[:1]) + 1) * PANEL


@dataclass(frozen=True)
class Storage:
    """capacity  the largest N
    columns   inputs that are resident data: their rows are picked through the order of examples, and lie close
    spacing   everything else, but constants, is spaced out where rows are a multiple of so many bytes (see Tuning); 0:
              nothing is, as callers' arrays may not be
    counter   the input that is the step's number: every kernel is given it, and it lies nowhere
    panels    inputs that lie in panels, matrices whose columns are a multiple of PANEL
    cells     the old state in whose place a new one lies, and as that does
    copies    copies of activations that lie in panels, too (schuss.compiler.passes.panels)
    views     what was found out about them so far (schuss.compiler.views): it is asked for often
    """

    capacity: int
    columns: frozenset[str] = frozenset()
    spacing: int = 0
    counter: str | None = None
    panels: frozenset[str] = frozenset()
    cells: Mapping[Node, Node] = field(default_factory=dict)
    copies: frozenset[Node] = frozenset()
    views: dict[Node, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def is_column(self, node: Node) -> bool:
        return is_input(node) and node.attrs["name"] in self.columns

    def is_counter(self, node: Node) -> bool:
        return is_input(node) and node.attrs["name"] == self.counter

    def _row(self, node: Node) -> int | None:
        if not self.spacing or is_const(node) or self.is_column(node):
            return None
        return spaced_row(node.type.shape, node.type.dtype, self.spacing)

    def panel(self, node: Node) -> int:
        """Elements from a panel of the value to the next; 0 if it does not lie in panels."""
        if node in self.copies:
            return (self.capacity + 1) * PANEL
        held = self.cells.get(node, node)
        return panel_apart(node.type.shape) if is_input(held) and held.attrs["name"] in self.panels else 0

    def strides(self, node: Node) -> tuple[int, ...]:
        """Elements a step along each axis of a value in its own place; along columns that lie in panels, within one."""
        if self.panel(node):
            return (PANEL, 1)
        return row_major(node.type.shape, self.capacity, self._row(node))

    def bytes(self, node: Node) -> int:
        """Size of a value in the arena, with one line to spare and rounded up to whole lines."""
        shape = node.type.shape
        elements = math.prod(self.capacity if isinstance(d, Sym) else d for d in shape)
        if node in self.copies:
            elements = elements // self.capacity * (self.capacity + 1)
        row = self._row(node)
        if row is not None and isinstance(shape[-1], int):
            elements = elements // shape[-1] * row
        return -(-(elements * ITEMSIZE[node.type.dtype] + LINE) // LINE) * LINE
