"""The recipes of CONTRIBUTING.md, carried out from outside the package as they stand, used, and taken out again."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim, tables
from schuss.cli import main
from schuss.errors import DataError, LoweringError
from schuss.io.graph_model import GraphModel
from schuss.ops.registry import REGISTRY

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
TABLES = (tables.EXECUTORS, tables.SOURCES, tables.LAYERS, tables.LOSSES, tables.OPTIMIZERS)
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (60, 3)).astype("f4")
Y = (X @ np.array([1.0, -2.0, 0.5], "f4")).astype("f4")


def named() -> list[set[str]]:
    """Every name there is."""
    presets = [set(t.presets) for t in (tables.LAYERS, tables.LOSSES, tables.OPTIMIZERS)]
    texts = [set(tables.SOURCES.sets.values()), set(tables.SOURCES.rows.values())]
    return [set(REGISTRY), *map(set, TABLES), *presets, *texts]


@pytest.fixture
def recipes(tmp_path: Path) -> Iterator[ModuleType]:
    """The page's code as a module, while a test runs."""
    before, (own, *rows) = named(), [set(REGISTRY), *map(set, TABLES)]
    path = tmp_path / "recipes.py"
    path.write_text("\n\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), "utf-8")
    spec = importlib.util.spec_from_file_location("recipes", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["recipes"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["recipes"]
        for name in set(REGISTRY) - own:
            del REGISTRY[name]
        for table, known in zip(TABLES, rows, strict=True):
            for name in set(table) - known:
                table.remove(name)
    assert named() == before


def command(capsys: Any, *arguments: Any) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_each_kind_has_a_recipe(recipes: ModuleType) -> None:
    made = {name for name, value in vars(recipes).items() if getattr(value, "__module__", "") == "recipes"}
    assert made == {"Gain", "Softsign", "ExpectileLoss", "Signum", "Columns", "Counting"}
    assert recipes.softsign is REGISTRY["softsign"]


def test_the_operation(recipes: ModuleType) -> None:
    x = RNG.normal(size=(5, 7)).astype("f4")
    native = schuss.jit(recipes.softsign)(x)
    np.testing.assert_allclose(native, x / (1 + np.abs(x)), rtol=1e-6)
    slope = schuss.jit(schuss.grad(lambda x: ops.sum(recipes.softsign(x))))(x)
    np.testing.assert_allclose(slope, 1 / (1 + np.abs(x)) ** 2, rtol=1e-5)
    assert "g / (1 + |x|)^2" in str(schuss.explain(lambda x: ops.sum(recipes.softsign(x)), x)).replace("incoming", "g")


def test_the_layers_and_their_files(recipes: ModuleType, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), recipes.Gain(4), recipes.Softsign(), nn.Linear(4, 1))
    loss, optimizer = recipes.ExpectileLoss(0.5), recipes.Signum(1e-2)
    run = schuss.fit(model, (X, Y), loss=loss, optimizer=optimizer, epochs=30, batch_size=20, progress=False)
    assert run.history["loss"][-1] < 0.5 * run.history["loss"][0]
    assert not np.array_equal(model[1].weight.data, np.ones(4))
    schuss.save(model, tmp_path / "m.safetensors")
    back = schuss.load(tmp_path / "m.safetensors")
    assert [type(layer) for layer in back] == [type(layer) for layer in model]
    assert np.array_equal(back(X), model(X))
    assert nn.known_loss(back.signature.loss) == loss
    assert optim.from_config(back.signature.optimizer) == optimizer
    tables.LAYERS.remove("Gain")
    graph = schuss.load(tmp_path / "m.safetensors")
    assert isinstance(graph, GraphModel)
    assert np.array_equal(graph(X), model(X))


def test_all_of_it_by_the_command(recipes: ModuleType, tmp_path: Path, capsys: Any) -> None:
    data, model, rows = tmp_path / "plane.columns", tmp_path / "m.safetensors", tmp_path / "rows.columns"
    np.savetxt(data, np.column_stack([X, Y]))
    np.savetxt(rows, X[:4])
    chosen = ["--loss", "expectile", "--optimizer", "signum", "--activation", "softsign", "--backend", "counting"]
    sizes = ["--hidden", "8", "--dropout", "0", "--epochs", "20", "--batch-size", "16", "--schedule", "constant"]
    code, out, err = command(capsys, "train", data, *chosen, *sizes, "--out", model, "--quiet", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["data"], result["backend"]) == ("plane", "counting")
    assert result["test_loss"] < 0.2
    assert recipes.Counting.counted > 0
    code, out, err = command(capsys, "evaluate", model, data, "--json")
    assert code == 0, err
    assert json.loads(out)["loss"] == pytest.approx(result["test_loss"], rel=1e-4)
    code, out, err = command(capsys, "predict", model, rows, "--json")
    assert code == 0, err
    said = [row["values"][0] for row in json.loads(out)["predictions"]]
    np.testing.assert_allclose(said, schuss.load(model)(X[:4])[:, 0], rtol=1e-5)
    network = schuss.load(model)
    assert isinstance(network[1], recipes.Softsign)
    assert nn.known_loss(network.signature.loss) == recipes.ExpectileLoss(0.9)
    _, _, err = command(capsys, "train", tmp_path / "nothing")
    assert "a .columns file" in err
    _, _, err = command(capsys, "train", data, "--loss", "expectile", "--optimizer", "signum", "--weight-decay", "0.1")
    assert err == "Error: signum: Signum has no weight decay; leave it out, or take another optimizer\n"


def test_what_the_executor_cannot_do(recipes: ModuleType) -> None:
    with pytest.raises(LoweringError, match=r"^the counting executor has no code for erf \(line: .*; use backend='ref"):
        schuss.jit(lambda x: ops.erf(x), backend="counting")(X)  # noqa: PLW0108


def test_nothing_stays(tmp_path: Path) -> None:
    assert not {"softsign", "Gain", "ExpectileLoss", "Signum", "columns", "counting"} & {n for s in named() for n in s}
    (tmp_path / "plane.columns").write_text("1 2\n")
    with pytest.raises(DataError, match=r"plane\.columns: is neither mnist"):
        schuss.data.load_dataset(tmp_path / "plane.columns")


def test_the_files_it_names_are_there() -> None:
    for name in re.findall(r"`((?:src|tests|nn|optim|ops|ir|compiler)/[\w/.]*)`", PAGE):
        assert (ROOT / name).exists() or (ROOT / "src/schuss" / name).exists(), name
