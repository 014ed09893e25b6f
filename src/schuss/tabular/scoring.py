"""Metrics of predictions with their spread, by a bootstrap over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.algebra import one_blas_thread
from schuss.tabular.metrics import Measure, Metric, checked, metrics_for

DRAWS = 200
ROWS = 5_000  # that stand for all others
SURE = 2.0  # standard errors by which something must be better to be no chance
AT_ONCE = 50  # draws that are weighed in one call


def scores(metrics: Sequence[Metric], y: Array, p: Array, weights: Array | None = None) -> dict[str, float]:
    """The value of each metric by name; y and p as schuss.tabular.metrics has them."""
    with one_blas_thread():
        return {m.name: m(y, p, weights) for m in metrics}


def scores_of_each(
    task: str, names: Sequence[str], y: Array, p: Array, weights: Array | None = None
) -> dict[str, dict[str, float]]:
    """The metrics of each of several labels or targets by itself, by its name; nothing of one."""
    if task not in ("labels", "regression") or y.ndim != 2 or y.shape[1] < 2:
        return {}
    found = {}
    for name, own, said in zip(names, y.T, p.T, strict=True):
        if task == "labels":
            of = metrics_for("classification")
            found[name] = scores(of, own.astype(np.int64), np.stack([1 - said, said], 1), weights)
        else:
            found[name] = scores(metrics_for(task), own, said, weights)
    return found


def bootstrap(
    metrics: Sequence[Metric], y: Array, p: Array, weights: Array | None = None, *, seed: int, draws: int = DRAWS
) -> dict[str, Array]:
    """float64 [draws]: each metric on N rows drawn with replacement, draws times; NaN where it is not defined on these.
    Of more than 5,000 rows as many, drawn at random, stand for all: of these N are drawn, and the values are shifted by
    what the metric of all differs from theirs (Kleiner, Talwalkar, Sarkar, Jordan, JRSS B 2014).

    The rows depend on seed and N alone. So two models' values may be subtracted draw by draw: what is left is the
    spread of their difference, with that of the rows taken out.
    """
    y, p, w = checked(y, p, weights)
    drawn = Draws.of_rows(w, seed, draws)
    return {m.name: drawn(m.of, y, p) for m in metrics}


@dataclass(frozen=True)
class Draws:
    """Rows drawn again and again, as `bootstrap` does it: some stand for all, each as often as `times` says.

    weights [N], some int [n], times [draws, n]: how often a row is drawn, times its weight
    """

    weights: Array
    some: Array
    times: Array

    @classmethod
    def of_rows(cls, weights: Array, seed: int, draws: int = DRAWS) -> Draws:
        rng, rows = np.random.default_rng([seed, 21]), len(weights)
        some = np.sort(rng.permutation(rows)[:ROWS]) if rows > ROWS else np.arange(rows)
        w = weights[some]
        times = rng.multinomial(rows, np.full(len(some), 1 / len(some)), draws) * w
        times[times.sum(1) == 0] = w  # none of the rows with a weight was drawn
        return cls(weights, some, times)

    def __call__(self, of: Measure, y: Array, p: Array) -> Array:
        """float64 [draws]: what a metric gives of each draw."""
        few = y[self.some], p[self.some]
        with one_blas_thread():
            shift = of(y, p, self.weights) - of(*few, self.weights[self.some]) if len(self.some) < len(y) else 0.0
            parts = [self.times[first : first + AT_ONCE] for first in range(0, len(self.times), AT_ONCE)]
            found: Array = np.concatenate([of(*few, part) for part in parts]) + shift
        return found


def spread(
    metrics: Sequence[Metric],
    y: Array,
    p: Array,
    weights: Array | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, float]:
    """The standard error of each metric, by the bootstrap. Folds do not tell it: stratified ones are more alike than
    rows drawn at random."""
    return {name: deviation(v) for name, v in bootstrap(metrics, y, p, weights, seed=seed, draws=draws).items()}


def deviation(values: Array) -> float:
    """The standard deviation (n - 1) of those that are defined; NaN of fewer than two."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")


__all__ = ["Draws", "bootstrap", "deviation", "scores", "scores_of_each", "spread"]
