"""schuss view: the page of a finished model."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the page needs the extra: pip install '.[web]'")
pytest.importorskip("uvicorn", reason="the page needs the extra: pip install '.[web]'")

import schuss as library
from schuss.cli.models import opened
from schuss.data import load_dataset
from schuss.web.session import view
from schuss.web.stream import to_json
from tests.web.test_server_command import begin  # noqa: F401  a fixture

from .test_results import FOREIGN

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)


def test_a_model_with_data(begin: Any, model: Path, npz: Path):  # noqa: F811
    run = begin("view", model, "--data", npz)
    client = run.client
    hello = next(client.events())
    assert (hello["mode"], hello["model"], hello["label"]) == ("view", "784-32-10", model.name)
    assert (hello["rows"], hello["rows_test"], hello["image"]) == (512, 128, [28, 28])
    assert len(hello["history"]["loss"]) == 8
    assert hello["state"]["finished"]
    assert client.get("function") == {"kind": "image", "shape": [28, 28]}
    digit = np.load(npz)["x_test"][0]
    found = client.post("predict", {"x": digit.ravel().tolist()})
    assert sum(found["y"]) == pytest.approx(1, abs=1e-5)
    assert "finished" in client.refused("control", {"do": "pause"})
    client.post("landscape", {"size": 7, "rows": 100})
    land = client.until("landscape")
    assert len(land["a"]) == 7
    assert land["fine"] is True
    assert run.end() == (0, "")
    assert f"{model} is shown; Ctrl-C ends it" in run.said


def test_a_model_without_data(begin: Any, model: Path):  # noqa: F811
    run = begin("view", model, "--no-open")
    client = run.client
    hello = next(client.events())
    assert hello["rows"] == hello["rows_test"] == 0
    assert hello["opens"] == "schuss view MODEL DATA"
    assert len(hello["history"]["loss"]) == 8
    assert len(client.post("predict", {"x": [0] * 784})["y"]) == 10
    assert client("GET", "graph.svg?example=0") == (400, b'{"error":"there are no data: give --data"}')
    assert "give --data" in client.refused("landscape", {"size": 7})
    assert run.end(signal.SIGTERM)[0] == 143


@pytest.mark.parametrize("record", FOREIGN)
def test_a_foreign_record_is_left_out(model: Path, npz: Path, tmp_path: Path, capsys: Any, record: dict[str, Any]):
    path = tmp_path / "foreign.safetensors"
    library.save(library.load(model), path, record=record)
    session = view(opened(path), "m", load_dataset(npz))
    assert capsys.readouterr().err.startswith(f"{path}: left out of the record of its training: ")
    hello = json.loads(to_json(session.hello()))
    assert (hello["history"], hello["changes"], hello["epochs"]) == ({}, [], 0)


def test_errors_are_one_line(schuss: Any, model: Path, tmp_path: Path, regression: Path):
    assert schuss("view", tmp_path / "none").code == 1
    assert "not a list" not in schuss("view", model, "--data", tmp_path / "none.npz").error
    assert "rows of shape [1, 28, 28]" in schuss("view", model, "--data", regression).error
    assert schuss("view", model, "--port", "70000").code == 2


def test_a_model_of_a_table(begin: Any, tmp_path: Path):  # noqa: F811
    pytest.importorskip("polars")
    from tests.web.tables import saved

    file, table = saved(tmp_path)
    run = begin("view", file, table)
    told = next(run.client.events())["table"]
    assert (told["rows"], told["source"], told["truth"]) == (120, "houses.csv", True)
    row = run.client.get("example?set=train&example=5")["row"]
    assert len(run.client.post("predict", {"row": row})["outputs"]) == 2
    assert run.end() == (0, "")


def test_a_table_that_does_not_fit(schuss: Any, model: Path, npz: Path, tmp_path: Path):
    pytest.importorskip("polars")
    from tests.web.tables import saved

    file, table = saved(tmp_path)
    (tmp_path / "bad.csv").write_text("city,garden,sold\nbern,yes,2020-01-01\n")
    assert "bad.csv: lacks 'area', which the model was trained on" in schuss("view", file, tmp_path / "bad.csv").error
    (tmp_path / "bad.csv").write_text("area,city,garden,sold\nbig,bern,yes,2020-01-01\n")
    assert "bad.csv line 2, column area: 'big' is no number" in schuss("view", file, tmp_path / "bad.csv").error
    assert "are both data: give one of them" in schuss("view", file, table, "--data", table).error
    assert "--delimiter is for tables" in schuss("view", model, npz, "--delimiter", ";").error


def test_a_table_of_many_blocks_is_read_whole(schuss: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pl = pytest.importorskip("polars")
    from schuss.cli.tables import pages
    from schuss.tabular import delimited
    from schuss.tabular.read import Reading
    from tests.web.tables import houses, model, saved

    monkeypatch.setattr(delimited, "HEAD_LINES", 10)
    monkeypatch.setattr(delimited, "HEAD", 1000)
    monkeypatch.setattr(delimited, "BLOCK", 1000)
    file, table = saved(tmp_path)
    asked, y = pages.explained(model("kind"), str(table), Reading())
    assert asked.truth == houses().select("kind").rows()
    assert y is not None
    houses().with_columns(area=pl.when(pl.int_range(120) == 99).then(pl.lit("big")).otherwise("area")).write_csv(table)
    assert "houses.csv line 101, column area: 'big' is no number" in schuss("view", file, table).error
    saved(tmp_path)
    monkeypatch.setattr(pages, "MOST", 50)
    assert len(pages.explained(model("kind"), str(table), Reading())[0].rows) == 50
