"""What is predicted without looking at any column: class frequencies, a mean, a median, quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.tabular.metrics import NUMBERS


@dataclass(frozen=True)
class Trivial:
    """The same for all rows: value [C], [L], [T], [Q], or one number."""

    value: Array

    def predict(self, rows: int) -> Array:
        """float64 [rows, ...], not to be written to."""
        return np.broadcast_to(self.value, (rows, *self.value.shape))


def fit_trivial(
    y: Array,
    task: str,
    weights: Array | None = None,
    *,
    classes: int | None = None,
    quantiles: Sequence[float] | None = None,
    median: bool = False,
) -> Trivial:
    """The best constant of a task, see schuss.tabular.metrics.

    classification  the classes' shares of the weights; `classes` where y may lack some
    labels          each label's share
    regression, counts, amounts  the mean, which has the lowest squared error; with `median` that, the lowest absolute
    quantiles       `quantiles` of the targets
    """
    y = np.asarray(y)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    if task == "classification":
        counts = np.bincount(y, w, minlength=classes or 0)
        return Trivial(counts / counts.sum())
    if task == "quantiles":
        if quantiles is None:
            raise UsageError("fit_trivial: task 'quantiles' needs quantiles=(0.1, 0.5, 0.9), those to predict")
        return Trivial(weighted_quantiles(y, quantiles, w))
    if task not in ("labels", *NUMBERS):
        known = ", ".join(("classification", "labels", *NUMBERS, "quantiles"))
        raise UsageError(f"fit_trivial: task {task!r} is none of {known}")
    if median and task != "labels":
        columns = y.reshape(len(y), -1).T
        middle = np.array([weighted_quantiles(column, [0.5], w)[0] for column in columns])
        return Trivial(middle if y.ndim > 1 else middle[0].reshape(()))
    return Trivial(np.asarray(w @ y / w.sum()))


def weighted_quantiles(x: Array, quantiles: Sequence[float], weights: Array) -> Array:
    """float64 [Q]: the lowest of x [N] with at least a share of q of the weights at or below it; where the share is met
    exactly, the middle between it and the next. Of equal weights the median is numpy's."""
    kept = weights > 0
    x, weights = x[kept], weights[kept]
    order = np.argsort(x, kind="stable")
    x, reached = x[order], np.cumsum(weights[order])
    wanted = np.asarray(quantiles) * reached[-1]
    slack = 1e-12 * reached[-1]  # of the sums' rounding
    low = np.searchsorted(reached, wanted - slack).clip(0, len(x) - 1)
    high = np.searchsorted(reached, wanted + slack, side="right").clip(0, len(x) - 1)
    return (x[low] + x[high]) / 2.0


__all__ = ["Trivial", "fit_trivial", "weighted_quantiles"]
