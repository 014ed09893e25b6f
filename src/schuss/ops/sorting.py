"""The order of entries: argsort."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import Shape, Sym, TensorType, static_size
from schuss.ops.infer import normalize_axis, settle_axis
from schuss.ops.registry import Kind, op


def _argsort_type(name: str, x: TensorType, *, axis: int, descending: bool) -> TensorType:
    at = normalize_axis(name, axis, x.rank)
    length = x.shape[at]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: cannot sort along {length.axis} of {x}")
    if x.dtype == "bool":
        raise DTypeError(f"{name}: needs numbers, got {x}; cast it first")
    return TensorType("int64", x.shape)


def _argsort_scratch(result: TensorType, x: TensorType, *, axis: int, descending: bool) -> tuple[Shape, ...]:
    """Indices of a row, twice: they are merged from one array to the other."""
    return ((max(static_size(x.shape[axis : axis + 1]), 1),),) * 2


@op(
    "argsort",
    kind=Kind.INDEX,
    infer=_argsort_type,
    settle=settle_axis,
    grad=lambda g, y, x, axis, descending: (None,),
    scratch=_argsort_scratch,
)
def argsort_along(x: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """argsort of one axis, as a node: indices that put x in order; equal entries keep theirs. NaN counts as largest"""
    x = np.asarray(x)
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - backwards, axis)
