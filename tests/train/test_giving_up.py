"""Runs whose steps take so long that they are given up when somebody wants to stop, pause or leave."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from schuss import nn, optim
from schuss.compiler.tuning import DEFAULT
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.stop import Stop
from schuss.train import fit as fitting
from schuss.train import hurry
from schuss.train.control import Control
from schuss.train.fit import prepare
from schuss.train.hurry import Hurry

from .support import blobs, mlp, same_bits, weights

STEPS = 30  # of an epoch


@pytest.fixture(autouse=True)
def looking(monkeypatch):
    """Programs look whether they are to be given up, however small they are."""
    tuning = replace(DEFAULT, looks=0.0)
    monkeypatch.setattr(fitting, "executor", lambda backend, threads: NativeExecutor(threads, tuning=tuning))


def trainer_of(model=None, **options):
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=1e-2), "epochs": 3, "batch_size": 4, "seed": 0}
    model = model or mlp(4, 8, 3, dropout=0.1)
    return prepare(model, blobs(), **{"validation": None, "threads": 2, **given, **options})


class GivingUp:
    """Calls of native code that are given up, by their number: what the state is then, nobody knows."""

    def __init__(self, monkeypatch):
        self.calls, self.wanted, self.then, self.loop = 0, set(), lambda: None, None
        begin = Stop.begin

        def beginning(stop, asked=None):
            begin(stop, asked)
            self.calls += 1
            if self.calls in self.wanted:
                stop.tell()
                self.then()
                for array in self.loop._state.values():
                    array[...] = np.nan if array.dtype.kind == "f" else 7

        monkeypatch.setattr(Stop, "begin", beginning)


@pytest.fixture
def giving_up(monkeypatch):
    return GivingUp(monkeypatch)


@pytest.fixture
def single_steps(monkeypatch):
    monkeypatch.setattr("schuss.train.trainer.SLICE", 0.0)


def test_a_run_goes_on_from_its_last_snapshot_to_the_same_bits(giving_up, single_steps):
    straight = trainer_of()
    before = straight.train()
    trainer = trainer_of(record=True)
    giving_up.loop = trainer.loop
    giving_up.calls, giving_up.wanted = 0, {1, 7, 8, 40, 80}
    run = trainer.train()
    assert same_bits(weights(run.model), weights(before.model))
    assert run.history["loss"] == before.history["loss"]
    assert run.steps == before.steps == 3 * STEPS
    assert giving_up.calls > 3 * STEPS + 5  # some steps were done twice
    for steps in ([row[0] for row in run.curve.rows], [moment.step for moment in run.path]):
        assert all(a < b for a, b in pairwise(steps))


def test_no_moment_is_kept_twice_where_the_first_step_after_one_is_given_up(giving_up, single_steps):
    trainer = trainer_of(record=1e-9, epochs=2)
    giving_up.loop = trainer.loop
    giving_up.calls, giving_up.wanted = 0, {STEPS + 1}
    path = trainer.train().path
    assert giving_up.calls == 2 * STEPS + 1
    assert [moment.step for moment in path] == list(range(2 * STEPS + 1))
    assert all(np.isfinite(moment.loss) for moment in path)


def test_a_stop_leaves_the_run_at_its_last_snapshot_from_which_it_goes_on(giving_up, single_steps):
    straight = trainer_of().train()
    trainer, reasons = trainer_of(), []
    giving_up.loop = trainer.loop
    giving_up.calls, giving_up.wanted, giving_up.then = 0, {42}, lambda: reasons.append("enough")
    run = trainer.train(stop=lambda: reasons[-1] if reasons else None)
    at = trainer.position
    assert run.stopped == "enough"
    assert (at.epoch, at.step, at.counter, run.steps) == (1, trainer.last.step, STEPS + trainer.last.step, at.counter)
    assert trainer.last.step < 12
    assert all(np.isfinite(a).all() for a in trainer.arrays.values())
    run.resume()
    assert same_bits(weights(run.model), weights(straight.model))


def test_a_pause_holds_the_run_there(giving_up, single_steps):
    straight = trainer_of().train()
    control, seen = Control(), []
    trainer = trainer_of(control=control)
    wait = control.wait

    def waiting(seconds):
        seen.append((trainer.position.counter, {n: a.copy() for n, a in trainer.loop.state().items()}))
        control.resume()
        wait(seconds)

    control.wait = waiting
    giving_up.loop = trainer.loop
    giving_up.calls, giving_up.wanted, giving_up.then = 0, {42}, control.pause
    run = trainer.train()
    assert seen[0][0] < STEPS + 12
    assert all(np.isfinite(a).all() for a in seen[0][1].values())
    assert [change["what"] for change in run.changes] == ["pause", "resume"]
    assert same_bits(weights(run.model), weights(straight.model))


def test_an_interrupt_leaves_the_weights_of_the_last_snapshot(giving_up, single_steps):
    """A second Ctrl-C, or the first where a caller's own handler raises."""
    straight = trainer_of().train()
    trainer = trainer_of()

    def interrupted():
        trainer.loop._state["param/0.weight"][...] = np.nan
        raise KeyboardInterrupt

    giving_up.loop = trainer.loop
    giving_up.calls, giving_up.wanted, giving_up.then = 0, {42}, interrupted
    with pytest.raises(KeyboardInterrupt) as caught:
        trainer.train()
    run = caught.value.run
    assert all(np.isfinite(w).all() for w in weights(run.model).values())
    run.resume()
    assert same_bits(weights(run.model), weights(straight.model))


def test_a_validation_that_is_given_up_is_done_again_or_left_to_whoever_resumes(giving_up):
    held = blobs(40, seed=1)
    straight = trainer_of(validation=held).train()
    for stops in (False, True):
        trainer, reasons = trainer_of(validation=held), []
        measure, loop = trainer.evaluation, trainer.evaluation._loop

        def measuring(given, asked, measure=measure, trainer=trainer, loop=loop, reasons=reasons, stops=stops):
            if trainer.position.epoch == 1 and not giving_up.wanted:
                giving_up.loop, giving_up.wanted = loop, {giving_up.calls + 1}
                giving_up.then = (lambda: reasons.append("enough")) if stops else lambda: None
            return measure(given, asked)

        giving_up.wanted, trainer.evaluation = set(), measuring
        run = trainer.train(stop=lambda reasons=reasons: reasons[0] if reasons else None)
        assert giving_up.wanted
        if stops:
            assert (run.stopped, run.epochs, trainer.position.step) == ("enough", 1, STEPS)
            run.resume()
        assert run.epochs == 3
        assert same_bits(weights(run.model), weights(straight.model))
        assert {n: v for n, v in run.history.items() if n != "seconds"} == {
            n: v for n, v in straight.history.items() if n != "seconds"
        }


def test_nobody_is_hurried_at_once(monkeypatch):
    now, reasons, control = [0.0], [], Control()
    monkeypatch.setattr(hurry.time, "monotonic", lambda: now[0])
    for begin in (lambda: reasons.append("x"), control.pause, control.step, control.stop):
        reasons.clear()
        control.detach()
        asked = Hurry(lambda: reasons[0] if reasons else None, control)
        control.set_rate(0.1)
        assert not asked()
        now[0] += 100
        assert not asked()
        begin()
        assert not asked()
        now[0] += hurry.PATIENCE / 2
        assert not asked()
        now[0] += hurry.PATIENCE
        assert asked()


def test_a_single_step_is_not_given_up_for_another_one(monkeypatch):
    """Whoever asks for a second step while the first is being done wants both."""
    now, control = [0.0], Control()
    monkeypatch.setattr(hurry.time, "monotonic", lambda: now[0])
    control.step()
    control.take()
    assert control.grant(5) == 1
    asked = Hurry(lambda: None, control)
    control.step()
    assert not asked()
    now[0] += 100
    assert not asked()
    control.pause()
    assert not asked()
    now[0] += hurry.PATIENCE
    assert asked()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["signal", "pause"])
def test_a_step_of_seconds_is_given_up(monkeypatch, what):
    """4,096 rows through layers of 2,000 units on one thread: signals reach a caller that waits."""
    import _thread
    import threading
    import time

    monkeypatch.undo()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4096, 2000)).astype("f4"), rng.integers(0, 10, 4096)
    model, control = mlp(2000, 2000, 2000, 2000, 2000, 10), Control()
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(lr=1e-3), "epochs": 2, "batch_size": 4096}
    trainer = prepare(model, (x, y), **given, seed=0, validation=None, threads=1, control=control)
    first = {name: value.copy() for name, value in trainer.weights().items()}
    wait, seen = control.wait, []

    def waiting(seconds):
        seen.append((trainer.position.counter, trainer.loop.state()))
        control.stop()
        wait(seconds)

    control.wait = waiting
    threading.Timer(0.5, _thread.interrupt_main if what == "signal" else control.pause).start()
    start = time.thread_time()
    if what == "signal":
        from schuss.train.conduct import conduct

        with pytest.raises(KeyboardInterrupt, match="fit was stopped at epoch 1, step 0 of 1"):
            conduct(trainer)
    else:
        trainer.train()
        assert seen[0][0] == 0
    assert time.thread_time() - start < 30
    assert trainer.position.counter == 0
    assert same_bits(weights(model), first)
