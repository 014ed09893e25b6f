"""The record of a run: which moments are kept, what they hold, and that keeping them changes nothing."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.compiler.schedule.text import plan_text
from schuss.errors import UsageError
from schuss.train import moments as kept
from schuss.train import recording, recovery
from schuss.train import trainer as loop
from schuss.train.fit import prepare
from schuss.train.moments import Curve, Moment, Recorder

from .support import blobs, fit, mlp, same_bits, weights


def trainer_of(recorded, control=None, **options):
    given = {
        "loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=optim.OneCycle(0.02, 40)), "epochs": 8,
        "batch_size": 20, "validation": blobs(30, seed=1), "seed": 0, "clip_norm": 1.0,
    }  # fmt: skip
    model = mlp(4, 16, 3, dropout=0.2)
    return prepare(model, blobs(100), record=recorded, control=control, **{**given, **options})


@pytest.fixture
def single_steps(monkeypatch):
    monkeypatch.setattr(loop, "SLICE", 0.0)


# -- nothing is changed by it --------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_record_and_a_control_that_is_not_used_change_no_bit(backend):
    plain = trainer_of(False, backend=backend)
    watched = trainer_of(1e-9, schuss.Control(), backend=backend)
    plain.train()
    watched.train()
    assert len(watched.run.path) > 2
    assert plain.run.path == []
    assert same_bits(plain.snapshot(), watched.snapshot())
    alike = [{k: v for k, v in t.run.history.items() if k != "seconds"} for t in (plain, watched)]
    assert alike[0] == alike[1]


def test_exactly_the_same_native_code_runs():
    plain, watched = trainer_of(False), trainer_of(True, schuss.Control())
    described = [plan_text(t.loop.plan) for t in (plain, watched)]
    assert described[0] == described[1]
    assert described[0] is not None
    assert plain.loop.listing() == watched.loop.listing()


# -- what is held --------------------------------------------------------------------------------------------


def test_the_first_and_the_last_moment_are_kept():
    model = mlp(4, 8, 3)
    nn.initialize(model, 0)
    before = weights(model)
    run = fit(model, blobs(), epochs=3, record=1000.0)
    first, last = run.path
    assert (first.step, first.epoch, first.seconds) == (0, 0.0, 0.0)
    assert same_bits(first.weights, before)
    assert (last.step, last.epoch) == (run.steps, 3.0)
    assert last.seconds == pytest.approx(sum(run.history["seconds"]))
    assert same_bits(last.weights, weights(model))
    assert last.loss == pytest.approx(np.mean(run.history["loss"]))
    assert last.metrics == {"accuracy": pytest.approx(np.mean(run.history["accuracy"]))}


def test_a_stopped_run_ends_with_its_last_step(single_steps):
    trainer = trainer_of(1000.0)
    trainer.train(stop=lambda: "enough" if trainer.run.steps == 7 else None)
    assert [m.step for m in trainer.run.path] == [0, 7]
    assert same_bits(trainer.run.path[-1].weights, trainer.weights())
    assert trainer.run.path[-1].epoch == pytest.approx(7 / 5)


def test_moments_are_those_of_the_run(single_steps):
    """Each has the weights, the loss and the rate of its step: compared with a run that is looked at after each."""
    seen = {}
    alone = trainer_of(False)
    alone.train(lambda p: seen.update({alone.run.steps: (alone.loop.state(), p.means["loss"])}))
    run = trainer_of(1e-9).train()
    schedule = optim.OneCycle(0.02, 40)
    assert [m.step for m in run.path] == list(range(41))
    for moment in run.path[1:]:
        state, mean = seen[moment.step]
        assert same_bits(moment.weights, {n: state[f"param/{n}"] for n in moment.weights})
        assert moment.lr == pytest.approx(schedule(moment.step - 1), rel=1e-12)
        done = (moment.step - 1) % 5 + 1  # steps of its epoch
        assert np.mean([m.loss for m in run.path[moment.step - done + 1 : moment.step + 1]]) == pytest.approx(mean)
    assert run.path[0].lr == pytest.approx(schedule(0), rel=1e-12)


def test_the_first_moment_has_the_loss_of_the_first_step(single_steps):
    run = trainer_of(1e-9).train()
    assert run.path[0].loss == run.path[1].loss
    assert run.path[0].metrics == run.path[1].metrics


def test_means_over_any_moments_are_those_of_all_examples(single_steps):
    """Moments across the ends of epochs, a short last batch among them."""
    options = {"batch_size": 30, "epochs": 3, "validation": None, "optimizer": optim.SGD(lr=0.1)}  # 30, 30, 30, 10
    each = trainer_of(1e-9, **options).train().path
    sizes = [30, 30, 30, 10] * 3
    trainer = trainer_of(1000.0, **options)
    trainer.recording.recorder.due = lambda *at: trainer.run.steps in (2, 7, 9)
    path = trainer.train().path
    assert [m.step for m in path] == [0, 2, 7, 9, 12]
    for a, b in pairwise(path):
        want = np.average([m.loss for m in each[a.step + 1 : b.step + 1]], weights=sizes[a.step : b.step])
        assert b.loss == pytest.approx(want, rel=1e-12)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only training moves: a tenth of a millisecond a step."""
    now = [0.0]
    for module in (loop, recording, recovery):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0], thread_time=lambda: 0.0))

    def moved_by(trainer):
        run = trainer.loop.run

        def counted(order, batch, first, steps, counter, hurry):
            now[0] += 1e-4 * steps
            return run(order, batch, first, steps, counter, hurry)

        trainer.loop.run = counted
        return trainer

    return moved_by


@pytest.mark.parametrize("every, least", [(0.01, 30), (0.04, 8), (0.1, 4)])
def test_moments_come_by_time(clock, every, least):
    """400 steps an epoch, 10 epochs: 0.4 s. Slices are short enough for the interval asked for."""
    options = {"batch_size": 1, "epochs": 10, "validation": None, "optimizer": optim.SGD(lr=1e-4)}
    trainer = clock(prepare(mlp(4, 3), blobs(400), loss=nn.CrossEntropyLoss(), seed=0, record=every, **options))
    path = trainer.train().path
    gaps = np.diff([m.seconds for m in path])[:-1]
    assert len(path) >= least
    assert (gaps >= kept.NEAR * trainer.recording.recorder.every).all()
    assert (gaps[:-1] <= 1.3 * trainer.recording.recorder.every).all()
    assert path[-1].seconds == pytest.approx(0.4)


@pytest.mark.parametrize("epochs", [10, 40, 1000])
def test_a_short_run_has_its_moments_by_steps(clock, epochs):
    """10 steps an epoch, 0.1 ms each: by time it would have none between the first and the last, or few."""
    options = {"batch_size": 1, "epochs": epochs, "validation": None, "optimizer": optim.SGD(lr=1e-4)}
    trainer = clock(prepare(mlp(4, 3), blobs(10), loss=nn.CrossEntropyLoss(), seed=0, record=True, **options))
    run = trainer.train()
    assert 100 < len(run.path) <= 200
    steps = np.diff([m.step for m in run.path])[:-1]
    assert steps.max() <= 2 * steps.min()
    assert len(run.curve.rows) >= 100


def test_a_long_run_has_them_by_time(clock):
    options = {"batch_size": 1, "epochs": 10_000, "validation": None, "optimizer": optim.SGD(lr=1e-4)}
    trainer = clock(prepare(mlp(4, 3), blobs(10), loss=nn.CrossEntropyLoss(), seed=0, record=True, **options))
    trainer.recording.recorder.total = 10**9
    path = trainer.train().path
    assert np.diff([m.step for m in path])[1:-1].min() > 100
    assert not trainer.recording.recorder._by_steps(1.0, 10_000)


def test_moments_by_steps_cost_next_to_nothing():
    """Of a large model whose weights take long to copy there are no more than the budget allows."""
    recorder = Recorder(0.02, [Moment(0, 0.0, 0.0, 1.0, {}, 0.1, {})], share=0.005, steps=200)
    assert recorder.due(0.001, 2)
    assert recorder.steps_ahead(0.001, 1) == 1
    for _ in range(8):
        recorder.took(0.004)
    assert not recorder.due(0.001, 2)
    assert recorder.steps_ahead(0.001, 1) == 200
    asked = Recorder(0.02, [Moment(0, 0.0, 0.0, 1.0, {}, 0.1, {})])
    assert not asked.due(0.001, 50), "an interval that was asked for stays"


# -- the curve -----------------------------------------------------------------------------------------------


def test_a_peak_is_in_the_curve_however_long_the_run(monkeypatch):
    """Stretches that become one keep their lowest and highest mean; the mean is that of all examples."""
    monkeypatch.setattr(kept, "POINTS", 16)
    curve = Curve(("loss", "accuracy"))
    losses = np.random.default_rng(0).uniform(1, 2, 1000)
    losses[333], losses[700] = 768.0, 0.001
    sums = {"count": 0.0, "loss": 0.0, "accuracy": 0.0}
    for i, loss in enumerate(losses, 1):
        sums = {"count": sums["count"] + 4, "loss": sums["loss"] + 4 * loss, "accuracy": sums["accuracy"] + 1}
        curve.add(i, i / 10, float(i), sums)
        if i % 10 == 0:
            curve.since.epoch_ended(sums)
            sums = dict.fromkeys(sums, 0.0)
    columns = curve.columns()
    assert 8 <= len(columns["step"]) < 16
    assert columns["step"][-1] == 1000
    assert sum(columns["count"]) == 4000
    assert max(columns["loss/high"]) == 768.0
    assert min(columns["loss/low"]) == 0.001
    assert np.average(columns["loss"], weights=columns["count"]) == pytest.approx(losses.mean(), rel=1e-4)
    assert columns["accuracy"] == pytest.approx([0.25] * len(columns["step"]))
    assert curve.columns(after=998)["step"] == [1000]
    again = Curve(("loss", "accuracy"))
    again.restore(columns)
    assert again.rows == curve.rows
    for wrong in (None, [], {"step": [1]}, {**columns, "count": [None] * len(columns["count"])}):
        other = Curve(("loss", "accuracy"))
        other.restore(wrong)
        assert other.rows == []


def test_the_curve_is_of_the_whole_run(clock, tmp_path):
    run = clock(trainer_of(True)).train()
    columns = run.curve.columns()
    assert columns["step"][-1] == 40
    assert sum(columns["count"]) == 800
    schuss.save(run.model, tmp_path / "m")
    kept = schuss.load(tmp_path / "m").record["curve"]
    assert kept == columns


def test_a_curve_that_goes_on_keeps_its_stretches_up_to_there():
    curve = Curve(("loss",))
    curve.rows = [[5.0, 1.0], [10.0, 1.0], [15.0, 2.0]]
    curve.begin(10, {})
    assert [row[0] for row in curve.rows] == [5, 10]


def test_a_resumed_run_records_from_where_it_is(single_steps):
    first = trainer_of(1000.0)
    first.train(stop=lambda: "enough" if first.run.steps == 7 else None)
    second = trainer_of(1000.0)
    second.restore(first.snapshot(), first.position)
    run = second.train()
    assert [m.step for m in run.path] == [7, 40]
    assert run.path[0].seconds == pytest.approx(first.run.path[-1].seconds)
    each = trainer_of(1e-9).train().path
    assert run.path[1].loss == pytest.approx(np.mean([m.loss for m in each[8:]]), rel=1e-12)
    assert same_bits(run.path[0].weights, each[7].weights)


def test_a_run_that_blows_up_keeps_only_finite_moments(single_steps):
    x, _ = blobs()
    trainer = prepare(
        mlp(4, 8, 3), (1e3 * x, 1e3 * x[:, :3]), loss=nn.MSELoss(), optimizer=optim.SGD(lr=1e12), epochs=50,
        batch_size=8, validation=None, seed=0, record=1e-9,
    )  # fmt: skip
    with pytest.raises(schuss.errors.NonFiniteError):
        trainer.train()
    assert trainer.run.path
    assert all(np.isfinite(w).all() for m in trainer.run.path for w in m.weights.values())


# -- bounds --------------------------------------------------------------------------------------------------


def feed(recorder, count, size=1, epoch=10):
    """Moments one second apart; step i has loss i, and ends an epoch now and then."""
    sums = {"count": 0.0, "loss": 0.0, "accuracy": 0.0}
    at = Moment(0, 0.0, 0.0, math.nan, {}, 0.1, {"w": np.zeros(size)})
    recorder.begin(at, {}, 1)
    for i in range(1, count + 1):
        sums = {"count": sums["count"] + 2, "loss": sums["loss"] + 2 * i, "accuracy": sums["accuracy"] + i}
        if i == 1:
            recorder.first_step(sums)
        if recorder.due(float(i)) or i == count:
            recorder.add(lambda: Moment(i, 0.0, float(i), math.nan, {}, 0.1, {"w": np.full(size, i)}), sums)  # noqa: B023
        if i % epoch == 0:
            recorder.epoch_ended(sums)
            sums = dict.fromkeys(sums, 0.0)
        yield i


def assert_sound(recorder):
    """Each moment's means are over the steps since the one before."""
    path = recorder.path
    assert path[0].step == 0
    assert path[0].loss == 1.0
    for a, b in pairwise(path):
        assert b.loss == pytest.approx(np.mean(np.arange(a.step + 1, b.step + 1)), rel=1e-12)
        assert b.metrics == {"accuracy": pytest.approx(b.loss / 2)}
        assert (b.weights["w"] == b.step).all()


@pytest.mark.parametrize("moments", [2, 3, 4, 7, 10])
@pytest.mark.parametrize("epoch", [1, 3, 10, 1000])
def test_a_full_record_drops_every_other_moment(monkeypatch, moments, epoch):
    monkeypatch.setattr(kept, "MOMENTS", moments)
    recorder = Recorder(1.0, [])
    path = recorder.path
    for i in feed(recorder, 200, epoch=epoch):
        assert len(path) <= moments
        assert_sound(recorder)
        assert i != 100 or recorder.every > 1.0
    assert path is recorder.path
    assert path[-1].step == 200
    assert math.log2(recorder.every).is_integer()
    if moments > 3:
        gaps = np.diff([m.step for m in path])[:-1]
        assert len(path) >= moments // 2
        assert gaps.max() <= 2 * gaps.min()


def test_the_first_halving_leaves_the_even_ones(monkeypatch):
    monkeypatch.setattr(kept, "MOMENTS", 8)
    recorder = Recorder(1.0, [])
    list(feed(recorder, 8))
    assert [m.step for m in recorder.path] == [0, 2, 4, 6, 8]
    assert recorder.every == 2.0


def test_no_more_bytes_are_held_than_allowed(monkeypatch):
    monkeypatch.setattr(kept, "BYTES", 5 * 800)
    recorder = Recorder(1.0, [])
    for _ in feed(recorder, 50, size=100):
        assert sum(m.weights["w"].nbytes for m in recorder.path) <= 5 * 800
    assert recorder.path[-1].step == 50
    assert_sound(recorder)


def test_of_a_huge_model_the_first_and_the_last_are_held(monkeypatch):
    monkeypatch.setattr(kept, "BYTES", 10)
    recorder = Recorder(1.0, [])
    list(feed(recorder, 9, size=100))
    assert [m.step for m in recorder.path] == [0, 9]
    assert_sound(recorder)


def test_a_long_run_stays_within_its_bounds(single_steps, monkeypatch):
    monkeypatch.setattr(kept, "MOMENTS", 10)
    run = trainer_of(1e-9).train()
    assert len(run.path) <= 10
    assert (run.path[0].step, run.path[-1].step) == (0, 40)


@pytest.mark.parametrize("value", [0, -1, 0.0, float("nan"), float("inf"), "yes", None])
def test_bad_records(value):
    with pytest.raises(UsageError, match="fit: record must be True, False or a positive number of seconds"):
        fit(mlp(4, 3), blobs(), record=value)


# -- what a run knows ----------------------------------------------------------------------------------------


def test_a_run_knows_its_task_and_data():
    trainer = trainer_of(False, sample_weight=np.ones(100))
    run = trainer.train()
    assert run.task is trainer.task
    assert run.data.keys() == {"x0", "y", "w"}
    assert all(run.data[name] is trainer.data[name] for name in run.data)
    assert len(run.validation["y"]) == 30
    assert fit(mlp(4, 3), blobs()).validation is None


def test_what_a_model_file_keeps_of_it():
    run = fit(mlp(4, 3), blobs(), record=True)
    assert run.record().keys() == {"history", "epochs", "stopped", "best", "changes", "curve", "prepared"}
    assert run.record()["curve"]["step"][-1] == run.steps


def test_moments_that_cost_much_come_further_apart():
    recorder = Recorder(0.02, [], share=0.01)
    recorder.took(0.0001)
    assert recorder.apart == 0.02
    recorder.took(0.1)
    assert recorder.apart == 0.02, "one that took long by accident"
    for _ in range(9):
        recorder.took(0.004)
    assert recorder.apart == pytest.approx(0.4)
    recorder.took(0.0001)
    assert recorder.apart == 0.02
    asked = Recorder(0.02, [])
    asked.took(0.004)
    assert asked.apart == 0.02, "an interval that was asked for stays"
