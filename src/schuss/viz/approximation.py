"""What a network of one or two inputs has learned, drawn: its function beside the data, at moments of the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schuss.analysis.approximation import Approximation, approximation_data
from schuss.api.outputs import by_class
from schuss.ir.executor import Array
from schuss.viz import style

DOTS = 400  # rows of the data that are drawn at most
LEVELS = 21


def approximation(
    run: Any,
    data: Any = None,
    *,
    ax: Any = None,
    points: int = 200,
    moments: int | Sequence[int] | None = None,
    target: Callable[..., Any] | None = None,
) -> Any:
    """The target, the data and the network's function at moments of the run.

    run  what fit returned, a model (with data), or an Approximation
    ax   axes to draw on; for two inputs they get the last moment alone

    For one input returns the axes; for two a figure with a panel for each moment, or the axes given. The other
    arguments and the errors are approximation_data's.
    """
    style.pyplot()
    shown = run
    if not isinstance(run, Approximation):
        shown = approximation_data(run, data, points=points, moments=moments, target=target)
    if len(shown.axes) == 1:
        ax = style.new_axes(ax, (6.8, 4.4))
        curves(ax, shown)
        return ax
    if ax is not None:
        regions(ax, shown, len(shown.predictions) - 1)
        return ax
    return panels(shown)


def moment_name(shown: Approximation, index: int) -> str:
    """A moment's epoch and loss."""
    epoch, loss = shown.epochs[index], shown.losses[index]
    name = f"epoch {epoch:.3g}" if epoch < 100 else f"epoch {epoch:,.0f}"
    return name if math.isnan(loss) else f"{name}, loss {loss:.3g}"


def curves(ax: Any, shown: Approximation, upto: int | None = None) -> None:
    """Functions of one input: the moments from faint to strong, or only moment `upto` of a film."""
    outputs = shown.predictions.shape[-1]
    last = len(shown.predictions) - 1
    several = outputs > 1  # then each output has its colour, and only one moment is drawn
    dots_1d(ax, shown)
    if shown.target is not None:
        ax.plot(shown.axes[0], shown.target, color=style.ink(), ls="--", lw=1.4, label="target", zorder=3)
    if upto is not None or several:
        index = last if upto is None else upto
        colors = style.class_colors(outputs) if several else [style.cycle()[1]]
        for k, color in enumerate(colors):
            name = f"{'class' if shown.kind != 'values' else 'output'} {k}" if several else "network"
            ax.plot(shown.axes[0], shown.predictions[index, :, k], color=color, lw=2.2, label=name, zorder=4)
    else:
        for index, color in enumerate(_ages(last + 1)):
            newest = index == last
            ax.plot(
                shown.axes[0], shown.predictions[index, :, 0], color=color, lw=2.4 if newest else 1.3,
                label=moment_name(shown, index), zorder=4 + newest,
            )  # fmt: skip
    ax.set_xlabel("input x")
    ax.set_ylabel("probability" if shown.kind == "probabilities" else "output")
    _limits(ax, shown)
    style.plain(ax)
    ax.legend(fontsize=8, framealpha=0.75)


def _ages(count: int) -> list[Any]:
    """Colours from early to late: from what is near the background to what stands out."""
    from matplotlib import colormaps

    ends = (0.25, 0.95) if style.is_dark() else (0.85, 0.15)
    return [colormaps["plasma"](v) for v in np.linspace(*ends, count)] if count > 1 else [style.cycle()[0]]


def _limits(ax: Any, shown: Approximation) -> None:
    """A range of outputs that fits the data, the target and the last function; early ones may leave it."""
    parts = [shown.predictions[-1].ravel()]
    if shown.kind == "values":
        parts.append(np.asarray(shown.y, np.float64).ravel())
    parts += [] if shown.target is None else [shown.target.ravel()]
    every = np.concatenate(parts)
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    if shown.kind == "probabilities":
        low, high = 0.0, 1.0
    room = (high - low or 1.0) * 0.12
    ax.set_ylim(low - room, high + room)
    ax.set_xlim(shown.axes[0][0], shown.axes[0][-1])


def _some(count: int) -> Array:
    """Rows of the data to draw: drawn at random, since rows in turn may belong to classes in turn."""
    result: Array = np.sort(np.random.default_rng(0).permutation(count)[:DOTS])
    return result


def dots_1d(ax: Any, shown: Approximation) -> None:
    """The data under the curves; rows of a class at the height of 1 in its own colour, the others at 0."""
    some = _some(len(shown.x))
    x, y = shown.x[some, 0], shown.y[some]
    options: dict[str, Any] = {"s": 14, "alpha": 0.45, "linewidths": 0, "zorder": 2}
    if shown.kind == "values" or shown.predictions.shape[-1] == 1:
        for k, column in enumerate(y.reshape(len(y), -1).T):
            ax.scatter(x, column, color=style.ink(), label="data" if k == 0 else None, **options)
        return
    colors = style.class_colors(shown.predictions.shape[-1])
    ax.scatter(x, np.full(len(x), -0.05), c=[colors[int(c)] for c in y], label="data", **options)


def panels(shown: Approximation) -> Any:
    """A figure with a panel for each moment, and one for the target where it is known."""
    count = len(shown.predictions) + (shown.target is not None)
    high, wide = style.grid_of(count, columns=2 if count in (2, 4) else 3)
    figure = style.new_figure(None, (3.1 * wide + 0.5, 2.9 * high + 0.3))
    grid = figure.subplots(high, wide, squeeze=False, sharex=True, sharey=True)
    axes = list(grid.flat)
    image = None
    if shown.target is not None:
        image = regions(axes[0], shown, None)
    for index, ax in enumerate(axes[count - len(shown.predictions) : count]):
        image = regions(ax, shown, index)
    for ax in axes[count:]:
        ax.remove()
    for ax in axes[:count]:
        ax.label_outer()
    if image is not None:
        from matplotlib.ticker import MaxNLocator

        figure.colorbar(image, ax=axes[:count], label="output", fraction=0.04, pad=0.02, ticks=MaxNLocator(6))
    return figure


def regions(ax: Any, shown: Approximation, index: int | None) -> Any:
    """A function of two inputs at a moment (None: the target), with the data. What a colour bar needs, or None."""
    values = shown.target if index is None else shown.predictions[index]
    assert values is not None
    image = None
    if shown.kind == "values":
        image = _contours(ax, shown, values)
    else:
        _classes(ax, shown, values)
    ax.set(xlabel="input x₁", ylabel="input x₂")
    ax.set(xlim=(shown.axes[0][0], shown.axes[0][-1]), ylim=(shown.axes[1][0], shown.axes[1][-1]))
    ax.set_title("target" if index is None else moment_name(shown, index), fontsize=9)
    return image


def _contours(ax: Any, shown: Approximation, values: Array) -> Any:
    """Values of the first output on one scale for all moments, which is the data's."""
    every = shown.y.reshape(len(shown.y), -1)[:, 0] if shown.target is None else shown.target[..., 0]
    low, high = float(np.min(every)), float(np.max(every))
    levels = np.linspace(low, high if high > low else low + 1, LEVELS)
    image = ax.contourf(*shown.axes, values[..., 0], levels, cmap=style.SEQUENTIAL, extend="both")
    some = _some(len(shown.x))
    ax.scatter(
        *shown.x[some].T, c=shown.y.reshape(len(shown.y), -1)[some, 0], cmap=style.SEQUENTIAL, vmin=low,
        vmax=levels[-1], s=14, edgecolors="white", linewidths=0.35, zorder=3,
    )  # fmt: skip
    return image


def _classes(ax: Any, shown: Approximation, values: Array) -> None:
    """Each class's colour as strong as its probability, the borders between classes, and the data in its colours."""
    share = by_class(values)
    if shown.kind == "scores":
        share = np.eye(share.shape[-1])[share.argmax(axis=-1)]
    from matplotlib.colors import to_rgb

    colors = style.class_colors(share.shape[-1])
    mixed = share @ np.array([to_rgb(c) for c in colors])
    ground = np.array(to_rgb(style.paper()))
    first, second = shown.axes
    extent = (first[0], first[-1], second[0], second[-1])
    ax.imshow(0.5 * mixed + 0.5 * ground, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    if np.isfinite(share).all():
        _borders(ax, shown, share)
    some = _some(len(shown.x))
    labels = shown.y[some].reshape(len(some), -1)
    classes = labels[:, 0].astype(np.int64) if labels.shape[1] == 1 else labels.argmax(axis=1)
    ax.scatter(
        *shown.x[some].T, c=[colors[c] for c in classes], s=16, edgecolors=style.paper(), linewidths=0.6, zorder=3
    )


def _borders(ax: Any, shown: Approximation, share: Array) -> None:
    """Lines where the likeliest class changes."""
    for k in range(share.shape[-1] - (share.shape[-1] == 2)):
        lead = share[..., k] - np.delete(share, k, axis=-1).max(axis=-1)
        if lead.min() < 0 < lead.max():
            ax.contour(*shown.axes, lead, [0.0], colors=[style.ink()], linewidths=1.0)
