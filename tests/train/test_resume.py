"""A run of this process that goes on, by itself, by another fit, from a file or after Ctrl-C, is one longer run."""

from __future__ import annotations

import copy
import gc
import pickle
import signal
import threading
import weakref

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import ModelFileError, NonFiniteError, UsageError
from schuss.io.tensors import read_tensors, write_tensors
from schuss.train import trainer as loop
from schuss.train.checkpoint import Checkpoint
from schuss.train.fit import prepare
from schuss.train.run import Run

from .support import blobs, line, mlp, same_bits, weights

STEPS = 5  # of an epoch


def options(**changes):
    """All that has a state: Adam, a schedule, dropout, validation, early stopping."""
    given = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": optim.Adam(lr=optim.OneCycle(0.02, 7 * STEPS)),
        "batch_size": 20,
        "validation": 0.1,
        "early_stop": 4,
        "seed": 3,
    }
    return {**given, **changes}


def fit(model, epochs, data=None, **changes):
    return schuss.fit(model, data or blobs(111), epochs=epochs, **options(**changes))


def network():
    return mlp(4, 16, 3, dropout=0.2)


def history(run):
    return {name: column for name, column in run.history.items() if name != "seconds"}


def assert_same(run, other):
    """Bit for bit: the history, the weights in the model, and every array of the last state."""
    assert history(run) == history(other)
    assert (run.epochs, run.steps, run.best, run.stopped) == (other.epochs, other.steps, other.best, other.stopped)
    assert same_bits(weights(run.model), weights(other.model))
    assert same_bits(run.state.arrays, other.state.arrays)
    assert run.state.position.counter == other.state.position.counter


@pytest.fixture(scope="module", params=["native", "reference"])
def whole(request):
    """One run of 7 epochs, its options, and a run of 3."""
    backend = {"backend": request.param}
    return fit(network(), 7, **backend), backend, lambda: fit(network(), 3, **backend)


def test_resume_is_one_longer_run(whole):
    straight, _, begin = whole
    run = begin()
    assert run.resume(epochs=2) is run
    assert run.epochs == 5
    run.resume(epochs=2)
    assert_same(run, straight)


def test_fit_goes_on_from_a_run(whole):
    """In the same model or another of its kind; the run that is given stays as it is."""
    straight, backend, begin = whole
    first = begin()
    before = copy.deepcopy(history(first))
    second = fit(network(), 4, resume=first, **backend)
    assert second is not first
    assert_same(second, straight)
    assert (history(first), first.epochs) == (before, 3)
    assert_same(fit(first.model, 4, resume=first, **backend), straight)


def test_it_goes_on_from_the_last_state_not_the_best():
    x, y = blobs(60)
    spoiled = {"data": (x, y), "validation": (x, (y + 1) % 3), "early_stop": 9, "optimizer": optim.Adam(lr=0.01)}
    straight, run = fit(network(), 6, **spoiled), fit(network(), 3, **spoiled)
    assert run.best == 1
    best = weights(run.model)
    assert not same_bits(best, {n: run.state.arrays[f"param/{n}"] for n in best})
    assert_same(run.resume(3), straight)


def test_copies_go_on_alike():
    run = fit(network(), 3, callbacks=[lambda run: None], control=schuss.Control())
    for other in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
        assert_same(other.resume(4), fit(network(), 7))


def test_a_run_that_another_goes_on_from_stays_as_it_is():
    first = fit(network(), 3)
    second = fit(network(), 4, resume=first)
    assert (second.epochs, len(second.history["loss"])) == (7, 7)
    assert (first.epochs, len(first.history["loss"]), first.state.position.epoch) == (3, 3, 3)


def test_a_run_holds_neither_the_one_it_went_on_from_nor_data_twice():
    first = fit(network(), 1)
    second = fit(network(), 1, resume=first, progress=False)
    assert second.state.options.resume is None
    alive = weakref.ref(first)
    del first
    gc.collect()
    assert alive() is None
    assert second.state.options.validation is None


@pytest.mark.parametrize("how", ["set", "in place", "state_dict"])
def test_weights_that_were_set_meanwhile_are_trained_on(how):
    """All of those in the model, also where it had the best and not the last; the optimizer's state is the run's."""
    x, y = blobs(60)
    spoiled = {"data": (x, y), "validation": (x, (y + 1) % 3), "early_stop": 9, "optimizer": optim.SGD(lr=0.1)}
    run = fit(network(), 2, **spoiled)
    assert run.best == 1
    wanted, first = weights(run.model), run.model[0].weight
    wanted["0.weight"] = np.full(first.shape, 7, "f4")
    if how == "set":
        first.data = wanted["0.weight"]
    elif how == "in place":
        first.data[:] = 7
    else:
        nn.load_state_dict(run.model, wanted)
    again = fit(run.model, 1, resume=run, **{**spoiled, "optimizer": optim.SGD(lr=1e-30)})
    assert same_bits({n: again.state.arrays[f"param/{n}"] for n in wanted}, wanted)
    run.resume(1, optimizer=optim.SGD(lr=1e-30))
    assert same_bits({n: run.state.arrays[f"param/{n}"] for n in wanted}, wanted)
    assert run.best == 3, "the best of other weights does not come back"


def test_weights_that_a_callback_sets_are_trained_on():
    class Clips(schuss.train.callbacks.Callback):
        def begin(self, run):
            run.model[0].weight.data = np.zeros((2, 2))

        def epoch(self, run):
            run.model[0].weight.data[:] = run.epochs

    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    settings = {"loss": nn.MSELoss(), "optimizer": optim.SGD(1e-30), "epochs": 3}
    for backend in ("native", "reference"):
        run = schuss.fit(model, line(), callbacks=[Clips()], backend=backend, **settings)
        assert (model[0].weight.data == 3).all()
        assert (run.state.arrays["param/0.weight"] == 3).all()
    seen = []
    schuss.fit(model, line(), callbacks=[lambda run: seen.append(model[0].weight.data.copy()) and None], **settings)
    assert (np.array(seen) == 3).all()


def test_an_epoch_of_what_a_stopped_run_has_not_done():
    control = schuss.Control()
    run = fit(network(), 7, control=control, callbacks=[lambda run: run.epochs == 2 and control.stop()])
    assert (run.epochs, run.stopped) == (2, "stopped by hand")
    assert_same(run.resume(callbacks=()), fit(network(), 7))


def test_a_recorded_run_has_one_path():
    run = fit(network(), 2, record=1e-9, optimizer=optim.SGD(0.1))
    before = [m.step for m in run.path]
    run.resume(2)
    steps = [m.step for m in run.path]
    assert steps[: len(before)] == before
    assert steps == sorted(set(steps))
    assert steps[-1] == 4 * STEPS
    assert all(np.isfinite(m.loss) for m in run.path)


# -- the schedule's end, and other options ---------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        optim.OneCycle(0.02, 2 * STEPS),
        optim.Cosine(0.02, 2 * STEPS),
        optim.Warmup(optim.Cosine(0.02, STEPS), STEPS),
    ],
)
def test_a_schedule_that_ends_before_is_refused(schedule, tmp_path):
    name = type(schedule).__name__
    adam = optim.Adam(lr=schedule)
    file = tmp_path / "run.ckpt"
    run = fit(network(), 2, optimizer=adam, checkpoint=file)
    before = run.epochs, history(run), weights(run.model)
    said = rf"the schedule {name} has 10 steps, and 3 epochs take 15; give an optimizer with a longer schedule"
    for begin in (fit, lambda model, epochs, **given: prepare(model, blobs(111), epochs=epochs, **options(**given))):
        model = network()
        with pytest.raises(UsageError, match=said):
            begin(model, 3, optimizer=adam)
        assert nn.signature_of(model) is None
    with pytest.raises(UsageError, match=said):
        run.resume(1)
    with pytest.raises(UsageError, match=said):
        fit(network(), 1, optimizer=adam, resume=run)
    with pytest.raises(UsageError, match=said):
        fit(network(), 3, optimizer=adam, resume=file)
    assert (run.epochs, history(run)) == before[:2]
    assert same_bits(weights(run.model), before[2])
    run.resume(1, optimizer=optim.Adam(lr=0.003))
    assert run.history["lr"][-1] == 0.003
    assert run.epochs == 3


def test_schedules_inside_others_count_too():
    inner = optim.Cosine(0.02, STEPS)
    for optimizer in (
        optim.Adam(lr=optim.ReduceLROnPlateau(inner)),
        optim.Adam(groups=[optim.Group("0.*", lr=inner)]),
        optim.Adam(groups=[optim.Group("0.*", lr=optim.Warmup(inner, 1))]),
    ):
        with pytest.raises(UsageError, match=r"has [56] steps, and 2 epochs take 10"):
            fit(network(), 2, optimizer=optimizer)
        run = fit(network(), 1, optimizer=optimizer)
        with pytest.raises(UsageError, match=r"has [56] steps, and 2 epochs take 10"):
            run.resume(1)


def test_a_function_of_the_users_that_falls_below_0_is_refused():
    falls = lambda step: 0.02 - step * 0.005  # noqa: E731
    assert fit(network(), 1, optimizer=optim.SGD(falls)).epochs == 1
    for optimizer in (optim.SGD(falls), optim.SGD(0.1, groups=[optim.Group("0", lr=falls)])):
        with pytest.raises(UsageError, match=r"lr(/0)? is -0\.005 at step 5 of 10: .*maximum\(rate, 0\.0\)"):
            fit(network(), 2, optimizer=optimizer)


def test_a_schedule_that_no_learned_parameter_has_may_end():
    model = network()
    model[0].requires_grad_(False)
    ended = optim.Cosine(0.02, 1)
    assert fit(model, 1, optimizer=optim.Adam(groups=[optim.Group("0", lr=ended)])).epochs == 1
    assert fit(network(), 1, optimizer=optim.Adam(ended, groups=[optim.Group("*", lr=0.01)])).epochs == 1


def test_plateaus_and_groups_go_on_as_one_run():
    def begin(epochs):
        lr = optim.ReduceLROnPlateau(0.02, patience=0, threshold=0.5, cooldown=1)
        return fit(network(), epochs, optimizer=optim.Adam(lr=lr, groups=[optim.Group("0.*", lr=1e-3, name="first")]))

    straight = begin(6)
    assert len(set(straight.history["lr"])) > 2, "the rate fell"
    assert_same(begin(3).resume(3), straight)


def test_schedules_without_end_go_on():
    without = (
        optim.Step(0.01, 3), optim.Exponential(0.01, 0.9), optim.Warmup(0.01, 4), lambda t: 0.01,
        optim.Cosine(0.01, 3, min_lr=0.001), optim.Warmup(optim.Cosine(0.01, 3, min_lr=0.001), 2),
        optim.CosineWarmRestarts(0.01, 3),
    )  # fmt: skip
    for schedule in (0.01, *without):
        run = fit(network(), 1, optimizer=optim.SGD(lr=schedule))
        assert run.resume(1).epochs == 2


def test_an_optimizer_of_another_kind_is_refused():
    run = fit(network(), 1)
    with pytest.raises(UsageError, match=r"the run's state is not one of SGD \(opt/exp_avg/0\.weight differs\)"):
        run.resume(1, optimizer=optim.SGD(0.1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 4}, "seed was 3 and is now 4"),
        ({"batch_size": 10}, "batch_size was 20 and is now 10"),
        ({"shuffle": False}, "shuffle was True and is now False"),
        ({"clip_norm": 1.0}, r"clip_norm was None and is now 1\.0"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "loss.label_smoothing was 0.0 and is now 0.1"),
        (
            {"data": blobs(111, seed=9)},
            r"data\.x0 was 'float32\[100, 4\] \w{16}' and is now 'float32\[100, 4\] \w{16}'",
        ),
        ({"validation": 0.2}, r"data\.x0 was 'float32\[100, 4\]"),
        ({"model": mlp(4, 16, 3)}, "model.layers was .* and is now"),
        ({"metrics": [lambda p, t: p.mean()]}, "metrics was .*accuracy.* and is now .*<lambda>"),
    ],
)
def test_other_settings_are_named(change, said, tmp_path):
    file = tmp_path / "run.ckpt"
    run = fit(network(), 1, checkpoint=file)
    model = change.pop("model", network())
    for source in (run, file):
        with pytest.raises(UsageError, match=f"^cannot resume .*: .*{said}.*; use the same"):
            fit(model, 2, resume=source, **change)


def test_of_groups_only_what_differs_is_named(tmp_path):
    def begin(decay, **more):
        groups = [optim.Group("0.bias", lr=optim.OneCycle(0.01, 12)), optim.Group("0.weight", weight_decay=decay)]
        return fit(network(), 2, optimizer=optim.AdamW(0.01, groups=groups), checkpoint=tmp_path / "run.ckpt", **more)

    begin(0.1)
    with pytest.raises(
        UsageError, match=r"run\.ckpt: optimizer\.groups\.1\.weight_decay was 0\.1 and is now 0\.2; use"
    ):
        begin(0.2, resume=tmp_path / "run.ckpt")


def test_what_cannot_be_another_is_named():
    run = fit(network(), 1)
    with pytest.raises(UsageError, match="resume: seed cannot be another for the same run; what can: callbacks, check"):
        run.resume(1, seed=3)
    for epochs in (0, 1.5, True):
        with pytest.raises(UsageError, match="epochs must be a whole number of at least 1"):
            run.resume(epochs)
    with pytest.raises(UsageError, match="the run has no state to go on from"):
        Run(None).resume(1)
    with pytest.raises(UsageError, match="resume must be a run or the name of a checkpoint, got 3"):
        fit(network(), 1, resume=3)


def test_parameters_may_be_frozen_and_unfrozen_between():
    run = fit(network(), 2)
    first = run.model[0]
    first.requires_grad_(False)
    before = weights(run.model)
    run.resume(1)
    after = weights(run.model)
    assert all((before[n] == after[n]).all() == n.startswith("0.") for n in before)
    assert "opt/exp_avg/0.weight" not in run.state.arrays
    first.requires_grad_(True)
    run.resume(1)
    assert not any((weights(run.model)[n] == after[n]).all() for n in before)


def test_a_callback_cannot_freeze(monkeypatch):
    model = network()
    with pytest.raises(UsageError, match="a callback changed requires_grad, which acts when a run begins"):
        fit(model, 3, callbacks=[lambda run: model[0].requires_grad_(False) and None])


# -- early stopping ----------------------------------------------------------------------------------------


def test_a_run_that_ended_early_stays_so_unless_it_is_told_otherwise():
    x, y = blobs(60)
    spoiled = {"data": (x, y), "validation": (x, (y + 1) % 3), "early_stop": 2, "optimizer": optim.Adam(lr=0.01)}
    run, longer = fit(network(), 8, **spoiled), fit(network(), 11, **spoiled)
    assert run.stopped == "no better for 2 epochs"
    with pytest.warns(
        UserWarning, match=r"had ended \(no better for 2 epochs\); resume\(epochs, early_stop=None\) goes"
    ):
        run.resume(3)
    assert_same(run, longer)
    run.resume(3, early_stop=None)
    assert (run.epochs, run.stopped) == (6, None)
    run.resume(9, early_stop=schuss.EarlyStop("loss", patience=3))
    assert run.epochs == 15, "the loss falls; the best by it is counted from here"


def test_early_stop_by_another_metric():
    x, y = blobs(90)
    stop = schuss.EarlyStop(metric="val_accuracy", patience=2)
    run = fit(network(), 30, data=(x, y), validation=blobs(30, seed=1), early_stop=stop, optimizer=optim.Adam(lr=0.02))
    seen = run.history["val_accuracy"]
    first = int(np.argmax(seen)) + 1
    assert run.best == first
    assert (run.epochs, run.stopped) == (first + 2, "no better for 2 epochs")


def test_early_stop_wants_more_than_min_delta():
    best = schuss.EarlyStop(patience=2, min_delta=10.0)
    adam = optim.Adam(0.02)
    run = fit(network(), 9, early_stop=best, optimizer=adam)
    assert (run.epochs, run.best) == (3, 1), "no loss is better by 10 than the first"
    same = {"same": lambda pred, target: pred.mean() * 0.0 + 1.0}
    for mode in ("min", "max"):
        stop = schuss.EarlyStop(metric="same", patience=1, mode=mode)
        assert fit(network(), 9, metrics=same, early_stop=stop, optimizer=adam).epochs == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"patience": 0}, "patience must be a whole number of at least 1, got 0"),
        ({"patience": 1.5}, "patience must be"),
        ({"min_delta": -1}, "min_delta must be a number of at least 0"),
        ({"min_delta": float("nan")}, "min_delta must be"),
        ({"mode": "up"}, "mode must be one of min, max, got 'up'"),
        ({"metric": 3}, "metric must be the name of a column"),
        ({"metric": "f1"}, 'is a small or a large f1 better\\? Give mode="min" or mode="max"'),
    ],
)
def test_early_stop_s_options(given, said):
    with pytest.raises(UsageError, match=f"^EarlyStop: {said}"):
        schuss.EarlyStop(**given)


def test_early_stop_by_a_column_there_is_not():
    said = "the history has no column 'val_accuracy'; it has loss, accuracy"
    with pytest.raises(UsageError, match=said):
        fit(network(), 1, validation=None, early_stop=schuss.EarlyStop("val_accuracy"))


# -- a file ------------------------------------------------------------------------------------------------


def test_a_checkpoint_in_python(tmp_path):
    """A script that is run again goes on, and when it is done it is done."""
    file = tmp_path / "run.ckpt"
    straight = fit(network(), 7)

    def script(**more):
        return fit(network(), 7, checkpoint=file, resume=file, **more)

    with pytest.raises(ZeroDivisionError):
        script(callbacks=[lambda run: 1 / (run.epochs - 4)])
    run = script()
    assert run.epochs == 7
    assert_same(run, straight)
    assert_same(script(), straight)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.ckpt"]
    control = schuss.Control()
    control.stop()
    assert fit(network(), 7, checkpoint=file, control=control).epochs == 0, "without resume it begins again"


def test_a_checkpoint_is_written_after_every_epoch_and_has_the_curve(tmp_path, monkeypatch):
    file, seen = tmp_path / "run.ckpt", []
    save = Checkpoint.save

    def saved(self, trainer, ended=False):
        seen.append(trainer.position.epoch)
        save(self, trainer, ended)

    monkeypatch.setattr(Checkpoint, "save", saved)
    run = fit(network(), 7, checkpoint=file)
    assert [*dict.fromkeys(seen)] == [1, 2, 3, 4, 5, 6, 7]
    again = fit(network(), 7, checkpoint=file, resume=file)
    assert again.curve.rows == run.curve.rows != []


def test_a_run_that_has_not_ended_is_not_overwritten(tmp_path):
    file = tmp_path / "run.ckpt"
    with pytest.raises(ZeroDivisionError) as stopped:
        fit(network(), 7, checkpoint=file, callbacks=[lambda run: 1 / (run.epochs - 4)])
    before, model = file.read_bytes(), network()
    said = r"fit: .*run\.ckpt holds a run that has not ended \(3 of 7 epochs done\): resume='.*run\.ckpt' goes on"
    with pytest.raises(UsageError, match=said):
        fit(model, 7, checkpoint=file)
    other = fit(network(), 1)
    for begin in (lambda: other.resume(1, checkpoint=file), lambda: fit(network(), 1, resume=other, checkpoint=file)):
        with pytest.raises(UsageError, match=said):
            begin()
    assert (file.read_bytes(), nn.signature_of(model)) == (before, None)
    rest = stopped.value.run.resume(2, callbacks=())  # the run itself goes on, in this process
    assert rest.epochs == 6
    fit(network(), 2, checkpoint=file)  # it has ended
    halted = fit(network(), 7, checkpoint=file, callbacks=[lambda run: True])
    assert halted.epochs == 1
    assert fit(network(), 1, checkpoint=file).epochs == 1, "a run that a callback ended has ended"


def test_a_run_that_blew_up_has_ended(tmp_path):
    """Going on with it would blow up again, so a smaller rate may take its place; a file of another run stays."""
    file = tmp_path / "run.ckpt"

    def train(rate, **more):
        x = np.ones((40, 4), "f4")
        model, plain = nn.Sequential(nn.Linear(4, 1)), {"loss": nn.MSELoss(), "optimizer": optim.SGD(lr=rate)}
        return schuss.fit(model, (x, x[:, :1]), epochs=40, batch_size=10, seed=0, checkpoint=file, **plain, **more)

    train(1e-3)
    before = file.read_bytes()
    with pytest.raises(NonFiniteError, match="at epoch 1,"):
        train(1e20)
    assert file.read_bytes() == before
    with pytest.raises(NonFiniteError, match=r"at epoch (?!1,)"):
        train(3.0)
    for _ in range(2):
        with pytest.raises(NonFiniteError, match=r"at epoch (?!1,)"):
            train(3.0, resume=file)
    assert train(1e-3).epochs == 40


def test_how_files_without_a_word_of_the_end_are_read(tmp_path):
    file = tmp_path / "run.ckpt"
    fit(network(), 2, checkpoint=file)
    arrays, meta = read_tensors(file)
    del meta["ended"]
    write_tensors(file, arrays, meta)
    fit(network(), 2, checkpoint=file)
    meta["settings"]["epochs"] = 3
    write_tensors(file, arrays, meta)
    with pytest.raises(UsageError, match="has not ended"):
        fit(network(), 2, checkpoint=file)


def test_a_checkpoint_holds_what_none_stood_for(tmp_path):
    file = tmp_path / "run.ckpt"
    x, y = blobs(40)
    schuss.fit(
        mlp(4, 3), (np.uint8(np.abs(x)), y), loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(), early_stop=2, checkpoint=file, validation=0.5, scale=0.1,
    )  # fmt: skip
    held = read_tensors(file)[1]["settings"]
    assert held["early_stop"] == {
        "type": "EarlyStop",
        "metric": "val_loss",
        "patience": 2,
        "min_delta": 0.0,
        "mode": "min",
    }
    assert held["optimizer"]["lr"] == 1e-3
    assert held["scale"] == [0.1]
    assert held["metrics"] == ["accuracy"]
    assert set(held["data"]) == {"x0", "y"}


def test_an_older_file_without_a_later_setting(tmp_path):
    """A layer, loss or optimizer that has one setting more since: its default is what was done before."""
    file = tmp_path / "run.ckpt"
    fit(network(), 2, checkpoint=file)
    arrays, meta = read_tensors(file)
    del meta["settings"]["optimizer"]["weight_decay"], meta["settings"]["loss"]["label_smoothing"]
    write_tensors(file, arrays, meta)
    assert_same(fit(network(), 4, resume=file), fit(network(), 4))


def test_a_file_that_is_not_there_or_no_checkpoint(tmp_path):
    file = tmp_path / "run.ckpt"
    with pytest.raises(
        UsageError, match=r"resume='.*run\.ckpt' is not there; with the same checkpoint= a run begins it"
    ):
        fit(network(), 1, resume=str(file))
    with pytest.raises(UsageError, match="is not there"):
        fit(network(), 1, resume=file, checkpoint=tmp_path / "other")
    model = tmp_path / "m.safetensors"
    schuss.save(fit(network(), 1).model, model)
    with pytest.raises(ModelFileError, match=r"m\.safetensors: is a model, not a checkpoint; schuss\.load reads it"):
        fit(network(), 1, resume=model)
    whole = model.read_bytes()
    with pytest.raises(
        UsageError,
        match=r"m\.safetensors is there and is no checkpoint, or a damaged one; remove the file, or give checkp",
    ):
        fit(network(), 1, checkpoint=model)
    assert model.read_bytes() == whole
    with pytest.raises(FileNotFoundError):
        fit(network(), 1, checkpoint=tmp_path / "nowhere" / "run.ckpt")


# -- Ctrl-C and other ends ---------------------------------------------------------------------------------


@pytest.fixture
def single_steps(monkeypatch):
    """Slices of one step."""
    monkeypatch.setattr(loop, "SLICE", 0.0)


def send(monkeypatch, number, looks):
    """The signal after so many slices."""
    slice, raise_signal, count = loop.Trainer._slice, signal.raise_signal, iter(range(1, 999))

    def then(trainer, order, hurry):
        slice(trainer, order, hurry)
        if next(count) == looks:
            raise_signal(number)

    monkeypatch.setattr(loop.Trainer, "_slice", then)


@pytest.mark.parametrize("looks", [1, 5, 8])
def test_ctrl_c_leaves_the_run_with_the_exception(looks, single_steps, monkeypatch):
    straight = fit(network(), 7)
    send(monkeypatch, signal.SIGINT, looks)
    model = network()
    with pytest.raises(KeyboardInterrupt, match=r"fit was stopped at epoch \d, step \d of 5; the model has") as caught:
        fit(model, 7)
    run = caught.value.run
    assert (run.steps, run.stopped) == (looks, "signal 2")
    assert len(run.history.get("loss", [])) == (looks - 1) // STEPS
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same(run.resume(), straight)


def test_a_second_ctrl_c_is_one_at_once(monkeypatch):
    def callback(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(network(), 3, callbacks=[callback])
    assert caught.value.run.epochs == 1


def test_a_handler_of_the_caller_s_own_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        run = fit(network(), 3, callbacks=[lambda run: signal.raise_signal(signal.SIGINT)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (run.epochs, seen) == (3, [2, 2, 2])


def test_sigterm_writes_the_checkpoint_before_it_takes_its_course(single_steps, monkeypatch, tmp_path):
    file = tmp_path / "run.ckpt"
    straight = fit(network(), 7)
    send(monkeypatch, signal.SIGTERM, 8)
    sent = []
    monkeypatch.setattr(signal, "raise_signal", sent.append)
    with pytest.raises(KeyboardInterrupt):
        fit(network(), 7, checkpoint=file)
    assert sent == [signal.SIGTERM]
    assert read_tensors(file)[1]["position"]["counter"] == 8
    assert_same(fit(network(), 7, resume=file), straight)


def test_in_another_thread_no_handler_is_set():
    ended = []
    thread = threading.Thread(target=lambda: ended.append(fit(network(), 2).epochs))
    thread.start()
    thread.join()
    assert ended == [2]


def test_an_error_in_a_callback_leaves_the_run_too():
    straight = fit(network(), 7)
    with pytest.raises(ZeroDivisionError) as caught:
        fit(network(), 7, callbacks=[lambda run: 1 / (run.epochs - 2)])
    run = caught.value.run
    assert len(run.history["loss"]) == 2
    assert_same(run.resume(callbacks=()), straight)


def test_a_run_that_blew_up_goes_on_with_another_rate():
    x, y = line()
    rate = lambda step: schuss.where(step < 4, 0.1, float("inf"))  # noqa: E731
    model = nn.Linear(2, 1)
    with pytest.raises(NonFiniteError) as caught:
        schuss.fit(model, (x, y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=rate), epochs=40, batch_size=20)
    run = caught.value.run
    assert run.steps == run.state.position.counter == 4
    assert same_bits(weights(model), {n: run.state.arrays[f"param/{n}"] for n in weights(model)})
    run.resume(3, optimizer=optim.SGD(lr=0.1))
    assert (run.epochs, run.stopped) == (4, None)
    straight = schuss.fit(
        nn.Linear(2, 1), (x, y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=4, batch_size=20
    )
    assert same_bits(weights(model), weights(straight.model))


def test_the_page_s_and_the_command_s_runs_go_on_too():
    trainer = prepare(network(), blobs(111), epochs=3, **options())
    assert_same(trainer.train().resume(4), fit(network(), 7))
