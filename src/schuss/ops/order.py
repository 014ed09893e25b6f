"""The order of entries, and entries in an order: numpy's functions, and PyTorch's topk."""

from __future__ import annotations

from typing import Any

from schuss.errors import ShapeError
from schuss.ops import comparison, conversion, reduce
from schuss.ops.arrays import expand_dims, flat, length_of, swapaxes
from schuss.ops.index import check_index, one_hot
from schuss.ops.infer import normalize_axis, show
from schuss.ops.registry import also, value_of
from schuss.ops.sorting import argsort_along
from schuss.ops.views import slice_axis


def _numbers(x: Any) -> Any:
    """x, bools as 0 and 1."""
    return conversion.cast(x, dtype="uint8") if str(x.dtype) == "bool" else x


@also()
def take_along_axis(x: Any, index: Any, axis: int = -1) -> Any:
    """y[..., j] = x[..., index[..., j]], the axis being the last here; negative indices count from the end.

    By a choice and a sum for each j, so it takes len(x) * len(index) steps. IndexRangeError for an index out of range.
    """
    x, index = value_of(x), value_of(index)
    at = normalize_axis("take_along_axis", axis, len(x.shape))
    length = length_of("take_along_axis", x, at)
    counted = check_index(swapaxes(index, at, -1), size=length, negative=True, by="take_along_axis")
    chosen = one_hot(counted, classes=length, dtype="bool", mode="zero")
    entries = expand_dims(swapaxes(_numbers(x), at, -1), -2)
    found = swapaxes(reduce.sum(comparison.where(chosen, entries, 0), axis=-1), at, -1)
    return conversion.cast(found, dtype="bool") if str(x.dtype) == "bool" else found


@also()
def argsort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    """Indices that put x in order along the axis, or without one as a vector; equal entries keep theirs. NaN counts as
    largest. ShapeError for an axis whose length is a symbol, as the examples'."""
    x, at = flat("argsort", x, axis)
    return argsort_along(_numbers(x), axis=at, descending=descending)


@also()
def sort(x: Any, axis: int | None = -1, descending: bool = False) -> Any:
    """x in order along the axis, or without one as a vector; NaN counts as largest. Equal entries keep their order."""
    x, at = flat("sort", x, axis)
    return take_along_axis(x, argsort(x, at, descending), axis=at)


@also()
def topk(x: Any, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Any, Any]:
    """(values, indices) of the k largest entries along the axis, or the smallest, in order."""
    x, at = flat("topk", x, axis)
    length = length_of("topk", x, at)
    if not 0 < k <= length:
        raise ShapeError(f"topk: k must be from 1 to {length}, the length of axis {at} of {show(x.shape)}, got {k}")
    index = slice_axis(argsort(x, at, largest), axis=at, start=0, stop=int(k))
    return take_along_axis(x, index, axis=at), index
