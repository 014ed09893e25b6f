"""Which inputs an output depends on: its gradient with respect to the input.

Source: Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks (2013), arXiv 1312.6034.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss import nn
from schuss.api.outputs import fitted, is_classifier, single_result
from schuss.backprop import backprop
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.ir.executors import compiled
from schuss.ir.graph import Graph, input_node
from schuss.nn.holding import signature_of
from schuss.nn.walk import model_of
from schuss.trace import Tensor
from schuss.viz import style
from schuss.viz.forward import Forward, as_trained, weights_in
from schuss.viz.images import is_image, show_gray, show_signed

ROWS = 6  # examples shown at most
BARS = 40  # inputs that are no image, shown as bars at most


def saliency_data(model: Any, x: Any, of: int | None = None) -> Array:
    """d output / d x: for each row the gradient of one of the model's own outputs (a logit, not its probability).

    x   rows as in training, or one row
    of  which output; None: of a classifier each row's largest, of a model of one output that one

    Has x's shape, the columns of a data frame in the order of the training, in the model's dtype; for bytes it is the
    change per grey level. Rows stand alone. UsageError if `of` is out of range, or has to be given.
    """
    return _gradient(model, x, of)[0]


def _gradient(model: Any, x: Any, of: int | None) -> tuple[Array, Array]:
    """The gradient, and the output of each row it is of."""
    model = model_of(model)
    nn.initialize(model)
    forward = Forward(model)
    rows = forward.rows(x)
    graph = forward.of_numbers(rows)
    raw = single_result(model(rows), len(rows))
    which = _outputs(model, raw.reshape(len(raw), -1), of)
    chosen = np.zeros_like(raw)
    chosen.reshape(len(raw), -1)[np.arange(len(raw)), which] = 1
    row, result = graph.inputs[0], graph.outputs[0]
    seed = input_node("seed", result.type)
    (slope,) = backprop(Tensor(result), [Tensor(row)], Tensor(seed))
    weights = weights_in(graph, {n: p.data for n, p in nn.named_parameters(model).items()})
    found = compiled(Graph((*graph.inputs, seed), (slope.node,)))([rows.astype(row.type.dtype), *weights, chosen])[0]
    return np.asarray(found).reshape(as_trained(model, x).shape), which


def _outputs(model: Any, raw: Array, of: int | None) -> Array:
    """Which output of each row."""
    count = raw.shape[1]
    if of is not None:
        if not isinstance(of, (int, np.integer)) or not 0 <= of < count:
            raise UsageError(f"saliency: of must be an output from 0 to {count - 1}, got {of!r}")
        return np.full(len(raw), of, np.int64)
    if count > 1 and not is_classifier(signature_of(model)):
        raise UsageError(f"saliency: the model gives {count} numbers; say which with of=")
    return raw.argmax(axis=1)


def saliency(
    model: Any,
    x: Any,
    of: int | None = None,
    *,
    shape: tuple[int, int] | None = None,
    figure: Any = None,
) -> Any:
    """How an output changes with each input: beside each image its gradient, red where more raises the output.

    At most 6 rows are shown; inputs that are no image are shown as bars. shape is the image's; None: as the model's
    input has it, or square. Returns the figure. The other arguments and the errors are saliency_data's.
    """
    style.pyplot()
    gradient, which = _gradient(model, x, of)
    signature = signature_of(model)
    rows = as_trained(model, x)
    rows = fitted(signature, rows) if signature else np.atleast_2d(rows)
    gradient = gradient.reshape(rows.shape)[:ROWS]
    rows = rows[:ROWS]
    size = is_image(model, int(np.prod(rows.shape[1:])), shape)
    if size is None:
        return _bars(gradient.reshape(len(rows), -1), which, figure)
    wide = min(len(rows), 3)
    high = -(-len(rows) // wide)
    figure = style.new_figure(figure, (4.8 * wide, 2.3 * high), "compressed")
    axes = list(figure.subplots(high, 2 * wide, squeeze=False).flat)
    for i, (row, slope) in enumerate(zip(rows, gradient, strict=True)):
        show_gray(style.picture_axes(axes[2 * i], "input"), row.reshape(size))
        limit = float(np.abs(slope).max()) or 1.0
        ax = style.picture_axes(axes[2 * i + 1], f"gradient of output {which[i]}")
        image = show_signed(ax, slope.reshape(size), limit)
        bar = style.bar_beside(ax, image, [-limit, 0, limit])
        bar.ax.set_yticklabels([f"{-limit:.2g}", "0", f"{limit:.2g}"])
    for ax in axes[2 * len(rows) :]:
        ax.remove()
    return figure


def _bars(gradient: Array, which: Array, figure: Any) -> Any:
    """Bars for inputs that are no image, one panel a row."""
    figure = style.new_figure(figure, (6.0, 1.9 * len(gradient) + 0.4))
    raises, lowers = style.RED, style.SKY if style.is_dark() else style.BLUE
    for ax, slope, k in zip(figure.subplots(len(gradient), squeeze=False).flat, gradient, which, strict=False):
        count = min(len(slope), BARS)
        ax.bar(np.arange(count), slope[:count], color=[raises if v > 0 else lowers for v in slope[:count]])
        ax.axhline(0, color=style.ink(), lw=0.6)
        if count <= 20:
            ax.set_xticks(np.arange(count))
        ax.set_xlabel("input" if count == len(slope) else f"input (the first {count} of {len(slope)})")
        ax.set_ylabel(f"d output {k} / d input")
        style.plain(ax)
    return figure
