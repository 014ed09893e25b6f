"""What an epoch costs beside its steps."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

from counting import python_calls

from schuss import optim
from schuss.train import loop

from .support import fit, mlp, xor


def test_an_epoch_of_one_step_calls_little_python(monkeypatch):
    still = itertools.repeat(0.0).__next__  # a clock by which it is never time to look at the curve
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=still, thread_time=still))

    def calls(epochs):
        return python_calls(
            lambda: fit(mlp(2, 8, 2), xor(), optimizer=optim.Adam(lr=0.05), epochs=epochs, batch_size=4)
        )

    calls(2)
    each = (calls(60) - calls(10)) / 50
    assert each < 100  # 130 and more with a property for each sum and two calls for each array's finiteness
