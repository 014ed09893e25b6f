"""Schedules against closed formulas; clipping of gradients."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from schuss import optim
from schuss.errors import UsageError
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.types import TensorType
from schuss.trace import trace


def half_cosine(a: float, b: float, part: float) -> float:
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2


def one_cycle(t: int) -> float:
    if t <= 5:
        return half_cosine(0.04, 1.0, t / 5)
    return half_cosine(1.0, 0.04 / 1e4, min(1.0, (t - 5) / 14))


CASES: list[tuple[optim.Schedule, Callable[[int], float]]] = [
    (optim.Constant(0.3), lambda t: 0.3),
    (optim.Step(0.1, 7), lambda t: 0.1 * 0.1 ** (t // 7)),
    (optim.Step(0.1, 3, gamma=0.5), lambda t: 0.1 * 0.5 ** (t // 3)),
    (optim.Exponential(0.1, 0.9), lambda t: 0.1 * 0.9**t),
    (optim.Cosine(0.1, 20), lambda t: half_cosine(0.1, 0, min(1, t / 20))),
    (optim.Cosine(0.1, 20, min_lr=0.01), lambda t: half_cosine(0.1, 0.01, min(1, t / 20))),
    (optim.OneCycle(1.0, 20), one_cycle),
    (optim.OneCycle(1.0, 3), lambda t: half_cosine(1.0, 0.04 / 1e4, min(1, (t + 0.1) / 2.1))),
    (optim.OneCycle(1.0, 6, pct_start=1.0), lambda t: half_cosine(0.04, 1.0, t / 5) if t <= 5 else 0.04 / 1e4),
    (optim.Warmup(0.5, 4), lambda t: 0.5 * min(1, (t + 1) / 5)),
    (
        optim.Warmup(optim.Step(0.5, 3), 4),
        lambda t: 0.5 * min(1, (t + 1) / 5) * 0.1 ** (max(0, t - 4) // 3),
    ),
]


def test_every_schedule_has_a_case() -> None:
    assert {type(s).__name__ for s, _ in CASES} == set(optim.SCHEDULES)


@pytest.mark.parametrize("schedule, formula", CASES, ids=lambda v: repr(v) if isinstance(v, optim.Schedule) else "")
def test_formulas(schedule: optim.Schedule, formula: Callable[[int], float]) -> None:
    graph = trace(schedule, [TensorType("int64", ())])
    assert graph.outputs[0].type == TensorType("float64", ())
    compiled = ReferenceExecutor().compile(graph)
    for t in range(30):
        assert float(compiled([np.asarray(t)])[0]) == pytest.approx(formula(t), rel=1e-12, abs=1e-15)
        assert float(schedule(t)) == pytest.approx(formula(t), rel=1e-12, abs=1e-15)


def test_step_falls_exactly_at_multiples() -> None:
    """floor(t / size) is right for every t because the quotient of equal integers is exact."""
    for size in (1, 3, 7, 49, 1000):
        schedule = optim.Step(1.0, size, gamma=0.5)
        for k in (1, 2, 5):
            assert float(schedule(size * k)) == 0.5**k
            assert float(schedule(size * k - 1)) == 0.5 ** (k - 1)


@pytest.mark.parametrize("schedule", [s for s, _ in CASES], ids=repr)
def test_config_round_trip(schedule: optim.Schedule) -> None:
    assert optim.from_config(json.loads(json.dumps(schedule.config()))) == schedule


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.Constant(0), "Constant: lr must be a positive"),
        (lambda: optim.Cosine(optim.Constant(0.1), 10), "Cosine: lr must be a number, got a schedule"),
        (lambda: optim.Step(0.1, 0), "step_size must be a whole number of at least 1"),
        (lambda: optim.Step(0.1, 3, gamma=0), r"gamma must be in \(0, 1\]"),
        (lambda: optim.Exponential(0.1, 1.1), r"gamma must be in \(0, 1\]"),
        (lambda: optim.Cosine(0.1, 2.5), "steps must be a whole number"),
        (lambda: optim.Cosine(0.1, 10, min_lr=0.2), "min_lr must be between 0 and lr"),
        (lambda: optim.OneCycle(0.1, 10, pct_start=1.5), r"pct_start must be in \[0, 1\]"),
        (lambda: optim.OneCycle(0.1, 10, div_factor=0.5), "must be at least 1"),
        (lambda: optim.Warmup(-1, 3), "Warmup: lr must be a positive number"),
        (lambda: optim.Warmup(0.1, 0), "steps must be a whole number"),
    ],
)
def test_bad_settings(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


# -- clipping ------------------------------------------------------------------------------------------------

GRADS = {"a": np.array([[3.0, 0], [0, 0]]), "b": np.array([4.0])}


def test_clipping_scales_all_by_one_factor() -> None:
    clipped = optim.clip_grad_norm(GRADS, 1.0)
    for name, g in GRADS.items():
        np.testing.assert_allclose(clipped[name], g / (5 + 1e-6), rtol=1e-12)
    with jax.enable_x64(True):
        theirs, _ = optax.clip_by_global_norm(1.0).update({k: jax.numpy.asarray(g) for k, g in GRADS.items()}, None)
    for name in GRADS:
        np.testing.assert_allclose(clipped[name], theirs[name], rtol=1e-6)


def test_small_gradients_stay() -> None:
    for name, g in optim.clip_grad_norm(GRADS, 6.0).items():
        assert np.array_equal(g, GRADS[name])
    zeros = {"a": np.zeros(3, np.float32)}
    assert np.array_equal(optim.clip_grad_norm(zeros, 1.0)["a"], zeros["a"])


def test_clipping_in_a_graph_keeps_dtype() -> None:
    graph = trace(lambda g: optim.clip_grad_norm({"a": g}, 1.0)["a"], [TensorType("float32", (3,))])
    assert graph.outputs[0].type == TensorType("float32", (3,))


def test_nan_is_not_hidden() -> None:
    assert np.isnan(optim.clip_grad_norm({"a": np.array([np.nan, 1.0])}, 1.0)["a"]).all()


def test_bad_clipping() -> None:
    for norm in (0, -1, math.inf, math.nan):
        with pytest.raises(UsageError, match="max_norm must be positive"):
            optim.clip_grad_norm(GRADS, norm)
    with pytest.raises(UsageError, match="no gradients"):
        optim.global_norm({})
