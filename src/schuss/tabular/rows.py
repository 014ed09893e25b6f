"""The rows of a table with what is known of each: target, weight, group, time; and which are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schuss.asking import asked, called, no_column
from schuss.calling import did_you_mean
from schuss.constraints import POSITIVE, shown
from schuss.errors import DataError, UsageError, warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.tabular.extra import pl
from schuss.tabular.frame import by_name
from schuss.tabular.kind import Kind, Where
from schuss.tabular.split import by_time, folds, holdout, warn_of_rare
from schuss.tabular.targets import Target, check_targets, known_rows, like
from schuss.tabular.texts import level_texts
from schuss.tabular.values import column_values

SHARE = 0.2  # of the rows that are the test, where a column of times is given and no share


@dataclass(frozen=True)
class Roles:
    """Columns that are more than inputs, by name, and what becomes of rows without a target.

    drop, drop_times  whether rows without a target, and those without a time, are left out; else they are an error
    missing  texts that stand for a missing group
    """

    targets: tuple[str, ...]
    weight: str | None = None
    group: str | None = None
    time: str | None = None
    drop: bool = False
    missing: tuple[str, ...] = ()
    drop_times: bool = False

    def check(self, frame: pl.DataFrame) -> None:
        """DataError for a table without rows, UsageError for names that are no column, and for a column of two
        roles."""
        if not len(frame):
            raise DataError("the table has no rows")
        if not self.targets:
            raise UsageError("fit_table: target must be the name of a column, or a list of some")
        if self.group is not None and self.time is not None:
            raise UsageError(f"{called('group')} and {called('time')}: rows are held out by one of them; give one")
        own = (("weight", self.weight), ("group", self.group), ("time", self.time))
        taken: dict[str, str] = {}
        for role, name in [*(("target", t) for t in self.targets), *((r, n) for r, n in own if n is not None)]:
            if name not in frame.columns:
                raise UsageError(no_column(role, [name], frame.columns, "the table"))
            if name in taken:
                both = f"{taken[name]} and {role}" if taken[name] != role else f"a {role} twice"
                raise UsageError(f"column {name!r} is {both}: give it one role")
            taken[name] = role


@dataclass(frozen=True)
class Table:
    """Rows with their target.

    kinds    of the columns that are not the target
    where    what messages call a row, by its place here
    weights, groups, times  [N] or None; weight: the column of the weights
    classes  [classes]: what the weights of each class's rows are multiplied by in training, and nowhere else
    """

    frame: pl.DataFrame
    target: Target
    kinds: dict[str, Kind]
    where: Where
    weights: Array | None = None
    groups: Array | None = None
    times: Array | None = None
    classes: Array | None = None
    weight: str | None = None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def training_weights(self) -> Array | None:
        """[N]: the weights that are trained with; those of the rows times their classes'."""
        if self.classes is None:
            return self.weights
        own = self.classes[self.target.y]
        return own if self.weights is None else self.weights * own

    def counted(self) -> Table:
        """Without rows of weight 0, which nothing may learn from; equal weights are none."""
        if self.weights is None:
            return self
        table = self if self.weights.all() else self.some(np.flatnonzero(self.weights))
        return replace(table, weights=None) if np.ptp(table.weights) == 0 else table  # type: ignore[arg-type]

    def with_roles(self, roles: Roles) -> Table:
        """The same with weights of the rows, groups and times by the columns of these names."""
        weights = None if roles.weight is None else weights_of(self.frame[roles.weight], self.where)
        groups = None if roles.group is None else groups_of(self.frame[roles.group], roles.missing)
        times = None
        if roles.time is not None:
            values = times_of(self.frame[roles.time], self.kinds[roles.time], self.where, roles.drop_times)
            if values.null_count():
                return self.some(values.is_not_null().arg_true().to_numpy()).with_roles(roles)
            times = values.to_numpy()
        return replace(self, weights=weights, groups=groups, times=times, weight=roles.weight)

    def some(self, rows: Array) -> Table:
        """These rows."""
        weights, groups, times = (None if a is None else a[rows] for a in (self.weights, self.groups, self.times))
        where = self.where
        return replace(
            self, frame=self.frame[rows], target=self.target.some(rows), weights=weights, groups=groups, times=times,
            where=lambda row: where(int(rows[row])),
        )  # fmt: skip

    def other(self, frame: pl.DataFrame, roles: Roles, what: str, where: Where) -> Table:
        """Rows of another frame with the same target. what, where: what messages call them, and one of them."""
        frame = by_name(frame, [*roles.targets, *([] if roles.weight is None else [roles.weight])])
        check_targets(frame, roles.targets, what)
        if roles.weight is not None and roles.weight not in frame.columns:
            near = did_you_mean(roles.weight, frame.columns)
            mend = near or "; give it one, or train without weight"
            raise DataError(f"{what} has no column {roles.weight!r}, the weight{mend}")
        kept = known_rows(frame, self.target.kinds, roles.drop, where, what)
        given, place = frame, where
        if kept is not None:
            given, place = frame[kept], lambda row: where(int(kept[row]))
        weights = None if roles.weight is None else weights_of(given[roles.weight], place)
        return Table(given, like(self.target, given, what, place), self.kinds, place, weights)

    def parted(self, share: float, seed: int, what: str = "the test") -> tuple[Table, Table]:
        """The rows to train on, and the share of them that is held out: the last where times are given, else by target
        or group. DataError where none of either has a weight. what: messages call those held out"""
        if self.times is not None:
            held = by_time(self.times, share, self.where)
        else:
            y, known = self.target.y, self.target
            held = holdout(
                y, share, seed=seed, classes=known.classes or None, groups=self.groups, names=known.names,
                where=self.where,
            )  # fmt: skip
        parts = self.some(np.flatnonzero(~held)), self.some(np.flatnonzero(held))
        for part, name in zip(parts, ("the training", what), strict=True):
            if part.weights is not None and not part.weights.any():
                raise DataError(
                    f"{called('weight')}: column {self.weight!r} is 0 in all {len(part):,} rows of {name}, so they "
                    "say nothing; hold out other rows, or leave out those of weight 0"
                )
        return parts

    def folds(self, count: int, seed: int) -> Array:
        """[N]: the fold of each row: blocks in time where times are given, else by target or group.

        As many as there are rows, or groups, where these are fewer, with a warning.
        """
        most = len(self) if self.groups is None or self.times is not None else len(np.unique(self.groups))
        if 2 <= most < count:
            warn(f"{most} {'rows' if most == len(self) else 'groups'} make {most} folds, not {count}")
            count = most
        known = self.target
        if self.times is not None:
            fold = np.empty(len(self), np.int64)
            fold[np.argsort(self.times, kind="stable")] = np.arange(len(self)) * count // len(self)
            if known.classes:
                warn_of_rare(known.y, fold, count, known.classes, known.names, self.where)
            return fold
        return folds(
            known.y, count, seed=seed, classes=known.classes or None, groups=self.groups, names=known.names or None,
            where=self.where,
        )  # fmt: skip


# -- columns -----------------------------------------------------------------------------------------------


def weights_of(column: pl.Series, where: Where) -> Array:
    """float64 [N]. DataError, by row, for what are no weights."""
    must = f"{called('weight')}: column {column.name!r} must hold numbers of at least 0, in every row, not all 0"
    if not column.dtype.is_numeric():
        raise DataError(f"{must}; {where(0)} is {column[0]!r}")
    fine = (column >= 0).fill_null(False) & column.cast(pl.Float64).is_finite().fill_null(False)
    if not fine.all():
        row = int((~fine).arg_max() or 0)
        told = "has none" if column[row] is None else f"is {column[row]}"
        raise DataError(f"{must}; {where(row)} {told}")
    if not column.sum() > 0:
        raise DataError(f"{must}; all are 0")
    return column.to_numpy().astype(np.float64)


def groups_of(column: pl.Series, missing: Sequence[str] = ()) -> Array:
    """int64 [N]: the group of each row; rows without one are one group, with a warning."""
    if column.dtype.is_nested():
        raise DataError(
            f"{called('group')}: column {column.name!r} holds lists or structs; give one of text or numbers"
        )
    names = level_texts(column.cast(pl.String) if column.dtype in (pl.Categorical, pl.Enum) else column, missing)
    if gone := names.null_count():
        told = "1 row has none" if gone == 1 else f"{gone:,} rows have none"
        taken = "it is taken for a group" if gone == 1 else "they are taken for one group"
        warn(f"{called('group')}: {told} in column {column.name!r}: {taken}")
    return names.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def times_of(column: pl.Series, kind: Kind, where: Where, drop: bool = False) -> pl.Series:
    """Numbers or moments [N]: dates, or whatever is a number, though it may be none as an input, as a running number is
    not. drop: whether some may be null."""
    if kind.name not in ("number", "date"):
        if not column.dtype.is_numeric():
            mend = f"{asked('date', {column.name: '%d/%m/%Y'})} or {asked('number', [column.name])}"
            raise UsageError(
                f"{called('time')}: column {column.name!r} was taken as {kind.name} ({kind.reason}), neither numbers "
                f"nor dates; to have it read as such say {mend}"
            )
        kind = replace(kind, name="number")
    values = column_values(column, kind, where)
    if (gone := values.null_count()) and (not drop or gone == len(values)):
        first = where(int(values.is_null().arg_true()[0]))
        rows = "row has" if gone == 1 else "rows have"
        raise DataError(
            f"{called('time')}: {gone:,} {rows} none in column {column.name!r}, the first is {first}; fill them, or "
            f"leave these rows out: {asked('time_missing', 'drop')}"
        )
    return values


def class_weights(target: Target, given: str | Mapping[Any, float], weights: Array | None = None) -> Array:
    """[classes]: "balanced" is W / (classes * w), w the weights of the class's rows and W those of all. UsageError for
    others, and for classes that are not there."""
    if not target.classes:
        what = "labels, each of which is there or not" if target.task == "labels" else "numbers"
        raise UsageError(f"{called('class_weight')}: the target is {what}, and has no classes")
    if isinstance(given, str) and given == "balanced":
        sums = np.bincount(target.y, weights, target.classes).astype(np.float64)
        return np.divide(sums.sum(), target.classes * sums, out=np.zeros(target.classes), where=sums > 0)
    if not isinstance(given, Mapping):
        raise UsageError(
            f"{called('class_weight')} must be 'balanced' or a dict of a weight for each class, got {given!r}"
        )
    own = {str(name): value for name, value in given.items()}
    if wrong := [name for name in own if name not in target.names]:
        raise UsageError(
            f"{called('class_weight')}: there is no class {listed(wrong)}; there are {listed(target.names)}"
        )
    if odd := [name for name, value in own.items() if POSITIVE(value)]:
        raise UsageError(f"{called('class_weight')}: that of {odd[0]!r} is {shown(own[odd[0]])}; give positive numbers")
    return np.array([own.get(name, 1.0) for name in target.names], np.float64)
