"""The examples a classifier gets wrong, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.analysis.images import image_shape
from schuss.analysis.mistakes import mistakes_data
from schuss.data import as_array
from schuss.errors import UsageError
from schuss.nn.holding import signature_of
from schuss.viz import style
from schuss.viz.images import show_gray

SHOWN = 24
BESIDE = 6  # characters of a class's name that leave room for its probability beside it
LONGEST = 14  # that fit under a picture


def mistakes(
    model: Any,
    x: Any,
    y: Any,
    *,
    count: int = SHOWN,
    shape: tuple[int, int] | None = None,
    names: Any = None,
    figure: Any = None,
) -> Any:
    """The images the model gets wrong, the surest mistakes first. Returns the figure.

    count  how many to show at most
    shape  of an image; None: as x or the model's input has it, or square
    names  of the classes, in their order; None: as the model's signature has them, else their numbers

    UsageError for rows that are no images; the other errors are mistakes_data's.
    """
    style.pyplot()
    rows = as_array(x, "x")
    numbers = int(np.prod(rows.shape[1:]))
    if shape is None and rows.ndim == 3:
        shape = (int(rows.shape[1]), int(rows.shape[2]))
    side = image_shape(model, numbers, shape, "mistakes")
    found = mistakes_data(model, x, y)
    if count < 1:
        raise UsageError(f"mistakes: count must be at least 1, got {count}")
    shown = found[:count]
    high, wide = style.grid_of(max(len(shown), 1), columns=8 if len(shown) > 8 else None)
    signature = signature_of(model)
    known = names if names is not None or signature is None else signature.classes
    words = [str(n) for n in known] if known is not None else []
    long = max(map(len, words), default=0) > BESIDE
    size = style.SMALL if long else style.CAPTION
    figure = style.new_figure(figure, (1.45 * wide + 0.2, (2.05 if long else 1.85) * high + 0.6), "compressed")
    figure.suptitle(_title(len(found), len(rows), len(shown)), fontsize=13)
    if not shown:
        return figure
    probable = all(0 <= m.true_share <= m.confidence <= 1 for m in shown)
    axes = list(figure.subplots(high, wide, squeeze=False).flat)
    for ax, mistake in zip(axes, shown, strict=False):
        true, said = (style.short(words[c] if c < len(words) else c, LONGEST) for c in (mistake.true, mistake.said))
        show_gray(style.picture_axes(ax, f"true {true}", size=size), rows[mistake.index].reshape(side))
        share = f"{chr(10) if long else ' '}({mistake.confidence * 100:.0f} %)" if probable else ""
        ax.xaxis.set(visible=True, ticks=[])
        ax.set_xlabel(f"said {said}{share}", fontsize=size, labelpad=3)
    for ax in axes[len(shown) :]:
        ax.remove()
    return figure


def _title(wrong: int, total: int, shown: int) -> str:
    if not wrong:
        return f"none of {total:,} wrong"
    which = "" if shown == wrong else f"; the {shown} it was surest of"
    return f"{wrong:,} of {total:,} wrong{which}"
