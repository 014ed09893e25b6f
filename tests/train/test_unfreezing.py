"""A parameter that is unfrozen during a run, or has no gradient at some steps, counts its own steps, as in PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim

from .support import same_bits, weights

try:
    import torch
except ImportError:  # the oracle of most of these tests, and no dependency of the suite
    torch = None

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype("f4")
Y = RNG.normal(size=(20, 1)).astype("f4")
PAIRS: list[tuple[Any, Any]] = [
    (optim.Adam(0.01), lambda p: torch.optim.Adam(p, 0.01)),
    (optim.AdamW(0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
    (optim.NAdam(0.01), lambda p: torch.optim.NAdam(p, 0.01)),
    (optim.Adagrad(0.1, lr_decay=0.1), lambda p: torch.optim.Adagrad(p, 0.1, lr_decay=0.1)),
    (optim.SGD(0.1, momentum=0.9, dampening=0.5), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, dampening=0.5)),
    (optim.RMSprop(0.01, eps=1e-3), lambda p: torch.optim.RMSprop(p, 0.01, eps=1e-3)),
]
IDS = [type(ours).__name__ for ours, _ in PAIRS]


def net() -> Any:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    nn.initialize(model, 1)
    return model


def theirs_of(model: Any) -> Any:
    if torch is None:
        pytest.skip("could not import 'torch'")
    made = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    made.load_state_dict({name: torch.tensor(w) for name, w in nn.state_dict(model).items()})
    return made


def their_step(model: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    ((model(torch.tensor(X)) - torch.tensor(Y)) ** 2).mean().backward()
    optimizer.step()


def fit(model: Any, optimizer: Any, epochs: int, **given: Any) -> Any:
    settings = {"loss": nn.MSELoss(), "batch_size": 20, "shuffle": False, "backend": "reference"}
    return schuss.fit(model, (X, Y), optimizer=optimizer, epochs=epochs, **{**settings, **given})


def assert_close(model: Any, theirs: Any) -> None:
    for name, w in theirs.state_dict().items():
        np.testing.assert_allclose(nn.state_dict(model)[name], w.numpy(), rtol=1e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("ours, theirs", PAIRS, ids=IDS)
def test_unfrozen_by_resume(ours: Any, theirs: Any) -> None:
    model = net()
    model[0].requires_grad_(False)
    other = theirs_of(model)
    other[0].requires_grad_(False)
    stepping = theirs(other.parameters())
    run = fit(model, ours, 30)
    for _ in range(30):
        their_step(other, stepping)
    model[0].requires_grad_(True)
    other[0].requires_grad_(True)
    for _ in range(2):
        run.resume(2)
        for _ in range(2):
            their_step(other, stepping)
    assert_close(model, other)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_the_first_step_is_of_the_rate(backend: str) -> None:
    model = net()
    model[0].requires_grad_(False)
    run = fit(model, optim.Adam(0.01), 100, backend=backend)
    model[0].requires_grad_(True)
    before = weights(model)
    run.resume(1)
    assert np.abs(weights(model)["0.weight"] - before["0.weight"]).max() == pytest.approx(0.01, rel=1e-3)


def test_files_and_copies_keep_the_count(tmp_path: Any) -> None:
    def begun() -> Any:
        model = net()
        model[0].requires_grad_(False)
        run = fit(model, optim.NAdam(0.01), 10)
        model[0].requires_grad_(True)
        return run

    whole, parts = begun().resume(6), begun()
    file = tmp_path / "run.ckpt"
    parts.resume(3, checkpoint=file)
    from_file = fit(net(), optim.NAdam(0.01), 16, resume=file)
    parts.resume(3)
    assert whole.state.arrays["opt/missed/0.weight"] == 10
    assert same_bits(whole.state.arrays, parts.state.arrays)
    assert same_bits(whole.state.arrays, from_file.state.arrays)
    assert same_bits(weights(whole.model), weights(from_file.model))


def test_frozen_and_unfrozen_again_it_begins_again() -> None:
    model = net()
    run = fit(model, optim.Adam(0.01), 5)
    assert not any("missed" in name for name in run.state.arrays)
    for frozen, missed in ((True, None), (False, 7), (True, None), (False, 11)):
        model[0].requires_grad_(not frozen)
        run.resume(2)
        assert run.state.arrays.get("opt/missed/0.weight") == missed


def test_a_group_with_the_name_of_its_parameter_may_be_frozen() -> None:
    model = net()
    run = fit(model, optim.NAdam(0.01, groups=[optim.Group("0.weight", lr=0.02)]), 5)
    model[0].weight.requires_grad = False
    run.resume(1)
    model[0].weight.requires_grad = True
    before = weights(model)["0.weight"]
    run.resume(1)
    assert np.abs(weights(model)["0.weight"] - before).max() == pytest.approx(0.02, rel=0.1)


def test_to_an_optimizer_of_ones_own_it_is_said() -> None:
    class Own:
        init = staticmethod(lambda params: {f"m/{n}": np.zeros_like(p) for n, p in params.items()})

        def update(self, params: Any, grads: Any, state: Any, step: Any) -> Any:
            return {n: w - grads[n] * 0.01 for n, w in params.items()}, state

    model = net()
    model[0].requires_grad_(False)
    run = fit(model, Own(), 2)
    model[0].requires_grad_(True)
    with pytest.warns(UserWarning, match="to 0.bias, 0.weight, unfrozen since, Own gives the step of the whole run"):
        run.resume(1)


def test_to_one_with_slots_and_an_update_of_its_own_it_is_said() -> None:
    """Derived from schuss.optim.Optimizer: only the base's update counts the steps of each parameter."""

    @dataclass(frozen=True)
    class Own(optim.Optimizer):
        def slots(self) -> dict[str, float]:
            return {"m": 0.0}

        def update(self, params: Any, grads: Any, state: Any, step: Any) -> Any:
            moments = {f"m/{n}": state[f"m/{n}"] * 0.9 + g for n, g in grads.items()}
            return {n: w - moments[f"m/{n}"] * 0.01 for n, w in params.items()}, {
                n: moments.get(n, v) for n, v in state.items()
            }

    model = net()
    model[0].requires_grad_(False)
    run = fit(model, Own(0.01), 2)
    before = weights(model)["0.weight"].copy()
    model[0].requires_grad_(True)
    with pytest.warns(UserWarning, match="to 0.bias, 0.weight, unfrozen since, Own gives the step of the whole run"):
        run.resume(1)
    assert not any("missed" in name for name in run.state.arrays)
    assert (weights(model)["0.weight"] != before).any()


@pytest.mark.parametrize("ours, theirs", PAIRS, ids=IDS)
def test_without_a_gradient_at_some_steps(ours: Any, theirs: Any) -> None:
    """In a loop of one's own, from the first step on or later; a jitted update of frozen Parameters counts alike."""
    model = net()
    other = theirs_of(model)
    stepping, at_work = theirs(other.parameters()), schuss.Updater(model, ours, backend="reference")
    gradients = schuss.grad(lambda m: nn.MSELoss()(m(X), Y))
    jitted, named = schuss.jit(ours.update, backend="reference"), nn.named_parameters(copied := net())
    state = ours.init(named)
    for i in range(14):
        without = [n for n in named if n.startswith("0." if i < 4 else "2." if i in (6, 9) else "none")]
        at_work.step(gradients(model) | dict.fromkeys(without))
        for name, parameter in named.items():
            parameter.requires_grad = name not in without
        new, state = jitted(named, gradients(copied), state, i)
        nn.load_state_dict(copied, new)
        for name, p in other.named_parameters():
            p.requires_grad = name not in without
        their_step(other, stepping)
    assert_close(model, other)
    assert_close(copied, other)


@pytest.mark.parametrize("optimizer", [optim.Adam(0.01), optim.NAdam(0.01), optim.AdamW(0.01, weight_decay=0.0)])
def test_the_first_step_after_unfreezing_is_a_first_step(optimizer: Any) -> None:
    """Without PyTorch: it has the size that it has in a run of its own, which for Adam is the rate."""
    model, alone = net(), net()
    model[0].requires_grad_(False)
    run = fit(model, optimizer, 30)
    for mine, other in zip(nn.named_parameters(alone).values(), nn.named_parameters(model).values(), strict=True):
        mine.data = other.data.copy()
    before = nn.state_dict(model)["0.weight"]
    model[0].requires_grad_(True)
    run.resume(1)
    fit(alone, optimizer, 1)
    step = nn.state_dict(model)["0.weight"] - before
    np.testing.assert_allclose(step, nn.state_dict(alone)["0.weight"] - before, rtol=1e-3, atol=1e-6)
    if type(optimizer) is not optim.NAdam:
        np.testing.assert_allclose(np.abs(step), 0.01, rtol=1e-2)
