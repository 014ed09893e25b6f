"""Data as the columns a step reads: the one place where what users hold gets a dtype that graphs know.

data                                   column
floats of any width                    the model's floating dtype
float32, float64, int64, int32,        its own
uint32, uint8, bool
int8, int16, uint16; uint64            int32; int64
targets that are bool                  int64

Training, validation, test rows, calls and pictures all come through here, so that a dtype means the same in each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schuss.data.arrays import as_array, check_finite
from schuss.errors import DataError, ShapeError
from schuss.frames import column_at, is_frame
from schuss.ir.executor import Array
from schuss.ir.types import DTYPES, TensorType

_KNOWN = frozenset(np.dtype(name) for name in DTYPES)


def whole(array: Array, what: str) -> Array:
    """Integers or bools in a dtype that graphs know. DataError for those beyond int64."""
    if array.dtype in _KNOWN:
        return array
    if array.dtype == np.uint64 and (array >> np.uint64(63)).any():
        raise DataError(f"{what}: {array.max()} is too large for int64; convert it to floats")
    return array.astype(np.int32 if array.dtype.itemsize < 4 else np.int64)


def narrowed(array: Array, dtype: str, what: str, frame: Any = None) -> Array:
    """Floats in another floating dtype. DataError names the first that is beyond it; frame: see check_finite."""
    if array.dtype == dtype:
        return array
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype, copy=False)
    except FloatingPointError:
        with np.errstate(over="ignore"):
            lost = np.isinf(array.astype(dtype)) & np.isfinite(array)
    row, *place = np.argwhere(lost)[0] if array.ndim else (0,)
    column = f", {column_at(int(np.ravel_multi_index(place, array.shape[1:])), frame)}" if place else ""
    mend = "scale the data, or convert the model with nn.to_dtype(model, 'float64')"
    raise DataError(f"{what}: {array[lost][0]:.3g} at row {row}{column} is beyond {dtype}; {mend}")


def floating(array: Array, dtype: str, what: str, frame: Any = None) -> Array:
    """Numbers as finite floats of that dtype. DataError names the first that is none or does not fit."""
    check_finite(array, what, frame)
    return narrowed(array, dtype, what, frame)


def numbers(value: Any, what: str) -> Array:
    """as_array; of a data frame finite numbers. DataError names the column that holds another."""
    array = as_array(value, what)
    if is_frame(value):
        check_finite(array, what, value)
    return array


def column(value: Any, what: str, dtype: str, like: TensorType | None = None) -> Array:
    """One column, contiguous.

    dtype  of the model's floats
    like   the type to have, where it is known: integers of another width are taken if they lie within it, and
           integers where floats are wanted. DataError for floats where integers are wanted, and for values beyond
    """
    array = as_array(value, what)
    if array.ndim == 0:
        raise ShapeError(f"{what}: needs an axis of examples, got a single number")
    if like is not None and str(array.dtype) != like.dtype:
        array = _turned(array, like.dtype, what, value)
    elif array.dtype.kind == "f":
        array = floating(array, dtype, what, value)
    return np.ascontiguousarray(whole(array, what) if array.dtype.kind in "biu" else array)


def _turned(array: Array, dtype: str, what: str, frame: Any) -> Array:
    """In the dtype a model was trained with, no value changed but by rounding to floats."""
    want = np.dtype(dtype)
    if want.kind == "f":
        return floating(array, dtype, what, frame)
    if array.dtype.kind == "f":
        mend = f"convert it with .astype('{dtype}')"
        if want == np.uint8 and array.max(initial=0) <= 1:  # bytes once, perhaps, whose whole range would become 0
            mend = "give the bytes of 0 to 255 as in training, not divided by 255"
        elif (array != np.trunc(array)).any():
            mend = "give whole numbers as in training"
        raise DataError(f"{what}: is {array.dtype}, the model was trained on {dtype}; {mend}")
    low, high = (0, 1) if want.kind == "b" else (np.iinfo(want).min, np.iinfo(want).max)
    if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
        found = f"{int(array.min())} to {int(array.max())}"
        raise DataError(f"{what}: has values from {found}, the model was trained on {dtype} ({low} to {high})")
    return array.astype(want)


def columns(
    xs: Sequence[Any],
    y: Any,
    dtype: str,
    names: tuple[str, str] = ("x", "y"),
    like: Mapping[str, TensorType] | None = None,
) -> dict[str, Array]:
    """x0, x1, ... and y as contiguous arrays of one length; see column.

    names  what messages call x and y
    like   types of columns by name, where they are known

    DataError for columns of different lengths or without examples, and as `column` says.
    """
    known = like or {}
    found: dict[str, Array] = {}
    for i, x in enumerate(xs):
        name = names[0] if len(xs) == 1 else f"{names[0]}[{i}]"
        found[f"x{i}"] = column(x, name, dtype, known.get(f"x{i}"))
    target = column(y, names[1], dtype, known.get("y"))
    found["y"] = target.astype(np.int64) if target.dtype == bool and "y" not in known else target
    check_lengths(found, names)
    return found


def check_lengths(found: Mapping[str, Array], names: tuple[str, str] = ("x", "y")) -> None:
    """DataError unless all columns have as many examples as the first, and there are any."""
    n = len(found["x0"])
    for name, array in found.items():
        if len(array) != n:
            raise DataError(
                f"{names[0]} has {n} examples but {names[1] if name == 'y' else name} has {len(array)}; each needs one"
            )
    if n == 0:
        raise DataError(f"{names[0]} has no examples")
