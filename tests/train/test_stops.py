"""Runs that end early: numbers that blow up, an interrupt, a stop asked for."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.errors import DataError, NonFiniteError
from schuss.train import trainer as loop
from schuss.train.fit import prepare

from .support import blobs, fit, line, mlp, same_bits, weights

BACKENDS = pytest.mark.parametrize("backend", ["native", "reference"])


def finite(model):
    return all(np.isfinite(w).all() for w in weights(model).values())


def log_loss(pred, target):
    return -ops.log(pred).mean()  # NaN for a negative prediction


@BACKENDS
def test_the_log_of_a_negative_number_is_named(backend):
    model = nn.Linear(2, 1)
    nn.initialize(model, 0)
    before = weights(model)
    with pytest.raises(NonFiniteError, match=r"^log gave NaN or infinity at epoch 1, step 1; ") as caught:
        fit(model, line(), loss=log_loss, backend=backend)
    number = log_loss.__code__.co_firstlineno + 1
    assert f"test_stops.py:{number}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same_bits(weights(model), before)


def blows_up(x, y, model=None, rate=1e-9, **options):
    with pytest.raises(NonFiniteError) as caught:
        schuss.fit(model or nn.Linear(x.shape[-1], 1), (x, y), loss=nn.MSELoss(), optimizer=optim.SGD(rate), epochs=9,
                   backend="reference", **options)  # fmt: skip
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_data_that_are_large_are_to_be_scaled():
    """At the first step no learning rate has acted yet; later ones may be too large for such data, too."""
    x, y = line(40)
    large = x * np.float32([1, 1e20])
    said = blows_up(large, y)
    low, high = (f"{v:.4g}" for v in (large[:, 1].min(), large[:, 1].max()))
    assert "epoch 1, step 1; " in said
    assert f"(x - x.mean(axis=0)) / x.std(axis=0) does: column 1 of x goes from {low} to {high} (line: " in said
    assert "learning rate" not in said
    said = blows_up(x * 1e6, y, rate=1.0)
    assert "column 0 of x goes from " in said
    assert "; or try a smaller learning rate or limit the gradient's norm (line: " in said
    said = blows_up(x, y * np.float32(1e25))
    assert f"does: y goes from {y.min() * np.float32(1e25):.4g} to " in said
    assert " of x " not in said
    assert "; try a smaller learning rate" in blows_up(x, y, rate=1e20)


def test_data_of_moderate_size_at_the_first_step():
    x, y = line(40)
    with pytest.raises(NonFiniteError, match="no learning rate has acted yet: look at this operation for these data"):
        fit(nn.Linear(2, 1), (x, y), loss=log_loss)


def test_indices_are_not_to_be_scaled():
    """Integers that are looked up are no quantities; those that are turned into floats are."""

    class Words(nn.Module):
        def __init__(self):
            self.table, self.out = nn.Embedding(3000, 2), nn.Linear(2, 1)

        def __call__(self, x):
            return self.out(self.table(x))

    x = np.arange(2000, 2040)
    y = np.full((40, 1), 1e-3, "f4")
    assert "of x" not in (said := blows_up(x, y, Words(), rate=1e38))
    assert "x goes" not in said

    class Both(Words):
        def __call__(self, x):
            return super().__call__(x) + 1e-9 * x.astype("float32")[:, None]

    assert "x goes" not in blows_up(x, y, Both(), rate=1e38)

    class Numbers(nn.Module):
        def __init__(self):
            self.out = nn.Linear(1, 1)

        def __call__(self, x):
            return self.out(x.astype("float32").reshape(-1, 1))

    assert "x goes from 2000 to 2039" in blows_up(x, y, Numbers(), rate=1e38)


def test_float64_beyond_float32_is_refused_at_fit_and_call():
    x = np.zeros((4, 2, 3))
    x[2, 1, 0] = -1e300
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
    mend = r"beyond float32; scale the data, or convert the model with nn\.to_dtype\(model, 'float64'\)"
    with pytest.raises(DataError, match=rf"^x: -1e\+300 at row 2, column 3 is {mend}"):
        fit(model, (x, np.zeros(4)), loss=nn.MSELoss())
    with pytest.raises(DataError, match=rf"^y: 1e\+40 at row 0 is {mend}"):
        fit(model, (np.zeros((4, 6)), np.full(4, 1e40)), loss=nn.MSELoss())
    with pytest.raises(DataError, match=rf"-1e\+300 at row 2, column 3 is {mend}"):
        model(x)
    assert np.isinf(model(np.full((1, 6), np.inf))).all() or np.isnan(model(np.full((1, 6), np.inf))).all()
    nn.to_dtype(model, "float64")
    assert np.isfinite(model(x)).all()


class FromStep:
    """SGD whose gradients are huge from a step on."""

    def __init__(self, step):
        self.at = step

    def init(self, params):
        return {}

    def update(self, params, grads, state, step):
        rate = ops.where(ops.cast(step, dtype="float32") >= float(self.at), 1e38, 1e-6)
        return {n: w - rate * (100.0 * grads[n]) * 100.0 for n, w in params.items()}, {}


@BACKENDS
@pytest.mark.parametrize("bad", [0, 1, 4, 9, 10, 17])
def test_the_weights_are_those_before_the_bad_step(backend, bad):
    """Six steps an epoch. The update of step `bad` makes infinite weights; the run must end with the ones before it."""
    data = line(60)
    model = nn.Linear(2, 1)
    options = {"loss": nn.MSELoss(), "batch_size": 10, "epochs": 3, "backend": backend}
    with pytest.raises(NonFiniteError, match=f"epoch {bad // 6 + 1}, step {bad % 6 + 1};"):
        fit(model, data, optimizer=FromStep(bad), **options)
    assert finite(model)
    other = nn.Linear(2, 1)
    trainer = prepare(other, data, **{**options, "optimizer": FromStep(10**6)}, validation=None, seed=0)
    for epoch in range(3):
        order = order_of(trainer, epoch)
        steps = min(6, bad - 6 * epoch)
        if epoch == 0:
            trainer.loop.load(trainer.arrays)
        if steps > 0:
            trainer.loop.run(order, 10, 0, steps, 6 * epoch)
    expected = {n.removeprefix("param/"): v for n, v in trainer.loop.state().items() if n.startswith("param/")}
    for name, value in weights(model).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6, err_msg=name)


def order_of(trainer, epoch):
    from schuss.data import epoch_order

    return epoch_order(trainer.rows, trainer.key, epoch)


@BACKENDS
def test_a_rate_that_explodes(backend):
    model = mlp(4, 8, 3)
    x, _ = blobs()
    with pytest.raises(NonFiniteError, match=r"gave NaN or infinity at epoch \d+, step \d+; .*smaller learning rate"):
        fit(
            model,
            (1e3 * x, (1e3 * x[:, :3])),
            loss=nn.MSELoss(),
            optimizer=optim.SGD(lr=1e12),
            epochs=50,
            backend=backend,
        )
    assert finite(model)
    assert model(x).shape == (len(x), 3)


def test_the_layer_is_named():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    nn.initialize(model, 0)
    model[1].weight.data = np.full((1, 3), 3e38)
    model[0].weight.data = np.full((3, 2), 3.0)
    with pytest.raises(NonFiniteError, match=r"in 1\.Linear gave NaN or infinity at epoch 1, step 1"):
        fit(model, (np.ones((8, 2), "f4"), np.ones((8, 1), "f4")), loss=nn.L1Loss())


def test_a_gradient_that_is_not_finite():
    """The loss is finite (0), its gradient is not: the root of 0."""
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = np.zeros((1, 2))
    with pytest.raises(NonFiniteError, match="epoch 1, step 1"):
        fit(model, line(), loss=lambda p, t: ops.sqrt(p * p).mean())
    assert (model.weight.data == 0).all()


def test_optimizer_state_that_is_not_finite():
    class Growing:
        def init(self, params):
            return {"size": np.ones((), "f4")}

        def update(self, params, grads, state, step):
            return params, {"size": state["size"] * 1e10}

    model = nn.Linear(2, 1)
    with pytest.raises(NonFiniteError, match="epoch 1, step 4"):
        fit(model, line(), loss=nn.MSELoss(), optimizer=Growing(), batch_size=10)


def test_weights_given_that_are_not_finite():
    model = nn.Linear(2, 1)
    model.weight.data = np.array([[1.0, np.nan]])
    with pytest.raises(NonFiniteError, match="epoch 1, step 1"):
        fit(model, line(), loss=nn.MSELoss())


@BACKENDS
def test_an_interrupt_in_a_callback_leaves_the_weights_of_that_epoch(backend):
    def interrupt(run):
        if run.epochs == 2:
            raise KeyboardInterrupt

    model, other = mlp(4, 8, 3), mlp(4, 8, 3)
    with pytest.raises(KeyboardInterrupt):
        fit(model, blobs(), epochs=9, callbacks=[interrupt], backend=backend)
    fit(other, blobs(), epochs=2, backend=backend)
    assert same_bits(weights(model), weights(other))
    fit(model, blobs(), epochs=1, backend=backend)


def test_an_error_in_a_callback_passes_and_leaves_the_weights():
    def fail(run):
        raise ZeroDivisionError("mine")

    model, other = mlp(4, 3), mlp(4, 3)
    with pytest.raises(ZeroDivisionError, match="mine"):
        fit(model, blobs(), epochs=9, callbacks=[fail], backend="reference")
    fit(other, blobs(), epochs=1, backend="reference")
    assert same_bits(weights(model), weights(other))


def trainer_of(model, epochs=3):
    return prepare(
        model, blobs(), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=epochs, batch_size=4,
        validation=None, seed=0,
    )  # fmt: skip


def test_a_stop_ends_the_run_at_the_next_slice():
    """The first slice is one step, the second four at most: a stop asked for from the start ends after one."""
    model = mlp(4, 3)
    trainer = trainer_of(model)
    run = trainer.train(stop=lambda: "signal 15")
    assert run.stopped == "signal 15"
    assert (trainer.position.epoch, trainer.position.step, run.steps) == (0, 1, 1)
    assert same_bits(weights(model), trainer.weights())


def test_a_stop_leaves_the_weights_of_its_step():
    model, other = mlp(4, 3), mlp(4, 3)
    reasons = iter([None, None, "enough"])
    trainer = trainer_of(model)
    run = trainer.train(stop=lambda: next(reasons))
    alone = trainer_of(other)
    alone.loop.load(alone.arrays)
    alone.loop.run(order_of(alone, 0), 4, 0, run.steps, 0)
    expected = alone.loop.state()
    assert run.stopped == "enough"
    assert 3 <= run.steps <= 21
    for name, value in weights(model).items():
        assert np.array_equal(value, expected[f"param/{name}"])


def test_an_error_within_an_epoch_leaves_the_run_at_its_last_snapshot(monkeypatch):
    monkeypatch.setattr(loop, "SLICE", 0.0)  # slices of one step
    trainer = trainer_of(mlp(4, 3))

    def progress(at):
        if (at.epoch, at.step) == (1, 3):
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        trainer.train(progress)
    at = trainer.position
    assert (at.epoch, at.step, at.counter, trainer.run.steps) == (1, 0, 30, 30)


def test_a_stop_while_the_loss_is_not_finite_is_an_error_all_the_same():
    model = nn.Linear(2, 1)
    trainer = prepare(model, line(), loss=log_loss, optimizer=optim.SGD(lr=0.1), epochs=1, batch_size=60,
                      validation=None, seed=0)  # fmt: skip
    with pytest.raises(NonFiniteError):
        trainer.train(stop=lambda: "signal 2")


def test_progress_goes_up_to_the_end():
    seen = []
    trainer_of(mlp(4, 3), epochs=2).train(progress=seen.append)
    assert seen[-1].epoch == 1
    assert (seen[-1].step, seen[-1].steps, seen[-1].examples) == (30, 30, 120)
    assert all(np.isfinite(p.means["loss"]) for p in seen)
    assert [(p.epoch, p.step) for p in seen] == sorted({(p.epoch, p.step) for p in seen})


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("delay", [0.01, 0.2, 0.45])
def test_an_interrupt_in_the_middle_of_an_epoch(threads, delay):
    """It ends the call soon; the model has weights of some step, and both it and the threads can go on."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4000, 60)).astype("f4"), rng.integers(0, 3, 4000)
    model = mlp(60, 90, 3)
    nn.initialize(model, 0)
    started = threading.Event()

    def interrupt():
        started.wait(30)
        time.sleep(delay)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sender = threading.Thread(target=interrupt)
    sender.start()
    try:
        begin = SimpleNamespace(begin=lambda run: started.set())
        with pytest.raises(KeyboardInterrupt):
            fit(model, (x, y), epochs=10**6, threads=threads, callbacks=[begin])
    finally:
        sender.join()
        signal.signal(signal.SIGINT, before)
    assert finite(model)
    first = fit(model, (x, y), epochs=1, threads=threads).last("loss")
    assert np.isfinite(first)


def test_large_numbers_whose_sum_is_infinite_are_finite():
    from schuss.train.recovery import finite as are_finite

    large = np.full((3, 4), 3e38, "f4").T
    assert are_finite({"a": large, "b": np.arange(3), "c": np.float64(1e308) * np.ones(5)})
    for bad in (np.nan, np.inf, -np.inf):
        assert not are_finite({"a": large, "b": np.array([1.0, bad])})
    assert not are_finite({"a": np.array([np.inf, -np.inf], "f4")})
