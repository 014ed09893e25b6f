"""The report of a model of a table: what was measured, its parts, what it needs of the columns and how it uses them."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.figures import number, with_error
from schuss.ir.executor import Array
from schuss.train.run import Run
from schuss.web.report import Report, Section
from schuss.web.tables import in_print, measured

if TYPE_CHECKING:
    from schuss.tabular.explainer import Explainer

DRAWN = 12  # columns that are drawn
FEWEST = 6  # of each target, where there are several
TARGETS = 3  # that have a picture each
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
        super().__init__(model, f"A model of {', '.join(explainer.target.kinds)}", None, progress)
        self._file = label

    def _as_run(self) -> Any:
        return Run(self.model)

    def _makers(self) -> list[Callable[[], Section | None]]:
        first = [self._report, self._each, self._rows, self._parts, self._importance]
        dependence = [partial(self._dependence, *of) for of in self._outputs()]
        return [*first, *dependence, self._confused, self._columns, self._example, self._layers]

    def _facts(self) -> list[tuple[str, str]]:
        record, target = self.signature.record, self.asked.target
        facts = [("file", self._file), ("task", str(record.get("task", target.task)))]
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
        lines = [
            [m["title"], with_error(m.get("value"), m.get("error")), number(m.get("linear")), number(m.get("trivial"))]
            for m in report["metrics"].values()
        ]
        verdict = report["verdict"].replace("+-", "±").replace(" -", " −")
        text = (
            f"On {report['on']}: {verdict}. ± is the standard error by rows; linear is a linear model of the same "
            "rows; the last column gives the same answer for all rows."
        )
        if any(name.startswith("scaled_") for name in report["metrics"]):
            text += " Errors over several targets are in standard deviations of each in training, and their mean."
        return Section("Report", text, _sheet(["", "model", "linear", "same answer for all"], lines))

    def _each(self) -> Section | None:
        """Of several targets each by itself: the metric that it is judged by, and the others."""
        report = self.told["report"]
        if report is None or not report["targets"]:
            return None
        lines, titles = [], dict(report["titles"])
        for target, one in report["targets"].items():
            main = one["metrics"][one["main"]]
            own = [with_error(main["value"], main["error"]), number(main["linear"]), number(main["trivial"])]
            others = [number(one["metrics"][name]["value"]) for name in titles if name != one["main"]]
            lines.append([target, *own, *others])
        first = titles.pop(one["main"])
        head = ["", first, "linear", "same answer for all", *titles.values()]
        return Section("Each target", f"On {report['on']}.", _sheet(head, lines))

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
        lines = [[in_print(m.title), with_error(values[m.name], errors[m.name])] for m in metrics]
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
                part["name"],
                ", ".join(map(str, part.get("hidden") or ())) or "–",
                str(part.get("epochs", "–")),
                number(part["loss"]),
                f"{part['weight']:.2f}",
            ]
            for part in self.told["parts"]
        ]
        main = (self.told["report"] or {}).get("main_title", "loss")
        text = "Each kind of network has a member for each fold; the weights in the answer were found on rows held out."
        return Section("Parts", text, _sheet(["part", "hidden", "epochs", main, "weight"], lines))

    # -- columns -----------------------------------------------------------------------------------------------

    def _importance(self) -> Section | None:
        from schuss.viz import tables

        lines = (self.told["importance"] or [])[:NAMES]
        if not lines:
            return None
        main = (self.told["report"] or {}).get("main_title", "the loss")
        text = (
            f"What {main} rises by where a column's values are shuffled among rows held out: the more, the more the "
            "model needs the column. The thin lines are standard errors over rows and shuffles; what is not above two "
            "of these may be chance. Columns that go together are shuffled together."
        )
        return Section("Importance", text, self._drawn(lambda: tables.importance(lines, f"rise of {main}"), text))

    def _dependence(self, outputs: list[int], names: list[str], what: str, title: str) -> Section | None:
        from schuss.viz import tables

        asked, columns = self.asked, self._order()
        drawn = []
        for name in columns[: max(DRAWN // len(self._outputs()), FEWEST)]:
            self.progress(f"dependence on {name}")
            found = asked.dependence([name])
            some = np.linspace(0, len(found.rows) - 1, min(CURVES, len(found.rows))).astype(np.int64)
            curves = found.curves[some][..., outputs[0]] if len(outputs) == 1 else None
            drawn.append((asked.axis(found.grids[0]), found.mean[:, outputs], curves))
        rows = f"{len(found.rows)} rows of {self.source}" if self.source else "rows drawn column by column"
        more = len(columns) - len(drawn)
        rest = f" {_many(more, 'more column is', 'more columns are')} on the page: schuss view." if more else ""
        single = "; thin lines and dots are single rows" if len(outputs) == 1 else ""
        text = f"{what} if all rows had this value of a column: the mean over {rows}{single}. All have one scale.{rest}"
        share = asked.kind in ("classes", "labels")
        return Section(title, text, self._drawn(lambda: tables.dependences(drawn, names, what, share), what))

    def _outputs(self) -> list[tuple[list[int], list[str], str, str]]:
        """Of each picture of dependences which outputs are drawn, their names, what they are, and its title."""
        kind, names = self.asked.kind, list(self.asked.titles)
        title = "Dependence"
        if kind == "classes" and len(names) == 2:
            return [([1], names[1:], f"The probability of {names[1]}", title)]
        if kind in ("classes", "labels"):
            some = f" (the first {CLASSES} of {len(names)})" if len(names) > CLASSES else ""
            what = f"The probabilities of the {kind}{some}"
            return [(list(range(min(len(names), CLASSES))), names[:CLASSES], what, title)]
        target = ", ".join(self.asked.target.kinds)
        if kind == "quantiles":
            found = [f"quantile {name}" for name in names]
            return [(list(range(len(names))), found, f"The quantiles of {target}", title)]
        many = len(names) > 1
        of = [(f"The prediction of {name}", f"{title} of {name}" if many else title) for name in names[:TARGETS]]
        return [([i], [names[i]], what, own) for i, (what, own) in enumerate(of)]

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
        right = f"{int(np.trace(counts)):,} of {counts.sum():,} rows of {self.source} are right."
        text = f"{right} Rows that the model was trained on are easier for it. The diagonal is what is right."
        names = [short(name, NAME) for name in self.asked.names]
        return Section("Confusion", text, self._drawn(lambda: viz.confusion(self.model, x, y, names=names), text))

    def _example(self) -> Section | None:
        from schuss import viz

        if self.y is None:
            return None
        svg = viz.graph(self.model, self.asked.prepare(self.asked.rows[:1]), self.y[:1], collapse=True).svg
        text = "Values go up to the loss, gradients come down, for the first row. Each box is a layer."
        return Section("Graph", text, f'<div class="graph large">{svg}</div>')


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


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
