"""The rows of a table with what is known of each: target, weight, group, time; and which are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from schuss.calling import did_you_mean
from schuss.errors import DataError, UsageError, warn
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.tabular.extra import pl
from schuss.tabular.frame import as_frame
from schuss.tabular.kind import Kind, Where, rows_of
from schuss.tabular.split import by_time, folds, holdout
from schuss.tabular.targets import Target, like
from schuss.tabular.values import column_values

SHARE = 0.2  # of the rows that are the test, where a column of times is given and no share


def check_columns(frame: pl.DataFrame, targets: Sequence[str], **roles: str | None) -> None:
    """DataError for a table without rows, UsageError for names that are no column, and for a column of two roles."""
    if not len(frame):
        raise DataError("the table has no rows")
    if not targets:
        raise UsageError("fit_table: target must be the name of a column, or a list of some")
    if roles.get("group") is not None and roles.get("time") is not None:
        raise UsageError("group and time: rows are held out by one of them; give one")
    taken: dict[str, str] = {}
    for name, role in [*((t, "target") for t in targets), *((n, r) for r, n in roles.items() if n is not None)]:
        if name not in frame.columns:
            near = did_you_mean(name, frame.columns)
            raise UsageError(f"{role}: there is no column {name!r}{near or '; there are ' + listed(frame.columns)}")
        if name in taken:
            raise UsageError(f"column {name!r} is {taken[name]} and {role}: give it one role")
        taken[name] = role


@dataclass(frozen=True)
class Table:
    """Rows with their target. kinds: of the columns that are not the target; weights, groups, times: [N] or None.
    where: what messages call a row."""

    frame: pl.DataFrame
    target: Target
    kinds: dict[str, Kind]
    weights: Array | None = None
    groups: Array | None = None
    times: Array | None = None
    where: Where = field(default_factory=lambda: rows_of("the table"))

    def __len__(self) -> int:
        return len(self.frame)

    def counted(self) -> Table:
        """Without rows of weight 0, which nothing may learn from; equal weights are none."""
        if self.weights is None:
            return self
        table = self if self.weights.all() else self.some(np.flatnonzero(self.weights))
        return replace(table, weights=None) if np.ptp(table.weights) == 0 else table  # type: ignore[arg-type]

    def with_roles(
        self,
        weight: str | None,
        group: str | None,
        time: str | None,
        class_weight: str | Mapping[str, float] | None,
    ) -> Table:
        """The same with weights of the rows, groups and times by the columns of these names."""
        weights = None if weight is None else _weights(self.frame[weight])
        if class_weight is not None:
            by_class = class_weights(self.target, class_weight)[self.target.y]
            weights = by_class if weights is None else weights * by_class
        groups = None if group is None else self.frame[group].rank("dense").fill_null(0).to_numpy().astype(np.int64)
        times = None
        if time is not None:
            if (kind := self.kinds[time]).name not in ("number", "date"):
                raise UsageError(f"time: column {time!r} is a {kind.name}; name it with date= to read it as dates")
            times = column_values(self.frame[time], kind, self.where).to_numpy()
        return replace(self, weights=weights, groups=groups, times=times)

    def some(self, rows: Array) -> Table:
        """These rows."""
        weights, groups, times = (None if a is None else a[rows] for a in (self.weights, self.groups, self.times))
        target = replace(self.target, y=self.target.y[rows])
        return Table(
            self.frame[rows], target, self.kinds, weights, groups, times, lambda row: self.where(int(rows[row]))
        )

    def parted(
        self, test: float | Any, targets: Sequence[str], seed: int, where: Where | None = None
    ) -> tuple[Table, Table | None]:
        """Training rows and test rows; none are held out where neither a test nor times are given.

        test  a share of the rows, or a frame of others; where: what messages call a row of these
        """
        if test is None and self.times is None:
            return self, None
        if test is not None and not isinstance(test, (int, float)):
            frame = as_frame(test, "the test")
            place = where or rows_of("the test")
            return self, Table(frame, like(self.target, frame, targets, where=place), self.kinds, where=place)
        share = SHARE if test is None else float(test)
        if self.times is not None:
            held = by_time(self.times, share, self.where)
        else:
            y, known = self.target.y, self.target
            held = holdout(
                y, share, seed=seed, classes=known.classes or None, groups=self.groups, names=known.names,
                where=self.where,
            )  # fmt: skip
        return self.some(np.flatnonzero(~held)), self.some(np.flatnonzero(held))

    def folds(self, count: int, seed: int) -> Array:
        """[N]: the fold of each row: blocks in time where times are given, else by target or group.

        As many as there are rows, or groups, where these are fewer, with a warning.
        """
        most = len(self) if self.groups is None or self.times is not None else len(np.unique(self.groups))
        if 2 <= most < count:
            warn(f"{most} {'rows' if most == len(self) else 'groups'} make {most} folds, not {count}")
            count = most
        if self.times is not None:
            if count < 2:
                raise UsageError(f"folds must be at least 2, got {count}")
            order = np.argsort(self.times, kind="stable")
            fold = np.empty(len(self), np.int64)
            fold[order] = np.arange(len(self)) * count // len(self)
            return fold
        known = self.target
        return folds(
            known.y, count, seed=seed, classes=known.classes or None, groups=self.groups, names=known.names or None,
            where=self.where,
        )  # fmt: skip


def _weights(column: pl.Series) -> Array:
    if not column.dtype.is_numeric() or column.null_count() or not (column >= 0).all() or not column.sum() > 0:
        raise DataError(f"weight: column {column.name!r} must hold numbers of at least 0, in every row, not all 0")
    return column.to_numpy().astype(np.float64)


def class_weights(target: Target, given: str | Mapping[str, float]) -> Array:
    """[classes]: "balanced" is N / (classes * count). UsageError for others, and for classes that are not there."""
    if not target.classes:
        raise UsageError("class_weight: the target is numbers, and has no classes")
    if given == "balanced":
        return len(target.y) / (target.classes * np.bincount(target.y, minlength=target.classes))
    if not isinstance(given, Mapping):
        raise UsageError(f"class_weight must be 'balanced' or a dict of a weight for each class, got {given!r}")
    by_name = {str(name): float(value) for name, value in given.items()}
    if wrong := [name for name in by_name if name not in target.names]:
        raise UsageError(f"class_weight: there is no class {listed(wrong)}; there are {listed(target.names)}")
    return np.array([by_name.get(name, 1.0) for name in target.names])
