"""A finished model of a table on the page: its report, how it depends on columns, a form, and what moved a row.

The numbers are those of schuss.tabular.explainer; here they become messages. Nothing here loads polars: who makes a
session of a table has it already.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.errors import UsageError
from schuss.frames import listed
from schuss.ir.executor import Array
from schuss.nn.walk import weights_of
from schuss.train.step import Task
from schuss.web.session import Session
from schuss.web.subject import Columns, Snapshot, Subject
from schuss.web.worker import behind

if TYPE_CHECKING:
    from schuss.tabular.explain import Dependence
    from schuss.tabular.explainer import Axis, Explainer

OFFERED = 300  # levels of a column that the page is told of
CURVES = 60  # rows whose own curves are drawn
LONGEST = 1000  # characters of a value in a form
DIGITS = 6


class TableSubject(Subject):
    """A model of a table.

    columns  its rows as other models have them, for the graph and the mountain; None without a table or its target
    source   what the rows are called; "" where they are drawn
    """

    data_words = ("TABLE", "frame")

    def __init__(self, explainer: Explainer, task: Task, columns: Columns | None, source: str) -> None:
        weights = weights_of(explainer.model)

        def snapshot() -> Snapshot:
            return 0, weights

        super().__init__(task, columns, None, snapshot)
        self.explainer, self.source = explainer, source
        self.name = source

    @property
    def image(self) -> None:
        """Prepared rows are no pictures, however many numbers they hold."""
        return

    def about(self) -> dict[str, Any]:
        return {**super().about(), "model": self._title, "table": self.table()}

    @property
    def _title(self) -> str:
        return f"A model of {', '.join(self.explainer.target.kinds)}"

    def table(self) -> dict[str, Any]:
        """What the page knows of the table: columns, outputs, and what the training measured."""
        asked = self.explainer
        record = asked.signature.record
        names = {field.name for field in asked.fields}
        told = record.get("columns")
        left = told.items() if isinstance(told, Mapping) else ()
        return {
            "columns": [_of_field(field) for field in asked.fields],
            "left": [{"name": n, **dict(k)} for n, k in left if n not in names and isinstance(k, Mapping)],
            "target": ", ".join(asked.target.kinds),
            "outputs": list(asked.names),
            "titles": list(asked.titles),
            "kind": asked.kind,
            "rows": 0 if asked.drawn else len(asked.rows),
            "source": self.source,
            "truth": asked.truth is not None,
            **measured(record),
        }

    def function(self) -> dict[str, Any]:
        return {"kind": "table", "step": 0}

    def sample(self, name: str, index: int) -> dict[str, Any]:
        """A row of the table as a form has it, and its targets; without a table the typical row."""
        asked = self.explainer
        if asked.drawn:
            return {"row": {field.name: field.typical for field in asked.fields}, "truth": None}
        return {"row": asked.form(index), "truth": None if asked.truth is None else asked.truth[index]}

    # -- questions ---------------------------------------------------------------------------------------------

    def checked(self, values: Any) -> dict[str, Any]:
        """A form's row out of a message, with a value for each column. UsageError for what is none."""
        if not isinstance(values, Mapping):
            raise UsageError("row must be an object with a value for each column")
        names = [field.name for field in self.explainer.fields]
        if unknown := [name for name in values if name not in names]:
            raise UsageError(f"row: the model reads no column {listed(unknown)}")
        for name, value in values.items():
            plain = value is None or isinstance(value, (str, int, float))
            if not plain or (isinstance(value, str) and len(value) > LONGEST):
                raise UsageError(f"row: {name!r} must be a number, a text of up to {LONGEST:,} characters or null")
        return {name: values.get(name) for name in names}

    def answer(self, values: Any) -> dict[str, Any]:
        """{"outputs": ...} of a form's row, or {"faults": {column: what is wrong}}."""
        row = self.checked(values)
        if faults := self.explainer.faults(row):
            return {"faults": faults}
        return {"outputs": self.explainer.predict(self.explainer.canonical(row))[0]}

    def dependence(self, columns: list[str], output: int) -> dict[str, Any]:
        """How an output depends on one column or two: means over the rows; of one column also curves of rows."""
        self._check(columns, output)
        asked = self.explainer
        found = asked.dependence(columns)
        told: dict[str, Any] = {
            "columns": [_of_axis(asked.axis(grid)) for grid in found.grids],
            "mean": _rounded(found.mean[..., output]),
            "rows": len(found.rows),
            "output": output,
        }
        if len(columns) == 1:
            some = np.linspace(0, len(found.rows) - 1, min(CURVES, len(found.rows))).astype(np.int64)
            told["curves"] = _rounded(found.curves[some][..., output])
            told["others"] = self._others(found, output)
        return told

    def _others(self, found: Dependence, output: int) -> list[dict[str, Any]]:
        """Of quantiles the means of the others, so that the interval is seen."""
        asked = self.explainer
        if asked.kind != "quantiles":
            return []
        return [
            {"name": name, "mean": _rounded(found.mean[..., i])} for i, name in enumerate(asked.names) if i != output
        ]

    def moved(self, values: Any, output: int) -> dict[str, Any]:
        """Which columns moved an output of a form's row: Shapley values with their standard errors, and slopes."""
        row = self.checked(values)
        self._check([], output)
        asked = self.explainer
        if faults := asked.faults(row):
            return {"faults": faults}
        canonical = asked.canonical(row)
        found, slopes = asked.attribution(canonical), asked.slopes(canonical, output)
        typical = {field.name: field.typical for field in asked.fields}
        lines = [
            {
                "columns": list(group),
                "value": row[group[0]] if len(group) == 1 else None,
                "typical": typical[group[0]] if len(group) == 1 else None,
                "shapley": float(found.values[i, output]),
                "error": float(found.spread[i, output]),
                "slope": _sum([slopes.moved[name] for name in group]),
            }
            for i, group in enumerate(found.groups)
        ]
        return {
            "lines": lines, "output": output, "prediction": float(found.prediction[output]),
            "base": float(found.baseline[output]), "at_typical": slopes.typical,
        }  # fmt: skip

    def _check(self, columns: list[str], output: int) -> None:
        names = [field.name for field in self.explainer.fields]
        if unknown := [name for name in columns if name not in names]:
            raise UsageError(f"the model reads no column {listed(unknown)}")
        if len(set(columns)) < len(columns):
            raise UsageError("give two different columns")
        if output >= len(self.explainer.names):
            raise UsageError(f"output must be below {len(self.explainer.names)}")


def _of_axis(axis: Axis) -> dict[str, Any]:
    told = {"name": axis.name, "kind": axis.kind, "line": axis.line, "values": axis.values}
    return told if axis.ends is None else {**told, "quantiles": _rounded(axis.ends, 9)}


def _of_field(field: Any) -> dict[str, Any]:
    told = {**asdict(field), "levels": list(field.levels[:OFFERED]), "shares": list(field.shares[:OFFERED])}
    return {**told, "more": max(len(field.levels) - OFFERED, 0)}


def measured(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the training found; None for what the record does not tell as a training writes it. Metrics have titles."""
    from schuss.tabular.parts import are_parts, names_beside
    from schuss.tabular.report import is_report

    report, parts, importance = (record.get(name) for name in ("report", "parts", "importance"))
    rows = record.get("rows")
    return {
        "report": _titled(report) if isinstance(report, Mapping) and is_report(report) else None,
        "parts": _named(parts, names_beside(parts)) if are_parts(parts) else None,
        "importance": _sure(importance) if _are(importance, {"columns": list, "rise": float, "error": float}) else None,
        "trained": rows if _is(rows, float) else None,
    }


def _named(parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{**part, "name": name} for part, name in zip(parts, names, strict=True)]


def _sure(importance: Any) -> list[dict[str, Any]]:
    from schuss.tabular.importance import is_sure

    return [{**one, "sure": is_sure(one["rise"], one["error"])} for one in importance]


def in_print(title: str) -> str:
    """A metric's name with the signs of print."""
    return title.replace("R2", "R²")


def _titled(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the metrics' titles; of several targets each by itself, with those of its metrics."""
    from schuss.tabular.report import OF_EACH, title_of

    lines = {name: {**line, "title": in_print(title_of(name, line))} for name, line in report["metrics"].items()}
    each = report.get("targets", {})
    first: Mapping[str, Any] = next(iter(each.values()), {"metrics": {}, "main": ""})
    titles = {name: in_print(title_of(name)) for name in first["metrics"] if name in (*OF_EACH, first["main"])}
    main = in_print(title_of(report["main"]))
    return {**report, "metrics": lines, "main_title": main, "targets": each, "titles": titles}


def _are(rows: Any, wanted: Mapping[str, type]) -> bool:
    """Whether it is a list of objects that have these, each of its type."""
    return isinstance(rows, list) and all(
        isinstance(row, Mapping) and all(_is(row.get(name), kind) for name, kind in wanted.items()) for row in rows
    )


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    texts = kind is not list or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    return isinstance(value, kind) and texts


def _rounded(values: Array, digits: int = DIGITS) -> Array:
    """With so many digits: a fraction of a pixel, and a third of the bytes."""
    size = np.abs(values).max(initial=0.0)
    return np.round(values, int(digits - 1 - np.floor(np.log10(size)))) if size > 0 and np.isfinite(size) else values


def _sum(parts: list[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def table_view(model: Any, label: str, explainer: Explainer, y: Array | None = None, source: str = "") -> Session:
    """The session of a finished model of a table.

    y  the targets of the explainer's rows, labels or numbers, for the graph's examples and the mountain; None without
    """
    from schuss.analysis.runs import as_run
    from schuss.api.evaluation import loss_of
    from schuss.train.checks import Forward, accuracy_for

    signature = explainer.signature
    known, transform = signature.target, signature.target_transform
    task = Task(model, loss_of(model), None, signature.inputs, known, target_transform=transform)  # type: ignore[arg-type]
    columns = None
    if y is not None:
        run = as_run(model, explainer.prepare(explainer.rows), y)
        assert run.task is not None
        assert run.data is not None
        task, columns = run.task, run.data
        right = accuracy_for(task, Forward(task), columns["y"]) if signature.is_classifier else None
        task = replace(task, metrics={} if right is None else {"accuracy": right})
    session = Session(TableSubject(explainer, task, columns, source), label, signature.record)
    threading.Thread(target=_warmed, args=(explainer,), name="schuss-page-table", daemon=True).start()
    return session


def _warmed(explainer: Explainer) -> None:
    """Compile before the first question."""
    behind()
    with suppress(Exception):  # whoever asks is told
        explainer.predict(explainer.typical)
        explainer.predict(explainer.rows[:2])


def table_of(session: Session) -> TableSubject:
    """A session's table. UsageError where there is none."""
    if not isinstance(session.subject, TableSubject):
        raise UsageError("this model was not trained on a table")
    return session.subject


__all__ = ["TableSubject", "in_print", "measured", "table_of", "table_view"]
