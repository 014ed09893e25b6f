"""fit_table: from a table and the name of its target to a model, with what was measured on rows held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from schuss.calling import explained
from schuss.tabular.frame import as_frame, by_name
from schuss.tabular.held import HeldOut
from schuss.tabular.kind import MISSING, Kind, Where, rows_of
from schuss.tabular.kinds import find_kinds, names_of
from schuss.tabular.leaks import Leak, warn_of_leaks
from schuss.tabular.objectives import objective_of
from schuss.tabular.presets import FOLDS
from schuss.tabular.report import Report
from schuss.tabular.rows import Table, check_columns
from schuss.tabular.targets import Target, find_target
from schuss.tabular.training import Training
from schuss.train.pool import Told


@dataclass(frozen=True)
class TableRun:
    """What fit_table found.

    model    a Module: schuss.predict, save, freeze and all else take it; its signature holds the preparation
    target   the target as it was taken; kinds: of all other columns, each with its reason
    preset   "fast" or "best"; folds: how many
    parts    the networks' recipes and the linear model, with out-of-fold loss and weight
    report   metrics on rows held out, with their spread, beside a trivial and a linear model
    leaks    columns that alone predict the target
    test     the rows held out, None where the folds were
    held     the rows of the report; held.importance() measures the columns on them
    """

    model: Any
    target: Target
    kinds: dict[str, Kind]
    preset: str
    folds: int
    parts: list[dict[str, Any]]
    report: Report
    leaks: list[Leak]
    held: HeldOut
    test: Any = None


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
    missing: Iterable[str] = MISSING,
    weight: str | None = None,
    class_weight: str | Mapping[str, float] | None = None,
    group: str | None = None,
    time: str | None = None,
    test: float | Any = None,
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
    where: Where | None = None,
    test_where: Where | None = None,
    begin: Callable[[Training], object] | None = None,
) -> TableRun:
    """Train a model of a table: networks on folds, blended with a linear model by their out-of-fold predictions.

        run = schuss.tabular.fit_table(frame, "price")
        print(run.report)
        run.model.predict(new_frame)

    data          a data frame of any library, or a dict of columns
    target        the column to predict, or several of numbers
    task          "classification" or "regression"; None: text, yes and no, and whole numbers of at
                  most 20 values are classes
    loss          of numbers mse (the default), mae, huber, poisson (counts), gamma (amounts above 0) or quantile;
                  of classes cross_entropy (the default) or focal
    quantiles     to predict, as (0.1, 0.5, 0.9), in place of a mean: intervals that never cross
    preset        "fast" or "best" (schuss.tabular.presets); None: best where that is about a minute of two cores
    category, number, date, drop   columns whose kind is set; date={"COLUMN": "%d/%m/%Y"} with its format
    missing       texts that stand for a missing value
    weight        a column of weights of the rows: one of 3 counts as three equal rows
    class_weight  "balanced", or a weight for each class by name
    group         a column: rows of one group stay together in the folds and the test. It is no input
    time          a column: the last rows in time are the test, a fifth unless `test` says how many;
                  folds are blocks in time
    test          a share of the rows to hold out, or a frame of test rows; None: the report is of the folds
    folds         how many; each kind of network has a member for each
    epochs, hidden, lr, dropout, weight_decay   in place of the preset's
    backend       of the training: native or reference
    checkpoint    a folder in which members that train are kept; with those of a run that was stopped it goes on
    progress      a line for each kind of network, or a function in its place, as fit_many has it
    where         what messages call a row, by its number; test_where: a row of the test
    begin         called before the training with what was found

    The same seed gives the same bits, whatever the threads. DataError and UsageError name column, row and mend.
    """
    given: dict[str, Any] = {"epochs": epochs, "lr": lr, "dropout": dropout, "weight_decay": weight_decay}
    own = {name: value for name, value in given.items() if value is not None}
    own |= {} if hidden is None else {"hidden": tuple(hidden)}
    names = [target] if isinstance(target, str) else list(target)
    asked = [name for given in (category, number, date, drop) for name in names_of(given)]
    roles = [name for name in (weight, group, time) if name is not None]
    frame = by_name(as_frame(data, "the table"), [*names, *roles, *asked])
    check_columns(frame, names, weight=weight, group=group, time=time)
    kinds = find_kinds(
        frame.drop([name for name in (weight, group) if name is not None]), names, category=category, number=number,
        date=date, drop=drop, missing=tuple(missing), what="the table", where=where,
    )  # fmt: skip
    found = find_target(frame, names, kinds, task, where)
    place = where or rows_of("the table")
    table = Table(frame, found, {n: k for n, k in kinds.items() if n not in names}, where=place)
    table = table.with_roles(weight, group, time, class_weight)
    train, tested = table.parted(test, names, seed, test_where)
    train = train.counted()
    train.target.check_varied()
    objective = objective_of(train.target, loss, quantiles, train.where, train.weights)
    training = Training.of(train, objective, folds, preset, own, seed)
    if tested is not None:
        training.columns.read(
            tested.frame, "the test", tested.where
        )  # refuses what cannot be read, before the training
    if begin is not None:
        begin(training)
    read = train.frame.select([name for name, kind in train.kinds.items() if kind.used])
    leaks = warn_of_leaks(read, train.target.y, classes=found.classes or None)
    learned = training.learn(
        seed, None if checkpoint is None else Path(checkpoint), threads=threads, progress=progress, backend=backend
    )
    model = learned.model
    report = training.report(learned, model, tested)
    training.sign(model, {"parts": learned.parts, "report": report.to_json()})
    held = training.held_out(model, tested)
    rows = None if tested is None else tested.frame
    return TableRun(model, found, train.kinds, training.preset, folds, learned.parts, report, leaks, held, rows)
