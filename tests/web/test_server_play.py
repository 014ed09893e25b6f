"""The playground: small problems, settings of every kind, retrained at once."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from schuss import nn, optim
from schuss.errors import UsageError
from schuss.web import play
from schuss.web.play import Play, Settings, network, playground
from schuss.web.server import Page
from schuss.web.toys import CURVES, PLANES, toy
from tests.web.support import Client


@pytest.mark.parametrize("name", PLANES)
def test_planes(name: str):
    one = toy(name, 0.0, 0)
    assert one.x.dtype == np.float32
    assert one.x.shape == (400, 2)
    assert abs(one.x).max() <= 1
    assert set(one.y.tolist()) == {0, 1}
    assert 150 < one.y.sum() < 250
    again, other, noisy = toy(name, 0.0, 0), toy(name, 0.0, 1), toy(name, 0.3, 0)
    np.testing.assert_array_equal(one.x, again.x)
    assert (one.x != other.x).any()
    assert 0.1 < (noisy.x - one.x).std() < 0.2


def test_what_the_classes_are():
    circle, xor = toy("circle", 0, 0), toy("xor", 0, 0)
    radius = np.hypot(*circle.x.T)
    assert radius[circle.y == 1].max() < 0.5 < radius[circle.y == 0].min()
    np.testing.assert_array_equal(xor.y == 1, (xor.x[:, 0] > 0) != (xor.x[:, 1] > 0))


@pytest.mark.parametrize("name", CURVES)
def test_curves(name: str):
    made = toy(name, 0.0, 0)
    assert made.classes is None
    assert made.target is not None
    np.testing.assert_allclose(made.target(made.x[:, 0].astype(np.float64)), made.y[:, 0], atol=1e-5)
    assert len(np.unique(np.round(toy("steps", 0, 0).y, 4))) == 5


def test_points_that_were_clicked():
    classes = toy("points", 0.5, 0, [[0, 0.5, 1], [-1, 1, 0], [0.1, 0.2, 2]])
    assert classes.classes == 3
    assert classes.x.tolist() == [[0, 0.5], [-1, 1], [np.float32(0.1), np.float32(0.2)]]
    assert toy("points", 0, 0, [[0, 0, 0], [1, 1, 0]]).classes == 2
    curve = toy("points", 0, 0, [[0, 0.5, None], [-1, 1, None]])
    assert (curve.x.tolist(), curve.y.tolist(), curve.classes) == ([[0], [-1]], [[0.5], [1]], None)
    with pytest.raises(UsageError, match="labels"):
        toy("points", 0, 0, [[0, 0, None], [0, 0, 1]])


@pytest.mark.parametrize("activation", nn.LAYERS.presets)
def test_every_activation(activation: str):
    settings = Settings.of({"data": "xor", "layers": [3, 2], "activation": activation})
    model = network(settings, toy("xor", 0, 0))
    assert [type(layer).__name__ for layer in model][::2] == ["Linear"] * 3
    assert type(list(model)[1]) is nn.LAYERS.preset(activation)[0]


@pytest.mark.parametrize("optimizer", optim.OPTIMIZERS.presets)
def test_every_optimizer(optimizer: str):
    run = playground(
        {"data": "circle", "layers": [2], "optimizer": optimizer, "epochs": 2, "regularisation": 0.01, "lr": 0.01}
    )
    run.trainer.train()
    assert run.trainer.run.epochs == 2
    assert run.trainer.run.path[-1].lr == pytest.approx(0.01)


def wait(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_it_trains_at_once_and_again_and_the_model_stays(page: Page, client: Client):
    """A session of its own: every event says whose it is, and what is asked of the page's model is its own."""
    site, model = page.site, page.site.main
    kinds: dict[str, int] = {}
    client.post("play", {"data": "circle", "layers": [8, 8], "lr": 0.03, "seed": 1})
    first = site.playing
    assert first is not None
    others = set()
    for event in client.events(15):
        if event["of"] != "play":
            others.add((event["type"], event.get("mode")))
            continue
        kinds[event["type"]] = kinds.get(event["type"], 0) + 1
        if event["type"] == "hello":
            assert (event["mode"], event["model"], event["label"]) == ("play", "2-8-8-2", "circle")
            assert event["play"]["layers"] == [8, 8]
        if event["type"] == "function" and kinds["function"] >= 5:
            assert event["kind"] == "regions"
            z = np.array(event["z"])
            assert z.shape == (len(event["y"]), len(event["x"]))
            assert z.min() >= 0
            assert z.max() <= 1
            break
    assert others == {("hello", "view")}
    assert kinds["moment"] > 2
    assert kinds["state"] > 2
    assert len(client.post("predict", {"x": [0] * 64})["y"]) == 3  # the page's model
    assert len(client.post("predict?of=play", {"x": [0, 0]})["y"]) == 2
    client.post("play", {"data": "sine", "layers": [4], "activation": "relu", "optimizer": "sgd"})
    assert first.finished
    assert not first._thread.is_alive(), "the old run must end before the new one"
    function = client.get("function?of=play")
    assert function["kind"] == "curve"
    assert len(function["target"]) == len(function["x"])
    assert client.get("function")["kind"] == "image"
    assert client.get("graph.json?example=3&of=play")["loss"] >= 0
    assert client("GET", "?of=play")[0] == 200
    client.post("play", {"data": None})
    assert site.main is model
    assert [e["mode"] for e in [next(client.events())]] == ["view"]
    client.post("play", {"data": None})
    assert client.refused("control?of=play", {"do": "pause"}) == "the playground is not open"
    assert client.get("function?of=play")["kind"] == "none"  # it ended while it was asked
    for path in ("graph.svg", "graph.json", "example"):
        assert client("GET", f"{path}?of=play&set=train&example=0")[0] == 204  # no mistake of the page's
    assert client("GET", "?of=play")[0] == 307  # on to the page of the model
    assert not [t for t in threading.enumerate() if t.name == "schuss-page-play"]


def test_more_than_two_classes_have_a_map_of_probabilities_each(page: Page, client: Client):
    points = [[-0.5, 0.0, 0], [0.5, 0.0, 1], [0.0, 0.8, 2], [0.1, 0.7, 2]]
    client.post("play", {"data": "points", "points": points, "layers": [4]})
    found = client.get("function?of=play")
    client.post("play", {"data": None})
    planes = np.array(found["planes"])
    assert planes.shape == (3, len(found["y"]), len(found["x"]))
    assert len(found["x"]) >= 90
    np.testing.assert_allclose(planes.sum(axis=0), 1, atol=2e-3)
    assert "z" not in found


def test_every_picture_has_the_same_axes(page: Page, client: Client):
    """Whatever points are added, nothing moves under the hand."""
    points = [[-0.2, 0.1, 0], [0.3, 0.4, 1]]
    axes = []
    for more in ([], [[0.9, -0.9, 1]]):
        client.post("play", {"data": "points", "points": points + more, "layers": [2]})
        axes.append(client.get("function?of=play")["axes"])
    client.post("play", {"data": "circle", "layers": [2]})
    axes.append(client.get("function?of=play")["axes"])
    client.post("play", {"data": None})
    assert axes == [[-1.3, 1.3, -1.3, 1.3]] * 3


def test_it_learns_what_it_is_given(page: Page, client: Client):
    points = [[x, y, int(x * y > 0)] for x in (-0.8, -0.5, 0.5, 0.8) for y in (-0.7, -0.4, 0.4, 0.7)]
    client.post(
        "play", {"data": "points", "points": points, "layers": [8], "lr": 0.05, "epochs": 5000, "batch_size": 4}
    )
    for event in client.events(20):
        if event["type"] == "state" and event["of"] == "play" and event["metrics"].get("accuracy") == 1.0:
            break
    else:
        raise AssertionError("it did not learn exclusive or")
    client.post("control?of=play", {"do": "pause"})
    time.sleep(0.3)
    for x, y, label in points:
        assert int(np.argmax(client.post("predict?of=play", {"x": [x, y]})["y"])) == label
    client.post("play", {"data": None})


def test_a_pause_holds_for_the_network_that_comes_next(page: Page, client: Client, monkeypatch: pytest.MonkeyPatch):
    """Also a pause that is asked for while the next network is being compiled, as here."""
    client.post("play", {"data": "xor", "layers": [4]})
    real = play.playground

    def made(message: dict[str, Any]) -> Play:
        next_one = real(message)
        client.post("control?of=play", {"do": "pause"})
        return next_one

    monkeypatch.setattr(play, "playground", made)
    client.post("play", {"data": "circle", "layers": [4]})
    assert client.until("hello", of="play")["state"]["paused"]
    client.post("control?of=play", {"do": "step", "value": 1})
    trainer = page.site.playing.trainer
    wait(lambda: trainer.run.steps == 1)
    assert trainer.run.path[0].step == 0
    client.post("play", {"data": None})


def test_a_rate_that_blows_up_is_told(page: Page, client: Client):
    client.post("play", {"data": "sine", "optimizer": "sgd", "lr": 10.0, "layers": [64, 64], "activation": "identity"})
    wait(lambda: site_finished(page))
    assert client.until("hello", of="play")["state"]["finished"]
    client.post("play", {"data": None})


def site_finished(page: Page) -> bool:
    return bool(getattr(page.site.playing, "finished", False))


def test_begun_many_times_in_a_row(page: Page, client: Client):
    """As when a person drags a slider: each change starts it afresh, and one run is left."""
    for i in range(6):
        client.post("play", {"data": "xor", "layers": [4], "lr": 0.01 * (i + 1)})
    playing = [t for t in threading.enumerate() if t.name == "schuss-page-play"]
    assert len(playing) == 1
    assert page.site.playing.settings.lr == pytest.approx(0.06)
    client.post("play", {"data": None})
    assert not [t for t in threading.enumerate() if t.name == "schuss-page-play"]


def test_a_playground_is_closed_once(page: Page, client: Client, monkeypatch: pytest.MonkeyPatch):
    closed: list[Any] = []
    real = Play.close
    monkeypatch.setattr(Play, "close", lambda self: closed.append(self) or real(self))
    client.post("play", {"data": "xor", "layers": [4]})
    first = page.site.playing
    client.post("play", {"data": "circle", "layers": [4]})
    second = page.site.playing
    assert closed == [first]
    client.post("play", {"data": None})
    assert closed == [first, second]
