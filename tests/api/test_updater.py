"""An optimizer outside fit: the same numbers as in fit; frozen parameters, groups, metrics, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype(np.float32)
Y = X[:, 0] - X[:, 1]


def net() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    nn.initialize(model, 1)
    return model


def gradients(model: Any) -> Any:
    return schuss.grad(lambda m: nn.MSELoss()(m(X), Y))(model)


def updater(model: Any, optimizer: Any, **given: Any) -> schuss.Updater:
    return schuss.Updater(model, optimizer, backend="reference", **given)


def test_the_same_numbers_as_fit():
    model, other = net(), net()
    model[0].bias.requires_grad = other[0].bias.requires_grad = False
    groups = [optim.Group(model[2], lr=optim.Exponential(0.03, 0.9), weight_decay=0.5)]
    at_work = updater(model, optim.NAdam(1e-2, groups=groups), clip_norm=0.5)
    for _ in range(6):
        at_work.step(gradients(model))
    by_name = [optim.Group("2", lr=optim.Exponential(0.03, 0.9), weight_decay=0.5)]
    schuss.fit(
        other, (X, Y), loss=nn.MSELoss(), optimizer=optim.NAdam(1e-2, groups=by_name), clip_norm=0.5, epochs=6,
        batch_size=32, shuffle=False, backend="reference",
    )  # fmt: skip
    for name, w in nn.state_dict(other).items():
        np.testing.assert_allclose(nn.state_dict(model)[name], w, rtol=1e-5, atol=1e-7, err_msg=name)
    assert at_work.steps == 6
    assert at_work.rates == pytest.approx({"lr": 1e-2, "lr/2": 0.03 * 0.9**6})
    assert np.array_equal(model[0].bias.data, net()[0].bias.data)


def test_frozen_for_a_while_or_without_a_gradient():
    """As of a discriminator while its generator learns."""
    model = net()
    at_work = updater(model, optim.AdamW(0.1, weight_decay=0.5))
    before = nn.state_dict(model)
    model[0].requires_grad_(False)
    at_work.step({**gradients(model), "2.bias": None})
    after = nn.state_dict(model)
    assert [n for n in before if not np.array_equal(before[n], after[n])] == ["2.weight"]
    model[0].requires_grad_(True)
    at_work.step(gradients(model))
    assert not np.array_equal(nn.state_dict(model)["0.weight"], before["0.weight"])
    model.requires_grad_(False)
    at_work.step(gradients(model))
    assert at_work.steps == 2


def test_an_epochs_metrics():
    at_work = updater(net(), optim.SGD(optim.ReduceLROnPlateau(0.1, patience=0)))
    for loss in (1.0, 0.5, 0.6):
        at_work.epoch(loss=loss)
    assert at_work.rates == pytest.approx({"lr": 0.01})
    with pytest.raises(UsageError, match=r"there is no .loss. among mine"):
        updater(net(), optim.SGD(optim.ReduceLROnPlateau(0.1))).epoch(mine=1.0)


def test_an_optimizer_of_the_users_own():
    class Half:
        def init(self, params):
            return {}

        def update(self, params, grads, state, step):
            return {name: w * 0.5 for name, w in params.items()}, {}

    model = net()
    model[0].requires_grad_(False)
    updater(model, Half()).step(gradients(model))
    assert np.array_equal(model[2].weight.data, net()[2].weight.data * 0.5)
    assert np.array_equal(model[0].weight.data, net()[0].weight.data)


def test_mistakes():
    model = net()
    with pytest.raises(UsageError, match=r"there is no gradient of 2.weight; give those of schuss.grad"):
        updater(model, optim.SGD()).step({"0.weight": X, "0.bias": X})
    model[0].requires_grad_(False)
    at_work = updater(model, optim.Adam())
    model[0].requires_grad_(True)
    with pytest.raises(UsageError, match=r"0.bias, 0.weight was unfrozen since; make a new Updater"):
        at_work.step(gradients(model))
    with pytest.raises(UsageError, match="has no parameters"):
        schuss.Updater(nn.Tanh(), optim.SGD())


def test_what_is_no_gradient_of_the_model_is_refused():
    model = net()
    at_work, right = updater(model, optim.SGD(0.1)), gradients(model)
    before = nn.state_dict(model)
    for wrong, message in (
        ({**right, "2.weight": np.ones((), np.float32)}, r"gradient of 2\.weight is \[\] and the parameter \[1, 5\]"),
        ({**right, "2.bias": np.ones((1, 1), np.float32)}, r"is \[1, 1\] and the parameter \[1\]"),
        ({**right, "3.bias": np.ones(1, np.float32)}, r"no parameter 3\.bias"),
        (list(right.values()), "a dict of gradients, got list"),
        (None, "got NoneType"),
    ):
        with pytest.raises(UsageError, match=message):
            at_work.step(wrong)
    assert all(np.array_equal(w, nn.state_dict(model)[n]) for n, w in before.items())


GROUPED = optim.Adam(0.1, groups=[optim.Group("2", lr=optim.OneCycle(0.1, steps=2))])


@pytest.mark.parametrize("optimizer", [optim.SGD(optim.Cosine(0.1, steps=2)), GROUPED], ids=["one", "of a group"])
def test_no_step_beyond_the_end_of_a_schedule(optimizer):
    model = net()
    at_work = updater(model, optimizer)
    for _ in range(2):
        at_work.step(gradients(model))
    with pytest.raises(UsageError, match="has 2 steps, which are done"):
        at_work.step(gradients(model))
    at_work = updater(model, optim.SGD(optim.Cosine(0.1, steps=1, min_lr=0.01)))
    for _ in range(3):
        at_work.step(gradients(model))
