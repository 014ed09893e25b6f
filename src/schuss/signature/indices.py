"""Which inputs of a graph are addresses: codes that pick a row, a class or an element, and must not be scaled."""

from __future__ import annotations

from collections.abc import Iterable

from schuss.ir.graph import Graph, Node, topological
from schuss.ir.structure import Fold, Structure
from schuss.ir.types import INTEGERS
from schuss.ops.registry import REGISTRY, Kind, Op


def used_as_indices(graph: Graph) -> set[str]:
    """The names of the inputs that are."""
    return {str(n.attrs["name"]) for n in reaching_an_index(graph.inputs, graph.outputs)}


def reaching_an_index(values: Iterable[Node], outputs: Iterable[Node]) -> set[Node]:
    """Those of the values whose integers, moved or computed with as integers, are the index of an operation."""
    origins: dict[Node, frozenset[Node]] = {n: frozenset([n]) for n in values}
    found: set[Node] = set()
    for node in topological(outputs):
        if node in origins:
            continue
        place = _index_operand(node)
        if place is not None:
            found |= origins.get(node.inputs[place], frozenset())
        if node.type.dtype == "bool" or node.type.is_float or not _carries(node):
            continue
        data = [i for k, i in enumerate(node.inputs) if k != place and not i.type.is_float]
        origins[node] = frozenset().union(*(origins.get(i, frozenset()) for i in data))
    return found


def _index_operand(node: Node) -> int | None:
    """Which operand of a node holds positions; None where none does. A check's is what it looks at."""
    op = REGISTRY.get(node.op)
    if op is None or op.noting:
        return None if op is None else 0
    found = _structure(op, node)
    if found is not None:
        return found.index
    if op.kind is not Kind.INDEX or not op.rule:
        return None
    flat = (k for k, name in enumerate(op.operands) if name not in op.rule)
    return next((k for k in flat if node.inputs[k].type.dtype in INTEGERS), None)  # opaque: integers without a slope


def _carries(node: Node) -> bool:
    """Whether the result's integers come from those of the operands, and are not positions that it has found."""
    op = REGISTRY.get(node.op)
    if op is None or op.kind not in (Kind.MAP, Kind.VIEW, Kind.INDEX, Kind.REDUCE):
        return False
    found = _structure(op, node)
    if found is None and op.view is None:  # of an opaque one its slope tells: what a position has none of
        return op.noting or bool(op.rule)
    return found is None or found.fold is not Fold.ARGMAX


def _structure(op: Op, node: Node) -> Structure | None:
    return None if op.structure is None else op.structure(node.type, *(i.type for i in node.inputs), **node.attrs)
