"""What was measured of a table's model on rows held out, beside a trivial and a linear model of the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.figures import aligned, number, with_error
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.tabular.baselines import fit_trivial
from schuss.tabular.metrics import METRICS, SCALED, Metric, metrics_for
from schuss.tabular.scoring import SURE, Draws, deviation, scores, spread

if TYPE_CHECKING:
    from schuss.tabular.objectives import Objective
    from schuss.tabular.rows import Table

FEW = 10  # rows, fewer of which tell nothing: their draws hardly differ
EXACT = 1e-12  # a metric below is 0, but for its sum's rounding
OF_EACH = ("accuracy", "log_loss", "roc_auc", "average_precision", "rmse", "mae", "r2")
"""What is shown of each of several targets."""


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
class Judged:
    """lines: the metrics. main: the one that it is judged by; gain: that less the linear model's, with its standard
    error over draws of the rows; over: the same against the trivial model."""

    lines: tuple[Line, ...]
    main: str
    gain: float
    gain_error: float
    over: float
    over_error: float

    @property
    def line(self) -> Line:
        return next(line for line in self.lines if line.name == self.main)

    @property
    def learned(self) -> bool:
        """Whether it surely says more than the same answer for all rows."""
        return not (self.line.value >= self.line.trivial or self.over > -SURE * self.over_error)

    @property
    def better(self) -> bool:
        """Whether the networks surely say more than the linear model."""
        return self.gain < -SURE * self.gain_error

    def to_json(self) -> dict[str, Any]:
        """None for what is not defined, as the ROC AUC of rows of one class."""
        names = ("value", "error", "linear", "trivial")
        lines: dict[str, dict[str, Any]] = {
            line.name: {"title": line.title, **{name: _defined(getattr(line, name)) for name in names}}
            for line in self.lines
        }
        found = {name: _defined(getattr(self, name)) for name in ("gain", "gain_error", "over", "over_error")}
        return {"metrics": lines, "main": self.main, **found}


@dataclass(frozen=True)
class Report(Judged):
    """What was measured on the rows that `where` says. each: of several targets or labels each by itself, in its own
    units; what is one number over targets of numbers is of errors over the targets' deviations. alone: whether the
    model is the linear model, as no network has a weight. rows: how many were measured; None for those of no table
    """

    where: str = ""
    each: Mapping[str, Judged] = field(default_factory=dict)
    alone: bool = False
    rows: int | None = None

    @property
    def verdict(self) -> str:
        """One line: whether anything was learned, and whether the networks earned their place beside the linear
        model."""
        if self.rows is not None and self.rows < FEW:
            return f"{self.rows} rows are too few to tell whether anything was learned"
        line, gain = self.line, with_error(abs(self.gain), self.gain_error, plain=True)
        what, side = line.title, "lower" if self.gain < 0 else "higher"
        if not self.learned:
            told = f"nothing was learned beyond the same answer for all rows: {what} {number(line.value, plain=True)}, "
            told += f"and {number(line.trivial, plain=True)} of that answer"
            if self.over < 0:
                told += f"; lower by {with_error(-self.over, self.over_error, plain=True)} may be chance"
            return told
        if self.alone:
            return (
                f"the model is the linear model, as no network made it better: {what} {number(line.value, plain=True)}"
            )
        if self.better:
            told = f"the networks earn their place: {what} is lower than the linear model's by {gain}"
        elif self.gain > SURE * self.gain_error:
            told = f"the linear model alone is better: {what} is higher than the linear model's by {gain}"
        else:
            chance = f"{what} is {side} than the linear model's by {gain}, which may be chance"
            told = f"a linear model does as well: {chance if self.gain else f'{what} is the same'}"
        return told + self._of_targets()

    def _of_targets(self) -> str:
        """Which targets are unlike the whole."""
        none = [name for name, one in self.each.items() if not one.learned]
        known = {name: one for name, one in self.each.items() if one.learned}
        told = f"; nothing was learned of {listed(none)}" if none else ""
        if self.better and (equal := [name for name, one in known.items() if not one.better]):
            return f"{told}; of {listed(equal)} a linear model does as well"
        if not self.better and (better := [name for name, one in known.items() if one.better]):
            return f"{told}; of {listed(better)} the networks are better"
        return told

    def to_json(self) -> dict[str, Any]:
        """As Judged; targets: each by itself."""
        each = {name: one.to_json() for name, one in self.each.items()}
        written = {"on": self.where, **super().to_json(), "verdict": self.verdict}
        return written | ({"targets": each} if each else {})

    @property
    def table(self) -> str:
        """All but the verdict, as people read it."""
        return "\n".join(table_of(self.to_json()))

    def __str__(self) -> str:
        return f"{self.table}\n{chr(10) * bool(self.each)}{self.verdict}"


def table_of(report: Mapping[str, Any]) -> list[str]:
    """Lines: the metrics of a report that is JSON, and of several targets a line for each."""
    rows: list[tuple[str, ...]] = [("", "model", "linear", "trivial")]
    for name, line in report["metrics"].items():
        rows.append((title_of(name, line), *_of_line(line)))
    each: Mapping[str, Any] = report.get("targets") or {}
    scaled = any(name in SCALED.values() for name in report["metrics"])
    units = f" (means over the {len(each)} targets; errors are in standard deviations of each)" if scaled else ""
    return [f"on {report['on']}{units}:", *aligned(rows, (1, 2, 3)), *_of_each(each)]


def title_of(name: str, line: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A metric's name as people read it, as its line of a report tells it."""
    known = METRICS[name].title if name in METRICS else name.replace("_", " ")
    return line["title"] if isinstance(line.get("title"), str) else known


def _of_each(each: Mapping[str, Any]) -> list[str]:
    """A line for each target: the metric it is judged by beside the linear and the trivial model's, then others."""
    if not each:
        return []
    first = next(iter(each.values()))
    main, others = first["main"], [n for n in OF_EACH if n in first["metrics"] and n != first["main"]]
    head = ("each by itself", METRICS[main].title, "linear", "trivial", *(METRICS[name].title for name in others))
    rows: list[tuple[str, ...]] = [head]
    for target, one in each.items():
        more = (number(one["metrics"][name]["value"], plain=True) for name in others)
        rows.append((target, *_of_line(one["metrics"][main]), *more))
    return ["", *aligned(rows, range(1, len(head)))]


def _of_line(line: Mapping[str, Any]) -> list[str]:
    """What is measured of the model, the linear and the trivial one."""
    own = with_error(line["value"], line["error"], plain=True)
    return [own, *(number(line[of], plain=True) for of in ("linear", "trivial"))]


def table_of_each(each: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Lines: a row for each target, its metrics beside it."""
    if not each:
        return []
    names = [name for name in OF_EACH if name in next(iter(each.values()))]
    head = ("each by itself", *(METRICS[name].title for name in names))
    rows = [head, *((target, *(number(own.get(name), plain=True) for name in names)) for target, own in each.items())]
    return ["", *aligned(rows, range(1, len(head)))]


def is_report(written: Any) -> bool:
    """Whether JSON is a report as `to_json` writes it."""
    if not isinstance(written, Mapping) or not all(isinstance(written.get(n), str) for n in ("on", "verdict")):
        return False
    each = written.get("targets", {})
    return _is_judged(written) and isinstance(each, Mapping) and all(map(_is_judged, each.values()))


def _is_judged(written: Any) -> bool:
    if not isinstance(written, Mapping) or not isinstance(lines := written.get("metrics"), Mapping):
        return False
    names = ("value", "error", "linear", "trivial")
    return written.get("main") in lines and all(
        name in METRICS and isinstance(line, Mapping) and all(_is_number(line.get(of, "")) for of in names)
        for name, line in lines.items()
    )


def _is_number(x: Any) -> bool:
    return x is None or (isinstance(x, (int, float)) and not isinstance(x, bool))


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
    said = (p, linear, np.asarray(trivial.predict(len(y))))
    drawn = Draws.of_rows(np.ones(len(y)) if w is None else w, seed=0)
    errors = spread(metrics, y, p, w)  # by rows: folds that are stratified are more alike than others are
    whole = _judged(metrics, objective.main, y, said, w, drawn, errors)
    each = _each(objective, measured.target.names, y, said, w, drawn)
    numbers = whole.gain, whole.gain_error, whole.over, whole.over_error
    return Report(whole.lines, whole.main, *numbers, where, each, rows=len(y))


def _each(
    objective: Objective, names: Sequence[str], y: Array, said: Sequence[Array], w: Array | None, drawn: Draws
) -> dict[str, Judged]:
    """Several labels or targets of numbers, each by itself, in its own units."""
    if objective.classes or objective.quantiles or len(names) < 2:
        return {}
    found = {}
    for i, name in enumerate(names):
        if objective.labels:
            one, parts = y[:, i].astype(np.int64), [np.stack([1 - p[:, i], p[:, i]], 1) for p in said]
            main, metrics = objective.main, metrics_for("classification")
        else:
            one, parts = y[:, i], [p[:, i] for p in said]
            main = next((own for own, scaled in SCALED.items() if scaled == objective.main), objective.main)
            metrics = metrics_for(objective.task, huber=objective.scale[i : i + 1] if main == "huber" else None)
        found[name] = _judged(metrics, main, one, parts, w, drawn, {})
    return found


def _judged(
    metrics: Sequence[Metric], main: str, y: Array, said: Sequence[Array], w: Array | None, drawn: Draws,
    errors: Mapping[str, float],
) -> Judged:  # fmt: skip
    """said: by the model, the linear and the trivial one. errors: of the metrics; of the main one by the draws."""
    found = [scores(metrics, y, p, w) for p in said]
    found = [{name: 0.0 if abs(value) < EXACT else value for name, value in part.items()} for part in found]
    by = next(m for m in metrics if m.name == main)
    own, linear, trivial = (drawn(by.of, y, p) for p in said)
    known = {main: deviation(own), **errors}
    lines = tuple(
        Line(m.name, m.title, found[0][m.name], known.get(m.name, float("nan")), found[1][m.name], found[2][m.name])
        for m in metrics
    )
    gain, over = (found[0][main] - other[main] for other in found[1:])
    return Judged(lines, main, gain, deviation(own - linear), over, deviation(own - trivial))
