"""What others than the step do to a model's parameters, between a run and its resume or in a callback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import NonFiniteError, UsageError
from schuss.train.edits import edited

from .support import mlp

X = np.random.default_rng(0).normal(size=(64, 4)).astype("f4")
Y = X[:, 0] + 0.1 * X[:, 1]


def fit(model: Any, **changes: Any) -> Any:
    settings = {"loss": nn.MSELoss(), "optimizer": optim.Adam(), "epochs": 2, "backend": "reference", "progress": False}
    return schuss.fit(model, (X, Y), **{**settings, **changes})


class Grows:
    """Gains and loses the parameters of a second part."""

    def __init__(self) -> None:
        self.a, self.b = nn.Linear(4, 1), None

    def __call__(self, x: Any) -> Any:
        return self.a(x) if self.b is None else self.a(x) + self.b(x)


def test_what_was_set_is_a_copy() -> None:
    """Whoever set it may change it in place afterwards."""
    parameter = nn.Parameter(np.ones(3, "f4"))
    found = edited({"w": parameter}, {"w": np.zeros(3, "f4")}, "somebody")
    parameter.data[:] = 7.0
    assert found["param/w"].tolist() == [1.0, 1.0, 1.0]


def test_a_run_does_not_go_on_with_other_parameters() -> None:
    run = fit(model := Grows())
    again = {"resume": run, "epochs": 1}
    model.b = nn.Linear(4, 1)
    for go_on in (lambda: run.resume(1), lambda: fit(model, **again)):
        with pytest.raises(
            UsageError, match=r"the model has b\.(weight|bias), which the run did not train; begin a new"
        ):
            go_on()
    run = fit(model)
    model.b = None
    with pytest.raises(UsageError, match=r"has no b\.(weight|bias) any more, which the run trained; begin a new run"):
        run.resume(1)
    run = fit(model)
    nn.to_dtype(model, "float64")
    with pytest.raises(UsageError, match=r"has a\.(weight|bias) in float64, which the run trained in float32; begin"):
        run.resume(1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(value: float) -> None:
    def spoils(run: Any) -> None:
        run.model[0].bias.data[1] = value

    class Spoils(schuss.train.callbacks.Callback):
        begin = staticmethod(spoils)

    for callback, name in ((spoils, "spoils"), (Spoils(), "Spoils")):
        model = mlp(4, 8, 1)
        with pytest.raises(NonFiniteError, match=f"fit: the callback {name} set 0.bias to NaN or infinity"):
            fit(model, callbacks=[lambda run: None, callback])
        assert np.isfinite(model[0].bias.data).all()
    run = fit(model := mlp(4, 8, 1))
    model[0].bias.data[1] = value
    with pytest.raises(NonFiniteError, match=r"resume: somebody set 0\.bias to NaN or infinity"):
        run.resume(1)


def replaces(run: Any) -> None:
    run.model[0].weight = nn.Parameter(np.zeros((8, 4), "f4"))


@pytest.mark.parametrize(
    "does, said",
    [
        (lambda run: nn.to_dtype(run.model, "float64"), r"converted 0\.\w+ from float32 to float64, which acts when"),
        (replaces, r"replaced the parameter 0\.weight, .* set its numbers by parameter\.data"),
        (
            lambda run: setattr(run.model[0], "more", nn.Linear(4, 1)),
            r"added the parameter 0\.more\.\w+, .* one by fit",
        ),
        (lambda run: setattr(run.model[0], "bias", None), r"removed the parameter 0\.bias, .* begin a new one by fit"),
    ],
)
def test_what_acts_when_a_run_begins_is_refused_to_callbacks(does: Any, said: str) -> None:
    def callback(run: Any) -> None:
        does(run)

    model = mlp(4, 8, 1)
    with pytest.raises(UsageError, match=f"a callback {said}"):
        fit(model, callbacks=[callback])
