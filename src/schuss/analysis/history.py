"""A run over its steps and epochs: loss and metrics, learning rate, norm of the gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schuss.analysis.runs import loss_name, sample, spread
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.train.evaluate import gradient_norms

NOT_METRICS = ("epoch", "count", "lr", "seconds")
NORMS = 40  # moments whose gradient is computed


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
        chosen = [path[i] for i in spread(len(path), NORMS)]
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
