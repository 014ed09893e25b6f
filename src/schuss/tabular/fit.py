"""fit_table: from a table and the name of its target to a model, with what was measured on rows held out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from schuss.calling import explained
from schuss.constraints import FRACTION, NOT_NEGATIVE, POSITIVE, Choice, Constraints, Whole, check
from schuss.errors import DataError
from schuss.exec.native.threads import at_most
from schuss.figures import with_error
from schuss.ir.executor import Array
from schuss.tabular.dialect import Reading
from schuss.tabular.extra import pl
from schuss.tabular.frame import as_frame, by_name
from schuss.tabular.held import HeldOut
from schuss.tabular.kind import MISSING, Kind, Where, rows_of
from schuss.tabular.kinds import find_kinds, names_of
from schuss.tabular.leaks import Leak, warn_of_leaks
from schuss.tabular.objectives import asked_for, check_amounts, objective_of
from schuss.tabular.presets import FOLDS
from schuss.tabular.read import lines_of, read_found
from schuss.tabular.report import Report
from schuss.tabular.rows import SHARE, Roles, Table, class_weights
from schuss.tabular.seen import compared, hashes, warn_of_common
from schuss.tabular.targets import Target, find_target, known_rows
from schuss.tabular.training import Training
from schuss.train.pool import Told


def _widths(value: Any) -> str | None:
    fine = isinstance(value, tuple) and not any(map(Whole(), value))
    return None if fine else "must be whole numbers of at least 1, as (64, 64)"


ASKED: Constraints = {
    "seed": Whole(0, 2**32 - 1), "folds": Whole(2), "epochs": Whole(),
    **dict.fromkeys(("target_missing", "time_missing"), Choice(("error", "drop"))),
    "hidden": _widths, "lr": POSITIVE, "dropout": FRACTION, "weight_decay": NOT_NEGATIVE,
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class TableRun:
    """What fit_table found.

    model    a Module: schuss.predict, evaluate, save and all else take it; its signature holds the preparation
    target   the target as it was taken; kinds: of all other columns, each with its reason
    preset   "fast" or "best"; folds: how many there were, None where validation rows took their place
    parts    the networks' recipes and the linear model, with the report's main metric as their loss, on rows that
             members have not seen, and weight
    report   metrics on rows held out, with their spread, beside a trivial and a linear model
    leaks    columns that alone predict the target
    held     the rows of the report; held.importance() measures the columns on them
    test     the rows held out for the report, validation: those that weigh the parts; None where there are none
    """

    model: Any
    target: Target
    kinds: dict[str, Kind]
    preset: str
    folds: int | None
    parts: list[dict[str, Any]]
    report: Report
    leaks: list[Leak]
    held: HeldOut
    test: Any = None
    validation: Any = None

    @property
    def task(self) -> str:
        """classification, labels or regression, or what a loss makes of numbers: counts, amounts or quantiles."""
        return self.held.objective.task

    def __repr__(self) -> str:
        line = next(line for line in self.report.lines if line.name == self.report.main)
        names = ", ".join(map(repr, self.target.kinds))
        what = f"{line.title} {with_error(line.value, line.error, plain=True)} on {self.report.where}"
        return f"TableRun({names}: {self.task}, {self.preset}, {what})"


@explained("; write fit_table(frame, 'price')")
def fit_table(
    data: Any,
    target: str | Sequence[str],
    *,
    task: str | None = None,
    loss: str | None = None,
    quantiles: Sequence[float] | None = None,
    preset: str | None = None,
    category: str | Iterable[str] = (),
    number: str | Iterable[str] = (),
    date: str | Iterable[str] | Mapping[str, str] = (),
    drop: str | Iterable[str] = (),
    missing: Iterable[str] | Mapping[str, Iterable[str]] = MISSING,
    target_missing: str = "error",
    weight: str | None = None,
    class_weight: str | Mapping[Any, float] | None = None,
    group: str | None = None,
    time: str | None = None,
    time_missing: str = "error",
    test: float | Any = None,
    validation: float | Any = None,
    folds: int = FOLDS,
    epochs: int | None = None,
    hidden: Sequence[int] | None = None,
    lr: float | None = None,
    dropout: float | None = None,
    weight_decay: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    backend: str = "native",
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | Told = True,
    reading: Reading | None = None,
    where: Where | None = None,
    begin: Callable[[Training], object] | None = None,
) -> TableRun:
    """Train a model of a table: networks on folds, blended with a linear model by their out-of-fold predictions.

        run = schuss.tabular.fit_table(frame, "price")
        print(run.report)
        run.model.predict(new_frame)

    data          a data frame of any library, a dict of columns, or the name of a file (CSV, Parquet, Feather)
    target        the column to predict, or several: labels, each yes or no, or numbers
    task          "classification", "regression", "counts" (numbers by the Poisson loss) or "labels". None: as the
                  target's values say, where text, yes and no, and whole numbers of at most 20 values are classes,
                  several columns of yes and no are labels and others are numbers
    loss          of numbers mse (the default), mae, huber, poisson (counts), gamma (amounts above 0) or quantile;
                  of classes cross_entropy (the default) or focal; of two classes and of labels binary_cross_entropy
    quantiles     to predict, as (0.1, 0.5, 0.9), in place of a mean: intervals that never cross
    preset        "fast" or "best" (schuss.tabular.presets); None: best where that is about a minute of two cores
    category, number, date, drop   columns whose kind is set; date={"COLUMN": "%d/%m/%Y"} with its format
    missing       texts that stand for a missing value; or {"COLUMN": texts}, and for others the usual ones
    target_missing  "error", or "drop": rows without a target are left out, also those of test and validation
    weight        a column of weights of the rows, in training and in all that is measured: one of 3 counts as three
                  equal rows
    class_weight  "balanced", or a weight for each class by name: its rows are trained on, and parts are weighed, as if
                  there were so many times as many. What is reported is of the rows as they are
    group         a column: rows of one group stay together in the folds and the test. It is no input
    time          a column: the last rows in time are the test, a fifth unless `test` says how many;
                  folds are blocks in time
    time_missing  "error", or "drop": rows without a time are left out
    test          a share of the rows to hold out, or a frame or file of test rows; None: the report is of the folds
    validation    a share of the rows that are trained on, or a frame or file of others, in place of folds: all members
                  train on all other rows and differ by their seeds, and the rows set weights and temperatures of the
                  parts; without a test the report is of them. With time they are the last rows, with group whole groups
    folds         how many; each kind of network has a member for each
    epochs, hidden, lr, dropout, weight_decay   in place of the preset's
    threads       None: the cores this process may use. Tables are read by polars, which has its own
                  (POLARS_MAX_THREADS in the environment, before it is loaded)
    backend       of the training: native or reference
    checkpoint    a folder in which members that train are kept; with those of a run that was stopped it goes on
    progress      a line for each kind of network, or a function in its place, as fit_many has it
    reading       how files of text are read (schuss.tabular.dialect.Reading)
    where         what messages call a row of the data, by its number
    begin         called before the training with what was found

    The same seed gives the same bits, whatever the threads. DataError and UsageError name column, row and mend.
    """
    settings: dict[str, Any] = {"epochs": epochs, "lr": lr, "dropout": dropout, "weight_decay": weight_decay}
    settings["hidden"] = tuple(hidden) if isinstance(hidden, Iterable) else hidden
    own = {name: value for name, value in settings.items() if value is not None}
    left_out = {"target_missing": target_missing, "time_missing": time_missing}
    check("fit_table", ASKED, {"seed": seed, "folds": folds, **left_out, **own})
    task, loss = asked_for(task, loss, quantiles)
    texts = MISSING if isinstance(missing, Mapping) else tuple(missing)
    reading = reading or Reading(missing=texts)
    frame, place, _, usual = rows_given(data, "the table", reading)
    reading = replace(reading, usual=usual)
    names = tuple(names_of(target))
    roles = Roles(names, weight, group, time, target_missing == "drop", texts, time_missing == "drop")
    by_column = missing if isinstance(missing, Mapping) else ()
    asked = [name for given in (category, number, date, drop, by_column) for name in names_of(given)]
    frame = by_name(frame, [*names, *(name for name in (weight, group, time) if name is not None), *asked])
    roles.check(frame)
    wanted = {"category": category, "number": number, "date": date, "drop": drop}
    wanted |= {"missing": missing if isinstance(missing, Mapping) else texts}
    table = _table(frame, roles, task, where or place, wanted)
    test = SHARE if test is None and time is not None else test
    table = table.with_roles(roles)
    return fit_rows(
        table, _parts(table, roles, test, validation, reading, seed), loss=loss, quantiles=quantiles,
        class_weight=class_weight, folds=folds, preset=preset, own=own, seed=seed, checkpoint=checkpoint, begin=begin,
        decimal=reading.usual, threads=threads, progress=progress, backend=backend,
    )  # fmt: skip


def fit_rows(
    table: Table, parts: tuple[Table, Table | None, Table | None], *, loss: str | None,
    quantiles: Sequence[float] | None, class_weight: str | Mapping[Any, float] | None, folds: int, preset: str | None,
    own: Mapping[str, Any], seed: int, checkpoint: str | PathLike[str] | None = None,
    begin: Callable[[Training], object] | None = None, decimal: str | None = None, **how: Any,
) -> TableRun:  # fmt: skip
    """What fit_table does once rows are read: the arguments are its own, checked.

    parts  of the table the rows to train on, and those of the test and the validation, which may be others
    own    settings in place of the preset's; how: threads, progress and backend
    decimal  the sign before decimals in the file of the rows, which other files may have, too
    """
    train, tested, validated = parts
    train = train.counted()
    for part in (table, tested, validated):
        if part is not None:
            check_amounts(part.target, loss, part.where)
    train.target.check_varied()
    _check_trained(table, train)
    if class_weight is not None:
        by_class = class_weights(train.target, class_weight, train.weights)
        train = replace(train, classes=by_class)
        validated = None if validated is None else replace(validated, classes=by_class)
    objective = objective_of(train.target, loss, quantiles, train.where, train.weights)
    with at_most(how.get("threads")):
        training, apart = _training(train, validated, tested, objective, folds, preset, own, seed)
        if begin is not None:
            begin(training)
        read = train.frame.select([name for name, kind in train.kinds.items() if kind.used])
        names, classes = tuple(train.target.kinds), train.target.classes or None
        leaks = warn_of_leaks(read, train.target.y, classes=classes, targets=names)
        learned = training.learn(seed, None if checkpoint is None else Path(checkpoint), **how)
        model = learned.model
        report = replace(training.report(learned, model, tested), alone=bool(model.weights[-1] == 1.0))
    weighed = [{**part, "loss": objective.in_own_units(part["loss"])} for part in learned.parts]
    found = {"parts": weighed, "report": report.to_json(), "weight": table.weight, "decimal": decimal}
    training.sign(model, found, apart)
    rest = [None if part is None else part.frame for part in (tested, validated)]
    done = training.members if validated is None else None
    held = training.held_out(model, tested, how.get("threads"))
    return TableRun(model, table.target, train.kinds, training.preset, done, weighed, report, leaks, held, *rest)


def rows_given(data: Any, what: str, reading: Reading) -> tuple[pl.DataFrame, Where, str, str | None]:
    """A frame, or the rows of a file of that name; what messages call its rows, and the whole; and the sign before
    decimals that the file has, of a frame the usual one."""
    if isinstance(data, str | PathLike):
        place = os.fspath(data)
        frame, found = read_found(place, reading)
        return frame, lines_of(place, reading), place, found.decimal
    return as_frame(data, what), rows_of(what), what, reading.usual


def _table(frame: pl.DataFrame, roles: Roles, task: str | None, where: Where, wanted: Mapping[str, Any]) -> Table:
    """The rows that have a target, with the kinds of their columns."""
    inputs = frame.drop([name for name in (roles.weight, roles.group) if name is not None])
    kinds = find_kinds(inputs, roles.targets, what="the table", where=where, **wanted)
    kept = known_rows(frame, {name: kinds[name] for name in roles.targets}, roles.drop, where)
    if kept is None:
        found = find_target(frame, roles.targets, kinds, task, where)
        return Table(frame, found, {n: k for n, k in kinds.items() if n not in roles.targets}, where)
    return _table(frame[kept], roles, task, lambda row: where(int(kept[row])), wanted)


def _parts(
    table: Table, roles: Roles, test: Any, validation: Any, reading: Reading, seed: int
) -> tuple[Table, Table | None, Table | None]:
    """The rows to train on, those of the test, and those of the validation."""
    train, tested = _apart(table, test, "the test", roles, reading, seed)
    train, validated = _apart(train, validation, "the validation", roles, reading, seed)
    return train, tested, validated


def _check_trained(table: Table, train: Table) -> None:
    """DataError for a class of the table that no row has that is trained on: no model of these would ever say it."""
    y, known = table.target.y, table.target
    if not known.classes:
        return
    lacking = np.flatnonzero(np.bincount(train.target.y, minlength=known.classes) == 0)
    if not lacking.size:
        return
    rows = np.flatnonzero(y == lacking[0])
    more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
    why, mend = "they are held out", "hold out fewer rows"
    if table.weights is not None and not table.weights[rows].any():
        why, mend = "their weight is 0", "give them a weight"
    raise DataError(
        f"target {next(iter(known.kinds))!r}: class {known.names[lacking[0]]!r}{more} has no row that is trained on, "
        f"of {len(rows):,}, the first {table.where(int(rows[0]))}: {why}; {mend}, or leave these rows out of the table"
    )


def _apart(
    table: Table, given: Any, what: str, roles: Roles, reading: Reading, seed: int
) -> tuple[Table, Table | None]:
    """The rows to train on, and those held out: none, a share of the table's, or those of a frame or a file."""
    if given is None:
        return table, None
    if isinstance(given, Real):
        return table.parted(float(given), seed, what)
    frame, where, name, _ = rows_given(given, what, reading)
    return table, table.other(frame, roles, name, where)


def _training(
    train: Table, validated: Table | None, tested: Table | None, *settings: Any
) -> tuple[Training, list[Array]]:
    """The training, and of the rows apart the hashes. Before it begins a DataError for rows apart that cannot be read,
    a warning for such as are rows trained on."""
    training, apart = Training.of(train, validated, *settings), []
    for part, what in ((tested, "the test"), (validated, "the validation")):
        if part is not None:
            hashed = hashes(training.columns.read(part.frame, what, part.where), part.target.y)
            apart.append(hashed if part.weights is None else hashed[part.weights > 0])
            warn_of_common(compared(training.hashed, apart[-1]), what)
    return training, apart
