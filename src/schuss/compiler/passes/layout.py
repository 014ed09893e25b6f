"""Which way round the matrices of the state are kept in memory, and what is computed of them.

The native product wants rows of its right operand contiguous; the left one may lie anyhow, and so may both of a sum
over examples. PyTorch's Linear holds W as out x in and computes x @ W', others hold it as in x out and compute x @ W;
going back g is multiplied by the other one. Whatever is written, W lies for the whole run as its first product reads
it, the moments lie as W does, and its gradient is made the same way round, x' @ g or g' @ x, so that the update rides
in the gradient's epilogue and goes along rows:

    what is mapped place by place from each other lies the same way round, transposes of it the other
    a product wants its right operand as it reads it; what reads or makes a value otherwise wants it as it is written
    the way round is chosen for which less must be transposed in a step, of two equal ones that of the first product
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.nodes import is_ones
from schuss.compiler.passes.simplify import simplify
from schuss.compiler.passes.turning import by_rows, is_full_sum, is_swap, turned
from schuss.compiler.structure import is_contraction, is_input, is_map, is_matrix_product, is_source, is_view
from schuss.ir.graph import Graph, Node
from schuss.ir.types import Sym, static_size


@dataclass(frozen=True)
class Layout:
    """A graph whose inputs in `swapped` are kept transposed, and outputs of the same name likewise."""

    graph: Graph
    swapped: frozenset[str]


def choose_layout(graph: Graph, state: tuple[str, ...]) -> Layout:
    """The graph on the state as it is to be kept."""
    graph = by_rows(graph)
    found = _Matrices(graph, frozenset(state))
    across = found.across()
    swapped = frozenset(str(n.attrs["name"]) for n in across if is_input(n))
    across = {n for n in across if is_input(n) or is_matrix_product(n) or is_map(n)}
    if across:
        graph = common_subexpressions(simplify(turned(graph, across, swapped)))
    return Layout(graph, swapped)


@dataclass
class _Side:
    """Matrices that lie one way round, those of odd parity the other; what is to be transposed for either choice."""

    cost: list[int] = field(default_factory=lambda: [0, 0])  # if those of even parity lie as they are written, or not
    first: int | None = None  # parity of the first right operand


class _Matrices:
    """The static matrices of a graph that hang on its state place by place."""

    def __init__(self, graph: Graph, state: frozenset[str]) -> None:
        self.graph = graph
        self.nodes = [n for n in graph.nodes if _is_matrix(n)]
        self.state = {n for n in graph.inputs if n.attrs["name"] in state and _is_matrix(n)}
        self.above: dict[Node, tuple[Node, int]] = {}  # another of the same side, and the parity between them
        if self.state:
            self._join()

    def across(self) -> set[Node]:
        """Those that are to be computed, or given, as their transposes."""
        if not self.state:
            return set()
        sides = self._sides()
        chosen = {}
        for root, side in sides.items():
            straight, swapped = side.cost
            chosen[root] = int(swapped < straight) if swapped != straight else side.first or 0
        parities = ((node, self._parity(node)) for node in self.nodes)
        return {n for n, (root, odd) in parities if root in chosen and chosen[root] != odd and not is_swap(n)}

    # -- what lies the same way round ------------------------------------------------------------------

    def _join(self) -> None:
        for node in self.nodes:
            if is_swap(node):
                self._together(node, node.inputs[0], 1)
            elif is_map(node):
                for operand in node.inputs:
                    if operand.type.shape[-2:] == node.type.shape[-2:] and not is_ones(node.type.shape[-2:]):
                        self._together(node, operand, 0)
        inputs = {str(n.attrs["name"]): n for n in self.state}
        for name, new in zip(self.graph.output_names, self.graph.outputs, strict=True):
            if name in inputs:
                self._together(new, inputs[name], 0)

    def _parity(self, node: Node) -> tuple[Node, int]:
        """(the node that stands for the side, whether this one lies the other way round)."""
        path, odd = [], 0
        while node in self.above:
            path.append(node)
            node = self.above[node][0]
        for each in reversed(path):
            odd ^= self.above[each][1]
            self.above[each] = node, odd
        return node, odd

    def _together(self, one: Node, other: Node, odd: int) -> None:
        """They lie the same way round, or, if odd, do not. What contradicts what was said before is read across."""
        (root, first), (onto, second) = self._parity(one), self._parity(other)
        if root is not onto:
            self.above[root] = onto, odd ^ first ^ second

    # -- what must be transposed --------------------------------------------------------------------------

    def _sides(self) -> dict[Node, _Side]:
        """Those of the state, by the node that stands for them."""
        sides = {self._parity(n)[0]: _Side() for n in self.graph.inputs if n in self.state}
        right, otherwise = self._read()
        for node in right:
            root, odd = self._parity(node)
            if root in sides and sides[root].first is None:
                sides[root].first = odd
        for node in self.nodes:
            root, odd = self._parity(node)
            side = sides.get(root)
            if side is None:
                continue
            asked = node in right or node in otherwise or not _is_free_to_turn(node)
            if asked and 1 not in node.type.shape[-2:]:  # a row or a column lies as its transpose does
                side.cost[1 ^ odd] += static_size(node.type.shape)
        return sides

    def _read(self) -> tuple[dict[Node, None], set[Node]]:
        """What products read as their right operand, in order; what is read otherwise than by these and by place."""
        right, otherwise = dict[Node, None](), set[Node]()
        for node in self.graph.nodes:
            if is_contraction(node):
                right[node.inputs[1]] = None
            elif not (is_source(node) or is_map(node) or is_swap(node) or is_full_sum(node)):
                otherwise.update(node.inputs)
        return right, otherwise


def _is_matrix(node: Node) -> bool:
    return node.type.rank >= 2 and not node.type.symbolic


def _is_free_to_turn(node: Node) -> bool:
    """Whether it costs nothing to compute it as its transpose."""
    if is_matrix_product(node):
        x = node.inputs[0]
        return is_swap(x) or isinstance(x.type.shape[-1], Sym)
    return is_source(node) or is_map(node) or is_view(node)
