"""Each metric against scikit-learn's, weighted and not, with ties; a bootstrap against one that is drawn row by row."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from sklearn import metrics as oracle

from schuss.errors import DataError, UsageError
from schuss.tabular.metrics import METRICS, Metric, metrics_for
from schuss.tabular.scoring import bootstrap, deviation, scores, scores_of_each, spread

RNG = np.random.default_rng(0)
ROWS = 300


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each test, whichever ran before."""
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(1))


def classes(count: int, places: int = 9) -> tuple[np.ndarray, np.ndarray]:
    y = RNG.permutation(np.arange(ROWS) % count)
    z = RNG.normal(size=(ROWS, count)) + 1.0 * np.eye(count)[y]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    p = np.round(p, places)  # few places: ties
    return y, p / p.sum(1, keepdims=True)


def calibration(y: Any, p: Any, sample_weight: Any) -> float:
    """By its definition, a bin at a time."""
    w, total = np.ones(len(y)) if sample_weight is None else sample_weight, 0.0
    for low in range(15):
        rows = (p.max(1) * 15 >= low) & ((p.max(1) * 15 < low + 1) | (low == 14))
        if rows.any():
            right, sure = (p.argmax(1) == y)[rows], p.max(1)[rows]
            total += w[rows].sum() * abs(np.average(right, weights=w[rows]) - np.average(sure, weights=w[rows]))
    return total / w.sum()


def against_rest(of: Callable[..., float]) -> Callable[..., float]:
    def each(y: Any, p: Any, sample_weight: Any) -> float:
        if p.shape[1] == 2:
            return of(y, p[:, 1], sample_weight=sample_weight)
        return float(np.mean([of(y == c, p[:, c], sample_weight=sample_weight) for c in range(p.shape[1])]))

    return each


def top(of: Callable[..., float]) -> Callable[..., float]:
    return lambda y, p, sample_weight: of(y, p.argmax(1), sample_weight=sample_weight)


def brier(y: Any, p: Any, sample_weight: Any) -> float:
    if p.shape[1] == 2:
        return oracle.brier_score_loss(y, p[:, 1], sample_weight=sample_weight)
    return float(np.average(np.square(p - np.eye(p.shape[1])[y]).sum(1), weights=sample_weight))


CLASSES = {
    "accuracy": top(oracle.accuracy_score),
    "balanced_accuracy": top(oracle.balanced_accuracy_score),
    "log_loss": oracle.log_loss,
    "roc_auc": against_rest(oracle.roc_auc_score),
    "average_precision": against_rest(oracle.average_precision_score),
    "calibration_error": calibration,
    "brier": brier,
}
NUMBERS = {
    "rmse": oracle.root_mean_squared_error,
    "mae": oracle.mean_absolute_error,
    "r2": oracle.r2_score,
    "poisson_deviance": oracle.mean_poisson_deviance,
    "gamma_deviance": oracle.mean_gamma_deviance,
}
WEIGHTS = {"no weights": None, "weights": RNG.integers(0, 4, ROWS).astype(float), "fractions": RNG.random(ROWS)}


def test_every_metric_has_an_oracle_here() -> None:
    assert set(METRICS) == {
        *CLASSES, *NUMBERS, "exact", "huber", "pinball", "coverage", "scaled_rmse", "scaled_mae",
    }  # fmt: skip


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("count, places", [(2, 9), (2, 1), (4, 9), (4, 1)])
@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str, count: int, places: int, weights: str) -> None:
    y, p = classes(count, places)
    if name == "log_loss":
        p = np.maximum(p, 1e-3)
        p /= p.sum(1, keepdims=True)
    w = WEIGHTS[weights]
    assert METRICS[name](y, p, w) == pytest.approx(CLASSES[name](y, p, sample_weight=w), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("targets", [None, 3])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str, targets: int | None, weights: str) -> None:
    shape = (ROWS,) if targets is None else (ROWS, targets)
    if name.endswith("deviance") and targets:
        return  # scikit-learn has it for one target
    y = RNG.poisson(2.0, shape).astype(float) + (name == "gamma_deviance")
    p, w = y + RNG.random(shape) + 0.1, WEIGHTS[weights]
    assert METRICS[name](y, p, w) == pytest.approx(NUMBERS[name](y, p, sample_weight=w), rel=1e-12)


def test_quantiles_and_their_interval() -> None:
    y, p = RNG.normal(size=ROWS), np.sort(RNG.normal(size=(ROWS, 3)), 1)
    w, quantiles = RNG.random(ROWS), (0.1, 0.5, 0.9)
    found = scores(metrics_for("quantiles", quantiles), y, p, w)
    losses = [oracle.mean_pinball_loss(y, p[:, i], alpha=q, sample_weight=w) for i, q in enumerate(quantiles)]
    inside = (y >= p[:, 0]) & (y <= p[:, 2])
    assert found == pytest.approx({"pinball": np.mean(losses), "coverage": np.average(inside, weights=w)})
    assert metrics_for("quantiles", quantiles)[1].title == "interval coverage (of 0.8)"


def test_a_single_quantile_covers_what_lies_below_it() -> None:
    y, w = RNG.normal(size=ROWS), RNG.random(ROWS)
    p = np.full((ROWS, 1), 0.3)
    one = metrics_for("quantiles", (0.6,))[1]
    assert one(y, p, w) == pytest.approx(np.average(y <= 0.3, weights=w))
    assert one.title == "rows at or below (of 0.6)"


def test_hubers_loss_is_of_errors_over_the_targets_scales() -> None:
    y, w, scale = RNG.normal(0, 3, (ROWS, 2)), RNG.random(ROWS), (2.0, 0.5)
    p = y + RNG.normal(0, 2, (ROWS, 2))
    found = metrics_for("regression", huber=scale)
    assert [m.name for m in found] == ["huber", "rmse", "mae", "r2"]
    each = scipy.special.huber(1.0, (p - y) / scale)
    assert found[0](y, p, w) == pytest.approx(np.average(each, axis=0, weights=w).mean())


def test_errors_of_several_targets_are_over_their_deviations() -> None:
    y, w, scales = RNG.normal(0, 3, (ROWS, 2)) * (1, 1000), RNG.random(ROWS), (3.0, 3000.0)
    p = y + RNG.normal(0, 1, (ROWS, 2)) * (1, 1000)
    found = metrics_for("regression", scales=scales)
    assert [m.name for m in found] == ["scaled_rmse", "scaled_mae", "r2"]
    assert found[0](y, p, w) == pytest.approx(oracle.root_mean_squared_error(y / scales, p / scales, sample_weight=w))
    assert found[1](y, p, w) == pytest.approx(oracle.mean_absolute_error(y / scales, p / scales, sample_weight=w))
    other = metrics_for("regression", scales=(3.0, 3.0))[0](y * (1, 1e-3), p * (1, 1e-3), w)  # in another unit
    assert found[0](y, p, w) == pytest.approx(other)
    assert [m.name for m in metrics_for("regression", scales=(3.0,))] == ["rmse", "mae", "r2"]


def test_labels_are_so_many_questions_of_two_classes() -> None:
    y, p = RNG.integers(0, 2, (ROWS, 3)), RNG.random((ROWS, 3))
    found = scores(metrics_for("labels"), y, p)
    assert found["roc_auc"] == pytest.approx(oracle.roc_auc_score(y, p))
    assert found["average_precision"] == pytest.approx(oracle.average_precision_score(y, p))
    assert found["accuracy"] == pytest.approx(((p > 0.5) == y).mean())
    assert found["exact"] == pytest.approx(oracle.accuracy_score(y, p > 0.5))
    each = scores_of_each("labels", ("a", "b", "c"), y, p)
    assert each["b"]["log_loss"] == pytest.approx(oracle.log_loss(y[:, 1], p[:, 1]))
    assert scores_of_each("regression", ("a",), y[:, :1], p[:, :1]) == {}
    assert scores_of_each("regression", "abc", y, p)["c"]["mae"] == pytest.approx(np.abs(y - p)[:, 2].mean())


def test_what_is_not_defined_is_nan_and_classes_that_are_not_there_do_not_count() -> None:
    y, p = classes(3)
    assert np.isnan(METRICS["roc_auc"](np.zeros(4, int), p[:4, :2]))
    assert np.isnan(METRICS["average_precision"](np.zeros(4, int), p[:4, :2]))
    y[y == 2] = 0
    each = [oracle.roc_auc_score(y == c, p[:, c]) for c in (0, 1)]
    assert METRICS["roc_auc"](y, p) == pytest.approx(np.mean(each))
    recalls = [(p.argmax(1) == c)[y == c].mean() for c in (0, 1)]
    assert METRICS["balanced_accuracy"](y, p) == pytest.approx(np.mean(recalls))


def test_a_sure_mistake_costs_a_finite_loss_and_a_constant_target_has_an_r2() -> None:
    assert METRICS["log_loss"](np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-7))
    constant = np.ones(5)
    assert METRICS["r2"](constant, constant) == oracle.r2_score(constant, constant) == 1.0
    assert METRICS["r2"](constant, constant + 1) == oracle.r2_score(constant, constant + 1) == 0.0


def test_which_metrics_fit_which_task() -> None:
    named = {task: [m.name for m in metrics_for(task)] for task in ("classification", "labels", "regression", "counts")}
    assert named["classification"] == list(CLASSES)
    assert named["labels"] == [*CLASSES, "exact"]
    assert named["regression"] == ["rmse", "mae", "r2"]
    assert named["counts"] == ["rmse", "mae", "r2", "poisson_deviance"]
    assert [m.name for m in metrics_for("amounts")] == ["rmse", "mae", "r2", "gamma_deviance"]
    assert [m.name for m in METRICS.values() if m.greater] == [
        "accuracy", "balanced_accuracy", "roc_auc", "average_precision", "exact", "r2", "coverage",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="task 'regresion' is none of classification"):
        metrics_for("regresion")
    with pytest.raises(UsageError, match="needs quantiles="):
        metrics_for("quantiles")


def test_what_cannot_be_measured_is_refused() -> None:
    y, p = classes(2)
    with pytest.raises(DataError, match="300 targets and 299 predictions"):
        METRICS["accuracy"](y, p[1:])
    p[7, 0] = np.nan
    with pytest.raises(DataError, match="the prediction of row 7 is not finite"):
        METRICS["accuracy"](y, p)
    with pytest.raises(DataError, match="not all 0"):
        METRICS["mae"](y, y, np.zeros(ROWS))


@pytest.mark.parametrize("task, count", [("classification", 2), ("classification", 3), ("counts", 0)])
def test_a_bootstrap_is_the_metric_of_rows_drawn_with_replacement(task: str, count: int) -> None:
    if count:
        y, p = classes(count, 2)
    else:
        y = RNG.poisson(2.0, ROWS).astype(float)
        p = y + RNG.random(ROWS) + 0.1
    w = RNG.random(ROWS)
    fit = metrics_for(task)
    found = bootstrap(fit, y, p, w, seed=5, draws=7)
    times = np.random.default_rng([5, 21]).multinomial(ROWS, np.full(ROWS, 1 / ROWS), 7)
    for i in range(7):
        rows = np.repeat(np.arange(ROWS), times[i])
        for name, value in scores(fit, y[rows], p[rows], w[rows]).items():
            assert found[name][i] == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_draws_depend_on_the_seed_and_not_on_how_many_are_weighed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = classes(2)
    fit: tuple[Metric, ...] = metrics_for("classification")
    whole = bootstrap(fit, y, p, seed=1, draws=20)
    other = bootstrap(fit, y, p, seed=2, draws=20)
    monkeypatch.setattr("schuss.tabular.scoring.AT_ONCE", 3)
    parts = bootstrap(fit, y, p, seed=1, draws=20)
    for name, values in whole.items():
        np.testing.assert_allclose(values, parts[name], rtol=1e-12)
        assert not np.array_equal(values, other[name])


def test_of_many_rows_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    y = RNG.integers(0, 2, 6000)
    z = y + RNG.normal(size=6000)
    p = np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], 1)
    fit = metrics_for("classification")
    some = bootstrap(fit, y, p, seed=0)
    monkeypatch.setattr("schuss.tabular.scoring.ROWS", 6000)
    whole, value = bootstrap(fit, y, p, seed=0), scores(fit, y, p)
    for name in ("accuracy", "log_loss", "roc_auc"):
        assert deviation(some[name]) == pytest.approx(deviation(whole[name]), rel=0.25)
        assert some[name].mean() == pytest.approx(value[name], abs=0.3 * deviation(whole[name]))
    monkeypatch.setattr("schuss.tabular.scoring.ROWS", 500)  # a tenth, and the spread of 6,000 still
    assert deviation(bootstrap(fit, y, p, seed=0)["log_loss"]) == pytest.approx(deviation(whole["log_loss"]), rel=0.3)


def test_spread_is_a_standard_error() -> None:
    y = RNG.normal(size=ROWS)
    p = y + RNG.normal(size=ROWS)
    fit = metrics_for("regression")
    expected = np.abs(p - y).std(ddof=1) / ROWS**0.5
    assert spread(fit, y, p, seed=3)["mae"] == pytest.approx(expected, rel=0.25)
    assert np.isnan(deviation(np.array([1.0, np.nan])))
    assert deviation(np.array([1.0, np.nan, 3.0])) == pytest.approx(2**0.5)


def test_draws_of_no_row_with_a_weight_are_of_those_that_have_one() -> None:
    y, p = RNG.normal(size=60), RNG.normal(size=60)
    found = bootstrap(metrics_for("regression"), y, p, np.eye(60)[7], seed=0)
    np.testing.assert_allclose(found["mae"], abs(p[7] - y[7]))


def test_a_sure_answer_lies_in_the_last_bin_of_the_calibration_error() -> None:
    p = np.array([[1.0, 0.0], [0.95, 0.05]])
    found = scores(metrics_for("classification"), np.array([1, 0]), p)["calibration_error"]
    assert found == pytest.approx((1.0 + 0.95 - 1) / 2)


def test_a_difference_of_models_has_less_spread_than_each() -> None:
    y = RNG.normal(size=ROWS)
    noise = RNG.normal(size=ROWS)
    a, b = (bootstrap(metrics_for("regression"), y, y + s * noise, seed=0)["rmse"] for s in (1.0, 1.05))
    assert deviation(b - a) < deviation(a) / 5
