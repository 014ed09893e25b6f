"""The order of entries: argsort."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import Sym, TensorType
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


@op(
    "argsort",
    kind=Kind.INDEX,
    infer=_argsort_type,
    settle=settle_axis,
    grad=lambda g, y, x, axis, descending: (None,),
)
def argsort_along(x: Any, *, axis: int = -1, descending: bool = False) -> Any:
    """argsort of one axis, as a node: indices that put x in order; equal entries keep theirs. NaN counts as largest"""
    x = np.asarray(x)
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - backwards, axis)
