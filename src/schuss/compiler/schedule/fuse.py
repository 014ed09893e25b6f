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

from dataclasses import dataclass, field
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
from schuss.compiler.tuning import DEFAULT
from schuss.ir.graph import Graph, Node, lazy
from schuss.ir.types import Shape, Sym, static_size


class Form(Enum):
    MAP = "elementwise"
    CONTRACT = "contraction"
    REDUCE = "reduction"
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


def group(graph: Graph, most_maps: int = DEFAULT.most_maps) -> tuple[Group, ...]:
    """The groups in an order in which each follows those it reads. most_maps: of one group, see Tuning."""
    forming = _Forming(most_maps)
    for node in _schedule(graph):
        if not (is_source(node) or is_view(node) or is_free(node)):
            forming.place(node)
    wanted = _stored(graph, forming.home)
    return tuple(formed.group(wanted) for formed in forming.groups)


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
            # no barrier is needed just for it
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


@dataclass(eq=False)
class _Open:
    """A group that nodes still join."""

    form: Form
    space: Shape
    anchor: Node | None = None
    maps: list[Node] = field(default_factory=list)
    folds: list[Node] = field(default_factory=list)

    def group(self, wanted: set[Node]) -> Group:
        """As it is. wanted: the values that are stored."""
        anchor = [self.anchor] if self.anchor else []
        stores = tuple(n for n in (*anchor, *self.maps, *self.folds) if n in wanted)
        return Group(self.form, self.space, self.anchor, tuple(self.maps), tuple(self.folds), stores)


class _Forming:
    """Groups that nodes join one after the other."""

    def __init__(self, most_maps: int) -> None:
        self.most_maps = most_maps
        self.groups: list[_Open] = []
        self.home: dict[Node, int] = {}  # the number of each node's group
        self._of_space: dict[Shape, list[int]] = {}  # ascending; closed ones go when they are met

    def place(self, node: Node) -> None:
        """Put the node in a group, an existing one if it can join."""
        if is_elementwise(node):
            at = self._for_map(node)
            if at is None:
                self._new(node, _Open(Form.MAP, node.type.shape, maps=[node]))
            else:
                self.groups[at].maps.append(node)
                self.home[node] = at
        elif is_reduction(node):
            self._place_fold(node)
        elif is_contraction(node):
            self._new(node, _Open(Form.CONTRACT, node.type.shape, anchor=node))
        else:
            self._new(node, _Open(Form.OPAQUE if is_opaque(node) else Form.GATHER, node.type.shape, anchor=node))

    def _place_fold(self, node: Node) -> None:
        source = node.inputs[0]
        at = self.home.get(source, -1)
        if at >= 0 and source in self.groups[at].maps and _can_fold(self.groups[at], node):
            self.groups[at].folds.append(node)
            self.home[node] = at
        elif at >= 0 or not _trailing(node):
            self._new(node, _Open(Form.REDUCE, source.type.shape, anchor=node))
        else:
            self._new(node, _Open(Form.MAP, source.type.shape, folds=[node]))

    def _new(self, node: Node, group: _Open) -> None:
        self.home[node] = len(self.groups)
        self._of_space.setdefault(group.space, []).append(len(self.groups))
        self.groups.append(group)

    def _for_map(self, node: Node) -> int | None:
        """The group whose result it reads at the same place, else the last it can join after all that it reads."""
        after, inside = _depends(node, self.home)
        if inside and self._is_open(after, node.type.shape):
            return after
        numbers = self._of_space.get(node.type.shape, [])
        while numbers and not self._is_open(numbers[-1], node.type.shape):
            numbers.pop()  # what is closed stays so
        return numbers[-1] if numbers and numbers[-1] > after else None

    def _is_open(self, at: int, space: Shape) -> bool:
        """Not a group that folds the first axis: its loop over examples is not that of a map. Nor one that is full."""
        group = self.groups[at]
        if group.form not in (Form.MAP, Form.CONTRACT) or group.space != space or len(group.maps) >= self.most_maps:
            return False
        if group.anchor is not None and sums_examples(group.anchor):
            return False
        return not group.folds or not (_scattered(space) or any(0 in folded_axes(f) for f in group.folds))


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


def _trailing(node: Node) -> bool:
    """Whether a reduction folds the last axes only."""
    rank, axes = node.inputs[0].type.rank, folded_axes(node)
    return axes == tuple(range(rank - len(axes), rank))


def _can_fold(group: _Open, node: Node) -> bool:
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
