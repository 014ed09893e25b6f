"""A run steered by hand: from its own thread at known steps, and from others at any time."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.data import epoch_order
from schuss.errors import UsageError
from schuss.train import trainer as loop
from schuss.train.fit import prepare

from .support import blobs, fit, line, mlp, same_bits, weights

STEPS = 30  # of an epoch
FOREVER = 10**6
PATIENCE = 30.0  # seconds after which something that is waited for has failed


def trainer_of(control=None, epochs=3, optimizer=None, record=False, seed=0):
    return prepare(
        mlp(4, 8, 3), blobs(), loss=nn.CrossEntropyLoss(), optimizer=optimizer or optim.SGD(lr=0.1), epochs=epochs,
        batch_size=4, validation=None, seed=seed, record=record, control=control,
    )  # fmt: skip


@pytest.fixture
def single_steps(monkeypatch):
    """Slices of one step."""
    monkeypatch.setattr(loop, "SLICE", 0.0)


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class InThread:
    """A trainer at work in a thread of its own, ended at the latest when the block is left."""

    def __init__(self, trainer, **options):
        self.trainer, self.control = trainer, trainer.control
        self.thread = threading.Thread(target=lambda: trainer.train(**options))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.control.stop("the test is over")
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    @property
    def steps(self):
        return self.trainer.run.steps

    def stands(self):
        """Whether no step is done for a while."""
        before = self.steps
        time.sleep(0.15)
        return self.steps == before

    def done(self):
        return [change["what"] for change in self.trainer.run.changes]


# -- from another thread -----------------------------------------------------------------------------------


def test_pause_resume_step_and_stop_from_another_thread():
    control = schuss.Control()
    with InThread(trainer_of(control, epochs=FOREVER)) as at:
        wait_until(lambda: at.steps > 100)
        assert not control.paused
        control.pause()
        assert control.paused
        wait_until(lambda: at.done() == ["pause"])
        assert at.stands()
        stood = at.steps
        control.step()
        wait_until(lambda: at.steps == stood + 1)
        control.step(70)  # more than an epoch
        wait_until(lambda: at.steps == stood + 71)
        assert at.stands()
        assert control.paused
        control.resume()
        assert not control.paused
        wait_until(lambda: at.steps > stood + 200)
        control.stop("enough")
        at.thread.join(PATIENCE)
    run = at.trainer.run
    assert run.stopped == "enough"
    assert at.done() == ["pause", "step", "step", "resume", "stop"]
    assert [c["step"] for c in run.changes] == [stood, stood, stood + 1, stood + 71, run.steps]
    assert all(c["epoch"] == pytest.approx(c["step"] / STEPS) for c in run.changes)
    assert all(c["from"] is None and c["to"] is None for c in run.changes)
    assert same_bits(weights(at.trainer.task.model), at.trainer.weights())


def test_steps_asked_for_between_two_looks_are_all_done():
    control = schuss.Control()
    control.step(2)
    control.step(3)
    assert [what for what, _ in control.take()] == ["step", "step"]
    assert not control.holds
    assert (control.grant(4), control.grant(4)) == (4, 1)
    assert control.holds


def test_a_stop_holds_no_run_that_is_paused():
    control = schuss.Control()
    control.pause()
    control.take()
    assert control.holds
    control.stop("enough")
    control.take()
    assert (control.holds, control.reason) == (False, "enough")


def test_a_run_steered_at_random_ends_with_the_bits_of_one_left_alone():
    alone = trainer_of(epochs=400)
    alone.train()
    control = schuss.Control()
    rng = np.random.default_rng(0)
    with InThread(trainer_of(control, epochs=400)) as at:
        while at.thread.is_alive():
            what = rng.choice(["pause", "resume", "step", "resume"])
            getattr(control, what)()
            control.set_rate(0.1)  # what it is already
            time.sleep(rng.uniform(0, 0.01))
            control.resume()
    assert at.trainer.run.stopped is None
    assert same_bits(alone.weights(), at.trainer.weights())


def test_a_rate_set_from_another_thread():
    control = schuss.Control()
    with InThread(trainer_of(control, epochs=FOREVER)) as at:
        wait_until(lambda: at.steps > 100)
        control.set_rate(0.025)
        wait_until(lambda: at.trainer.run.changes)
        epoch = int(at.trainer.run.changes[0]["epoch"])
        wait_until(lambda: at.trainer.run.epochs > epoch + 1)
    change = at.trainer.run.changes[0]
    assert (change["what"], change["from"], change["to"]) == ("lr", 0.1, 0.025)
    lr = at.trainer.run.history["lr"]
    assert set(lr[:epoch]) == {0.1}
    assert set(lr[epoch + 1 :]) == {0.025}
    assert at.trainer.arrays["opt/lr_factor"] == pytest.approx(0.25)


def test_a_rate_is_set_while_the_run_is_paused():
    control = schuss.Control()
    control.pause()
    with InThread(trainer_of(control)) as at:
        wait_until(lambda: at.done() == ["pause"])
        control.set_rate(0.5)
        wait_until(lambda: at.done() == ["pause", "lr"])
        assert at.trainer.rate(0) == 0.5
        assert at.steps == 0
        control.resume()
        at.thread.join(PATIENCE)
    assert at.trainer.run.history["lr"] == [0.5] * 3


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_paused_run_in_the_main_thread_sees_an_interrupt():
    control = schuss.Control()
    control.pause()
    trainer = trainer_of(control)
    started = threading.Event()
    trainer.callbacks = [SimpleNamespace(begin=lambda run: started.set())]

    def interrupt():
        started.wait(PATIENCE)
        time.sleep(0.2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sender = threading.Thread(target=interrupt)
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
    finally:
        sender.join()
        signal.signal(signal.SIGINT, before)
    assert not control.paused  # as new


def test_a_paused_run_sees_a_stop_asked_for_by_its_caller():
    control = schuss.Control()
    control.pause()
    asked = iter([None] * 3)
    trainer = trainer_of(control)
    run = trainer.train(stop=lambda: next(asked, "signal 15"))
    assert run.stopped == "signal 15"
    assert run.steps == 0


def test_a_stop_ends_a_pause():
    control = schuss.Control()
    control.pause()
    with InThread(trainer_of(control)) as at:
        wait_until(lambda: at.done() == ["pause"])
        control.stop()
        at.thread.join(PATIENCE)
    assert at.trainer.run.stopped == "stopped by hand"
    assert at.done() == ["pause", "stop"]


def test_a_pause_is_no_training(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: 0.0))
    control = schuss.Control()
    trainer = trainer_of(control, epochs=1, record=True)
    control.pause()
    with InThread(trainer) as at:
        wait_until(lambda: at.done() == ["pause"])
        now[0] = 100.0
        control.resume()
        at.thread.join(PATIENCE)
    assert trainer.run.last("seconds") == 0.0
    assert trainer.run.path[-1].seconds == 0.0


def test_a_pause_keeps_a_snapshot_of_its_step():
    """Whoever looks at a paused run sees its last step."""
    control = schuss.Control()
    control.step(7)
    trainer, fresh = trainer_of(control, record=True), []
    with InThread(trainer, saved=lambda ended: fresh.append((trainer.run.steps, ended))) as at:
        wait_until(lambda: fresh[-1:] == [(7, False)])  # the last thing a pause does: the moment is recorded before
        assert at.steps == 7
        seen = at.trainer.weights()
        assert same_bits(seen, at.trainer.run.path[-1].weights)
        assert at.trainer.run.path[-1].step == 7
    other = trainer_of()
    other.loop.load(other.arrays)
    other.loop.run(epoch_order(other.rows, other.key, 0), 4, 0, 7, 0)
    assert same_bits(seen, {name: other.loop.peek(f"param/{name}") for name in seen})


# -- at known steps ----------------------------------------------------------------------------------------


def steered(at_step, action, **options):
    """A run in which `action(control)` happens after a step; slices of one step are needed."""
    control = schuss.Control()
    trainer = trainer_of(control, **options)

    def progress(_):
        if trainer.run.steps == at_step:
            action(control)

    trainer.train(progress)
    return trainer


def test_a_new_rate_is_used_from_the_next_step_on(single_steps):
    trainer = steered(10, lambda c: c.set_rate(0.025), epochs=1)

    class Two:
        """0.1 for ten steps, then 0.025."""

        lr = staticmethod(lambda step: schuss.where(step < 10, 0.1, 0.025))

        init = staticmethod(optim.SGD(lr=lr).init)
        update = staticmethod(optim.SGD(lr=lr).update)

    alone = trainer_of(optimizer=Two(), epochs=1)
    alone.train()
    assert same_bits(trainer.weights(), alone.weights())
    assert trainer.run.changes == [{"step": 10, "epoch": 10 / STEPS, "what": "lr", "from": 0.1, "to": 0.025}]


def test_a_schedule_goes_on_in_proportion(single_steps):
    schedule = optim.Exponential(0.1, 0.9)
    rate = 0.5 * schedule(10)
    trainer = steered(10, lambda c: c.set_rate(rate, hold=False), optimizer=optim.SGD(lr=schedule), epochs=2)
    assert trainer.run.history["lr"] == pytest.approx([0.5 * schedule(29), 0.5 * schedule(59)])
    change = trainer.run.changes[0]
    assert change["from"] == pytest.approx(schedule(10))
    assert change["to"] == pytest.approx(0.5 * schedule(10))
    assert "held" not in change


def test_a_rate_is_held_against_the_schedule(single_steps):
    """At first OneCycle rises: a rate that is multiplied by it runs away."""
    schedule = optim.OneCycle(0.1, 60)
    trainer = steered(10, lambda c: c.set_rate(0.01), optimizer=optim.SGD(lr=schedule), epochs=2)
    assert trainer.run.history["lr"] == [0.01, 0.01]
    change = trainer.run.changes[0]
    assert (change["from"], change["to"], change["held"]) == (pytest.approx(float(schedule(10))), 0.01, True)

    class Two:
        lr = staticmethod(lambda step: schuss.where(step < 10, schedule(step), 0.01))
        init = staticmethod(optim.SGD(lr=lr).init)
        update = staticmethod(optim.SGD(lr=lr).update)

    alone = trainer_of(optimizer=Two(), epochs=2)
    alone.train()
    assert same_bits(trainer.weights(), alone.weights())


def test_a_rate_that_was_held_is_given_back_to_the_schedule(single_steps):
    schedule = optim.Exponential(0.1, 0.9)
    actions = {10: lambda c: c.set_rate(0.5), 20: lambda c: c.set_rate(schedule(20), hold=False)}
    control = schuss.Control()
    trainer = trainer_of(control, optimizer=optim.SGD(lr=schedule), epochs=2)
    trainer.train(lambda _: actions.get(trainer.run.steps, lambda c: None)(control))
    assert trainer.run.history["lr"] == pytest.approx([schedule(29), schedule(59)])


def test_groups_change_in_proportion(single_steps):
    groups = [optim.Group("2", lr=0.02), optim.Group("0.bias", lr=optim.Exponential(0.4, 0.9))]
    optimizer = optim.SGD(0.1, groups=groups)
    trainer = steered(10, lambda c: c.set_rate(0.05), optimizer=optimizer, epochs=1)
    held = 0.5 * 0.4 * 0.9**10
    assert trainer.rates_at(29) == pytest.approx({"lr": 0.05, "lr/2": 0.01, "lr/0.bias": held})
    trainer = steered(10, lambda c: c.set_rate(0.05, hold=False), optimizer=optimizer, epochs=1)
    assert trainer.rates_at(29) == pytest.approx({"lr": 0.05, "lr/2": 0.01, "lr/0.bias": 0.5 * 0.4 * 0.9**29})
    trainer = steered(10, lambda c: [c.set_rate(0), c.set_rate(0.2)], optimizer=optimizer, epochs=1)
    assert trainer.rates_at(29)["lr/2"] == pytest.approx(0.04)


def test_a_users_own_optimizer_says_why_its_schedule_cannot_be_held():
    class Own:
        lr = staticmethod(optim.Exponential(0.1, 0.9))

        def init(self, params):
            return {"lr_factor": np.ones(())}

        def update(self, params, grads, state, step):
            return {n: w - grads[n] * schuss.cast(state["lr_factor"], dtype=w.dtype) for n, w in params.items()}, state

    control = schuss.Control()
    trainer_of(control, optimizer=Own())
    with pytest.raises(schuss.errors.UsageError, match=r"the rate of Own cannot be held: .*'lr_held'.*hold=False"):
        control.set_rate(0.1)
    control.set_rate(0.1, hold=False)
    with pytest.raises(schuss.errors.UsageError, match="hold must be True or False"):
        control.set_rate(0.1, hold="no")


def test_a_rate_of_zero_stands_still_and_another_goes_on(single_steps):
    trainer = steered(30, lambda c: c.set_rate(0), epochs=2)
    first = trainer_of(epochs=1)
    first.train()
    assert same_bits(trainer.weights(), first.weights())
    assert trainer.run.history["lr"] == [0.1, 0.0]


def test_where_a_schedule_is_at_zero_no_rate_can_be_set(single_steps):
    schedule = optim.MultiStep(0.1, [5], gamma=5e-324)
    trainer = steered(10, lambda c: c.set_rate(0.1, hold=False), optimizer=optim.SGD(lr=schedule), epochs=1)
    assert trainer.run.changes == [{"step": 10, "epoch": 10 / STEPS, "what": "lr", "from": 0.0, "to": 0.0}]
    assert trainer.arrays["opt/lr_factor"] == 1


def test_of_a_slider_being_dragged_only_the_last_place_counts(single_steps):
    trainer = steered(10, lambda c: [c.set_rate(0.1 * k) for k in range(1, 9)], epochs=1)
    assert [c["to"] for c in trainer.run.changes] == [pytest.approx(0.8)]


def test_a_loss_that_blows_up_after_a_new_rate_is_found(single_steps):
    """Steps before the change are not run again with the rate after it."""
    with pytest.raises(schuss.errors.NonFiniteError, match=r"epoch 1, step (1[1-9]|2\d)"):
        steered(10, lambda c: c.set_rate(1e38), epochs=1)


def test_a_stop_leaves_the_position_for_a_checkpoint(single_steps):
    trainer = steered(10, lambda c: c.stop(), epochs=1)
    assert (trainer.position.step, trainer.position.counter, trainer.run.stopped) == (10, 10, "stopped by hand")
    assert trainer.position.changes == trainer.run.changes


def test_a_stop_between_epochs(single_steps):
    trainer = steered(30, lambda c: c.stop(), epochs=2)
    assert (trainer.position.epoch, trainer.position.step, trainer.run.epochs) == (1, 0, 1)
    assert trainer.run.stopped == "stopped by hand"


def test_a_control_serves_one_run_after_the_other():
    control = schuss.Control()
    control.stop("the first")
    assert fit(mlp(4, 3), blobs(), control=control).stopped == "the first"
    run = fit(mlp(4, 3), blobs(), control=control)
    assert (run.stopped, run.epochs, run.changes) == (None, 2, [])


def test_a_control_steers_one_run_at_a_time():
    """A second run is refused, whether it is made meanwhile or was made before, and leaves the first one alone."""
    control = schuss.Control()
    before = trainer_of(control)
    with InThread(trainer_of(control, epochs=FOREVER)) as at:
        wait_until(lambda: at.steps > 0)
        for second in (before.train, lambda: trainer_of(control), lambda: fit(mlp(4, 3), blobs(), control=control)):
            with pytest.raises(UsageError, match=r"^fit: this control steers another run; wait for its end, or give"):
                second()
        control.pause()
        wait_until(lambda: at.done() == ["pause"])
        assert before.run.steps == 0
    assert at.trainer.run.stopped == "the test is over"
    assert before.train().stopped is None
    assert fit(mlp(4, 3), blobs(), control=control).stopped is None


def test_a_run_that_fails_gives_its_control_back():
    control = schuss.Control()

    def fail(run):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fit(mlp(4, 3), blobs(), control=control, callbacks=[fail])
    assert fit(mlp(4, 3), blobs(), control=control).stopped is None


def test_changes_are_kept_with_the_model(tmp_path):
    control = schuss.Control()
    control.set_rate(0.5)
    model = mlp(4, 3)
    run = fit(model, blobs(), control=control, record=True)
    schuss.save(model, tmp_path / "m.safetensors")
    loaded = schuss.load(tmp_path / "m.safetensors")
    assert loaded.record["changes"] == run.changes
    assert [c["what"] for c in run.changes] == ["lr"]
    assert not {"path", "task", "data", "validation"} & loaded.record.keys()


# -- what cannot be ----------------------------------------------------------------------------------------


class Plain:
    """An optimizer of the user's own."""

    def init(self, params):
        return {}

    def update(self, params, grads, state, step):
        return {n: w - 0.1 * grads[n] for n, w in params.items()}, {}


class Kin(optim.SGD):
    """One derived from schuss's."""


def test_the_rate_of_a_plain_optimizer_cannot_be_set():
    control = schuss.Control()
    trainer_of(control, optimizer=Plain())
    with pytest.raises(UsageError, match=r"^set_rate: the rate of Plain cannot be changed .*lr_factor"):
        control.set_rate(0.1)
    control.step(2)  # the rest works
    control.pause()


def test_nor_if_it_is_asked_for_before_the_run():
    control = schuss.Control()
    control.set_rate(0.1)
    with pytest.raises(UsageError, match="the rate of Plain cannot be changed"):
        fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), optimizer=Plain(), control=control)


def test_the_rate_of_a_derived_one_can():
    control = schuss.Control()
    control.set_rate(0.5)
    run = fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), optimizer=Kin(lr=0.1), control=control)
    assert run.history["lr"] == [0.5, 0.5]


@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_bad_rates(lr):
    with pytest.raises(UsageError, match="set_rate: lr must be a number of at least 0"):
        schuss.Control().set_rate(lr)


@pytest.mark.parametrize("count", [0, -1, 1.5, "1", None, True])
def test_bad_counts(count):
    control = schuss.Control()
    with pytest.raises(UsageError, match="step: count must be a whole number"):
        control.step(count)
    assert not control.paused


@pytest.mark.parametrize("reason", ["", None, 3])
def test_bad_reasons(reason):
    with pytest.raises(UsageError, match="stop: the reason must be a text"):
        schuss.Control().stop(reason)


def test_a_bad_control():
    with pytest.raises(UsageError, match=r"control must be a schuss\.Control, got True"):
        fit(mlp(4, 3), blobs(), control=True)
