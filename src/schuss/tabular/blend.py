"""Weights of several models and the sharpness of their answers, chosen on out-of-fold predictions.

Out of fold means: the prediction of each row comes from a model that was not trained on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.tabular.algebra import one_blas_thread, scipy
from schuss.tabular.metrics import FLOOR, NUMBERS, Metric, pinball

ROUNDS = 20
DRAWS, DRAWN_BELOW = 16, 10_000
HOTTEST = float(np.exp(1.2))
FACTORS = 32  # probabilities that are multiplied before a logarithm is taken: FLOOR to this power is still a number


def blend_weights(
    candidates: Sequence[Array],
    y: Array,
    task: str,
    weights: Array | None = None,
    *,
    quantiles: Sequence[float] | None = None,
    rounds: int = ROUNDS,
    by: Metric | None = None,
    draws: int | None = None,
) -> Array:
    """float64 [M], at least 0, of sum 1: by 20 greedy steps, each of which adds the candidate that lowers the loss of
    the mean most; the mean after the step of the lowest loss, the first of equals. Below 10,000 rows the mean of the
    weights for 16 draws of the rows, as many with repetition: by few rows alone the best mean is partly chance.
    Of that mean candidates with less than half a step are left out.

    candidates  M arrays of out-of-fold predictions, as the task has them (schuss.tabular.metrics)
    by          the metric that is lowered; by default log loss of classes and labels, RMSE of numbers, pinball of
                quantiles
    draws       how many; 0: the rows as they are
    Source: Caruana, Niculescu-Mizil, Crew, Ksikes (ICML 2004).
    """
    y, every = np.asarray(y), [np.asarray(c) for c in candidates]

    def of(rows: Any) -> Array:
        own = None if weights is None else np.asarray(weights)[rows]
        parts, loss = _parts_and_loss([c[rows] for c in every], y[rows], task, own, quantiles)
        if by is not None and task in NUMBERS:
            parts, loss = [c[rows].astype(np.float64) for c in every], lambda p: by(y[rows], p, own)
        return _greedy(parts, loss, rounds)

    draws = (DRAWS if len(y) < DRAWN_BELOW else 0) if draws is None else draws
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(y), len(y)) for _ in range(draws)]
    found = [of(rows) for rows in drawn if weights is None or np.asarray(weights)[rows].any()]
    if not found:
        return of(slice(None))
    mean = np.mean(found, axis=0)
    mean[mean < min(0.5 / rounds, mean.max())] = 0
    return np.asarray(mean / mean.sum())


def _greedy(parts: Sequence[Array], loss: Callable[[Array], Any], rounds: int) -> Array:
    total, chosen, losses = np.zeros_like(parts[0]), [], []
    with one_blas_thread():
        for turn in range(1, rounds + 1):
            found = [loss((total + part) / turn) for part in parts]
            chosen.append(int(np.argmin(found)))
            losses.append(found[chosen[-1]])
            total += parts[chosen[-1]]
    best = int(np.argmin(losses)) + 1
    return np.bincount(chosen[:best], minlength=len(parts)) / best


def blended(candidates: Sequence[Array], weights: Array) -> Array:
    """sum_m weights[m] candidates[m]"""
    return sum((w * np.asarray(c) for w, c in zip(weights, candidates, strict=True) if w), np.zeros(()))


def temperature(logits: Array, y: Array, weights: Array | None = None, hottest: float = HOTTEST) -> float:
    """The T in [1, hottest] with the lowest log loss of softmax(logits / T); never below 1: a small table without a
    mistake would sharpen.

    logits float [N, C], out of fold, or the logarithms of probabilities; y int [N]. The loss is convex in 1 / T, so the
    root of its derivative is sought.
    """
    z = np.ascontiguousarray(logits.T, np.float64)  # [C, N]: sums over classes run over rows side by side
    z -= z[y, np.arange(len(y))]
    z -= (highest := z.max(0))
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)

    def slope(cold: float) -> float:
        """Of the loss in 1 / T: the sum of E[z] - z_y."""
        e = np.exp(cold * z)
        return float(w @ ((e * z).sum(0) / e.sum(0) + highest))

    with one_blas_thread():
        if slope(1.0) <= 0:
            return 1.0
        if slope(1 / hottest) >= 0:
            return hottest
        return 1 / float(scipy("optimize").brentq(slope, 1 / hottest, 1.0, xtol=1e-4))


def with_uniform(p: Array, rows: int, classes: int | None = None) -> Array:
    """(1 - 1/n) p + 1/n uniform, of p [..., C]: n rows cannot show that a mistake is rarer than one in n.

    classes  how many, where they are not the last axis, as of labels, each of which is there or not
    """
    return (1 - 1 / rows) * p + 1 / (rows * (classes or p.shape[-1]))


# -- losses of the mean ------------------------------------------------------------------------------------


def _parts_and_loss(
    candidates: Sequence[Array], y: Array, task: str, weights: Array | None, quantiles: Sequence[float] | None
) -> tuple[list[Array], Callable[[Array], Any]]:
    """What of the candidates the loss depends on, and the loss as a function of its mean. Of classes that is the true
    one's probability."""
    w = None if weights is None else np.asarray(weights, np.float64)
    if task == "classification":
        rows = np.arange(len(y))
        return [np.asarray(c)[rows, y].astype(np.float64) for c in candidates], lambda p: _log_loss(p, w)
    if task == "labels":
        parts = [np.where(y == 1, c, 1 - np.asarray(c)).astype(np.float64).ravel() for c in candidates]
        each = None if w is None else np.repeat(w, y.shape[1])
        return parts, lambda p: _log_loss(p, each)
    values = [np.asarray(c, np.float64) for c in candidates]
    if task in NUMBERS:
        return [v - y for v in values], lambda e: _rmse(e, w)
    if task == "quantiles" and quantiles is not None:
        ones = np.ones(len(y)) if w is None else w
        return values, lambda p: pinball(y, p, ones, quantiles)
    raise UsageError(
        f"blend: task {task!r} is none of classification, labels, {', '.join(NUMBERS)}, or quantiles with quantiles="
    )


def _log_loss(p: Array, w: Array | None) -> float:
    """Mean -log max(p, 1e-7). Without weights the logarithm is one of products, which costs a tenth."""
    p = np.maximum(p, FLOOR)
    if w is not None:
        return float(-(w @ np.log(p)) / w.sum())
    whole = len(p) - len(p) % FACTORS
    products = np.multiply.reduce(p[:whole].reshape(FACTORS, -1), 0)
    return float(-(np.log(products).sum() + np.log(p[whole:]).sum()) / len(p))


def _rmse(error: Array, w: Array | None) -> float:
    """The mean over the targets."""
    square = np.square(error.reshape(len(error), -1))
    mean = square.mean(0) if w is None else w @ square / w.sum()
    return float(np.sqrt(mean).mean())


__all__ = ["blend_weights", "blended", "temperature", "with_uniform"]
