"""Says by an `identity` node where a value must really be written to memory.

a VIEW that strides cannot express      its source is copied first
a VIEW that moves a column's rows       its rows are gathered first
a matmul's right operand                its rows must be contiguous; one that lies transposed is read so by few rows,
                                        and a large one by the only product of a batch that needs it
a matmul's operand from a column        its rows are gathered once
a matrix that lies in panels            where it is neither mapped nor a matmul's right operand
another contraction's parameters        the axes that are summed come first, the result's last axis lies contiguously
a free scalar or the step's number,     it has no place otherwise
read by place
an output that is an input, a constant,
a view, free or another output          it gets a place of its own
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from schuss.compiler.passes.nodes import make
from schuss.compiler.passes.window import lanes_last
from schuss.compiler.storage import ITEMSIZE, Storage
from schuss.compiler.structure import (
    is_contraction,
    is_elementwise,
    is_free,
    is_map,
    is_matrix_product,
    is_source,
    is_view,
    reads,
)
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.compiler.views import view_of
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite, with_inputs
from schuss.ir.structure import Access
from schuss.ir.types import Sym, static_size


def materialize(graph: Graph, storage: Storage, tuning: Tuning = DEFAULT) -> Graph:
    """The graph in which every remaining VIEW is a matter of strides."""
    users = Counter(node.inputs[1] for node in graph.nodes if is_matrix_product(node))
    result = rewrite(graph, _Written(storage, tuning, users).strided)
    outputs: dict[Node, None] = {}
    for node in result.outputs:
        own = not is_source(node) and not is_view(node) and not is_free(node)
        outputs[make("identity", node, like=node) if not own or node in outputs else node] = None
    return Graph(result.inputs, tuple(outputs), result.output_names)


@dataclass
class _Written:
    """Which operands are written first. users: how many matrix products read a value as their right operand."""

    storage: Storage
    tuning: Tuning
    users: Counter[Node]
    copies: dict[Node, Node] = field(default_factory=dict)

    def copy(self, node: Node) -> Node:
        if node not in self.copies:
            self.copies[node] = make("identity", node, like=node)
        return self.copies[node]

    def strided(self, node: Node) -> Node | None:
        """The node on operands that it can read."""
        if is_view(node):
            view = view_of(node, self.storage)
            readable = view is not None and view.rows in (None, 0)
            return None if readable else with_inputs(node, (self.copy(node.inputs[0]),))
        if is_source(node):
            return None
        if is_map(node):
            return with_inputs(node, tuple([self.copy(i) if self._crosswise(i, node) else i for i in node.inputs]))
        if is_matrix_product(node):
            return self._product(node)
        if is_contraction(node):
            node = lanes_last(node, self.copy)
        if not is_elementwise(node):
            return with_inputs(node, tuple(self.copy(i) if self._awkward(i) else i for i in node.inputs))
        numbered = zip(node.inputs, reads(node), strict=True)
        return with_inputs(node, tuple(self.copy(i) if self._apart(i, node, a) else i for i, a in numbered))

    def _product(self, node: Node) -> Node:
        x, y = node.inputs
        direct = self._rows_contiguous(y) or self._transposed_by(x, y)
        return with_inputs(node, (self.copy(x) if self._awkward(x) else x, y if direct else self.copy(y)))

    def _apart(self, operand: Node, node: Node, access: Access | None) -> bool:
        """Whether an operation that depends on its place, too, cannot read the operand where it lies."""
        if access is None:
            return False
        return self._awkward(operand) if access.whole or access.axes else self._crosswise(operand, node)

    def _crosswise(self, operand: Node, node: Node) -> bool:
        """Whether a map cannot go along the operand's rows."""
        view = view_of(operand, self.storage)
        return view is None or (view.rows is not None and view.rows + node.type.rank != operand.type.rank)

    def _gathered(self, node: Node) -> bool:
        """Whether it does not lie in rows of its own: picked by the order of examples, or made by each who reads it."""
        view = view_of(node, self.storage)
        return view is None or view.rows is not None or is_free(view.base) or self.storage.is_counter(view.base)

    def _awkward(self, node: Node) -> bool:
        """Whether only maps and a product's right operand can be read so."""
        view = view_of(node, self.storage)
        return self._gathered(node) or (view is not None and view.panel is not None)

    def _rows_contiguous(self, node: Node) -> bool:
        view = view_of(node, self.storage)
        return view is not None and not self._gathered(node) and (view.strides[-1] == 1 or node.type.shape[-1] == 1)

    def _transposed_by(self, x: Node, y: Node) -> bool:
        """Whether the product turns y itself, where that is less than a copy's way to memory and back:

        blocks of it in registers for few rows; of a large one a panel of columns at a time, up to tuning.panel_rows.
        Several products share a copy.
        """
        if x.type.rank != 2 or y.type.rank != 2 or y.type.symbolic:
            return False
        rows, most = x.type.shape[0], self.tuning.few_rows
        if isinstance(rows, Sym):
            large = static_size(y.type.shape) * ITEMSIZE[y.type.dtype] >= self.tuning.panel_bytes
            rows = self.storage.capacity
            most = self.tuning.panel_rows if large and self.users[y] < 2 else most
        view = view_of(y, self.storage)
        turned = view is not None and not self._gathered(y) and view.strides[0] == 1 and 1 not in y.type.shape
        return rows <= most and turned
