"""A finished model of a table, and what is measured of it on other rows that have the target.

    print(schuss.tabular.evaluate_table(model, "other.csv"))

What a model is of, columns, target and metrics, stands in its signature, so that a file is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.calling import explained
from schuss.constraints import Choice, check
from schuss.dispatch import EVALUATE_TABLE
from schuss.errors import UsageError
from schuss.figures import aligned, with_error
from schuss.ir.executor import Array
from schuss.nn.holding import signature_of
from schuss.nn.walk import callable_model
from schuss.tabular.beyond import Beyond
from schuss.tabular.dialect import Reading
from schuss.tabular.finished import answers, columns_of, metrics_of, target_of, task_of
from schuss.tabular.fit import rows_given
from schuss.tabular.frame import as_frame, by_name
from schuss.tabular.metrics import SCALED, Metric
from schuss.tabular.objectives import check_amounts
from schuss.tabular.read import reading_for
from schuss.tabular.report import table_of_each
from schuss.tabular.rows import Roles, Table
from schuss.tabular.scoring import scores, scores_of_each, spread
from schuss.tabular.seen import trained_on, warn_of_trained
from schuss.tabular.targets import Target


@dataclass(frozen=True)
class Measured:
    """metrics, and by their names the values on these rows, with their standard errors over draws of the rows.

    each      of several targets or labels the values of each by itself
    weighted  the column of weights, where the rows have the one that the model was trained with
    seen      how many of the rows the model was trained on, where they are just those of its training; else None: its
              file does not tell
    beyond    which rows are unlike all that it was trained on; of those with a weight
    y, p      classes or values, and predictions, as schuss.tabular.metrics has them
    """

    what: str
    target: Target
    metrics: tuple[Metric, ...]
    values: Mapping[str, float]
    errors: Mapping[str, float]
    each: Mapping[str, Mapping[str, float]]
    weighted: str | None
    seen: int | None
    beyond: Beyond
    y: Array
    p: Array

    def to_json(self) -> dict[str, Any]:
        """None for what is not defined."""
        metrics = {
            m.name: {"value": _defined(self.values[m.name]), "error": _defined(self.errors[m.name])}
            for m in self.metrics
        }
        told = {
            "data": self.what, "examples": len(self.y), "seen": self.seen, "targets": list(self.target.kinds),
            "weight": self.weighted, "beyond": self.beyond.to_json(),
        }  # fmt: skip
        each = {target: {name: _defined(v) for name, v in own.items()} for target, own in self.each.items()}
        return {**told, "metrics": metrics, **({"of_each": each} if each else {})}

    def __str__(self) -> str:
        weighted = f", weighted by {self.weighted}" if self.weighted else ""
        head = f"on {len(self.y):,} rows of {self.what}, target {', '.join(self.target.kinds)}{weighted}:"
        if any(m.name in SCALED.values() for m in self.metrics):
            head = f"{head[:-1]} (means over the targets; errors are in standard deviations of each in training):"
        lines = [(m.title, with_error(self.values[m.name], self.errors[m.name], plain=True)) for m in self.metrics]
        return "\n".join([head, *aligned(lines, (1,)), *table_of_each(self.each)])


@EVALUATE_TABLE.fill
@explained("; write evaluate_table(model, frame)")
def evaluate_table(model: Any, data: Any, *, target_missing: str = "error", reading: Reading | None = None) -> Measured:
    """The metrics of a report on rows that have the columns of the model and its target.

    model           fitted by fit_table or loaded, or what fit_table gave
    data            a data frame of any library, a dict of columns, or the name of a file
    target_missing  "error", or "drop": rows without a target are left out
    reading         how a file of text is read (schuss.tabular.dialect.Reading)

    The rows are weighted where the model was trained with a column of weights and they have it. A warning where they
    are just those of its training, in any order; of some of them the file does not tell. DataError for a column or
    value that is missing or of the wrong kind, by row; UsageError for a model that is none of a table.
    """
    check("evaluate_table", {"target_missing": Choice(("error", "drop"))}, {"target_missing": target_missing})
    model = getattr(model, "model", None) if type(model).__name__ == "TableRun" else model
    network = callable_model(model, "evaluate_table")
    signature = signature_of(network)
    columns = columns_of(signature)
    if signature is None or columns is None:
        raise UsageError("evaluate_table: the model is none of a table; schuss.evaluate(model, (x, y)) measures others")
    target = target_of(signature, "the model")
    frame, where, what, _ = rows_given(data, "the table", reading_for(signature.record, reading))
    weight = signature.record.get("weight")
    weighted = None
    if isinstance(weight, str) and weight in (frame := by_name(frame, [weight])).columns:
        weighted = weight
    roles = Roles(tuple(target.kinds), weighted, drop=target_missing == "drop")
    rows = Table(frame, target, {}, where).other(frame, roles, what, where)
    check_amounts(rows.target, str(signature.record.get("loss")), rows.where)
    w = rows.weights
    counting = slice(None) if w is None else np.flatnonzero(w)
    x, beyond = columns.looked_at(rows.frame, what, rows.where, counting)
    seen = trained_on(signature.record.get("seen"), x[counting], rows.target.y[counting])
    if seen is not None:
        warn_of_trained(seen, len(x[counting]), what)
    p = answers(network, signature, x)
    (task, quantiles), metrics = task_of(signature, target), metrics_of(signature, target)
    y = rows.target.y[:, 0] if quantiles else rows.target.y
    values, errors = scores(metrics, y, p, w), spread(metrics, y, p, w)
    each = scores_of_each(task, target.names, y, p, w)
    return Measured(what, target, metrics, values, errors, each, weighted, seen, beyond, y, p)


def beyond_training(model: Any, data: Any) -> Beyond:
    """How many of these rows are unlike all that the model was trained on, and in which columns.

    model  fitted by fit_table or loaded, or what fit_table gave
    data   a data frame of any library, or a dict of columns; rows of weight 0 do not count, where it has the weights

    DataError for a column that is missing or a value of the wrong kind; UsageError for a model that is none of a table.
    """
    model = getattr(model, "model", None) if type(model).__name__ == "TableRun" else model
    signature = signature_of(callable_model(model, "beyond_training"))
    columns = columns_of(signature)
    if signature is None or columns is None:
        raise UsageError("beyond_training: the model is none of a table")
    return columns.looked_at(data, counting=_counting(data, signature.record.get("weight")))[1]


def _counting(data: Any, weight: Any) -> Any:
    """The rows that are not of weight 0, by their places; a slice of all where the data do not have the weights."""
    if not isinstance(weight, str) or isinstance(data, np.ndarray):
        return slice(None)
    frame = by_name(as_frame(data, "x"), [weight])
    if weight not in frame.columns or not frame[weight].dtype.is_numeric():
        return slice(None)
    return (frame[weight] != 0).fill_null(True).arg_true().to_numpy()


def _defined(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


__all__ = ["Measured", "beyond_training", "evaluate_table"]
