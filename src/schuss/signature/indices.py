"""Which inputs of a graph are addresses: codes that pick a row, a class or an element, and must not be scaled."""

from __future__ import annotations

from collections.abc import Iterable

from schuss.ir.graph import Graph, Node, topological
from schuss.ops.registry import REGISTRY, Kind

INDEX_OPERAND: dict[str, int | None] = {"take": 1, "scatter_add": 1, "coalesce": 1, "set_rows": 1}
INDEX_OPERAND |= {"one_hot": 0, "check_index": 0, "argsort": None, "overlap_add": None}
"""Where an operation of kind INDEX has its index; None for one whose places are its result or no data."""

_COMPUTES_PLACES = ("argmax", "argmin", "argsort")  # their results are no longer the input's values


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
        place = INDEX_OPERAND.get(node.op)
        if place is not None:
            found |= origins.get(node.inputs[place], frozenset())
        if node.type.dtype == "bool" or node.type.is_float or not _carries(node):
            continue
        data = [i for k, i in enumerate(node.inputs) if k != place and not i.type.is_float]
        origins[node] = frozenset().union(*(origins.get(i, frozenset()) for i in data))
    return found


def _carries(node: Node) -> bool:
    """Whether the result's integers come from those of the operands."""
    known = REGISTRY.get(node.op)
    kind = None if known is None else known.kind
    return kind in (Kind.MAP, Kind.VIEW, Kind.INDEX, Kind.REDUCE) and node.op not in _COMPUTES_PLACES
