"""How predictions of a table depend on its columns, and which it needs, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schuss.figures import ticks
from schuss.ir.executor import Array
from schuss.viz import style

TITLE, LEVEL, LONGEST = 32, 16, 44  # characters of a column over its picture, of a level, of names elsewhere
COLUMNS = 3  # pictures side by side
WIDE, TALL = 3.4, 2.3  # inches of one
DOTS = 14  # points of a line that are marked each
TICKS = 4  # at an axis, about
LONG = 1e6  # numbers from here on take so much room that half as many stand side by side
CHANCE, PALE, FAINT = "may be chance", 0.35, 0.7  # an importance that may be; alphas of its bar and words
NAMED = 12  # levels that are named; of more every second, third, ...


def dependence(axis: Any, mean: Array, curves: Array | None, names: Sequence[str], ax: Any, base: float = 0.0) -> Any:
    """One column: lines over numbers and dates, bars from `base` for levels. Returns the axes.

    axis    of schuss.tabular.explainer: name, kind, line, values
    mean    [G, K] of the outputs that are drawn, whose names are given
    curves  [rows, G] of single rows, of the first output; None: none are drawn
    """
    style.plain(ax)
    colours = style.class_colors(len(names)) if len(names) > 1 else [style.train_and_held()[0]]
    if axis.line:
        _lines(axis, mean, curves, names, colours, ax)
    else:
        _bars(axis, mean, curves, names, colours, ax, base)
    ax.set_axisbelow(True)
    title = style.short(axis.name, TITLE)
    beside = 0 if axis.line else max(map(len, _levels(axis)))
    # above the levels there is room to its left
    ax.set_title(title, fontsize=style.SMALL + 1, loc="left" if len(title) <= TITLE - beside else "right")
    ax.tick_params(labelsize=style.SMALL)
    return ax


def _levels(axis: Any) -> list[str]:
    return [style.short(v, LEVEL) for v in axis.values]


def _number_ticks(axis: Any, share: bool) -> None:
    """Few ticks, with words as everywhere; share: per cent."""
    from matplotlib.ticker import Formatter, MaxNLocator

    class Words(Formatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return self.format_ticks([x])[0]

        def format_ticks(self, values: Any) -> list[str]:
            return [f"{text} %" for text in ticks([100 * v for v in values])] if share else ticks(list(values))

    wide = axis.axis_name == "x" and np.abs(axis.get_view_interval()).max() >= LONG
    axis.set_major_locator(MaxNLocator(TICKS // 2 if wide else TICKS))
    axis.set_major_formatter(Words())


def _date_ticks(axis: Any) -> None:
    from matplotlib import dates

    typed: Any = dates
    locator = typed.AutoDateLocator(minticks=2, maxticks=TICKS)
    axis.set_major_locator(locator)
    axis.set_major_formatter(typed.ConciseDateFormatter(locator))


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
        _date_ticks(ax.xaxis)
        return
    _number_ticks(ax.xaxis, False)
    if axis.kind == "time":
        ax.set_xlabel("hour", fontsize=style.SMALL)


def _bars(
    axis: Any, mean: Array, curves: Array | None, names: Sequence[str], colours: Any, ax: Any, base: float
) -> None:
    at, tall = np.arange(len(mean)), 0.7 / len(names)
    for k, name in enumerate(names):
        place = at + (k - (len(names) - 1) / 2) * tall
        ax.barh(place, mean[:, k] - base, tall, left=base, color=colours[k], label=name)
    if curves is not None:
        up_and_down = (np.arange(len(curves)) * 0.618034 % 1 - 0.5) * 0.6
        for i in at:
            ax.plot(curves[:, i], i + up_and_down, ".", color=style.train_and_held()[1], alpha=0.4, markersize=2.5)
    every = -(-len(at) // NAMED)
    ax.set_yticks(at[::every], _levels(axis)[::every])
    ax.invert_yaxis()
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)


def dependences(
    drawn: Sequence[tuple[Any, Array, Array | None]], names: Sequence[str], label: str, share: bool = False
) -> Any:
    """Several columns (axis, mean, curves), as `dependence` draws each, on one scale, with one legend. Returns the
    figure. share: the outputs are probabilities, written as per cent.
    """
    wide = min(COLUMNS, len(drawn))
    high = -(-len(drawn) // wide)
    figure = style.new_figure(None, (WIDE * wide, TALL * high + 0.4))
    grid = figure.subplots(high, wide, squeeze=False)
    low, top = _range([part for _, mean, curves in drawn for part in (mean, curves) if part is not None])
    far = low > 0.5 * top  # from 0: all bars would look alike
    base = float(np.mean([mean.mean() for _, mean, _ in drawn])) if far else 0.0
    for ax, (axis, mean, curves) in zip(grid.flat, drawn, strict=False):
        dependence(axis, mean, curves, names, ax, base)
        ends = (low, top) if axis.line or far else (min(0.0, low), max(0.0, top))
        (ax.set_ylim if axis.line else ax.set_xlim)(*ends)
        _number_ticks(ax.yaxis if axis.line else ax.xaxis, share)
    for ax in list(grid.flat)[len(drawn) :]:
        ax.remove()
    if len(names) > 1:
        handles, words = grid.flat[0].get_legend_handles_labels()
        words = [style.short(word, LONGEST) for word in words]
        across = 2 if max(map(len, words)) > LONGEST // 2 else min(len(words), 5)
        figure.legend(handles, words, loc="outside upper center", ncols=across, fontsize=style.SMALL, frameon=False)
    else:
        figure.suptitle(style.short(label, 2 * LONGEST), fontsize=style.CAPTION)
    return figure


def _range(parts: Sequence[Array]) -> tuple[float, float]:
    """Of all that is drawn, with a margin."""
    low, high = min(float(p.min()) for p in parts), max(float(p.max()) for p in parts)
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def importance(measured: Sequence[Mapping[str, Any]], label: str) -> Any:
    """What the loss rises by where columns are shuffled, with its standard error: {"columns", "rise", "error", "sure"}
    each. What is not sure is pale, and says that it may be chance."""
    ax = style.plain(style.new_axes(None, (7.0, 0.32 * len(measured) + 0.9)))
    at = np.arange(len(measured))
    rise, error = (np.array([one[name] for one in measured], np.float64) for name in ("rise", "error"))
    ax.set_axisbelow(True)
    colours = [(style.train_and_held()[0], 1.0 if one["sure"] else PALE) for one in measured]
    ax.barh(at, rise, 0.7, color=colours, xerr=error, ecolor=style.ink(), error_kw={"linewidth": 1})
    for i in np.flatnonzero([not one["sure"] for one in measured]):
        end = max(rise[i] + error[i], 0.0)
        ax.annotate(
            CHANCE, (end, i), (5, 0), textcoords="offset points", va="center", fontsize=style.SMALL, alpha=FAINT
        )
    ax.set_yticks(at, [style.short(" + ".join(one["columns"]), LONGEST) for one in measured])
    ax.invert_yaxis()
    ax.set_xlabel(label)
    _number_ticks(ax.xaxis, False)
    ax.grid(axis="x", alpha=0.25, linewidth=0.6)
    return ax


__all__ = ["dependence", "dependences", "importance"]
