"""Windows that slide along an axis, and their adjoint: what convolutions and pooling are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import ShapeError
from schuss.ir.structure import Along, ViewMap
from schuss.ir.types import Sym, TensorType, symbols_in
from schuss.ops.infer import normalize_axis, settle_axis
from schuss.ops.registry import Kind, op
from schuss.ops.views import slice_axis


def span(size: int, dilation: int) -> int:
    """How many entries a window reaches over."""
    return (size - 1) * dilation + 1


def _require_whole(name: str, **numbers: Any) -> None:
    for what, number in numbers.items():
        if not isinstance(number, (int, np.integer)) or number < 1:
            raise ShapeError(f"{name}: {what} must be a whole number of at least 1, got {number!r}")


def _window_type(name: str, x: TensorType, *, axis: int, size: int, stride: int = 1, dilation: int = 1) -> TensorType:
    at = normalize_axis(name, axis, x.rank)
    _require_whole(name, size=size, stride=stride, dilation=dilation)
    length = x.shape[at]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: no window slides along {length.axis} of {x}")
    if span(size, dilation) > length:
        raise ShapeError(f"{name}: a window over {span(size, dilation)} entries is longer than axis {at} of {x}")
    places = (length - span(size, dilation)) // stride + 1
    return TensorType(x.dtype, (*x.shape[:at], places, int(size), *x.shape[at + 1 :]))


def _window_grad(g: Any, y: Any, x: Any, axis: int, size: int, stride: int, dilation: int) -> tuple[Any]:
    return (overlap_add(g, axis=axis, length=x.shape[axis], stride=stride, dilation=dilation),)


def _window_view(y: TensorType, x: TensorType, *, axis: int, size: int, stride: int, dilation: int) -> ViewMap:
    behind = (Along(((a + 1, 1),)) for a in range(axis + 1, x.rank))
    slid = Along(((axis, stride), (axis + 1, dilation)))
    return ViewMap((*(Along(((a, 1),)) for a in range(axis)), slid, *behind))


@op(
    "window",
    kind=Kind.VIEW,
    view=_window_view,
    infer=_window_type,
    settle=settle_axis,
    grad=_window_grad,
    rule={"x": "overlap_add of g"},
)
def window(x: Any, *, axis: int, size: int, stride: int = 1, dilation: int = 1) -> Any:
    """y[.., i, k, ..] = x[.., i * stride + k * dilation, ..]: the axis becomes two, places and entries of a window.

    numpy's sliding_window_view, with the window's axis behind that of the places. ShapeError for a window longer
    than the axis.
    """
    x = np.asarray(x)
    at = axis % x.ndim
    windows = np.lib.stride_tricks.sliding_window_view(x, span(size, dilation), axis=at)
    index = [slice(None)] * x.ndim
    index[at] = slice(None, None, stride)
    return np.moveaxis(windows[(*index, slice(None, None, dilation))], -1, at + 1)


def _overlap_type(
    name: str, x: TensorType, *, axis: int, length: int, stride: int = 1, dilation: int = 1
) -> TensorType:
    at = normalize_axis(name, axis, x.rank)
    _require_whole(name, stride=stride, dilation=dilation)
    if at + 1 >= x.rank:
        raise ShapeError(f"{name}: needs two axes, places and entries of a window, from axis {at} of {x} on")
    places, size = x.shape[at], x.shape[at + 1]
    if isinstance(places, Sym) or isinstance(size, Sym):
        raise ShapeError(f"{name}: no window slides along {symbols_in((places, size))[0].axis} of {x}")
    if not places or not size:
        raise ShapeError(f"{name}: axis {at if not places else at + 1} of {x} is empty")
    needed = (places - 1) * stride + span(size, dilation)
    if not isinstance(length, (int, np.integer)) or length < needed:
        raise ShapeError(f"{name}: length must be at least {needed}, where the last window of {x} ends, got {length!r}")
    return TensorType(x.dtype, (*x.shape[:at], int(length), *x.shape[at + 2 :]))


def _overlap_grad(g: Any, y: Any, x: Any, axis: int, length: int, stride: int, dilation: int) -> tuple[Any]:
    places, size = x.shape[axis], x.shape[axis + 1]
    reached = (places - 1) * stride + span(size, dilation)  # what lies behind the last window reached no result
    part = g if reached == length else slice_axis(g, axis=axis, start=0, stop=reached)
    return (window(part, axis=axis, size=size, stride=stride, dilation=dilation),)


@op(
    "overlap_add",
    kind=Kind.INDEX,
    infer=_overlap_type,
    settle=settle_axis,
    grad=_overlap_grad,
    rule={"x": "window of g"},
)
def overlap_add(x: Any, *, axis: int, length: int, stride: int = 1, dilation: int = 1) -> Any:
    """y[.., h, ..] = the sum of all x[.., i, k, ..] with i * stride + k * dilation = h, in ascending k.

    The adjoint of window: x's two axes, places and entries of a window, become one of the length.
    """
    x = np.asarray(x)
    at = axis % x.ndim
    places, size = x.shape[at : at + 2]
    result = np.zeros((*x.shape[:at], length, *x.shape[at + 2 :]), x.dtype)
    entries, target = np.moveaxis(x, at + 1, 0), np.moveaxis(result, at, 0)
    for k in range(size):
        start = k * dilation
        target[start : start + (places - 1) * stride + 1 : stride] += np.moveaxis(entries[k], at, 0)
    return result
