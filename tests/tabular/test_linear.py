"""The linear models against scikit-learn's to 1e-6, with weights, several targets, starts, classes without rows."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge
from sklearn.preprocessing import StandardScaler

from schuss.errors import DataError, UsageError
from schuss.tabular import linear
from schuss.tabular.baselines import fit_trivial, weighted_quantiles
from schuss.tabular.design import Design
from schuss.tabular.linear import LinearModel, fit_linear

ROWS, COLUMNS = 400, 7
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, COLUMNS)) * [1, 5, 0.1, 100, 1, 1, 1] + [0, 1, 2, 1000, 0, 0, 0]
X[:, 5] = X[:, 4] + 0.01 * X[:, 6]  # nearly the same twice
X[:, 6] = RNG.random(ROWS) < 0.1
SIGNAL = (X[:, 0] + 0.1 * X[:, 1] + 4 * X[:, 2] - 8 + 0.01 * (X[:, 3] - 1000)) / 2
WEIGHTS = {"no weights": None, "weights": RNG.integers(0, 5, ROWS) * 0.7}


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each test, whichever ran before."""
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(1))


def standardised(w: Any) -> np.ndarray:
    return StandardScaler().fit(X, sample_weight=w).transform(X)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("targets", [None, 1, 3])
def test_ridge(targets: int | None, weights: str) -> None:
    w = WEIGHTS[weights]
    y = SIGNAL + RNG.normal(size=ROWS) if targets is None else SIGNAL[:, None] + RNG.normal(size=(ROWS, targets))
    oracle = Ridge(10.0).fit(standardised(w), y, None if w is None else w / w.mean())
    found = fit_linear(X, y, "regression", w).predict(X)
    assert found.shape == y.shape
    same(found, oracle.predict(standardised(w)).reshape(y.shape))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_ridge_with_more_columns_than_rows(weights: str) -> None:
    wide, y = RNG.normal(size=(30, 90)), RNG.normal(size=(30, 2))
    w = None if WEIGHTS[weights] is None else WEIGHTS[weights][:30]
    Z = StandardScaler().fit(wide, sample_weight=w).transform(wide)
    oracle = Ridge(10.0).fit(Z, y, None if w is None else w / w.mean())
    same(fit_linear(wide, y, "regression", w).predict(wide), oracle.predict(Z))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("classes", [2, 4])
def test_logistic(classes: int, weights: str) -> None:
    w = WEIGHTS[weights]
    y = np.clip(np.round(SIGNAL + RNG.normal(size=ROWS)) + classes // 2, 0, classes - 1).astype(np.int64)
    oracle = LogisticRegression(C=0.1, tol=1e-10, max_iter=10_000)
    oracle.fit(standardised(w), y, None if w is None else w / w.mean())
    model = fit_linear(X, y, "classification", w, tolerance=1e-8)
    assert model.coef.shape == (COLUMNS, classes)
    same(model.predict(X), oracle.predict_proba(standardised(w)))
    np.testing.assert_allclose(fit_linear(X, y, "classification", w).predict(X), model.predict(X), rtol=0, atol=5e-4)
    some = None if w is None else w[50:]
    again, fresh = (fit_linear(X[50:], y[50:], "classification", some, start=s, tolerance=1e-8) for s in (model, None))
    same(again.predict(X), fresh.predict(X))


@pytest.mark.parametrize("classes", [2, 4])
def test_a_start_saves_steps(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.clip(np.round(SIGNAL + RNG.normal(size=ROWS)) + classes // 2, 0, classes - 1).astype(np.int64)
    model = fit_linear(X, y, "classification", tolerance=1e-8)
    place, name = (Design, "gram") if classes == 2 else (linear, "_softmax_loss")
    calls, of = [], getattr(place, name)
    monkeypatch.setattr(place, name, lambda *a: calls.append(1) or of(*a))
    fit_linear(X, y, "classification", start=model)
    assert len(calls) == 1


@pytest.mark.parametrize("weights", WEIGHTS)
def test_poisson(weights: str) -> None:
    w = WEIGHTS[weights]
    y = RNG.poisson(np.exp(SIGNAL)).astype(float)
    oracle = PoissonRegressor(alpha=10 / ROWS, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    oracle.fit(standardised(w), y, None if w is None else w / w.mean())
    model = fit_linear(X, y, "counts", w)
    same(model.predict(X), oracle.predict(standardised(w)))
    same(fit_linear(X, y, "counts", w, start=model).predict(X), model.predict(X))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_gamma(weights: str) -> None:
    w = WEIGHTS[weights]
    y = RNG.gamma(2.0, np.exp(SIGNAL) / 2)
    oracle = GammaRegressor(alpha=10 / ROWS, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    oracle.fit(standardised(w), y, None if w is None else w / w.mean())
    model = fit_linear(X, y, "amounts", w)
    same(model.predict(X), oracle.predict(standardised(w)))
    same(fit_linear(X, y, "amounts", w, start=model).predict(X), model.predict(X))


def test_amounts_far_from_the_start_do_not_overflow() -> None:
    x = np.r_[np.zeros(99), 1.0][:, None]
    for far in (1e-6, 1e6):
        model = fit_linear(x, np.r_[np.ones(99), far], "amounts", penalty=1e-3)
        assert np.isfinite(model.predict(x)).all()
        assert np.log(model.predict(x)[-1]) == pytest.approx(np.log(far), rel=2e-2)


def test_labels_are_a_logistic_regression_each() -> None:
    y = np.stack([SIGNAL > 0, SIGNAL + RNG.normal(size=ROWS) > 1, np.zeros(ROWS), np.ones(ROWS)], 1).astype(np.int64)
    found = fit_linear(X, y, "labels").predict(X)
    for i in (0, 1):
        same(found[:, i], fit_linear(X, y[:, i], "classification").predict(X)[:, 1])
    assert found[:, 2].max() < 1e-9
    assert found[:, 3].min() > 1 - 1e-9


def test_quantiles_are_ridge_and_the_quantiles_of_its_errors() -> None:
    y, quantiles = SIGNAL + RNG.normal(size=ROWS), (0.1, 0.5, 0.9)
    found = fit_linear(X, y, "quantiles", quantiles=quantiles).predict(X)
    assert found.shape == (ROWS, 3)
    for i, q in enumerate(quantiles):
        assert (y <= found[:, i]).mean() == pytest.approx(q, abs=1 / ROWS)
    with pytest.raises(UsageError, match="needs quantiles="):
        fit_linear(X, y, "quantiles")


def test_classes_without_rows_are_almost_never_predicted() -> None:
    y = np.where(SIGNAL > 0, 3, 1)
    found = fit_linear(X, y, "classification", classes=5).predict(X)
    assert found.shape == (ROWS, 5)
    assert found[:, [0, 2, 4]].max() < 1e-12
    same(found[:, [1, 3]], fit_linear(X, (y == 3).astype(np.int64), "classification").predict(X))
    one = fit_linear(X, np.full(ROWS, 2), "classification", classes=3).predict(X)
    assert one[:, 2].min() > 1 - 1e-12
    y[:4] = [0, 2, 4, 4]
    weights = np.r_[np.zeros(4), np.ones(ROWS - 4)]
    same(fit_linear(X, y, "classification", weights, classes=5).predict(X)[:, [1, 3]].sum(1), np.ones(ROWS))


def test_separable_classes_constant_columns_and_float32() -> None:
    y = (SIGNAL > 0).astype(np.int64)
    model = fit_linear(np.c_[X, np.full(ROWS, 7.0)], y, "classification")
    assert model.coef[-1].tolist() == [0.0, 0.0]
    assert (model.predict(np.c_[X, np.full(ROWS, 7.0)]).argmax(1) == y).mean() > 0.95
    narrow = fit_linear(X.astype(np.float32), y, "classification").predict(X)
    np.testing.assert_allclose(narrow, fit_linear(X, y, "classification").predict(X), atol=1e-3)
    none = fit_linear(np.zeros((ROWS, 0)), y, "classification").predict(np.zeros((2, 0)))
    same(none, np.tile([1 - y.mean(), y.mean()], (2, 1)))
    same(fit_linear(np.zeros((ROWS, 0)), SIGNAL, "regression").predict(np.zeros((1, 0))), SIGNAL.mean())


def test_counts_far_from_the_start_do_not_overflow() -> None:
    x = np.r_[np.zeros(99), 1.0][:, None]
    y = np.r_[np.zeros(99), 1e6]
    model = fit_linear(x, y, "counts", penalty=1e-3)
    assert np.isfinite(model.predict(x)).all()
    assert model.predict(x)[-1] == pytest.approx(1e6, rel=1e-2)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(UsageError, match="task 'values' is none of classification"):
        fit_linear(X, SIGNAL, "values")
    with pytest.raises(DataError, match="give X"):
        fit_linear(X, SIGNAL[1:], "regression")
    with pytest.raises(DataError, match="fill what is missing"):
        fit_linear(np.where(X > 1000, np.nan, X), SIGNAL, "regression")
    with pytest.raises(DataError, match="row 1 is below 0"):
        fit_linear(X[:2], np.array([0.0, -1]), "counts")
    with pytest.raises(DataError, match="row 1 is not above 0"):
        fit_linear(X[:2], np.array([1.0, 0]), "amounts")
    with pytest.raises(DataError, match="all counts are 0"):
        fit_linear(X, np.zeros(ROWS), "counts")
    with pytest.raises(DataError, match="not all 0"):
        fit_linear(X, SIGNAL, "regression", np.zeros(ROWS))


SAME_BITS = """
import hashlib
import numpy as np
from schuss.tabular.linear import fit_linear
rng = np.random.default_rng(0)
X = rng.normal(size=(9000, 40))
f = X[:, 0] + rng.normal(size=9000)
found = [
    fit_linear(X, np.clip(np.round(f) + 2, 0, 4).astype(int), "classification"),
    fit_linear(X, (f > 0).astype(int), "classification"),
    fit_linear(X, f, "regression"),
    fit_linear(X, f, "regression", rng.random(9000)),
]
print(hashlib.sha256(b"".join(m.coef.tobytes() + m.intercept.tobytes() for m in found)).hexdigest())
"""


def test_the_bits_are_the_same_for_any_number_of_threads() -> None:
    bits = set()
    for threads in ("1", "2"):
        env = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        bits.add(subprocess.run([sys.executable, "-c", SAME_BITS], env=env, capture_output=True, check=True).stdout)
    assert len(bits) == 1


def test_trivial_baselines() -> None:
    y, w = np.array([0, 1, 1, 3]), np.array([1.0, 2, 1, 0])
    assert fit_trivial(y, "classification", classes=5).predict(2).tolist() == [[0.25, 0.5, 0, 0.25, 0]] * 2
    assert fit_trivial(y, "classification", w).value.tolist() == [0.25, 0.75, 0, 0]
    assert fit_trivial(y, "regression").predict(3).tolist() == [1.25] * 3
    assert fit_trivial(y, "counts", w, median=True).predict(1).tolist() == [1]
    both = np.stack([y, 2 * y], 1)
    assert fit_trivial(both, "regression", w).predict(1).tolist() == [[0.75, 1.5]]
    assert fit_trivial(both, "regression", median=True).value.tolist() == [1, 2]
    assert fit_trivial(both > 0, "labels").value.tolist() == [0.75, 0.75]
    assert fit_trivial(y, "quantiles", quantiles=(0.25, 0.5, 1)).value.tolist() == [0.5, 1, 3]
    with pytest.raises(UsageError, match="is none of"):
        fit_trivial(y, "ranks")


@pytest.mark.parametrize("rows", [1, 2, 9, 10])
def test_weighted_quantiles(rows: int) -> None:
    x, w = RNG.normal(size=rows), RNG.integers(1, 4, rows)
    q = np.linspace(0, 1, 11)
    expected = np.quantile(np.repeat(x, w), q, method="averaged_inverted_cdf")
    np.testing.assert_allclose(weighted_quantiles(x, q, w), expected)
    assert weighted_quantiles(x, [0.5], np.full(rows, 0.1))[0] == pytest.approx(np.median(x))


def test_a_model_is_what_it_says() -> None:
    model = LinearModel("counts", np.array([[1.0], [2.0]]), np.array([0.5]), flat=True)
    same(model.predict(np.array([[1.0, -1.0]])), np.exp([-0.5]))


@pytest.mark.parametrize("task", ["regression", "counts", "amounts", "binary", "classification", "labels", "quantiles"])
def test_columns_of_levels_need_not_be_made(task):
    rng = np.random.default_rng(5)
    rows, levels = 400, [7, 40]
    codes = np.stack([rng.integers(0, n - 1, rows) for n in levels], 1)  # the last levels have no rows
    hot = np.hstack([np.eye(n)[codes[:, i]] for i, n in enumerate(levels)])
    X = rng.normal(2, 3, (rows, 4))
    score = X[:, 0] / 3 + rng.normal(0, 1, levels[0])[codes[:, 0]] + rng.normal(0, 1, levels[1])[codes[:, 1]]
    y = {
        "regression": np.stack([score, -score + X[:, 1]], 1), "counts": rng.poisson(np.exp(score / 3)),
        "amounts": rng.gamma(2.0, np.exp(score / 3)),
        "binary": score > 0, "classification": np.digitize(score, [-1, 0, 1]),
        "labels": np.stack([score > 0, score > 1], 1).astype(np.int64), "quantiles": score,
    }[task]  # fmt: skip
    w = rng.uniform(0.1, 2, rows)
    given = {"quantiles": (0.1, 0.5)} if task == "quantiles" else {"tolerance": 1e-8}
    task, y = ("classification", y.astype(np.int64)) if task == "binary" else (task, y)
    made = fit_linear(np.hstack([X, hot]), y, task, w, **given)
    found = fit_linear(X, y, task, w, codes=codes, levels=levels, **given)
    np.testing.assert_allclose(found.coef, made.coef, rtol=0, atol=2e-5)
    np.testing.assert_allclose(found.intercept, made.intercept, rtol=0, atol=2e-5)
    again = fit_linear(X, y, task, w, codes=codes, levels=levels, start=made, **given)
    np.testing.assert_allclose(again.coef, made.coef, rtol=0, atol=2e-5)
    few = fit_linear(X[:30], y[:30], task, codes=codes[:30], levels=levels, **given)  # fewer rows than columns
    wide = fit_linear(np.hstack([X, hot])[:30], y[:30], task, **given)
    np.testing.assert_allclose(few.coef, wide.coef, rtol=0, atol=1e-4)


def test_a_step_that_lowers_nothing_is_not_taken() -> None:
    """From where the loss is flat the first step leads far up."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 3)), (np.arange(200) == 0).astype(np.int64)
    never = LinearModel("classification", np.zeros((3, 2)), np.array([0.0, -30.0]))
    cold = fit_linear(X, y, "classification", classes=2)
    warm = fit_linear(X, y, "classification", classes=2, start=never)

    def loss(model: LinearModel) -> float:
        return float(-np.log(np.maximum(model.predict(X)[np.arange(200), y], 1e-300)).mean())

    assert loss(warm) <= loss(never) + 1e-9
    assert loss(cold) < loss(never)
