"""Ops whose addresses depend on data: take, scatter_add, one_hot. An index out of range is clamped."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import INTEGERS, Dim, Sym, TensorType
from schuss.ops.infer import normalize_axis
from schuss.ops.registry import Kind, op

INDEX = Kind.INDEX


def _require_integers(name: str, index: TensorType) -> None:
    if index.dtype not in INTEGERS:
        raise DTypeError(f"{name}: indices must be integers, got {index}")


def _take_type(name: str, x: TensorType, index: TensorType, *, axis: int) -> TensorType:
    _require_integers(name, index)
    at = normalize_axis(name, axis, x.rank)
    if x.shape[at] == 0:
        raise ShapeError(f"{name}: axis {at} of {x} is empty")
    if isinstance(x.shape[at], Sym):
        raise ShapeError(f"{name}: cannot take along the example axis of {x}")
    return TensorType(x.dtype, (*x.shape[:at], *index.shape, *x.shape[at + 1 :]))


def _take_grad(g: Any, y: Any, x: Any, index: Any, axis: int) -> tuple[Any, None]:
    return scatter_add(g, index, axis=axis, size=x.shape[axis]), None


@op(
    "take",
    kind=INDEX,
    infer=_take_type,
    grad=_take_grad,
    rule="dx = scatter_add of g to the places taken from",
)
def take(x: Any, index: Any, *, axis: int = 0) -> Any:
    """x's entries at the indices along an axis: for axis 0, y[i, ...] = x[index[i], ...]"""
    return np.take(x, index, axis=axis, mode="clip")


def _scatter_type(name: str, g: TensorType, index: TensorType, *, axis: int, size: int) -> TensorType:
    _require_integers(name, index)
    at = normalize_axis(name, axis, g.rank - index.rank + 1)
    if g.shape[at : at + index.rank] != index.shape:
        raise ShapeError(f"{name}: {g} has not the shape of the indices {index} at axis {at}")
    return TensorType(g.dtype, (*g.shape[:at], size, *g.shape[at + index.rank :]))


def _scatter_grad(g: Any, y: Any, x: Any, index: Any, axis: int, size: int) -> tuple[Any, None]:
    return take(g, index, axis=axis), None


@op("scatter_add", kind=INDEX, infer=_scatter_type, grad=_scatter_grad, rule="dx = take of g at the indices")
def scatter_add(x: Any, index: Any, *, axis: int = 0, size: int) -> Any:
    """Zeros of length `size` along the axis, with x added in at the indices, in order"""
    x, index = np.asarray(x), np.asarray(index)
    at = axis % (x.ndim - index.ndim + 1)
    flat = x.reshape(*x.shape[:at], index.size, *x.shape[at + index.ndim :])
    result = np.zeros((*x.shape[:at], size, *x.shape[at + index.ndim :]), x.dtype)
    where = np.clip(index.reshape(-1), 0, size - 1)
    np.add.at(np.moveaxis(result, at, 0), where, np.moveaxis(flat, at, 0))
    return result


def _one_hot_type(name: str, index: TensorType, *, classes: int, dtype: str) -> TensorType:
    _require_integers(name, index)
    shape: tuple[Dim, ...] = (*index.shape, classes)
    return TensorType(dtype, shape)


@op("one_hot", kind=INDEX, infer=_one_hot_type, grad=lambda g, y, i, classes, dtype: (None,), rule="none")
def one_hot(index: Any, *, classes: int, dtype: str = "float32") -> Any:
    """y[..., c] = 1 where index[...] == c, else 0"""
    return (np.asarray(index)[..., None] == np.arange(classes)).astype(dtype)
