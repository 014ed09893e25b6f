"""Windows without a buffer of their size: what slides over a contraction's result becomes a contraction itself.

The gradient of a window is an overlapping sum, and that of a convolution's input one of products: each entry k of
place i adds to i * stride + k * dilation. The same sum is seen from where it adds up: at h, a window over the incoming
gradient, with zeros around it and, for a stride, in between, times the kernel read backwards:

    overlap_add(dot_general(g, w))         -> dot_general(window(pad(g)), reverse(w)), summed over k, too
    overlap_add of windows side by side    -> reshape
    slice(dot_general(window(pad(g)), w))  -> dot_general of less padding: what a convolution's own padding would get
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from schuss.compiler.passes.axes import sunk, transposed
from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.nodes import make
from schuss.compiler.passes.simplify import simplify
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite
from schuss.ir.types import Sym
from schuss.ops.contract import free_axes


def _rewritten(node: Node) -> Node | None:
    if node.op == "overlap_add":
        return _side_by_side(node) or _contraction(node)
    return _cut_contraction(node) if node.op == "slice" and node.attrs["step"] == 1 else None


def _side_by_side(node: Node) -> Node | None:
    """Windows that meet without a gap: nothing is added up."""
    (x,) = node.inputs
    axis, length = node.attrs["axis"], node.attrs["length"]
    places, size = x.type.shape[axis : axis + 2]
    assert isinstance(places, int)
    assert isinstance(size, int)
    if size != node.attrs["stride"] or (node.attrs["dilation"] != 1 and size > 1):
        return None
    shape = (*x.type.shape[:axis], places * size, *x.type.shape[axis + 2 :])
    joined = make("reshape", x, like=node, shape=shape)
    joined = sunk(joined) or joined
    padded = _pad(joined, node, axis, 0, length - places * size, 0)
    return sunk(padded) or padded if padded is not joined else joined


def _pad(x: Node, like: Node, axis: int, before: int, after: int, between: int) -> Node:
    """The value with zeros around and between an axis' entries: below windows along other axes, not in each of them."""
    if not (before or after or between):
        return x
    if x.op == "window" and axis not in (x.attrs["axis"], x.attrs["axis"] + 1):
        inner = _pad(x.inputs[0], like, axis - (axis > x.attrs["axis"]), before, after, between)
        return make("window", inner, like=x, **x.attrs)
    return make("pad", x, like=like, axis=axis, before=before, after=after, between=between, value=0.0)


@dataclass(frozen=True)
class _Product:
    """A dot_general behind a transpose, if any. axes: which of its axes each of the value's is."""

    node: Node
    axes: tuple[int, ...]

    def origin(self, axis: int) -> tuple[int, int] | None:
        """(operand, its axis) that a free axis of the value comes from; None for a batch axis."""
        at = self.axes[axis]
        (cx, cy), (bx, by) = self.node.attrs["contract"], self.node.attrs["batch"]
        x, y = self.node.inputs
        left, right = free_axes(x.type.rank, cx, bx), free_axes(y.type.rank, cy, by)
        if at < len(bx):
            return None
        at -= len(bx)
        return (0, left[at]) if at < len(left) else (1, right[at - len(left)])


def _product_of(node: Node) -> _Product | None:
    source, axes = node, tuple(range(node.type.rank))
    if node.op == "transpose":
        source, axes = node.inputs[0], node.attrs["axes"]
    return _Product(source, axes) if source.op == "dot_general" else None


def _contraction(node: Node) -> Node | None:
    """The sum as a contraction, where the places come from one operand and the entries from the other."""
    product, at = _product_of(node.inputs[0]), node.attrs["axis"]
    if product is None:
        return None
    places, entries = product.origin(at), product.origin(at + 1)
    if places is None or entries is None or places[0] == entries[0]:
        return None
    (g, p), (w, q) = places, entries
    operands = list(product.node.inputs)
    operands[g] = _gathered(operands[g], p, node)
    operands[w] = make("reverse", operands[w], like=node, axis=q)
    contract, batch = ([list(side) for side in product.node.attrs[name]] for name in ("contract", "batch"))
    for axes in (contract[g], batch[g]):
        axes[:] = [a + (a > p) for a in axes]
    windows = len(list(takewhile(_reversed(operands[w].inputs[0]).__contains__, contract[w])))
    contract[g].insert(windows, p + 1)  # behind the entries of other axes, before what was summed
    contract[w].insert(windows, q)
    attrs = {"contract": tuple(map(tuple, contract)), "batch": tuple(map(tuple, batch))}
    inner = make("dot_general", *operands, like=node, **attrs)
    gone = product.axes[at + 1]
    kept = [a for i, a in enumerate(product.axes) if i != at + 1]
    return transposed(inner, [a - (a > gone) for a in kept])


def _gathered(g: Node, axis: int, node: Node) -> Node:
    """A window over g for each place of the sum: entry k' reads what entry size - 1 - k' added there."""
    size, length = node.inputs[0].type.shape[node.attrs["axis"] + 1], node.attrs["length"]
    stride, dilation, places = node.attrs["stride"], node.attrs["dilation"], g.type.shape[axis]
    assert not isinstance(size, Sym)
    assert not isinstance(places, Sym)
    padded = _pad(g, node, axis, (size - 1) * dilation, length - 1 - (places - 1) * stride, stride - 1)
    return make("window", padded, like=node, axis=axis, size=size, stride=1, dilation=dilation)


def _reversed(node: Node) -> set[int]:
    """The axes that a value is read backwards along."""
    found = set()
    while node.op == "reverse":
        found.add(node.attrs["axis"])
        node = node.inputs[0]
    return found


# -- what is cut off ------------------------------------------------------------------------------


def _cut_contraction(node: Node) -> Node | None:
    """A slice of a product's free axis is the product of a slice, if that means less padding."""
    product = _product_of(node.inputs[0])
    origin = product.origin(node.attrs["axis"]) if product is not None else None
    if product is None or origin is None:
        return None
    side, axis = origin
    first, end = node.attrs["start"], node.attrs["stop"]
    cut = _cut(product.node.inputs[side], axis, first, end) if first < end else None
    if cut is None:
        return None
    operands = list(product.node.inputs)
    operands[side] = cut
    return transposed(make("dot_general", *operands, like=node, **product.node.attrs), product.axes)


def _cut(node: Node, axis: int, start: int, stop: int) -> Node | None:
    """Entries start .. stop of an axis, of which padding is not made; None where there is none."""
    if node.op not in ("window", "pad"):
        return None
    at = node.attrs["axis"]
    if node.op == "window":
        if axis == at + 1:
            return None
        if axis == at:
            stride, dilation = node.attrs["stride"], node.attrs["dilation"]
            size = node.type.shape[at + 1]
            assert isinstance(size, int)
            start, stop = start * stride, (stop - 1) * stride + (size - 1) * dilation + 1
        inner = _cut(node.inputs[0], axis - (axis > at), start, stop)
    elif axis == at:
        length = node.type.shape[axis]
        assert isinstance(length, int)
        before, after = node.attrs["before"] - start, node.attrs["after"] - (length - stop)
        if before < 0 or after < 0:
            return None
        return _pad(node.inputs[0], node, axis, before, after, node.attrs["between"])
    else:
        inner = _cut(node.inputs[0], axis, start, stop)
    return None if inner is None else make(node.op, inner, like=node, **node.attrs)


# -- the pass -------------------------------------------------------------------------------------

WINDOWED = ("window", "overlap_add", "dot_general")


def slide(graph: Graph) -> Graph:
    """The graph without buffers of its windows' size, channels lying where the contractions write them.

    A graph without windows and contractions stays as it is.
    """
    if not any(node.op in WINDOWED for node in graph.nodes):
        return graph
    return common_subexpressions(simplify(rewrite(graph, lambda node: _rewritten(node) or sunk(node))))


def lanes_last(node: Node, copy: Callable[[Node], Node]) -> Node:
    """A contraction of which the right operand is a copy in memory with the summed axes first, the lanes' last.

    Parameters only: they are small beside the data. As it is where they lie so, or have no lanes.
    """
    if node.op != "dot_general" or node.inputs[1].type.symbolic:
        return node
    x, y = node.inputs
    (cx, cy), (bx, by) = node.attrs["contract"], node.attrs["batch"]
    free = free_axes(y.type.rank, cy, by)
    order = (*by, *cy, *free)
    if order == tuple(range(len(order))) or all(y.type.shape[a] == 1 for a in free):
        return node
    where = {a: i for i, a in enumerate(order)}
    sums, shared = (tuple(where[a] for a in axes) for axes in (cy, by))
    attrs = {"contract": (cx, sums), "batch": (bx, shared)}
    return make("dot_general", x, copy(transposed(y, order)), like=node, **attrs)
