"""Sums of products: matmul, and dot_general, of which it is one case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.structure import Access, Fold, Structure
from schuss.ir.types import TensorType
from schuss.ops.infer import broadcast_shapes, normalize_axis
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


def _matmul_structure(z: TensorType, x: TensorType, y: TensorType) -> Structure:
    space = (*z.shape, x.shape[-1])
    batch = [tuple(a if d == space[a] else None for a, d in enumerate(t.shape[:-2], z.rank - t.rank)) for t in (x, y)]
    i, j, k = z.rank - 2, z.rank - 1, z.rank
    return Structure(space, (Access((*batch[0], i, k)), Access((*batch[1], k, j))), (k,), Fold.SUM)


@op(
    "matmul",
    kind=Kind.CONTRACT,
    structure=_matmul_structure,
    infer=_matmul_type,
    promote=Promote.SAME,
    grad=lambda g, z, x, y: (g @ swap_last(y), swap_last(x) @ g),
    rule={"x": "g @ y'", "y": "x' @ g"},
)
def matmul(x: Any, y: Any) -> Any:
    """z[..., i, j] = sum over k of x[..., i, k] * y[..., k, j]; leading axes broadcast"""
    return np.matmul(x, y)


# -- dot_general ----------------------------------------------------------------------------------

Pairs = tuple[tuple[int, ...], tuple[int, ...]]  # axes of the left and of the right operand, one by one


def free_axes(rank: int, *taken: Sequence[int]) -> tuple[int, ...]:
    """The axes of an operand that are neither contracted nor batch axes, in order."""
    used = {a for axes in taken for a in axes}
    return tuple(a for a in range(rank) if a not in used)


def _pairs(name: str, what: str, given: Any, x: TensorType, y: TensorType) -> Pairs:
    """Axes counted from the front. ShapeError for what is no pair of equally long lists."""
    try:
        left, right = (
            tuple(normalize_axis(name, a, t.rank) for a in axes) for axes, t in zip(given, (x, y), strict=True)
        )
    except (TypeError, ValueError):
        raise ShapeError(
            f"{name}: {what} must be a pair of lists of axes, of the left and right tensor, got {given!r}"
        ) from None
    if len(left) != len(right):
        raise ShapeError(f"{name}: {what} names {len(left)} axes of {x} and {len(right)} of {y}")
    return left, right


def _settle_dot(name: str, x: TensorType, y: TensorType, *, contract: Any, batch: Any) -> dict[str, Any]:
    return {"contract": _pairs(name, "contract", contract, x, y), "batch": _pairs(name, "batch", batch, x, y)}


def _dot_type(name: str, x: TensorType, y: TensorType, *, contract: Any, batch: Any = ((), ())) -> TensorType:
    (cx, cy), (bx, by) = _pairs(name, "contract", contract, x, y), _pairs(name, "batch", batch, x, y)
    for t, axes in ((x, cx + bx), (y, cy + by)):
        if len(set(axes)) != len(axes):
            raise ShapeError(f"{name}: an axis of {t} is named twice in contract={(cx, cy)}, batch={(bx, by)}")
    for a, b in zip(cx + bx, cy + by, strict=True):
        if x.shape[a] != y.shape[b]:
            raise ShapeError(f"{name}: axis {a} of {x} and axis {b} of {y} differ in length")
    if x.dtype != y.dtype or not x.is_float:
        raise DTypeError(f"{name}: needs one floating dtype, got {x} and {y}")
    shared = tuple(x.shape[a] for a in bx)
    left = tuple(x.shape[a] for a in free_axes(x.rank, cx, bx))
    right = tuple(y.shape[a] for a in free_axes(y.rank, cy, by))
    return TensorType(x.dtype, (*shared, *left, *right))


def _dot_grad(g: Any, z: Any, x: Any, y: Any, contract: Pairs, batch: Pairs) -> tuple[Any, Any]:
    """Each operand's gradient is the incoming one contracted with the other operand, its axes put in order."""
    (cx, cy), (bx, by) = contract, batch
    shared = tuple(range(len(bx)))
    fx, fy = free_axes(len(x.shape), cx, bx), free_axes(len(y.shape), cy, by)
    left = tuple(range(len(bx), len(bx) + len(fx)))
    right = tuple(range(len(bx) + len(fx), len(g.shape)))
    dx = dot_general(g, y, contract=(right, fy), batch=(shared, by))
    dy = dot_general(x, g, contract=(fx, left), batch=(bx, shared))
    partner = dict(zip(cy, cx, strict=True))
    return (
        _put_back(dx, (*bx, *fx, *(partner[a] for a in sorted(cy)))),
        _put_back(dy, (*by, *(b for _, b in sorted(zip(cx, cy, strict=True))), *fy)),
    )


def _put_back(z: Any, axes: tuple[int, ...]) -> Any:
    """z, whose axis i is to be axis axes[i]."""
    order = tuple(int(i) for i in np.argsort(axes))
    return z if order == tuple(range(len(order))) else transpose(z, axes=order)


def _dot_structure(z: TensorType, x: TensorType, y: TensorType, *, contract: Pairs, batch: Pairs) -> Structure:
    (cx, cy), (bx, by) = contract, batch
    fx, fy = free_axes(x.rank, cx, bx), free_axes(y.rank, cy, by)
    first, left = len(bx), len(bx) + len(fx)
    space = (*z.shape, *(x.shape[a] for a in cx))
    folded = tuple(range(z.rank, len(space)))

    def access(batch_axes: Sequence[int], free: Sequence[int], start: int, contracted: Sequence[int]) -> Access:
        named = (*batch_axes, *free, *contracted)
        places = (*range(first), *range(start, start + len(free)), *folded)
        return Access(tuple(place for _, place in sorted(zip(named, places, strict=True))))

    return Structure(space, (access(bx, fx, first, cx), access(by, fy, left, cy)), folded, Fold.SUM)


@op(
    "dot_general",
    kind=Kind.CONTRACT,
    structure=_dot_structure,
    infer=_dot_type,
    promote=Promote.SAME,
    settle=_settle_dot,
    grad=_dot_grad,
    rule={"x": "g contracted with y over the free axes of y", "y": "x contracted with g over the free axes of x"},
)
def dot_general(x: Any, y: Any, *, contract: Any, batch: Any = ((), ())) -> Any:
    """The sum over the contracted axes of products, for each place of the batch axes and of either operand's others.

    contract  (axes of x, axes of y), pairwise of one length; summed in this order, the last one fastest
    batch     (axes of x, axes of y), pairwise of one length
    The result's axes are the batch axes as listed, then x's others, then y's. jax.lax.dot_general's
    dimension_numbers are (contract, batch).
    """
    x, y = np.asarray(x), np.asarray(y)
    (cx, cy), (bx, by) = (
        [[a % t.ndim for a in axes] for axes, t in zip(p, (x, y), strict=True)] for p in (contract, batch)
    )
    fx, fy = free_axes(x.ndim, cx, bx), free_axes(y.ndim, cy, by)
    shared, left, right, depth = ([t.shape[a] for a in axes] for t, axes in ((x, bx), (x, fx), (y, fy), (x, cx)))
    m, n, k = (int(np.prod(d, dtype=np.int64)) for d in (left, right, depth))
    rows = np.transpose(x, (*bx, *fx, *cx)).reshape(*shared, m, k)
    columns = np.transpose(y, (*by, *cy, *fy)).reshape(*shared, k, n)
    return np.matmul(rows, columns).reshape((*shared, *left, *right))
