"""The report of a model of a table: what was measured, its parts, what it needs of the columns and how it uses them."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.ir.executor import Array
from schuss.train.run import Run
from schuss.web.report import Report, Section
from schuss.web.tables import measured

if TYPE_CHECKING:
    from schuss.tabular.explainer import Explainer

DRAWN = 12  # columns that are drawn
CURVES = 30  # rows whose own curves are
CLASSES = 7  # that are drawn in one picture
CONFUSED = 30  # of a matrix
NAME = 16  # characters of a class in it
NAMES = 20  # columns in the picture of importance


class TableReport(Report):
    """explainer: the model with rows; y: their targets, names or numbers, None where they are not known; source: what
    the rows are called, "" where they are drawn."""

    def __init__(
        self,
        model: Any,
        label: str,
        explainer: Explainer,
        y: Array | None,
        source: str,
        progress: Callable[[str], None] = lambda title: None,
    ) -> None:
        self.asked, self.y, self.source = explainer, y, source
        self.told = measured(explainer.signature.record)
        super().__init__(model, label, None, progress)

    def _as_run(self) -> Any:
        return Run(self.model)

    def _makers(self) -> list[Callable[[], Section | None]]:
        first = [self._report, self._rows, self._parts, self._importance, self._dependence, self._confused]
        return [*first, self._columns, self._example, self._layers]

    def _facts(self) -> list[tuple[str, str]]:
        record, target = self.signature.record, self.asked.target
        facts = [("target", f"{', '.join(target.kinds)}: {record.get('task', target.task)}")]
        if self.asked.kind == "classes":
            facts.append(("classes", ", ".join(self.asked.names)))
        rows = self.told["trained"]
        facts += [("trained on", f"{rows:,} rows")] if rows else []
        facts += [(name, str(record[name])) for name in ("preset", "folds", "loss") if name in record]
        shown = (
            f"{len(self.asked.rows):,} rows of {self.source}" if self.source else "rows drawn from what the file holds"
        )
        known = super()._facts()
        return [*facts, ("looked at by", shown), *[fact for fact in known if fact[0] in ("data", "training took")]]

    # -- what was measured -------------------------------------------------------------------------------------

    def _report(self) -> Section | None:
        report = self.told["report"]
        if report is None:
            return None
        names = ("linear", "trivial")
        lines = [
            [
                _title(name),
                f"{_number(m.get('value'))} ± {_number(m.get('error'), 2)}",
                *(_number(m.get(n)) for n in names),
            ]
            for name, m in report["metrics"].items()
        ]
        verdict = report["verdict"].replace("+-", "±")
        body = _sheet(["", "model", "linear", "same answer for all"], lines) + _of_each(report.get("targets"))
        return Section("Report", f"On {report['on']}: {verdict}.", body)

    def _rows(self) -> Section | None:
        """The metrics of the table's own rows."""
        if self.y is None:
            return None
        from schuss.tabular.finished import metrics_of, task_of
        from schuss.tabular.scoring import scores, spread

        quantiles = task_of(self.signature, self.asked.target)[1]
        y = self._labels() if self.asked.kind == "classes" else self.y
        y = y[:, 0] if quantiles else y
        p = self.asked.predict(self.asked.rows)
        metrics = metrics_of(self.signature, self.asked.target)
        values, errors = scores(metrics, y, p), spread(metrics, y, p)
        lines = [[m.title, f"{_number(values[m.name])} ± {_number(errors[m.name], 2)}"] for m in metrics]
        text = f"All {len(y):,} rows of {self.source}. Where the model was trained on them, this says little."
        return Section("This table", text, _sheet(["", "model"], lines))

    def _labels(self) -> Array:
        """Of the rows, numbers of classes."""
        assert self.y is not None
        names = {name: i for i, name in enumerate(self.asked.names)}
        return np.array([names[v] if isinstance(v, str) else int(v) for v in self.y.tolist()], np.int64)

    def _parts(self) -> Section | None:
        if not self.told["parts"]:
            return None
        lines = [
            [
                " ".join(str(part[n]) for n in ("kind", "activation", "scale") if part.get(n)),
                ", ".join(map(str, part.get("hidden") or ())) or "–",
                str(part.get("epochs", "–")),
                _number(part["loss"]),
                f"{part['weight']:.2f}",
            ]
            for part in self.told["parts"]
        ]
        main = _title((self.told["report"] or {}).get("main", "loss"))
        text = "Each kind of network has a member for each fold; the weights in the answer were found on rows held out."
        return Section("Parts", text, _sheet(["part", "hidden", "epochs", main, "weight"], lines))

    # -- columns -----------------------------------------------------------------------------------------------

    def _importance(self) -> Section | None:
        from schuss.viz import tables

        lines = (self.told["importance"] or [])[:NAMES]
        if not lines:
            return None
        main = _title((self.told["report"] or {}).get("main", "the loss"))
        text = (
            f"What {main} rises by where a column's values are shuffled among rows held out, with its standard error "
            "over rows and shuffles. What is below 0, or within two of these, may be chance."
        )
        return Section("Importance", text, self._drawn(lambda: tables.importance(lines, f"rise of {main}"), text))

    def _dependence(self) -> Section | None:
        from schuss.viz import tables

        asked, (outputs, names, what) = self.asked, self._outputs()
        drawn = []
        for name in self._order()[:DRAWN]:
            self.progress(f"dependence on {name}")
            found = asked.dependence([name])
            some = np.linspace(0, len(found.rows) - 1, min(CURVES, len(found.rows))).astype(np.int64)
            curves = found.curves[some][..., outputs[0]] if len(outputs) == 1 else None
            drawn.append((asked.axis(found.grids[0]), found.mean[:, outputs], curves))
        rows = f"{len(found.rows)} rows of {self.source}" if self.source else "rows drawn column by column"
        more = len(asked.fields) - len(drawn)
        rest = f" {more} more columns are on the page: schuss view." if more else ""
        over = f"the mean over {rows}{', and single ones' if len(outputs) == 1 else ''}"
        text = f"{what} if all had this value of a column: {over}.{rest}"
        return Section("Dependence", text, self._drawn(lambda: tables.dependences(drawn, names, what), what))

    def _outputs(self) -> tuple[list[int], list[str], str]:
        """Which outputs are drawn, their names, and what they are."""
        kind, names = self.asked.kind, list(self.asked.names)
        if kind == "classes" and len(names) == 2:
            return [1], names[1:], f"The probability of {names[1]}"
        if kind == "classes":
            return list(range(min(len(names), CLASSES))), names[:CLASSES], "The classes' probabilities"
        target = ", ".join(self.asked.target.kinds)
        if kind == "quantiles":
            return list(range(len(names))), [f"quantile {name}" for name in names], f"The quantiles of {target}"
        return [0], names[:1], f"The prediction of {names[0]}"

    def _order(self) -> list[str]:
        """Columns, those that matter most first."""
        names = [field.name for field in self.asked.fields]
        first = [name for one in self.told["importance"] or [] for name in one["columns"] if name in names]
        return list(dict.fromkeys([*first, *names]))

    def _columns(self) -> Section:
        used = [[field.name, field.kind, field.reason] for field in self.asked.fields]
        told = self.signature.record.get("columns")
        names = {field.name for field in self.asked.fields}
        left = [
            [name, "left out", f"{kind.get('kind', '')}: {kind.get('reason', '')}"]
            for name, kind in (told if isinstance(told, dict) else {}).items()
            if name not in names and isinstance(kind, dict)
        ]
        text = "What each column was taken for, and why."
        return Section("Columns", text, _sheet(["column", "kind", "why"], [*used, *left], numbers=False))

    # -- rows --------------------------------------------------------------------------------------------------

    def _confused(self) -> Section | None:
        from schuss import viz
        from schuss.viz.style import short

        if self.y is None or self.asked.kind != "classes" or len(self.asked.names) > CONFUSED:
            return None
        x, y = self.asked.prepare(self.asked.rows), self.y
        counts = viz.confusion_data(self.model, x, y)
        text = f"{int(np.trace(counts)):,} of {counts.sum():,} rows of {self.source} are right."
        names = [short(name, NAME) for name in self.asked.names]
        return Section("Confusion", text, self._drawn(lambda: viz.confusion(self.model, x, y, names=names), text))

    def _example(self) -> Section | None:
        from schuss import viz

        if self.y is None:
            return None
        svg = viz.graph(self.model, self.asked.prepare(self.asked.rows[:1]), self.y[:1], collapse=True).svg
        text = "Values go up to the loss, gradients come down, for the first row. Each box is a layer."
        return Section("Graph", text, f'<div class="graph">{svg}</div>')


def _of_each(each: Mapping[str, Any] | None) -> str:
    """A sheet of several targets, each by itself: the metric it is judged by."""
    if not each:
        return ""
    rows = []
    for name, one in each.items():
        line = one["metrics"][one["main"]]
        own = f"{_number(line['value'])} ± {_number(line['error'], 2)}"
        rows.append([name, own, _number(line["linear"]), _number(line["trivial"])])
    main = _title(next(iter(each.values()))["main"])
    return _sheet([f"{main} of each", "model", "linear", "same answer for all"], rows)


def _title(name: str) -> str:
    from schuss.tabular.metrics import METRICS

    return METRICS[name].title if name in METRICS else name


def _number(value: Any, digits: int = 4) -> str:
    return f"{value:.{digits}g}" if isinstance(value, (int, float)) and math.isfinite(value) else "–"


def _sheet(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    """An HTML table; numbers: whether all columns but the first are of numbers."""
    cells = [
        [f"<{tag}>{html.escape(str(text))}</{tag}>" for text in row]
        for tag, row in (("th", head), *(("td", r) for r in rows))
    ]
    first, *others = ["<tr>" + "".join(row) + "</tr>" for row in cells]
    kind = "" if numbers else ' class="texts"'
    return f'<div class="wide"><table{kind}><thead>{first}</thead><tbody>{"".join(others)}</tbody></table></div>'


__all__ = ["TableReport"]
