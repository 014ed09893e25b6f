"""What a graph costs, and whether its rows are independent."""

from __future__ import annotations

from schuss.compiler.structure import (
    contracted,
    is_contraction,
    is_elementwise,
    is_reduction,
    of_shapes,
    reads,
    structure_of,
)
from schuss.ir.graph import Graph, Node
from schuss.ir.structure import Access
from schuss.ir.types import Shape, Sym


def work(graph: Graph, n: int) -> float:
    """Floating-point operations of one run with n examples: 2 m k n a product, one an element otherwise."""
    total = 0.0
    for node in graph.nodes:
        if is_contraction(node):
            total += 2 * elements(node.type.shape, n) * elements(contracted(node), n)
        elif is_elementwise(node) and not of_shapes(node):
            total += elements(node.type.shape, n)
        elif is_reduction(node):
            total += elements(node.inputs[0].type.shape, n)
    return total


def elements(shape: Shape, n: int) -> float:
    """Elements of a shape for n examples."""
    size = 1.0
    for dim in shape:
        size *= n if isinstance(dim, Sym) else dim
    return size


def row_independent(graph: Graph) -> bool:
    """Whether each output's row i depends on row i of the inputs alone, so that rows may be cut into chunks."""
    mixed: set[Node] = set()
    for node in graph.nodes:
        if node.type.symbolic:
            mixed.add(node)
        elif any(i in mixed for i in node.inputs):
            return False
    return bool(mixed) and all(_keeps_rows(n) for n in mixed) and all(o in mixed for o in graph.outputs)


def _keeps_rows(node: Node) -> bool:
    first = isinstance(node.type.shape[0], Sym)
    once = sum(isinstance(d, Sym) for d in node.type.shape) == 1
    found = structure_of(node)
    if found is not None and (found.place or 0 in found.coordinates):
        return False
    return first and once and all(map(_along_rows, reads(node), node.inputs))


def _along_rows(access: Access | None, operand: Node) -> bool:
    """Whether of an operand with examples each row is read for its own row of the result."""
    if access is None or not operand.type.symbolic:
        return True
    return access.whole or access.axes[:1] == (0,)
