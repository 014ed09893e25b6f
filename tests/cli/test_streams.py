"""Closed and broken streams, early signals, odd files, and what a file would have a terminal do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library
from schuss import nn
from schuss.errors import DataError, ModelFileError, SchussError, printable
from schuss.ir import N, TensorType

from .conftest import QUICK

if sys.platform == "win32":
    pytest.skip("streams and signals of POSIX", allow_module_level=True)

COMMAND = f"{sys.executable} -c 'from schuss.cli import main; main()'"


def run(line: str) -> subprocess.CompletedProcess[str]:
    """The command in a shell, which can close streams."""
    return subprocess.run(["bash", "-c", f"{COMMAND} {line}"], check=False, capture_output=True, text=True, timeout=99)


# -- streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_loses_no_model(npz: Path, tmp_path: Path, closed: str):
    done = run(f"train {npz} {' '.join(QUICK[:-1])} --out {tmp_path}/m.safetensors {closed}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert library.load(tmp_path / "m.safetensors")
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_an_error_with_a_closed_stderr_keeps_its_code():
    assert run("info nothing.safetensors 2>&-").returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_an_output_that_cannot_be_written_is_an_error(model: Path):
    done = run(f"info {model} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "Error: the output cannot be written: No space left on device\n")


def test_a_reader_that_leaves_is_no_traceback(model: Path):
    done = run(f"info {model} | true")
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


# -- signals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_the_handlers_stand(number: int, code: int):
    """While the command is still being imported."""
    script = f"""
import os, sys, schuss.cli as cli
def early(name):
    class Named:
        def __set_name__(self, owner, name):  # what it raises becomes a RuntimeError in Python 3.11
            os.kill(os.getpid(), {int(number)})
    class Made:
        named = Named()
    raise AssertionError("goes on")
cli.importlib.import_module = early
sys.argv = ["schuss", "train", "mnist"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stderr.strip() == "stopped before anything was done that could be kept"


# -- files that are none ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "circle", "folder"])
def test_an_out_that_cannot_be_written_is_said_before_training(schuss: Any, npz: Path, tmp_path: Path, kind: str):
    out = tmp_path / "m.safetensors"
    {"fifo": os.mkfifo, "circle": lambda p: p.symlink_to(p), "folder": os.mkdir}[kind](out)
    done = schuss("train", npz, *QUICK, "--out", out)
    assert done.code != 0
    assert "m.safetensors" in done.err
    assert done.err.count("Error: ") == 1
    assert os.listdir(tmp_path) == ["m.safetensors"]


@pytest.mark.parametrize("command", [("info",), ("evaluate", "DATA"), ("predict", "DATA"), ("graph",)])
@pytest.mark.parametrize("kind", ["fifo", "circle"])
def test_a_model_that_is_no_file(schuss: Any, npz: Path, tmp_path: Path, command: tuple[str, ...], kind: str):
    path = tmp_path / "m.safetensors"
    {"fifo": os.mkfifo, "circle": lambda p: p.symlink_to(p)}[kind](path)
    done = schuss(command[0], path, *(npz for _ in command[1:]))
    assert done.code == 1
    assert ("not a regular file" if kind == "fifo" else "symbolic links") in done.error


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".png"])
def test_a_pipe_as_data_is_refused_at_once(schuss: Any, model: Path, tmp_path: Path, suffix: str):
    os.mkfifo(tmp_path / f"x{suffix}")
    done = schuss("predict", model, tmp_path / f"x{suffix}")
    assert done.code == 1
    assert "not a regular file" in done.error


# -- models whose results are no rows ----------------------------------------------------------------------


class Two(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        y = self.layer(x)
        return y, y * 2.0


class Scalar(Two):
    def forward(self, x: Any) -> Any:
        return library.sum(self.layer(x))


@pytest.mark.parametrize(
    ("kind", "says"), [(Two, "gives a tuple of 2, where one array is read"), (Scalar, "gives [] for 4 rows")]
)
def test_predict_of_a_model_whose_results_are_no_rows(schuss: Any, tmp_path: Path, kind: Any, says: str):
    path = tmp_path / "m.safetensors"
    library.save(kind(), path, inputs=[TensorType("float32", (N, 3))])
    np.save(tmp_path / "x.npy", np.ones((4, 3), "f4"))
    done = schuss("predict", path, tmp_path / "x.npy")
    assert done.code == 1
    assert says in done.error


# -- what a terminal would obey ------------------------------------------------------------------------------

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202etxt.\ud800"


def test_nothing_printable_is_changed():
    text = "naïve 東京 ∑ → 🙂\tand\na line"
    assert printable(text) == text
    assert printable(EVIL) == r"\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202etxt.\ud800"


def test_errors_hold_no_escapes():
    for kind in (SchussError, DataError, ModelFileError):
        assert str(kind(f"{EVIL}\n")).isprintable()
        assert str(kind(EVIL).args[0]).isprintable()


@pytest.fixture
def evil(model: Path, tmp_path: Path) -> Path:
    """A model file with escapes wherever a text may stand."""
    from schuss.io.tensors import read_tensors, write_tensors

    tensors, description = read_tensors(model)
    description["version"] = EVIL
    description["loss"] = {"type": EVIL, EVIL: EVIL}
    description["optimizer"] = {"type": EVIL, EVIL: EVIL}
    record = dict(description["record"])
    record |= {"data": EVIL, "stopped": EVIL, "model": EVIL, EVIL: EVIL, "epochs": EVIL}
    record["history"] = {**record["history"], EVIL: record["history"]["loss"]}
    description["record"] = record
    write_tensors(tmp_path / "evil.safetensors", tensors, json.loads(json.dumps(description)))
    return tmp_path / "evil.safetensors"


@pytest.mark.parametrize("command", ["info", "graph", "evaluate", "predict"])
def test_escapes_in_a_file_are_never_printed(schuss: Any, evil: Path, npz: Path, tmp_path: Path, command: str):
    np.save(tmp_path / "x.npy", np.zeros((2, 784), "u1"))
    more = {"evaluate": [npz], "predict": [tmp_path / "x.npy"]}.get(command, [])
    done = schuss(command, evil, *more)
    for text in (done.out, done.err):
        assert not any(c in text for c in "\x1b\x07\x9b\r\u202e\ud800")
    if command == "info":
        assert r"\x1b]0;owned" in done.out


def test_a_signature_prints_no_escapes(evil: Path):
    assert "\x1b" not in repr(library.load(evil).signature)


def test_names_of_parameters_and_scopes_in_errors_and_listings(schuss: Any, tmp_path: Path):
    from schuss.io.tensors import write_tensors

    write_tensors(tmp_path / "a.safetensors", {EVIL[:20]: np.zeros(2, "f4")}, {"format": 1, "graph": EVIL})
    for command in ("info", "graph"):
        done = schuss(command, tmp_path / "a.safetensors")
        assert done.code == 1
        assert "\x1b" not in done.error
