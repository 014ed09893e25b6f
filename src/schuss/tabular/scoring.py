"""Metrics of predictions with their spread: over folds, or by a bootstrap over rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.metrics import Metric, checked
from schuss.tabular.threads import one_blas_thread

DRAWS = 200
AT_ONCE = 2_000_000  # rows times draws that are weighed in one call


def scores(metrics: Sequence[Metric], y: Array, p: Array, weights: Array | None = None) -> dict[str, float]:
    """The value of each metric by name; y and p as schuss.tabular.metrics has them."""
    with one_blas_thread():
        return {m.name: m(y, p, weights) for m in metrics}


def bootstrap(
    metrics: Sequence[Metric], y: Array, p: Array, weights: Array | None = None, *, seed: int, draws: int = DRAWS
) -> dict[str, Array]:
    """float64 [draws]: each metric on N rows drawn with replacement, draws times; NaN where it is not defined on these.

    The rows depend on seed and N alone. So two models' values may be subtracted draw by draw: what is left is the
    spread of their difference, with that of the rows taken out.
    """
    y, p, w = checked(y, p, weights)
    rng, rows = np.random.default_rng([seed, 21]), len(y)
    values: dict[str, list[Array]] = {m.name: [] for m in metrics}
    step = max(1, AT_ONCE // rows)
    for first in range(0, draws, step):
        count = min(step, draws - first)
        drawn = rng.integers(0, rows, (count, rows)) + rows * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows) * w
        times[times.sum(1) == 0] = w  # none of the rows with a weight was drawn
        with one_blas_thread():
            for m in metrics:
                values[m.name].append(m.of(y, p, times))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def by_fold(
    metrics: Sequence[Metric], y: Array, p: Array, fold: Array, weights: Array | None = None
) -> dict[str, Array]:
    """float64 [k]: each metric on the rows of each fold that has any weight; NaN where it is not defined there."""
    y, p, w = checked(y, p, weights)
    parts = [rows for rows in (fold == f for f in np.unique(fold)) if w[rows].sum() > 0]
    with one_blas_thread():
        return {m.name: np.array([float(m.of(y[rows], p[rows], w[rows])) for rows in parts]) for m in metrics}


def spread(
    metrics: Sequence[Metric],
    y: Array,
    p: Array,
    weights: Array | None = None,
    *,
    fold: Array | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, float]:
    """The standard error of each metric: with folds the standard deviation over the k folds, by sqrt(k); else that of
    the bootstrap."""
    if fold is None:
        return {name: deviation(v) for name, v in bootstrap(metrics, y, p, weights, seed=seed, draws=draws).items()}
    found = by_fold(metrics, y, p, fold, weights)
    return {name: deviation(v) / float(np.sqrt(max(1, np.sum(~np.isnan(v))))) for name, v in found.items()}


def deviation(values: Array) -> float:
    """The standard deviation (n - 1) of those that are defined; NaN of fewer than two."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")


__all__ = ["bootstrap", "by_fold", "deviation", "scores", "spread"]
