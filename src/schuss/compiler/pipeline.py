"""The order of passes; each is run, then the graph is checked."""

from __future__ import annotations

from collections.abc import Callable

from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.simplify import simplify
from schuss.compiler.passes.window import slide
from schuss.ir.graph import Graph
from schuss.ops.check import verify_graph

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    simplify,
    common_subexpressions,
    simplify,
    common_subexpressions,
    slide,
)


def optimize(graph: Graph) -> Graph:
    """Every pass in order. GraphError if one of them breaks a rule of the IR."""
    for run in PASSES:
        graph = run(graph)
        verify_graph(graph)
    return graph
