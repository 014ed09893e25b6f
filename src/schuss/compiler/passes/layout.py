"""Which way round a matrix of the state is kept in memory.

PyTorch's Linear holds W as out x in and computes x @ W'. The native product wants rows of its right
operand contiguous, so W is kept as W' (in x out) while it is trained. Then the forward product, the
weight gradient x' @ g and the whole update run on W' and nothing is transposed in a step: transposes
are hoisted through maps until they cancel with their inverse or the output.

    map(T(a), T(b), scalar) -> T(map(a, b, scalar))        T(a) @ T(b) stays as it is
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from schuss.compiler.passes.nodes import is_ones, make
from schuss.compiler.passes.simplify import simplify
from schuss.compiler.structure import is_contraction, is_input, is_map, is_view, structure_of, view_map
from schuss.ir.graph import Graph, Node, input_node
from schuss.ir.rewrite import rewrite, with_inputs
from schuss.ir.structure import Along, Fold
from schuss.ir.types import TensorType

SWAP = (1, 0)
SWAPPED = (Along(((1, 1),)), Along(((0, 1),)))  # the same, as a view


@dataclass(frozen=True)
class Layout:
    """A graph whose inputs in `swapped` are kept transposed, and outputs of the same name likewise."""

    graph: Graph
    swapped: frozenset[str]


def choose_layout(graph: Graph, state: tuple[str, ...]) -> Layout:
    """Keep a state matrix transposed if a product reads it so, and the states that are updated along with it."""
    names = set(state)
    found = {
        str(node.inputs[0].attrs["name"])
        for product in graph.nodes
        if is_contraction(product)
        for node in product.inputs[1:]
        if is_swap(node) and is_input(node.inputs[0])
    } & names
    swapped = set[str]()
    while not found <= swapped:
        swapped |= found
        found = _companions(graph, swapped) & names
    return Layout(_transpose(graph, swapped) if swapped else graph, frozenset(swapped))


def is_swap(node: Node) -> bool:
    """Whether it is a matrix read as its transpose."""
    return node.type.rank == 2 and is_view(node) and view_map(node).axes == SWAPPED


def _transpose(graph: Graph, swapped: set[str]) -> Graph:
    """The graph on the swapped inputs, transposes hoisted."""
    new_inputs, mapping = [], {}
    for node in graph.inputs:
        name = str(node.attrs["name"])
        if name in swapped:
            kept = input_node(name, TensorType(node.type.dtype, node.type.shape[::-1]), node.scope)
            mapping[node] = make("transpose", kept, axes=SWAP)
            new_inputs.append(kept)
        else:
            new_inputs.append(node)
    outputs = [
        make("transpose", o, like=o, axes=SWAP) if name in swapped else o
        for o, name in zip(graph.outputs, graph.output_names, strict=True)
    ]
    transposed = rewrite(replace(graph, outputs=tuple(outputs)), lambda node: mapping.get(node) or _hoist(node))
    return simplify(Graph(tuple(new_inputs), transposed.outputs, transposed.output_names))


def _hoist(node: Node) -> Node | None:
    """T out of a map all of whose matrices are transposed; T of T cancels; a full sum ignores T."""
    swaps = [is_swap(i) for i in node.inputs]
    if not any(swaps):
        return None
    if is_swap(node):
        return node.inputs[0].inputs[0]
    if _is_full_sum(node):
        return with_inputs(node, (node.inputs[0].inputs[0],))
    if node.type.rank != 2 or not is_map(node):
        return None
    if not all(swap or is_ones(i.type.shape) for i, swap in zip(node.inputs, swaps, strict=True)):
        return None
    flat = tuple(i.inputs[0] if swap else i for i, swap in zip(node.inputs, swaps, strict=True))
    inner = replace(node, inputs=flat, type=TensorType(node.type.dtype, node.type.shape[::-1]))
    return make("transpose", inner, like=node, axes=SWAP)


def _is_full_sum(node: Node) -> bool:
    found = structure_of(node)
    return found is not None and found.reduction and found.fold is Fold.SUM and not found.averaged and not found.kept


def _companions(graph: Graph, swapped: set[str]) -> set[str]:
    """The inputs that meet, in a map, what is transposed if these are kept so: they should be kept the same way."""
    turned = set[Node]()  # what _hoist would leave behind a transpose
    mixed: list[Node] = []  # maps of such and others
    for node in graph.nodes:
        if is_input(node):
            if node.attrs["name"] in swapped:
                turned.add(node)
        elif is_view(node):
            if is_swap(node) and node.inputs[0] not in turned:
                turned.add(node)
        elif node.type.rank == 2 and any(i in turned for i in node.inputs) and is_map(node):
            if all(i in turned or is_ones(i.type.shape) for i in node.inputs):
                turned.add(node)
            else:
                mixed.append(node)
    return _leaves((i for node in mixed for i in node.inputs if i.type.shape == node.type.shape), turned)


def _leaves(nodes: Iterable[Node], known: set[Node]) -> set[str]:
    """The input matrices that values are mapped from, place by place, but for those known."""
    found, seen = set[str](), set(known)
    waiting = [n for n in nodes if n not in known]
    while waiting:
        each = waiting.pop()
        if is_input(each):
            found.add(str(each.attrs["name"]))
        elif is_map(each):
            fresh = {i for i in each.inputs if i.type.shape == each.type.shape} - seen
            seen |= fresh
            waiting.extend(fresh)
    return found
