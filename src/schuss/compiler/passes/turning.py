"""Values computed as their transposes: what was W @ x becomes (x' @ W')', what was a map of such a map of x' and W.

    x @ y                      -> T(T(y) @ T(x))        each sum of the same products in the same order: the same bits
    map(T(a), b, row, scalar)  -> T(map(a, T(b), T(row), scalar))
    T(T(a))                    -> a                     sum of all of T(a) -> sum of all of a

T exchanges the last two axes; those before them stay.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cache

from schuss.compiler.passes.nodes import is_ones, make
from schuss.compiler.structure import is_input, is_map, is_matrix_product, is_view, structure_of, view_map
from schuss.ir.graph import Graph, Node, input_node
from schuss.ir.rewrite import rewrite, with_inputs
from schuss.ir.structure import Along, Fold
from schuss.ir.types import Shape, Sym, TensorType


def swapped_axes(rank: int) -> tuple[int, ...]:
    """The axes, the last two exchanged."""
    return (*range(rank - 2), rank - 1, rank - 2)


@cache
def _swap_view(rank: int) -> tuple[Along, ...]:
    """The same, as a view."""
    return tuple(Along(((axis, 1),)) for axis in swapped_axes(rank))


def is_swap(node: Node) -> bool:
    """Whether it is a matrix, or several, read as their transposes."""
    return node.type.rank >= 2 and is_view(node) and view_map(node).axes == _swap_view(node.type.rank)


def swapped_type(type: TensorType) -> TensorType:
    """The type of the transpose."""
    return TensorType(type.dtype, tuple(type.shape[a] for a in swapped_axes(type.rank)))


def swap(node: Node) -> Node:
    """The transpose; of a transpose what it is one of."""
    return node.inputs[0] if is_swap(node) else make("transpose", node, like=node, axes=swapped_axes(node.type.rank))


def turned(graph: Graph, nodes: AbstractSet[Node], state: AbstractSet[str] = frozenset()) -> Graph:
    """The graph in which these inputs, products and maps are computed as their transposes.

    state: names of inputs that are given so, and of outputs that are to be.
    """
    new: dict[Node, Node] = {}
    for node in graph.nodes:
        rebuilt = with_inputs(node, tuple(map(new.__getitem__, node.inputs)))
        new[node] = _turned(rebuilt) if node in nodes else _cancelled(rebuilt)
    inputs = tuple(new[i].inputs[0] if i in nodes else i for i in graph.inputs)
    named = zip(graph.outputs, graph.output_names, strict=True)
    return Graph(inputs, tuple(swap(new[o]) if name in state else new[o] for o, name in named), graph.output_names)


def _turned(node: Node) -> Node:
    """The transpose of what the node is computed as."""
    if is_input(node):
        return swap(input_node(str(node.attrs["name"]), swapped_type(node.type), node.scope))
    if is_matrix_product(node):
        x, y = node.inputs
        return swap(make("matmul", swap(y), swap(x), like=node))
    assert is_map(node), f"{node} cannot be computed as its transpose"
    return swap(replace(node, inputs=tuple(map(_operand, node.inputs)), type=swapped_type(node.type)))


def _operand(node: Node) -> Node:
    """What a map reads in the node's place to be computed as its transpose."""
    shape = node.type.shape
    if is_ones(shape[-2:]):
        return node
    return swap(node if len(shape) > 1 else make("reshape", node, like=node, shape=(1, *shape)))


def _cancelled(node: Node) -> Node:
    """A transpose of a transpose is none, and a full sum needs none."""
    if not any(map(is_swap, node.inputs)):
        return node
    if is_swap(node):
        return swap(node.inputs[0])
    return with_inputs(node, (node.inputs[0].inputs[0],)) if is_full_sum(node) else node


def is_full_sum(node: Node) -> bool:
    """Whether it sums all that its operand holds."""
    found = structure_of(node)
    return found is not None and found.reduction and found.fold is Fold.SUM and not found.averaged and not found.kept


# -- examples lie in rows ------------------------------------------------------------------------------


def by_rows(graph: Graph) -> Graph:
    """Examples come first in memory: where a product has them last, it and the maps around it are turned.

    A contraction of matrices that lie otherwise is made a product of their transposes.
    """
    graph = _as_products(graph)
    if not any(_has_columns(node.type.shape) and is_matrix_product(node) for node in graph.nodes):
        return graph
    across = {n for n in graph.nodes if _has_columns(n.type.shape) and (is_matrix_product(n) or is_map(n))}
    return turned(graph, across)


def _has_columns(shape: Shape) -> bool:
    """Whether the last axis is that of the examples, or another of unknown length, and none before it is."""
    return len(shape) >= 2 and isinstance(shape[-1], Sym) and not any(isinstance(d, Sym) for d in shape[:-1])


def _as_products(graph: Graph) -> Graph:
    """The graph with a product of matrices for each contraction that is one of their transposes."""
    return rewrite(graph, _as_product)


def _as_product(node: Node) -> Node | None:
    found = structure_of(node)
    if found is None or not found.contraction or found.matrix_product or len(found.folded) != 1:
        return None
    k = len(found.space) - 1
    if k < 2 or found.folded != (k,) or sum(isinstance(d, Sym) for d in found.space[: k - 2]):
        return None
    before, operands = tuple(range(k - 2)), []
    for operand, access, last in zip(node.inputs, found.reads, ((k - 2, k), (k, k - 1)), strict=True):
        axes = () if access is None else access.axes
        if axes == (*before, *last):
            operands.append(operand)
        elif axes == (*before, *last[::-1]):
            operands.append(swap(operand))
        else:
            return None
    return make("matmul", *operands, like=node)
