"""The page of a model of a table: its answers are the model's, and what is wrong with a message is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

import schuss
from schuss.web.tables import table_view
from tests.web.support import Client
from tests.web.tables import ROWS, houses, model, page_of

pl = pytest.importorskip("polars")
pytest.importorskip("scipy")
QUANTILES = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    page = page_of("kind", houses(1))
    yield Client(page)
    page.stop()


@pytest.fixture(scope="module")
def drawn() -> Iterator[Client]:
    """Of quantiles, without a table."""
    page = page_of("price", quantiles=QUANTILES)
    yield Client(page)
    page.stop()


def table(client: Client) -> dict[str, Any]:
    return dict(next(client.events())["table"])


def dependence(client: Client, **question: Any) -> Any:
    return client.get("dependence?" + urlencode(question))


def test_the_page_is_told_of_columns_and_of_what_was_measured(client: Client) -> None:
    hello = next(client.events())
    told = hello["table"]
    assert (hello["model"], hello["rows"], hello["image"]) == ("A model of kind", ROWS, None)
    assert [(c["name"], c["kind"]) for c in told["columns"]] == [
        ("area", "number"), ("city", "category"), ("garden", "boolean"), ("sold", "date"),
    ]  # fmt: skip
    assert told["columns"][1]["levels"][0] == "bern"
    assert [one["name"] for one in told["left"]] == ["price"]
    assert (told["target"], told["outputs"], told["kind"]) == ("kind", ["cheap", "dear, very"], "classes")
    assert (told["rows"], told["source"], told["truth"], told["trained"]) == (ROWS, "houses.csv", True, ROWS)
    assert set(told["report"]["metrics"]) >= {"accuracy", "log_loss"}
    assert sum(part["weight"] for part in told["parts"]) == pytest.approx(1)
    assert told["parts"][-1]["name"] == "linear"
    assert told["importance"][0]["columns"] == ["area"]
    assert client.get("function") == {"kind": "table", "step": 0}


def test_a_row_of_the_table_and_what_the_model_says_of_it(client: Client) -> None:
    p = model("kind").predict_proba(houses(1))
    for index in (0, 7):
        example = client.get(f"example?set=train&example={index}")
        assert example["truth"] == [houses(1)["kind"][index]]
        assert example["row"]["sold"] == str(houses(1)["sold"][index])
        found = client.post("predict", {"row": example["row"]})
        assert found["outputs"] == pytest.approx(p[index].tolist(), rel=1e-4)
    assert client.refused("predict", {"row": {**example["row"], "town": 1}}) == "row: the model reads no column 'town'"


def test_a_value_that_is_wrong_is_told_by_its_column(client: Client) -> None:
    row = client.get("example?set=train&example=0")["row"]
    assert client.post("predict", {"row": {**row, "area": "big", "sold": "soon"}}) == {
        "faults": {"area": "'big' is no number", "sold": "'soon' is no date as 2020-01-31"}
    }
    assert client.post("moved", {"row": {**row, "garden": "maybe"}}) == {
        "faults": {"garden": "'maybe' is neither yes nor no"}
    }
    empty = client.post("predict", {"row": dict.fromkeys(row)})  # all of it may be missing
    assert sum(empty["outputs"]) == pytest.approx(1)


def test_a_number_that_is_too_long_is_told_by_its_column(client: Client) -> None:
    row = {**client.get("example?set=train&example=2")["row"], "area": 10**400}
    assert client.post("predict", {"row": row})["faults"]["area"].partition(" has 401 digits")[1]


def test_dependence_is_what_the_rows_would_have(client: Client) -> None:
    found = dependence(client, column="city", output=1)
    (axis,) = found["columns"]
    assert (axis["kind"], axis["line"], found["rows"]) == ("category", False, 100)
    assert set(axis["values"]) == {"bern", "basel", "genf"}
    asked = [houses(1).with_columns(city=pl.lit(level)) for level in axis["values"]]
    rows = np.sort(np.random.default_rng([0, 23]).permutation(ROWS)[:100])
    want = [model("kind").predict_proba(frame)[rows, 1].mean() for frame in asked]
    assert found["mean"] == pytest.approx(want, abs=1e-5)
    assert (len(found["curves"]), len(found["curves"][0])) == (60, 3)


def test_dates_lie_on_a_line_and_yes_and_no_do_not(client: Client) -> None:
    (axis,) = dependence(client, column="sold")["columns"]
    assert (axis["kind"], axis["line"]) == ("date", True)
    first = houses(1)["sold"].min()
    assert axis["values"][0] == datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000
    assert axis["quantiles"][0] == axis["values"][0]
    (axis,) = dependence(client, column="garden")["columns"]
    assert (axis["line"], axis["values"]) == (False, ["no", "yes"])


def test_two_columns_are_a_map(client: Client) -> None:
    found = client.get("dependence?" + urlencode({"column": "area", "with": "city", "output": 1}))
    assert [c["name"] for c in found["columns"]] == ["area", "city"]
    assert np.shape(found["mean"]) == (12, 3)
    assert "curves" not in found


def test_what_moved_a_row_sums_to_its_prediction(client: Client) -> None:
    row = client.get("example?set=train&example=3")["row"]
    found = client.post("moved", {"row": row, "output": 1})
    assert {tuple(line["columns"]) for line in found["lines"]} == {("area",), ("city",), ("garden",), ("sold",)}
    total = sum(line["shapley"] for line in found["lines"])
    assert total == pytest.approx(found["prediction"] - found["base"], abs=1e-6)
    assert found["prediction"] == pytest.approx(model("kind").predict_proba(houses(1))[3, 1], rel=1e-4)
    assert all(line["error"] >= 0 and line["slope"] is not None for line in found["lines"])


def test_without_a_table_rows_are_drawn(drawn: Client) -> None:
    told = table(drawn)
    assert (told["rows"], told["source"], told["truth"]) == (0, "", False)
    assert (told["kind"], told["outputs"]) == ("quantiles", ["0.1", "0.5", "0.9"])
    row = drawn.get("example?set=train&example=0")["row"]
    assert row["city"] == "bern"
    low, middle, high = drawn.post("predict", {"row": row})["outputs"]
    assert low < middle < high
    found = dependence(drawn, column="area", output=1)
    assert [other["name"] for other in found["others"]] == ["0.1", "0.9"]
    assert (np.array(found["others"][0]["mean"]) < found["mean"]).all()


def test_the_graph_of_a_row_and_what_needs_a_table(client: Client, drawn: Client) -> None:
    status, picture = client("GET", "graph.svg?set=train&example=2")
    assert (status, picture[:4]) == (200, b"<svg")
    status, said = drawn("GET", "graph.svg?set=train&example=0")
    assert (status, b"there are no data" in said) == (400, True)


def test_a_foreign_record_is_left_out(tmp_path: Path) -> None:
    from schuss.nn.holding import signature_of
    from schuss.tabular.explainer import Explainer

    known = signature_of(model("kind"))
    assert known is not None
    odd = {"report": {"metrics": 3}, "parts": [1], "importance": [{"columns": "a"}], "rows": "many", "shares": 7}
    schuss.save(model("kind"), tmp_path / "m.safetensors", record={**known.record, **odd})
    loaded = schuss.load(tmp_path / "m.safetensors")
    told = table_view(loaded, "m", Explainer(loaded)).subject.about()["table"]
    assert (told["report"], told["parts"], told["importance"], told["trained"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("dependence?column=town", "the model reads no column 'town'"),
        ("dependence?column=city&with=city", "give two different columns"),
        ("dependence", "give one column or two different ones"),
        ("dependence?column=city&output=2", "output must be below 2"),
        ("dependence?column=city&output=x", "output must be a whole number"),
        ("example?set=train&example=999", "row 999: there are 120"),
    ],
)
def test_questions_that_are_wrong(client: Client, path: str, message: str) -> None:
    status, said = client("GET", path)
    assert (status, message in said.decode()) == (400, True), said


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"row": [1]}, "row must be an object"),
        ({"row": {"area": {"a": 1}}}, "'area' must be a number, a text of up to 1,000 characters or null"),
        ({"row": {"area": "9" * 1001}}, "'area' must be a number, a text of up to 1,000 characters or null"),
    ],
)
def test_rows_that_are_none(client: Client, message: Any, told: str) -> None:
    assert told in client.refused("predict", message)
    assert told in client.refused("moved", message)


def test_a_model_of_no_table_says_so(page: Any) -> None:
    other = Client(page)
    assert other.refused("predict", {"row": {}}) == "this model was not trained on a table"
    assert other.refused("moved", {"row": {}}) == "this model was not trained on a table"


def test_a_long_question_holds_up_no_row(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is explained is computed beside the answers of the form."""
    import threading

    from schuss.web.tables import TableSubject

    begun, go_on = threading.Event(), threading.Event()
    real = TableSubject.dependence

    def slow(self: Any, *question: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return real(self, *question)

    monkeypatch.setattr(TableSubject, "dependence", slow)
    row = client.get("example?set=train&example=0")["row"]
    asking = threading.Thread(target=lambda: dependence(client, column="area"))
    asking.start()
    assert begun.wait(60)
    assert "outputs" in client.post("predict", {"row": row})
    go_on.set()
    asking.join(60)
    assert not asking.is_alive()


def test_rows_whose_target_is_not_known_are_watched_without() -> None:
    frame = houses(1).with_columns(kind=pl.when(pl.col("price") > 300).then("kind"))
    with pytest.warns(UserWarning, match=r"target 'kind': .*: rows are shown without their targets"):
        page = schuss.watch(model("kind"), data=frame, open=False)
    try:
        told = next(Client(page._page).events())["table"]
        assert (told["rows"], told["truth"]) == (ROWS, False)
    finally:
        page.close()


def test_a_model_is_watched_from_python() -> None:
    page = schuss.watch(model("kind"), data=houses(1), open=False)
    try:
        hello = next(Client(page._page).events())
        assert (hello["label"], hello["rows"], hello["table"]["source"]) == ("from Python", ROWS, "the data")
        assert hello["opens"] == "schuss.watch(model, data=frame)"
    finally:
        page.close()
