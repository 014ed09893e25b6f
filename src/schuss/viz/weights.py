"""The weights of a model's first layer as images: what each unit looks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.analysis.weights import weights_data
from schuss.viz import style
from schuss.viz.images import show_signed

UNITS = 48


def weights(model: Any, *, shape: tuple[int, int] | None = None, units: int = UNITS, figure: Any = None) -> Any:
    """The first layer's weights, one image a unit, on one scale: red adds to the unit, blue takes away.

    units  how many to show at most: those with the largest weights (Euclidean norm), in the model's order
    Returns the figure. shape and the errors are weights_data's.
    """
    style.pyplot()
    images = weights_data(model, shape=shape)
    total = len(images)
    norms = np.linalg.norm(images.reshape(total, -1), axis=1)
    chosen = np.sort(np.argsort(-norms, kind="stable")[: max(units, 1)])
    high, wide = style.grid_of(len(chosen))
    figure = style.new_figure(figure, (0.95 * wide + 0.9, 1.05 * high + 0.5), "compressed")
    axes = figure.subplots(high, wide, squeeze=False)
    limit = float(np.quantile(np.abs(images[chosen]), 0.998)) or 1.0
    image = None
    for ax, unit in zip(axes.flat, chosen, strict=False):
        image = show_signed(style.picture_axes(ax, str(unit), size=7), images[unit], limit)
    for ax in list(axes.flat)[len(chosen) :]:
        ax.remove()
    figure.colorbar(
        image, ax=list(axes.flat)[: len(chosen)], label="weight", fraction=0.04, pad=0.02, extend="both", aspect=30
    )
    which = f"all {total} units" if len(chosen) == total else f"{len(chosen)} of {total} units, those of largest norm"
    figure.suptitle(f"weights of the first layer: {which}", fontsize=11)
    return figure
