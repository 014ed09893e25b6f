"""schuss train TABLE --watch: the losses of the members while they fall, then the model; and how it ends."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("polars")
pytest.importorskip("scipy")

import schuss
from tests.web.tables import houses

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)

from tests.web.test_server_command import begin  # noqa: F401  a fixture

OPTIONS = ["--target", "price", "--drop", "kind", "--folds", "2", "--hidden", "8", "--threads", "1"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    houses().write_csv(tmp_path / "houses.csv")
    return tmp_path / "houses.csv"


def test_the_members_then_the_model(begin: Any, table: Path):  # noqa: F811
    out = table.with_name("m.safetensors")
    run = begin("train", table, *OPTIONS, "--epochs", "3", "--watch", "--no-open", "--out", out)
    client = run.client
    hello = client.until("hello", table=None) if "members" in next(client.events()) else {}
    if hello:  # it may have ended before anybody looked
        assert (hello["mode"], hello["model"], hello["controls"]) == ("train", "A model of price", False)
        assert [part["name"] for part in hello["members"]][:2] == ["piecewise relu", "periodic hardswish"]
        assert all(len(part["losses"]) == 2 for part in hello["members"])
    run.wait_for("training has ended, the page stays")
    told = next(client.events())
    assert (told["mode"], told["label"]) == ("view", "m.safetensors")
    assert (told["table"]["source"], told["table"]["rows"], told["table"]["truth"]) == ("houses.csv", 120, True)
    assert told["table"]["importance"][0]["columns"] == ["area"]
    row = client.get("example?set=train&example=0")["row"]
    said = client.post("predict", {"row": row})["outputs"]
    assert said == pytest.approx(schuss.load(out).predict(houses())[:1].tolist(), rel=1e-4)
    code, printed = run.end()
    assert code == 0
    assert f"saved in {out}" in printed


def test_rows_without_a_target_are_left_out(begin: Any, table: Path):  # noqa: F811
    import polars as pl

    frame = houses()
    frame.with_columns(price=pl.when(pl.col("price") < 400).then("price")).write_csv(table)
    asked = [*OPTIONS, "--epochs", "1", "--preset", "fast", "--target-missing", "drop"]
    run = begin("train", table, *asked, "--watch", "--no-open")
    run.wait_for("training has ended, the page stays")
    told = next(run.client.events())["table"]
    assert (told["rows"], told["truth"]) == (len(frame.filter(pl.col("price") < 400)), True)
    assert run.end()[0] == 0


def test_it_is_stopped_on_the_page(begin: Any, table: Path):  # noqa: F811
    out = table.with_name("m.safetensors")
    run = begin("train", table, *OPTIONS, "--epochs", "1000000", "--watch", "--no-open", "--out", out)
    client = run.client
    event = client.until("state", running=True)
    assert event["steps"] > 1_000_000
    members = client.until("members")["members"]
    assert all(loss > 0 for loss in members[0]["losses"][0])
    assert "is not steered" in client.refused("control", {"do": "pause"})
    assert client("GET", "graph.svg")[0] == 400
    assert client.get("function")["kind"] == "none"
    assert next(event for event in client.events() if event.get("left"))["left"] > 0  # seconds
    events = client.events()
    next(events)
    client.post("control", {"do": "stop"})
    last = [event for event in events if event["type"] == "state"][-1]  # until the page ends the stream
    assert (last["finished"], last["left"]) == (True, None)
    assert run.process.wait(60) == 130
    run.wait_for("stopped; the members so far are in")
    assert "Traceback" not in run.said
    assert not out.exists()


def test_kinds_that_are_trained_only_if_the_first_finds_nothing_are_not_counted():
    from schuss.tabular.networks import NOISE, SIGNAL, Recipe
    from schuss.web.members import Members

    first = Recipe("piecewise", "relu", 0.01, 0.1, 8, (64, 64))
    short, long = replace(first, only=NOISE), replace(first, only=SIGNAL, epochs=32)
    kinds = [first, short, long, replace(long, hidden=(128,))]
    told = Members(SimpleNamespace(kinds=kinds, members=2, table=None), "houses.csv")  # type: ignore[arg-type]
    assert told.state()["steps"] == 2 * (8 + 32 + 32)
    for _ in range(2):  # the second short run has begun, after which the long ones may follow
        told.told([SimpleNamespace(history={"loss": [1.0]})] * 2, None)  # type: ignore[list-item, arg-type]
    assert told.state()["steps"] == 2 * (8 + 8 + 32 + 32)
    assert told.state()["step"] == 2 * (1 + 1)
    names = [part["name"] for part in told.members()]
    assert names == ["piecewise relu", "piecewise relu, other seeds", "piecewise relu", "piecewise relu"]
    kinds[:] = [first, short]  # as the training takes those out that are not worth it
    assert told.state()["steps"] == 2 * (8 + 8)
    assert [part["only"] for part in told.members()] == ["", NOISE]


def test_a_signal_ends_it(begin: Any, table: Path):  # noqa: F811
    run = begin("train", table, *OPTIONS, "--epochs", "1000000", "--watch", "--no-open")
    run.client.until("state", running=True)
    assert run.end(signal.SIGINT)[0] == 130
    assert "stopped; nothing is kept without --out" in run.said
