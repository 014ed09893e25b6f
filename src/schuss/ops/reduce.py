"""Reductions. `axis` is an int, a tuple or None (all axes); in a node it is a sorted tuple of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import TensorType
from schuss.ops.infer import dtype_name, normalize_axes, reduced_shape, settle_axes
from schuss.ops.maps import cast, equal, where
from schuss.ops.registry import Kind, op, require_float
from schuss.ops.views import broadcast_to, reshape

Axis = int | Sequence[int] | None
REDUCE = Kind.REDUCE


def _reduce_type(name: str, x: TensorType, *, axis: Axis, keepdims: bool) -> TensorType:
    axes = normalize_axes(name, axis, x.rank)
    return TensorType(x.dtype, reduced_shape(x.shape, axes, keepdims))


def _sum_type(name: str, x: TensorType, *, axis: Axis, keepdims: bool) -> TensorType:
    if x.dtype == "bool":
        raise DTypeError(f"{name}: needs numbers, got {x}; cast it first")
    return _reduce_type(name, x, axis=axis, keepdims=keepdims)


def _extremum_type(name: str, x: TensorType, *, axis: Axis, keepdims: bool) -> TensorType:
    for a in normalize_axes(name, axis, x.rank):
        if x.shape[a] == 0:
            raise ShapeError(f"{name}: axis {a} of {x} is empty and has no extremum")
    return _sum_type(name, x, axis=axis, keepdims=keepdims)


def _mean_type(name: str, x: TensorType, *, axis: Axis, keepdims: bool) -> TensorType:
    require_float(name, x)
    return _reduce_type(name, x, axis=axis, keepdims=keepdims)


def _kept(g: Any, x: Any, axis: Any) -> Any:
    """g, the shape of a reduction's result, with the reduced axes of x put back at length 1."""
    return reshape(g, shape=tuple(1 if i in axis else d for i, d in enumerate(x.shape)))


def _expand(g: Any, x: Any, axis: Any) -> Any:
    """g, the shape of a reduction's result, stretched over the reduced axes to x's shape."""
    return broadcast_to(_kept(g, x, axis), shape=x.shape)


@op(
    "sum",
    kind=REDUCE,
    infer=_sum_type,
    settle=settle_axes,
    grad=lambda g, y, x, axis, keepdims: (_expand(g, x, axis),),
    rule="dx = g at every summed element",
)
def sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over the axes; 0 over nothing"""
    x = np.asarray(x)
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _extremum_grad(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> tuple[Any]:
    chosen = equal(x, _kept(y, x, axis))
    ties = sum(cast(chosen, dtype=g.dtype), axis=axis, keepdims=True)
    return (where(chosen, _kept(g, x, axis) / ties, 0.0),)


@op(
    "max",
    kind=REDUCE,
    infer=_extremum_type,
    settle=settle_axes,
    grad=_extremum_grad,
    rule="dx = g at the largest, shared evenly by ties",
)
def max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest over the axes; NaN if any is NaN"""
    return np.max(x, axis=axis, keepdims=keepdims)


@op(
    "min",
    kind=REDUCE,
    infer=_extremum_type,
    settle=settle_axes,
    grad=_extremum_grad,
    rule="dx = g at the smallest, shared evenly by ties",
)
def min(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest over the axes; NaN if any is NaN"""
    return np.min(x, axis=axis, keepdims=keepdims)


def _mean_grad(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> tuple[Any]:
    return (_expand(g / count(x, axis=axis, dtype=x.dtype), x, axis),)


@op(
    "mean",
    kind=REDUCE,
    infer=_mean_type,
    settle=settle_axes,
    grad=_mean_grad,
    rule="dx = g / count at every averaged element",
)
def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over the axes divided by the number of elements summed; NaN over nothing"""
    x = np.asarray(x)
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
    return np.divide(total, count.body(x, axis=axis, dtype=x.dtype))


def _argmax_type(name: str, x: TensorType, *, axis: Axis, keepdims: bool) -> TensorType:
    axes = normalize_axes(name, axis, x.rank)
    if len(axes) != 1:
        raise ShapeError(f"{name}: needs one axis, got {axes} of {x}")
    _extremum_type(name, x, axis=axes, keepdims=keepdims)
    return TensorType("int64", reduced_shape(x.shape, axes, keepdims))


@op(
    "argmax",
    kind=REDUCE,
    infer=_argmax_type,
    settle=settle_axes,
    grad=lambda g, y, x, axis, keepdims: (None,),
    rule="none",
)
def argmax_along(x: Any, *, axis: Axis = -1, keepdims: bool = False) -> Any:
    """argmax of one axis, as a node: index of the first largest element along one axis; a NaN counts as largest"""
    one = axis if isinstance(axis, int) or axis is None else axis[0]
    return np.argmax(x, axis=one, keepdims=keepdims)


def _count_type(name: str, x: TensorType, *, axis: Axis, dtype: str) -> TensorType:
    return TensorType(dtype, ())


def _settle_count(name: str, x: TensorType, *, axis: Axis, dtype: str) -> dict[str, Any]:
    return {"axis": normalize_axes(name, axis, x.rank), "dtype": dtype_name(name, dtype)}


@op(
    "count",
    kind=Kind.SHAPE,
    infer=_count_type,
    settle=_settle_count,
    grad=lambda g, y, x, axis, dtype: (None,),
    rule="none",
)
def count(x: Any, *, axis: Axis = None, dtype: str = "float32") -> Any:
    """Number of elements along the axes: how a rule divides by the length of the example axis"""
    shape = np.shape(x)
    axes = normalize_axes("count", axis, len(shape))
    return np.asarray(np.prod([shape[a] for a in axes], dtype=np.float64)).astype(dtype)
