"""Ctrl-C, SIGTERM, SIGKILL, and what --resume makes of them. In processes of their own."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from schuss import load as schuss_load

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)

COMMAND = [sys.executable, "-c", "from schuss.cli import main; main()"]
ENDLESS = ["--hidden", "64", "--batch-size", "16", "--epochs", "100000"]


def start(*arguments: Any) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_politely(schuss: Any, npz: Path, tmp_path: Path, number: signal.Signals):
    out, checkpoint = tmp_path / "m.safetensors", tmp_path / "m.safetensors.ckpt"
    process = start("train", npz, *ENDLESS, "--validation", "0.2", "--out", out)
    wait_for(checkpoint, process)
    process.send_signal(number)
    said, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said == ""
    assert f"the last weights are in {checkpoint}" in error
    assert "the best (epoch " in error
    assert "Traceback" not in error
    assert {p.name for p in tmp_path.iterdir()} == {out.name, checkpoint.name}
    assert schuss("evaluate", out, npz, "--json").json["accuracy"] > 0.1
    best = {n: v for n, v in load_file(checkpoint).items() if n.startswith("best/")}
    kept = load_file(out)
    assert all((best[f"best/{name}"] == kept[name]).all() for name in kept)


def test_a_signal_without_out_keeps_nothing_and_says_so(npz: Path, tmp_path: Path):
    shared = ["--hidden", "128,64", "--batch-size", "64", "--epochs", "100000", "--threads", "3"]
    process = start("train", npz, *shared)  # on fewer cores, of which it tells
    assert process.stderr is not None
    assert process.stderr.readline().startswith("3 threads on ")  # it is about to train
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "nothing is kept without --out" in error


def test_an_early_signal_is_polite_too(npz: Path):
    """While modules are loaded, data is read or code is compiled."""
    for delay in (0.25, 0.4, 0.6, 0.8):
        process = start("train", npz, *ENDLESS)
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        error = process.communicate(timeout=20)[1]
        assert process.returncode in (143, -signal.SIGTERM), error
        assert "Traceback" not in error


RUN = ["--hidden", "48", "--batch-size", "16", "--epochs", "12", "--dropout", "0.1", "--validation", "0.2", "--quiet"]


def finished(arguments: list[Any]) -> None:
    subprocess.run([*COMMAND, *map(str, arguments)], check=True, capture_output=True)


def equal(a: Path, b: Path) -> bool:
    one, other = load_file(a), load_file(b)
    return one.keys() == other.keys() and all((one[n] == other[n]).all() for n in one)


def killed_and_resumed(npz: Path, folder: Path, kills: int, seed: int) -> None:
    whole, out = folder / "whole", folder / "killed"
    finished(["train", npz, *RUN, "--seed", seed, "--out", whole])
    rng = np.random.default_rng(seed)
    arguments = ["train", npz, *RUN, "--seed", seed, "--out", out]
    for _ in range(kills):
        process = start(*arguments, "--resume")
        time.sleep(float(rng.uniform(0.3, 1.0)))
        process.kill()
        process.communicate()
    finished([*arguments, "--resume"])
    assert equal(whole, out)
    assert {p.name for p in folder.iterdir()} == {"whole", "killed"}


def test_a_killed_run_resumes_to_the_same_bits(npz: Path, tmp_path: Path):
    killed_and_resumed(npz, tmp_path, kills=4, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
def test_a_run_killed_fifty_times_resumes_to_the_same_bits(npz: Path, tmp_path: Path, seed: int):
    killed_and_resumed(npz, tmp_path, kills=50, seed=seed)


def test_a_stopped_run_resumes_to_the_same_bits(npz: Path, tmp_path: Path):
    whole, out = tmp_path / "whole", tmp_path / "stopped"
    options = ["train", npz, *RUN, "--epochs", "60", "--early-stop", "50"]
    finished([*options, "--out", whole])
    process = start(*options, "--out", out)
    wait_for(Path(f"{out}.ckpt"), process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    finished([*options, "--out", out, "--resume"])
    assert equal(whole, out)


@pytest.mark.slow
def test_a_step_of_seconds_is_given_up_and_the_run_resumes_to_the_same_bits(tmp_path: Path):
    """One step an epoch, of some 400 Gflop."""
    data, rng = tmp_path / "large.npz", np.random.default_rng(0)
    shapes = {"train": 4096, "test": 16}
    columns = {f"x_{part}": rng.normal(size=(rows, 2000)).astype("f4") for part, rows in shapes.items()}
    np.savez(data, **columns, **{f"y_{part}": rng.integers(0, 10, rows) for part, rows in shapes.items()})
    whole, out = tmp_path / "whole", tmp_path / "stopped"
    shape = ["--hidden", "2000,2000,2000,2000", "--batch-size", "4096", "--epochs", "2", "--threads", "1"]
    options = ["train", data, *shape, "--schedule", "constant"]
    finished([*options, "--out", whole])
    process = start(*options, "--out", out)
    wait_for(Path(f"{out}.ckpt"), process)
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 143
    assert "stopped after epoch 1; the last weights are in" in error
    finished([*options, "--out", out, "--resume"])
    assert equal(whole, out)


def test_resume_without_a_checkpoint_starts_afresh(schuss: Any, npz: Path, tmp_path: Path):
    options = [o for o in RUN if o != "--quiet"]
    done = schuss("train", npz, *options, "--out", tmp_path / "m", "--resume")
    assert done.code == 0
    assert "starting afresh" in done.err
    before = os.stat(tmp_path / "m").st_mtime_ns
    again = schuss("train", npz, *options, "--out", tmp_path / "m", "--resume")
    assert again.code == 0
    assert "finished" in again.err
    assert again.out == done.out
    assert os.stat(tmp_path / "m").st_mtime_ns == before


def test_a_finished_run_sweeps_what_a_killed_one_left(schuss: Any, npz: Path, tmp_path: Path):
    """It has nothing left to write, by which it would."""
    assert schuss("train", npz, *RUN, "--out", tmp_path / "m").code == 0
    (tmp_path / ".schuss-1-left.tmp").write_bytes(b"half")
    assert schuss("train", npz, *RUN, "--out", tmp_path / "m", "--resume").code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"m"}


def test_resume_with_other_settings_is_an_error(schuss: Any, npz: Path, tmp_path: Path):
    done = schuss("train", npz, *RUN, "--out", tmp_path / "m", "--resume")
    assert done.code == 0
    done = schuss("train", npz, *RUN, "--out", tmp_path / "m", "--resume", "--lr", "0.1")
    assert done.code == 2
    assert "lr was 0.003 and is now 0.1" in done.error


def test_a_damaged_checkpoint_is_an_error(schuss: Any, npz: Path, tmp_path: Path):
    checkpoint = tmp_path / "m.ckpt"
    process = start("train", npz, *ENDLESS, "--out", tmp_path / "m")
    wait_for(checkpoint, process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    content = bytearray(checkpoint.read_bytes())
    content[-1000] ^= 1
    checkpoint.write_bytes(content)
    done = schuss("train", npz, *ENDLESS, "--out", tmp_path / "m", "--resume")
    assert done.code == 1
    assert str(checkpoint) in done.error
    assert "damaged" in done.error


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_the_bar_is_drawn_on_a_terminal_only(npz: Path):
    main, other = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "train", str(npz), "--hidden", "64", "--batch-size", "4", "--epochs", "60"],
        stdout=subprocess.PIPE,
        stderr=other,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(other)
    seen = b""
    while True:
        try:
            piece = os.read(main, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    said = process.communicate()[0].decode()
    os.close(main)
    assert process.returncode == 0
    text = seen.decode(errors="replace")
    for part in ("epoch", "loss", "accuracy", "examples/s"):
        assert part in text
    assert "test accuracy" in said
    assert "examples/s" not in said.splitlines()[0]


OLD = Path(__file__).parents[1] / "fixtures" / "v0_1_0"


@pytest.mark.parametrize(("run", "schedule"), [("defaults", "one_cycle"), ("classes", "cosine"), ("reference", "step")])
def test_resume_with_other_epochs_under_a_schedule_laid_out_over_them(
    schuss: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, schedule: str
):
    """It would be weights that no run in one go has."""
    done = old_run(schuss, tmp_path, monkeypatch, run, "--epochs", "9")
    assert done.code == 2
    epochs = dict(itertools.pairwise(json.loads((OLD / "runs.json").read_text())[run]))["--epochs"]
    said = (
        f"cannot resume m.safetensors: its {schedule} schedule was laid out for {epochs} epochs; give --epochs {epochs}"
    )
    assert said in done.error


def test_resume_with_other_epochs_under_a_constant_rate(schuss: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done = old_run(schuss, tmp_path, monkeypatch, "float64", "--epochs", "9", "--json")
    assert (done.code, done.json["epochs"]) == (0, 9)


def test_a_file_holds_what_was_left_to_be_chosen(schuss: Any, npz: Path, tmp_path: Path):
    """A later version may choose otherwise."""
    assert schuss("train", npz, *RUN, "--out", tmp_path / "m").code == 0
    held = schuss_load(tmp_path / "m").record["settings"]
    assert (held["lr"], held["loss"]) == (0.003, "cross_entropy")


def old_run(schuss: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *more: str) -> Any:
    """A run that version 0.1.0 began, resumed."""
    data, *options = json.loads((OLD / "runs.json").read_text())[name]
    for file in (*(OLD / "runs" / name).iterdir(), OLD / data):
        shutil.copy(file, folder / file.name)
    monkeypatch.chdir(folder)
    return schuss("train", data, *options, "--out", "m.safetensors", "--resume", "--quiet", *more)
