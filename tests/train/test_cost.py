"""What an epoch costs beside its steps."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from counting import python_calls

import schuss
from schuss import nn, optim
from schuss.train import checks, recording, recovery, source
from schuss.train import trainer as loop

from .support import fit, mlp, xor


def test_an_epoch_of_one_step_calls_little_python(monkeypatch):
    still = itertools.repeat(0.0).__next__  # a clock by which it is never time to look at the curve
    for module in (loop, recording, recovery):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=still, thread_time=still))

    def calls(epochs):
        return python_calls(
            lambda: fit(mlp(2, 8, 2), xor(), optimizer=optim.Adam(lr=0.05), epochs=epochs, batch_size=4)
        )

    calls(2)
    each = (calls(60) - calls(10)) / 50
    assert each < 100  # 130 and more with a property for each sum and two calls for each array's finiteness


ROWS = np.random.default_rng(0).normal(size=(8, 3)).astype("f4")


@pytest.mark.parametrize(
    "y, loss, evaluated",
    [
        (ROWS, lambda pred, target: ((pred - target) ** 2).mean(), 1),
        (ROWS, nn.MSELoss(), 0),
        ((ROWS > 0).astype("f4"), nn.BCEWithLogitsLoss(), 1),
        (ROWS.argmax(axis=1), nn.MSELoss(), 1),
        (ROWS.argmax(axis=1), nn.CrossEntropyLoss(), 1),
    ],
)
def test_what_is_looked_at_before_a_run_is_traced_once(monkeypatch, y, loss, evaluated):
    """Beside the step itself, which is one trace of its own; evaluate has none for a loss of each number."""
    traced = []
    real = checks.forward_graph
    for module in (checks, source):
        monkeypatch.setattr(module, "forward_graph", lambda *a, **k: traced.append(a) or real(*a, **k))
    model = mlp(3, 4, 3)
    schuss.fit(model, (ROWS, y), loss=loss, optimizer=optim.SGD(0.1), backend="reference", validation=0.25)
    assert len(traced) == 1
    schuss.evaluate(model, (ROWS, y), loss=loss, backend="reference")
    assert len(traced) == 1 + evaluated
