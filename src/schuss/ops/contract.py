"""Sums of products: matmul."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import TensorType
from schuss.ops.infer import broadcast_shapes
from schuss.ops.registry import Kind, Promote, op
from schuss.ops.views import transpose


def _matmul_type(name: str, x: TensorType, y: TensorType) -> TensorType:
    if x.rank < 2 or y.rank < 2:
        raise ShapeError(f"{name}: needs matrices, got {x} and {y}; reshape a vector to [n,1] or [1,n]")
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(f"{name}: {x} @ {y}: inner axes {x.shape[-1]} and {y.shape[-2]} differ")
    if x.dtype != y.dtype or not x.is_float:
        raise DTypeError(f"{name}: needs one floating dtype, got {x} and {y}")
    batch = broadcast_shapes(name, [x.shape[:-2], y.shape[:-2]])
    return TensorType(x.dtype, (*batch, x.shape[-2], y.shape[-1]))


def swap_last(x: Any) -> Any:
    """x with its last two axes exchanged."""
    rank = len(x.shape)
    return transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


@op(
    "matmul",
    kind=Kind.CONTRACT,
    infer=_matmul_type,
    promote=Promote.SAME,
    grad=lambda g, z, x, y: (g @ swap_last(y), swap_last(x) @ g),
    rule="dx = g @ y'; dy = x' @ g",
)
def matmul(x: Any, y: Any) -> Any:
    """z[..., i, j] = sum over k of x[..., i, k] * y[..., k, j]; leading axes broadcast"""
    return np.matmul(x, y)
