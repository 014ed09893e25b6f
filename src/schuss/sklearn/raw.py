"""What scikit-learn hands over, X and y of any form, as the frames and labels that tables are learned from."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_y, check_array, check_consistent_length, column_or_1d

from schuss.errors import DataError, UsageError, warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.signature import CLASSIFICATION
from schuss.sklearn.labels import check_sortable
from schuss.tabular.alike import warn_of_alike
from schuss.tabular.extra import pl
from schuss.tabular.frame import as_frame, by_name
from schuss.tabular.kind import Kind, Where
from schuss.tabular.rows import groups_of
from schuss.tabular.targets import LABELS, Target, numbers_of
from schuss.tabular.texts import VERBATIM, level_of, level_texts

FEW, LOOKED = 100, 1000  # different rows, below which equal ones are one; rows among which they are looked for
KNOWN = (str, float, int, bool, np.generic, type(None))


class TableError(DataError, ValueError):
    """A DataError or UsageError about a table, as scikit-learn's users catch it."""


@contextlib.contextmanager
def as_value_errors() -> Iterator[None]:
    """Errors about data and arguments are ValueErrors, too."""
    try:
        yield
    except (DataError, UsageError) as error:
        if isinstance(error, ValueError):
            raise
        raise TableError(*error.args) from None


def named_columns(X: Any) -> list[Any] | None:
    """The names of the columns; None where X has none."""
    if isinstance(X, Mapping):
        return list(X)
    if isinstance(X, list) and X and all(isinstance(row, Mapping) for row in X):
        return list(dict.fromkeys(name for row in X for name in row))
    names = getattr(X, "columns", getattr(X, "column_names", None))
    return None if names is None or callable(names) else list(names)


def raw_frame(X: Any, names: Sequence[str] | None, owner: str, what: str = "X") -> pl.DataFrame:
    """X as a frame. ValueError and TypeError as scikit-learn has them for what is no table.

    names  of the columns of an array; None: x0, x1, ...
    owner, what  the names of the estimator and of X, for messages
    """
    if named_columns(X) is not None:
        frame = as_frame(X, what)
        if not frame.width or not len(frame):
            check_array(np.empty(frame.shape), estimator=owner, input_name=what)  # the error
        return frame
    if isinstance(X, list | tuple):
        X = np.array(X, dtype=object)  # each entry as it is: numbers beside text stay numbers
    array = check_array(X, dtype=None, ensure_all_finite=False, estimator=owner, input_name=what)
    width = array.shape[1]
    known = [f"x{i}" for i in range(width)] if names is None else names
    if len(known) != width:
        raise ValueError(f"{what} has {width} features, but {owner} is expecting {len(known)} features as input")
    try:
        return as_frame(array, what, known)
    except DataError as error:
        if array.dtype != object:
            raise
        warn(f"{error}. What is no number is taken as text")
        texts = np.array([v if isinstance(v, KNOWN) else str(v) for v in array.ravel()], object)
        return as_frame(texts.reshape(array.shape), what, known)


def same_columns(
    frame: pl.DataFrame, X: Any, columns: Sequence[str], named: bool, owner: str, what: str = "X"
) -> pl.DataFrame:
    """The columns of fit: by their names, or of what had none in fit or has none now by their places.

    ValueError where one is missing.
    """
    names = named_columns(X)
    if names is not None and named:
        frame = by_name(frame, columns)
        if missing := [name for name in columns if name not in frame.columns]:
            raise ValueError(
                f"The feature names should match those that were passed during fit: {what} lacks {listed(missing)}, "
                f"which {owner} was fitted with; it has {listed(frame.columns)}"
            )
        return frame.select(columns)
    if (names is None) == named:
        has = "does not have valid feature names" if named else "has feature names"
        told = "with" if named else "without"
        warnings.warn(f"{what} {has}, but {owner} was fitted {told} feature names", UserWarning, stacklevel=5)
    if frame.width != len(columns):
        raise ValueError(
            f"{what} has {frame.width} features, but {owner} is expecting {len(columns)} features as input"
        )
    return frame.rename(dict(zip(frame.columns, columns, strict=True)))


def labels(y: Any, what: str = "y") -> tuple[Array, Array]:
    """The classes in sorted order, and the place of each row's among them. Errors as scikit-learn's."""
    y = column_or_1d(y, warn=True)
    if (
        y.dtype == object
        and (row := next((i for i, v in enumerate(y.tolist()) if v is None or v != v), None)) is not None
    ):
        raise ValueError(f"Input y contains NaN: row {row} has no label; leave rows without one out")
    check_sortable(y, what)
    if y.dtype == object and len({type(v) for v in y}) == 1 and isinstance(y[0], str):
        y = y.astype(str)  # texts, as polars and pandas give them
    check_classification_targets(y)
    if y.dtype.kind == "f":
        y = _check_y(y)
    classes, place = np.unique(y, return_inverse=True)
    return classes, place


def amounts(y: Any) -> Array:
    """Targets float64 [N] or [N, T]. Errors as scikit-learn's."""
    found: Array = _check_y(y, multi_output=True, y_numeric=True)
    return (column_or_1d(found, warn=True) if found.ndim == 2 and found.shape[1] == 1 else found).astype(np.float64)


def indicators(y: Any) -> tuple[Array, list[str]] | None:
    """Several labels, float64 [N, L] of 0 and 1, and their names; None where y is one column. ValueError for several
    columns of anything else."""
    names = named_columns(y)
    found = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    if found.ndim != 2 or found.shape[1] < 2:
        return None
    known = [f"y{i}" for i in range(found.shape[1])] if names is None else list(map(str, names))
    if type_of_target(found, input_name="y") != "multilabel-indicator" or not np.isin(found, (0, 1)).all():
        raise ValueError(
            f"y should be a 1d array, got an array of shape {found.shape}: of several columns each is a label, 0 or 1 "
            "(y == 'yes'); for several targets with classes of their own take sklearn.multioutput.MultiOutputClassifier"
        )
    return found.astype(np.float64), known


def name_of(y: Any, taken: Sequence[str]) -> str:
    """What one target is called: by the name of its column, where that has one and X none such."""
    name = getattr(y, "name", None)
    return free([name if isinstance(name, str) and name else "y"], taken)[0]


def free(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The names, with an underscore or more behind those that are taken."""
    found = list(names)
    while both := set(found) & set(taken):
        found = [f"{name}_" if name in both else name for name in found]
    return found


# -- targets -----------------------------------------------------------------------------------------------


def target_of_classes(name: str, classes: Array, place: Array) -> Target:
    """The target of these sorted classes, whose place of each row is given. Of a table it is read as text: where that
    would make one class of another ("1.0" is the level "1"), none is read, by names in quotes."""
    reason, kind = f"{len(classes)} classes", Kind("category", digits=VERBATIM, missing=())
    if classes.dtype.kind == "b":
        return Target(CLASSIFICATION, place, ("false", "true"), "bool", reason, {name: Kind("boolean")})
    if classes.dtype.kind not in "iuf":
        warn_of_alike(f"target {name!r} has classes", map(str, classes.tolist()))
    texts = level_texts(pl.Series(classes), ()).to_list() if classes.dtype.kind in "iuf" else map(str, classes.tolist())
    names = tuple(texts)
    if any(level != name and level in names for name in names for level in (level_of(name, (), VERBATIM),)):
        names = tuple(map(repr, names))
    counted = names == tuple(map(str, range(len(names)))) and classes.dtype.kind in "iu"
    return Target(CLASSIFICATION, place, names, "int64" if counted else "str", reason, {name: kind})


def target_of_labels(y: Array, names: Sequence[str]) -> Target:
    """The target of labels [N, L] of 0 and 1."""
    return Target(LABELS, y, tuple(names), "int64", f"{len(names)} labels", dict.fromkeys(names, Kind("number")))


def target_of_numbers(y: Array, names: Sequence[str], where: Where) -> Target:
    """The target of numbers [N] or [N, T]. DataError for one that is constant."""
    columns = [pl.Series(name, own) for name, own in zip(names, y.reshape(len(y), -1).T, strict=True)]
    return numbers_of(columns, dict.fromkeys(names, Kind("number")), f"{len(names)} targets", where)


def counted(
    frame: pl.DataFrame, y: Array, weight: Array | None, groups: Any
) -> tuple[Array, Array | None, Array | None]:
    """The rows that have a weight above 0, with the weights and groups of these; and of fewer than 100 different ones
    without groups, each once with the sum of its weights, in an order that does not depend on theirs.

    So the folds of a small table hold out no row that they have seen, and a row of weight 3 is three rows there.
    """
    if groups is not None:
        check_consistent_length(frame, groups)
        groups = groups_of(as_frame({"groups": groups}, "groups")["groups"])
    rows = np.arange(len(frame)) if weight is None else np.flatnonzero(weight)
    weight = None if weight is None else weight[rows]
    if groups is not None or len(rows) > LOOKED:
        return rows, weight, None if groups is None else groups[rows]
    keys = [f"{row!r} {own!r}" for row, own in zip(frame[rows].rows(), y[rows].tolist(), strict=True)]
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) >= FEW:
        return rows, weight, None
    total = np.bincount(place, weight).astype(np.float64)
    return rows[first], None if np.ptp(total) == 0 else total, None


__all__ = [
    "TableError",
    "amounts",
    "as_value_errors",
    "counted",
    "free",
    "indicators",
    "labels",
    "name_of",
    "named_columns",
    "raw_frame",
    "same_columns",
    "target_of_classes",
    "target_of_labels",
    "target_of_numbers",
]
