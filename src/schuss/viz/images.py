"""Images as a picture shows them."""

from __future__ import annotations

from typing import Any

from schuss.ir.executor import Array


def show_gray(ax: Any, image: Array) -> None:
    """An image as the data has it: light on dark where large numbers are light."""
    ax.imshow(image, cmap="gray", interpolation="nearest")


def show_signed(ax: Any, image: Array, limit: float) -> Any:
    """Numbers of either sign around 0. What a colour bar needs."""
    from schuss.viz.style import DIVERGING

    return ax.imshow(image, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
