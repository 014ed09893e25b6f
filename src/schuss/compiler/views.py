"""Strided views: where in memory each element of a value lies.

A view of a stored value (schuss.compiler.storage) needs no copy if its elements lie at a fixed distance from
each other along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from schuss.compiler.storage import Storage, row_major
from schuss.compiler.structure import is_view, view_map
from schuss.ir.graph import Node
from schuss.ir.structure import Along
from schuss.ir.types import Dim, Shape, Sym


@dataclass(frozen=True)
class View:
    """Element i of a value lies at base + offset + sum(i[a] * strides[a]), counted in elements.

    rows is the axis along which a column's rows are picked through the order of examples, else None.
    panel: the axis, if any, that goes by panels of 16 (schuss.compiler.storage), and elements from one to the next.
    """

    base: Node
    offset: int
    strides: tuple[int, ...]
    rows: int | None = None
    panel: tuple[int, int] | None = None


def view_of(node: Node, storage: Storage) -> View | None:
    """The view of a value; None if a view in its chain cannot be expressed by strides."""
    known, chain = storage.views, []
    while node not in known and is_view(node):
        chain.append(node)
        node = node.inputs[0]
    if node not in known:
        known[node] = _in_place(node, storage)
    view = known[node]
    while chain:
        each = chain.pop()
        if view is not None:
            axes = view_map(each).axes
            view = _reshaped(each, view) if axes is None else _moved(axes, each.type.rank, view)
        known[each] = view
    return view


def _in_place(node: Node, storage: Storage) -> View:
    """A value where it lies itself."""
    apart = storage.panel(node)
    panel = (node.type.rank - 1, apart) if apart else None
    return View(node, 0, storage.strides(node), 0 if storage.is_column(node) else None, panel)


def _moved(axes: tuple[Along, ...], rank: int, v: View) -> View | None:
    """The view through positions along axes. The rows of a column must stay those of one axis, as panels must."""
    offset, strides = v.offset, [0] * rank
    for along, stride in zip(axes, v.strides, strict=True):
        offset += along.offset * stride
        for axis, step in along.steps:
            strides[axis] += step * stride
    moved = View(v.base, offset, tuple(strides))
    if v.rows is not None:
        return replace(moved, rows=axes[v.rows].steps[0][0]) if _is_whole(axes[v.rows]) else None
    if v.panel is not None:
        axis, apart = v.panel
        return replace(moved, panel=(axes[axis].steps[0][0], apart)) if _is_whole(axes[axis]) else None
    return moved


def _is_whole(along: Along) -> bool:
    """Whether positions are those of one axis of the view, from the first on."""
    return not along.offset and len(along.steps) == 1 and along.steps[0][1] == 1


def _reshaped(node: Node, v: View) -> View | None:
    old, new = node.inputs[0].type.shape, node.type.shape
    if v.rows not in (None, 0) or v.panel is not None:
        return None
    strides = reshape_strides(old, v.strides, new)
    if strides is None:
        return None
    rows = None if v.rows is None else next(a for a, d in enumerate(new) if isinstance(d, Sym))
    return replace(v, strides=strides, rows=rows)


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
