"""Strided views: where in memory each element of a value lies.

A VIEW op over a stored value (schuss.compiler.storage) needs no copy if its elements lie at a fixed distance from
each other along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from schuss.compiler.storage import Storage, row_major
from schuss.ir.graph import Node
from schuss.ir.types import Dim, Shape, Sym


@dataclass(frozen=True)
class View:
    """Element i of a value lies at base + offset + sum(i[a] * strides[a]), counted in elements.

    rows is the axis along which a column's rows are picked through the order of examples, else None.
    """

    base: Node
    offset: int
    strides: tuple[int, ...]
    rows: int | None = None


def is_view(node: Node) -> bool:
    """Whether the node is read where its source lies, by strides."""
    return node.op in _RULES


def view_of(node: Node, storage: Storage) -> View | None:
    """The view of a value; None if a VIEW op in its chain cannot be expressed by strides."""
    chain = []
    while is_view(node):
        chain.append(node)
        node = node.inputs[0]
    view: View | None = View(node, 0, storage.strides(node), 0 if storage.is_column(node) else None)
    while chain and view is not None:
        each = chain.pop()
        view = _RULES[each.op](each, view)
    return view


def _transpose(node: Node, v: View) -> View:
    axes = node.attrs["axes"]
    rows = None if v.rows is None else axes.index(v.rows)
    return replace(v, strides=tuple(v.strides[a] for a in axes), rows=rows)


def _broadcast(node: Node, v: View) -> View:
    old, new = node.inputs[0].type.shape, node.type.shape
    extra = len(new) - len(old)
    kept = [s if d == new[i + extra] else 0 for i, (s, d) in enumerate(zip(v.strides, old, strict=True))]
    return replace(v, strides=(*[0] * extra, *kept), rows=None if v.rows is None else v.rows + extra)


def _slice(node: Node, v: View) -> View:
    axis, start, step = node.attrs["axis"], node.attrs["start"], node.attrs["step"]
    strides = tuple(s * step if a == axis else s for a, s in enumerate(v.strides))
    return replace(v, offset=v.offset + start * v.strides[axis], strides=strides)


def _window(node: Node, v: View) -> View:
    axis, stride, dilation = (node.attrs[name] for name in ("axis", "stride", "dilation"))
    here = v.strides[axis]
    rows = v.rows + 1 if v.rows is not None and v.rows > axis else v.rows
    strides = (*v.strides[:axis], here * stride, here * dilation, *v.strides[axis + 1 :])
    return replace(v, strides=strides, rows=rows)


def _reverse(node: Node, v: View) -> View:
    axis = node.attrs["axis"]
    length, here = node.type.shape[axis], v.strides[axis]
    assert not isinstance(length, Sym)
    strides = tuple(-s if a == axis else s for a, s in enumerate(v.strides))
    return replace(v, offset=v.offset + max(length - 1, 0) * here, strides=strides)


def _reshape(node: Node, v: View) -> View | None:
    old, new = node.inputs[0].type.shape, node.type.shape
    if v.rows not in (None, 0):
        return None
    strides = reshape_strides(old, v.strides, new)
    return None if strides is None else replace(v, strides=strides)


# concatenate and pad write their result to a place of its own: they are no views
_RULES: dict[str, Callable[[Node, View], View | None]] = {
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "slice": _slice,
    "window": _window,
    "reverse": _reverse,
    "reshape": _reshape,
}


def reshape_strides(old: Shape, strides: tuple[int, ...], new: Shape) -> tuple[int, ...] | None:
    """Strides of the reshaped value, or None if it needs a copy.

    Axes are matched in runs of equal product; a run of old axes must lie contiguously to be cut anew.
    """
    if 0 in new:
        return row_major(new, 1)
    source = [(d, s) for d, s in zip(old, strides, strict=True) if d != 1]
    result: list[int] = []
    at = axis = 0
    while axis < len(new):
        if new[axis] == 1:
            result.append(0)
            axis += 1
            continue
        run = [source[at]]
        at += 1
        made = [new[axis]]
        axis += 1
        while _length(d for d, _ in run) != _length(made):
            if _length(d for d, _ in run) < _length(made):
                run.append(source[at])
                at += 1
            else:
                made.append(new[axis])
                axis += 1
        if any(s != inner * length for (_, s), (length, inner) in pairwise(run) if not isinstance(length, Sym)):
            return None
        result.extend(_contiguous(made, run[-1][1]))
    return tuple(result)


def _length(dims: Iterable[Dim]) -> int:
    """Product of the lengths. N stays first and alone in its run, so it may count as any number but a small one."""
    return math.prod(1 << 62 if isinstance(d, Sym) else d for d in dims)


def _contiguous(dims: Sequence[Dim], step: int) -> list[int]:
    """Strides of axes that lie contiguously, the last of which has stride `step`."""
    strides = []
    for dim in reversed(dims):
        strides.append(step)
        step *= 1 if isinstance(dim, Sym) else dim
    return strides[::-1]
