"""Names of classes as labels: what a column of text becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.ir.executor import Array


def names_in(value: Any) -> Array | None:
    """A target of text as an array of str, whatever holds it: numpy, a list, a column of a data frame. None: numbers.

    DataError where entries are missing.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return None
    if isinstance(value, (list, tuple)) and not _has_text(value):  # numbers, or several targets
        return None
    try:
        # numpy would make a name of a number or a nan among names
        array = np.array(value, dtype=object) if isinstance(value, (list, tuple)) else np.asarray(value)
    except (ValueError, TypeError, RuntimeError, BufferError, OverflowError):
        return None  # what it is, the caller's conversion says
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind in "UT":
        return array.astype(np.str_)
    if array.dtype.kind != "O" or not any(isinstance(v, str) for v in array.flat):
        return None
    for place, entry in enumerate(array.flat):
        if not isinstance(entry, str):
            raise DataError(f"y: {entry!r} at row {place} is no name of a class, as others are; fill or drop such rows")
    return array.astype(np.str_)


def _has_text(value: Any) -> bool:
    """Whether a list holds text, or its first lists do."""
    if not value or not isinstance(value[0], (list, tuple)):
        return any(isinstance(v, (str, bytes)) for v in value)
    return _has_text(value[0])


def labels_of(names: Array, classes: Sequence[str] | None, what: str) -> tuple[Array, tuple[str, ...]]:
    """The names as int64 labels, and the classes in the order of their labels: those given, else the names, sorted.

    DataError for a name that is none of the classes.
    """
    found, labels = np.unique(names, return_inverse=True)
    known = tuple(map(str, found)) if classes is None else tuple(classes)
    place = {name: i for i, name in enumerate(known)}
    for name in found:
        if str(name) not in place:
            row = int(np.flatnonzero(names.reshape(-1) == name)[0])
            shown = ", ".join(known[:10]) + ", ..." * (len(known) > 10)
            raise DataError(f"{what}: {str(name)!r} at row {row} is none of the classes {shown}; drop such rows")
    table = np.array([place[str(name)] for name in found], np.int64)
    return table[labels].reshape(names.shape), known
