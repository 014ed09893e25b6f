"""How the pictures look: colours that colour-blind people tell apart, and what light and dark styles decide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from schuss.asking import lacking
from schuss.errors import UsageError

# Okabe and Ito, Color Universal Design (2008), in an order that reads on white and on black.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442",
)  # fmt: skip
SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"
SMALL = 9.0
CAPTION = 11.0  # of small pictures side by side
Color = Any


def pyplot(into_files: bool = False) -> Any:
    """matplotlib.pyplot. into_files: drawn without windows or a display. UsageError if it is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise UsageError(lacking("pictures need", "matplotlib", "viz")) from None
    if into_files:
        plt.switch_backend("Agg")
    return plt


def svg_canvas(figure: Any) -> Any:
    """A canvas of the figure whose print_svg(file, ...) lays it out and draws it in one pass."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    return FigureCanvasSVG(figure)


def new_axes(ax: Any, size: tuple[float, float], layout: str = "constrained", **projection: Any) -> Any:
    """The axes given, or a new figure's, its size in inches. layout: "compressed" for axes of fixed aspect."""
    plt = pyplot()
    if ax is not None:
        return ax
    return plt.figure(figsize=size, layout=layout).add_subplot(**projection)


def new_figure(figure: Any, size: tuple[float, float], layout: str = "constrained") -> Any:
    """The figure given, or a new one of this size in inches; layout as for new_axes."""
    plt = pyplot()
    return plt.figure(figsize=size, layout=layout) if figure is None else figure


def bar_beside(ax: Any, image: Any, ticks: Any = None) -> Any:
    """A colour bar beside a small image, which keeps its place."""
    bar = ax.figure.colorbar(image, cax=ax.inset_axes((1.04, 0, 0.06, 1)), ticks=ticks)
    bar.ax.tick_params(labelsize=SMALL)
    bar.ax.minorticks_off()
    return bar


def strength(color: str) -> Any:
    """A colour map from the paper to a colour."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("strength", [paper(), color])


def ink() -> Color:
    """The colour of text in the style in use: black, or white on black."""
    return pyplot().rcParams["text.color"]


def paper() -> Color:
    """The colour behind a plot."""
    return pyplot().rcParams["axes.facecolor"]


def is_dark() -> bool:
    """Whether the style in use draws light on dark."""
    from matplotlib.colors import to_rgb

    return sum(to_rgb(paper())) < 1.5


def cycle() -> list[str]:
    """Colours for lines, in order: those that stand out first."""
    return [SKY, ORANGE, GREEN, RED, PURPLE, YELLOW, BLUE] if is_dark() else [BLUE, RED, GREEN, ORANGE, PURPLE, SKY]


def class_colors(count: int) -> list[Any]:
    """A colour for each class: cycle()'s for few, spread over a map for many."""
    few = [SKY if is_dark() else BLUE, ORANGE, GREEN, PURPLE, BLUE if is_dark() else SKY, RED, YELLOW]
    if count <= len(few):
        return few[:count]
    from matplotlib import colormaps

    return [colormaps["turbo"](0.05 + 0.9 * i / (count - 1)) for i in range(count)]


def train_and_held() -> tuple[str, str]:
    """Of training rows and of those held out: warm and cool, as on the page."""
    return RED, SKY if is_dark() else BLUE


def plain(ax: Any) -> Any:
    """Axes without their upper and right line."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def picture_axes(ax: Any, title: str = "", size: float = SMALL) -> Any:
    """Axes that show an image: no ticks, a thin frame, a title."""
    ax.xaxis.set_visible(False)  # and not only without ticks, whose places a layout would look for
    ax.yaxis.set_visible(False)
    for spine in ax.spines.values():
        spine.set_linewidth(0.5)
        spine.set_in_layout(False)
    if title:
        ax.set_title(title, fontsize=size, pad=3)
    return ax


def short(name: Any, most: int) -> str:
    """A name no wider than so many letters; of a long one its end, which tells it from others, or its beginning. Signs
    of Chinese, Japanese and Korean are as wide as two."""
    text = str(name)
    wide = [2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text]
    if sum(wide) <= most:
        return text
    if "/" in text or "." in text:
        return "…" + text[len(text) - _fitting(wide[::-1], most - 1) :]
    return text[: _fitting(wide, most - 1)] + "…"


def _fitting(wide: Sequence[int], most: int) -> int:
    """How many signs are no wider together."""
    return int(sum(total <= most for total in accumulate(wide)))


def grid_of(count: int, columns: int | None = None) -> tuple[int, int]:
    """Rows and columns for so many small pictures: a little wider than high."""
    wide = columns or max(1, round((count * 1.3) ** 0.5))
    wide = min(wide, count)
    return -(-count // wide), wide


def outlined(width: float = 3.0, color: Sequence[float] | str = "black") -> list[Any]:
    """A path effect: lines and markers with an outline, so that they stand out on any colour."""
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=width, foreground=color), patheffects.Normal()]
