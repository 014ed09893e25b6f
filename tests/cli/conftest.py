"""Small data in every form the command takes, and the command itself in this process."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schuss.cli import main
from schuss.data import load_mnist

TRAIN, TEST = 512, 128
QUICK = ["--hidden", "16", "--epochs", "2", "--batch-size", "32", "--threads", "1", "--quiet"]


@dataclass
class Done:
    """What a call of the command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line on stderr."""
        assert self.err.startswith("Error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err


@pytest.fixture(autouse=True, scope="module")
def terminal() -> Iterator[None]:
    """As wide as where nobody looks: what is cut does not go by the terminal that tests run in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        yield


@pytest.fixture
def schuss(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: Any) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Done(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def digits() -> dict[str, Any]:
    d = load_mnist()
    return {
        "x_train": np.array(d.x_train[:TRAIN]),
        "y_train": np.array(d.y_train[:TRAIN]),
        "x_test": np.array(d.x_test[:TEST]),
        "y_test": np.array(d.y_test[:TEST]),
    }


@pytest.fixture(scope="session")
def npz(digits: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("npz") / "digits.npz"
    np.savez(path, **digits)
    return path


def idx(array: Any) -> bytes:
    """The array of bytes as an idx file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


@pytest.fixture
def folder(digits: dict[str, Any], tmp_path: Path) -> Path:
    """Four idx files, one of them gzipped."""
    place = tmp_path / "idx"
    place.mkdir()
    for name, file in IDX.items():
        if name == "x_train":
            (place / f"{file}.gz").write_bytes(gzip.compress(idx(digits[name])))
        else:
            (place / file).write_bytes(idx(digits[name]))
    return place


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = a plane, with floating targets."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)).astype(np.float32)
    y = (x @ np.arange(1, 6, dtype=np.float32) / 5).astype(np.float32)
    path = tmp_path_factory.mktemp("plane") / "plane.npz"
    np.savez(path, x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    return path


@pytest.fixture(scope="session")
def line(regression: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model of that plane: a report of it draws no pictures of units and examples."""
    path = tmp_path_factory.mktemp("line") / "m.safetensors"
    with pytest.raises(SystemExit):
        main(["train", str(regression), "--hidden", "6", "--epochs", "4", "--quiet", "--out", str(path)])
    assert path.exists()
    return path


@pytest.fixture(scope="session")
def model(npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model's file."""
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    with pytest.raises(SystemExit):
        main(
            ["train", str(npz), "--hidden", "32", "--epochs", "8", "--batch-size", "32", "--quiet", "--out", str(path)]
        )
    assert path.exists()
    return path
