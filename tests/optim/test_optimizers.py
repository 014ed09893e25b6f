"""Optimizers: against the published equations in float64 and against optax; state, errors, configs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
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

RNG = np.random.default_rng(0)
STEPS = 20
START = {"0.weight": RNG.normal(size=(3, 4)), "0.bias": RNG.normal(size=4)}
GRADS = [{name: RNG.normal(size=w.shape) for name, w in START.items()} for _ in range(STEPS)]


def type_of(a: np.ndarray) -> TensorType:
    return TensorType(str(a.dtype), a.shape)


def run(optimizer: Any, dtype: str = "float64") -> list[dict[str, np.ndarray]]:
    """The parameters after each step on GRADS."""
    params = {k: v.astype(dtype) for k, v in START.items()}
    state = optimizer.init(params)
    names, slots = list(params), list(state)

    def step(counter: Any, *tensors: Any) -> Any:
        w, g, s = (tensors[i : i + size] for i, size in ((0, 2), (2, 2), (4, len(slots))))
        new, new_state = optimizer.update(
            dict(zip(names, w, strict=True)),
            dict(zip(names, g, strict=True)),
            dict(zip(slots, s, strict=True)),
            counter,
        )
        assert set(new) == set(names)
        assert set(new_state) == set(slots)
        return [*(new[k] for k in names), *(new_state[k] for k in slots)]

    arrays = [*params.values(), *params.values(), *state.values()]
    graph = trace(step, [TensorType("int64", ()), *map(type_of, arrays)])
    assert [o.type for o in graph.outputs] == [i.type for i in (*graph.inputs[1:3], *graph.inputs[5:])]
    compiled = ReferenceExecutor().compile(graph)
    history = []
    for i, grads in enumerate(GRADS):
        results = compiled([np.asarray(i), *params.values(), *(grads[k].astype(dtype) for k in names), *state.values()])
        params = dict(zip(names, results[:2], strict=True))
        state = dict(zip(slots, results[2:], strict=True))
        history.append(params)
    return history


# -- the equations, for one parameter: generators that take gradients and give the new parameter ------------

Rule = Callable[[np.ndarray, Iterator[np.ndarray]], Iterator[np.ndarray]]


def sgd(lr: float, mu: float = 0, tau: float = 0, nesterov: bool = False, decay: float = 0) -> Rule:
    def rule(w: np.ndarray, gradients: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        b = None
        for g in gradients:
            g = g + decay * w
            if mu:
                b = g if b is None else mu * b + (1 - tau) * g
                g = g + mu * b if nesterov else b
            w = w - lr * g
            yield w

    return rule


def adam(lr: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, decay: float = 0, apart: float = 0) -> Rule:
    def rule(w: np.ndarray, gradients: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        m = v = np.zeros_like(w)
        for t, g in enumerate(gradients, 1):
            g = g + decay * w
            w = w * (1 - lr * apart)
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
            yield w

    return rule


def nadam(lr: float, b1: float = 0.9, b2: float = 0.999, decay: float = 0, psi: float = 4e-3) -> Rule:
    def rule(w: np.ndarray, gradients: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        m = v = np.zeros_like(w)
        product = 1.0
        for t, g in enumerate(gradients, 1):
            g = g + decay * w
            mu, mu_next = (b1 * (1 - 0.5 * 0.96 ** (i * psi)) for i in (t, t + 1))
            product *= mu
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
            w = w - lr * m_hat / (np.sqrt(v / (1 - b2**t)) + 1e-8)
            yield w

    return rule


def rmsprop(lr: float, alpha: float = 0.99, decay: float = 0, mu: float = 0, centered: bool = False) -> Rule:
    def rule(w: np.ndarray, gradients: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        v = a = b = np.zeros_like(w)
        for g in gradients:
            g = g + decay * w
            v = alpha * v + (1 - alpha) * g**2
            a = alpha * a + (1 - alpha) * g
            d = g / (np.sqrt(v - a**2 if centered else v) + 1e-8)
            b = mu * b + d
            w = w - lr * b
            yield w

    return rule


def adagrad(lr: float, slower: float = 0, decay: float = 0, first: float = 0) -> Rule:
    def rule(w: np.ndarray, gradients: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        total = np.full_like(w, first)
        for t, g in enumerate(gradients, 1):
            g = g + decay * w
            total = total + g**2
            w = w - lr / (1 + (t - 1) * slower) * g / (np.sqrt(total) + 1e-10)
            yield w

    return rule


def lion(lr: float, b1: float = 0.9, b2: float = 0.99, decay: float = 0) -> Rule:
    def rule(w: np.ndarray, gradients: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        m = np.zeros_like(w)
        for g in gradients:
            w = w - lr * (np.sign(b1 * m + (1 - b1) * g) + decay * w)
            m = b2 * m + (1 - b2) * g
            yield w

    return rule


CASES: list[tuple[optim.Optimizer, Rule]] = [
    (optim.SGD(), sgd(1e-3)),
    (optim.SGD(lr=0.1, weight_decay=0.05), sgd(0.1, decay=0.05)),
    (optim.SGD(lr=0.1, momentum=0.9), sgd(0.1, 0.9)),
    (optim.SGD(lr=0.1, momentum=0.9, dampening=0.4, weight_decay=0.01), sgd(0.1, 0.9, 0.4, decay=0.01)),
    (optim.SGD(lr=0.1, momentum=0.9, nesterov=True), sgd(0.1, 0.9, nesterov=True)),
    (optim.RMSprop(), rmsprop(1e-2)),
    (optim.RMSprop(lr=0.1, alpha=0.9, weight_decay=0.1, momentum=0.5), rmsprop(0.1, 0.9, 0.1, 0.5)),
    (optim.RMSprop(alpha=0.8, centered=True), rmsprop(1e-2, 0.8, centered=True)),
    (optim.Adagrad(), adagrad(1e-2)),
    (
        optim.Adagrad(lr=0.1, lr_decay=0.2, weight_decay=0.1, initial_accumulator_value=0.5),
        adagrad(0.1, 0.2, 0.1, 0.5),
    ),
    (optim.Adam(), adam(1e-3)),
    (optim.Adam(lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1), adam(0.1, 0.8, 0.9, 1e-3, 0.1)),
    (optim.Adam(betas=(0.0, 0.0)), adam(1e-3, 0.0, 0.0)),
    (optim.AdamW(), adam(1e-3, apart=1e-2)),
    (optim.AdamW(lr=0.1, weight_decay=0.5), adam(0.1, apart=0.5)),
    (optim.AdamW(weight_decay=0.0), adam(1e-3)),
    (optim.NAdam(), nadam(2e-3)),
    (optim.NAdam(lr=0.1, weight_decay=0.1, momentum_decay=0.3), nadam(0.1, decay=0.1, psi=0.3)),
    (optim.Lion(), lion(1e-4)),
    (optim.Lion(lr=0.01, betas=(0.8, 0.9), weight_decay=0.3), lion(0.01, 0.8, 0.9, 0.3)),
]


def test_every_optimizer_has_a_case() -> None:
    assert {type(o).__name__ for o, _ in CASES} == set(optim.OPTIMIZERS)


@pytest.mark.parametrize("optimizer, rule", CASES, ids=lambda v: repr(v) if isinstance(v, optim.Optimizer) else "")
def test_published_equations(optimizer: optim.Optimizer, rule: Rule) -> None:
    history, single = run(optimizer), run(optimizer, "float32")
    for name, start in START.items():
        for step, want in enumerate(rule(start, iter([g[name] for g in GRADS]))):
            np.testing.assert_allclose(history[step][name], want, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(single[step][name], want, rtol=1e-4, atol=1e-5)
        assert single[-1][name].dtype == np.float32


OPTAX: list[tuple[optim.Optimizer, optax.GradientTransformation]] = [
    (optim.SGD(lr=0.1), optax.sgd(0.1)),
    (optim.SGD(lr=0.1, momentum=0.9), optax.sgd(0.1, momentum=0.9)),
    (optim.SGD(lr=0.1, momentum=0.9, nesterov=True), optax.sgd(0.1, momentum=0.9, nesterov=True)),
    (optim.RMSprop(lr=0.1, alpha=0.9), optax.rmsprop(0.1, decay=0.9, eps_in_sqrt=False)),
    (optim.Adam(lr=0.1), optax.adam(0.1)),
    (optim.AdamW(lr=0.1, weight_decay=0.3), optax.adamw(0.1, weight_decay=0.3)),
    (optim.Lion(lr=0.1, weight_decay=0.3), optax.lion(0.1, weight_decay=0.3)),
]


@pytest.mark.parametrize("ours, theirs", OPTAX, ids=lambda v: repr(v) if isinstance(v, optim.Optimizer) else "")
def test_against_optax(ours: optim.Optimizer, theirs: optax.GradientTransformation) -> None:
    with jax.enable_x64(True):
        params = {k: jax.numpy.asarray(v) for k, v in START.items()}
        state = theirs.init(params)
        for want, grads in zip(run(ours), GRADS, strict=True):
            updates, state = theirs.update({k: jax.numpy.asarray(g) for k, g in grads.items()}, state, params)
            params = optax.apply_updates(params, updates)
            for name in START:
                np.testing.assert_allclose(want[name], params[name], rtol=1e-9, atol=1e-12)


# -- state ---------------------------------------------------------------------------------------------------


def test_state_names_shapes_and_values() -> None:
    params = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(2)}
    state = optim.NAdam().init(params)
    assert {k: (str(v.dtype), v.shape) for k, v in state.items()} == {
        "lr_factor": ("float64", ()),
        "lr_held": ("float64", ()),
        "mu_product": ("float64", ()),
        "exp_avg/a": ("float32", (2, 3)),
        "exp_avg/b": ("float64", (2,)),
        "exp_avg_sq/a": ("float32", (2, 3)),
        "exp_avg_sq/b": ("float64", (2,)),
    }
    assert state["mu_product"] == state["lr_factor"] == 1
    assert optim.SGD().init(params) == {"lr_factor": 1, "lr_held": 0}
    assert list(optim.SGD(momentum=0.5).init({"a": params["a"]})) == ["lr_factor", "lr_held", "momentum_buffer/a"]
    assert list(optim.RMSprop(centered=True, momentum=0.5).init({"a": params["a"]})) == [
        "lr_factor",
        "lr_held",
        "square_avg/a",
        "grad_avg/a",
        "momentum_buffer/a",
    ]
    assert (optim.Adagrad(initial_accumulator_value=0.1).init(params)["sum/b"] == 0.1).all()


def test_the_steps_scalars_are_shared() -> None:
    """Bias corrections are worked out once, not for each parameter."""
    optimizer = optim.Adam()
    w = np.zeros((3, 3), np.float32)

    def nodes(count: int) -> list[str]:
        params = {f"w{i}": w for i in range(count)}
        state = optimizer.init(params)
        arrays = [*params.values(), *params.values(), *state.values()]

        def step(counter: Any, *tensors: Any) -> Any:
            s = dict(zip(state, tensors[2 * count :], strict=True))
            p = dict(zip(params, tensors[:count], strict=True))
            new, _ = optimizer.update(p, dict(zip(params, tensors[count : 2 * count], strict=True)), s, counter)
            return list(new.values())

        graph = trace(step, [TensorType("int64", ()), *map(type_of, arrays)])
        return [n.op for n in graph.nodes if n.type.shape == () and n.op not in ("const", "input")]

    assert sorted(nodes(1)) == sorted(nodes(3))


def test_float32_bias_correction_keeps_precision_late() -> None:
    """1 - 0.999**t is worked out in float64, whatever the parameter's dtype."""
    optimizer = optim.Adam(lr=1.0, eps=0.0)
    w = {"a": np.zeros(1, np.float32)}
    g = {"a": np.ones(1, np.float32)}
    state = {"exp_avg/a": np.zeros(1, np.float32), "exp_avg_sq/a": np.zeros(1, np.float32)}
    for t in (1, 1000):
        new, _ = optimizer.update(w, g, state, np.asarray(t - 1))
        want = -(0.1 / (1 - 0.9**t)) / math.sqrt(0.001 / (1 - 0.999**t))
        assert float(new["a"][0]) == pytest.approx(want, rel=1e-6)


def test_a_schedule_as_rate() -> None:
    rates = [0.1 * 0.5**i for i in range(STEPS)]
    history = run(optim.SGD(lr=optim.Exponential(0.1, 0.5)))
    w = START["0.bias"]
    for rate, grads, got in zip(rates, GRADS, history, strict=True):
        w = w - rate * grads["0.bias"]
        np.testing.assert_allclose(got["0.bias"], w, rtol=1e-12)
    fixed, scheduled = run(optim.AdamW(lr=0.05)), run(optim.AdamW(lr=lambda step: step.astype("float64") * 0.0 + 0.05))
    np.testing.assert_allclose(fixed[-1]["0.bias"], scheduled[-1]["0.bias"], rtol=1e-12)


def test_centered_rmsprop_survives_rounding() -> None:
    """With a constant gradient v - a*a is 0 up to rounding, which may fall below 0."""
    optimizer = optim.RMSprop(alpha=0.5, centered=True)
    params = {"a": np.ones(100, np.float32)}
    grads = {"a": np.linspace(0.1, 3, 100, dtype=np.float32)}
    state = optimizer.init(params)
    for i in range(60):
        params, state = optimizer.update(params, grads, state, np.asarray(i))
    assert np.isfinite(params["a"]).all()


# -- errors and configs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", optim.OPTIMIZERS.values(), ids=lambda m: m.__name__)
@pytest.mark.parametrize("lr", [0, -1, 0.0, math.nan, math.inf, "fast", None, True])
def test_bad_rates(make: type[optim.Optimizer], lr: Any) -> None:
    with pytest.raises(UsageError, match=f"{make.__name__}: lr must be a positive number or a schedule"):
        make(lr=lr)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.Adam(betas=(1.0, 0.9)), r"Adam: betas\[0\] must be a number in \[0, 1\) or a schedule, got 1.0"),
        (lambda: optim.NAdam(betas=(0.9, -0.1)), r"NAdam: betas\[1\] must be a number in"),
        (lambda: optim.Lion(betas=0.9), "Lion: betas must be a list of 2 entries"),
        (
            lambda: optim.AdamW(weight_decay=-1),
            "weight_decay must be a number of at least 0 or a schedule, got -1",
        ),
        (lambda: optim.Adam(eps=-1e-8), "Adam: eps must be a number of at least 0"),
        (lambda: optim.NAdam(momentum_decay=-1), "momentum_decay must be a number of at least 0"),
        (lambda: optim.SGD(momentum=1.0), r"SGD: momentum must be a number in \[0, 1\)"),
        (lambda: optim.SGD(nesterov=True), "nesterov needs momentum above 0 and dampening 0"),
        (lambda: optim.SGD(momentum=0.9, dampening=0.1, nesterov=True), "nesterov needs momentum"),
        (lambda: optim.RMSprop(alpha=1.5), "RMSprop: alpha must be a number in"),
        (lambda: optim.Adagrad(lr_decay=-0.1), "Adagrad: lr_decay must be a number of at least 0"),
    ],
)
def test_bad_settings(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


@pytest.mark.parametrize("optimizer", [o for o, _ in CASES], ids=repr)
def test_config_round_trip(optimizer: optim.Optimizer) -> None:
    assert optim.from_config(json.loads(json.dumps(optimizer.config()))) == optimizer


def test_config_with_a_schedule() -> None:
    optimizer = optim.Adam(lr=optim.Warmup(optim.Cosine(0.1, 100), 10))
    config = json.loads(json.dumps(optimizer.config()))
    assert config["lr"]["inner"] == {"type": "Cosine", "lr": 0.1, "steps": 100, "min_lr": 0.0}
    assert optim.from_config(config) == optimizer


def test_bad_configs() -> None:
    with pytest.raises(UsageError, match="unknown optimizer or schedule 'Magic'"):
        optim.from_config({"type": "Magic"})
    with pytest.raises(UsageError, match=r"Adam: .*speed"):
        optim.from_config({"type": "Adam", "speed": 3})
