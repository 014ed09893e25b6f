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
    copies: dict[Node, Node] = {}
    users = Counter(node.inputs[1] for node in graph.nodes if is_matrix_product(node))

    def copy(node: Node) -> Node:
        if node not in copies:
            copies[node] = make("identity", node, like=node)
        return copies[node]

    def strided(node: Node) -> Node | None:
        if is_view(node):
            view = view_of(node, storage)
            if view is not None and view.rows in (None, 0):
                return None
            return with_inputs(node, (copy(node.inputs[0]),))
        if is_matrix_product(node):
            x, y = node.inputs
            direct = rows_contiguous(y) or transposed_by(x, y)
            return with_inputs(node, (copy(x) if gathered(x) or in_panels(x) else x, y if direct else copy(y)))
        if is_source(node):
            return None
        if is_contraction(node):
            node = lanes_last(node, copy)
        numbered = list(zip(node.inputs, reads(node), strict=True))
        if is_map(node):
            return with_inputs(node, tuple(copy(i) if crosswise(i, node) else i for i in node.inputs))
        if is_elementwise(node):
            return with_inputs(node, tuple(copy(i) if apart(i, node, access) else i for i, access in numbered))
        return with_inputs(node, tuple(copy(i) if gathered(i) or in_panels(i) else i for i in node.inputs))

    def apart(operand: Node, node: Node, access: Access | None) -> bool:
        """Whether an operation that depends on its place, too, cannot read the operand where it lies."""
        if access is None:
            return False
        return gathered(operand) or in_panels(operand) if access.whole or access.axes else crosswise(operand, node)

    def crosswise(operand: Node, node: Node) -> bool:
        view = view_of(operand, storage)
        return view is None or (view.rows is not None and view.rows + node.type.rank != operand.type.rank)

    def gathered(node: Node) -> bool:
        view = view_of(node, storage)
        return view is None or view.rows is not None or is_free(view.base) or storage.is_counter(view.base)

    def in_panels(node: Node) -> bool:
        view = view_of(node, storage)
        return view is not None and view.panel is not None

    def rows_contiguous(node: Node) -> bool:
        view = view_of(node, storage)
        return view is not None and not gathered(node) and (view.strides[-1] == 1 or node.type.shape[-1] == 1)

    def transposed_by(x: Node, y: Node) -> bool:
        """Whether the product turns y itself, where that is less than a copy's way to memory and back:

        blocks of it in registers for few rows; of a large one a panel of columns at a time, up to tuning.panel_rows.
        Several products share a copy.
        """
        if x.type.rank != 2 or y.type.rank != 2 or y.type.symbolic:
            return False
        rows = x.type.shape[0]
        if isinstance(rows, Sym):
            large = static_size(y.type.shape) * ITEMSIZE[y.type.dtype] >= tuning.panel_bytes
            most = tuning.panel_rows if large and users[y] < 2 else tuning.few_rows
            rows = storage.capacity
        else:
            most = tuning.few_rows
        if rows > most:
            return False
        view = view_of(y, storage)
        return view is not None and not gathered(y) and view.strides[0] == 1 and 1 not in y.type.shape

    result = rewrite(graph, strided)
    outputs: dict[Node, None] = {}
    for node in result.outputs:
        own = not is_source(node) and not is_view(node) and not is_free(node)
        outputs[make("identity", node, like=node) if not own or node in outputs else node] = None
    return Graph(result.inputs, tuple(outputs), result.output_names)
