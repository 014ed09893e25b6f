"""In which order the axes of data lie: transposes move from operands to results.

A convolution's sums come with the channels last, and its caller sees them second. Between layers the transpose in
between is moved past whatever does not mind the order, until it meets another or a value that must lie as its caller
sees it:

    map(T(a), b)         -> T(map(a, T'(b)))       T' is T's inverse, of length-1 axes and constants mostly
    view(T(a)), sum(T(a)) -> T(view(a)), T(sum(a))  the axes numbered anew; a reshape where it keeps neighbours together
    dot_general(T(a), b) -> T(dot_general(a, b))    T only where the axes that are not summed change places

Only values of examples are treated so: parameters lie as the state has them, or as schuss.compiler.passes.layout says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from schuss.compiler.passes.nodes import is_ones, make
from schuss.compiler.structure import is_map, is_reduction
from schuss.ir.graph import Node
from schuss.ir.types import Dim, Shape, Sym
from schuss.ops.contract import free_axes

Axes = tuple[int, ...]


def sunk(node: Node) -> Node | None:
    """The node on what its operands are transposes of, and a transpose of that; None where there is nothing to do."""
    moved = [_transposed(i) for i in node.inputs]
    if not any(moved):
        return None
    if is_map(node):
        return _map(node)
    if is_reduction(node):
        return _reduce(node)
    rule = _RULES.get(node.op)
    return rule(node) if rule else None


def _transposed(node: Node) -> bool:
    """Whether it is a transpose that may be moved."""
    return node.op == "transpose" and node.type.rank > 2 and node.type.symbolic


def transposed(node: Node, axes: Sequence[int]) -> Node:
    """The node's value with its axes in this order; two transposes are one, and none is the node itself."""
    axes = tuple(axes)
    if node.op == "transpose":
        node, axes = node.inputs[0], tuple(node.attrs["axes"][a] for a in axes)
    return node if axes == tuple(range(len(axes))) else make("transpose", node, like=node, axes=axes)


def _inverse(axes: Axes) -> Axes:
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _split(node: Node) -> tuple[Node, Axes]:
    """What the first operand is a transpose of, and its axes."""
    return node.inputs[0].inputs[0], node.inputs[0].attrs["axes"]


def _again(node: Node, inputs: Sequence[Node], **attrs: object) -> Node:
    """The node's operation on other operands."""
    return make(node.op, *inputs, like=node, **{**node.attrs, **attrs})


def _map(node: Node) -> Node | None:
    """In the order of most of the transposed operands, those as large as the result if there are any."""
    moved = [i for i in node.inputs if _transposed(i) and i.type.rank == node.type.rank]
    orders = [i.attrs["axes"] for i in moved if i.type.shape == node.type.shape] or [i.attrs["axes"] for i in moved]
    if not orders:
        return None
    axes = max(orders, key=orders.count)
    return transposed(_again(node, [_as_in(i, axes) for i in node.inputs]), axes)


def _as_in(operand: Node, axes: Axes) -> Node:
    """An operand for a map whose result is to be transposed by `axes`."""
    shape = operand.type.shape
    if is_ones(shape):
        return operand
    if len(shape) < len(axes):
        operand = make("reshape", operand, like=operand, shape=(*[1] * (len(axes) - len(shape)), *shape))
    return transposed(operand, _inverse(axes))


def _along_axis(node: Node) -> Node:
    """pad, slice, reverse: one axis, which stays one."""
    x, axes = _split(node)
    return transposed(_again(node, [x], axis=axes[node.attrs["axis"]]), axes)


def _concatenate(node: Node) -> Node:
    axes = next(i.attrs["axes"] for i in node.inputs if _transposed(i))
    parts = [transposed(i, _inverse(axes)) for i in node.inputs]
    return transposed(_again(node, parts, axis=axes[node.attrs["axis"]]), axes)


def _window(node: Node) -> Node:
    x, axes = _split(node)
    at, here = node.attrs["axis"], axes[node.attrs["axis"]]
    wider = tuple(a + (a > here) for a in axes)
    return transposed(_again(node, [x], axis=here), (*wider[: at + 1], here + 1, *wider[at + 1 :]))


def _overlap_add(node: Node) -> Node | None:
    x, axes = _split(node)
    at, here = node.attrs["axis"], axes[node.attrs["axis"]]
    if axes[at + 1] != here + 1:
        return None
    rest = tuple(a - (a > here) for a in axes)
    return transposed(_again(node, [x], axis=here), rest[: at + 1] + rest[at + 2 :])


def _broadcast(node: Node) -> Node:
    x, axes = _split(node)
    more = node.type.rank - len(axes)
    order = (*range(more), *(a + more for a in axes))
    shape = tuple(node.type.shape[a] for a in _inverse(order))
    return transposed(_again(node, [x], shape=shape), order)


def _reduce(node: Node) -> Node:
    x, axes = _split(node)
    folded = tuple(sorted(axes[a] for a in node.attrs["axis"]))
    inner = _again(node, [x], axis=folded)
    if node.attrs["keepdims"]:
        return transposed(inner, axes)
    kept = [a for a in axes if a not in folded]
    return transposed(inner, [sorted(kept).index(a) for a in kept])


def _dot_general(node: Node) -> Node:
    """Neither operand transposed; the result's free axes put in the order they had."""
    (cx, cy), (bx, by) = node.attrs["contract"], node.attrs["batch"]
    sides, free = [], []
    for operand, contract, batch in zip(node.inputs, (cx, cy), (bx, by), strict=True):
        old = free_axes(operand.type.rank, contract, batch)
        axes = operand.attrs["axes"] if _transposed(operand) else tuple(range(operand.type.rank))
        source = operand.inputs[0] if _transposed(operand) else operand
        sides.append((source, tuple(axes[a] for a in contract), tuple(axes[a] for a in batch)))
        now = sorted(axes[a] for a in old)
        free.append([now.index(axes[a]) for a in old])
    (x, cx, bx), (y, cy, by) = sides
    inner = _again(node, [x, y], contract=(cx, cy), batch=(bx, by))
    left, right = len(bx), len(bx) + len(free[0])
    return transposed(inner, (*range(left), *(left + a for a in free[0]), *(right + a for a in free[1])))


# -- reshape --------------------------------------------------------------------------------------


def _reshape(node: Node) -> Node | None:
    """Each run of axes that is cut or joined must be one run in the transpose's source, too."""
    x, axes = _split(node)
    runs = _runs(node.inputs[0].type.shape, node.type.shape)
    if runs is None or any(len(old) > 1 and not _neighbours([axes[a] for a in old]) for old, _ in runs):
        return None
    ordered = sorted(range(len(runs)), key=lambda r: axes[runs[r][0][0]])
    target = [a for r in ordered for a in runs[r][1]]
    inner = make("reshape", x, like=node, shape=tuple(node.type.shape[a] for a in target))
    return transposed(inner, _inverse(tuple(target)))


def _neighbours(places: Sequence[int]) -> bool:
    return all(b == a + 1 for a, b in pairwise(places))


def _runs(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Runs of old axes and the new axes of as many elements; axes of length 1 go with the run before them, if any.

    None for shapes without elements, or of one.
    """
    first, second = ([a for a, d in enumerate(s) if d != 1] for s in (old, new))
    if 0 in old or not first:
        return None
    runs: list[tuple[list[int], list[int]]] = []
    while first:
        mine, theirs = [first.pop(0)], [second.pop(0)]
        while _size(old, mine) != _size(new, theirs):
            if _size(old, mine) < _size(new, theirs):
                mine.append(first.pop(0))
            else:
                theirs.append(second.pop(0))
        runs.append((mine, theirs))
    for ones, at in ((old, 0), (new, 1)):
        for axis in (a for a, d in enumerate(ones) if d == 1):
            _insert(runs, at, axis)
    return runs


def _insert(runs: list[tuple[list[int], list[int]]], side: int, axis: int) -> None:
    """An axis of length 1 joins the run whose axes end before it, or the first; of an old one nothing is left to do."""
    if side == 0:
        return
    before = [r for r in runs if r[side][0] < axis]
    run = (before[-1] if before else runs[0])[side]
    run.append(axis)
    run.sort()


def _size(shape: Shape, axes: Sequence[int]) -> int:
    """Number of elements; N, which stands alone in its run, counts as more than any."""
    dims: list[Dim] = [shape[a] for a in axes]
    return math.prod(1 << 62 if isinstance(d, Sym) else d for d in dims)


_RULES: dict[str, Callable[[Node], Node | None]] = {
    "pad": _along_axis,
    "slice": _along_axis,
    "reverse": _along_axis,
    "concatenate": _concatenate,
    "window": _window,
    "overlap_add": _overlap_add,
    "broadcast_to": _broadcast,
    "transpose": lambda node: transposed(node.inputs[0], node.attrs["axes"]),
    "reshape": _reshape,
    "dot_general": _dot_general,
}
