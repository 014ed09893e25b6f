"""Groups: which nodes are computed together by one kernel.

A group runs over one iteration space. Maps of that shape join it if everything they read is either
computed before the group or, at the same place, inside it. What each kind of group may hold:

    MAP       maps, then reductions over trailing axes of what the maps compute (softmax's sum of exp)
    CONTRACT  one contraction, then maps of its shape in its epilogue (bias, activation, the optimizer)
    REDUCE    one reduction over any axes, of a value in memory
    GATHER    one node whose places hang on data, or on parts of the space: take, scatter_add, concatenate, pad
    OPAQUE    one node of which only its own lowering knows how it is computed

The order of every sum is given by the node, never by the group it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from schuss.compiler.structure import (
    base_of,
    folded_axes,
    in_place,
    is_const,
    is_contraction,
    is_copy,
    is_elementwise,
    is_free,
    is_input,
    is_opaque,
    is_reduction,
    is_source,
    is_view,
    sums_examples,
)
from schuss.ir.graph import Graph, Node, lazy
from schuss.ir.types import Shape, Sym, static_size


class Form(Enum):
    MAP = "map"
    CONTRACT = "contract"
    REDUCE = "reduce"
    GATHER = "gather"
    OPAQUE = "opaque"


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes computed by one kernel over `space`, in order."""

    form: Form
    space: Shape
    anchor: Node | None = None
    maps: tuple[Node, ...] = ()
    folds: tuple[Node, ...] = ()
    stores: tuple[Node, ...] = ()

    @lazy
    def nodes(self) -> tuple[Node, ...]:
        return ((self.anchor,) if self.anchor else ()) + self.maps + self.folds

    @lazy
    def operands(self) -> tuple[tuple[Node, int, Node], ...]:
        """(reader, number of the operand, operand) for everything the kernel reads from memory."""
        inside = set(self.nodes)
        return tuple((n, i, o) for n in self.nodes for i, o in enumerate(n.inputs) if o not in inside)


# Elementwise nodes in one kernel: LLVM's scheduler and register allocator take the square of a block's length. A kernel
# of 300 sums takes 0.5 s to compile, one of 900 takes 4 s, and Ctrl-C waits for it. No layer or optimizer comes near.
MOST_MAPS = 128


def group(graph: Graph) -> tuple[Group, ...]:
    """The groups in an order in which each follows those it reads."""
    groups: list[Group] = []
    home: dict[Node, int] = {}
    latest: dict[Shape, list[int]] = {}  # of each space its groups; those that are full go late
    for node in _schedule(graph):
        if is_source(node) or is_view(node) or is_free(node):
            continue
        at = _place(node, groups, home, latest)
        if at == len(groups) - 1 and home.get(groups[at].nodes[0]) is None:
            latest.setdefault(groups[at].space, []).append(at)
        home[node] = at
    wanted = _stored(graph, home)
    return tuple(replace(g, stores=tuple(n for n in g.nodes if n in wanted)) for g in groups)


def _schedule(graph: Graph) -> list[Node]:
    """Topological order, turned so that the optimizer can join the product that makes its gradient:

    what hangs on scalars alone (learning rates, bias corrections) comes first, and copies of inputs;
    maps of the state alone (w * decay) come just before the first node that needs them with something else.
    """
    light: set[Node] = set()
    floating: set[Node] = set()
    for node in graph.nodes:
        leaf = is_const(node) or all(i in light for i in node.inputs)
        if leaf and static_size(node.type.shape) <= 1 and not node.type.symbolic:
            light.add(node)
        elif is_copy(node) and is_input(base_of(node.inputs[0])):
            light.add(node)  # a copy of the state in another order, needed by a product: made first, so that
            # the threads need not meet just for it
        elif is_input(node) or (is_elementwise(node) and all(i in light or i in floating for i in node.inputs)):
            floating.add(node)
    order = dict.fromkeys(n for n in graph.nodes if n in light)
    for node in graph.nodes:
        if node not in floating:
            _emit_with(node, floating, order)
    return list(order) + [n for n in graph.nodes if n not in order]


def _emit_with(node: Node, floating: set[Node], order: dict[Node, None]) -> None:
    """The node, after the floating maps it needs; what other nodes need has come with them."""
    waiting = [node]
    while waiting:
        needed = [i for i in waiting[-1].inputs if i in floating and i not in order]
        if needed:
            waiting.extend(reversed(needed))
        else:
            order.setdefault(waiting.pop())


def _place(node: Node, groups: list[Group], home: dict[Node, int], latest: Mapping[Shape, list[int]]) -> int:
    """Put the node in a group, an existing one if it can join; returns the group's number."""
    if is_elementwise(node):
        space = node.type.shape
        after, inside = _depends(node, home)
        for at in ([after] if inside else []) + _last_open(groups, space, latest.get(space, []), after):
            if _can_join(groups[at], space):
                groups[at] = replace(groups[at], maps=(*groups[at].maps, node))
                return at
        groups.append(Group(Form.MAP, space, maps=(node,)))
    elif is_reduction(node):
        at = home.get(node.inputs[0], -1)
        if at >= 0 and node.inputs[0] in groups[at].maps and _can_fold(groups[at], node):
            groups[at] = replace(groups[at], folds=(*groups[at].folds, node))
            return at
        if at >= 0 or not _trailing(node):
            groups.append(Group(Form.REDUCE, node.inputs[0].type.shape, anchor=node))
        else:
            groups.append(Group(Form.MAP, node.inputs[0].type.shape, folds=(node,)))
    elif is_contraction(node):
        groups.append(Group(Form.CONTRACT, node.type.shape, anchor=node))
    else:
        groups.append(Group(Form.OPAQUE if is_opaque(node) else Form.GATHER, node.type.shape, anchor=node))
    return len(groups) - 1


def _last_open(groups: list[Group], space: Shape, numbers: list[int], after: int) -> list[int]:
    """The last group that a map of the space can join, if it comes after that number. One that cannot never will."""
    while numbers and not _can_join(groups[numbers[-1]], space):
        numbers.pop()
    return numbers[-1:] if numbers and numbers[-1] > after else []


def _depends(node: Node, home: dict[Node, int]) -> tuple[int, bool]:
    """The last group the node reads, and whether it may join that group: it reads it place by place."""
    last, direct = -1, True
    for number, operand in enumerate(node.inputs):
        base = base_of(operand)
        at = home.get(base, -1)
        same_place = operand is base and in_place(node, number) and not is_reduction(base)
        if at > last:
            last, direct = at, same_place
        elif at == last and at >= 0:
            direct = direct and same_place
    return last, direct and last >= 0


def _can_join(group: Group, space: Shape) -> bool:
    """Not a group that folds the first axis: its loop over the examples is not that of a map. Nor one that is full."""
    if len(group.maps) >= MOST_MAPS or (group.anchor is not None and sums_examples(group.anchor)):
        return False
    if any(0 in folded_axes(f) for f in group.folds) or (group.folds and _scattered(space)):
        return False
    return group.form in (Form.MAP, Form.CONTRACT) and group.space == space


def _trailing(node: Node) -> bool:
    """Whether a reduction folds the last axes only."""
    rank, axes = node.inputs[0].type.rank, folded_axes(node)
    return axes == tuple(range(rank - len(axes), rank))


def _can_fold(group: Group, node: Node) -> bool:
    """A reduction joins the maps it folds if some leading axis is kept and all folds of the group agree."""
    if group.form is not Form.MAP or not _trailing(node) or len(folded_axes(node)) == len(group.space):
        return False
    if _scattered(group.space):
        return False
    return not group.folds or len(folded_axes(group.folds[0])) == len(folded_axes(node))


def _scattered(space: Shape) -> bool:
    """Whether neighbours along the last axis, the examples, lie apart in memory: a fold's vectors cannot store them."""
    return bool(space) and isinstance(space[-1], Sym) and static_size(space) > 1


def _stored(graph: Graph, home: dict[Node, int]) -> set[Node]:
    """A value is stored if another group reads it, a view of it is read, or it is an output."""
    wanted = set(graph.outputs)
    for node in graph.nodes:
        for operand in node.inputs:
            base = base_of(operand)
            at = home.get(base)
            if at is not None and not is_view(node) and (operand is not base or home.get(node) != at):
                wanted.add(base)
    return wanted
