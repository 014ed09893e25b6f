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
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_gamma_deviance,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
)

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
C = np.random.default_rng(1).poisson(2.0, (6, 5)).astype(float)
SEQUENCES = RNG.normal(size=(3, 4, 5))  # classes in axis 1, as PyTorch has them
IGNORED = RNG.integers(0, 4, (3, 5))
IGNORED[0, :2] = IGNORED[2] = -100

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


DELTAS = (0.1, 0.4, 0.7, 2.0, 50.0)  # one for each column
HUBERS = np.where(abs(Z - T) <= DELTAS, (Z - T) ** 2 / 2, np.array(DELTAS) * (abs(Z - T) - np.array(DELTAS) / 2))
ELEMENTWISE: list[tuple[nn.Loss, np.ndarray, np.ndarray]] = [
    (nn.MSELoss(), T, (Z - T) ** 2),
    (nn.L1Loss(), T, abs(Z - T)),
    (nn.HuberLoss(0.7), T, EXPECTED["huber"]),
    (nn.HuberLoss(DELTAS), T, HUBERS),
    (nn.SmoothL1Loss(0.7), T, EXPECTED["huber"] / 0.7),
    (nn.SmoothL1Loss(0.0), T, abs(Z - T)),
    (nn.BCEWithLogitsLoss(), B, EXPECTED["bce"]),
    (nn.QuantileLoss(0.8), T, np.maximum(0.8 * (T - Z), -0.2 * (T - Z))),
    (nn.PoissonNLLLoss(), C, np.exp(Z) - C * Z),
    (nn.GammaNLLLoss(), C + 1.0, Z + (C + 1) * np.exp(-Z)),
]


@pytest.mark.parametrize("loss, target, want", ELEMENTWISE, ids=lambda v: type(v).__name__)
def test_elementwise_losses(loss: nn.Loss, target: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(run(loss.per_example, Z, target, symbolic=True), want.mean(1), rtol=1e-9)
    assert run(loss, Z, target, symbolic=True) == pytest.approx(want.mean(), rel=1e-9)


def test_poisson_and_gamma_are_half_the_deviance() -> None:
    """But for what no prediction changes, which vanishes between two predictions."""
    y, other = C + 1.0, Z[::-1]
    for loss, deviance in ((nn.PoissonNLLLoss(), mean_poisson_deviance), (nn.GammaNLLLoss(), mean_gamma_deviance)):
        want = [deviance(y.ravel(), np.exp(z).ravel()) / 2 for z in (Z, other)]
        assert run(loss, Z, y) - run(loss, other, y) == pytest.approx(want[0] - want[1], rel=1e-9)
    stirling = np.where(C > 1, C * np.log(np.maximum(C, 1)) - C + 0.5 * np.log(2 * np.pi * np.maximum(C, 1)), 0)
    assert run(nn.PoissonNLLLoss(full=True), Z, C) == pytest.approx((np.exp(Z) - C * Z + stirling).mean(), rel=1e-12)
    means = np.exp(Z)
    assert run(nn.PoissonNLLLoss(log_input=False, eps=0.0), means, C) == pytest.approx(run(nn.PoissonNLLLoss(), Z, C))
    assert run(nn.GammaNLLLoss(log_input=False, eps=0.0), means, y) == pytest.approx(run(nn.GammaNLLLoss(), Z, y))
    with pytest.raises(SchussError, match=r"PoissonNLLLoss: target -\d at row 0, column 0 .* counts"):
        nn.PoissonNLLLoss()(Z, C - 1 - C[0, 0])
    with pytest.raises(SchussError, match="GammaNLLLoss: target 0"):
        nn.GammaNLLLoss()(Z, C * 0.0)


def test_quantiles() -> None:
    for q in (0.2, 0.5, 0.9):
        assert run(nn.QuantileLoss(q), Z, T) == pytest.approx(mean_pinball_loss(T, Z, alpha=q), rel=1e-12)
    several = nn.QuantileLoss((0.1, 0.5, 0.9))
    want = np.mean([mean_pinball_loss(T[:, 0], Z[:, k], alpha=q) for k, q in enumerate((0.1, 0.5, 0.9))])
    for target in (T[:, 0], T[:, :1]):
        assert run(several, Z[:, :3], target, symbolic=True) == pytest.approx(want, rel=1e-12)
    assert run(several, Z[:, :3], Y) == pytest.approx(run(several, Z[:, :3], Y.astype(float)))  # numbers, not classes
    assert nn.loss_from_config(json.loads(json.dumps(several.config()))) == several
    with pytest.raises(ShapeError, match=r"3 quantiles need pred \[N,3\] and a target \[N\]"):
        several(Z, T[:, 0])
    for bad in (0.0, 1.0, (), (0.5, 2.0)):
        with pytest.raises(UsageError, match="QuantileLoss: q must be"):
            nn.QuantileLoss(bad)


def test_focal() -> None:
    p = np.exp(log_softmax(Z))[np.arange(6), Y]
    np.testing.assert_allclose(run(nn.FocalLoss(3.0).per_example, Z, Y), -((1 - p) ** 3) * np.log(p), rtol=1e-9)
    assert run(nn.FocalLoss(0.0, W), Z, Y) == pytest.approx(run(nn.CrossEntropyLoss(W), Z, Y), rel=1e-12)
    sure = np.array([[1000.0, 0.0]])
    assert run(nn.FocalLoss(0.5), sure, np.array([0])) == 0.0
    assert np.isfinite(gradient(nn.FocalLoss(0.5), sure, np.array([0]))).all()
    with pytest.raises(DTypeError, match="FocalLoss: target must be integer class numbers"):
        nn.FocalLoss()(Z, P)


def test_against_sklearn() -> None:
    assert run(nn.MSELoss(), Z, T) == pytest.approx(mean_squared_error(T, Z), rel=1e-12)
    assert run(nn.L1Loss(), Z, T) == pytest.approx(mean_absolute_error(T, Z), rel=1e-12)


ALL: list[tuple[nn.Loss, np.ndarray, np.ndarray]] = [
    *((loss, Z, target) for loss, target, _ in ELEMENTWISE),
    (nn.CrossEntropyLoss(), Z, Y),
    (nn.CrossEntropyLoss(W, 0.1), Z, Y),
    (nn.CrossEntropyLoss(W, 0.1), Z, P),
    (nn.NLLLoss(W), Z, Y),
    (nn.NLLLoss(W, ignore_index=1), Z, Y),
    (nn.CrossEntropyLoss(W, 0.1, ignore_index=1), Z, Y),
    (nn.CrossEntropyLoss(ignore_index=-100), SEQUENCES, IGNORED),
    (nn.CrossEntropyLoss(W[:4], 0.1, axis=-1), SEQUENCES.transpose(0, 2, 1), np.abs(IGNORED) % 4),
    (nn.BCEWithLogitsLoss(pos_weight=W), Z, B),
    (nn.BCEWithLogitsLoss(pos_weight=3.0), Z, B),
    (nn.FocalLoss(), Z, Y),
    (nn.FocalLoss(1.5, W, ignore_index=1), Z, Y),
    (nn.QuantileLoss((0.1, 0.25, 0.5, 0.75, 0.9)), Z, T[:, 0]),
    (nn.PoissonNLLLoss(log_input=False), abs(Z) + 1, C),
    (nn.PoissonNLLLoss(full=True), Z, C),
    (nn.GammaNLLLoss(log_input=False), abs(Z) + 1, C + 1.0),
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


# -- sequences, targets to be ignored, weights of a yes -----------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 1, -1])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_sequences_of_classes(axis: int | None, smoothing: float) -> None:
    logits = np.moveaxis(SEQUENCES, 1, -1)
    y = np.abs(IGNORED) % 4
    with jax.enable_x64(True):
        t = optax.smooth_labels(jax.nn.one_hot(y, 4, dtype="float64"), smoothing)
        want = np.asarray(optax.softmax_cross_entropy(jax.numpy.asarray(logits), t))
    pred = logits if axis == -1 else SEQUENCES
    loss = nn.CrossEntropyLoss(label_smoothing=smoothing, axis=axis)
    for target in (y, np.moveaxis(np.eye(4)[y], -1, axis or 1)):
        assert run(loss, pred, target) == pytest.approx(want.mean(), rel=1e-12)
        np.testing.assert_allclose(loss.per_example(pred, target), want.mean(1), rtol=1e-12)
    logs = np.moveaxis(log_softmax(logits), -1, axis or 1)
    if not smoothing:
        assert nn.NLLLoss(axis=axis)(logs, y) == pytest.approx(want.mean(), rel=1e-12)


def test_where_the_classes_of_sequences_are() -> None:
    z, y = np.zeros((2, 7, 4)), np.zeros((2, 7), int)
    with pytest.raises(ShapeError, match=r"its classes in the last axis .*CrossEntropyLoss\(axis=-1\)"):
        nn.CrossEntropyLoss()(z, y)
    with pytest.raises(ShapeError, match=r"say which: NLLLoss\(axis=1\), as PyTorch has them, or NLLLoss\(axis=-1\)"):
        nn.NLLLoss()(np.zeros((2, 7, 7)), y)
    with pytest.raises(ShapeError, match=r"needs a target \[2,4\]"):
        nn.CrossEntropyLoss()(np.zeros((2, 5, 4)), y)
    with pytest.raises(ShapeError, match=r"needs a target \[2,7\]"):
        nn.CrossEntropyLoss(axis=-1)(z, np.zeros((2, 4), int))
    assert nn.CrossEntropyLoss(axis=1)(np.zeros((2, 7, 7)), y) == pytest.approx(math.log(7))


@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_ignored_targets_are_left_out(weight: Any, smoothing: float) -> None:
    """PyTorch's rule: as if these rows were not there."""
    kept = np.array([True, False, True, True, False, True])
    for ignore, dtype in ((-100, np.int64), (255, np.uint8)):
        target = np.where(kept, Y, ignore).astype(dtype)
        loss = nn.CrossEntropyLoss(weight, smoothing, ignore_index=ignore)
        want = nn.CrossEntropyLoss(weight, smoothing)(Z[kept], Y[kept])
        assert loss(Z, target) == pytest.approx(want, rel=1e-12)
        assert run(loss, Z, target, symbolic=True) == pytest.approx(want, rel=1e-12)
        slope = gradient(loss, Z, target)
        assert not slope[~kept].any()
        np.testing.assert_allclose(slope[kept], gradient(nn.CrossEntropyLoss(weight, smoothing), Z[kept], Y[kept]))
        w = RNG.random(6)
        got = nn.weighted(loss, Z, target, w)
        plain = nn.CrossEntropyLoss(weight, smoothing)
        assert got == pytest.approx(nn.weighted(plain, Z[kept], Y[kept], w[kept]), rel=1e-12)
    logs = log_softmax(Z)
    target = np.where(kept, Y, -1)
    want = nn.NLLLoss(weight)(logs[kept], Y[kept])
    assert nn.NLLLoss(weight, ignore_index=-1)(logs, target) == pytest.approx(want, rel=1e-12)


def test_a_batch_of_ignored_targets_weighs_nothing() -> None:
    loss, y = nn.CrossEntropyLoss(ignore_index=-1), np.full(6, -1)
    assert loss(Z, y) == 0.0
    assert not gradient(loss, Z, y).any()
    broken = Z.copy()
    broken[0, 0] = np.inf  # what is ignored may be anything
    got = run(loss, broken, np.array([-1, *Y[1:]]))
    assert got == pytest.approx(nn.CrossEntropyLoss()(Z[1:], Y[1:]))


def test_an_ignored_class_that_the_dtype_cannot_hold_is_never_met() -> None:
    assert nn.CrossEntropyLoss(ignore_index=-100)(Z, Y.astype(np.uint8)) == nn.CrossEntropyLoss()(Z, Y)


def test_accuracy_of_a_loss_leaves_ignored_targets_out() -> None:
    y = Z.argmax(1)
    y[:2] = -1
    y[2] = (y[2] + 1) % 5
    assert nn.CrossEntropyLoss(ignore_index=-1).accuracy(Z, y) == pytest.approx(3 / 4)


@pytest.mark.parametrize("weight", [3.0, W])
def test_weights_of_a_yes(weight: Any) -> None:
    p = 1 / (1 + np.exp(-Z))
    want = -(np.asarray(weight) * B * np.log(p) + (1 - B) * np.log(1 - p))
    loss = nn.BCEWithLogitsLoss(pos_weight=weight)
    np.testing.assert_allclose(run(loss.per_example, Z, B), want.mean(1), rtol=1e-9)
    ones = nn.BCEWithLogitsLoss(pos_weight=1.0)
    assert run(ones, Z, B) == pytest.approx(run(nn.BCEWithLogitsLoss(), Z, B), rel=1e-12)
    huge = np.array([1e4, -1e4])
    np.testing.assert_allclose(nn.BCEWithLogitsLoss("none", 2.0)(huge, np.array([0.0, 1.0])), [1e4, 2e4])
    slope = gradient(nn.BCEWithLogitsLoss("sum", 3.0), np.zeros(2), np.array([0.0, 1.0]))
    np.testing.assert_allclose(slope, [0.5, -1.5])
    with pytest.raises(ShapeError, match="2 numbers in pos_weight"):
        nn.BCEWithLogitsLoss(pos_weight=[1, 2])(Z, B)


# -- what a loss admits -----------------------------------------------------------------------------------------

X3 = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("loss", "pred", "target", "message"),
    [
        (nn.CrossEntropyLoss(), np.zeros((2, 1)), [0, 1], r"an output for each class.*nn.BCEWithLogitsLoss\(\)"),
        (nn.NLLLoss(), np.zeros((2, 1)), [0, 1], "an output for each class"),
        (nn.CrossEntropyLoss(), X3, [0, 3], "label 3 at row 1 is not below the 3 classes; .* 4 outputs"),
        (nn.CrossEntropyLoss(), X3, [0, -1], r"target: label -1 at row 1 is negative.*\(ignore_index=-1\)"),
        (nn.CrossEntropyLoss(ignore_index=-1), X3, [-1, -2], "target: label -2 at row 1 is negative"),
        (nn.CrossEntropyLoss(), X3, [0.0, 1.0], r"integer class numbers.*\.astype\(int\)"),
        (nn.CrossEntropyLoss(), X3, [True, False], "integer class numbers"),
        (nn.CrossEntropyLoss(), X3, [[0.5, 0.5, 0], [0.5, 0.6, 0]], "sum to 1.1 at row 1.*nn.BCEWithLogitsLoss"),
        (nn.CrossEntropyLoss(), X3, [[1, 0, 1], [0, 0, 1]], "sum to 2 at row 0"),
        (nn.CrossEntropyLoss(), X3, [[1.2, -0.2, 0], [0, 0, 1]], "target 1.2 at row 0, column 0 is not between"),
        (nn.CrossEntropyLoss(), X3, np.log([[0.5, 0.25, 0.25]] * 2), "target -0.69.* is not between 0 and 1"),
        (nn.CrossEntropyLoss(), X3, [[np.nan, 0, 1], [0, 0, 1]], "target nan"),
        (nn.NLLLoss(), X3, [0, 1], "takes log-probabilities.*sums to 3.*nn.CrossEntropyLoss"),
        (nn.NLLLoss(), np.full((2, 3), 1 / 3), [0, 1], "takes log-probabilities"),
        (nn.BCEWithLogitsLoss(), np.zeros(2), [-1, 1], r"target -1 at row 0 is not between 0 and 1.*\(y > 0\)"),
        (nn.BCEWithLogitsLoss(), np.zeros((2, 1)), [0.0, 255.0], "target 255 at row 1.*y / 255"),
        (nn.BCEWithLogitsLoss(), X3, [0, 3], "target: label 3 at row 1 is not below the 3 classes"),
        (nn.MSELoss(), X3, [0, 3], "target: label 3 at row 1 is not below the 3 classes"),
        (nn.L1Loss(), X3, [0, -1], "target: label -1 at row 1 is negative"),
        (nn.MSELoss(), (X3, X3), X3, r"MSELoss: takes one prediction and got a tuple of 2.*nn.MSELoss\(\)\(pred\[0\]"),
        (nn.CrossEntropyLoss(), {"a": X3}, [0, 1], r"got a dict of 1.*pred\['a'\]"),
        (nn.BCEWithLogitsLoss(), X3, (X3, X3), "takes one target and got a tuple of 2"),
    ],
)  # fmt: skip
def test_what_a_loss_does_not_admit(loss: nn.Loss, pred: Any, target: Any, message: str) -> None:
    target = np.array(target) if isinstance(target, list) else target
    for call in (loss, loss.per_example):
        with pytest.raises(SchussError, match=message) as caught:
            call(pred, target)
        assert type(loss).__name__ in str(caught.value)
        assert f"(line: {__file__}:" in str(caught.value)


def test_what_a_loss_admits() -> None:
    assert nn.CrossEntropyLoss()(X3, np.array([[0.33, 0.33, 0.33], [0.3, 0.3, 0.4]])) > 0  # rounded
    assert nn.BCEWithLogitsLoss()(np.zeros((2, 1)), np.array([True, False])) == pytest.approx(math.log(2))
    assert nn.BCEWithLogitsLoss()(np.zeros(2), np.array([0.1, 0.9])) == pytest.approx(math.log(2))
    assert nn.MSELoss()(np.zeros((2, 1)), np.array([-5, 7])) == 37  # with one output integers are numbers
    assert {loss.admits.task for loss, _, _ in ALL} == {"classes", "yes or no", "numbers"}


def test_one_number_an_example_is_no_logits_of_classes() -> None:
    """[N] against [N] would be a softmax over the examples."""
    for target in (f32(N), ints(N)):
        with pytest.raises(ShapeError, match="an output for each class"):
            trace(nn.CrossEntropyLoss(), [f32(N), target])


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
        (nn.CrossEntropyLoss(), f32(N, 3, 3), ints(N), ShapeError, r"needs a target \[N,3\], got int64\[N\]"),
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
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.5), r"label_smoothing must be a number in \[0, 1\]"),
        (lambda: nn.CrossEntropyLoss(weight=[1, -1]), "class weights must be finite and not negative"),
        (lambda: nn.NLLLoss(weight=[np.nan]), "class weights must be finite"),
        (lambda: nn.CrossEntropyLoss(reduction="max"), "reduction must be one of mean, sum, none"),
        (lambda: nn.HuberLoss(0.0), "delta must be a positive number"),
        (lambda: nn.HuberLoss((1.0, 0.0)), "delta must be positive numbers"),
        (lambda: nn.HuberLoss(()), "delta must be positive numbers"),
        (lambda: nn.SmoothL1Loss(-1.0), "beta must be a number of at least 0"),
    ],
)
def test_bad_settings(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("loss", [loss for loss, _, _ in ALL], ids=lambda v: type(v).__name__)
def test_config_round_trip(loss: nn.Loss) -> None:
    assert nn.loss_from_config(json.loads(json.dumps(loss.config()))) == loss


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 1)])
def test_as_many_deltas_as_columns(shape: tuple[int, ...]) -> None:
    z = np.ones(shape)
    with pytest.raises(ShapeError, match=r"HuberLoss: 2 deltas need as many numbers a row, got float64\[6"):
        nn.HuberLoss((1.0, 2.0))(z, z)


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
        got = run(lambda z, t, w, loss=loss: nn.weighted(loss, z, t, w), pred, target, np.ones(len(target)))
        assert got == pytest.approx(run(loss, pred, target), rel=1e-12)


def test_weights_normalised_over_the_data() -> None:
    """Their mean over the data is 1: a batch's loss is the mean of w * l, and a loss's own weights stay a rule of the
    batch, as in PyTorch."""
    w = RNG.random(6)
    each = -log_softmax(Z)[np.arange(6), Y]

    def got(loss: nn.Loss, y: Any = Y) -> Any:
        return run(lambda z, t, w: nn.weighted(loss, z, t, w, normalised=True), Z, y, w)

    assert got(nn.CrossEntropyLoss()) == pytest.approx((w * each).mean(), rel=1e-12)
    own = np.array(W)[Y]
    assert got(nn.CrossEntropyLoss(W)) == pytest.approx((w * own * each).sum() / own.sum(), rel=1e-12)
    ignored = np.where(np.arange(6) < 2, -1, Y)
    assert got(nn.CrossEntropyLoss(ignore_index=-1), ignored) == pytest.approx((w * each)[2:].mean(), rel=1e-12)
    for loss, pred, target in ALL:
        ones = run(
            lambda z, t, w, loss=loss: nn.weighted(loss, z, t, w, normalised=True), pred, target, np.ones(len(target))
        )
        assert ones == pytest.approx(run(loss, pred, target), rel=1e-12)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_sum_with_weights_stays_a_sum(normalised: bool) -> None:
    w = RNG.random(6)
    for loss, pred, target in ALL:
        settings = loss.config()
        make = nn.LOSSES[settings.pop("type")]
        each = run(make(**{**settings, "reduction": "none"}), pred, target)
        total = make(**{**settings, "reduction": "sum"})
        want = (w[: len(target)] * each.reshape(len(target), -1).sum(1)).sum()
        got = run(
            lambda z, t, w, loss=total: nn.weighted(loss, z, t, w, normalised=normalised),
            pred,
            target,
            w[: len(target)],
        )
        assert got == pytest.approx(want, rel=1e-12)


def test_weighted_errors() -> None:
    def mine(z: Any, t: Any) -> Any:
        return ops.mean((z - t) * (z - t))

    with pytest.raises(UsageError, match=r"mine gives one number; write it as a class: class Own\(nn.Loss\)"):
        nn.weighted(mine, Z, T, np.ones(6))
    with pytest.raises(ShapeError, match=r"weights float64\[5\] for losses float64\[6\]"):
        nn.weighted(nn.MSELoss(), Z, T, np.ones(5))


# -- what a loss says about itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", nn.LOSSES)
def test_a_loss_says_what_it_is_for(name: str) -> None:
    loss = nn.LOSSES[name]()
    assert loss.admits.task in ("classes", "yes or no", "numbers")
    assert loss.label not in ("loss", "")
    read = loss.probabilities(np.log([[0.25, 0.75], [0.5, 0.5]]))
    assert (read is None) == (loss.admits.task == "numbers")
    if loss.admits.task == "classes":
        np.testing.assert_allclose(read, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-12)
        along = loss.probabilities(np.log([[0.25, 0.75], [0.5, 0.5]]).T, axis=0)
        np.testing.assert_allclose(along, [[0.25, 0.5], [0.75, 0.5]], rtol=1e-12)


def test_a_loss_is_known_by_itself_or_by_its_config() -> None:
    loss = nn.CrossEntropyLoss(axis=-1)
    assert nn.known_loss(loss) is loss
    assert nn.known_loss(loss.config()) == loss
    assert nn.known_loss({"type": "Quantile"}) is nn.known_loss(lambda p, t: 0.0) is nn.known_loss(None) is None
