"""Ops whose addresses depend on data: take, scatter_add, one_hot.

The functions take a `mode`: what is done with an index that is out of range. Without one it is an error, which names
the operation, the row and the index: by `check_index`, a node of its own before the operation's. The operations as
nodes of a graph, and in model files, read any index: take and scatter_add clamp it, one_hot gives a row of zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schuss.errors import DTypeError, IndexRangeError, ShapeError, UsageError
from schuss.ir.structure import Access, Structure
from schuss.ir.types import INTEGERS, Dim, Sym, TensorType
from schuss.ops.infer import normalize_axis, settle_axis, settle_dtype
from schuss.ops.registry import Kind, also, op

INDEX = Kind.INDEX
CONVERT = ": convert them with .astype('int64')"


def _require_integers(name: str, index: TensorType) -> None:
    if index.dtype not in INTEGERS:
        raise DTypeError(f"{name}: indices must be integers, got {index}{CONVERT}")


def _require_length(name: str, what: str, length: Dim) -> None:
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: {what} must be a known number, got {length}")
    if length < 1:
        raise ShapeError(f"{name}: {what} must be 1 or more, got {length}")


# -- what is in range -------------------------------------------------------------------------------


def _check_type(name: str, index: TensorType, *, size: int, negative: bool, by: str) -> TensorType:
    if index.dtype not in INTEGERS:
        raise DTypeError(f"{by}: indices must be integers, got {index}{CONVERT}")
    _require_length(by, "the number of entries", size)
    return TensorType("int64" if negative else index.dtype, index.shape)


@op(
    "check_index",
    kind=INDEX,
    noting=True,
    infer=_check_type,
    grad=lambda g, y, i, size, negative, by: (None,),
)
def check_index(index: Any, *, size: int, negative: bool = False, by: str = "check_index") -> Any:
    """The indices, of which each is in 0 .. size-1, or with `negative` from -size on and then counted from the front.

    IndexRangeError for any other, which begins with the name in `by`.
    """
    index = np.asarray(index)
    if index.dtype.kind not in "iu":
        raise DTypeError(f"{by}: indices must be integers, got {index.dtype}{list(index.shape)}{CONVERT}")
    bad = first_outside(index, size, negative)
    if bad is not None:
        raise range_error(by, size, negative, bad[0] if index.ndim else None, bad[1])
    if not negative:
        return index
    wide = index.astype(np.int64)
    return np.where(wide < 0, wide + size, wide)


def first_outside(index: NDArray[Any], size: int, negative: bool) -> tuple[int, int] | None:
    """(row, index) of the first index out of range, in row-major order."""
    low = -size if negative else 0
    if not index.size or (int(index.min()) >= low and int(index.max()) < size):
        return None
    bad = (index < low) | (index >= size)
    at = np.unravel_index(int(bad.argmax()), bad.shape)
    return (int(at[0]) if at else 0), int(index[at])


def range_error(by: str, size: int, negative: bool, row: int | None, value: int, line: str = "") -> IndexRangeError:
    """Row: of the tensor of indices, or of the data."""
    place = "" if row is None else f" in row {row}"
    why = ""
    if value < 0 and not negative:
        why = "; a negative index is no category (-1 is pandas' code of a missing value: fill it, or leave the row out)"
    message = f"{by}: index {value}{place} is out of range, {-size if negative else 0} .. {size - 1}{why}{line}"
    return IndexRangeError(message, row, value)


def _mode(name: str, mode: str, *known: str) -> str:
    if mode not in known:
        raise UsageError(f"{name}: mode must be one of {', '.join(known)}, got {mode!r}")
    return mode


# -- the operations ---------------------------------------------------------------------------------


def _take_type(name: str, x: TensorType, index: TensorType, *, axis: int, sparse: bool = False) -> TensorType:
    _require_integers(name, index)
    at = normalize_axis(name, axis, x.rank)
    if x.shape[at] == 0:
        raise ShapeError(f"{name}: axis {at} of {x} is empty")
    length = x.shape[at]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: cannot take along {length.axis} of {x}")
    return TensorType(x.dtype, (*x.shape[:at], *index.shape, *x.shape[at + 1 :]))


def _take_grad(g: Any, y: Any, x: Any, index: Any, axis: int, sparse: bool = False) -> tuple[Any, None]:
    return scatter_add_clamped(g, index, axis=axis, size=x.shape[axis]), None


def _take_structure(y: TensorType, x: TensorType, index: TensorType, *, axis: int, sparse: bool = False) -> Structure:
    after = (a + index.rank - 1 for a in range(axis + 1, x.rank))
    entries = Access((*range(axis), None, *after), through=(axis, 1))
    return Structure(y.shape, (entries, Access(tuple(range(axis, axis + index.rank)))))


@op(
    "take",
    kind=INDEX,
    structure=_take_structure,
    infer=_take_type,
    settle=settle_axis,
    grad=_take_grad,
    rule={"x": "scatter_add of g to the places taken from"},
    later=("sparse",),
)
def take_clamped(x: Any, index: Any, *, axis: int = 0, sparse: bool = False) -> Any:
    """take with mode "clip", as a node; sparse is a word to whoever learns x (schuss.optim.rows)"""
    return np.take(x, index, axis=axis, mode="clip")


def _scatter_type(name: str, g: TensorType, index: TensorType, *, axis: int, size: int) -> TensorType:
    _require_integers(name, index)
    _require_length(name, "size", size)
    at = normalize_axis(name, axis, g.rank - index.rank + 1)
    if g.shape[at : at + index.rank] != index.shape:
        raise ShapeError(f"{name}: {g} has not the shape of the indices {index} at axis {at}")
    return TensorType(g.dtype, (*g.shape[:at], size, *g.shape[at + index.rank :]))


def _settle_scatter(
    name: str, g: TensorType, index: TensorType, *, axis: int, size: int, **attrs: Any
) -> dict[str, Any]:
    """The axis of the result counted from the front."""
    return {"axis": normalize_axis(name, axis, g.rank - index.rank + 1), "size": size, **attrs}


def _scatter_grad(g: Any, y: Any, x: Any, index: Any, axis: int, size: int) -> tuple[Any, None]:
    return take_clamped(g, index, axis=axis), None


def _scatter_structure(y: TensorType, x: TensorType, index: TensorType, *, axis: int, size: int) -> Structure:
    """Over the places of x, in row-major order, each added to the result where its index says."""
    after = (a + index.rank - 1 for a in range(axis + 1, y.rank))
    entries = Access((*range(axis), None, *after), through=(axis, 1))
    reads = (Access(tuple(range(x.rank))), Access(tuple(range(axis, axis + index.rank))))
    return Structure(x.shape, reads, writes=entries)


@op(
    "scatter_add",
    kind=INDEX,
    structure=_scatter_structure,
    infer=_scatter_type,
    settle=_settle_scatter,
    grad=_scatter_grad,
    rule={"x": "take of g at the indices"},
)
def scatter_add_clamped(x: Any, index: Any, *, axis: int = 0, size: int) -> Any:
    """scatter_add with mode "clip", as a node"""
    x, index = np.asarray(x), np.asarray(index)
    at = axis % (x.ndim - index.ndim + 1)
    flat = x.reshape(*x.shape[:at], index.size, *x.shape[at + index.ndim :])
    result = np.zeros((*x.shape[:at], size, *x.shape[at + index.ndim :]), x.dtype)
    where = np.clip(index.reshape(-1), 0, size - 1)
    np.add.at(np.moveaxis(result, at, 0), where, np.moveaxis(flat, at, 0))
    return result


def _one_hot_type(name: str, index: TensorType, *, classes: int, dtype: str) -> TensorType:
    _require_integers(name, index)
    _require_length(name, "classes", classes)
    shape: tuple[Dim, ...] = (*index.shape, classes)
    return TensorType(dtype, shape)


def _one_hot_structure(y: TensorType, index: TensorType, **_: Any) -> Structure:
    """The body takes the class, which is the place along the last axis, and the label."""
    return Structure(y.shape, (Access(tuple(range(index.rank))),), coordinates=(index.rank,))


def _emit_one_hot(b: Any, at: Any, label: Any, classes: int, dtype: str) -> Any:
    return b.select(b.compare("==", b.cast(label, "int64"), at), b.constant(1, dtype), b.constant(0, dtype))


@op(
    "one_hot",
    kind=INDEX,
    structure=_one_hot_structure,
    emit=_emit_one_hot,
    infer=_one_hot_type,
    settle=settle_dtype,
    grad=lambda g, y, i, classes, dtype: (None,),
)
def one_hot_or_zeros(index: Any, *, classes: int, dtype: str = "float32") -> Any:
    """one_hot with mode "zero", as a node"""
    return (np.asarray(index)[..., None] == np.arange(classes)).astype(dtype)


# -- as functions -----------------------------------------------------------------------------------


@also(indices="index")
def take(x: Any, index: Any, axis: int | None = None, mode: str = "raise", sparse: bool = False) -> Any:
    """x's entries at the indices along an axis: for axis 0, y[i, ...] = x[index[i], ...].

    mode    of an index i outside 0 .. n-1: "raise" counts -n .. -1 from the end, and any other is an IndexRangeError;
            "clip" takes the nearest entry
    sparse  of the rows (axis 0) of a Parameter: fit updates those that a batch takes and no others, see nn.Embedding
    A tensor of several axes needs the axis: numpy and PyTorch would read it flattened. ShapeError without one.
    """
    rank = len(_shape(x))
    if axis is None and rank != 1:
        raise ShapeError(
            f"take: a tensor of {rank} axes needs the axis: take(x, index, axis=0); numpy reads it flattened"
        )
    axis = 0 if axis is None else axis
    if _mode("take", mode, "raise", "clip") == "raise":
        index = _checked("take", x, axis, index)
    if not sparse:
        return take_clamped(x, index, axis=axis)
    if axis not in (0, -rank):
        raise UsageError(f"take: sparse=True is of rows, axis 0, got axis {axis}; leave it out, or transpose the table")
    return take_clamped(x, index, axis=0, sparse=True)


@also()
def scatter_add(x: Any, index: Any, *, axis: int = 0, size: int, mode: str = "raise") -> Any:
    """Zeros of length `size` along the axis, with x added in at the indices, in order. mode: as of take."""
    _require_length("scatter_add", "size", size)
    if _mode("scatter_add", mode, "raise", "clip") == "raise":
        index = check_index(index, size=size, negative=True, by="scatter_add")
    return scatter_add_clamped(x, index, axis=axis, size=size)


@also(num_classes="classes")
def one_hot(index: Any, classes: int, dtype: str = "float32", mode: str = "raise") -> Any:
    """y[..., c] = 1 where index[...] == c, else 0.

    mode  of an index outside 0 .. classes-1: "raise" is an IndexRangeError, "zero" gives a row of zeros
    """
    _require_length("one_hot", "classes", classes)
    if _mode("one_hot", mode, "raise", "zero") == "raise":
        index = check_index(index, size=classes, by="one_hot")
    return one_hot_or_zeros(index, classes=classes, dtype=dtype)


def _checked(by: str, x: Any, axis: int, index: Any) -> Any:
    """The index counted from the front, with a check if it is not known yet."""
    shape = _shape(x)
    length = shape[normalize_axis(by, axis, len(shape))]
    if isinstance(length, Sym) or length == 0:  # the op itself says what is wrong
        return index
    return check_index(index, size=length, negative=True, by=by)


def _shape(x: Any) -> Any:
    return x.shape if hasattr(x, "shape") else np.shape(x)
