"""Updates of only the rows of a table that a batch has touched (PyTorch: sparse gradients).

A model asks for it by `take(table, index, axis=0, sparse=True)`, as nn.Embedding(sparse=True) does. The gradient of
such a table is a sum of scatter_adds: rows, and the indices where they belong. Of these come a RowGradient, the rows of
the table and of the optimizer's arrays, their update by the optimizer's own formula, and the new rows in their places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schuss import ops
from schuss.errors import UsageError
from schuss.ir.graph import Node, topological
from schuss.ir.types import Sym, static_size
from schuss.ops.registry import Kind, lookup
from schuss.trace import Tensor

MEND = "leave out sparse=True"


@dataclass(frozen=True, eq=False)
class RowGradient:
    """The gradient of a table of which all but some rows have none.

    index   the rows [...], int64; one may stand several times
    values  [*index.shape, ...]: at each place the gradient of its row, whole
    size    how many rows the table has
    """

    index: Tensor
    values: Tensor
    size: int

    def of(self, table: Tensor) -> Tensor:
        """The rows of the table."""
        found: Tensor = ops.take(table, self.index, axis=0, mode="clip", sparse=True)
        return found

    def put(self, table: Tensor, rows: Tensor) -> Tensor:
        """The table with these rows."""
        new: Tensor = ops.set_rows(table, self.index, rows)
        return new

    def squares(self) -> Tensor:
        """The sum of the squares of the gradient, each row counted once."""
        times = ops.coalesce(ops.ones_like(self.index, self.values.dtype), self.index, size=self.size)
        each = self.values * self.values
        of_rows = ops.sum(each, axis=tuple(range(self.index.ndim, each.ndim))) if each.ndim > self.index.ndim else each
        total: Tensor = ops.sum(of_rows / times)
        return total

    def __mul__(self, factor: Any) -> RowGradient:
        return RowGradient(self.index, self.values * factor, self.size)


Gradient = Tensor | RowGradient


def sparse_tables(result: Node, params: Mapping[str, Tensor]) -> set[str]:
    """The parameters of which a graph takes rows with sparse=True. UsageError where it takes them of what is computed
    from parameters; constants, as another model's tables, are let be.
    """
    names = {p.node: name for name, p in params.items()}
    found, hanging = set(), set(names)
    for node in topological([result]):
        if any(i in hanging for i in node.inputs):
            hanging.add(node)
        if node.op == "take" and node.attrs.get("sparse") and node.inputs[0] in hanging:
            if node.inputs[0] not in names:
                line = f" (line: {node.site})" if node.site is not None else ""
                raise UsageError(f"take: sparse=True is of the rows of a Parameter, this is computed; {MEND}{line}")
            found.add(names[node.inputs[0]])
    return found


def by_rows(name: str, g: Tensor, table: Tensor) -> RowGradient:
    """The gradient of the table `name` as rows. UsageError if it is not made of rows alone."""
    parts = [(part.inputs[0], part.inputs[1]) for part in _parts(name, g.node)]
    index, rows = _joined(name, [_by_example(Tensor(rows), ops.cast(Tensor(at), dtype="int64")) for rows, at in parts])
    size = int(table.type.shape[0])
    return RowGradient(index, ops.coalesce(rows, index, size=size), size)


def _parts(name: str, g: Node) -> Iterator[Node]:
    """The scatter_adds whose sum a gradient is, in their order."""
    if g.op == "add" and all(i.type == g.type for i in g.inputs):
        for part in g.inputs:
            yield from _parts(name, part)
    elif g.op == "scatter_add" and g.attrs["axis"] == 0:
        yield g
    else:
        line = f" (line: {g.site})" if g.site is not None else ""
        raise UsageError(
            f"fit: {name} is to be updated by rows, and the loss uses the whole of it, too, by {g.op}; {MEND}{line}"
        )


def _by_example(rows: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the examples first, which may be another axis of the indices, as of [T, N]."""
    first = next((axis for axis, d in enumerate(index.shape) if isinstance(d, Sym)), 0)
    axes = (first, *(axis for axis in range(index.ndim) if axis != first)) if first else tuple(range(index.ndim))
    if first:
        index = ops.transpose(index, axes=axes)
        rows = ops.transpose(rows, axes=(*axes, *range(index.ndim, rows.ndim)))
    return rows, index


def _joined(name: str, parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """(indices, rows) of all parts: of each example those of the one after those of the other."""
    if len(parts) == 1:
        ((rows, index),) = parts
        return index, rows
    by_example = [bool(i.shape) and isinstance(i.shape[0], Sym) for _, i in parts]
    if any(by_example) and not all(by_example):
        raise UsageError(
            f"fit: {name} is to be updated by rows, and is read by indices of the examples and by others that are the "
            f"same for all; {MEND}, or make two tables of it"
        )
    axis = int(any(by_example))
    indices, values = [], []
    for rows, index in parts:
        count = static_size(index.shape)
        indices.append(index.reshape((-1,) * axis + (count,)))
        values.append(rows.reshape((-1,) * axis + (count, *rows.shape[index.ndim :])))
    return ops.concatenate(indices, axis=axis), ops.concatenate(values, axis=axis)


def check_elementwise(optimizer: str, name: str, rows: list[Tensor], results: list[Tensor]) -> None:
    """UsageError unless each element of the results hangs on the elements of the rows at its own place alone."""
    hanging = {r.node for r in rows}
    for node in topological([r.node for r in results]):
        if node not in hanging and any(i in hanging for i in node.inputs):
            if lookup(node.op).kind is not Kind.MAP or node.type.shape != rows[0].shape:
                raise UsageError(
                    f"fit: {name} is to be updated by rows, and {optimizer} computes with the whole of it, by "
                    f"{node.op}; {MEND}, or take an optimizer that works element by element"
                )
            hanging.add(node)
