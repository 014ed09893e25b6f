"""What a table's target asks for: labels of classes, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from schuss.calling import did_you_mean
from schuss.errors import DataError, UsageError
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.signature.outputs import CLASSIFICATION, REGRESSION, Output
from schuss.tabular.extra import pl
from schuss.tabular.frame import by_name
from schuss.tabular.kind import Kind, Where, rows_of
from schuss.tabular.values import column_values

TASKS = (CLASSIFICATION, REGRESSION)
CLASSES = 20  # whole numbers of at most so many values are labels


@dataclass(frozen=True)
class Target:
    """The target of all rows that have one.

    task     "classification" or "regression"
    y        labels int64 [N], or numbers float64 [N, targets]
    names    of the classes in the order of their labels, as text; of the columns of numbers
    kind     numpy's dtype of the labels as they were given; "str" for names
    reason   why this task, for people
    kinds    of the columns it is
    """

    task: str
    y: Array
    names: tuple[str, ...]
    kind: str
    reason: str
    kinds: Mapping[str, Kind]

    @property
    def classes(self) -> int:
        return len(self.names) if self.task == CLASSIFICATION else 0

    def check_varied(self) -> None:
        """DataError where all rows have one class, or a number is the same in all: of a training part of rows."""
        for name, values in zip(self.kinds, self.y.reshape(len(self.y), -1).T, strict=True):
            if not len(values) or values.min() == values.max():
                what = repr(self.names[int(values[0])]) if self.classes and len(values) else "the same"
                raise DataError(
                    f"target {name!r}: is {what} in every row that is trained on: there is nothing to learn; choose "
                    "other rows for the test"
                )

    def output(self) -> Output:
        """What a model of it says, for its signature."""
        if self.task == CLASSIFICATION:
            kind = None if self.kind == "str" else self.kind
            return Output(TensorType("int64", (N,)), self.task, self.names, named=kind is None, kind=kind)
        shape = (N,) if self.y.shape[1] == 1 else (N, self.y.shape[1])
        return Output(TensorType("float64", shape), self.task, columns=None if len(shape) == 1 else self.names)


def find_target(
    frame: pl.DataFrame,
    names: Sequence[str],
    kinds: Mapping[str, Kind],
    task: str | None = None,
    where: Where | None = None,
) -> Target:
    """The target that these columns are. UsageError for an unknown task; DataError for a target that cannot be learned.

    Text, yes and no, and whole numbers of at most 20 values are labels; others, and several targets, are numbers.
    """
    if task is not None and task not in TASKS:
        raise UsageError(f"task must be {' or '.join(TASKS)}, got {task!r}{did_you_mean(task, TASKS)}")
    place = where or rows_of("the table")
    columns = [column_values(frame[name], kinds[name], where) for name in names]
    for column in columns:
        if gone := column.null_count():
            first = place(int(column.is_null().arg_true()[0]))
            raise DataError(
                f"target {column.name!r}: {gone:,} of {len(column):,} rows have none, the first is {first}; drop them"
            )
    if len(columns) > 1:
        if task == CLASSIFICATION:
            raise UsageError("several targets are numbers; train a model for each target of classes")
        return _numbers(columns, kinds, f"{len(columns)} targets")
    (column,), kind = columns, kinds[names[0]]
    if kind.name == "category" and (task == REGRESSION or (task is None and column.n_unique() > CLASSES)):
        _check_no_odd_numbers(column, place)
    numeric = kind.name == "number"
    whole = numeric and bool((column == column.round()).all())
    if task is None:
        task = REGRESSION if numeric and not (whole and column.n_unique() <= CLASSES) else CLASSIFICATION
    if task == REGRESSION:
        return _numbers(columns, kinds, f"numbers of {column.n_unique():,} values")
    return _labels(frame[names[0]], column, kind, whole)


def _check_no_odd_numbers(texts: pl.Series, where: Where) -> None:
    """DataError where most of the texts are numbers: the others are mistakes, rather than all of them names."""
    odd = texts.cast(pl.Float64, strict=False).is_null()
    if 0 < (count := int(odd.sum())) < len(texts) / 2:
        row = int(odd.arg_max() or 0)
        raise DataError(
            f"target {texts.name!r}: {where(row)} is {texts[row]!r}, which is no number, and most others are: mend or "
            f"drop {'it' if count == 1 else f'these {count:,} rows'}, or set the task to classification"
        )


def _numbers(columns: Sequence[pl.Series], kinds: Mapping[str, Kind], reason: str) -> Target:
    for column in columns:
        if (name := kinds[column.name].name) not in ("number", "boolean"):
            raise DataError(f"target {column.name!r}: is a {name}, and regression needs numbers; leave out the task")
        if column.min() == column.max():
            raise DataError(f"target {column.name!r}: is {column[0]:g} in every row: there is nothing to learn")
    y = np.stack([column.to_numpy() for column in columns], 1)
    names = tuple(c.name for c in columns)
    return Target(REGRESSION, y, names, "float64", reason, {name: kinds[name] for name in names})


def _labels(raw: pl.Series, column: pl.Series, kind: Kind, whole: bool) -> Target:
    of = "bool" if kind.name == "boolean" and raw.dtype == pl.Boolean else "int64" if whole else "str"
    names = texts_of(raw, column, kind, of)
    order = names.unique()
    order = order.cast(pl.Int64).sort().cast(pl.String) if of == "int64" else order.sort()
    if len(order) < 2:
        raise DataError(f"target {raw.name!r}: is {order[0]!r} in every row: there is nothing to learn")
    known = tuple(order.to_list())
    if of == "int64" and known != tuple(map(str, range(len(known)))):
        of = "str"  # labels count from 0: others are names
    reason = f"{len(known)} classes: {', '.join(known[:8])}{', ...' * (len(known) > 8)}"
    return Target(CLASSIFICATION, codes_among(names, known), known, of, reason, {raw.name: kind})


def texts_of(raw: pl.Series, column: pl.Series, kind: Kind, of: str) -> pl.Series:
    """The names of classes as text. column: the canonical values; of: "bool", "int64" or "str"."""
    if of == "bool":
        return column.cast(pl.Boolean).cast(pl.String)
    if of == "int64":
        return column.cast(pl.Int64).cast(pl.String)
    return column_values(raw, replace(kind, name="category"))


def codes_among(texts: pl.Series, names: Sequence[str]) -> Array:
    """int64 [N]: the place of each among the names, -1 for another."""
    codes = pl.DataFrame({"name": pl.Series(names, dtype=pl.String), "code": np.arange(len(names))})
    found = pl.DataFrame({"name": texts}).join(codes, on="name", how="left", maintain_order="left")["code"]
    return found.fill_null(-1).to_numpy().astype(np.int64)


def like(
    target: Target, frame: pl.DataFrame, names: Sequence[str], what: str = "the test", where: Where | None = None
) -> Target:
    """The same target of other rows. DataError for a missing column or value, and for a class that is unknown.

    what, where  what messages call the rows, and one of them by its place
    """
    place, frame = where or rows_of(what), by_name(frame, names)
    columns = []
    for name in names:
        if name not in frame.columns:
            raise DataError(f"{what} has no column {name!r}, the target; it has {listed(frame.columns)}")
        columns.append(column_values(frame[name], target.kinds[name], place))
        if columns[-1].null_count():
            raise DataError(f"target {name!r}: {place(int(columns[-1].is_null().arg_true()[0]))} has none; drop it")
    if target.task == REGRESSION:
        return replace(target, y=np.stack([column.to_numpy() for column in columns], 1))
    labels = texts_of(frame[names[0]], columns[0], target.kinds[names[0]], target.kind)
    y = codes_among(labels, target.names)
    if (y < 0).any():
        row = int(np.argmax(y < 0))
        raise DataError(
            f"target {names[0]!r}: {place(row)} is {labels[row]!r}, which no training row is; "
            f"classes are {listed(target.names)}"
        )
    return replace(target, y=y)
