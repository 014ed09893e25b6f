"""What a classifier takes for what, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.analysis.confusion import confusion_data
from schuss.api.outputs import names_of
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.holding import signature_of
from schuss.viz import style

WRITTEN = 20  # classes whose counts are written into the cells


def confusion(model: Any, x: Any, y: Any, *, names: Any = None, ax: Any = None) -> Any:
    """A table of true and predicted classes: counts, shaded by their share of the row. Returns the axes.

    names  of the classes, in their order; None: as the model's signature has them, else their numbers

    Mistakes have a scale of their own, from none to the most frequent, so that they stand out beside the diagonal. The
    errors are confusion_data's.
    """
    style.pyplot()
    matrix = confusion_data(model, x, y)
    count = len(matrix)
    known = names_of(signature_of(model), np.arange(count)) if names is None else names
    labels = [str(n) for n in known]
    if len(labels) != count:
        raise UsageError(f"confusion: {len(labels)} names for {count} classes")
    side = min(max(4.2, 0.52 * count + 1.2), 11.0)
    ax = style.new_axes(ax, (side + 0.9, side + 0.3), layout="compressed")
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) * 100
    right = np.eye(count, dtype=bool)
    limit = float(share[~right].max()) or 1.0
    image = ax.imshow(np.ma.array(share, mask=right), cmap=style.strength(style.RED), vmin=0, vmax=limit)
    ax.imshow(np.ma.array(np.ones_like(share), mask=~right), cmap=style.strength(style.BLUE), vmin=0, vmax=4)
    if count <= WRITTEN:
        _write(ax, matrix, share, limit)
    ticks = np.arange(count)
    ax.set_xticks(ticks, labels, rotation=90 if max(map(len, labels)) > 3 else 0)
    ax.set_yticks(ticks, labels)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, label="mistakes, % of the true class")
    total = int(matrix.sum())
    wrong = total - int(np.trace(matrix))
    ax.set_title(f"{100 * (1 - wrong / max(total, 1)):.2f} % right, {wrong:,} of {total:,} wrong", fontsize=11)
    return ax


def _write(ax: Any, matrix: Array, share: Array, limit: float) -> None:
    """The counts, in a colour that reads on their cell."""
    size = 9 if len(matrix) <= 12 else 7
    for (i, j), n in np.ndenumerate(matrix):
        full = i != j and share[i, j] > 0.75 * limit
        color = ("white" if full else style.ink()) if n else "gray"
        ax.text(j, i, f"{n}" if n else "·", ha="center", va="center", fontsize=size, color=color)
