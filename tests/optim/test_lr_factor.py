"""The factor of the learning rate: at 1 it changes no bit of anything, otherwise it is the rate's factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from schuss import nn, ops, optim
from schuss.optim.base import STEERING
from schuss.train.fit import prepare
from tests.thinned import thinned

SETTINGS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    "RMSprop": {"momentum": 0.5, "centered": True, "weight_decay": 0.1},
    "Adagrad": {"lr_decay": 0.1},
    "Adam": {"weight_decay": 0.1},
    "AdamW": {"weight_decay": 0.5},
    "NAdam": {},
    "Lion": {"weight_decay": 0.3},
}
OPTIMIZERS = [optim.OPTIMIZERS[name](**settings) for name, settings in SETTINGS.items()]
OPTIMIZERS += [optim.SGD(lr=0.1), optim.AdamW(lr=optim.OneCycle(0.02, 12)), optim.SGD(lr=np.float32(0.1))]
OPTIMIZERS += [optim.SGD(lr=lambda step: ops.cast(step, dtype="float32") * 0.001 + 0.1)]

X = np.random.default_rng(0).standard_normal((60, 4))
Y = np.arange(60) % 3


def same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and a[n].tobytes() == b[n].tobytes() for n in a)


class WithoutFactor:
    """An optimizer without the factor: its graph is what it would be if there were none."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.lr = inner, inner.lr

    def init(self, params: Any) -> Any:
        return {name: v for name, v in self.inner.init(params).items() if name not in STEERING}

    def update(self, params: Any, grads: Any, state: Any, step: Any) -> Any:
        return self.inner.update(params, grads, state, step)


def trained(optimizer: Any, dtype: str = "float64", backend: str = "reference", factor: float | None = None) -> Any:
    """A trainer after 12 steps."""
    model = nn.to_dtype(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 3)), dtype)
    trainer = prepare(
        model, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=3, batch_size=16, validation=None,
        seed=0, backend=backend,
    )  # fmt: skip
    if factor is not None:
        trainer.arrays["opt/lr_factor"] = np.asarray(factor)
    trainer.train()
    return trainer


@pytest.mark.parametrize("optimizer", thinned(OPTIMIZERS[:7], by=3), ids=lambda o: type(o).__name__)
def test_at_one_it_changes_no_bit_in_native_code(optimizer: Any) -> None:
    test_at_one_it_changes_no_bit(optimizer, "float32", "native")


@pytest.mark.parametrize("dtype, backend", [("float32", "reference"), ("float64", "reference")])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_at_one_it_changes_no_bit(optimizer: Any, dtype: str, backend: str) -> None:
    given, without = trained(optimizer, dtype, backend), trained(WithoutFactor(optimizer), dtype, backend)
    arrays = dict(given.arrays)
    assert (arrays.pop("opt/lr_factor"), arrays.pop("opt/lr_held")) == (1.0, 0.0)
    assert "opt/lr_factor" not in without.arrays
    assert same_bits(arrays, without.arrays)
    assert given.run.history["lr"] == without.run.history["lr"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:7], ids=lambda o: type(o).__name__)
def test_it_multiplies_the_rate(optimizer: Any) -> None:
    half = trained(optimizer, factor=0.5)
    direct = trained(replace(optimizer, lr=optimizer.lr * 0.5))
    for name, w in half.weights().items():
        np.testing.assert_allclose(w, direct.weights()[name], rtol=1e-12, atol=1e-15, err_msg=name)
    assert half.arrays["opt/lr_factor"] == 0.5
    assert half.run.history["lr"] == direct.run.history["lr"]
    assert not same_bits(half.weights(), trained(optimizer).weights())


def test_it_multiplies_a_schedule() -> None:
    schedule = optim.Exponential(0.1, 0.9)
    double = trained(optim.SGD(lr=schedule), factor=2.0)
    direct = trained(optim.SGD(lr=optim.Exponential(0.2, 0.9)))
    for name, w in double.weights().items():
        np.testing.assert_allclose(w, direct.weights()[name], rtol=1e-12, err_msg=name)


def test_no_step_writes_it() -> None:
    """It is state that only its owner changes, so that a rate set between two native calls stays set."""
    loop = trained(optim.Adam()).loop
    loop.load({"opt/lr_factor": np.asarray(0.25)})
    loop.run(np.arange(60), 16, 0, 3, 0)
    assert loop.peek("opt/lr_factor") == 0.25


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_it_costs_threads_no_meeting(optimizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step on digits has no barrier more for it. Only plans are made here: nothing is compiled."""
    monkeypatch.setattr("schuss.compiler.link.link", lambda *given: None)

    def barriers(optimizer: Any) -> int:
        model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        trainer = prepare(
            model, (np.zeros((64, 784), np.uint8), Y.repeat(2)[:64]), loss=nn.CrossEntropyLoss(), optimizer=optimizer,
            epochs=1, batch_size=64, validation=None, seed=0, threads=2,
        )  # fmt: skip
        return sum(stage.barrier for stage in trainer.loop.plan.stages)

    assert barriers(optimizer) == barriers(WithoutFactor(optimizer)) > 0
