"""Indexing of tensors, as numpy's: integers, slices, None, ... and one integer tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss import ops
from schuss.errors import IndexRangeError, ShapeError, TraceError
from schuss.ir.types import Dim, Sym
from schuss.trace.build import user_site
from schuss.trace.value import Value


def indexed(x: Any, index: tuple[Any, ...]) -> Any:
    """Basic indexing: integers, slices, None, ..., and one integer tensor."""
    given = sum(1 for i in index if i is not None and i is not Ellipsis)
    if given > x.ndim:
        raise ShapeError(f"index: {given} indices for a tensor of {x.ndim} axes (line: {user_site()})")
    if Ellipsis not in [i for i in index if not isinstance(i, (Value, np.ndarray))]:
        index = (*index, Ellipsis)
    shape: list[Dim] = []
    axis = 0
    for item in index:
        if item is None:
            shape.append(1)
        elif item is Ellipsis:
            rest = x.ndim - given
            shape.extend(x.shape[axis : axis + rest])
            axis += rest
        elif isinstance(item, (bool, np.bool_)) or str(getattr(item, "dtype", "")) == "bool":
            raise TraceError(
                f"index: a mask picks a number of entries that is not known yet; use schuss.where (line: {user_site()})"
            )
        elif isinstance(item, (int, np.integer)):
            x = _pick(x, axis, int(item))
            axis += 1
        elif isinstance(item, slice):
            x = _cut(x, axis, item)
            shape.append(x.shape[axis])
            axis += 1
        elif len(index) <= 2 and axis == 0:
            return _taken(x, item)
        else:
            raise TraceError(
                f"index: {type(item).__name__} is not supported here; use schuss.take (line: {user_site()})"
            )
    return x if tuple(shape) == x.shape else ops.reshape(x, shape=tuple(shape))


def _taken(x: Any, index: Any) -> Any:
    try:
        return ops.take(x, index, axis=0)
    except IndexRangeError as error:  # of an index that is no tensor
        raise IndexRangeError(f"{error} (line: {user_site()})") from None


def _pick(x: Any, axis: int, i: int) -> Any:
    length = x.shape[axis]
    if not isinstance(length, Sym):
        if not -length <= i < length:
            raise IndexRangeError(f"index: {i} is out of range for axis {axis} of {x.type} (line: {user_site()})")
        i %= length
    return ops.slice_axis(x, axis=axis, start=i, stop=i + 1)


def _cut(x: Any, axis: int, item: slice) -> Any:
    length = x.shape[axis]
    if item == slice(None):
        return x
    if isinstance(length, Sym):
        mend = "take the rows before, as model(x[:1]), or weigh them: schuss.where(chosen, x, 0)"
        raise ShapeError(f"index: cannot slice {length.axis} of {x.type}; {mend} (line: {user_site()})")
    start, stop, step = item.indices(length)
    if step < 0:  # the same entries from the other end, turned
        taken = range(start, stop, step)[::-1]
        first, last = (taken.start, taken[-1] + 1) if taken else (0, 0)
        return ops.flip(ops.slice_axis(x, axis=axis, start=first, stop=last, step=-step), axis=axis)
    return ops.slice_axis(x, axis=axis, start=start, stop=max(start, stop), step=step)
