"""A loss or metric of the user's own in which [N,1] meets [N]: two example axes made from one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.errors import ShapeError
from schuss.trace import examples

from .support import fit

X = np.random.default_rng(0).standard_normal((12, 2)).astype("f4")
Y = X[:, 0]


@pytest.fixture(autouse=True)
def nothing_told() -> Iterator[None]:
    examples._told.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def train(loss, y=Y, **options):
    return fit(nn.Linear(2, 1), (X, y), loss=loss, backend="reference", epochs=1, **options)


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, t: ((p - t) ** 2).mean(),
        lambda p, t: ((t - p) ** 2).mean(),
        lambda p, t: schuss.where(p > t, p, t).mean(),
        lambda p, t: schuss.maximum(2 * p, t).mean(),
        lambda p, t: (t - (p - p.mean(axis=1, keepdims=True))).mean(),
        lambda p, t: schuss.huber(p - t).mean(),
        lambda p, t: (schuss.abs(p) * (t > 0)).mean(),
    ],
)
def test_each_example_with_every_other_is_an_error(loss):
    with pytest.raises(ShapeError, match=r"\[N,1\].*\[N\]|\[N\].*\[N,1\]") as caught:
        train(loss)
    assert "every example with every other" in str(caught.value)
    assert f"{__file__}:{loss.__code__.co_firstlineno}" in str(caught.value)


def test_in_a_metric_too():
    def far(p, t):
        return schuss.abs(p - t).mean()

    with pytest.raises(ShapeError, match=r"sub: \[N,1\] against \[N\] in the metric far is \[N,N\]"):
        train(nn.MSELoss(), metrics=[far])


@pytest.mark.parametrize(
    "loss",
    [
        lambda p, t: ((p[:, 0] - t) ** 2).mean(),
        lambda p, t: ((p - t[:, None]) ** 2).mean(),
        lambda p, t: ((p[:, 0][:, None] - t[None, :]) ** 2).mean(),
        lambda p, t: ((p - t[None, :]) ** 2).mean(),
        lambda p, t: schuss.relu(p[:, 0][:, None] - p[:, 0]).mean(),
        lambda p, t: schuss.exp(-((p - p.T) ** 2)).mean(),
        lambda p, t: (p @ p.T).mean() + (t[:, None] * t).mean(),
        nn.MSELoss(),
    ],
)
def test_pairs_that_are_written_out_are_fine(loss):
    train(loss)


def distances(p, t):
    t = t[:, None]
    return ((p**2).sum(axis=1, keepdims=True) + (t**2).sum(axis=1) - 2 * p @ t.T).mean()


@pytest.mark.parametrize(
    "pairs",
    [
        lambda p, t: ((p[:, 0] - t[:, None]) ** 2).mean(),
        lambda p, t: (schuss.sqrt((p**2).sum(axis=1, keepdims=True)) - t).mean(),
        distances,
    ],
)
def test_where_it_may_be_meant_it_is_said_once(pairs):
    with pytest.warns(UserWarning, match="every example with every other; if that is not meant") as told:
        train(pairs, validation=(X, Y))
    assert [w.filename for w in told] == [__file__]


def test_models_may_pair_examples():
    class Pairs(nn.Module):
        def __init__(self):
            self.last = nn.Linear(2, 1)

        def forward(self, x):
            y = self.last(x)
            return y + 0.0 * (y - y[:, 0]).mean(axis=1, keepdims=True)

    fit(Pairs(), (X, Y), loss=nn.MSELoss(), backend="reference", epochs=1)


# -- loops of one's own ------------------------------------------------------------------------------------


def loop(combine, y=Y, outputs=1, how=schuss.value_and_grad, fixed=True):
    """One evaluation of a loss of a model, data and targets, as arguments or, fixed, from outside."""
    model = nn.Linear(2, outputs)
    nn.initialize(model, 0)
    if fixed:
        return how(lambda m: schuss.mean(combine(m(X), y)))(model)
    return how(lambda m, x, y: schuss.mean(combine(m(x), y)))(model, X, y)


@pytest.mark.parametrize("how", [schuss.value_and_grad, schuss.grad, schuss.jit, lambda f: schuss.jit(schuss.grad(f))])
@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize(
    ("combine", "y"),
    [
        (lambda p, t: (p - t) ** 2, Y),
        (lambda p, t: schuss.abs(t - 2 * schuss.tanh(p)), Y),
        (lambda p, t: schuss.where(t > 0, p, 0.0), Y),
        (lambda p, t: (p - p.mean(axis=1, keepdims=True)) * t, Y),
        (lambda p, t: (p - t[:, None]) * t, Y),
        (lambda p, t: p[:, 0] - t, Y[:, None]),
    ],
)
def test_predictions_of_a_loop_against_targets_are_warned_of(combine, y, how, fixed):
    said = r"\[12,1\] against \[12\] is|\[12\] against \[12,1\] is"
    with pytest.warns(UserWarning, match=said) as told:
        loop(combine, y, how=how, fixed=fixed)
    loop(combine, y, how=how, fixed=fixed)  # once
    assert [(w.filename, w.lineno) for w in told] == [(__file__, combine.__code__.co_firstlineno)]
    assert "every example with every other; if that is not meant, bring them to one shape first" in str(told[0].message)


@pytest.mark.parametrize(
    ("combine", "y", "outputs"),
    [
        (lambda p, t: p[:, 0] - t, Y, 1),
        (lambda p, t: p - t[:, None], Y, 1),
        (lambda p, t: p[:, 0] - (1.0 * p[:, 0])[:, None] * t.mean(), Y, 1),
        (lambda p, t: p[:, 0][:, None] - t, Y, 1),
        (lambda p, t: p - t[None, :], Y, 1),
        (lambda p, t: p - p[:, 0], Y, 1),
        (lambda p, t: p - p.T, Y, 1),
        (lambda p, t: schuss.sqrt((p**2).sum(axis=1, keepdims=True)) - t, Y, 1),
        (lambda p, t: (p**2).sum(axis=1, keepdims=True) + (t**2).sum(axis=1) - 2 * p @ t.T, Y[:, None], 1),
        (lambda p, t: p - t, Y, 12),
        (lambda p, t: p * t.mean(), Y, 1),
        (lambda p, t: p * np.arange(3, dtype="f4"), Y, 1),
        (lambda p, t: t[:, None] * t, Y, 1),
    ],
)
def test_a_loop_may_write_pairs(combine, y, outputs):
    loop(combine, y, outputs)
    loop(combine, y, outputs, schuss.jit, fixed=False)


def test_a_loop_may_write_pairs_with_its_argument():
    loop(lambda p, t: p[:, 0] - t[:, None], how=schuss.jit, fixed=False)


def test_models_of_a_loop_may_pair_examples():
    class Pairs(nn.Module):
        def __init__(self):
            self.last = nn.Linear(2, 1)

        def forward(self, x):
            return schuss.tanh(self.last(x) - x[:, 0]).mean(axis=1)

    schuss.grad(lambda m: ((m(X) - Y) ** 2).mean())(Pairs())
