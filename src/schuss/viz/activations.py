"""What each layer makes of an example, drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from schuss.analysis.activations import activations_data
from schuss.analysis.forward import Forward
from schuss.analysis.images import is_image
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.viz import style
from schuss.viz.images import show_gray, show_signed

FEW = 16  # units are shown as bars, more as an image
NUMBERED = 10  # bars that each have their number; of more every other
LONGEST = 28  # characters of a layer's name that fit over its picture


def activations(model: Any, x: Any, *, shape: tuple[int, int] | None = None, figure: Any = None) -> Any:
    """What each layer makes of one example: bars for few units, an image of the units for many. Returns the figure.

    x      one row, or rows of which the first is shown
    shape  of the input as an image; None: as the model's input has it, or square

    Values of one sign have a scale from 0; others one with 0 in the middle: red is positive, blue negative. The
    errors are activations_data's.
    """
    style.pyplot()
    layers = activations_data(model, x)
    forward = Forward(model)
    row = forward.rows(x)[0]
    kind, shown = forward.shown(np.asarray(layers[-1].values[:1], np.float64).reshape(1, -1))
    panels: list[tuple[str, Array]] = [(name, values[0]) for name, values in layers]
    if kind == "probabilities":
        panels.append(("probabilities", shown[0]))
    if not row.size:
        raise UsageError("activations: the example has no numbers")
    high, wide = style.grid_of(len(panels) + 1, columns=min(len(panels) + 1, 4))
    figure = style.new_figure(figure, (3.0 * wide, 2.9 * high + 0.1))
    axes = list(figure.subplots(high, wide, squeeze=False).flat)
    size = is_image(model, row.size, shape)
    if size is None:
        _units(axes[0], row)
        axes[0].set_title("input", fontsize=style.CAPTION)
    else:
        show_gray(style.picture_axes(axes[0], f"input\n{size[0]} × {size[1]}", style.CAPTION), row.reshape(size))
    for ax, (name, values) in zip(axes[1:], panels, strict=False):
        _units(ax, values)
        if name == "probabilities":
            ax.set_xlabel("class")
        title = style.short(name, LONGEST)
        ax.set_title(title if name == "probabilities" else f"{title}\n{values.size:,} units", fontsize=style.CAPTION)
    for ax in axes[len(panels) + 1 :]:
        ax.remove()
    return figure


def _units(ax: Any, values: Array) -> None:
    """A layer's values."""
    flat = np.asarray(values, np.float64).ravel()
    if flat.size <= FEW:
        colors = [style.RED if v >= 0 else style.BLUE if not style.is_dark() else style.SKY for v in flat]
        ax.bar(np.arange(flat.size), flat, color=colors, width=0.8)
        ax.axhline(0, color=style.ink(), lw=0.6)
        ax.set_xticks(np.arange(0, flat.size, 1 if flat.size <= NUMBERED else 2))
        ax.tick_params(labelsize=style.SMALL)
        ax.set_xlabel("unit")
        ax.set_box_aspect(1)
        style.plain(ax)
        return
    wide = math.ceil(math.sqrt(flat.size))
    padded = np.full(-(-flat.size // wide) * wide, np.nan)
    padded[: flat.size] = flat
    picture = padded.reshape(-1, wide)
    style.picture_axes(ax)
    if flat.min() >= 0:
        image = ax.imshow(picture, cmap=style.SEQUENTIAL, vmin=0, interpolation="nearest")
    else:
        image = show_signed(ax, picture, float(np.abs(flat).max()) or 1.0)
    from matplotlib.ticker import MaxNLocator

    style.bar_beside(ax, image, MaxNLocator(4))
