"""Losses: values against jax, optax and scikit-learn, gradients, extremes, shapes, errors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from schuss import nn, ops
from schuss.errors import DTypeError, SchussError, ShapeError, UsageError
from schuss.ir.types import N, TensorType
from schuss.trace import trace

from .support import finite_difference, gradient, run

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(6, 5)) * 3
Y = RNG.integers(0, 5, 6)
T = RNG.normal(size=(6, 5))
P = RNG.dirichlet(np.ones(5), 6)
W = (0.5, 1.0, 2.0, 0.25, 3.0)
B = RNG.random((6, 5))

with jax.enable_x64(True):
    EXPECTED = {
        "huber": np.asarray(optax.huber_loss(jax.numpy.asarray(Z), jax.numpy.asarray(T), delta=0.7)),
        "bce": np.asarray(optax.sigmoid_binary_cross_entropy(jax.numpy.asarray(Z), jax.numpy.asarray(B))),
        "soft": np.asarray(optax.softmax_cross_entropy(jax.numpy.asarray(Z), jax.numpy.asarray(P))),
    }


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


# -- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int64", "int32", "uint32"])
def test_cross_entropy(dtype: str) -> None:
    loss = nn.CrossEntropyLoss()
    probabilities = np.exp(log_softmax(Z))
    want = log_loss(Y, probabilities, labels=range(5))
    assert run(loss, Z, Y.astype(dtype), symbolic=True) == pytest.approx(want, rel=1e-12)
    assert loss(Z, Y.astype(dtype)) == pytest.approx(want, rel=1e-12)  # arrays give arrays
    np.testing.assert_allclose(run(loss.per_example, Z, Y), -log_softmax(Z)[np.arange(6), Y], rtol=1e-12)


def test_cross_entropy_of_probabilities() -> None:
    np.testing.assert_allclose(run(nn.CrossEntropyLoss().per_example, Z, P), EXPECTED["soft"], rtol=1e-12)
    hard = np.eye(5)[Y]
    for target in (hard, hard.astype(np.uint8)):
        assert run(nn.CrossEntropyLoss(), Z, target) == pytest.approx(run(nn.CrossEntropyLoss(), Z, Y), rel=1e-12)


def test_cross_entropy_of_one_example() -> None:
    assert run(nn.CrossEntropyLoss(), Z[0], np.int64(Y[0])) == pytest.approx(-log_softmax(Z)[0, Y[0]])


@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize("hard", [True, False])
def test_weights_and_smoothing_follow_pytorchs_rules(smoothing: float, weight: Any, hard: bool) -> None:
    loss = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)
    target = np.eye(5)[Y] if hard else P
    w = np.ones(5) if weight is None else np.array(weight)
    smooth = target * (1 - smoothing) + smoothing / 5
    each = -(smooth * w * log_softmax(Z)).sum(1)
    divisor = w[Y].sum() if hard else 6
    given = Y if hard else P
    np.testing.assert_allclose(run(loss.per_example, Z, given), each, rtol=1e-12)
    assert run(loss, Z, given) == pytest.approx(each.sum() / divisor, rel=1e-12)


def test_nll() -> None:
    logs = log_softmax(Z)
    assert run(nn.NLLLoss(), logs, Y) == pytest.approx(run(nn.CrossEntropyLoss(), Z, Y), rel=1e-12)
    assert run(nn.NLLLoss(weight=W), logs, Y) == pytest.approx(run(nn.CrossEntropyLoss(weight=W), Z, Y), rel=1e-12)


ELEMENTWISE: list[tuple[nn.Loss, np.ndarray, np.ndarray]] = [
    (nn.MSELoss(), T, (Z - T) ** 2),
    (nn.L1Loss(), T, abs(Z - T)),
    (nn.HuberLoss(0.7), T, EXPECTED["huber"]),
    (nn.SmoothL1Loss(0.7), T, EXPECTED["huber"] / 0.7),
    (nn.SmoothL1Loss(0.0), T, abs(Z - T)),
    (nn.BCEWithLogitsLoss(), B, EXPECTED["bce"]),
]


@pytest.mark.parametrize("loss, target, want", ELEMENTWISE, ids=lambda v: type(v).__name__)
def test_elementwise_losses(loss: nn.Loss, target: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(run(loss.per_example, Z, target, symbolic=True), want.mean(1), rtol=1e-9)
    assert run(loss, Z, target, symbolic=True) == pytest.approx(want.mean(), rel=1e-9)


def test_against_sklearn() -> None:
    assert run(nn.MSELoss(), Z, T) == pytest.approx(mean_squared_error(T, Z), rel=1e-12)
    assert run(nn.L1Loss(), Z, T) == pytest.approx(mean_absolute_error(T, Z), rel=1e-12)


ALL: list[tuple[nn.Loss, np.ndarray, np.ndarray]] = [
    *((loss, Z, target) for loss, target, _ in ELEMENTWISE),
    (nn.CrossEntropyLoss(), Z, Y),
    (nn.CrossEntropyLoss(W, 0.1), Z, Y),
    (nn.CrossEntropyLoss(W, 0.1), Z, P),
    (nn.NLLLoss(W), Z, Y),
]


def test_every_loss_is_tested() -> None:
    assert {type(loss).__name__ for loss, _, _ in ALL} == set(nn.LOSSES)


@pytest.mark.parametrize("loss, pred, target", ALL, ids=lambda v: type(v).__name__)
def test_gradients(loss: nn.Loss, pred: np.ndarray, target: np.ndarray) -> None:
    got = gradient(loss, pred, target)
    np.testing.assert_allclose(got, finite_difference(loss, pred, target), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("loss, pred, target", ALL, ids=lambda v: type(v).__name__)
def test_reductions(loss: nn.Loss, pred: np.ndarray, target: np.ndarray) -> None:
    settings = loss.config()
    make = nn.LOSSES[settings.pop("type")]
    each = run(make(**{**settings, "reduction": "none"}), pred, target)
    total = run(make(**{**settings, "reduction": "sum"}), pred, target)
    assert total == pytest.approx(each.sum(), rel=1e-12)
    axes = tuple(range(1, each.ndim))
    np.testing.assert_allclose(run(loss.per_example, pred, target), each.mean(axes) if axes else each, rtol=1e-12)


# -- extremes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_of_huge_logits(dtype: str) -> None:
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]], dtype)
    y = np.array([1, 1])
    np.testing.assert_allclose(run(nn.CrossEntropyLoss().per_example, z, y), [2e4, 0])
    np.testing.assert_allclose(gradient(nn.CrossEntropyLoss(), z, y), [[0.5, -0.5, 0], [0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(W[:3])])
def test_cross_entropy_with_impossible_classes(loss: nn.Loss) -> None:
    z = np.array([[0.0, -np.inf, 0.0], [0.0, 0.0, -np.inf]])
    y = np.array([0, 1])
    np.testing.assert_allclose(run(nn.CrossEntropyLoss().per_example, z, y), [math.log(2)] * 2)
    assert np.isfinite(gradient(loss, z, y)).all()
    assert np.isposinf(run(loss.per_example, z, np.array([1, 1]))[0])  # what was impossible came true
    np.testing.assert_allclose(run(nn.CrossEntropyLoss(), z, np.array([[1.0, 0, 0], [0, 1, 0]])), math.log(2))


def test_bce_of_huge_logits() -> None:
    z = np.array([1e4, -1e4, 1e4, -1e4], np.float32)
    t = np.array([0, 0, 1, 1], np.float32)
    np.testing.assert_allclose(run(nn.BCEWithLogitsLoss().per_example, z, t), [1e4, 0, 0, 1e4])
    np.testing.assert_allclose(gradient(nn.BCEWithLogitsLoss(reduction="sum"), z, t), [1, 0, 0, -1])


def test_bce_gradient_at_zero_is_half_minus_target() -> None:
    """A network whose last layer starts at zero has all its logits at the kink of both terms."""
    t = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(gradient(nn.BCEWithLogitsLoss(reduction="sum"), np.zeros(3), t), 0.5 - t)


def test_huber_slope_is_bounded() -> None:
    z = np.array([-1e30, -2, 0, 0.5, 1e30])
    loss = nn.HuberLoss(1.0, reduction="sum")
    np.testing.assert_allclose(gradient(loss, z, np.zeros(5)), [-1, -1, 0, 0.5, 1])


# -- shapes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.SmoothL1Loss(), nn.BCEWithLogitsLoss()])
def test_integer_classes_become_one_hot(loss: nn.Loss) -> None:
    assert run(loss, Z, Y.astype(np.uint8)) == run(loss, Z, np.eye(5)[Y])


def test_columns_and_vectors_are_brought_together() -> None:
    z, t = RNG.normal(size=(4, 1)), RNG.normal(size=4)
    want = ((z[:, 0] - t) ** 2).mean()
    assert run(nn.MSELoss(), z, t, symbolic=True) == pytest.approx(want, rel=1e-12)
    assert run(nn.MSELoss(), z[:, 0], t[:, None], symbolic=True) == pytest.approx(want, rel=1e-12)
    labels = np.array([0, 1, 1, 0])
    assert run(nn.BCEWithLogitsLoss(), z, labels) == pytest.approx(
        run(nn.BCEWithLogitsLoss(), z, labels[:, None].astype(float)), rel=1e-12
    )
    assert run(nn.BCEWithLogitsLoss(), z, labels > 0) == run(nn.BCEWithLogitsLoss(), z, labels)
    assert run(nn.CrossEntropyLoss(), Z, Y[:, None]) == run(nn.CrossEntropyLoss(), Z, Y)


def test_target_takes_preds_dtype() -> None:
    got = run(nn.MSELoss(), Z.astype(np.float32), T)
    assert got.dtype == np.float32


def f32(*shape: Any) -> TensorType:
    return TensorType("float32", shape)


def ints(*shape: Any) -> TensorType:
    return TensorType("int64", shape)


@pytest.mark.parametrize(
    "loss, pred, target, error, message",
    [
        (nn.MSELoss(), f32(N, 3), f32(N), ShapeError, r"MSELoss: pred float32\[N,3\] and target float32\[N\]"),
        (nn.MSELoss(), f32(N, 3), f32(N, 2), ShapeError, "must have one shape"),
        (nn.MSELoss(), f32(N, 1), f32(N, 2), ShapeError, "must have one shape"),
        (nn.L1Loss(), ints(N), f32(N), DTypeError, r"pred must be floating, got int64\[N\]"),
        (
            nn.CrossEntropyLoss(),
            f32(N, 3),
            f32(N),
            DTypeError,
            r"integer class numbers \[N\] or probabilities \[N, 3\]",
        ),
        (nn.CrossEntropyLoss(), f32(N, 3), ints(N, 2), ShapeError, r"needs a target \[N\], got int64\[N,2\]"),
        (nn.CrossEntropyLoss(), f32(N, 3, 3), ints(N), ShapeError, r"pred must be \[N,C\]"),
        (nn.CrossEntropyLoss(), f32(N, 3), TensorType("bool", (N,)), DTypeError, "got bool"),
        (nn.CrossEntropyLoss(W), f32(N, 3), ints(N), ShapeError, "5 class weights for pred"),
        (nn.NLLLoss(), f32(N, 3), f32(N, 3), DTypeError, "integer class numbers"),
    ],
    ids=lambda v: "",
)
def test_wrong_targets_name_the_users_line(
    loss: nn.Loss, pred: TensorType, target: TensorType, error: type[SchussError], message: str
) -> None:
    def user(z: Any, t: Any) -> Any:
        return loss(z, t)

    with pytest.raises(error, match=message) as caught:
        trace(user, [pred, target])
    assert str(caught.value).endswith(f"(line: {__file__}:{user.__code__.co_firstlineno + 1})")
    assert "\n" not in str(caught.value)


def test_a_users_own_loss_names_their_line() -> None:
    def squared(z: Any, t: Any) -> Any:
        return ((z - t) ** 2).mean()

    with pytest.raises(ShapeError) as caught:
        trace(squared, [f32(N, 3), f32(N, 2)])
    assert f"{__file__}:{squared.__code__.co_firstlineno + 1}" in str(caught.value)


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), r"label_smoothing must be in \[0, 1\]"),
        (lambda: nn.CrossEntropyLoss(weight=[1, -1]), "class weights must be finite and not negative"),
        (lambda: nn.NLLLoss(weight=[np.nan]), "class weights must be finite"),
        (lambda: nn.CrossEntropyLoss(reduction="max"), "reduction must be one of mean, sum, none"),
        (lambda: nn.HuberLoss(0.0), "delta must be positive"),
        (lambda: nn.SmoothL1Loss(-1.0), "beta must not be negative"),
    ],
)
def test_bad_settings(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("loss", [loss for loss, _, _ in ALL], ids=lambda v: type(v).__name__)
def test_config_round_trip(loss: nn.Loss) -> None:
    assert nn.loss_from_config(json.loads(json.dumps(loss.config()))) == loss


def test_nodes_of_a_loss_carry_its_name() -> None:
    graph = trace(nn.MSELoss(), [f32(N, 3), f32(N, 3)])
    assert {n.scope for n in graph.nodes if n.op != "input"} == {"MSELoss"}


# -- sample weights ------------------------------------------------------------------------------------------


def test_weighted_mean() -> None:
    w = RNG.random(6)
    each = ((Z - T) ** 2).mean(1)
    got = run(lambda z, t, w: nn.weighted(nn.MSELoss(), z, t, w), Z, T, w)
    assert got == pytest.approx((w * each).sum() / w.sum(), rel=1e-12)


def test_weighted_mean_with_class_weights() -> None:
    w = RNG.random(6)
    cw = np.array(W)[Y]
    each = -log_softmax(Z)[np.arange(6), Y]
    got = run(lambda z, t, w: nn.weighted(nn.CrossEntropyLoss(W), z, t, w), Z, Y, w)
    assert got == pytest.approx((w * cw * each).sum() / (w * cw).sum(), rel=1e-12)


def test_weights_of_one_change_nothing() -> None:
    for loss, pred, target in ALL:
        got = run(lambda z, t, w, loss=loss: nn.weighted(loss, z, t, w), pred, target, np.ones(6))
        assert got == pytest.approx(run(loss, pred, target), rel=1e-12)


def test_weighted_errors() -> None:
    def mine(z: Any, t: Any) -> Any:
        return ops.mean((z - t) * (z - t))

    with pytest.raises(UsageError, match="which mine does not give; add a method per_example"):
        nn.weighted(mine, Z, T, np.ones(6))
    with pytest.raises(ShapeError, match=r"weights float64\[5\] for losses float64\[6\]"):
        nn.weighted(nn.MSELoss(), Z, T, np.ones(5))
