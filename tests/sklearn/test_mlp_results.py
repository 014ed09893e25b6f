"""Fits against scikit-learn's: the same random_state gives the same weights, losses and scores to rounding."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
from sklearn import neural_network  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from schuss.sklearn import MLPClassifier, MLPRegressor  # noqa: E402
from tests.thinned import thinned  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(230, 6))
SCORE = X @ RNG.normal(size=6) + 0.3 * RNG.normal(size=230)
TWO = (SCORE > 0).astype(int)
THREE = np.digitize(SCORE, [-1, 1])
LABELS = np.array(["hen", "cat", "dog"])[THREE]
SEVERAL = np.stack([SCORE > 0, X[:, 0] > 0.5], axis=1).astype(int)
NUMBERS = SCORE + X[:, 1] ** 2
PAIRS = np.stack([NUMBERS, -X[:, 2]], axis=1)
COUNTS = RNG.poisson(np.exp(0.3 * SCORE))
WEIGHTS = RNG.uniform(0.2, 3, 230)


def both(name: str, y: Any, x: Any = X, weight: Any = None, **settings: Any) -> tuple[Any, Any]:
    """Ours and theirs, fitted alike."""
    settings = {"hidden_layer_sizes": (9, 5), "max_iter": 12, "random_state": 3, **settings}
    ours, theirs = ({"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name], getattr(neural_network, name))
    return tuple(
        made(**settings).fit(x, y, **({} if weight is None else {"sample_weight": weight})) for made in (ours, theirs)
    )  # type: ignore[return-value]


def alike(ours: Any, theirs: Any, x: Any = X, rtol: float = 1e-7) -> None:
    """All that a fit leaves."""
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("loss_", "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"):
        a, b = getattr(ours, name, None), getattr(theirs, name, None)
        if b is None:
            assert a is None or name == "loss_curve_"
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, err_msg=name)
    np.testing.assert_array_equal(
        ours.predict(x[:40]) if hasattr(ours, "classes_") else 0,
        theirs.predict(x[:40]) if hasattr(theirs, "classes_") else 0,
    )
    for name in ("predict_proba", "predict_log_proba") if hasattr(ours, "classes_") else ("predict",):
        a, b = getattr(ours, name)(x), getattr(theirs, name)(x)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=10 * rtol, atol=rtol)
    if hasattr(ours, "classes_"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)


SOLVERS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {"solver": "adam", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "alpha": 0.0},
    {"solver": "sgd", "learning_rate_init": 0.05},
    {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False, "alpha": 0.5},
    {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
    {"solver": "sgd", "learning_rate_init": 0.3, "learning_rate": "invscaling", "power_t": 0.2},
    {"solver": "sgd", "learning_rate_init": 0.1, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
]


@pytest.mark.parametrize("settings", SOLVERS, ids=str)
def test_solvers(settings: dict[str, Any]) -> None:
    alike(*both("MLPClassifier", TWO, **settings))
    alike(*both("MLPRegressor", NUMBERS, batch_size=32, shuffle=False, **settings))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations(activation: str) -> None:
    alike(*both("MLPClassifier", THREE, activation=activation))


TARGETS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "two": ("MLPClassifier", TWO, {}),
    "labels": ("MLPClassifier", LABELS, {}),
    "several": ("MLPClassifier", SEVERAL, {}),
    "numbers": ("MLPRegressor", NUMBERS, {}),
    "pairs": ("MLPRegressor", PAIRS, {}),
    "counts": ("MLPRegressor", COUNTS, {"loss": "poisson"}),
}
WEIGHTED = ["plain", "weighted"]


@pytest.mark.parametrize(("target", "early", "weight"), thinned([*TARGETS], ["all", "early"], WEIGHTED, by=2))
def test_targets(target: str, early: str, weight: str) -> None:
    name, y, more = TARGETS[target]
    given = WEIGHTS if weight == "weighted" else None
    alike(*both(name, y, weight=given, early_stopping=early == "early", batch_size=50, **more))


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_float32(name: str) -> None:
    x = X.astype("f4")
    ours, theirs = both(name, TWO, x)
    assert ours.coefs_[0].dtype == np.float32
    alike(ours, theirs, x, rtol=2e-3)
    mixed = ours.predict_proba(X) if name == "MLPClassifier" else ours.predict(X)
    assert mixed.dtype == np.float64


@pytest.mark.parametrize(("target", "weight"), thinned([*TARGETS], WEIGHTED, by=2))
def test_lbfgs(target: str, weight: str) -> None:
    name, y, more = TARGETS[target]
    given = WEIGHTS if weight == "weighted" else None
    ours, theirs = both(name, y, weight=given, solver="lbfgs", alpha=0.1, activation="tanh", **more)
    alike(ours, theirs, rtol=1e-5)


def test_a_loss_that_is_limited() -> None:
    """Far from the truth scikit-learn shows -log of at least eps."""
    ours, theirs = both("MLPClassifier", TWO, 1e3 * X, solver="sgd", max_iter=2, learning_rate_init=1e-6, shuffle=False)
    assert max(theirs.loss_curve_) > 10
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-7)  # theirs has 1 - p
    np.testing.assert_allclose(ours.predict_proba(1e3 * X), theirs.predict_proba(1e3 * X), atol=1e-9)


def test_from_equal_weights_and_in_order() -> None:
    """The losses that scikit-learn has, of weights that were set in both."""
    coefs, intercepts = [RNG.normal(size=(6, 4)), RNG.normal(size=(4, 1))], [RNG.normal(size=4), RNG.normal(size=1)]
    curves = []
    for made in (MLPRegressor, neural_network.MLPRegressor):
        est = made(hidden_layer_sizes=(4,), solver="sgd", shuffle=False, max_iter=5, warm_start=True, batch_size=64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            est.set_params(max_iter=1).fit(X, NUMBERS)
            est.coefs_, est.intercepts_ = [w.copy() for w in coefs], [b.copy() for b in intercepts]
            est.set_params(max_iter=5).fit(X, NUMBERS)
        curves.append(est.loss_curve_[1:])
    np.testing.assert_allclose(*curves, rtol=1e-12)
    assert len(curves[0]) == 5


def test_partial_fit() -> None:
    for settings in SOLVERS[:3]:
        pair = [
            made(random_state=0, hidden_layer_sizes=7, batch_size=40, **settings)
            for made in (MLPClassifier, neural_network.MLPClassifier)
        ]
        for est in pair:
            for part in range(4):
                rows = slice(50 * part, 50 * part + 60)
                est.partial_fit(X[rows], LABELS[rows], WEIGHTS[rows], classes=["cat", "dog", "hen"])
        alike(*pair)


def test_warm_start() -> None:
    pair = [
        made(random_state=0, warm_start=True, max_iter=3, solver="sgd", learning_rate="invscaling")
        for made in (MLPRegressor, neural_network.MLPRegressor)
    ]
    for est in pair:
        for y in (NUMBERS, -NUMBERS, NUMBERS):
            est.fit(X, y)
    alike(*pair)
    assert len(pair[0].loss_curve_) == 9


def test_verbose_says_what_theirs_says(capsys: Any) -> None:
    said = []
    for made in (MLPClassifier, neural_network.MLPClassifier):
        made(verbose=True, max_iter=50, random_state=0, early_stopping=True, n_iter_no_change=2).fit(X, TWO)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Stopping." in said[0]


def test_bits_do_not_depend_on_threads() -> None:
    wide = RNG.normal(size=(600, 40))
    y = wide[:, 0] + wide[:, 1] ** 2
    one, two = (
        MLPRegressor(hidden_layer_sizes=(96, 64), random_state=0, max_iter=3, threads=n).fit(wide, y) for n in (1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one.coefs_, two.coefs_, strict=True))
