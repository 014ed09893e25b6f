"""A run over its steps and epochs: loss and metrics, learning rate, norm of the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.train.evaluate import gradient_norms
from schuss.viz import style
from schuss.viz.runs import loss_name, sample

NOT_METRICS = ("epoch", "count", "lr", "seconds")
NORMS = 40  # moments whose gradient is computed
FEW = 40  # points of a line that are marked each
LOG_FROM = 20.0  # a ratio of the largest to the smallest loss from which its axis is logarithmic


@dataclass(frozen=True)
class History:
    """A run's columns, float64 [entries]; what is not known is NaN.

    epochs   by name, one entry an epoch: epoch, loss, val_loss, metrics, lr, seconds
    moments  by name, one entry a recorded moment: step, epoch, seconds, loss, metrics, lr; empty without a record
    norms    step, epoch, gradient_norm at some of the moments: of the loss's gradient over all parameters; likewise
    changes  what was changed by hand: the run's own list
    """

    epochs: dict[str, Array]
    moments: dict[str, Array] = field(default_factory=dict)
    norms: dict[str, Array] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    steps_per_epoch: float | None = None
    loss_name: str = "loss"

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics, the loss and validation left out."""
        names = [*self.epochs, *self.moments]
        other = (*NOT_METRICS, "loss", "step")
        plain = (n for n in names if not n.startswith(("val_", "lr/")) and n not in other)
        return list(dict.fromkeys(plain))

    def to_json(self) -> dict[str, Any]:
        """All of it as lists of numbers; NaN is None."""
        parts = {"epochs": self.epochs, "moments": self.moments, "norms": self.norms}
        return {
            **{name: {n: _listed(c) for n, c in part.items()} for name, part in parts.items()},
            "changes": list(self.changes),
            "steps_per_epoch": self.steps_per_epoch,
            "loss_name": self.loss_name,
        }


def _listed(column: Array) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in column.tolist()]


def history_data(run: Any, *, norms: bool = True, rows: int | None = 1000, seed: int = 0) -> History:
    """A run's columns.

    run    what fit returned; fit(..., record=True) gives the moments between epochs
    norms  whether the gradient's norm is computed, at up to 40 recorded moments, on `rows` rows of the training data
           drawn once (None: all), dropout off
    """
    given = getattr(run, "history", None)
    if not isinstance(given, dict):
        raise UsageError(f"history: takes what fit returned, got {type(run).__name__}")
    epochs = {n: _column(c) for n, c in given.items()}
    path, task, data = (getattr(run, name, None) for name in ("path", "task", "data"))
    path = path or []
    moments = {n: _column([getattr(m, n) for m in path]) for n in ("step", "epoch", "seconds", "loss", "lr") if path}
    for name in dict.fromkeys(n for m in path for n in m.rates):
        moments[name] = _column([m.rates.get(name) for m in path])
    for name in dict.fromkeys(n for m in path for n in m.metrics):
        moments[name] = _column([m.metrics.get(name) for m in path])
    found: dict[str, Array] = {}
    if norms and task is not None and data is not None and path:
        chosen = [path[i] for i in sorted({round(i) for i in np.linspace(0, len(path) - 1, min(NORMS, len(path)))})]
        some = sample(data, rows, seed)
        found = {n: _column([getattr(m, n) for m in chosen]) for n in ("step", "epoch")}
        found["gradient_norm"] = gradient_norms(task, [m.weights for m in chosen], some)
    changes = list(getattr(run, "changes", None) or [])
    name = loss_name(task) if task is not None else "loss"
    return History(epochs, moments, found, changes, _steps_per_epoch(run, moments), name)


def _column(values: list[Any]) -> Array:
    return np.array([math.nan if v is None else v for v in values], np.float64)


def _steps_per_epoch(run: Any, moments: dict[str, Array]) -> float | None:
    if moments and moments["epoch"][-1] > 0:
        return float(moments["step"][-1] / moments["epoch"][-1])
    steps, epochs = getattr(run, "steps", 0), getattr(run, "epochs", 0)
    return steps / epochs if steps and epochs else None


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
