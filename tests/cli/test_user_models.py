"""Every command on models of a user's own classes: saved once, then opened from their files, which know no class."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library
from schuss import nn, optim
from schuss.cli.models import opened
from schuss.data import load_dataset
from schuss.errors import UsageError
from tests.thinned import sampled

DRAWS = importlib.util.find_spec("matplotlib") is not None
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("f4")
Y = (X[:, 0] > 0).astype(np.int64)
WORDS = RNG.integers(0, 7, (24, 3))


class Plain(nn.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.b(library.relu(self.a(x)))


class Shared(nn.Module):
    def __init__(self):
        self.inner, self.out = nn.Linear(4, 4), nn.Linear(4, 2)
        self.again = self.inner

    def forward(self, x):
        return self.out(library.tanh(self.again(library.tanh(self.inner(x)))))


class Parts(nn.Module):
    def __init__(self):
        self.parts = {"in": nn.Linear(4, 6), "out": nn.Linear(6, 2)}
        self.words = {f"w{i}": i for i in range(5)}

    def forward(self, x):
        return self.parts["out"](library.relu(self.parts["in"](x)))


class Two(nn.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(4, 2), nn.Linear(2, 2)

    def forward(self, x, z):
        return self.b(library.tanh(self.a(x)) + z)


@dataclass(eq=False)
class Data:
    layer: nn.Linear
    gain: float = 2.0

    def __call__(self, x):
        return self.layer(x) * self.gain


class Drops(nn.Module):
    def __init__(self):
        self.a, self.drop, self.b = nn.Linear(4, 6), nn.Dropout(0.3), nn.Linear(6, 2)

    def forward(self, x):
        return self.b(self.drop(library.relu(self.a(x))))


class Recurrent(nn.Module):
    def __init__(self):
        self.a, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = x
        for _ in range(30):
            h = library.tanh(self.a(h)) + x
        return self.out(h)


class Words(nn.Module):
    def __init__(self):
        self.table, self.out = nn.Embedding(7, 3), nn.Linear(3, 2)

    def forward(self, words):
        return self.out(self.table(words).mean(axis=1))


class Pinn(nn.Module):
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))

    def forward(self, x):
        return self.net(x) + library.grad(lambda z: self.net(z).sum())(x)[:, :2]


def swish(h):
    return h * library.sigmoid(h)


MODELS = {
    "plain": Plain,
    "shared": Shared,
    "parts": Parts,
    "two": Two,
    "dataclass": lambda: Data(nn.Linear(4, 2)),
    "drops": Drops,
    "recurrent": Recurrent,
    "function": lambda: nn.Sequential(nn.Linear(4, 6), swish, library.relu, nn.Linear(6, 2)),
    "words": Words,
    "pinn": Pinn,
}
ONE_INPUT = [name for name in MODELS if name != "two"]


def data_of(name: str) -> Any:
    return (X, X[:, :2]) if name == "two" else WORDS if name == "words" else X


@dataclass
class Saved:
    """A model's file, data for it, and what the model itself answers to them."""

    model: Path
    data: Path
    answers: Any


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Saved]:
    folder, found = tmp_path_factory.mktemp("models"), {}
    for name, make in MODELS.items():
        model, x = make(), data_of(name)
        library.fit(
            model,
            (x, Y),
            loss=nn.CrossEntropyLoss(),
            optimizer=optim.Adam(1e-2),
            epochs=1,
            batch_size=12,
            backend="reference",
        )
        place = Saved(folder / f"{name}.safetensors", folder / f"{name}.npz", None)
        library.save(model, place.model)
        rows = X if name == "two" else x
        np.savez(place.data, x_train=rows, y_train=Y, x_test=rows, y_test=Y)
        place.answers = library.predict_proba(model, x)
        found[name] = place
    return found


@pytest.mark.parametrize("name", MODELS)
def test_info(schuss: Any, saved: dict[str, Saved], name: str):
    assert schuss("info", saved[name].model).code == 0
    told = schuss("info", saved[name].model, "--json").json
    assert told["parameters"] > 0


@pytest.mark.parametrize("name", MODELS)
def test_graph(schuss: Any, saved: dict[str, Saved], name: str):
    text = schuss("graph", saved[name].model, "--all").out
    assert "\nbackward\n" in text
    assert "\noptimizer\n" in text
    nodes = schuss("graph", saved[name].model, "--format", "json").json["nodes"]
    assert {node["part"] for node in nodes if "part" in node} == {"forward", "backward"}
    assert schuss("graph", saved[name].model, "--format", "dot").out.startswith("digraph")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n == "recurrent" else ()) for n in MODELS])
def test_plan(schuss: Any, saved: dict[str, Saved], name: str):
    done = schuss("graph", saved[name].model, "--plan", "--threads", "1")
    assert done.code == 0, done.err
    assert "kernel" in done.out


@pytest.mark.parametrize("name", ONE_INPUT)
def test_evaluate_and_predict(schuss: Any, saved: dict[str, Saved], name: str):
    place = saved[name]
    told = schuss("evaluate", place.model, place.data, "--json").json
    assert told["accuracy"] == pytest.approx((place.answers.argmax(axis=1) == Y).mean())
    told = schuss("predict", place.model, place.data, "--json").json
    np.testing.assert_allclose([row["probabilities"] for row in told["predictions"]], place.answers, atol=1e-6)


@pytest.mark.parametrize("name", ONE_INPUT)
def test_view(saved: dict[str, Saved], name: str):
    session = session_of(saved[name])
    json.dumps(session.hello(), default=str)
    assert "svg" in session.subject.graph("train", 0)._repr_svg_()
    row = data_of(name)[0].tolist()
    np.testing.assert_allclose(session.subject.predict(row)["y"], saved[name].answers[0], atol=1e-6)


def test_view_of_two_inputs(saved: dict[str, Saved]):
    session = session_of(saved["two"], data=False)
    assert session.hello()["inputs"] == [[4], [2]]
    with pytest.raises(UsageError, match="2 inputs and the page gives one; call it from Python"):
        session.subject.predict(X[0].tolist())


def session_of(place: Saved, data: bool = True) -> Any:
    pytest.importorskip("starlette", reason="the page needs the extra: pip install '.[web]'")
    from schuss.web.session import view

    return view(opened(place.model), place.model.name, load_dataset(place.data) if data else None)


def test_data_sets_have_one_input(schuss: Any, saved: dict[str, Saved]):
    place = saved["two"]
    for command in ("evaluate", "predict"):
        assert "2 inputs and only one is given; call it from Python" in schuss(command, place.model, place.data).error


@pytest.mark.parametrize(("command", "needs"), [("view", "starlette"), ("report", "matplotlib")])
def test_pictures_of_two_inputs_are_without_data(schuss: Any, saved: dict[str, Saved], command: str, needs: str):
    pytest.importorskip(needs, reason="needs the extras: pip install '.[web,viz]'")
    place = saved["two"]
    error = schuss(command, place.model, "--data", place.data).error
    assert "2 inputs and a data set has one; leave --data out" in error


@pytest.mark.skipif(not DRAWS, reason="pictures need matplotlib: pip install '.[viz]'")
@pytest.mark.parametrize("name", sampled(["pinn"], ["plain"]))
def test_report(schuss: Any, saved: dict[str, Saved], name: str, tmp_path: Path):
    """A gradient begins with a number that is broadcast: in the graph that is a view of no input."""
    done = schuss("report", saved[name].model, "--data", saved[name].data, "-o", tmp_path / "report.html")
    assert done.code == 0, done.err
    text = (tmp_path / "report.html").read_text()
    assert "could not be drawn" not in text
    assert "schuss-graph" in text
