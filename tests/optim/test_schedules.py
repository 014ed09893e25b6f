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


def doubling(t: int) -> float:
    """How much of its cycle is done, for cycles of 3, 6, 12 and 24 steps."""
    length = 3
    while t >= length:
        t, length = t - length, 2 * length
    return t / length


CASES: list[tuple[optim.Schedule, Callable[[int], float]]] = [
    (optim.Constant(0.3), lambda t: 0.3),
    (optim.Step(0.1, 7), lambda t: 0.1 * 0.1 ** (t // 7)),
    (optim.Step(0.1, 3, gamma=0.5), lambda t: 0.1 * 0.5 ** (t // 3)),
    (optim.MultiStep(0.1, (3, 8, 8), gamma=0.5), lambda t: 0.1 * 0.5 ** ((t >= 3) + 2 * (t >= 8))),
    (optim.Exponential(0.1, 0.9), lambda t: 0.1 * 0.9**t),
    (optim.Cosine(0.1, 20), lambda t: half_cosine(0.1, 0, min(1, t / 20))),
    (optim.Cosine(0.1, 20, min_lr=0.01), lambda t: half_cosine(0.1, 0.01, min(1, t / 20))),
    (optim.FlatCosine(0.1, 20), lambda t: half_cosine(0.1, 0, min(1, max(0, t - 10) / 10))),
    (optim.FlatCosine(0.1, 18, 0.3, 0.01), lambda t: half_cosine(0.1, 0.01, min(1, max(0, t - 5.4) / 12.6))),
    (optim.FlatCosine(0.1, 20, flat=0.0), lambda t: half_cosine(0.1, 0, min(1, t / 20))),
    (0.3 * optim.FlatCosine(0.1, 20), lambda t: 0.3 * half_cosine(0.1, 0, min(1, max(0, t - 10) / 10))),
    (optim.Scaled(0.5, 0.2), lambda t: 0.1),
    (optim.CosineWarmRestarts(0.1, 7, min_lr=0.01), lambda t: half_cosine(0.1, 0.01, t % 7 / 7)),
    (optim.CosineWarmRestarts(0.1, 3, multiplier=2), lambda t: half_cosine(0.1, 0, doubling(t))),
    (optim.ReduceLROnPlateau(0.1), lambda t: 0.1),
    (optim.ReduceLROnPlateau(optim.Step(0.1, 7)), lambda t: 0.1 * 0.1 ** (t // 7)),
    (optim.OneCycle(1.0, 20), one_cycle),
    (optim.OneCycle(1.0, 3), lambda t: half_cosine(1.0, 0.04 / 1e4, min(1, (t + 0.1) / 2.1))),
    (optim.OneCycle(1.0, 6, pct_start=1.0), lambda t: half_cosine(0.04, 1.0, t / 5) if t <= 5 else 0.04 / 1e4),
    (
        optim.OneCycleMomentum(20),
        lambda t: 0.95 - 0.1 * half_cosine(0, 1, t / 5 if t <= 5 else max(0, 1 - (t - 5) / 14)),
    ),
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


def test_a_part_of_a_schedule_ends_and_rises_with_it() -> None:
    part = 0.1 * optim.Warmup(optim.Cosine(0.1, 20), 5)
    assert (part.length, part.rise) == (25, 5)
    assert (optim.Scaled(0.1, 2.0).length, optim.Scaled(0.1, 2.0).rise) == (None, 0)
    assert (optim.FlatCosine(0.1, 20).length, optim.FlatCosine(0.1, 20, min_lr=0.01).length) == (20, None)
    with pytest.raises(TypeError):
        part * "a"  # type: ignore[operator]


def test_step_falls_exactly_at_multiples() -> None:
    """floor(t / size) is right for every t because the quotient of equal integers is exact."""
    for size in (1, 3, 7, 49, 1000):
        schedule = optim.Step(1.0, size, gamma=0.5)
        for k in (1, 2, 5):
            assert float(schedule(size * k)) == 0.5**k
            assert float(schedule(size * k - 1)) == 0.5 ** (k - 1)


def test_restarts_come_exactly() -> None:
    for steps, multiplier in ((1, 2), (7, 3), (1000, 10), (5, 1)):
        schedule = optim.CosineWarmRestarts(1.0, steps, multiplier)
        start, length = 0, steps
        for _ in range(7):
            assert float(schedule(start)) == 1.0
            if length > 3:
                assert float(schedule(start + length - 1)) < 0.6
            start, length = start + length, length * multiplier


def test_against_optax() -> None:
    theirs = optax.piecewise_constant_schedule(0.1, {3: 0.5, 8: 0.5})
    for t in range(12):
        assert float(optim.MultiStep(0.1, [3, 8], 0.5)(t)) == pytest.approx(float(theirs(t)), rel=1e-6)
    restarts = [{"init_value": 0.1, "peak_value": 0.1, "decay_steps": n, "warmup_steps": 0} for n in (4, 8, 16)]
    theirs = optax.sgdr_schedule(restarts)
    for t in range(28):
        ours = float(optim.CosineWarmRestarts(0.1, 4, 2)(t))
        assert ours == pytest.approx(float(theirs(t)), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("schedule", [s for s, _ in CASES], ids=repr)
def test_config_round_trip(schedule: optim.Schedule) -> None:
    assert optim.from_config(json.loads(json.dumps(schedule.config()))) == schedule


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.Constant(0), "Constant: lr must be a positive"),
        (lambda: optim.Cosine(optim.Constant(0.1), 10), "Cosine: lr must be a number, not a schedule, got Constant"),
        (lambda: optim.Step(0.1, 0), "step_size must be a whole number of at least 1"),
        (lambda: optim.Step(0.1, 3, gamma=0), r"gamma must be a number in \(0, 1\]"),
        (lambda: optim.Exponential(0.1, 1.1), r"gamma must be a number in \(0, 1\]"),
        (lambda: optim.Cosine(0.1, 2.5), "steps must be a whole number"),
        (lambda: optim.Cosine(0.1, 10, min_lr=0.2), "min_lr must be between 0 and lr"),
        (lambda: optim.MultiStep(0.1, ()), "milestones must be a list of one or more entries"),
        (lambda: optim.MultiStep(0.1, (3, 2.5)), r"milestones\[1\] must be a whole number"),
        (lambda: optim.CosineWarmRestarts(0.1, 10, 0), "multiplier must be a whole number"),
        (lambda: optim.CosineWarmRestarts(0.1, 10, min_lr=1), "min_lr must be between 0 and lr"),
        (lambda: optim.ReduceLROnPlateau(0.1, "less"), "mode must be one of min, max, got 'less'"),
        (lambda: optim.ReduceLROnPlateau(0.1, factor=1.0), r"factor must be a number in \(0, 1\)"),
        (lambda: optim.ReduceLROnPlateau(0.1, patience=-1), "patience must be a whole number of at least 0"),
        (lambda: optim.ReduceLROnPlateau(0.1, metric="mine"), "is a small or a large mine better"),
        (lambda: optim.OneCycle(0.1, 10, pct_start=1.5), r"pct_start must be a number in \[0, 1\]"),
        (lambda: optim.OneCycle(0.1, 10, div_factor=0.5), "div_factor must be a number of at least 1, got 0.5"),
        (lambda: optim.Warmup(-1, 3), "Warmup: inner must be a positive number or a schedule"),
        (lambda: optim.Warmup(0.1, 0), "steps must be a whole number"),
        (lambda: optim.FlatCosine(0.1, 10, 1.0), r"FlatCosine: flat must be a number in \[0, 1\)"),
        (lambda: optim.FlatCosine(0.1, 10, min_lr=0.2), "FlatCosine: min_lr must be between 0 and lr"),
        (lambda: optim.Constant(0.1) * 0, "Scaled: factor must be a positive number, got 0"),
    ],
)
def test_bad_settings(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_pytorchs_names_are_told() -> None:
    with pytest.raises(AttributeError, match=r"no MultiStepLR: it is MultiStep here, given as the optimizer's lr"):
        _ = optim.MultiStepLR  # type: ignore[attr-defined]


# -- a plateau -----------------------------------------------------------------------------------------------


def rates(schedule: optim.ReduceLROnPlateau, values: list[float], rate: float = 1.0) -> list[float]:
    """The rate after each epoch."""
    found = []
    for i in range(len(values)):
        rate = schedule.after_epoch({str(schedule.metric): values[: i + 1]}, rate)
        found.append(rate)
    return found


PLATEAUS: list[tuple[dict[str, Any], list[float], list[float]]] = [  # the rates are PyTorch's
    ({"patience": 1, "factor": 0.5}, [3, 2, 2, 2, 2, 2, 1, 1], [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]),
    ({"patience": 0, "cooldown": 2, "factor": 0.5}, [1, 1, 1, 1, 1, 1], [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
    ({"patience": 0, "mode": "max", "factor": 0.5}, [1, 2, 1.5, 3, math.nan], [1, 1, 0.5, 0.5, 0.25]),
    ({"patience": 0, "threshold": 0.1, "factor": 0.5}, [1, 0.95, 0.8], [1, 0.5, 0.5]),
    ({"patience": 0, "threshold": 0.1, "threshold_mode": "abs", "factor": 0.5}, [10, 9.95, 9.8], [1, 0.5, 0.5]),
    ({"patience": 0, "min_lr": 0.3, "factor": 0.5}, [1, 1, 1, 1], [1, 0.5, 0.3, 0.3]),
    ({"patience": 0, "eps": 0.6, "factor": 0.5}, [1, 1, 1], [1, 1, 1]),
]


@pytest.mark.parametrize("settings, values, wanted", PLATEAUS, ids=lambda v: str(v) if isinstance(v, dict) else "")
def test_plateaus(settings: dict[str, Any], values: list[float], wanted: list[float]) -> None:
    schedule = optim.ReduceLROnPlateau(1.0, **{"mode": "min", "metric": "mine", **settings})
    assert rates(schedule, values) == pytest.approx(wanted, rel=1e-12)


def test_plateaus_against_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for trial in range(40):
        kinds: dict[str, list[Any]] = {
            "mode": ["min", "max"], "factor": [0.1, 0.5], "patience": [0, 1, 3], "threshold": [0.0, 1e-4, 0.1],
            "threshold_mode": ["rel", "abs"], "cooldown": [0, 2], "min_lr": [0.0, 1e-3],
        }  # fmt: skip
        settings = {name: kind[int(rng.integers(len(kind)))] for name, kind in kinds.items()}
        values = [float(v) for v in (rng.normal(size=40) if trial % 2 else rng.integers(0, 4, 40))]
        theirs = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
        wanted = []
        for value in values:
            schedule.step(value)
            wanted.append(theirs.param_groups[0]["lr"])
        assert rates(optim.ReduceLROnPlateau(1.0, metric="m", **settings), values) == pytest.approx(wanted, rel=1e-12)


def test_a_plateau_within_a_warmup() -> None:
    schedule = optim.Warmup(optim.ReduceLROnPlateau(0.1, patience=0, factor=0.5), 3)
    assert schedule.after_epoch({"loss": [1.0, 1.0]}, 0.1) == 0.05
    with pytest.raises(UsageError, match="has no column 'other'"):
        optim.Warmup(optim.ReduceLROnPlateau(0.1, "min", metric="other"), 3).check(["loss"])


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
        with pytest.raises(UsageError, match="max_norm must be a positive number"):
            optim.clip_grad_norm(GRADS, norm)
    with pytest.raises(UsageError, match="no gradients"):
        optim.global_norm({})
