"""Checkpoints: a run that is stopped, killed or cut off by a full disk goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import schuss
from schuss import nn, ops, optim, paths
from schuss.errors import ModelFileError, UsageError
from schuss.io.tensors import read_tensors, write_tensors
from schuss.train import checkpoint as checkpoints
from schuss.train import recovery, settings
from schuss.train import trainer as loop
from schuss.train.checkpoint import Checkpoint, beside
from schuss.train.fit import prepare
from tests.thinned import sampled

from .support import blobs, mlp, same_bits, weights

EPOCHS, STEPS = 4, 5  # steps of each epoch
SETTINGS = {"lr": 0.01, "epochs": EPOCHS, "hidden": [16]}


def trainer_of(seed=0, epochs=EPOCHS, **options):
    """All that has a state: Adam, dropout, a schedule, early stopping, validation."""
    model = mlp(4, 16, 3, dropout=0.2)
    given = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": optim.Adam(lr=optim.OneCycle(0.02, EPOCHS * STEPS)),
        "batch_size": 20,
        "validation": blobs(30, seed=1),
        "early_stop": 3,
        "clip_norm": 1.0,
    }
    return prepare(model, blobs(100), epochs=epochs, seed=seed, **{**given, **options})


def outcome(trainer):
    """Everything that must be the same."""
    history = {k: v for k, v in trainer.run.history.items() if k != "seconds"}
    run = trainer.run
    return history, run.epochs, run.steps, run.best, run.stopped


@pytest.fixture(scope="module")
def whole():
    """The uninterrupted run."""
    trainer = trainer_of()
    trainer.train()
    return trainer


@pytest.fixture
def single_steps(monkeypatch):
    """Slices of one step, a snapshot after each."""
    monkeypatch.setattr(loop, "SLICE", 0.0)
    monkeypatch.setattr(recovery, "SNAPSHOT", -1.0)
    monkeypatch.setattr(checkpoints, "EVERY", -1.0)


def stop_at(trainer, step):
    """A stop that is asked for after so many steps."""
    return lambda: "signal 15" if trainer.run.steps >= step else None


def assert_like(trainer, whole):
    assert outcome(trainer) == outcome(whole)
    assert same_bits(weights(trainer.task.model), weights(whole.task.model))
    assert same_bits(trainer.snapshot(), whole.snapshot())


@pytest.mark.parametrize("step", [1, 4, 5, 6, 10, 13, 19, 20])
def test_a_stopped_run_ends_with_the_same_bits(step, whole, single_steps, tmp_path):
    path = tmp_path / "model.safetensors"
    first = trainer_of()
    first.train(stop=stop_at(first, step))
    assert first.run.steps == step
    Checkpoint(beside(path), SETTINGS).save(first)

    second = trainer_of()
    assert Checkpoint(beside(path), SETTINGS).resume(second)
    assert second.position.counter == step
    second.train()
    assert_like(second, whole)


def test_a_run_stopped_again_and_again(whole, single_steps, tmp_path):
    path = tmp_path / "model.safetensors"
    rng, stopped, runs = random.Random(0), "not begun", 0
    while stopped is not None:
        trainer = trainer_of()
        Checkpoint(beside(path), SETTINGS).resume(trainer)
        trainer.train(stop=stop_at(trainer, trainer.run.steps + rng.randint(1, 4)))
        Checkpoint(beside(path), SETTINGS).save(trainer)
        stopped, runs = trainer.run.stopped, runs + 1
    assert 5 < runs < 30
    assert_like(trainer, whole)


class Killed(BaseException):
    """Nothing of the process is left but the file."""


@pytest.mark.parametrize("save", [1, 3, 5, 6, 8, 12, 18, 24])
def test_a_run_killed_after_any_save_ends_with_the_same_bits(save, whole, single_steps, tmp_path):
    """Five saves an epoch: four within it, one at its end."""
    path = tmp_path / "model.safetensors"
    first, count = trainer_of(), iter(range(1, 10**6))
    keep = Checkpoint(beside(path), SETTINGS).hook(first)

    def saved(ended):
        keep(ended)
        if next(count) == save:
            raise Killed

    with contextlib.suppress(Killed):
        first.train(saved=saved)
    second = trainer_of()
    assert Checkpoint(beside(path), SETTINGS).resume(second)
    second.train()
    assert_like(second, whole)


def test_a_run_that_stopped_early_does_not_go_on(tmp_path):
    """Killed between the last epoch's checkpoint and the model file, it is not trained further."""
    path = tmp_path / "model.safetensors"
    x, y = blobs(30)
    options = {"validation": (x, (y + 1) % 3), "epochs": 30, "optimizer": optim.Adam(0.02)}
    first = trainer_of(**options)
    first.train(saved=Checkpoint(beside(path), {**SETTINGS, "epochs": 30}).hook(first))
    assert first.run.stopped == "no better for 3 epochs"
    second = trainer_of(**options)
    assert Checkpoint(beside(path), {**SETTINGS, "epochs": 30}).resume(second)
    second.train()
    assert_like(second, first)


def test_the_number_of_epochs_may_grow(tmp_path):
    path = tmp_path / "model.safetensors"
    short = trainer_of(epochs=2)
    short.train(saved=Checkpoint(beside(path), SETTINGS).hook(short))
    longer = trainer_of(epochs=EPOCHS)
    assert Checkpoint(beside(path), {**SETTINGS, "epochs": EPOCHS, "threads": 1}).resume(longer)
    longer.train()
    straight = trainer_of(epochs=EPOCHS)
    straight.train()
    assert_like(longer, straight)


def test_a_checkpoint_within_an_epoch_only_every_few_seconds(monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "SLICE", 0.0)
    monkeypatch.setattr(recovery, "SNAPSHOT", -1.0)
    trainer = trainer_of()
    checkpoint = Checkpoint(beside(tmp_path / "m"), SETTINGS)
    saves = []
    monkeypatch.setattr(checkpoint, "save", lambda t: saves.append(t.position.step))
    checkpoint._written = time.monotonic()
    trainer.train(saved=checkpoint.hook(trainer))
    assert saves == [0] * EPOCHS


# -- changes made by hand ----------------------------------------------------------------------------------


def steered(stop=None, path=None):
    """A run whose rate is changed after 4 and 8 steps, paused for a step after 9; stopped and saved after `stop`."""
    control = schuss.Control()
    trainer = trainer_of(control=control)
    wishes = {4: (control.set_rate, 0.05), 8: (control.set_rate, 0.001), 9: (control.step, 1), stop: (control.stop,)}

    def progress(_):
        if trainer.run.steps in wishes:
            wish, *value = wishes.pop(trainer.run.steps)
            wish(*value)
        elif control.paused:
            control.resume()

    trainer.train(progress)
    if path is not None:
        Checkpoint(beside(path), SETTINGS).save(trainer)
    return trainer


@pytest.mark.parametrize("stop", [9, 12, 15])
def test_changes_are_resumed_with_the_bits_and_the_record(stop, whole, single_steps, tmp_path):
    """The run that is stopped and resumed is the one that was steered alike and went on."""
    through, path = steered(), tmp_path / "model.safetensors"
    first = steered(stop, path)
    assert first.run.steps == stop
    second = trainer_of()
    assert Checkpoint(beside(path), SETTINGS).resume(second)
    assert second.run.changes == first.run.changes
    assert second.run.changes[-1]["what"] == "stop"
    second.train()
    kinds = [c["what"] for c in through.run.changes]
    assert kinds == ["lr", "lr", "step", "resume"]
    assert_like(second, through)
    assert second.run.changes is second.position.changes
    assert [c for c in second.run.changes if c["what"] == "lr"] == through.run.changes[:2]
    assert not same_bits(second.weights(), whole.weights())


def test_a_checkpoint_from_before_rates_could_be_changed(whole, single_steps, tmp_path):
    path = tmp_path / "model.safetensors"
    first = trainer_of()
    first.train(stop=stop_at(first, 7))
    Checkpoint(beside(path), SETTINGS).save(first)
    arrays, meta = read_tensors(file_of(path))
    del arrays["opt/lr_factor"], meta["position"]["changes"]
    write_tensors(file_of(path), arrays, meta)
    second = trainer_of()
    assert Checkpoint(beside(path), SETTINGS).resume(second)
    second.train()
    assert_like(second, whole)


def test_a_setting_that_came_later_is_what_the_run_had_without_it(monkeypatch, tmp_path):
    path = tmp_path / "model.safetensors"
    trainer = trainer_of()
    Checkpoint(beside(path), SETTINGS).save(trainer)
    monkeypatch.setitem(settings.BEFORE, "momentum_of_2030", 0.5)
    Checkpoint(beside(path), SETTINGS).resume(trainer)  # a command that has no such option
    Checkpoint(beside(path), {**SETTINGS, "momentum_of_2030": 0.5}).resume(trainer)
    with pytest.raises(UsageError, match=r"momentum_of_2030 was 0\.5 and is now 0\.9"):
        Checkpoint(beside(path), {**SETTINGS, "momentum_of_2030": 0.9}).resume(trainer)


# -- files that do not fit ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of one epoch."""
    path = tmp_path / "model.safetensors"
    trainer = trainer_of(epochs=1)
    trainer.train(saved=Checkpoint(beside(path), SETTINGS).hook(trainer))
    return path


def file_of(path):
    return path.with_name(path.name + ".ckpt")


def test_none_is_no_error(tmp_path):
    trainer = trainer_of()
    assert Checkpoint(beside(tmp_path / "model.safetensors"), SETTINGS).resume(trainer) is False
    assert trainer.position.counter == 0


def test_it_lies_beside_the_model_and_is_removed_at_the_end(saved):
    assert [p.name for p in saved.parent.iterdir()] == ["model.safetensors.ckpt"]
    Checkpoint(beside(saved), SETTINGS).remove()
    Checkpoint(beside(saved), SETTINGS).remove()
    assert not list(saved.parent.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.02}, r"lr was 0\.01 and is now 0\.02"),
        ({"hidden": [8]}, r"hidden was \[16\] and is now \[8\]"),
        ({"new": 1}, "new was None and is now 1"),
        ({"lr": 1, "hidden": None}, "lr was 0.01 and is now 1, hidden was"),
    ],
)
def test_other_settings_are_named(saved, change, message):
    with pytest.raises(UsageError, match=message) as caught:
        Checkpoint(beside(saved), {**SETTINGS, **change}).resume(trainer_of())
    assert str(caught.value).endswith("; use the same settings")


def test_a_checkpoint_of_another_model(saved):
    model = mlp(4, 8, 3)
    other = prepare(model, blobs(100), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(lr=0.1), epochs=1,
                    batch_size=20, validation=None, seed=0)  # fmt: skip
    with pytest.raises(ModelFileError, match=r"model\.safetensors\.ckpt: does not fit this run \(param/0\.weight"):
        Checkpoint(beside(saved), SETTINGS).resume(other)


def _off(k: float, power: int = 2) -> Any:
    """A loss."""
    return lambda pred, y: ops.mean(abs(pred[:, 0] - y) ** power * k)


class Held(nn.Loss):
    """A loss with a number that is no plain attribute."""

    def __init__(self, k: float) -> None:
        self.inner = [k]

    def __call__(self, pred: Any, target: Any) -> Any:
        return _off(self.inner[0])(pred, target)


def _layer(f: Any) -> Any:
    return f


def _rate(lr: float) -> Any:
    return lambda step: lr / (1.0 + step)


def _metric(k: float) -> Any:
    return lambda pred, y: k * ops.abs(pred[:, 0] - y)


@pytest.mark.parametrize(
    ("begun", "change"),
    [
        ({"loss": _off(1.0)}, {"loss": _off(1.0, power=1)}),
        ({"loss": functools.partial(_off(1.0).__call__)}, {"loss": functools.partial(_off(0.5).__call__)}),
        ({"loss": Held(1.0)}, {"loss": Held(0.5)}),
        ({}, {"optimizer": optim.SGD(lr=_rate(0.2))}),
        ({}, {"metrics": {"mae": _metric(2)}}),
        ({}, {"model": nn.Sequential(nn.Linear(4, 1), _layer(ops.sin))}),
    ],
    ids=["function", "partial", "class", "schedule", "metric", "layer"],
)
def test_functions_of_ones_own_are_compared_by_what_they_compute(begun, change, tmp_path):
    x = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    given = {
        "model": nn.Sequential(nn.Linear(4, 1), _layer(ops.tanh)),
        "loss": _off(1.0),
        "optimizer": optim.SGD(lr=_rate(0.1)),
        "metrics": {"mae": _metric(1)},
        **begun,
    }

    def run(epochs: int, **changed: Any) -> Any:
        model, *_ = (asked := {**given, **changed}).values()
        rest = {name: value for name, value in asked.items() if name != "model"}
        return schuss.fit(
            model, (x, x[:, 1]), **rest, epochs=epochs, backend="reference", checkpoint=tmp_path / "c",
            resume=tmp_path / "c", progress=False,
        )  # fmt: skip

    run(2)
    assert run(3).epochs == 3
    with pytest.raises(UsageError, match="computes something else than in the run that was stopped; use the same"):
        run(4, **change)
    assert run(4).epochs == 4


def test_every_cut_is_found(saved):
    whole = file_of(saved).read_bytes()
    trainer = trainer_of()
    for length in [*range(0, 64), *range(64, len(whole), 97), len(whole) - 1]:
        file_of(saved).write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"model\.safetensors\.ckpt: "):
            Checkpoint(beside(saved), SETTINGS).resume(trainer)
    assert trainer.position.counter == 0


def test_every_flipped_bit_is_found(saved):
    """Within the names' and numbers' checksum; spaces in the header's JSON are the only free bytes."""
    whole = file_of(saved).read_bytes()
    trainer, rng = trainer_of(), random.Random(0)
    expected = read_tensors(file_of(saved))
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file_of(saved).write_bytes(damaged)
        with contextlib.suppress(ModelFileError):
            Checkpoint(beside(saved), SETTINGS).resume(trainer)
            arrays, meta = read_tensors(file_of(saved))
            assert meta == expected[1]
            assert same_bits(arrays, expected[0])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01.", b"\xff" * 100, b"\x02" + bytes(7) + b"{}"])
def test_foreign_files(saved, content):
    file_of(saved).write_bytes(content)
    with pytest.raises(ModelFileError, match=r"\.ckpt"):
        Checkpoint(beside(saved), SETTINGS).resume(trainer_of())


def test_a_model_file_is_no_checkpoint(saved):
    save_file({"w": np.ones(3, "f4")}, file_of(saved), {"schuss": '{"content": {}}'})
    with pytest.raises(ModelFileError, match="checksum"):
        Checkpoint(beside(saved), SETTINGS).resume(trainer_of())
    save_file({"w": np.ones(3, "f4")}, file_of(saved))
    with pytest.raises(ModelFileError, match="not one of schuss's"):
        Checkpoint(beside(saved), SETTINGS).resume(trainer_of())


@pytest.mark.parametrize(
    "position",
    [None, [], {"epochs": 1}, 3, {"epoch": "one"}, {"epoch": -1}, {"step": 10**9}, {"history": []}, {"counter": 1.5},
     {"changes": {}}, {"changes": [3]}],
)  # fmt: skip
def test_a_position_that_is_not_sound(saved, position):
    arrays, meta = read_tensors(file_of(saved))
    both = isinstance(position, dict) and "epochs" not in position
    write_tensors(file_of(saved), arrays, {**meta, "position": {**meta["position"], **position} if both else position})
    with pytest.raises(ModelFileError, match="no sound position"):
        Checkpoint(beside(saved), SETTINGS).resume(trainer_of())


# -- disks that fail ---------------------------------------------------------------------------------------


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def denied(*args, **kwargs):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


class Half:
    """A file that takes half of what is written."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        full()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("fault", ["fsync", "replace", "write", "open", "denied"])
def test_a_save_that_fails_leaves_the_old_file(saved, monkeypatch, fault):
    before = file_of(saved).read_bytes()
    trainer = trainer_of()
    if fault in ("fsync", "replace"):
        monkeypatch.setattr(paths.os, fault, full)
    elif fault == "write":
        monkeypatch.setattr(paths, "open", lambda *a, **k: Half(open(*a, **k)), raising=False)  # noqa: SIM115
    else:
        monkeypatch.setattr(paths, "open", denied if fault == "denied" else full, raising=False)
    with pytest.raises(OSError) as caught:
        Checkpoint(beside(saved), SETTINGS).save(trainer)
    monkeypatch.undo()
    assert caught.value.errno == (errno.EACCES if fault == "denied" else errno.ENOSPC)
    assert file_of(saved).read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["model.safetensors.ckpt"]
    assert Checkpoint(beside(saved), SETTINGS).resume(trainer)


def test_a_failing_save_ends_the_run_with_usable_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(paths.os, "fsync", full)
    trainer = trainer_of()
    with pytest.raises(OSError):
        trainer.train(saved=Checkpoint(beside(tmp_path / "m"), SETTINGS).hook(trainer))
    assert trainer.run.epochs == 1
    assert all(np.isfinite(w).all() for w in weights(trainer.task.model).values())
    assert not list(tmp_path.iterdir())


# -- the command, killed -----------------------------------------------------------------------------------

COMMAND = "import sys; from schuss.cli import main; main(sys.argv[1:])"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "blobs.npz"
    x, y = blobs(2000)
    np.savez(path, x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    return path


def start(data, out, *more):
    arguments = ["train", str(data), "--out", str(out), "--hidden", "64,32", "--epochs", "12", "--batch-size", "8"]
    arguments += ["--validation", "0.2", "--early-stop", "12", "--threads", "1", "--quiet", "--json", *more]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    """The model's tensors."""
    out = tmp_path_factory.mktemp("whole") / "m.safetensors"
    finish(start(data, out))  # compiles
    return load_file(out)


def killed_and_resumed(data, out, delay, after_first_save):
    """Whether the run was killed before its end, and the tensors it ended with."""
    process = start(data, out)
    deadline = time.monotonic() + 60
    while after_first_save and process.poll() is None and not file_of(out).exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(delay)
    process.kill()
    process.communicate(timeout=60)
    killed = process.returncode != 0
    finish(start(data, out, "--resume"))
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    return killed, load_file(out)


@pytest.mark.parametrize("delay", sampled([0.02], [0.0, 0.06]))
def test_a_process_killed_mid_run_loses_nothing(data, uninterrupted, tmp_path, delay):
    killed, tensors = killed_and_resumed(data, tmp_path / "m.safetensors", delay, after_first_save=True)
    assert killed or delay
    assert same_bits(tensors, uninterrupted)


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing(data, uninterrupted, tmp_path):
    began = time.perf_counter()
    finish(start(data, tmp_path / "timed.safetensors"))
    seconds = time.perf_counter() - began
    rng, kills = random.Random(1), 0
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        early = number % 4 == 0  # at any moment of the process, else in the training
        delay = rng.uniform(0, seconds if early else seconds / 4)
        killed, tensors = killed_and_resumed(data, folder / "m.safetensors", delay, not early)
        assert same_bits(tensors, uninterrupted), number
        kills += killed
    assert kills > 50
