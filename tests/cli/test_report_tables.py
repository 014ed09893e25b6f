"""schuss report of a model of a table: everything it was asked for, in one file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import schuss as library
from tests.cli.test_report import Page

pytest.importorskip("matplotlib", reason="pictures need the extra: pip install '.[viz]'")
pytest.importorskip("polars")
pytest.importorskip("scipy")
pytest.importorskip("starlette", reason="the page needs the extra: pip install '.[web]'")

from tests.web.tables import houses, model, saved


def test_a_table_with_its_target(schuss: Any, tmp_path: Path) -> None:
    file, table = saved(tmp_path)
    done = schuss("report", file, table, "-o", tmp_path / "r.html")
    assert (done.code, done.err) == (0, "")
    page = Page((tmp_path / "r.html").read_text())
    page.check_alone()
    assert page.sections == [
        "Report", "This table", "Parts", "Importance", "Dependence", "Confusion", "Columns", "Graph", "Parameters",
    ]  # fmt: skip
    assert page.check_pictures() == 3
    for words in (
        "120 rows out of 2 folds",
        "same answer for all",
        "log loss",
        "linear",
        "left out",
        "A model of kind",
    ):
        assert words in page.text
    right = int((model("kind").predict(houses()) == houses()["kind"].to_numpy()).sum())
    assert f"{right} of 120 rows of houses.csv are right." in page.text


def test_a_file_alone_and_a_table_without_the_target(schuss: Any, tmp_path: Path) -> None:
    library.save(model("price", (0.1, 0.5, 0.9)), tmp_path / "q.safetensors")
    assert schuss("report", tmp_path / "q.safetensors").code == 0
    page = Page((tmp_path / "q.html").read_text())
    page.check_alone()
    assert page.sections == ["Report", "Parts", "Importance", "Dependence", "Columns", "Parameters"]
    assert "the mean over rows drawn column by column" in page.text
    houses().drop("price", "kind").write_csv(tmp_path / "new.csv")
    assert schuss("report", tmp_path / "q.safetensors", tmp_path / "new.csv").code == 0
    page = Page((tmp_path / "q.html").read_text())
    assert "This table" not in page.sections
    assert "rows of new.csv" in page.text


def test_several_targets_have_a_picture_each(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from schuss.tabular import fit_table
    from schuss.tabular.explainer import Explainer
    from schuss.web.table_report import TableReport

    made = fit_table(
        houses().with_columns(rooms=houses()["area"] / 20).rename({"city": "都市"}), ["price", "rooms"], drop=["kind"],
        target_missing="drop",
        folds=2, epochs=2, hidden=(8,), backend="reference", progress=False,
    ).model  # fmt: skip
    of = TableReport(made, "houses.safetensors", Explainer(made), None, "")
    sections = list(of.sections())  # no warning of signs that matplotlib's font lacks
    titles = [section.title for section in sections]
    assert titles[:2] == ["Report", "Each target"]
    assert "<th>RMSE</th><th>linear</th><th>same answer for all</th><th>MAE</th><th>R²</th>" in sections[1].body
    assert [t for t in titles if t.startswith("Dependence")] == ["Dependence of price", "Dependence of rooms"]
    picture = sections[titles.index("Dependence of price")].body.partition('<img src="data:image/svg+xml;base64,')[2]
    assert "都市" in base64.b64decode(picture.partition('"')[0]).decode()  # as text: the reader's fonts have them


def test_errors_are_one_line(schuss: Any, tmp_path: Path) -> None:
    file, _ = saved(tmp_path)
    (tmp_path / "bad.csv").write_text("area\n1\n")
    assert "bad.csv: lacks 'city', 'garden', 'sold'" in schuss("report", file, tmp_path / "bad.csv").error
    assert not file.with_suffix(".html").exists()
