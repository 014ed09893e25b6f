"""Some rows of a table, named by indices: sums of rows with the same index, and rows put in their place.

By these an optimizer updates the rows that a batch has touched and no others (schuss.optim.rows).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.structure import Access, Structure
from schuss.ir.types import INTEGERS, Shape, Sym, TensorType
from schuss.ops.filled import ones_like, zeros_like
from schuss.ops.index import CONVERT, take
from schuss.ops.registry import Kind, op

INDEX = Kind.INDEX


def _require_places(name: str, index: TensorType, rows: TensorType) -> None:
    """DTypeError or ShapeError unless there is a row for each index."""
    if index.dtype not in INTEGERS:
        raise DTypeError(f"{name}: indices must be integers, got {index}{CONVERT}")
    if rows.shape[: index.rank] != index.shape:
        raise ShapeError(f"{name}: {rows} has not a row for each of the indices {index}")


# -- sums --------------------------------------------------------------------------------------------


def _coalesce_type(name: str, x: TensorType, index: TensorType, *, size: int) -> TensorType:
    _require_places(name, index, x)
    if size < 1:
        raise ShapeError(f"{name}: size must be 1 or more, got {size}")
    if x.dtype == "bool":
        raise DTypeError(f"{name}: needs numbers, got {x}; cast it first")
    if any(isinstance(d, Sym) for d in index.shape[1:]):
        raise ShapeError(f"{name}: the example axis of the indices {index} must come first; transpose them")
    return x


def _coalesce_scratch(y: TensorType, x: TensorType, index: TensorType, *, size: int) -> tuple[Shape, ...]:
    """For each index the place where it stood first; of each place its index, and the first place of that one."""
    return (size,), index.shape, index.shape


@op(
    "coalesce",
    kind=INDEX,
    infer=_coalesce_type,
    scratch=_coalesce_scratch,
    grad=lambda g, y, x, index, size: (coalesce(g, index, size=size), None),
    rule={"x": "coalesce of g"},
)
def coalesce(x: Any, index: Any, *, size: int) -> Any:
    """The sum of the rows that have the same index, at each of their places.

    y[p] = the sum of x[q] over all q with index[q] = index[p], for x [*index.shape, ...]; sums go in row-major order of
    the places. An index outside 0 .. size-1 counts as the nearest.
    """
    x, index = np.asarray(x), np.asarray(index)
    rows = x.reshape(index.size, *x.shape[index.ndim :])
    found, which = np.unique(np.clip(index.reshape(-1), 0, size - 1), return_inverse=True)
    sums = np.zeros((len(found), *rows.shape[1:]), x.dtype)
    np.add.at(sums, which.reshape(-1), rows)
    return sums[which.reshape(-1)].reshape(x.shape)


# -- put in their place ------------------------------------------------------------------------------


def _set_rows_type(name: str, x: TensorType, index: TensorType, rows: TensorType) -> TensorType:
    _require_places(name, index, rows)
    if not x.shape or isinstance(x.shape[0], Sym) or x.shape[0] == 0:
        raise ShapeError(f"{name}: needs a table of one row or more, got {x}")
    if rows.shape[index.rank :] != x.shape[1:] or rows.dtype != x.dtype:
        raise ShapeError(f"{name}: {rows} are no rows of {x} for the indices {index}")
    return x


def _set_rows_structure(y: TensorType, x: TensorType, index: TensorType, rows: TensorType) -> Structure:
    """Over the places of the rows, in row-major order, each written over what is there."""
    entries = Access((None, *range(index.rank, rows.rank)), through=(0, 1))
    reads = (Access(whole=True), Access(tuple(range(index.rank))), Access(tuple(range(rows.rank))))
    return Structure(rows.shape, reads, writes=entries, onto=0)


def _set_rows_grad(g: Any, y: Any, x: Any, index: Any, rows: Any) -> tuple[Any, None, Any]:
    several = coalesce(ones_like(rows), index, size=x.shape[0])
    kept = set_rows(g, index, zeros_like(rows))
    return kept, None, take(g, index, axis=0, mode="clip") / several


@op(
    "set_rows",
    kind=INDEX,
    infer=_set_rows_type,
    structure=_set_rows_structure,
    grad=_set_rows_grad,
    rule={"x": "g, 0 in the rows set", "rows": "take of g at the indices, shared by those of the same row"},
)
def set_rows(x: Any, index: Any, rows: Any) -> Any:
    """x with other rows: y[index[p]] = rows[p], else y = x. An index outside 0 .. n-1 counts as the nearest.

    Where an index stands more than once the last row counts; the gradient takes these rows to be the same.
    """
    x, index, rows = np.asarray(x), np.asarray(index), np.asarray(rows)
    y = np.array(x)
    y[np.clip(index.reshape(-1), 0, len(x) - 1)] = rows.reshape(index.size, *x.shape[1:])
    return y
