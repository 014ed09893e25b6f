"""The linear model that a network must beat: ridge, logistic, multinomial, Poisson and gamma regression on
prepared columns.

All minimise, over columns that are standardised first and with an intercept that is free,

    sum_i w_i loss(y_i, x_i b + a) + penalty / 2 |b|^2

with (y - f)^2 / 2, log(1 + exp f) - y f, -log softmax(f)_y, exp f - y f and y exp(-f) + f as losses, and weights of
mean 1. A penalty of 10 is scikit-learn's Ridge(alpha=10), LogisticRegression(C=0.1), PoissonRegressor(alpha=10 / N) and
GammaRegressor(alpha=10 / N).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.tabular.algebra import one_blas_thread, scipy
from schuss.tabular.baselines import weighted_quantiles
from schuss.tabular.design import Design, blocks, design

PENALTY = 10.0
NEWTONS = 100  # steps at most; quadratic near the end, so that a few are taken
CLOSE = 1e-9  # a Newton step that lowers the loss by less is the last
KEPT = 0.03
TOLERANCE = 1e-4
NEVER = 30.0  # how far below all others the intercept of a class without rows lies
WIDE = 1000  # columns from which a Gram matrix is not made for the multinomial loss


@dataclass(frozen=True)
class LinearModel:
    """f = X coef + intercept, and what the task makes of it.

    coef       float64 [D, K] for columns as they are given, not standardised
    intercept  float64 [K]
    flat       whether predictions are [N], not [N, K]
    """

    task: str
    coef: Array
    intercept: Array
    flat: bool = False

    def scores(self, X: Array) -> Array:
        """f, float64 [N, K]."""
        return X @ self.coef + self.intercept

    def predict(self, X: Array) -> Array:
        """float64 [N, K], or [N]: softmax(f) of "classification", sigmoid(f) of "labels", exp(f) of "counts" and
        "amounts", else f.

        X  [N, D]
        """
        f = self.scores(X)
        f = _LINKS[self.task](f) if self.task in _LINKS else f
        return f[:, 0] if self.flat else f


def fit_linear(
    X: Array,
    y: Array,
    task: str,
    weights: Array | None = None,
    *,
    classes: int | None = None,
    quantiles: Sequence[float] | None = None,
    penalty: float = PENALTY,
    start: LinearModel | None = None,
    tolerance: float = TOLERANCE,
    codes: Array | None = None,
    levels: Sequence[int] = (),
) -> LinearModel:
    """The linear model of a task, see schuss.tabular.metrics; that of "quantiles" is ridge, shifted by the quantiles of
    its errors.

    X          float [N, D]
    y          as the task has it; counts and amounts [N]
    weights    [N], of 0 or more; their scale is of no account
    classes    how many there are, where y may lack some: these get a probability of almost 0
    quantiles  of the task "quantiles"
    start      a model of like rows and columns: it saves steps, and gives the same but for the tolerance
    codes      int [N, C]: for each a column for each of its levels, behind those of X, which are not made; levels [C]
    tolerance  of more than two classes: the mean loss is within about its square of the least there is

    DataError for arrays that do not fit or numbers that are not finite, for counts below 0, and amounts of 0 and below.
    """
    if task not in _FITS:
        raise UsageError(f"fit_linear: task {task!r} is none of {', '.join(_FITS)}")
    X, y, w = _checked(X, y, weights)
    if task == "counts" and y.min() < 0:
        raise DataError(f"the target of row {int(np.argmin(y))} is below 0, which no count is: take regression")
    if task == "amounts" and not y.min() > 0:
        raise DataError(f"the target of row {int(np.argmin(y))} is not above 0, which an amount is: take regression")
    with one_blas_thread():
        Z, center, scale = design(X, w, codes, levels)
        at = None if start is None else _to_columns(start, center, scale, sum(levels))
        theta = _FITS[task](Z, y, w, _Settings(penalty, classes, quantiles, at, tolerance))
    coef = theta[:-1] / scale[:, None]
    flat = y.ndim == 1 and task in ("regression", "counts", "amounts")
    intercept = theta[-1] - center @ coef
    return LinearModel(task, np.roll(coef, -sum(levels), 0), intercept, flat)  # columns of levels come first in Z


@dataclass(frozen=True)
class _Settings:
    penalty: float
    classes: int | None
    quantiles: Sequence[float] | None
    start: Array | None  # [D + 1, K], of standardised columns
    tolerance: float


def _checked(X: Array, y: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim != 2 or len(X) != len(y) or not len(y):
        raise DataError(f"columns of shape {X.shape} and targets of shape {y.shape}: give X [N, D] and as many targets")
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise DataError("a linear model needs finite numbers: fill what is missing first")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, np.float64)
    if w.shape != (len(y),) or not (w >= 0).all() or not w.sum() > 0:
        raise DataError(f"weights of shape {w.shape} for {len(y)} rows: give one of 0 or more for each row, not all 0")
    return X, y, w / w.mean()


def _to_columns(model: LinearModel, center: Array, scale: Array, levels: int) -> Array:
    coef = np.roll(model.coef, levels, 0)
    return np.vstack([coef * scale[:, None], model.intercept + center @ coef])


def _penalties(Z: Design, penalty: float) -> Array:
    """[D + 1]: none for the intercept."""
    return np.append(np.full(Z.shape[1] - 1, penalty), 0.0)


def _solve(A: Array, b: Array) -> Array:
    """A^-1 b of a positive definite A."""
    linalg = scipy("linalg")
    return linalg.cho_solve(linalg.cho_factor(A, lower=True), b)


# -- numbers -----------------------------------------------------------------------------------------------


def _ridge(Z: Design, y: Array, w: Array, settings: _Settings) -> Array:
    """In closed form: (Z' w Z + penalty) b = Z' w y, or where there are fewer rows than columns b = Z' w u,
    (sqrt(w) Z Z' sqrt(w) + penalty) u = y. Columns and targets are centred, so the intercept is the mean."""
    y = y.reshape(len(y), -1).astype(np.float64)
    mean = w @ y / w.sum()
    rows, columns = len(Z), Z.shape[1] - 1
    penalty = np.eye(min(rows, columns)) * settings.penalty
    if columns <= rows:
        gram, right = Z.gram(w)[:-1, :-1], Z.back(w[:, None] * (y - mean))[:-1]
        coef = _solve(gram + penalty, right) if columns else np.zeros((0, y.shape[1]))
    else:
        root = np.sqrt(w)[:, None]
        A, b = Z.dense[:, :-1] * root, (y - mean) * root
        coef = A.T @ _solve(A @ A.T + penalty, b)
    return np.vstack([coef, mean])


def _quantiles(Z: Design, y: Array, w: Array, settings: _Settings) -> Array:
    if settings.quantiles is None:
        raise UsageError("fit_linear: task 'quantiles' needs quantiles=(0.1, 0.5, 0.9), those to predict")
    theta = np.repeat(_ridge(Z, y, w, settings), len(settings.quantiles), 1)
    theta[-1] += weighted_quantiles(y - Z @ theta[:, 0], settings.quantiles, w)
    return theta


def _counts(Z: Design, y: Array, w: Array, settings: _Settings) -> Array:
    if not y.any():
        raise DataError("all counts are 0: there is nothing to learn")
    first = _at_mean(Z, float(np.log(w @ y / w.sum()))) if settings.start is None else settings.start[:, 0]
    return _newton(_poisson, Z, y, w, settings.penalty, first)[:, None]


def _amounts(Z: Design, y: Array, w: Array, settings: _Settings) -> Array:
    first = _at_mean(Z, float(np.log(w @ y / w.sum()))) if settings.start is None else settings.start[:, 0]
    return _newton(_gamma, Z, y, w, settings.penalty, first)[:, None]


# -- classes -----------------------------------------------------------------------------------------------


def _classification(Z: Design, y: Array, w: Array, settings: _Settings) -> Array:
    """[D + 1, C]. Of two classes the first one's column is 0; classes without rows of any weight are left out."""
    counts = np.bincount(y, w, minlength=settings.classes or 0)
    there = np.flatnonzero(counts)
    theta = np.zeros((Z.shape[1], len(counts)))
    start = None if settings.start is None else settings.start[:, there]
    if len(there) == 2:
        first = _at_mean(Z, float(np.diff(np.log(counts[there]))[0])) if start is None else start[:, 1] - start[:, 0]
        theta[:, there[1]] = _newton(_logistic, Z, y == there[1], w, settings.penalty, first)
    elif len(there) > 2:
        theta[:, there] = _multinomial(Z, np.searchsorted(there, y), w, counts[there], start, settings)
    theta[-1, counts == 0] = theta[-1].min() - NEVER
    return theta


def _labels(Z: Design, y: Array, w: Array, settings: _Settings) -> Array:
    """[D + 1, L]: a logistic regression for each label; a constant one for a label that is always, or never, there."""
    parts = []
    for i, label in enumerate(y.T.astype(np.float64)):
        share = w @ label / w.sum()
        first = _at_mean(Z, float(np.clip(np.log(share) - np.log1p(-share), -NEVER, NEVER)) if 0 < share < 1 else 0.0)
        if not 0 < share < 1:
            parts.append(_at_mean(Z, NEVER if share else -NEVER))
            continue
        if settings.start is not None and settings.start[:-1, i].any():  # a constant one is no place to begin from
            first = settings.start[:, i]
        parts.append(_newton(_logistic, Z, label, w, settings.penalty, first))
    return np.stack(parts, 1)


def _at_mean(Z: Design, intercept: float) -> Array:
    return np.append(np.zeros(Z.shape[1] - 1), intercept)


# -- Newton, for one output --------------------------------------------------------------------------------

Family = Callable[[Array, Array], tuple[Array, Array, Array]]


def _logistic(f: Array, y: Array) -> tuple[Array, Array, Array]:
    """log(1 + exp f) - y f of each row, its first and its second derivative."""
    small = np.exp(-np.abs(f))
    p = np.where(f >= 0, 1, small) / (1 + small)
    return np.maximum(f, 0) + np.log1p(small) - y * f, p - y, small / np.square(1 + small)


def _poisson(f: Array, y: Array) -> tuple[Array, Array, Array]:
    """exp f - y f of each row, its first and its second derivative."""
    mean = np.exp(np.minimum(f, 300.0))
    return mean - y * f, mean - y, mean


def _gamma(f: Array, y: Array) -> tuple[Array, Array, Array]:
    """y exp(-f) + f of each row, its first and its second derivative."""
    ratio = y * np.exp(-np.maximum(f, -300.0))
    return ratio + f, 1 - ratio, ratio


def _newton(family: Family, Z: Design, y: Array, w: Array, penalty: float, theta: Array) -> Array:
    """[D + 1]: theta - H^-1 g until the loss falls by less than CLOSE; steps are halved until they lower it. H, which
    costs most, is kept while each step's gain is a small part of the last one's."""
    linalg, penalties = scipy("linalg"), _penalties(Z, penalty)
    factor: Any = None
    gain = before = np.inf

    def losses(theta: Array) -> tuple[float, Array, Array]:
        value, slope, curvature = family(Z @ theta, y)
        return float(w @ value + penalties @ np.square(theta) / 2), slope, curvature

    loss, slope, curvature = losses(theta)
    for _ in range(NEWTONS):
        gradient = Z.back(w * slope) + penalties * theta
        if factor is not None:
            step = linalg.cho_solve(factor, gradient)
            gain = float(gradient @ step) / 2
        if gain > KEPT * before or factor is None:
            factor = linalg.cho_factor(Z.gram(w * curvature) + np.diag(penalties + 1e-12 * len(Z)), lower=True)
            step = linalg.cho_solve(factor, gradient)
            gain = float(gradient @ step) / 2
        before = gain
        size = 1.0
        while True:
            trial = theta - size * step
            new, slope, curvature = losses(trial)
            if new <= loss + 1e-12 * abs(loss):
                break
            if size < 1e-6:  # nowhere lower: what there is stays
                return theta
            size /= 2
        theta, loss = trial, new
        if gain < CLOSE:
            break
    return theta


# -- more classes ------------------------------------------------------------------------------------------


def _multinomial(Z: Design, y: Array, w: Array, counts: Array, start: Array | None, settings: _Settings) -> Array:
    """[D + 1, C] by L-BFGS, in coordinates U = L' theta, where L L' = mean p (1 - p) Z' w Z + penalty: there all
    directions are curved alike, and correlated columns cost no steps."""
    solve = partial(scipy("linalg").solve_triangular, lower=True)
    penalties, total = _penalties(Z, settings.penalty), float(w.sum())
    shape = Z.shape[1], len(counts)
    L = _factor(Z, w, penalties, counts / total)
    if start is None:
        start = np.vstack([np.zeros((shape[0] - 1, shape[1])), np.log(counts / total)])
    start = start - start.mean(1, keepdims=True)  # the sum over the classes is free, and 0 at the minimum

    parts = [(Z.rows(some), some) for some in blocks(len(Z))]

    def loss(flat: Array) -> tuple[float, Array]:
        theta = solve(L, flat.reshape(shape), trans="T", check_finite=False)
        value, gradient = float(penalties @ np.square(theta).sum(1)) / 2, penalties[:, None] * theta
        for part, some in parts:
            more, p = _softmax_loss(np.ascontiguousarray((part @ theta).T), y[some], w[some])
            value += more
            gradient += part.back(p.T)
        return value, solve(L, gradient, check_finite=False).ravel()

    options = {"maxiter": 500, "maxcor": 10, "ftol": 1e-15, "gtol": settings.tolerance * total**0.5}
    found = scipy("optimize").minimize(loss, (L.T @ start).ravel(), jac=True, method="L-BFGS-B", options=options)
    return solve(L, found.x.reshape(shape), trans="T")


def _factor(Z: Design, w: Array, penalties: Array, share: Array) -> Array:
    """Lower triangular [D + 1, D + 1]."""
    curved = float((share * (1 - share)).mean())
    if Z.shape[1] > WIDE:
        return np.diag(np.sqrt(curved * len(Z) + penalties))
    A = curved * Z.gram(w) + np.diag(penalties + 1e-9 * len(Z))
    return scipy("linalg").cholesky(A, lower=True)


def _softmax_loss(f: Array, y: Array, w: Array) -> tuple[float, Array]:
    """sum w (log sum exp f - f_y) of f [C, N]; and its derivative, which is written over f."""
    f -= f.max(0)
    true = f[y, np.arange(len(y))]
    np.exp(f, out=f)
    total = f.sum(0)
    value = float(w @ (np.log(total) - true))
    f *= w / total
    f[y, np.arange(len(y))] -= w
    return value, f


def _softmax(f: Array) -> Array:
    e = np.exp(f - f.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _sigmoid(f: Array) -> Array:
    small = np.exp(-np.abs(f))
    return np.where(f >= 0, 1, small) / (1 + small)


_LINKS: dict[str, Callable[[Array], Array]] = {
    "classification": _softmax,
    "labels": _sigmoid,
    "counts": lambda f: np.exp(np.minimum(f, 300.0)),
    "amounts": lambda f: np.exp(np.minimum(f, 300.0)),
}
_FITS: dict[str, Callable[[Design, Array, Array, _Settings], Array]] = {
    "classification": _classification,
    "labels": _labels,
    "regression": _ridge,
    "counts": _counts,
    "amounts": _amounts,
    "quantiles": _quantiles,
}

__all__ = ["LinearModel", "fit_linear"]
