"""graph: the picture of a model's loss, or of any scalar function, on an example of your own."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from schuss.api.pytree import parameters_of
from schuss.errors import UsageError
from schuss.explanation import Explanation, explain
from schuss.explanation.loss import explain_loss, input_names
from schuss.nn.walk import model_of
from schuss.paths import atomic_write
from schuss.viz.graph.groups import choose, grouped
from schuss.viz.graph.network import Network
from schuss.viz.graph.svg import render


class GraphPicture:
    """A drawn graph. In a notebook it shows itself.

    svg          the picture: self-contained SVG
    explanation  its numbers, as schuss.explain gives them
    """

    def __init__(self, explanation: Explanation, data: list[str] | None, choice: Mapping[str, Any]) -> None:
        self.explanation = explanation
        self._network = Network(explanation, data)
        self._choice = choice

    @cached_property
    def svg(self) -> str:
        root = grouped(self._network)
        choose(root, self._network, **self._choice)
        return render(self._network, root)

    def drawn(
        self, collapse: bool | str = "auto", open: Iterable[str] = (), closed: Iterable[str] = ()
    ) -> GraphPicture:
        """The same graph and numbers with other layers open; the arguments are graph's, nothing is computed again."""
        other = copy.copy(self)
        other._choice = _choice(collapse, open, closed)
        other.__dict__.pop("svg", None)
        return other

    def to_json(self, only: str | None = None) -> dict[str, Any]:
        """Every operation, or the one operation or input named: formula, rule, value, gradients and products.

        Arrays are summaries: shape, mean, std, min, max, hist (counts) between edges, and numbers where there are at
        most 64. The keys: title, loss, result, order, ops, inputs.
        """
        return self._network.to_json(only)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to an .svg, .png or .pdf file; the latter two need schuss[viz].

        UsageError for another ending.
        """
        ending = os.fspath(path).lower().rpartition(".")[2]
        if ending not in ("svg", "png", "pdf"):
            raise UsageError(f"save: give a name that ends in .svg, .png or .pdf, not {os.fspath(path)!r}")
        if ending == "svg":
            atomic_write(Path(path), self.svg.encode())
            return
        from schuss.viz.graph.paint import painted
        from schuss.viz.style import pyplot

        figure, file = painted(self.svg), io.BytesIO()
        figure.savefig(file, format=ending, dpi=144)
        pyplot().close(figure)
        atomic_write(Path(path), file.getvalue())

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<GraphPicture of {self.explanation.title}: {len(self.explanation.steps):,} operations>"


def graph(
    model: Any,
    *arguments: Any,
    loss: Callable[[Any, Any], Any] | None = None,
    collapse: bool | str = "auto",
    open: Iterable[str] = (),
    closed: Iterable[str] = (),
    weights: Mapping[str, Any] | None = None,
) -> GraphPicture:
    """The computational graph of a model's loss on x and y: graph(model, x, y). Or of a function: graph(f, *arguments).

    Values go up, gradients come down. One box an operation, with its formula, its local gradient and the product it
    hands on (incoming gradient times local gradient); on each arrow up the value, on each arrow down the incoming
    gradient: the numbers of a small array, else its shape, mean and spread with a histogram. All numbers are those of
    schuss.explain, and so of schuss.grad.

    x, y      an example or a batch; several inputs or targets are a tuple or a dict, as for fit
    loss      called with (pred, target); None: the loss the model was trained with
    collapse  True: each layer is one box; False: one box an operation everywhere, but that repeats stay folded in a
              graph of more than 1,000; "auto": by the size of the graph
    open      names of layers to open, as 0.Linear; closed: names of layers to close
    weights   values by parameter name to use in place of the model's own

    A function gets its arguments as they are; its operations are grouped by the lines that made them. Raises
    UsageError if the model's loss is not known, and what schuss.explain raises.
    """
    choice = _choice(collapse, open, closed)
    model = model_of(model)
    parameters = parameters_of(model)
    if not parameters and loss is None:
        if weights is not None:
            raise UsageError("weights are for a model; a function gets its numbers as arguments")
        return GraphPicture(explain(model, *arguments), None, choice)
    if len(arguments) != 2:
        got = f"got {len(arguments)} argument{'s' * (len(arguments) != 1)}"
        raise UsageError(f"graph of a model takes x and y, {got}; several inputs are a tuple x")
    from schuss.api.evaluation import loss_of

    x, y = arguments
    explanation = explain_loss(model, x, y, loss_of(model, loss), weights)
    data = input_names(model, x, set(parameters))
    return GraphPicture(explanation, data, choice)


def _choice(collapse: bool | str, open: Iterable[str], closed: Iterable[str]) -> dict[str, Any]:
    if collapse not in (True, False, "auto"):
        raise UsageError(f'collapse must be True, False or "auto", got {collapse!r}')
    return {"collapse": collapse, "opened": tuple(open), "closed": tuple(closed)}
