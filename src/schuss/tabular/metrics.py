"""What is measured of predictions: a table of metrics, each with its formula, weighted, over many weightings at once.

A metric is a function of y, p and weights w [..., N], and gives [...]: a value for each row of weights. So a bootstrap
is one call, whose weights are how often each row was drawn. Means are sum(w x) / sum(w).

    classification  y int [N], a class 0..C-1; p float [N, C], probabilities
    labels          y [N, L] of 0 and 1; p [N, L], the probability of each label; the mean over the labels
    regression      y and p float [N], or [N, T]; the mean over the targets
    counts          the same, y >= 0 and p > 0
    amounts         the same, y > 0 and p > 0
    quantiles       y float [N]; p [N, Q], the quantiles' predictions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from schuss.calling import did_you_mean
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array

FLOOR = 1e-7  # a probability, or a mean of counts, counts as at least this
BINS = 15  # of the calibration error
NUMBERS = ("regression", "counts", "amounts")  # tasks whose answer is a number for each target
SCALED = {"rmse": "scaled_rmse", "mae": "scaled_mae"}  # what they are of several targets, whose units may be unlike
Measure = Callable[[Array, Array, Array], Array]
M = TypeVar("M", bound=Callable[..., Array])


@dataclass(frozen=True)
class Metric:
    """title: as people read it; greater: whether more is better; tasks: which it fits."""

    name: str
    title: str
    greater: bool
    tasks: tuple[str, ...]
    of: Measure

    def __call__(self, y: Array, p: Array, weights: Array | None = None) -> float:
        """Its value. DataError for arrays that do not fit, and for a prediction that is not finite."""
        y, p, w = checked(y, p, weights)
        return float(self.of(y, p, w))


METRICS: dict[str, Metric] = {}
"""All metrics by name, in the order in which they are shown."""


def metrics_for(
    task: str,
    quantiles: Sequence[float] | None = None,
    huber: Sequence[float] | None = None,
    scales: Sequence[float] | None = None,
) -> tuple[Metric, ...]:
    """The metrics that fit a task: "classification", "labels", "regression", "counts", "amounts", or "quantiles" with
    these. huber: of numbers Huber's loss as well, first, with these scales of the targets. scales: the deviations of
    several targets: the mean of their errors is then of errors over these, as units may be unlike.

    UsageError for another task.
    """
    known = ("classification", "labels", "regression", "counts", "amounts", "quantiles")
    if task not in known:
        raise UsageError(f"task {task!r} is none of {', '.join(known)}{did_you_mean(task, known)}")
    found = tuple(m for m in METRICS.values() if task in m.tasks)
    if task == "labels":
        each = (replace(m, of=partial(_over_labels, m.of)) for m in metrics_for("classification"))
        return (*each, *found)
    if scales is not None and len(scales) > 1:
        found = tuple(_scaled(m.name, scales) if m.name in SCALED else m for m in found)
    if huber is not None:
        return (replace(METRICS["huber"], of=partial(hubers_loss, scale=huber)), *found)
    if task != "quantiles":
        return found
    if quantiles is None:
        raise UsageError("metrics_for: task 'quantiles' needs quantiles=(0.1, 0.5, 0.9), those that are predicted")
    return tuple(_of_quantiles(m, quantiles) for m in found)


def _scaled(name: str, scales: Sequence[float]) -> Metric:
    own = {"rmse": scaled_rmse, "mae": scaled_mae}[name]
    return replace(METRICS[SCALED[name]], of=partial(own, scale=scales))


def _of_quantiles(metric: Metric, quantiles: Sequence[float]) -> Metric:
    """With the quantiles it is of; the coverage says what it should be."""
    if metric.name == "pinball":
        return replace(metric, of=partial(pinball, quantiles=quantiles))
    low, high = min(quantiles), max(quantiles)
    title = f"rows at or below (of {low:g})" if low == high else f"interval coverage (of {high - low:g})"
    return replace(metric, title=title)


def checked(y: Array, p: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Arrays that fit, and weights, 1 where there are none. DataError."""
    y, p = np.asarray(y), np.asarray(p, np.float64)
    if len(y) != len(p) or not len(y):
        raise DataError(f"{len(y)} targets and {len(p)} predictions: give one of each for each row, and at least one")
    if not np.isfinite(p).all():
        row = int(np.argmin(np.isfinite(p).reshape(len(p), -1).all(1)))
        raise DataError(f"the prediction of row {row} is not finite: nothing can be measured of it")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    if w.shape[-1] != len(y) or not (w >= 0).all() or not w.sum() > 0:
        raise DataError(f"weights of shape {w.shape} for {len(y)} rows: give one of 0 or more for each row, not all 0")
    return y, p, w


def metric(name: str, title: str, *tasks: str, greater: bool = False) -> Callable[[M], M]:
    """A decorator: the function's row in the table."""

    def add(of: M) -> M:
        METRICS[name] = Metric(name, title, greater, tasks, of)
        return of

    return add


# -- classes -----------------------------------------------------------------------------------------------


@metric("accuracy", "accuracy", "classification", greater=True)
def accuracy(y: Array, p: Array, w: Array) -> Array:
    """mean [argmax p = y]; the lower class where two are as probable."""
    return _mean(w, p.argmax(1) == y)


@metric("balanced_accuracy", "balanced accuracy", "classification", greater=True)
def balanced_accuracy(y: Array, p: Array, w: Array) -> Array:
    """The mean over the classes that y has of mean [argmax p = y] over the class's rows."""
    rows, right = _sums(y, w), _sums(y, w * (p.argmax(1) == y))
    return _ratio(_ratio(right, rows, 0.0).sum(-1), (rows > 0).sum(-1))


@metric("log_loss", "log loss", "classification")
def log_loss(y: Array, p: Array, w: Array) -> Array:
    """mean -log max(p_y, 1e-7), p_y the probability of the true class."""
    return _mean(w, -np.log(np.maximum(p[np.arange(len(y)), y], FLOOR)))


@metric("roc_auc", "ROC AUC", "classification", greater=True)
def roc_auc(y: Array, p: Array, w: Array) -> Array:
    """P(p of a row of the class > p of another) + P(both equal) / 2; of more than two classes the mean of each against
    the rest. NaN where y has one class."""
    return _against_rest(_area, y, p, w)


@metric("average_precision", "average precision", "classification", greater=True)
def average_precision(y: Array, p: Array, w: Array) -> Array:
    """sum over thresholds of (recall - recall before) * precision; of more than two classes the mean of each against
    the rest. NaN where y has one class."""
    return _against_rest(_precision, y, p, w)


@metric("calibration_error", "calibration error", "classification")
def calibration_error(y: Array, p: Array, w: Array) -> Array:
    """Expected calibration error of the top class: over 15 bins of equal width of c = max p,
    sum |sum(w (c - [argmax p = y]))| / sum(w)."""
    top = p.max(1)
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    return np.abs(_sums(bins, w * (top - (p.argmax(1) == y)))).sum(-1) / w.sum(-1)


@metric("brier", "Brier score", "classification")
def brier(y: Array, p: Array, w: Array) -> Array:
    """mean sum_c (p_c - [y = c])^2; of two classes half of it, (p_1 - y)^2."""
    if p.shape[1] == 2:
        return _mean(w, np.square(p[:, 1] - y))
    return _mean(w, np.square(p).sum(1) - 2 * p[np.arange(len(y)), y] + 1)


# -- numbers -----------------------------------------------------------------------------------------------


@metric("exact", "rows with all labels right", "labels", greater=True)
def exact(y: Array, p: Array, w: Array) -> Array:
    """mean [p > 1/2 where y = 1 and p <= 1/2 where y = 0, for all labels of the row]."""
    return _mean(w, ((p > 0.5) == (y == 1)).all(1))


@metric("rmse", "RMSE", "regression", "counts", "amounts")
def rmse(y: Array, p: Array, w: Array) -> Array:
    """sqrt(mean (p - y)^2)"""
    return np.sqrt(_mean(w, _columns(np.square(p - y)))).mean(-1)


@metric("mae", "MAE", "regression", "counts", "amounts")
def mae(y: Array, p: Array, w: Array) -> Array:
    """mean |p - y|"""
    return _mean(w, _columns(np.abs(p - y))).mean(-1)


@metric("scaled_rmse", "RMSE / deviation")
def scaled_rmse(y: Array, p: Array, w: Array, scale: Sequence[float] = (1.0,)) -> Array:
    """sqrt(mean (p - y)^2) / scale; the mean over the targets"""
    return (np.sqrt(_mean(w, _columns(np.square(p - y)))) / np.asarray(scale)).mean(-1)


@metric("scaled_mae", "MAE / deviation")
def scaled_mae(y: Array, p: Array, w: Array, scale: Sequence[float] = (1.0,)) -> Array:
    """mean |p - y| / scale; the mean over the targets"""
    return (_mean(w, _columns(np.abs(p - y))) / np.asarray(scale)).mean(-1)


@metric("r2", "R2", "regression", "counts", "amounts", greater=True)
def r2(y: Array, p: Array, w: Array) -> Array:
    """1 - mean (p - y)^2 / mean (y - mean y)^2; of a constant target 1 if all is right, else 0."""
    centred = _columns(y - y.mean(0))
    error = _mean(w, _columns(np.square(p - y)))
    variance = np.maximum(_mean(w, np.square(centred)) - np.square(_mean(w, centred)), 0)
    constant = np.where(error == 0, 1.0, 0.0)
    return np.where(variance > 0, 1 - error / np.where(variance > 0, variance, 1), constant).mean(-1)


@metric("poisson_deviance", "mean Poisson deviance", "counts")
def poisson_deviance(y: Array, p: Array, w: Array) -> Array:
    """mean 2 (y log(y / p) - y + p), p at least 1e-7; y log y is 0 for y = 0."""
    p = np.maximum(p, FLOOR)
    return _mean(w, _columns(2 * (y * np.log(np.where(y > 0, y, 1) / p) - y + p))).mean(-1)


@metric("gamma_deviance", "mean gamma deviance", "amounts")
def gamma_deviance(y: Array, p: Array, w: Array) -> Array:
    """mean 2 (log(p / y) + y / p - 1), p at least 1e-7; y > 0."""
    p = np.maximum(p, FLOOR)
    return _mean(w, _columns(2 * (np.log(p / y) + y / p - 1))).mean(-1)


@metric("huber", "Huber loss")
def hubers_loss(y: Array, p: Array, w: Array, scale: Sequence[float] = (1.0,)) -> Array:
    """mean e^2 / 2 where |e| <= 1, else |e| - 1/2, e = (p - y) / scale; the mean over the targets."""
    error = np.abs(_columns(p - y)) / np.asarray(scale)
    return _mean(w, np.where(error <= 1, np.square(error) / 2, error - 0.5)).mean(-1)


@metric("pinball", "pinball loss", "quantiles")
def pinball(y: Array, p: Array, w: Array, quantiles: Sequence[float] = (0.5,)) -> Array:
    """mean max(q e, (q - 1) e), e = y - p; the mean over the quantiles q."""
    q, error = np.asarray(quantiles), y[:, None] - _columns(p)
    return _mean(w, np.maximum(q * error, (q - 1) * error)).mean(-1)


@metric("coverage", "interval coverage", "quantiles", greater=True)
def coverage(y: Array, p: Array, w: Array) -> Array:
    """mean [lowest quantile <= y <= highest]: it should be the distance of the two, not more. Of a single quantile
    mean [y <= it], which should be the quantile itself."""
    if p.ndim == 1 or p.shape[1] == 1:
        return _mean(w, y <= p.reshape(-1))
    return _mean(w, (p.min(1) <= y) & (y <= p.max(1)))


# -- sums --------------------------------------------------------------------------------------------------


def _mean(w: Array, x: Array) -> Array:
    """[...] of w [..., N] and x [N]; [..., T] of x [N, T]."""
    total = w.sum(-1)
    return (w @ x) / (total if x.ndim == 1 else total[..., None])


def _ratio(a: Array, b: Array, otherwise: float = np.nan) -> Array:
    return np.where(b > 0, a / np.where(b > 0, b, 1), otherwise)


def _columns(x: Array) -> Array:
    return x[:, None] if x.ndim == 1 else x


def _sums(code: Array, x: Array) -> Array:
    """[..., G]: the sums of x [..., N] over the rows of each code that there is."""
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    return np.add.reduceat(x[..., order], starts, axis=-1)


def _curve(positive: Array, score: Array, w: Array) -> tuple[Array, Array]:
    """Weights [..., thresholds + 1] of the true and the false positives from each threshold up, from none to all."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.inf))
    w = w.take(order, -1)
    every = np.zeros((*w.shape[:-1], len(ends) + 1))
    true = every.copy()
    every[..., 1:] = np.cumsum(w, -1)[..., ends]
    w *= positive[order]
    true[..., 1:] = np.cumsum(w, -1)[..., ends]
    return true, every - true


def _area(positive: Array, score: Array, w: Array) -> Array:
    true, false = _curve(positive, score, w)
    area = (np.diff(false) * (true[..., 1:] + true[..., :-1])).sum(-1) / 2
    return _ratio(area, true[..., -1] * false[..., -1])


def _precision(positive: Array, score: Array, w: Array) -> Array:
    true, false = _curve(positive, score, w)
    area = (np.diff(true) * _ratio(true, true + false, 0.0)[..., 1:]).sum(-1)
    return np.where(false[..., -1] > 0, _ratio(area, true[..., -1]), np.nan)


def _against_rest(of: Measure, y: Array, p: Array, w: Array) -> Array:
    """The mean over the classes where it is defined."""
    classes = (1,) if p.shape[1] == 2 else range(p.shape[1])
    values = np.stack([of(y == c, p[:, c], w) for c in classes])
    there = ~np.isnan(values)
    return _ratio(np.where(there, values, 0).sum(0), there.sum(0))


def _over_labels(of: Measure, y: Array, p: Array, w: Array) -> Array:
    labels = zip(y.T.astype(np.int64), p.T, strict=True)
    values: list[Any] = [of(one, np.stack([1 - q, q], 1), w) for one, q in labels]
    there = ~np.isnan(values)
    return _ratio(np.where(there, values, 0).sum(0), there.sum(0))


__all__ = ["METRICS", "Metric", "metrics_for"]
