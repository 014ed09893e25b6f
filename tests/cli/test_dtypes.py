"""Data of every dtype are trained on, tested, evaluated, predicted and looked at as the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library
from schuss import nn, viz
from schuss.data import load_dataset
from schuss.data.columns import column, columns
from schuss.errors import DataError, ShapeError
from schuss.ir import N, TensorType
from schuss.web.session import view

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip
KEPT = {"int8": "int32", "int16": "int32", "uint16": "int32", "uint64": "int64", "float16": "f4", "float64": "f4"}
NUMBERS = np.random.default_rng(0).integers(0, 2, (60, 3))  # bools, too
LABELS = NUMBERS[:, 0] ^ NUMBERS[:, 1]


def save(path: Path, dtype: str, y: Any = LABELS, x: Any = NUMBERS) -> Path:
    x = x.astype(dtype)
    np.savez(path, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return path


def train(schuss: Any, data: Path, *more: Any) -> Any:
    small = ("--hidden", "4", "--dropout", "0", "--epochs", "2", "--batch-size", "16", "--threads", "1", "--quiet")
    return schuss("train", data, *small, "--json", *more).json


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """What the first test that asks for it has trained."""
    return {}


@pytest.fixture
def plain(schuss: Any, tmp_path: Path, known: dict[str, Any]) -> float:
    """The test loss where the data are float32."""
    if "plain" not in known:
        known["plain"] = train(schuss, save(tmp_path / "plain.npz", "float32"))["test_loss"]
    return known["plain"]


@pytest.fixture
def of_two_axes(schuss: Any, tmp_path: Path, known: dict[str, Any]) -> float:
    """The test loss where a row has two axes, and the network begins with Flatten."""
    if "two axes" not in known:
        data = save(tmp_path / "rows.npz", "float32", x=NUMBERS[:, None])
        known["two axes"] = train(schuss, data)["test_loss"]
    return known["two axes"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_means_its_numbers(schuss: Any, tmp_path: Path, plain: float, dtype: str):
    data, out = save(tmp_path / "d.npz", dtype), tmp_path / "m.safetensors"
    trained = train(schuss, data, "--out", out)
    assert trained["test_loss"] == plain
    assert schuss("evaluate", out, data, "--json").json["loss"] == pytest.approx(trained["test_loss"], rel=1e-5)
    np.save(tmp_path / "x.npy", NUMBERS.astype(dtype)[40:])
    predicted = schuss("predict", out, tmp_path / "x.npy", "--json").json["predictions"]
    p = np.array([row["probabilities"] for row in predicted])
    assert -np.log(p[np.arange(20), LABELS[40:]]).mean() == pytest.approx(trained["test_loss"], rel=1e-5)

    model, dataset = library.load(out), load_dataset(str(data))
    session = view(model, "m", dataset)
    if dtype not in KEPT or dtype == "float64":  # the others are looked at as one of these
        run = viz.as_run(model, dataset.x_test, dataset.y_test)
        land = viz.landscape_data(run, around="random", size=3, rows=None, progress=False)
        assert land.loss[1, 1] == pytest.approx(trained["test_loss"], rel=1e-5)
        assert session.subject.graph("test", 0)
    assert str(session.subject.sets["train"]["x0"].dtype) == np.dtype(KEPT.get(dtype, dtype)).name


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "uint16", "int64", "bool"])
def test_labels_of_every_dtype(schuss: Any, tmp_path: Path, plain: float, dtype: str):
    assert train(schuss, save(tmp_path / "d.npz", "float32", LABELS.astype(dtype)))["test_loss"] == plain


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_targets_of_every_floating_dtype(schuss: Any, tmp_path: Path, dtype: str):
    y = NUMBERS.sum(axis=1).astype(dtype)
    out = tmp_path / "m.safetensors"
    trained = train(schuss, save(tmp_path / "d.npz", "int16", y), "--out", out)
    told = schuss("evaluate", out, tmp_path / "d.npz", "--json").json
    assert told["root_mean_squared_error"] ** 2 == pytest.approx(trained["test_loss"], rel=1e-5)


@pytest.mark.parametrize(("code", "dtype"), [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4")])
def test_idx_files_of_every_dtype(schuss: Any, tmp_path: Path, of_two_axes: float, code: int, dtype: str):
    def write(name: str, array: Any) -> None:
        head = bytes([0, 0, code, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
        (tmp_path / name).write_bytes(head + array.astype(dtype).tobytes())

    write("train-images-idx3-ubyte", NUMBERS[:40, None])
    write("t10k-images-idx3-ubyte", NUMBERS[40:, None])
    code, dtype = (code, dtype) if code < 0x0D else (0x09, ">i1")
    write("train-labels-idx1-ubyte", LABELS[:40])
    write("t10k-labels-idx1-ubyte", LABELS[40:])
    assert train(schuss, tmp_path)["test_loss"] == of_two_axes


# -- data of another dtype than the model was trained on ----------------------------------------------


def loss_around(run: Any) -> np.ndarray:
    return viz.landscape_data(run, around="random", size=3, rows=None, progress=False).loss


@pytest.fixture
def model(schuss: Any, tmp_path: Path, known: dict[str, Any]) -> Any:
    if "model" not in known:
        train(schuss, save(tmp_path / "d.npz", "int16"), "--out", tmp_path / "m.safetensors")
        known["model"] = library.load(tmp_path / "m.safetensors")
        known["around"] = loss_around(viz.as_run(known["model"], NUMBERS[:40], LABELS[:40]))
    return known["model"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_looked_at_with_data_of_another_dtype(model: Any, tmp_path: Path, known: dict[str, Any], dtype: str):
    dataset = load_dataset(str(save(tmp_path / f"{dtype}.npz", dtype)))
    session = view(model, "m", dataset)
    assert session.subject.graph("train", 3)
    np.testing.assert_allclose(loss_around(session.subject.as_run()), known["around"], rtol=1e-6)


def test_rows_and_targets_of_different_lengths_are_refused(model: Any):
    with pytest.raises(DataError, match="x has 10 examples but y has 60"):
        viz.as_run(model, NUMBERS[:10], LABELS)


def test_validation_of_another_width_is_taken():
    weights = []
    for x_dtype, y_dtype in (("int32", "int64"), ("int64", "uint8"), ("int8", "int32")):
        network = nn.Sequential(nn.Linear(3, 2))
        given = (NUMBERS[40:].astype(x_dtype), LABELS[40:].astype(y_dtype))
        run = library.fit(network, (NUMBERS[:40].astype("int16"), LABELS[:40]), loss=nn.CrossEntropyLoss(),
                          optimizer=library.optim.SGD(lr=0.1), validation=given, threads=1)  # fmt: skip
        weights.append(run.history["val_loss"])
    assert weights[0] == weights[1] == weights[2]


# -- the conversion itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "like", "says"), [
    (np.array([[300]]), "uint8", r"x: has values from 300 to 300, the model was trained on uint8 \(0 to 255\)"),
    (np.array([[-1]]), "uint32", "from -1 to -1, the model was trained on uint32"),
    (np.array([[2**40]]), "int32", "the model was trained on int32"),
    (np.array([[2]]), "bool", r"the model was trained on bool \(0 to 1\)"),
    (np.array([[0.5]]), "int32", "x: is float64, the model was trained on int32"),
])  # fmt: skip
def test_values_that_would_change_are_refused(value: Any, like: str, says: str):
    with pytest.raises(DataError, match=says):
        column(value, "x", "float32", TensorType(like, (N, 1)))


def test_floats_beyond_the_models_are_named():
    with pytest.raises(DataError, match=r"x: 1e\+39 at row 1, column \d is beyond float32; scale the data"):
        column([[1.0], [1e39]], "x", "float32")
    with pytest.raises(DataError, match="x: inf at row 0, column 0"):
        column([[np.inf], [1e39]], "x", "float32")
    assert column([[1e39]], "x", "float64")[0, 0] == 1e39


def test_columns_have_one_length_and_an_axis():
    with pytest.raises(ShapeError, match="needs an axis of examples"):
        columns([1.0], [1], "float32")
    with pytest.raises(DataError, match="x has no examples"):
        columns([np.zeros((0, 2))], np.zeros(0), "float32")
    found = columns([np.ones((2, 1), "f2"), np.asfortranarray(np.ones((2, 3), "i1"))], [True, False], "float64")
    assert {n: str(a.dtype) for n, a in found.items()} == {"x0": "float64", "x1": "int32", "y": "int64"}
    assert all(a.flags.c_contiguous for a in found.values())
