"""Reductions. `axis` is an int, a tuple or None (all axes); in a node it is a sorted tuple of axes.

Where several elements are the largest, or the smallest, `ties` says which of them has the gradient: "share" gives
each an even part, as jax.numpy.max and torch.amax do; "first" gives all of it to the first in row-major order, as max
pooling does in both: after a ReLU most ties are zeros, and a part for each would blur which input a window chose. In a
node `ties` stands only where it is "first".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError, UsageError
from schuss.ir.structure import Fold, of_shapes, reduction
from schuss.ir.types import Sym, TensorType
from schuss.ops.arithmetic import neg
from schuss.ops.comparison import equal, logical_and, where
from schuss.ops.conversion import cast
from schuss.ops.infer import dtype_name, normalize_axes, reduced_shape, settle_axes
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


def _extremum_type(name: str, x: TensorType, *, axis: Axis, keepdims: bool, ties: str = "share") -> TensorType:
    if ties not in ("share", "first"):
        raise UsageError(f"{name}: ties must be 'share' or 'first', got {ties!r}")
    for a in normalize_axes(name, axis, x.rank):
        length = x.shape[a]
        if ties == "first" and isinstance(length, Sym):
            raise ShapeError(f"{name}: ties='first' needs axes of known length, got {length.axis} of {x}")
        if length == 0:
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
    structure=reduction(Fold.SUM),
    infer=_sum_type,
    settle=settle_axes,
    grad=lambda g, y, x, axis, keepdims: (_expand(g, x, axis),),
    rule={"x": "g at every summed element"},
)
def sum(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over the axes; 0 over nothing"""
    x = np.asarray(x)
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _shared(g: Any, y: Any, x: Any, axis: Any) -> tuple[Any]:
    """g shared evenly among the elements equal to the extremum y."""
    chosen = equal(x, _kept(y, x, axis))
    ties = sum(cast(chosen, dtype=g.dtype), axis=axis, keepdims=True)
    return (where(chosen, _kept(g, x, axis) / ties, 0.0),)


def _to_first(g: Any, x: Any, axis: Any, extremum: Any, sign: int) -> tuple[Any]:
    """g to the first of the elements: along the last axis the first of its row, along the others the first row."""
    chosen, rest = None, x
    for at in reversed(axis):
        first = argmax_along(rest if sign > 0 else neg(rest), axis=at, keepdims=True)
        here = equal(first, np.arange(x.shape[at]).reshape([-1 if a == at else 1 for a in range(len(x.shape))]))
        chosen = here if chosen is None else logical_and(chosen, here)
        rest = extremum(rest, axis=at, keepdims=True) if at != axis[0] else rest
    return (where(chosen, _kept(g, x, axis), 0.0) if axis else g,)


def _max_grad(g: Any, y: Any, x: Any, axis: Any, keepdims: bool, ties: str = "share") -> tuple[Any]:
    return _shared(g, y, x, axis) if ties == "share" else _to_first(g, x, axis, max, 1)


def _min_grad(g: Any, y: Any, x: Any, axis: Any, keepdims: bool, ties: str = "share") -> tuple[Any]:
    return _shared(g, y, x, axis) if ties == "share" else _to_first(g, x, axis, min, -1)


@op(
    "max",
    kind=REDUCE,
    structure=reduction(Fold.MAX),
    infer=_extremum_type,
    settle=settle_axes,
    later=("ties",),
    grad=_max_grad,
    rule={"x": "g at the largest; ties share it evenly, or the first has it"},
)
def max(x: Any, *, axis: Axis = None, keepdims: bool = False, ties: str = "share") -> Any:
    """Largest over the axes; NaN if any is NaN. ties: the gradient's, "share" or "first" """
    return np.max(x, axis=axis, keepdims=keepdims)


@op(
    "min",
    kind=REDUCE,
    structure=reduction(Fold.MIN),
    infer=_extremum_type,
    settle=settle_axes,
    later=("ties",),
    grad=_min_grad,
    rule={"x": "g at the smallest; ties share it evenly, or the first has it"},
)
def min(x: Any, *, axis: Axis = None, keepdims: bool = False, ties: str = "share") -> Any:
    """Smallest over the axes; NaN if any is NaN. ties: the gradient's, "share" or "first" """
    return np.min(x, axis=axis, keepdims=keepdims)


def _mean_grad(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> tuple[Any]:
    return (_expand(g / count(x, axis=axis, dtype=x.dtype), x, axis),)


@op(
    "mean",
    kind=REDUCE,
    structure=reduction(Fold.SUM, averaged=True),
    infer=_mean_type,
    settle=settle_axes,
    grad=_mean_grad,
    rule={"x": "g / count at every averaged element"},
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
    structure=reduction(Fold.ARGMAX),
    infer=_argmax_type,
    settle=settle_axes,
    grad=lambda g, y, x, axis, keepdims: (None,),
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
    structure=of_shapes,
    infer=_count_type,
    settle=_settle_count,
    grad=lambda g, y, x, axis, dtype: (None,),
    rule={"x": "0"},
)
def count(x: Any, *, axis: Axis = None, dtype: str = "float32") -> Any:
    """Number of elements along the axes: how a rule divides by a length that is a symbol"""
    shape = np.shape(x)
    axes = normalize_axes("count", axis, len(shape))
    return np.asarray(np.prod([shape[a] for a in axes], dtype=np.float64)).astype(dtype)
