"""Arrays from what users hold, and the checks every data set passes. Errors are DataError, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from schuss.data.foreign import NUMBERED, of_objects, plain
from schuss.errors import DataError
from schuss.frames import column_at
from schuss.ir.executor import Array

# A label makes an output of the network: past this, it is an identifier or a measurement taken for a label.
MAX_CLASSES = 1 << 20

# Values looked at in one go by check_finite, so that its mask stays small whatever the array.
_CHECKED_AT_ONCE = 1 << 20


def as_array(value: Any, what: str) -> Array:
    """A plain numpy array of numbers, in native byte order, from an array, a DLPack or array-interface object,
    a list, a torch tensor, a data frame or a column of one.

    bool, the integers, float32 and float64 keep their dtype; float16 and bfloat16 become float32; columns of a data
    frame get the one dtype that holds them all. A list is one array, its elements are rows. No copy where none is
    needed. `what` names the array in messages. Raises DataError, naming a frame's column, for anything but an array
    of real numbers: objects, ragged lists, text, categories, dates, complex numbers, wider floats, masked or missing
    entries, sparse matrices.
    """
    if np.ma.is_masked(value):
        raise DataError(f"{what}: has masked entries; fill them first, as x.filled(0) does")
    array = _to_numpy(plain(value, what), what)
    if array.dtype.hasobject and array.ndim:
        array = of_objects(array, what)
    dtype = array.dtype
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize in (4, 8)):
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
    if dtype == np.float16 or dtype.name == "bfloat16":
        return array.astype(np.float32)
    if dtype.hasobject:
        raise DataError(f"{what}: holds Python objects ({type(value).__name__}), not numbers; {_mend(value)}")
    if dtype.kind == "c":
        raise DataError(f"{what}: complex numbers ({dtype}) are not supported; pass real and imaginary parts")
    if dtype.kind in "US":
        raise DataError(f"{what}: dtype {dtype} is not supported: it is text; {NUMBERED}")
    if dtype.names:
        raise DataError(f"{what}: has named fields ({', '.join(dtype.names)}); stack them as columns of one dtype")
    if dtype.kind in "mM":
        raise DataError(f"{what}: dtype {dtype} is not supported; turn dates into numbers, as days since the first")
    raise DataError(f"{what}: dtype {dtype} is not supported; convert it to float32 or to integers")


def _to_numpy(value: Any, what: str) -> Array:
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except Exception:
            # A producer may refuse by any error (a dtype, a device): its array interface is asked next.
            pass
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError, BufferError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{what}: cannot be read as an array ({reason}); pass rows of equal length") from None


def _mend(value: Any) -> str:
    if hasattr(value, "toarray"):
        return "make the sparse matrix dense with .toarray()"
    if hasattr(value, "collect"):
        return "call .collect() first"
    if isinstance(value, Mapping):
        return "a dict of arrays goes to a model that takes a dict, and nowhere else"
    if isinstance(value, Iterable):
        return "make a list of it first"
    return "convert it to float32 or to integers"


def check_finite(array: Array, what: str, frame: Any = None) -> None:
    """Raises DataError naming the first NaN or infinite entry by row and column (of the flattened row).

    frame  the data frame whose columns they are: then the column's name
    """
    if array.dtype.kind != "f" or not array.size:
        return
    rows = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    step = max(1, _CHECKED_AT_ONCE // rows.shape[1])
    for start in range(0, len(rows), step):
        finite = np.isfinite(rows[start : start + step])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            bad = rows[start + row, column]
            where = f"row {start + row}, {column_at(int(column), frame)}"
            raise DataError(f"{what}: {bad} at {where}; fill or drop such entries")


def are_yes_or_no(y: Array) -> bool:
    """Whether all numbers are 0 or 1."""
    return bool(((y == 0) | (y == 1)).all())


def labels_among(y: Array) -> Array | None:
    """Targets that are labels, one an example, as int64 [N]; None for any other. Labels are integers or bools [N] or
    [N, 1], and floats that are all 0 or 1, the answers to yes or no.
    """
    if y.ndim not in (1, 2) or y.shape[1:] not in ((), (1,)):
        return None
    if y.dtype.kind not in "iub" and not are_yes_or_no(y):
        return None
    return y.reshape(-1).astype(np.int64)


def check_labels(labels: Array, what: str, classes: int | None = None) -> int:
    """The number of classes: the largest label + 1, or `classes` if given, which every label must be below.

    Labels are integers (or bool) of shape (N,), N > 0, not negative; gaps are allowed.
    Raises DataError otherwise.
    """
    if labels.dtype.kind not in "biu":
        raise DataError(f"{what}: labels must be integers, got {labels.dtype}")
    if labels.ndim != 1:
        raise DataError(f"{what}: labels must have the shape (N,), got {labels.shape}; use reshape(-1) or argmax")
    if not len(labels):
        raise DataError(f"{what}: has no rows")
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise DataError(f"{what}: label {low} at row {labels.argmin()} is negative; labels count from 0")
    if classes is None and high >= MAX_CLASSES:
        raise DataError(
            f"{what}: label {high} at row {labels.argmax()} would make {high + 1} classes; "
            "renumber with np.unique(y, return_inverse=True), or store y as floats for regression"
        )
    if classes is not None and high >= classes:
        raise DataError(
            f"{what}: label {high} at row {labels.argmax()} is not below the {classes} classes of "
            "the model or its training labels; drop such rows, or train a model that knows that class too"
        )
    return high + 1 if classes is None else classes
