"""What a graph costs, and whether its rows are independent."""

from __future__ import annotations

from schuss.compiler.structure import kind
from schuss.ir.graph import Graph, Node
from schuss.ir.types import Shape, Sym
from schuss.ops.registry import Kind


def work(graph: Graph, n: int) -> float:
    """Floating-point operations of one run with n examples: 2 m k n a product, one an element otherwise."""
    total = 0.0
    for node in graph.nodes:
        if kind(node) is Kind.CONTRACT:
            total += 2 * _size(node.type.shape, n) * _size(contracted(node), n)
        elif kind(node) in (Kind.MAP, Kind.RANDOM):
            total += _size(node.type.shape, n)
        elif kind(node) is Kind.REDUCE:
            total += _size(node.inputs[0].type.shape, n)
    return total


def contracted(node: Node) -> Shape:
    """The axes along which a product sums."""
    shape = node.inputs[0].type.shape
    return tuple(shape[a] for a in node.attrs["contract"][0]) if "contract" in node.attrs else shape[-1:]


def _size(shape: Shape, n: int) -> float:
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
    if kind(node) is Kind.RANDOM:
        return False
    if node.op == "matmul" and node.inputs[1].type.rank == 2 and node.inputs[1].type.symbolic:
        return False
    return first and once
