"""evaluate, predict, info and graph: what they say is right, in every form."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

import schuss as library
from schuss import nn, optim
from schuss.data.digits import read_digit

# -- evaluate ------------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(model: Path, digits: Any) -> tuple[Any, Any]:
    """Probabilities and classes of the test digits, by numpy from the file's tensors."""
    weights = library.load(model).state_dict()
    x = digits["x_test"].reshape(-1, 784).astype(np.float64) / 255
    h = np.maximum(x @ weights["1.weight"].T + weights["1.bias"], 0)
    z = h @ weights["4.weight"].T + weights["4.bias"]
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p, p.argmax(axis=1)


def test_evaluate_agrees_with_scikit_learn(schuss: Any, model: Path, npz: Path, digits: Any, by_hand: Any):
    p, predicted = by_hand
    y = digits["y_test"]
    result = schuss("evaluate", model, npz, "--json").json
    assert result["accuracy"] == pytest.approx((predicted == y).mean())
    assert result["loss"] == pytest.approx(log_loss(y, p, labels=range(10)), rel=1e-4)
    assert result["confusion"] == confusion_matrix(y, predicted, labels=range(10)).tolist()
    precision, recall, f1, examples = precision_recall_fscore_support(y, predicted, labels=range(10), zero_division=0)
    for row in result["classes"]:
        c = row["class"]
        assert (row["precision"] or 0) == pytest.approx(precision[c])
        assert (row["recall"] or 0) == pytest.approx(recall[c])
        assert (row["f1"] or 0) == pytest.approx(f1[c])
        assert row["examples"] == examples[c]


def test_yes_and_no_as_floats_are_counted_as_labels_are(schuss: Any, tmp_path: Path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    y = (x[:, :1] > 0).astype(np.float32)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    model = library.nn.Linear(3, 1)
    given = {"loss": library.nn.BCEWithLogitsLoss(), "optimizer": library.optim.Adam(lr=0.05), "epochs": 5}
    library.fit(model, (x, y), backend="reference", **given)
    library.save(model, tmp_path / "m")
    result = schuss("evaluate", tmp_path / "m", tmp_path / "d.npz", "--json").json
    assert result["confusion"] == confusion_matrix(y, np.asarray(model(x)) > 0).tolist()
    assert result["accuracy"] == pytest.approx(library.evaluate(model, (x, y), backend="reference")["accuracy"])


def test_evaluate_as_text(schuss: Any, model: Path, npz: Path):
    text = schuss("evaluate", model, npz).out
    for part in ("accuracy", "precision", "true \\ predicted", "128 test examples"):
        assert part in text


def test_evaluate_with_the_wrong_data(schuss: Any, model: Path, regression: Path, tmp_path: Path):
    done = schuss("evaluate", model, regression)
    assert done.code == 1
    assert "trained on classes" in done.error
    np.savez(tmp_path / "d.npz", x_train=np.ones((2, 5)), y_train=[0, 1], x_test=np.ones((2, 5)), y_test=[0, 1])
    done = schuss("evaluate", model, tmp_path / "d.npz")
    assert done.code == 1
    assert "rows of shape [1, 28, 28]" in done.error


# -- predict -------------------------------------------------------------------------------------------


def pictures(digit: Any, folder: Path) -> list[Path]:
    """The digit as people would have it: dark on light, light on dark, large, small, wide, colour, transparent."""
    light = Image.fromarray(digit)
    dark = Image.fromarray(255 - digit)
    big = dark.resize((300, 300), Image.Resampling.BICUBIC)
    wide = Image.new("RGB", (500, 320), (250, 245, 230))
    wide.paste(big.convert("RGB").point(lambda v: v * 0.95), (150, 10))
    clear = Image.new("RGBA", (28, 28), (0, 0, 0, 0))
    clear.putalpha(light)
    paths = {
        "light.png": light,
        "dark.png": dark,
        "big.jpg": big,
        "wide.png": wide,
        "small.png": dark.crop((2, 2, 26, 26)),
        "clear.png": clear.resize((112, 112)),
        "palette.png": big.convert("P"),
        "gray16.png": Image.fromarray(digit.astype(np.uint16) * 257),
    }
    for name, picture in paths.items():
        picture.save(folder / name)
    return [folder / name for name in paths]


def test_pictures_in_every_form(schuss: Any, model: Path, digits: Any, tmp_path: Path, by_hand: Any):
    p, predicted = by_hand
    sure = int(np.argmax(np.where(predicted == digits["y_test"], p.max(axis=1), 0)))
    for path in pictures(digits["x_test"][sure], tmp_path):
        result = schuss("predict", model, path, "--json").json
        assert result["kind"] == "probabilities"
        assert result["predictions"][0]["class"] == predicted[sure], path.name
        assert sum(result["predictions"][0]["probabilities"]) == pytest.approx(1)
    text = schuss("predict", model, tmp_path / "dark.png").out
    assert text.startswith(f"class {predicted[sure]}\n")
    assert "█" in text


def test_a_picture_of_the_right_size_is_the_array(digits: Any, tmp_path: Path):
    Image.fromarray(digits["x_test"][0]).save(tmp_path / "a.png")
    assert (read_digit(tmp_path / "a.png", 28) == digits["x_test"][0]).all()
    Image.fromarray(255 - digits["x_test"][0]).save(tmp_path / "b.png")
    assert (read_digit(tmp_path / "b.png", 28) == digits["x_test"][0]).all()


def test_a_digit_is_centred_by_mass_in_a_box_of_20(tmp_path: Path):
    page = np.full((400, 700), 255, np.uint8)
    page[50:250, 30:70] = 0
    Image.fromarray(page).save(tmp_path / "bar.png")
    square = read_digit(tmp_path / "bar.png", 28)
    rows, columns = np.nonzero(square)
    assert (rows.min(), rows.max()) == (4, 23)
    assert np.ptp(columns) + 1 == 4
    assert abs(columns.mean() - 13.5) <= 0.5
    assert square.max() == 255


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_picture(schuss: Any, model: Path, tmp_path: Path, content: bytes):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    done = schuss("predict", model, path)
    assert done.code == 1
    assert str(path) in done.error


def test_a_blank_page_and_a_missing_file(schuss: Any, model: Path, tmp_path: Path):
    Image.new("L", (50, 50), 200).save(tmp_path / "blank.png")
    assert "blank" in schuss("predict", model, tmp_path / "blank.png").error
    for name in ("none.png", "none.npy", "none.npz"):
        done = schuss("predict", model, tmp_path / name)
        assert done.code == 1
        assert name in done.error


def test_arrays_in_every_form(schuss: Any, model: Path, digits: Any, tmp_path: Path, by_hand: Any):
    p, predicted = by_hand
    x = digits["x_test"][:9]
    np.save(tmp_path / "images.npy", x)
    np.save(tmp_path / "rows.npy", x.reshape(9, 784))
    np.save(tmp_path / "floats.npy", x.reshape(9, 784) / 255)
    np.save(tmp_path / "wider.npy", x.astype(np.int64))
    np.savez(tmp_path / "x.npz", x=x, other=np.ones(3))
    np.savez_compressed(tmp_path / "one.npz", anything=x)
    for name in ("images.npy", "rows.npy", "floats.npy", "wider.npy", "x.npz", "one.npz"):
        rows = schuss("predict", model, tmp_path / name, "--json").json["predictions"]
        assert [r["class"] for r in rows] == predicted[:9].tolist(), name
        np.testing.assert_allclose([r["probabilities"] for r in rows], p[:9], rtol=1e-3, atol=1e-6)
    np.save(tmp_path / "single.npy", x[0])
    assert len(schuss("predict", model, tmp_path / "single.npy", "--json").json["predictions"]) == 1
    assert schuss("predict", model, tmp_path / "rows.npy").out.count("class") == 9


def test_bad_arrays(schuss: Any, model: Path, tmp_path: Path):
    np.save(tmp_path / "shape.npy", np.ones((3, 5)))
    assert "rows of shape [1, 28, 28]" in schuss("predict", model, tmp_path / "shape.npy").error
    np.save(tmp_path / "nan.npy", np.full((1, 784), np.nan))
    assert "nan at row 0" in schuss("predict", model, tmp_path / "nan.npy").error
    np.savez(tmp_path / "two.npz", a=np.ones(2), b=np.ones(2))
    assert "a, b" in schuss("predict", model, tmp_path / "two.npz").error
    np.save(tmp_path / "big.npy", np.full((1, 784), 300))
    assert "between 0 and 255" in schuss("predict", model, tmp_path / "big.npy").error


@pytest.mark.parametrize("suffix", ["csv", "json", "npy"])
def test_output_files(schuss: Any, model: Path, digits: Any, tmp_path: Path, by_hand: Any, suffix: str):
    p, predicted = by_hand
    np.save(tmp_path / "x.npy", digits["x_test"][:5])
    out = tmp_path / f"out.{suffix}"
    done = schuss("predict", model, tmp_path / "x.npy", "-o", out)
    assert (done.code, done.out) == (0, "")
    if suffix == "csv":
        rows = list(csv.DictReader(out.open()))
        assert [int(r["class"]) for r in rows] == predicted[:5].tolist()
        assert float(rows[0]["p3"]) == pytest.approx(p[0, 3], rel=1e-3)
    elif suffix == "json":
        assert [r["class"] for r in json.loads(out.read_text())["predictions"]] == predicted[:5].tolist()
    else:
        np.testing.assert_allclose(np.load(out), p[:5], rtol=1e-3, atol=1e-6)
    assert schuss("predict", model, tmp_path / "x.npy", "-o", tmp_path / "out.xlsx").code == 2
    assert schuss("predict", model, tmp_path / "x.npy", "-o", tmp_path / "none" / "out.csv").code == 1


# -- models of every class ------------------------------------------------------------------------------


class Twin(nn.Module):
    """A skip connection and a layer used twice."""

    def __init__(self) -> None:
        self.first = nn.Linear(5, 6)
        self.again = nn.Linear(6, 6)
        self.last = nn.Linear(6, 1)

    def forward(self, x: Any) -> Any:
        h = library.tanh(self.first(x))
        h = h + library.tanh(self.again(h))
        return self.last(library.tanh(self.again(h)))


@pytest.fixture
def twin(regression: Path, tmp_path: Path) -> Path:
    data = np.load(regression)
    network = Twin()
    given = {"loss": nn.MSELoss(), "optimizer": optim.Adam(lr=1e-2)}
    library.fit(network, (data["x_train"], data["y_train"]), epochs=20, batch_size=30, **given)
    library.save(network, tmp_path / "twin.safetensors")
    return tmp_path / "twin.safetensors"


def test_every_command_works_on_a_model_of_any_class(schuss: Any, twin: Path, regression: Path, tmp_path: Path):
    assert schuss("evaluate", twin, regression, "--json").json["r2"] > 0.5
    np.save(tmp_path / "x.npy", np.load(regression)["x_test"])
    result = schuss("predict", twin, tmp_path / "x.npy", "--json").json
    assert result["kind"] == "values"
    assert len(result["predictions"]) == 100
    info = schuss("info", twin, "--json").json
    assert {(row["name"], row["parameters"]) for row in info["layers"]} >= {("first", 36), ("again", 42), ("last", 7)}
    assert info["record"]["epochs"] == 20
    text = schuss("graph", twin).out
    assert "d loss/d again.weight" in text


def test_a_loss_of_the_users_own_leaves_the_forward_pass(schuss: Any, regression: Path, tmp_path: Path):
    data = np.load(regression)
    network = nn.Sequential(nn.Linear(5, 1))

    def own(pred: Any, target: Any) -> Any:
        return ((pred[:, 0] - target) ** 4).mean()

    library.fit(network, (data["x_train"], data["y_train"]), loss=own, optimizer=optim.SGD(lr=0.01))
    library.save(network, tmp_path / "own.safetensors")
    assert schuss("evaluate", tmp_path / "own.safetensors", regression, "--json").json["loss"] is None
    done = schuss("graph", tmp_path / "own.safetensors")
    assert "forward pass alone" in done.err
    assert "backward" not in done.out
    assert schuss("info", tmp_path / "own.safetensors").code == 0


# -- info and graph ---------------------------------------------------------------------------------------


def test_info(schuss: Any, model: Path):
    text = schuss("info", model).out
    for part in ("uint8[N,1,28,28]", "Flatten", "Linear", "weight [32, 784]", "CrossEntropyLoss", "Adam", "epochs 8"):
        assert part in text
    result = schuss("info", model, "--json").json
    assert result["parameters"] == 784 * 32 + 32 + 330
    assert result["record"]["history"]["epoch"] == list(range(1, 9))
    assert [row["type"] for row in result["layers"]] == ["Flatten", "Linear", "ReLU", "Dropout", "Linear"]


def test_graph_as_text(schuss: Any, model: Path):
    text = schuss("graph", model).out
    forward, _, backward = text.partition("\nbackward")
    assert "4.Linear = " in forward
    assert "d loss/d 1.bias = incoming" in forward
    assert "d loss/d 1.weight = " in backward
    # Backwards through the layers.
    assert backward.index("  4.Linear") < backward.index("  2.ReLU") < backward.index("  1.Linear")
    assert "optimizer" not in text
    assert "optimizer" in schuss("graph", model, "--all").out


def test_graph_as_json_is_a_whole_graph(schuss: Any, model: Path, tmp_path: Path):
    schuss("graph", model, "--format", "json", "--all", "-o", tmp_path / "g.json")
    graph = json.loads((tmp_path / "g.json").read_text())
    nodes = {n["id"]: n for n in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"])
    for node in graph["nodes"]:
        assert all(i in nodes for i in node.get("inputs", ()))
    assert {n["part"] for n in nodes.values() if "part" in n} == {"forward", "backward", "optimizer", "metrics"}
    assert nodes[graph["outputs"]["loss"]]["name"] == "loss"
    of = {n["gradient_of"]: n for n in nodes.values() if n.get("gradient_of")}
    assert of["1.weight"]["shape"] == [32, 784]
    relu = next(n for n in nodes.values() if n["op"] == "relu")
    assert relu["rules"] == ["d loss/d 1.Linear = incoming where 2.ReLU > 0, else 0"]


def test_graph_as_dot(schuss: Any, model: Path):
    lines = schuss("graph", model, "--format", "dot").out.splitlines()
    assert lines[0] == "digraph step {"
    assert lines[-1] == "}"
    assert sum(line.count("{") for line in lines) == sum(line.count("}") for line in lines)
    declared = {line.split()[0] for line in lines if "[label=" in line}
    for line in lines:
        if " -> " in line:
            a, _, b = line.strip().rstrip(";").split()
            assert {a, b} <= declared


# -- a record that no run has written ------------------------------------------------------------------


FOREIGN: list[dict[str, Any]] = [
    {"history": "mine"},
    {"history": {"loss": 3}},
    {"history": {"epoch": [1, 2], "loss": [0.5, "half"]}},
    {"history": {"epoch": [1, 2], "loss": [0.5]}},
    {"epochs": "many", "seconds": "long", "test_accuracy": [1], "test_loss": "small"},
    {"changes": 7, "settings": "mnist", "batch_size": "64"},
]


@pytest.mark.parametrize("record", FOREIGN)
def test_a_foreign_record_costs_a_line(schuss: Any, model: Path, npz: Path, tmp_path: Path, record: dict[str, Any]):
    path = tmp_path / "foreign.safetensors"
    library.save(library.load(model), path, record=record)
    check_told(schuss("info", path), path, record)
    assert json.loads(schuss("info", path, "--json").out)["record"] == record
    for rest in (["evaluate", path, npz], ["graph", path, "--plan"]):
        done = schuss(*rest)
        assert done.code == 0, done.err


def check_told(done: Any, path: Path, record: dict[str, Any]) -> None:
    assert done.code == 0, done.err
    assert done.err.startswith(f"{path}: left out of the record of its training: ")
    assert done.err.count("\n") == 1
    assert all(name in done.err for name in record)


def test_a_report_of_a_foreign_record(schuss: Any, line: Path, regression: Path, tmp_path: Path):
    """All of them at once: pictures take long."""
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install '.[viz]'")
    path = tmp_path / "foreign.safetensors"
    record = {name: value for one in FOREIGN for name, value in one.items()}
    library.save(library.load(line), path, record=record)
    check_told(schuss("report", path, "--data", regression), path, record)
