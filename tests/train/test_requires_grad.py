"""Frozen parameters, and those that no gradient reaches: nothing of a training touches them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.api.calls import cache_info
from schuss.errors import UsageError
from schuss.nn.walk import frozen_names

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = X[:, 0] - X[:, 1]
OPTIMIZERS = [
    optim.SGD(0.1, momentum=0.9, weight_decay=0.1),
    optim.RMSprop(weight_decay=0.1),
    optim.Adagrad(weight_decay=0.1),
    optim.Adam(weight_decay=0.1),
    optim.AdamW(weight_decay=0.5),
    optim.NAdam(weight_decay=0.1),
    optim.Lion(weight_decay=0.5),
]


class Net(nn.Module):
    """A body and a head; what else is in it the loss never sees."""

    def __init__(self, spare: bool = False) -> None:
        self.body = nn.Linear(4, 5)
        self.head = nn.Linear(5, 1)
        self.spare = nn.Linear(3, 3) if spare else None

    def forward(self, x: Any) -> Any:
        return self.head(schuss.tanh(self.body(x)))


def net(spare: bool = False) -> Net:
    model = Net(spare)
    nn.initialize(model, 1)
    return model


class OnConstants(nn.Module):
    """The same head on a body of plain numbers: there is nothing but the head that could be learned."""

    def __init__(self, model: Net) -> None:
        self.weight, self.bias = model.body.weight.data.copy(), model.body.bias.data.copy()
        self.head = copy.deepcopy(model.head)

    def forward(self, x: Any) -> Any:
        return self.head(schuss.tanh(x @ self.weight.T + self.bias))


def fit(model: Any, optimizer: Any, **given: Any) -> Any:
    return schuss.fit(
        model,
        (X, Y),
        loss=nn.MSELoss(),
        optimizer=optimizer,
        **{"epochs": 3, "batch_size": 16, "backend": "reference", **given},
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_frozen_ones_stay_and_the_others_learn_as_if_they_were_numbers(optimizer, clip_norm):
    model = net()
    model.body.requires_grad_(False)
    alone, before = OnConstants(model), nn.state_dict(model)
    fit(model, optimizer, clip_norm=clip_norm)
    fit(alone, optimizer, clip_norm=clip_norm)
    after = nn.state_dict(model)
    assert all(np.array_equal(after[n], before[n]) for n in ("body.weight", "body.bias"))
    assert not np.array_equal(after["head.weight"], before["head.weight"])
    np.testing.assert_allclose(after["head.weight"], alone.head.weight.data, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["head.bias"], alone.head.bias.data, rtol=1e-5, atol=1e-6)


def test_frozen_ones_stay_in_native_code():
    model = net()
    model.body.weight.requires_grad = False
    before = nn.state_dict(model)
    fit(model, optim.AdamW(weight_decay=0.5), backend="native")
    other = net()
    other.body.weight.requires_grad = False
    fit(other, optim.AdamW(weight_decay=0.5))
    after = nn.state_dict(model)
    assert np.array_equal(after["body.weight"], before["body.weight"])
    assert not np.array_equal(after["body.bias"], before["body.bias"])
    for name, w in nn.state_dict(other).items():
        np.testing.assert_allclose(after[name], w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_what_the_loss_does_not_reach_is_skipped(optimizer):
    model, without = net(spare=True), net()
    before = nn.state_dict(model)
    run = fit(model, optimizer, clip_norm=0.5)
    fit(without, optimizer, clip_norm=0.5)
    after = nn.state_dict(model)
    assert np.array_equal(after["spare.weight"], before["spare.weight"])
    assert all(np.array_equal(after[n], w) for n, w in nn.state_dict(without).items())
    assert not any("spare" in name for name in schuss.train.step.training(run.task).state)


def test_behind_stop_gradient_nothing_decays():
    class Stopped(Net):
        def forward(self, x):
            return self.head(schuss.stop_gradient(self.body(x)))

    model = Stopped()
    before = nn.state_dict(model)
    fit(model, optim.AdamW(1e-2))
    assert np.array_equal(nn.state_dict(model)["body.weight"], before["body.weight"])


def test_an_optimizer_of_the_users_own_never_sees_them():
    seen: list[set[str]] = []

    class Own:
        def init(self, params):
            seen.append(set(params))
            return {}

        def update(self, params, grads, state, step):
            seen.extend([set(params), set(grads)])
            return {name: w * 0.5 for name, w in params.items()}, {}

    model = net(spare=True)
    model.head.requires_grad_(False)
    before = nn.state_dict(model)
    fit(model, Own(), clip_norm=1.0)
    assert all(names == {"body.weight", "body.bias"} for names in seen)
    assert len(seen) >= 3
    after = nn.state_dict(model)
    changed = {n for n in before if not np.array_equal(after[n], before[n])}
    assert changed == {"body.weight", "body.bias"}


def test_gradients_are_given_all_the_same():
    model = net()
    wanted = schuss.grad(lambda m: (m(X) ** 2).mean())(model)
    model.requires_grad_(False)
    found = schuss.grad(lambda m: (m(X) ** 2).mean())(model)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[n], g) for n, g in wanted.items())
    assert np.abs(found["body.weight"]).max() > 0


def test_nothing_left_to_learn_is_an_error():
    model = net()
    model.requires_grad_(False)
    with pytest.raises(UsageError, match=r"every parameter of the model is frozen; unfreeze .*requires_grad_\(True\)"):
        fit(model, optim.SGD())
    model.requires_grad_(True)
    with pytest.raises(UsageError, match=r"reaches no parameter that is to be learned .*stop_gradient"):
        schuss.fit(model, (X, Y), loss=lambda pred, y: schuss.stop_gradient(pred).mean(), optimizer=optim.SGD())


# -- how it is said, and what keeps it -------------------------------------------------------------------------


def test_ways_to_say_it():
    model = net()
    assert model.body.requires_grad_(False) is model.body
    assert frozen_names(model) == ["body.weight", "body.bias"]
    assert not model.body.requires_grad
    assert model.requires_grad
    model.body.requires_grad = True  # in PyTorch this does nothing
    assert frozen_names(model) == []
    for parameter in model.head.parameters():
        parameter.requires_grad = False
    assert frozen_names(model) == ["head.weight", "head.bias"]
    assert "requires_grad=False" in repr(model.head.weight)
    assert nn.requires_grad_({"a": model}, True)["a"] is model
    assert frozen_names(model) == []
    fixed = nn.Parameter(np.ones(3), requires_grad=False)
    assert fixed.requires_grad is False
    with pytest.raises(UsageError, match="requires_grad must be True or False, got 'no'"):
        fixed.requires_grad = "no"


def test_copies_keep_it(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Sequential(nn.Linear(3, 1)))
    model[0].weight.requires_grad = False
    model[1].requires_grad_(False)
    model[2][0].bias.requires_grad = False
    names = ["0.weight", "1.weight", "1.bias", "2.0.bias"]
    schuss.save(model, tmp_path / "m.safetensors")
    copies = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        nn.from_config(nn.to_config(model)),
        schuss.load(tmp_path / "m.safetensors"),
        nn.to_dtype(copy.deepcopy(model), "float64"),
    ]
    for made in copies:
        assert frozen_names(made) == names
        made.requires_grad_(True)
        assert frozen_names(made) == []
    assert frozen_names(model) == names


def test_a_file_of_a_users_class_keeps_it(tmp_path):
    model = net()
    model.body.requires_grad_(False)
    fit(model, optim.SGD())
    schuss.save(model, tmp_path / "m.safetensors")
    loaded = schuss.load(tmp_path / "m.safetensors")
    assert frozen_names(loaded) == ["body.weight", "body.bias"]
    before = nn.state_dict(loaded)
    fit(loaded, optim.SGD(weight_decay=0.1))
    changed = {n for n, w in nn.state_dict(loaded).items() if not np.array_equal(w, before[n])}
    assert changed == {"head.weight", "head.bias"}


def test_a_pickle_without_it_is_not_frozen():
    """One that version 0.1.0 wrote."""
    state = nn.Parameter(np.ones(3)).__getstate__()
    del state["_requires_grad"]
    old = nn.Parameter.__new__(nn.Parameter)
    old.__setstate__(state)
    assert old.requires_grad is True


# -- compiled code ---------------------------------------------------------------------------------------------


def test_calls_compile_nothing_anew_and_functions_that_ask_do():
    model = net()
    compiled = schuss.jit(lambda m, x: m(x).sum())
    asks = schuss.jit(lambda m, x: m(x).sum() * (1.0 if m.body.weight.requires_grad else 2.0), backend="reference")
    model(X), compiled(model, X)
    misses = cache_info(model).misses, compiled.cache_info().misses
    once = asks(model, X)
    model.requires_grad_(False)
    model(X), compiled(model, X)
    assert cache_info(model).misses == misses[0]
    assert compiled.cache_info().misses == misses[1] + 1  # once: a compiled update leaves frozen parameters as they are
    assert asks(model, X) == 2 * once
    model.requires_grad_(True)
    assert asks(model, X) == once
