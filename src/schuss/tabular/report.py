"""What was measured of a table's model on rows held out, beside a trivial and a linear model of the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.baselines import fit_trivial
from schuss.tabular.metrics import METRICS
from schuss.tabular.scoring import bootstrap, deviation, scores, scores_of_each, spread

if TYPE_CHECKING:
    from schuss.tabular.objectives import Objective
    from schuss.tabular.rows import Table

EXACT = 1e-12  # a metric below is 0, but for its sum's rounding
OF_EACH = ("accuracy", "log_loss", "roc_auc", "average_precision", "rmse", "mae", "r2")
"""What is shown of each of several targets."""
SURE = 2.0  # standard errors by which the networks must be better to have earned their place


@dataclass(frozen=True)
class Line:
    """One metric: of the model, with its standard error, of the linear and of the trivial model."""

    name: str
    title: str
    value: float
    error: float
    linear: float
    trivial: float


@dataclass(frozen=True)
class Report:
    """lines: the metrics, on the rows that `where` says. gain: the main metric less the linear model's, with its
    standard error over draws of the rows. each: of several targets or labels the model's metrics, by target and metric.
    """

    lines: tuple[Line, ...]
    where: str
    main: str
    gain: float
    gain_error: float
    each: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One line: whether the networks earned their place beside the linear model."""
        what = METRICS[self.main].title
        told = f"{what} {self.gain:+.3g} +- {self.gain_error:.2g} against the linear model's"
        line = next((line for line in self.lines if line.name == self.main), None)
        if line is not None and line.value >= line.trivial:
            return (
                f"nothing was learned: {what} {line.value:.4g}, and {line.trivial:.4g} of the same answer for all rows"
            )
        if self.gain < -SURE * self.gain_error:
            return f"the networks earn their place: {told}"
        if self.gain > SURE * self.gain_error:
            return f"the linear model alone is better: {told}"
        return f"a linear model does as well: {told}"

    def to_json(self) -> dict[str, Any]:
        """None for what is not defined, as the ROC AUC of rows of one class."""
        names = ("value", "error", "linear", "trivial")
        lines = {line.name: {name: _defined(getattr(line, name)) for name in names} for line in self.lines}
        gain = {"gain": _defined(self.gain), "gain_error": _defined(self.gain_error)}
        written = {"on": self.where, "metrics": lines, "main": self.main, **gain, "verdict": self.verdict}
        each = {name: {metric: _defined(v) for metric, v in own.items()} for name, own in self.each.items()}
        return written | ({"targets": each} if each else {})

    def __str__(self) -> str:
        width = max(len(line.title) for line in self.lines)
        rows = [f"{'':{width}}  {'model':>22}  {'linear':>10}  {'trivial':>10}"]
        for line in self.lines:
            own = f"{line.value:.4g} +- {line.error:.2g}"
            rows.append(f"{line.title:{width}}  {own:>22}  {line.linear:>10.4g}  {line.trivial:>10.4g}")
        return "\n".join([f"on {self.where}:", *rows, *table_of_each(self.each), self.verdict])


def table_of_each(each: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Lines: a row for each target, its metrics beside it."""
    if not each:
        return []
    names = [name for name in OF_EACH if name in next(iter(each.values()))]
    widest = max(map(len, each))
    titles = [METRICS[name].title for name in names]
    rows = [f"{'':{widest}}  " + "  ".join(f"{title:>10}" for title in titles)]
    for target, own in each.items():
        values = ("-" if (v := own.get(name)) is None or v != v else f"{v:.4g}" for name in names)
        cells = (f"{value:>{max(10, len(title))}}" for value, title in zip(values, titles, strict=True))
        rows.append(f"{target:{widest}}  " + "  ".join(cells))
    return ["", *rows, ""]


def _defined(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def report_of(objective: Objective, trained: Table, measured: Table, p: Array, linear: Array, where: str) -> Report:
    """p and linear: predictions for the rows measured, which `where` describes. Weights are those of the rows: what
    classes weigh in training has no part in it."""
    task, quantiles = objective.task, objective.quantiles or None
    y, past, w = measured.target.y, trained.target.y, measured.weights
    y, past = (y[:, 0], past[:, 0]) if quantiles else (y, past)
    metrics = objective.metrics
    median, classes = objective.loss == "mae", objective.classes or None
    trivial = fit_trivial(past, task, trained.weights, classes=classes, quantiles=quantiles, median=median)
    found = [scores(metrics, y, q, w) for q in (p, linear, np.asarray(trivial.predict(len(y))))]
    found = [{name: 0.0 if abs(value) < EXACT else value for name, value in part.items()} for part in found]
    errors = spread(metrics, y, p, w)  # by rows: folds that are stratified are more alike than others are
    lines = tuple(
        Line(m.name, m.title, found[0][m.name], errors[m.name], found[1][m.name], found[2][m.name]) for m in metrics
    )
    main = next(m for m in metrics if m.name == objective.main)
    draws = [bootstrap([main], y, q, w, seed=0)[main.name] for q in (p, linear)]
    gain = found[0][main.name] - found[1][main.name]
    each = scores_of_each(task, measured.target.names, y, p, w)
    return Report(lines, where, main.name, gain, deviation(draws[0] - draws[1]), each)
