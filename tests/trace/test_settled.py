"""What Python draws while a graph is built is refused where the graph is kept: numpy, the clock, fresh layers."""

from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import TraceError

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
DATA = (X, X)
OWN = np.random.default_rng(1)
COUNT = itertools.count(1)


def by_torch(h):
    torch = pytest.importorskip("torch")
    return h + torch.randn(4).numpy()


def by_choice(h):
    return h if next(COUNT) % 2 else -h


def by_another_node(h):
    return schuss.tanh(h) if next(COUNT) % 2 else h * 2.0


DRAWN = {
    "numpy": lambda h: h + np.random.normal(size=4).astype(np.float32),
    "own generator": lambda h: h * OWN.uniform(),
    "random": lambda h: h * random.random(),
    "clock": lambda h: h + time.perf_counter_ns() % 100_000,
    "torch": by_torch,
    "power": lambda h: schuss.exp(h) ** random.random(),
    "index": lambda h: h[:, :: 1 + next(COUNT) % 2].sum(axis=1, keepdims=True) + h,
    "permutation": lambda h: schuss.take(h, OWN.permutation(4), axis=1),
    "fresh layer": lambda h: nn.Linear(4, 4)(h) + 0.0,
    "structure": by_choice,
    "other op": by_another_node,
}


def fit(model, loss=None, **options):
    return schuss.fit(model, DATA, **{"loss": loss or nn.MSELoss(), "optimizer": optim.SGD(0.1)} | options)


@pytest.mark.parametrize("drawn", DRAWN.values(), ids=DRAWN)
def test_what_is_drawn_in_a_layer_is_refused_with_its_line(drawn):
    model = nn.Sequential(nn.Linear(4, 4), drawn)
    with pytest.raises(TraceError, match=r"schuss\.random_\w+.*\(line: .*test_settled\.py:\d+\)"):
        fit(model, backend="reference")
    with pytest.raises(TraceError, match=r"schuss\.random_\w+.*\(line: .*test_settled\.py:\d+\)"):
        model(X)


def test_what_makes_no_node_by_itself_is_noticed_too():
    """A layer that is skipped by chance, and a schedule of Python numbers."""

    class Skipped(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            return x if next(COUNT) % 2 else self.inner(x)

    class Outer(nn.Module):
        def __init__(self):
            self.parts = {"a": Skipped(), "b": nn.Linear(4, 4)}

        def forward(self, x):
            return self.parts["b"](self.parts["a"](x))

    for model in (Outer(), nn.Sequential(nn.Linear(4, 4), Skipped())):
        for _ in range(2):
            with pytest.raises(TraceError, match=r"schuss\.random_uniform"):
                model(X)
    for _ in range(2):
        with pytest.raises(TraceError, match="is another each time"):
            fit(nn.Linear(4, 4), optimizer=optim.SGD(lambda step: random.random()))


def noisy(h, *_):
    return h * np.float32(OWN.uniform(1.0, 2.0))


def squares(p, t):
    return ((p - t) ** 2).mean()


@pytest.mark.parametrize(
    "use",
    [
        lambda path: fit(nn.Linear(4, 4), lambda p, t: noisy(squares(p, t))),
        lambda path: fit(nn.Linear(4, 4), metrics={"m": lambda p, t: noisy(squares(p, t))}),
        lambda path: fit(nn.Linear(4, 4), optimizer=optim.SGD(lambda step: noisy(0.1 + 0.0 * step))),
        lambda path: schuss.jit(noisy)(X),
        lambda path: schuss.jit(nn.Sequential(nn.Linear(4, 4), noisy))(X),
        lambda path: schuss.freeze(nn.Sequential(nn.Linear(4, 4), noisy))(X),
        lambda path: schuss.save(nn.Sequential(nn.Linear(4, 4), noisy), path / "m"),
    ],
    ids=["loss", "metric", "schedule", "jit", "jit of a model", "freeze", "save"],
)
def test_wherever_a_graph_is_kept(use, tmp_path):
    with pytest.raises(TraceError, match=r"numpy, random.*random_normal"):
        use(tmp_path)


def test_noise_of_training_only_is_seen_by_fit():
    def only_training(h):
        return noisy(h) if nn.current_mode().training else h

    model = nn.Sequential(nn.Linear(4, 4), only_training)
    model(X)
    with pytest.raises(TraceError, match="random_normal"):
        fit(model)


def test_what_is_traced_afresh_at_each_call_may_draw():
    values = {float(schuss.grad(lambda x: noisy(x).sum())(np.float32(1.0))) for _ in range(3)}
    assert len(values) == 3


def test_constants_that_stay_are_fine():
    table = np.full(4, np.nan, np.float32)
    table[0] = 0.5
    model = nn.Sequential(nn.Linear(4, 4), lambda h: schuss.where(np.isnan(table), h, table) + float("nan") * 0.0 + 1)
    assert model(X).shape == (12, 4)


def test_schusss_own_layers_are_traced_once(monkeypatch):
    """A second trace costs time: it is made where code of the user's took part only."""
    made = []
    inner = nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: made.append(1) or inner(self, x))
    # A function of this file took part in it: two traces.
    nn.Linear(4, 4)(X)
    assert len(made) == 2
    monkeypatch.undo()
    seen = []
    monkeypatch.setattr("schuss.trace.twice._compare", lambda *_: seen.append(1))
    fit(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(0.1), nn.Linear(4, 4)))
    nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))(X)
    assert not seen
    fit(nn.Linear(4, 4), squares)
    assert seen


def test_the_noise_of_the_guide_is_another_in_each_step():
    class Noise(nn.Module):
        def forward(self, x):
            now = nn.current_mode()
            if not now.training:
                return x
            return x + schuss.random_normal(now.key, now.step, shape=x.shape, stream=now.next_stream())

    gain = nn.Sequential(nn.Linear(4, 4), Noise())
    run = fit(gain, epochs=3, optimizer=optim.SGD(1e-9), batch_size=12)
    assert len(set(np.round(run.history["loss"], 4))) == 3
    np.testing.assert_array_equal(gain(X), gain(X))
