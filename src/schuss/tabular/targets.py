"""What a table's target asks for: labels of classes, numbers, or several labels that are there or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from schuss.asking import asked
from schuss.calling import did_you_mean
from schuss.errors import DataError, UsageError, warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.signature.outputs import CLASSIFICATION, REGRESSION, Output
from schuss.tabular.alike import warn_of_alike
from schuss.tabular.extra import pl
from schuss.tabular.kind import NO, YES, Kind, Where, quoted, rows_of
from schuss.tabular.numerals import FIRST, nearest_numeral
from schuss.tabular.texts import level_texts
from schuss.tabular.values import column_values

COUNTS, LABELS = "counts", "labels"
TASKS = (CLASSIFICATION, REGRESSION, COUNTS, LABELS)
SHOWN = 3  # targets of a kind that a message names
CLASSES = 20  # whole numbers of at most so many values are labels


@dataclass(frozen=True)
class Target:
    """The target of all rows that have one.

    task     "classification", "regression" (counts, too) or "labels"
    y        classes int64 [N], numbers float64 [N, targets], or labels float64 [N, targets] of 0 and 1
    names    of the classes in their order, as text; of the columns of numbers and labels
    kind     numpy's dtype of the classes or labels as they were given; "str" for names
    reason   why this task, for people
    kinds    of the columns it is
    words    of labels what each column calls no and yes
    """

    task: str
    y: Array
    names: tuple[str, ...]
    kind: str
    reason: str
    kinds: Mapping[str, Kind]
    words: tuple[tuple[str, str], ...] = ()

    @property
    def classes(self) -> int:
        return len(self.names) if self.task == CLASSIFICATION else 0

    @property
    def yes(self) -> tuple[str, ...]:
        """Of labels what each column calls yes, as predictions have it."""
        if self.words:
            return tuple(yes for _, yes in self.words)
        return tuple("1" if kind.name == "number" else "true" for kind in self.kinds.values())

    def some(self, rows: Array) -> Target:
        """That of these rows."""
        return replace(self, y=self.y[rows])

    def check_varied(self) -> None:
        """DataError where all rows have one class, or a number is the same in all: of a training part of rows. A
        warning for a label that is, where others are not."""
        columns = self.y.reshape(len(self.y), -1).T
        same = [not len(values) or values.min() == values.max() for values in columns]
        for name, values, constant in zip(self.kinds, columns, same, strict=True):
            if constant and self.task == LABELS and not all(same):
                said = "yes" if values[0] else "no"
                warn(f"target {name!r}: is {said} in every row that is trained on: nothing is learned of it")
            elif constant:
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
        if self.task == LABELS:
            shape = TensorType("float64", (N, len(self.names)))
            words = self.words if self.words and self.kind == "str" else None
            return Output(shape, CLASSIFICATION, columns=self.names, kind="bool" if words else self.kind, words=words)
        several = self.y.shape[1] > 1
        own = TensorType("float64", (N, self.y.shape[1]) if several else (N,))
        return Output(own, self.task, columns=self.names if several else None)


def known_rows(
    frame: pl.DataFrame, kinds: Mapping[str, Kind], drop: bool, where: Where, what: str = "the table"
) -> Array | None:
    """The rows that have all targets, those that have a kind here; None for all rows.

    DataError where some have none, unless these are to be dropped, and where no row is left.
    """
    gone = np.zeros(len(frame), bool)
    for name, kind in kinds.items():
        values = column_values(frame[name], kind, where)
        if values.null_count() and not drop:
            first = where(int(values.is_null().arg_true()[0]))
            raise DataError(
                f"target {name!r}: {values.null_count():,} of {len(frame):,} rows have none, the first is {first}; "
                f"fill them, or leave these rows out: {asked('target_missing', 'drop')}"
            )
        gone |= values.is_null().to_numpy()
    if gone.all():
        raise DataError(f"target {listed(list(kinds))}: {what} has no row with a value")
    return np.flatnonzero(~gone) if gone.any() else None


def find_target(
    frame: pl.DataFrame,
    names: Sequence[str],
    kinds: Mapping[str, Kind],
    task: str | None = None,
    where: Where | None = None,
) -> Target:
    """The target that these columns are, whose rows all have a value. UsageError for an unknown task; DataError for a
    target that cannot be learned.

    Text, yes and no, and whole numbers of at most 20 values are classes, other numbers are numbers. Several targets are
    labels where each is yes and no, true and false or 0 and 1, else numbers.
    """
    if task is not None and task not in TASKS:
        known = f"{', '.join(TASKS[:-1])} or {TASKS[-1]}"
        raise UsageError(f"task must be {known}, got {task!r}{did_you_mean(task, TASKS)}")
    place = where or rows_of("the table")
    _check_no_dates(names, kinds)
    columns = [column_values(frame[name], kinds[name], where) for name in names]
    if task == LABELS or (len(columns) > 1 and task is None):
        truths = {name: _truth(frame[name], kinds[name], place) for name in names}
        wrong = next((error for _, error in truths.values() if error), "")
        if task == LABELS and (wrong or len(names) == 1):
            raise DataError(wrong or f"target {names[0]!r} is one; labels are several: leave out the task")
        if not wrong:
            return _many_labels(frame, {name: y for name, (y, _) in truths.items() if y is not None}, kinds)
    if len(columns) > 1:
        if task == CLASSIFICATION:
            raise UsageError(
                "several targets are labels, each yes or no, or numbers; train a model for each of classes"
            )
        _check_all_numbers(columns, kinds, task, place)
        return numbers_of(columns, kinds, f"{len(columns)} targets", place)
    (column,), kind = columns, kinds[names[0]]
    if kind.name == "category" and (task in (REGRESSION, COUNTS) or (task is None and column.n_unique() > CLASSES)):
        _check_no_odd_numbers(column, place)
    numeric = kind.name == "number"
    whole = numeric and bool((column == column.round()).all())
    given = task is not None
    if task is None:
        task = REGRESSION if numeric and not (whole and column.n_unique() <= CLASSES) else CLASSIFICATION
    if task in (REGRESSION, COUNTS):
        counts = whole and task == REGRESSION and float(column.min()) >= 0  # type: ignore[arg-type]
        told = f"; {asked('task', COUNTS)} if they count something" if counts else ""
        return numbers_of(columns, kinds, f"numbers of {column.n_unique():,} values{told}", place)
    return _classes(frame[names[0]], column, kind, whole, given)


def _check_no_dates(names: Sequence[str], kinds: Mapping[str, Kind]) -> None:
    """DataError for a date, which is neither a class nor a quantity."""
    if dated := [name for name in names if kinds[name].name == "date"]:
        name = dated[0]
        raise DataError(
            f"target {name!r}: holds dates ({kinds[name].reason}), which are neither classes nor quantities; give a "
            f"column of days or years as the target, or say {asked('category', [name])} if they are names"
        )


def _check_all_numbers(columns: Sequence[pl.Series], kinds: Mapping[str, Kind], task: str | None, where: Where) -> None:
    """DataError for several targets, which are not all labels, of which some are names."""
    names = [column for column in columns if kinds[column.name].name not in ("number", "boolean")]
    if not names or (task is not None and len(names) == len(columns)):
        return
    told = [f"{c.name!r} is classes ({quoted(c[0])} in {where(0)})" for c in names[:SHOWN]]
    told += [f"{c.name!r} is numbers" for c in columns if kinds[c.name].name == "number"][:SHOWN]
    raise DataError(
        f"several targets are all numbers, or all labels, each yes or no: {', '.join(told)}; train a model for each, "
        "or give a column of yes and no for each class"
    )


def _check_no_odd_numbers(texts: pl.Series, where: Where) -> None:
    """DataError where most of the texts are numbers: the others are mistakes, rather than all of them names."""
    different = texts.unique(maintain_order=True)
    odd = nearest_numeral(different.head(FIRST)).read(texts).is_null()
    if 0 < (count := int(odd.sum())) < len(texts) / 2:
        row = int(odd.arg_max() or 0)
        raise DataError(
            f"target {texts.name!r}: {where(row)} is {texts[row]!r}, which is no number, and most others are: mend or "
            f"drop {'it' if count == 1 else f'these {count:,} rows'}, or say {asked('task', CLASSIFICATION)} "
            "if all are names"
        )


def numbers_of(columns: Sequence[pl.Series], kinds: Mapping[str, Kind], reason: str, where: Where) -> Target:
    """The target of these columns of numbers, each by its name. DataError for others, and one that is constant."""
    for column in columns:
        if (name := kinds[column.name].name) not in ("number", "boolean"):
            raise DataError(
                f"target {column.name!r}: is a {name}, and regression needs numbers: {where(0)} is "
                f"{quoted(column[0])}; leave out the task, and a loss of numbers"
            )
        if column.min() == column.max():
            raise DataError(f"target {column.name!r}: is {column[0]:g} in every row: there is nothing to learn")
    y = np.stack([column.to_numpy() for column in columns], 1)
    names = tuple(c.name for c in columns)
    return Target(REGRESSION, y, names, "float64", reason, {name: kinds[name] for name in names})


# -- classes -----------------------------------------------------------------------------------------------


def _classes(raw: pl.Series, column: pl.Series, kind: Kind, whole: bool, given: bool) -> Target:
    of = "bool" if kind.name == "boolean" and raw.dtype == pl.Boolean else "int64" if whole else "str"
    names = texts_of(raw, column, kind, of)
    order = pl.DataFrame({"name": names, "value": column if kind.name == "number" else names}).unique().sort("value")
    known = tuple(order["name"].to_list())
    if len(known) < 2:
        raise DataError(f"target {raw.name!r}: is {known[0]!r} in every row: there is nothing to learn")
    if of == "int64" and known != tuple(map(str, range(len(known)))):
        of = "str"  # labels count from 0: others are names
    warn_of_alike(f"target {raw.name!r} has classes", known)
    reason = f"{len(known)} classes: {', '.join(known[:8])}{', ...' * (len(known) > 8)}"
    if whole and not given and len(known) > 2:
        tasks = [*([COUNTS] if float(column.min()) >= 0 else []), REGRESSION]  # type: ignore[arg-type]
        reason += f"; {' or '.join(asked('task', task) for task in tasks)} if they are quantities"
    return Target(CLASSIFICATION, codes_among(names, known), known, of, reason, {raw.name: kind})


def texts_of(raw: pl.Series, column: pl.Series, kind: Kind, of: str) -> pl.Series:
    """The names of classes as text; of numbers, whatever they are written as ("10 %"), that of the number.

    column: the canonical values; of: "bool", "int64" or "str"
    """
    if of == "bool":
        return column.cast(pl.Boolean).cast(pl.String)
    if kind.name == "number":
        return level_texts(column)
    return column_values(raw, replace(kind, name="category"))


def codes_among(texts: pl.Series, names: Sequence[str]) -> Array:
    """int64 [N]: the place of each among the names, -1 for another."""
    codes = pl.DataFrame({"name": pl.Series(names, dtype=pl.String), "code": np.arange(len(names))})
    found = pl.DataFrame({"name": texts}).join(codes, on="name", how="left", maintain_order="left")["code"]
    return found.fill_null(-1).to_numpy().astype(np.int64)


# -- labels ------------------------------------------------------------------------------------------------


def _truth(raw: pl.Series, kind: Kind, where: Where) -> tuple[Array | None, str]:
    """float64 [N], 1 where the column says yes and 0 where it says no; or the error that it says neither."""
    words = column_values(raw, replace(kind, name="category")).str.to_lowercase()
    yes, no = words.is_in(list(YES)), words.is_in(list(NO))
    if (odd := ~(yes | no)).any():
        row = int(odd.arg_max() or 0)
        known = "yes or no, ja or nein, true or false, 1 or 0"
        return None, f"target {raw.name!r}: {where(row)} is {quoted(raw[row])}; a label is {known}"
    return yes.to_numpy().astype(np.float64), ""


def _many_labels(frame: pl.DataFrame, truths: Mapping[str, Array], kinds: Mapping[str, Kind]) -> Target:
    for name, y in truths.items():
        if y.min() == y.max():
            said = "yes" if y[0] else "no"
            raise DataError(f"target {name!r}: is {said} in every row: there is nothing to learn")
    names, known = tuple(truths), {name: kinds[name] for name in truths}
    numbers = all(kind.name == "number" for kind in known.values())
    kind = "int64" if numbers else "str" if any(kind.name == "category" for kind in known.values()) else "bool"
    words = tuple(_words(frame[name], y, kinds[name]) for name, y in truths.items())
    return Target(
        LABELS, np.stack(list(truths.values()), 1), names, kind, f"{len(names)} labels, each yes or no", known, words
    )


def _words(raw: pl.Series, y: Array, kind: Kind) -> tuple[str, str]:
    """What the column calls no and yes: the spelling that it has most often, of several the first by name."""
    texts = column_values(raw, replace(kind, name="category"))
    most = []
    for said in (0, 1):
        counts = texts.filter(pl.Series(y == said)).value_counts().rows()
        most.append(min(counts, key=lambda row: (-row[1], row[0]))[0])
    return most[0], most[1]


# -- other rows --------------------------------------------------------------------------------------------


def like(target: Target, frame: pl.DataFrame, what: str = "the test", where: Where | None = None) -> Target:
    """The same target of other rows, which all have a value. DataError for a class that is unknown.

    what, where  what messages call the rows, and one of them by its place
    """
    place, names = where or rows_of(what), list(target.kinds)
    if target.task == LABELS:
        truths = [_truth(frame[name], target.kinds[name], place) for name in names]
        if wrong := next((error for _, error in truths if error), ""):
            raise DataError(wrong)
        return replace(target, y=np.stack([y for y, _ in truths if y is not None], 1))
    columns = [column_values(frame[name], target.kinds[name], place) for name in names]
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


def check_targets(frame: pl.DataFrame, names: Sequence[str], what: str) -> None:
    """DataError for rows, and columns of the target, that are not there."""
    if not len(frame):
        raise DataError(f"{what} has no rows")
    for name in names:
        if name not in frame.columns:
            near = did_you_mean(name, frame.columns) or f"; it has {listed(frame.columns)}"
            raise DataError(f"{what} has no column {name!r}, the target{near}")
