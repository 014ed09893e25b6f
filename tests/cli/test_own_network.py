"""schuss train --net: a network of the user's own, from a file; images come to it as pictures."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from quick import compile_quickly

import schuss as library
from schuss.cli.training.run import TrainCommand
from schuss.data import SOURCES, DataSource
from schuss.errors import DataError

CONVOLUTIONAL = """
from schuss import nn

def make():
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, stride=2), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(27, 10)
    )

class Own(nn.Module):
    def __init__(self):
        self.body, self.head = make(), nn.Linear(10, 10)

    def forward(self, x):
        return self.head(self.body(x))

def fails():
    raise ValueError("two\\nlines")

def linear():
    return nn.Linear(784, 10)

number = 3
"""
QUICK = ["--epochs", "1", "--batch-size", "32", "--threads", "1", "--quiet"]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch):
    compile_quickly(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(CONVOLUTIONAL)
    return path


def test_a_convolutional_network_is_trained_saved_measured_and_asked(
    schuss: Any, npz: Path, file: Path, digits: Any, tmp_path: Path
):
    out, picture = tmp_path / "conv.safetensors", tmp_path / "digit.png"
    trained = schuss("train", npz, "--net", file, *QUICK, "--lr", "0.01", "--out", out, "--json")
    assert trained.code == 0, trained.err
    model = library.load(out)
    assert model.signature.inputs[0].shape[1:] == (1, 28, 28)
    assert list(model.state_dict()) == ["0.weight", "0.bias", "4.weight", "4.bias"]
    expected = library.predict(model, digits["x_test"])
    assert np.array_equal(expected, library.predict(model, digits["x_test"][:, None]))
    measured = schuss("evaluate", out, npz, "--json").json
    assert measured["accuracy"] == pytest.approx((expected == digits["y_test"]).mean())
    assert measured["accuracy"] > 0.2
    Image.fromarray(digits["x_test"][0]).save(picture)
    assert schuss("predict", out, picture, "--json").json["predictions"][0]["class"] == expected[0]
    assert "Conv2d" in schuss("info", out).out
    assert "conv2d" in schuss("graph", out).out.lower()


def test_pictures_with_channels_last_are_no_rows_of_a_network_with_channels_first(
    schuss: Any, npz: Path, file: Path, digits: Any, tmp_path: Path
):
    """The command must not lay them flat: the sizes agree, and the numbers would land in other places."""
    out, wide = tmp_path / "m.safetensors", dict(digits)
    wide |= {n: np.stack([digits[n][:, :14], digits[n][:, 14:]], axis=1) for n in ("x_train", "x_test")}
    np.savez(tmp_path / "first.npz", **wide)
    np.savez(tmp_path / "last.npz", **wide | {n: np.moveaxis(wide[n], 1, -1) for n in ("x_train", "x_test")})
    file.write_text("from schuss import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\n")
    assert schuss("train", tmp_path / "first.npz", "--net", file, *QUICK, "--out", out).code == 0
    assert "x.transpose(0, 3, 1, 2)" in schuss("evaluate", out, tmp_path / "last.npz").error
    assert "x.transpose(0, 3, 1, 2)" in schuss("report", out, "--data", tmp_path / "last.npz").error
    assert schuss("evaluate", out, tmp_path / "first.npz").code == 0


def test_a_network_that_begins_with_a_linear_takes_images_flat(schuss: Any, npz: Path, file: Path, tmp_path: Path):
    out = tmp_path / "linear.safetensors"
    trained = schuss("train", npz, "--net", f"{file}:linear", *QUICK, "--validation", "0.1", "--out", out, "--json")
    assert trained.code == 0, trained.err
    measured = schuss("evaluate", out, npz, "--json")
    assert measured.json["accuracy"] == trained.json["test_accuracy"]


def test_a_class_of_the_users(schuss: Any, npz: Path, file: Path, tmp_path: Path):
    out = tmp_path / "own.safetensors"
    assert schuss("train", npz, "--net", f"{file}:Own", *QUICK, "--out", out).code == 0
    again = schuss("train", npz, "--net", f"{file}:Own", *QUICK, "--out", out, "--resume")
    assert again.code == 0, again.err
    assert "body.0.weight" in library.load(out).state_dict()


@pytest.mark.parametrize(
    ("net", "more", "message"),
    [
        ("none.py", (), "none.py: no such file"),
        ("{}:", (), "nothing stands behind the colon; give"),
        ("{}:my-net", (), "'my-net' is no name of Python's; give"),
        ("{}:lost", (), "has no lost; write def lost(): return nn.Sequential(...)"),
        ("{}:linea", (), "has no linea; did you mean 'linear'?; write def linea()"),
        ("{}:fails", (), "fails() fails: ValueError: two lines"),
        ("{}:number", (), "number() returned int, which is no model"),
        ("{}", ("--hidden", "16"), "--net gives the whole network: leave out --hidden"),
        ("{}", ("--init", "zeros"), "leave out --init"),
    ],
)
def test_refusals(schuss: Any, npz: Path, file: Path, net: str, more: Any, message: str):
    assert message in schuss("train", npz, "--net", net.format(file), *more, *QUICK).error


BROKEN = """
import numpy as np
import schuss
from schuss import nn

class Body(nn.Module):
    def __init__(self):
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

class Attribute(Body):
    def forward(self, x):
        return self.bodi(x)

class Index(Body):
    def forward(self, x):
        return self.body(x) * [1][3]

class File(Body):
    def forward(self, x):
        return self.body(x) * len(open("none.txt").read())

class Numpy(Body):
    def forward(self, x):
        return self.body(x) * np.ones(2).reshape(3)

class Option(Body):
    def forward(self, x):
        return schuss.sum(self.body(x), axs=1)

class Says(Body):
    def forward(self, x):
        raise schuss.errors.UsageError("give --dtype float64")

class Silent(Body):
    def forward(self, x):
        assert x is None

class Number(Body):
    def forward(self, x):
        return 3

class Two(Body):
    def forward(self, x, y):
        return self.body(x)

def settings():
    return nn.Linear(0, 10)
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Attribute", "AttributeError: 'Attribute' object has no attribute 'bodi' (line: {}:12)"),
        ("Index", "IndexError: list index out of range (line: {}:16)"),
        ("File", "FileNotFoundError: [Errno 2] No such file or directory: 'none.txt' (line: {}:20)"),
        ("Numpy", "ValueError: cannot reshape array of size 2 into shape (3,) (line: {}:24)"),
        ("Option", "sum: unknown option axs; it takes x, axis, keepdims (line: {}:28)"),
        ("Says", "give --dtype float64"),
        ("Silent", "AssertionError (line: {}:36)"),
        ("Number", "fit: the model gives one number for all examples; return a row for each, [N, ...]"),
        ("Two", "fit: x is 1 array, and the model takes (x, y); several inputs are a tuple"),
        ("settings", "settings: Linear: in_features must be a whole number of at least 1, got 0 (line: {}:47)"),
    ],
)
def test_errors_of_a_network_s_own_code(schuss: Any, npz: Path, tmp_path: Path, name: str, message: str):
    """One line, with the file and the line: the innermost that is the user's."""
    path = tmp_path / "broken.py"
    path.write_text(BROKEN)
    error = schuss("train", npz, "--net", f"{path}:{name}", *QUICK).error
    assert message.format(path) in error
    assert error.count("\n") == 1
    assert "not foreseen" not in error


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ValueError("a\nb"), rf"Error: ValueError: a b \(line: {__file__}:\d+\)\n"),
        (DataError("no rows"), "Error: no rows\n"),
    ],
)
def test_errors_of_a_source_s_own_code(schuss: Any, raised: Exception, message: str):
    @SOURCES.register("mine", data="MINE")
    class Mine(DataSource):
        def recognises(self, place: str) -> bool:
            return place == "mine"

        def load(self, place: str) -> Any:
            raise raised

    try:
        assert re.fullmatch(message, schuss("train", "mine", *QUICK).error)
    finally:
        SOURCES.remove("mine")


def test_a_file_that_is_no_python(schuss: Any, npz: Path, tmp_path: Path):
    path = tmp_path / "broken.py"
    path.write_text("def make():\n    return (1\n")
    assert (
        f"broken.py fails: SyntaxError: '(' was never closed (line: {path}:2)"
        in schuss("train", npz, "--net", path).error
    )


def test_a_stopped_run_goes_on_by_another_text_of_the_same_file(
    schuss: Any, npz: Path, file: Path, tmp_path: Path, monkeypatch: Any
):
    """And not by another function of it, nor by one that makes another network since."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "own.safetensors"
    start = ("train", npz, *QUICK, "--epochs", "2", "--out", out)
    begun = TrainCommand._trained
    monkeypatch.setattr(TrainCommand, "_trained", _stopped)
    assert schuss(*start, "--net", "net.py").code == 130
    monkeypatch.setattr(TrainCommand, "_trained", begun)
    said = schuss(*start, "--net", "./net.py:Own", "--resume").error
    assert "--net was net.py and is now ./net.py:Own" in said
    file.write_text(CONVOLUTIONAL.replace("nn.Linear(27, 10)", "nn.Linear(27, 16), nn.ReLU(), nn.Linear(16, 10)"))
    assert "the network or the optimizer is another" in schuss(*start, "--net", "net.py", "--resume").error
    file.write_text(CONVOLUTIONAL)
    assert schuss(*start, "--net", "./net.py:make", "--resume").code == 0
    assert schuss(*start, "--net", file, "--resume").code == 0  # it is finished


def _stopped(command: Any, trainer: Any, bar: Any, checkpoint: Any) -> Any:
    """As after a Ctrl-C at the end of the first epoch."""

    def reason() -> str | None:
        if trainer.position.epoch >= 1:
            command.interrupts.caught = signal.SIGINT
        return "a signal" if trainer.position.epoch >= 1 else None

    return trainer.train(bar, reason, checkpoint.hook(trainer))


def test_a_file_that_fails(schuss: Any, npz: Path, tmp_path: Path):
    path = tmp_path / "broken.py"
    path.write_text("import nothing_of_this_name\n")
    assert "broken.py fails: ModuleNotFoundError" in schuss("train", npz, "--net", path, *QUICK).error
