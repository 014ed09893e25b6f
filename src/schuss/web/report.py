"""One self-contained file with the pictures of a finished model: to read offline, in light or dark, and to print."""

from __future__ import annotations

import base64
import html
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np

from schuss import nn
from schuss.errors import SchussError, UsageError
from schuss.figures import number
from schuss.ir.executor import Array
from schuss.nn.described import describe
from schuss.nn.holding import signature_of
from schuss.signature import Signature
from schuss.version import __version__
from schuss.web.report_page import Section, page

LIGHT: dict[str, Any] = {"figure.facecolor": "#ffffff", "axes.facecolor": "#ffffff"}
DARK: dict[str, Any] = {
    "figure.facecolor": "#15171c",
    "savefig.facecolor": "#15171c",
    "axes.facecolor": "#15171c",
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), "#e4e6eb"),
    "grid.color": "#3a3f4a",
    "legend.facecolor": "#15171c",
    "legend.edgecolor": "#3a3f4a",
}
SHAPE = {"svg.fonttype": "path", "font.size": 10, "figure.dpi": 100, "svg.hashsalt": "schuss"}
GLYPHS = "missing from font"  # in matplotlib's warning of a sign
FEW_ROWS = 6  # of the saliency picture
CONFUSED = 30  # classes a confusion matrix is drawn for
SURFACE, SURFACE_ROWS = 31, 2000


class Report:
    """The report of a model, with data where there are any.

    progress  called with the title of each section before it is made

    UsageError if matplotlib is not installed.
    """

    def __init__(
        self, model: Any, label: str, dataset: Any = None, progress: Callable[[str], None] = lambda title: None
    ) -> None:
        from schuss.viz.style import pyplot

        self._plt = pyplot()
        self.model, self.label, self.dataset, self.progress = model, label, dataset, progress
        self.signature: Signature = signature_of(model) or Signature()
        self.run: Any = self._as_run()
        labelled = dataset is not None and self.signature.is_classifier
        self.classes = (dataset.classes or 2) if labelled else None  # floats that are labels say yes or no

    def _as_run(self) -> Any:
        from schuss.analysis.runs import as_run
        from schuss.train.run import Run

        if self.dataset is None:
            return Run(self.model, dict(self.signature.record.get("history") or {}))
        return as_run(self.model, self.dataset.x_train, self.dataset.y_train)

    def html(self) -> str:
        """The whole file."""
        sections = list(self.sections())
        return page(self.label, self._facts(), sections, __version__)

    def sections(self) -> Iterator[Section]:
        """Those that apply to the model and the data, in order."""
        for make in self._makers():
            title = getattr(make, "func", make).__name__.strip("_")
            self.progress(title)
            try:
                found = make()
            except UsageError:  # the picture is not for such a model
                continue
            except SchussError as error:
                found = Section(title.capitalize(), f"could not be drawn: {' '.join(str(error).split())}", "")
            if found is not None:
                yield found

    def _makers(self) -> list[Callable[[], Section | None]]:
        first = [self._history, self._graph, self._approximation, self._landscape, self._weights, self._confusion]
        return [*first, self._mistakes, self._saliency, self._activations, self._layers]

    # -- what is known ---------------------------------------------------------------------------------

    def _facts(self) -> list[tuple[str, str]]:
        record, signature = self.signature.record, self.signature
        parameters = sum(p.data.size for p in nn.named_parameters(self.model).values())
        facts = [("model", f"{describe(self.model)}, {parameters:,} parameters")]
        facts.append(("input", ", ".join(map(str, signature.inputs)) or "unknown"))
        data = self.dataset.name if self.dataset is not None else record.get("data")
        facts += [(name, str(value)) for name, value in (("data", data), ("epochs", record.get("epochs"))) if value]
        for name, value in (("loss", signature.loss), ("optimizer", signature.optimizer)):
            if value is not None:
                facts.append((name, _settings(value)))
        if record.get("seconds") is not None:
            facts.append(("training took", f"{record['seconds']:.2f} s"))
        for name in ("test_loss", "test_accuracy"):
            value = record.get(name)
            if value is not None:
                shown = f"{value * 100:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"
                facts.append((name.replace("_", " "), shown))
        return facts

    # -- pictures --------------------------------------------------------------------------------------

    def _drawn(self, draw: Callable[[], Any], what: str) -> str:
        """A picture in light and dark. draw() gives axes or a figure; it is called once for each."""
        light, figure = self._svg(draw, LIGHT)
        dark, other = self._svg(draw, DARK, figure)
        self._plt.close(figure)
        self._plt.close(other)
        alt = html.escape(what, quote=True)
        source = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        return f'<picture>{source}<img src="{light}" alt="{alt}"></picture>'

    def _svg(self, draw: Callable[[], Any], colours: Mapping[str, Any], laid_out: Any = None) -> tuple[str, Any]:
        """The address of a picture, and its figure. laid_out: one of the same parts, whose layout it gets.

        Laying out is what takes longest. `savefig` draws once to find the layout and once more; the canvas does both
        at once.
        """
        from schuss.viz.style import svg_canvas

        with self._plt.rc_context({**SHAPE, **colours}):
            made = draw()
            figure = made if hasattr(made, "savefig") else made.get_figure()
            if laid_out is not None:
                _lay_out_as(figure, laid_out)
            figure.set_facecolor(colours["figure.facecolor"])
            figure.set_dpi(72)  # of SVG
            file = io.BytesIO()
            write = partial(svg_canvas(figure).print_svg, metadata={"Date": None, "Creator": None})
            if _lacks_glyphs(lambda: write(file)):
                file = io.BytesIO()
                with self._plt.rc_context({"svg.fonttype": "none"}):  # the reader's fonts have them, perhaps
                    _lacks_glyphs(lambda: write(file))
        return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}", figure

    def _history(self) -> Section | None:
        from schuss import viz

        if not self.run.history:
            return None
        found = viz.history_data(self.run, norms=False)
        text = "Loss and metrics, epoch by epoch, with the learning rate."
        return Section("History", text, self._drawn(lambda: viz.history(found), "loss and metrics over the epochs"))

    def _graph(self) -> Section | None:
        from schuss import viz

        if self.dataset is None:
            return None
        x, y = self._examples(1)
        svg = viz.graph(self.model, x, y, collapse=True).svg
        text = "Values go up to the loss, gradients come down, for the first test example. Each box is a layer."
        return Section("Graph", text, f'<div class="graph">{svg}</div>')

    def _approximation(self) -> Section | None:
        from schuss import viz

        if self.dataset is None:
            return None
        found = viz.approximation_data(self.run, points=120)
        text = "The network's function beside the data it was trained on."
        return Section("Function", text, self._drawn(lambda: viz.approximation(found), "the network's function"))

    def _landscape(self) -> Section | None:
        from schuss import viz

        if self.dataset is None:
            return None
        around: Literal["path", "random"] = "random" if self.run.track is None else "path"
        found = viz.landscape_data(self.run, around=around, size=SURFACE, rows=SURFACE_ROWS, progress=False)
        what = "the run's path" if around == "path" else "two random, filter-normalised directions"
        text = f"The loss on a plane of {what} through the weights, {found.rows:,} rows."
        contour = self._drawn(lambda: viz.landscape(found), "contours of the loss around the weights")
        surface = self._drawn(lambda: viz.landscape(found, kind="surface"), "the loss around the weights as a surface")
        return Section("Landscape", text, contour + surface)

    def _weights(self) -> Section | None:
        from schuss import viz

        body = self._drawn(lambda: viz.weights(self.model), "the first layer's weights as images")
        return Section("Weights", "What each unit of the first layer looks for: red adds to it, blue takes away.", body)

    def _confusion(self) -> Section | None:
        from schuss import viz

        if self.classes is None or self.classes > CONFUSED:
            return None
        x, y = self.dataset.x_test, self.dataset.y_test
        counts = viz.confusion_data(self.model, x, y)
        right = int(np.trace(counts))
        text = f"{right:,} of {counts.sum():,} test examples are right ({100 * right / counts.sum():.2f} %)."
        return Section("Confusion", text, self._drawn(lambda: viz.confusion(self.model, x, y), text))

    def _mistakes(self) -> Section | None:
        from schuss import viz

        if self.classes is None:
            return None
        x, y = self.dataset.x_test, self.dataset.y_test
        if not viz.mistakes_data(self.model, x, y):
            return Section("Mistakes", "None of the test examples is wrong.", "")
        body = self._drawn(lambda: viz.mistakes(self.model, x, y), "test examples that are read wrongly")
        return Section("Mistakes", "Test examples it gets wrong, the surest mistakes first.", body)

    def _saliency(self) -> Section | None:
        from schuss import viz

        if self.dataset is None:
            return None
        x, _ = self._examples(FEW_ROWS)
        text = "Where a change of the input would change the answer: red where more raises it, blue where it lowers it."
        return Section("Saliency", text, self._drawn(lambda: viz.saliency(self.model, x), "gradients of inputs"))

    def _activations(self) -> Section | None:
        from schuss import viz

        if self.dataset is None:
            return None
        x, _ = self._examples(1)
        text = "What each layer makes of the first test example."
        return Section("Activations", text, self._drawn(lambda: viz.activations(self.model, x), text))

    def _examples(self, count: int) -> tuple[Array, Array]:
        """The first test rows, in the model's form."""
        from schuss.analysis.runs import as_run

        rows = as_run(self.model, self.dataset.x_test[:count], self.dataset.y_test[:count]).data
        assert rows is not None
        return rows["x0"], rows["y"]

    def _layers(self) -> Section | None:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{' × '.join(map(str, p.static_shape))}</td>"
            f"<td>{p.data.size:,}</td><td>{number(float(p.data.mean()))}</td><td>{number(float(p.data.std()))}</td></tr>"
            for name, p in nn.named_parameters(self.model).items()
        )
        head = "".join(f"<th>{name}</th>" for name in ("parameter", "shape", "numbers", "mean", "spread"))
        body = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        return Section("Parameters", "Every array that was learned.", body)


def _lacks_glyphs(draw: Callable[[], Any]) -> bool:
    """Draw, and tell whether matplotlib's font lacks a sign of a text, as of Chinese; other warnings are given on."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        draw()
    known = [one for one in said if GLYPHS in str(one.message)]
    for one in said:
        if one not in known:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return bool(known)


def _lay_out_as(figure: Any, other: Any) -> None:
    """Give a figure the layout that another of the same parts has found."""
    figure.set_layout_engine("none")
    for mine, found in zip(figure.axes, other.axes, strict=True):
        mine.set_position(found.get_position(original=True))
    for mine, found in zip(figure.texts, other.texts, strict=True):
        mine.set(position=found.get_position(), verticalalignment=found.get_verticalalignment())


def _settings(config: Any) -> str:
    """Adam(lr=OneCycle(max_lr=0.003, ...), ...) of a config, or of an object."""
    if not isinstance(config, Mapping):
        return type(config).__name__
    known = {k: v for k, v in config.items() if k != "type" and v is not None}
    parts = [f"{k}={_settings(v) if isinstance(v, Mapping) else v}" for k, v in known.items()]
    return f"{config.get('type')}({', '.join(parts)})"


__all__ = ["Report", "Section"]
