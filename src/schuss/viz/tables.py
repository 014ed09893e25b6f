"""How predictions of a table depend on its columns, and which it needs, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.viz import style

LONGEST = 22  # characters of a name
COLUMNS = 3  # pictures side by side
TALL = 2.3  # inches of one
DOTS = 14  # points of a line that are marked each


def dependence(axis: Any, mean: Array, curves: Array | None, names: Sequence[str], ax: Any) -> Any:
    """One column: lines over numbers and dates, bars for levels. Returns the axes.

    axis    of schuss.tabular.explainer: name, kind, line, values
    mean    [G, K] of the outputs that are drawn, whose names are given
    curves  [rows, G] of single rows, of the first output; None: none are drawn
    """
    style.plain(ax)
    colours = style.class_colors(len(names)) if len(names) > 1 else [style.train_and_held()[0]]
    draw = _lines if axis.line else _bars
    draw(axis, mean, curves, names, colours, ax)
    ax.set_axisbelow(True)
    ax.set_title(style.short(axis.name, 2 * LONGEST), fontsize=style.CAPTION, loc="left")
    ax.tick_params(labelsize=style.SMALL)
    return ax


def _lines(axis: Any, mean: Array, curves: Array | None, names: Sequence[str], colours: Any, ax: Any) -> None:
    values = np.asarray(axis.values, np.float64)
    x: Any = values
    if axis.kind in ("date", "moment"):
        x = values.astype("datetime64[ms]")
    elif axis.kind == "time":
        x = values / 3_600_000
    if curves is not None:
        ax.plot(x, curves.T, color=style.train_and_held()[1], alpha=0.18, linewidth=0.6)
    for k, name in enumerate(names):
        ax.plot(
            x, mean[:, k], color=colours[k], linewidth=2, label=name, marker="o" if len(x) <= DOTS else None, ms=3.5
        )
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.margins(x=0.01)
    if axis.kind in ("date", "moment"):
        ax.tick_params(axis="x", rotation=25)
    elif axis.kind == "time":
        ax.set_xlabel("hour", fontsize=style.SMALL)


def _bars(axis: Any, mean: Array, curves: Array | None, names: Sequence[str], colours: Any, ax: Any) -> None:
    at, tall = np.arange(len(mean)), 0.7 / len(names)
    for k, name in enumerate(names):
        ax.barh(at + (k - (len(names) - 1) / 2) * tall, mean[:, k], tall, color=colours[k], label=name)
    if curves is not None:
        up_and_down = (np.arange(len(curves)) * 0.618034 % 1 - 0.5) * 0.6
        for i in at:
            ax.plot(curves[:, i], i + up_and_down, ".", color=style.train_and_held()[1], alpha=0.4, markersize=2.5)
    ax.set_yticks(at, [style.short(v, LONGEST) for v in axis.values])
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)


def dependences(drawn: Sequence[tuple[Any, Array, Array | None]], names: Sequence[str], label: str) -> Any:
    """Several columns (axis, mean, curves), as `dependence` draws each, with one legend. Returns the figure."""
    wide = min(COLUMNS, len(drawn))
    high = -(-len(drawn) // wide)
    figure = style.new_figure(None, (3.4 * wide, TALL * high + 0.4))
    grid = figure.subplots(high, wide, squeeze=False)
    for ax, (axis, mean, curves) in zip(grid.flat, drawn, strict=False):
        dependence(axis, mean, curves, names, ax)
    for ax in list(grid.flat)[len(drawn) :]:
        ax.remove()
    if len(names) > 1:
        handles, words = grid.flat[0].get_legend_handles_labels()
        words = [style.short(word, 2 * LONGEST) for word in words]
        across = 2 if max(map(len, words)) > LONGEST else min(len(words), 5)
        figure.legend(handles, words, loc="outside upper center", ncols=across, fontsize=style.SMALL, frameon=False)
    else:
        figure.suptitle(label, fontsize=style.CAPTION)
    return figure


def importance(measured: Sequence[Mapping[str, Any]], label: str) -> Any:
    """What the loss rises by where columns are shuffled, with its standard error: {"columns", "rise", "error"} each."""
    ax = style.plain(style.new_axes(None, (7.0, 0.32 * len(measured) + 0.9)))
    at = np.arange(len(measured))
    rise, error = (np.array([one[name] for one in measured], np.float64) for name in ("rise", "error"))
    ax.set_axisbelow(True)
    ax.barh(at, rise, 0.7, color=style.train_and_held()[0], xerr=error, ecolor=style.ink(), error_kw={"linewidth": 1})
    ax.set_yticks(at, [style.short(" + ".join(one["columns"]), 2 * LONGEST) for one in measured])
    ax.invert_yaxis()
    ax.set_xlabel(label)
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)
    return ax


__all__ = ["dependence", "dependences", "importance"]
