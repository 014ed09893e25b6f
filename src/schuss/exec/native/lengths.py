"""Functions with other symbols than N. Native code takes the number of rows as it runs; other lengths are part of the
code, which is made when they are first met."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schuss.exec.native.code import check_code
from schuss.exec.native.kept import Kept
from schuss.exec.seams import lengths_of
from schuss.ir.executor import Array, Compiled
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import with_lengths
from schuss.ir.types import N, Sym, symbols_in


def beside_n(graph: Graph) -> tuple[Sym, Node] | None:
    """The first symbol that is not N, and whose length it is; None where all are N."""
    return next(((d, node) for node in graph.nodes for d in symbols_in(node.type.shape) if d != N), None)


class FunctionOfLengths:
    """A function of arrays that has native code for each choice of the lengths that are not N.

    make: of a graph whose lengths are numbers, and N
    """

    def __init__(self, graph: Graph, make: Callable[[Graph], Compiled]) -> None:
        check_code(graph)
        self._graph = graph
        self._made = Kept[tuple[tuple[Sym, int], ...], Compiled](
            lambda lengths: make(with_lengths(graph, {**dict(lengths), N: N}))
        )

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        lengths = lengths_of(self._graph, arrays)
        return self._made[tuple((symbol, length) for symbol, length in lengths.items() if symbol != N)](arrays)
