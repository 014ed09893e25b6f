"""A run over its steps and epochs, drawn: loss and metrics, learning rate, norm of the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.analysis.history import History, history_data
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.viz import style

FEW = 40  # points of a line that are marked each
LOG_FROM = 20.0  # a ratio of the largest to the smallest loss from which its axis is logarithmic


def history(run: Any, *, figure: Any = None, norms: bool = True, rows: int | None = 1000, seed: int = 0) -> Any:
    """Loss, metrics, learning rate and gradient norm over the run. Returns the figure.

    run     what fit returned, or a History
    figure  a matplotlib Figure to draw on

    The lower axis counts epochs, the upper one steps. Loss and metrics of the training rows are means over the steps
    since the point before (dropout on, weights as they were); those of the validation rows are measured after each
    epoch. A panel is left out where nothing is known. The other arguments are history_data's.
    """
    style.pyplot()
    from matplotlib.ticker import MaxNLocator

    data = run if isinstance(run, History) else history_data(run, norms=norms, rows=rows, seed=seed)
    if not data.epochs.get("epoch", np.empty(0)).size and not data.moments:
        raise UsageError("history: the run has no epoch and no recorded moment yet")
    panels = _panels(data)
    wide = 2 if len(panels) > 1 else 1
    high = -(-len(panels) // wide)
    figure = style.new_figure(figure, (4.6 * wide, 2.9 * high + 0.2))
    grid = figure.subplots(high, wide, squeeze=False)
    for ax, (draw, name) in zip(grid.flat, panels, strict=False):
        draw(style.plain(ax), data, name)
        _marks(ax, data)
        _steps_axis(ax, data, labelled=ax in grid[0])
        ax.set_xlabel("epochs")
        ax.grid(alpha=0.25, linewidth=0.6)
        ax.margins(x=0.02)
        if not data.moments:  # nothing is between two epochs
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(data.epochs["epoch"]) == 1:
                ax.set_xlim(data.epochs["epoch"][0] - 1, data.epochs["epoch"][0] + 1)
    for ax in list(grid.flat)[len(panels) :]:
        ax.remove()
    return figure


def _panels(data: History) -> list[tuple[Any, str]]:
    panels: list[tuple[Any, str]] = [(_curves, "loss"), *((_curves, name) for name in data.metrics)]
    if any(np.isfinite(c.get("lr", np.empty(0))).any() for c in (data.epochs, data.moments)):
        panels.append((_rate, "lr"))
    if data.norms and np.isfinite(data.norms["gradient_norm"]).any():
        panels.append((_norm, "gradient_norm"))
    return panels


def _curves(ax: Any, data: History, name: str) -> None:
    """A quantity on the training rows, between epochs and at their ends, and on the validation rows."""
    train, held = style.train_and_held()
    shown: list[Array] = []
    if name in data.moments:
        known = np.isfinite(data.moments[name])
        at, between = data.moments["epoch"][known], data.moments[name][known]
        ax.plot(at, between, color=train, lw=1.0, alpha=0.6, label="training, as it ran")
        shown.append(between)
    lines = ((name, train, "training, whole epochs", "o"), (f"val_{name}", held, "validation", "s"))
    for column, color, label, marker in lines:
        values = data.epochs.get(column)
        if values is not None and np.isfinite(values).any():
            _line(ax, data.epochs["epoch"], values, color, marker, label=label)
            shown.append(values[np.isfinite(values)])
    ax.set_ylabel(data.loss_name if name == "loss" else name.replace("_", " "))
    every = np.concatenate(shown) if shown else np.ones(1)
    if name == "loss" and every.min() > 0 and every.max() / every.min() > LOG_FROM:
        ax.set_yscale("log")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(fontsize=8, framealpha=0.75)


def _line(ax: Any, x: Array, y: Array, color: str, marker: str = "o", **options: Any) -> None:
    """A line, with its points where they are few; of one point alone its value too."""
    known = np.flatnonzero(np.isfinite(y))
    few = len(known) <= FEW
    ax.plot(x, y, marker=marker if few else None, ms=4 if len(known) > 1 else 8, lw=1.6, color=color, **options)
    if len(known) == 1:
        at = (x[known[0]], y[known[0]])
        ax.annotate(f"{at[1]:.4g}", at, (9, 0), textcoords="offset points", va="center", color=color)


def _rate(ax: Any, data: History, name: str) -> None:
    columns = data.moments if np.isfinite(data.moments.get("lr", np.empty(0))).any() else data.epochs
    groups = [n for n in columns if n.startswith("lr/")]
    for i, column in enumerate(["lr", *groups]):
        label = column.removeprefix("lr/") if i else "other parameters"
        _line(ax, columns["epoch"], columns[column], style.cycle()[(2 + i) % len(style.cycle())], label=label)
    rates = np.concatenate([columns[n] for n in ("lr", *groups)])
    if np.nanmin(rates) > 0 and np.nanmax(rates) / np.nanmin(rates) > LOG_FROM:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, np.nanmax(rates) * 1.15 or 1)
    if groups:
        ax.legend()
    ax.set_ylabel("learning rate")


def _norm(ax: Any, data: History, name: str) -> None:
    _line(ax, data.norms["epoch"], data.norms[name], style.cycle()[3])
    ax.set_ylim(bottom=0)
    ax.set_ylabel("norm of the gradient")


def _marks(ax: Any, data: History) -> None:
    """A thin line where the learning rate was changed by hand."""
    for change in data.changes:
        if change.get("what") == "lr":
            ax.axvline(change["epoch"], color=style.ink(), lw=0.8, ls=":", alpha=0.7)


def _steps_axis(ax: Any, data: History, labelled: bool) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    per = data.steps_per_epoch
    if per and labelled:
        upper = ax.secondary_xaxis("top", functions=(lambda e: e * per, lambda s: s / per))
        upper.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        upper.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        upper.set_xlabel("steps")
