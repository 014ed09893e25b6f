"""Which matrices of the state lie in panels of 16 columns (schuss.compiler.storage), for the whole run.

A weight does that a product reads as its right operand: a tile of the product finds its columns side by side, row
after row. The states that are updated along with it (moments) lie likewise. Nothing is changed in the graph: to it they
are the matrices that they were. A weight stays row-major if anything else is done with it, or with its gradient, than
kernels do well with panels: other operands, sums of it, gathers, or an update, of it or of its moments, that is not
made where the gradient is (that by the norm of all gradients, say).

A weight gradient of many columns goes through all examples for some of them at a time. What it reads of the
activations, a few of their columns row after row, is written once more, in panels, by the kernel that makes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from schuss.compiler.passes.nodes import make
from schuss.compiler.passes.turning import is_swap
from schuss.compiler.storage import ITEMSIZE, PANEL, Storage
from schuss.compiler.structure import (
    is_contraction,
    is_input,
    is_map,
    is_matrix_product,
    is_source,
    is_view,
    sums_examples,
)
from schuss.compiler.tuning import Tuning
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite, with_inputs
from schuss.ir.types import FLOATS, Shape, Sym, TensorType, static_size


def choose_panels(graph: Graph, state: tuple[str, ...], least: int) -> frozenset[str]:
    """The names of these states. least: bytes of the smallest matrix for which it is worth it."""
    found = _Found(graph, frozenset(state), least)
    chosen = set[Node]()
    for weight in found.suitable:
        if weight not in chosen and any(_is_right_operand(weight, user) for user in graph.users[weight]):
            together, updates = found.updated_with(weight)
            if all(found.is_made_at_once(nodes) for nodes in updates):
                chosen |= together
    return frozenset(_name(n) for n in chosen)


def copy_to_panels(graph: Graph, storage: Storage, tuning: Tuning) -> tuple[Graph, frozenset[Node]]:
    """The graph in which such gradients read copies of the activations, and these copies."""
    if not storage.panels or not any(_reads_often(node, tuning) for node in graph.nodes):
        return graph, frozenset()
    copies: dict[Node, Node] = {}
    others = _spaces_without_panels(graph)

    def reading(node: Node) -> Node | None:
        if not _reads_often(node, tuning):
            return None
        x, y = node.inputs
        activations = x.inputs[0]
        if activations.type.shape in others:
            return None
        if activations not in copies:
            copies[activations] = make("identity", activations, like=activations)
        return with_inputs(node, (with_inputs(x, (copies[activations],)), y))

    changed = rewrite(graph, reading)
    return changed, frozenset(copies.values())


def _reads_often(node: Node, tuning: Tuning) -> bool:
    """Whether it is the gradient of a matrix of so many columns, by activations of whole panels of them."""
    if not is_matrix_product(node) or node.type.rank != 2 or not is_swap(node.inputs[0]):
        return False
    activations, columns = node.inputs[0].inputs[0], node.type.shape[-1]
    if is_source(activations) or is_view(activations) or isinstance(columns, Sym):
        return False
    rows, units = activations.type.shape
    whole = isinstance(rows, Sym) and isinstance(units, int) and units > 0 and units % PANEL == 0
    return whole and activations.type.dtype in FLOATS and columns >= tuning.reread * PANEL


def _spaces_without_panels(graph: Graph) -> set[Shape]:
    """Those of contractions over any axes: a map over such a space may become part of a kernel that reads and writes no
    panels."""
    joined = [n for n in graph.nodes if is_contraction(n) and not is_matrix_product(n) and not sums_examples(n)]
    return {n.type.shape for n in joined}


def can_lie_in_panels(type: TensorType) -> bool:
    """Whether it is a matrix of numbers whose columns are whole panels, and no single row of them."""
    if type.rank != 2 or type.dtype not in FLOATS or any(isinstance(d, Sym) for d in type.shape):
        return False
    rows, columns = (static_size((d,)) for d in type.shape)
    return rows > 1 and columns > 0 and columns % PANEL == 0


class _Found:
    """What of a graph's state may lie in panels, and how it is updated."""

    def __init__(self, graph: Graph, state: frozenset[str], least: int) -> None:
        self.users, self.results = graph.users, set(graph.outputs)
        named = [n for n in graph.inputs if n.attrs["name"] in state and can_lie_in_panels(n.type)]
        large = [n for n in named if static_size(n.type.shape) * ITEMSIZE[n.type.dtype] >= least]
        others = _spaces_without_panels(graph)
        free = [n for n in large if n.type.shape not in others and n not in self.results]
        self.suitable = dict.fromkeys(n for n in free if all(self._suits(n, u) for u in self.users[n]))
        new = [(name, o) for name, o in zip(graph.output_names, graph.outputs, strict=True) if name in state]
        self.updates = {name: self.mapped_from(o) for name, o in new if can_lie_in_panels(o.type)}

    def _suits(self, node: Node, user: Node) -> bool:
        """Whether kernels read the node in panels as well as row-major: place by place, or as a right operand."""
        if is_swap(user):
            return user not in self.results and all(_is_right_operand(user, u) for u in self.users[user])
        return _is_right_operand(node, user) or _is_map_of(user, node.type)

    def updated_with(self, weight: Node) -> tuple[set[Node], list[list[Node]]]:
        """The states that lie as the weight does if it lies in panels, it among them; and what their new values, and
        all others that hang on them place by place, are mapped from.
        """
        together, fresh = set[Node](), {weight}
        met = dict[str, list[Node]]()
        while fresh:
            together |= fresh
            own = {_name(n) for n in fresh}
            met |= {name: nodes for name, nodes in self.updates.items() if name in own or not fresh.isdisjoint(nodes)}
            fresh = {n for nodes in met.values() for n in nodes if n in self.suitable} - together
        return together, [*met.values()]

    def mapped_from(self, result: Node) -> list[Node]:
        """The values a new state is mapped from, place by place, and all on the way."""
        nodes, waiting = {result: None}, [result]
        while waiting:
            each = waiting.pop()
            for operand in each.inputs if _is_map_of(each, result.type) else ():
                if operand.type == result.type and operand not in nodes:
                    nodes[operand] = None
                    waiting.append(operand)
        return list(nodes)

    def is_made_at_once(self, nodes: list[Node]) -> bool:
        """Whether what a new state is made from are states and products, of which nothing else is computed but maps."""
        made = [n for n in nodes if not is_input(n)]
        if not all(_is_map_of(n, n.type) or (is_matrix_product(n) and n.type.rank == 2) for n in made):
            return False
        return all(_is_map_of(user, n.type) for n in self._reached(made) for user in self.users[n])

    def _reached(self, nodes: list[Node]) -> Iterator[Node]:
        """The nodes, and what is mapped from them."""
        seen, waiting = set(nodes), list(nodes)
        while waiting:
            node = waiting.pop()
            yield node
            fresh = {u for u in self.users[node] if _is_map_of(u, node.type)} - seen
            seen |= fresh
            waiting.extend(fresh)


def _name(state: Node) -> str:
    return str(state.attrs["name"])


def _is_right_operand(node: Node, user: Node) -> bool:
    """Whether it is a product of matrices that reads the node as its right operand."""
    return is_matrix_product(user) and user.type.rank == 2 and user.inputs[1] is node and user.inputs[0] is not node


def _is_map_of(node: Node, type: TensorType) -> bool:
    return is_map(node) and node.type == type
