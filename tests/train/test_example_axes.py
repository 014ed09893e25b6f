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
