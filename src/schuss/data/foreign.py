"""Arrays from other libraries' containers, which are known by their form: none of these libraries is imported.

Taken is what has one meaning. Everything else is a DataError that names the column or the place, and the mend.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.frames import is_frame
from schuss.ir.executor import Array

NUMBERED = "number its values: labels = np.unique(values, return_inverse=True)[1]"  # what to do about text
_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


def plain(value: Any, what: str) -> Any:
    """An array for a torch tensor, a data frame, a column, or a list of them; anything else as it is."""
    if isinstance(value, np.ndarray):
        return value
    if _of_torch(type(value)):
        return _from_torch(value, what)
    if hasattr(value, "collect"):
        raise DataError(f"{what}: is a lazy data frame; call .collect() first")
    if is_frame(value):
        return _from_frame(value, what)
    if hasattr(value, "dtype") and hasattr(value, "to_numpy"):
        return _column(value, what)
    if isinstance(value, (list, tuple)) and any(map(_is_foreign, set(map(type, value)))):
        return [_of_a_list(v, what) for v in value]
    return value


def _is_foreign(kind: type) -> bool:
    return issubclass(kind, np.ma.MaskedArray) or _of_torch(kind)


def _of_a_list(value: Any, what: str) -> Any:
    if np.ma.is_masked(value):
        raise DataError(f"{what}: has masked entries; fill them first, as x.filled(0) does")
    return plain(value, what)


# -- torch ---------------------------------------------------------------------------------------------------


def _of_torch(kind: type) -> bool:
    return hasattr(kind, "detach") and any(c.__module__.partition(".")[0] == "torch" for c in kind.__mro__)


def _from_torch(value: Any, what: str) -> Any:
    """The numbers of a tensor, wherever it lies and whatever its gradient."""
    try:
        tensor = value.detach().cpu()
        if "float16" in str(tensor.dtype):  # and bfloat16, which numpy does not know
            tensor = tensor.float()
        return tensor.resolve_conj().resolve_neg().numpy()
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{what}: the torch tensor cannot be read ({reason}); pass a dense tensor of numbers") from None


# -- data frames -------------------------------------------------------------------------------------------


def _from_frame(frame: Any, what: str) -> Any:
    """The columns side by side, in the one dtype that holds them all."""
    names = {str(dtype) for dtype in frame.dtypes}
    if len(names) == 1 and _is_plain(names.pop()) and not _has_null(frame):
        return np.asarray(frame)
    if not len(frame.columns):
        raise DataError(f"{what}: the data frame has no columns")
    arrays = [_column(series, f"{what}: column {name!r}") for name, series in _columns(frame)]
    dtype = np.result_type(*arrays)
    if dtype.kind == "f" and all(a.dtype.kind in "biu" for a in arrays):  # uint64 beside int64
        largest = max(int(a.max(initial=0)) for a in arrays)
        dtype = np.dtype(np.int64) if largest <= np.iinfo(np.int64).max else dtype
    return np.column_stack([a.astype(dtype, copy=False) for a in arrays])


def _columns(frame: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(frame, "get_columns"):  # polars
        return ((str(s.name), s) for s in frame.get_columns())
    return ((str(name), s) for name, s in frame.items())


def _is_plain(dtype: str) -> bool:
    """Whether a column's dtype, pandas' or polars', is one of numbers that numpy has."""
    return dtype.lower() in {"bool", "boolean", *(f"{k}{b}" for k in ("int", "uint", "float") for b in (8, 16, 32, 64))}


def _has_null(data: Any) -> bool:
    """Whether an entry is missing, other than a NaN among floats of numpy's."""
    if hasattr(data, "null_count"):  # polars: one number, or one for each column
        count = data.null_count()
        return bool(np.asarray(count).any())
    dtypes = data.dtypes if hasattr(data, "columns") else [data.dtype]
    if all(isinstance(d, np.dtype) and d.kind in "biuf" for d in dtypes):
        return False
    return bool(np.asarray(data.isna()).any())


def _column(series: Any, what: str) -> Array:
    dtype = str(series.dtype).lower()
    mend = _mend(dtype)
    if mend:
        raise DataError(f"{what} holds {mend}")
    if _has_null(series):
        row = int(np.argmax(np.asarray(series.is_null() if hasattr(series, "is_null") else series.isna())))
        raise DataError(f"{what} has a missing value at row {row}; fill or drop such rows")
    if hasattr(series, "array") and not isinstance(series.dtype, np.dtype) and _is_plain(dtype):  # pandas' nullable
        return np.asarray(series.to_numpy(dtype=dtype.replace("boolean", "bool")))
    array = np.asarray(series)
    return of_objects(array, what) if array.dtype.hasobject else array


def _mend(dtype: str) -> str:
    """What a column without numbers holds, and what to do about it."""
    if dtype.startswith(("category", "categorical", "enum")):
        return "categories; use their codes with nn.Embedding, or a column of 0 and 1 for each (pandas.get_dummies)"
    if dtype.startswith(("str", "utf8", "large_string")):
        return f"text; {NUMBERED}, or drop it"
    if dtype.startswith(("date", "time", "duration", "period", "<m8", "timedelta")):
        return "dates or times; turn them into numbers, as days since the first"
    return ""


# -- Python's objects -------------------------------------------------------------------------------------


def of_objects(array: Array, what: str) -> Array:
    """An array of Python's numbers, or of rows that are arrays of one shape, as one of numpy's."""
    flat = array.reshape(-1)
    wrong = next((i for i, v in enumerate(flat) if not isinstance(v, _NUMBERS)), None)
    if wrong is None:
        made = np.array(array.tolist())
        if made.dtype.kind in "biuf":
            return made
        raise DataError(
            f"{what}: holds Python objects, not numbers: whole numbers beyond 64 bits; convert it to float64"
        )
    value = flat[wrong]
    shapes = {v.shape if isinstance(v, np.ndarray) and v.dtype.kind in "biuf" else None for v in flat}
    if len(shapes) == 1 and None not in shapes:
        return np.stack(list(flat)).reshape(*array.shape, *value.shape)
    at = np.unravel_index(wrong, array.shape) if array.ndim else ()
    place = ", ".join(f"{n} {i}" for n, i in zip(("row", "column"), at, strict=False))
    held, mend = _described(value)
    raise DataError(f"{what}: holds Python objects, not numbers: {held}{' at ' + place if place else ''}; {mend}")


def _described(value: Any) -> tuple[str, str]:
    """The object, and what to do about it."""
    name = type(value).__name__
    if value is None or name in ("NAType", "NaTType"):
        return f"{value}, a missing value,", "fill or drop such rows"
    if isinstance(value, np.ndarray):
        return f"an array of shape {list(value.shape)}", "pass rows of equal length"
    if isinstance(value, str):
        return f"the text {value[:30]!r}", NUMBERED
    return f"a {name}", "convert it to float32 or to integers"
