"""Classes and columns that have names are called by them in what the command prints and writes."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library
from schuss import nn, optim

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)).astype("f4")
CLASSES = ["cat", "dog, wild", "eel"]
LABELS = RNG.integers(0, 3, 30)


def fitted(outputs: int, y: Any, loss: Any, tmp_path: Path) -> Path:
    model = nn.Linear(3, outputs)
    library.fit(model, (X, y), loss=loss, optimizer=optim.Adam(), backend="reference")
    library.save(model, tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def written(schuss: Any, model: Path, tmp_path: Path) -> list[dict[str, str]]:
    np.save(tmp_path / "x.npy", X)
    assert schuss("predict", model, tmp_path / "x.npy", "-o", tmp_path / "out.csv").code == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_classes(schuss: Any, tmp_path: Path) -> None:
    y = np.array(CLASSES)[LABELS]
    model = fitted(3, y, nn.CrossEntropyLoss(), tmp_path)
    rows = written(schuss, model, tmp_path)
    assert list(rows[0]) == ["row", "class", "p_cat", "p_dog, wild", "p_eel"]
    for row in rows:
        assert row["class"] == max(CLASSES, key=lambda name: float(row[f"p_{name}"]))
    np.savez(tmp_path / "d.npz", x_train=X, y_train=y, x_test=X, y_test=y)
    text = schuss("evaluate", model, tmp_path / "d.npz").out
    confusion = text[text.index("true \\ predicted") :].splitlines()
    assert confusion[1].split(None, 1) == ["cat", "dog, wild        eel"]
    assert [line.strip()[:3] for line in confusion[2:]] == ["cat", "dog", "eel"]
    assert len({len(line) for line in confusion[1:]}) == 1


def test_long_names_stand_before_the_rows_with_their_numbers(schuss: Any, tmp_path: Path) -> None:
    y = np.array(["a very long name of a class indeed " + c for c in "abc"])[LABELS]
    model = fitted(3, y, nn.CrossEntropyLoss(), tmp_path)
    np.savez(tmp_path / "d.npz", x_train=X, y_train=y, x_test=X, y_test=y)
    text = schuss("evaluate", model, tmp_path / "d.npz").out
    head, first, *_ = text[text.index("true \\ predicted") :].splitlines()[1:]
    assert head.split() == ["0", "1", "2"]
    assert re.match(r" *0 a very long name of a class indeed a  ", first)


def test_one_number_is_that_of_the_second_class(schuss: Any, tmp_path: Path) -> None:
    model = fitted(1, np.array(["no", "yes"])[LABELS % 2], nn.BCEWithLogitsLoss(), tmp_path)
    for row in written(schuss, model, tmp_path):
        assert list(row) == ["row", "class", "p_yes"]
        assert (float(row["p_yes"]) > 0.5) == (row["class"] == "yes")


def test_names_are_for_models_that_know_them(schuss: Any, tmp_path: Path) -> None:
    names = np.array(CLASSES)[LABELS]
    np.savez(tmp_path / "named.npz", x_train=X, y_train=names, x_test=X, y_test=names)
    labels = fitted(3, LABELS, nn.CrossEntropyLoss(), tmp_path)
    for arguments in (
        ("evaluate", labels, tmp_path / "named.npz"),
        ("report", labels, "--data", tmp_path / "named.npz"),
    ):
        told = schuss(*arguments).error
        assert "named holds names of classes, and the model was trained on labels without names: give labels" in told


def test_columns(schuss: Any, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    x = pd.DataFrame(X, columns=["age", "height", "weight"])
    y = pd.DataFrame(X[:, :2], columns=["price", "rent"])
    model = nn.Linear(3, 2)
    library.fit(model, (x, y), loss=nn.MSELoss(), optimizer=optim.Adam(), backend="reference")
    library.save(model, tmp_path / "m")
    assert list(written(schuss, tmp_path / "m", tmp_path)[0]) == ["row", "price", "rent"]
    assert "columns  'age', 'height', 'weight'\n" in schuss("info", tmp_path / "m").out


def test_tables_and_folders_get_their_mend(schuss: Any, tmp_path: Path) -> None:
    """A table is not taken for a picture, nor for the arrays of a model of arrays."""
    model = fitted(3, LABELS, nn.CrossEntropyLoss(), tmp_path)
    table = tmp_path / "iris.csv"
    table.write_text("length,kind\n1.5,cat\n")
    for arguments in (("evaluate", model, table), ("predict", model, table)):
        told = schuss(*arguments).error
        assert "iris.csv: is a table, which `schuss train" in told
        assert "numpy.savez('iris.npz', x" in told
    assert (
        "is a folder, and neither an .npz (with x or x_test, or one array alone), an .npy of rows nor a picture"
        in schuss("predict", model, tmp_path).error
    )
    assert "no model file; a model comes first" in schuss("evaluate", table, model).error
    assert "mnist: is data (a data set by name), no model file" in schuss("evaluate", "mnist", model).error
    np.save(tmp_path / "x.npy", np.array(CLASSES))
    assert "it is text: number its values" in schuss("predict", model, tmp_path / "x.npy").error
