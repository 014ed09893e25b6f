"""Which inputs an output depends on, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.analysis.forward import as_trained
from schuss.analysis.images import is_image
from schuss.analysis.saliency import gradients_of
from schuss.ir.executor import Array
from schuss.nn.holding import signature_of
from schuss.viz import style
from schuss.viz.images import show_gray, show_signed

ROWS = 6  # examples shown at most
BARS = 40  # inputs that are no image, shown as bars at most


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
    gradient, which = gradients_of(model, x, of)
    signature = signature_of(model)
    rows = as_trained(model, x)
    rows = signature.rows(rows) if signature else np.atleast_2d(rows)
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
