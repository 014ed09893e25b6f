"""A finished model with rows to look at it by: against the model itself, numpy and finite differences."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss
from schuss.errors import DataError, UsageError

pl = pytest.importorskip("polars")
pytest.importorskip("scipy")

from schuss.tabular import fit_table  # noqa: E402
from schuss.tabular.explainer import Explainer  # noqa: E402
from schuss.tabular.fields import Field, ends, fields_of, shares_of_two, slopes_at, two_values  # noqa: E402
from schuss.tabular.kind import Kind  # noqa: E402
from schuss.tabular.preparation import Preparation, fit_number  # noqa: E402

ROWS = 240


def frame(seed: int = 0) -> Any:
    """Each kind of column, most with a missing value."""
    rng = np.random.default_rng(seed)
    area = rng.normal(100, 30, ROWS).round(2)
    many = [f"L{i:02d}" for i in rng.integers(0, 12, ROWS)]
    city = rng.choice(["bern", "basel", "basel", "genf"], ROWS)
    start = datetime(2020, 1, 1)
    return pl.DataFrame(
        {
            "area": [None if rng.random() < 0.1 else float(a) for a in area],
            "rooms": rng.integers(1, 7, ROWS),
            "flag": rng.choice([2.0, 5.0], ROWS, p=[0.7, 0.3]),
            "city": [None if rng.random() < 0.05 else c for c in city],
            "street": many,
            "garden": rng.choice(["ja", "yes", "no"][1:], ROWS),
            "sold": [(start + timedelta(days=int(d))).date() for d in rng.integers(0, 900, ROWS)],
            "seen": [start + timedelta(minutes=int(m)) for m in rng.integers(0, 90_000, ROWS)],
            "price": area * 3 + (city == "bern") * 60 + rng.normal(0, 10, ROWS),
            "kind": np.where(area > 110, "dear", np.where(area > 80, "fair", "cheap")),
        }
    )


def trained(target: str, path: Path, **more: Any) -> Any:
    given = {"folds": 2, "epochs": 2, "hidden": (8,), "backend": "reference", "progress": False}
    other = "kind" if target == "price" else "price"
    run = fit_table(frame(), target, drop=[other], **given, **more)
    schuss.save(run.model, path)
    return schuss.load(path)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return trained("kind", tmp_path_factory.mktemp("m") / "classes.safetensors")


@pytest.fixture(scope="module")
def quantiles(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return trained("price", tmp_path_factory.mktemp("m") / "q.safetensors", quantiles=(0.1, 0.5, 0.9))


@pytest.fixture(scope="module")
def asked(classes: Any) -> Explainer:
    return Explainer(classes, frame(1), what="new.csv")


def field(of: Explainer, name: str) -> Field:
    return next(f for f in of.fields if f.name == name)


def test_a_file_alone_tells_each_column(classes: Any) -> None:
    made, table = Explainer(classes), frame()
    assert [(f.name, f.kind) for f in made.fields] == [
        ("area", "number"), ("rooms", "number"), ("flag", "number"), ("city", "category"), ("street", "category"),
        ("garden", "boolean"), ("sold", "date"), ("seen", "moment"),
    ]  # fmt: skip
    area, flag, city, street = (field(made, name) for name in ("area", "flag", "city", "street"))
    assert (area.low, area.high, area.typical) == (table["area"].min(), table["area"].max(), table["area"].median())
    assert (flag.low, flag.high, flag.typical) == (2.0, 5.0, 2.0)
    assert flag.whole
    assert field(made, "rooms").whole
    assert not area.whole
    assert city.levels[0] == city.typical == "basel"
    counts = dict(table["city"].value_counts().iter_rows())
    assert city.shares == pytest.approx([counts[level] / ROWS for level in city.levels], abs=1e-6)
    assert len(street.levels) == 12
    assert street.shares[0] == pytest.approx(max(table["street"].value_counts()["count"]) / ROWS, abs=1e-6)
    assert field(made, "garden").levels == ("yes", "no")
    assert all(f.missing == (table[f.name].null_count() > 0) for f in made.fields)
    assert (field(made, "sold").low, field(made, "sold").high) == (str(table["sold"].min()), str(table["sold"].max()))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("lower", "higher", "gone"), [(90, 90, 0), (90, 90, 20), (60, 90, 50), (90, 20, 90), (1, 1, 1)]
)
def test_two_values_and_their_shares_are_told(lower: int, higher: int, gone: int, weighted: bool) -> None:
    x = np.array([1 / 3] * lower + [10 / 3] * higher + [np.nan] * gone)
    weights = np.full(len(x), 0.5) if weighted else None
    number = fit_number(("x", ""), x, np.zeros((len(x), 1)), weights)
    assert number is not None
    assert two_values(number) == ends(number) == (1 / 3, 10 / 3)
    of_old_file = replace(number, values=())
    assert two_values(of_old_file) == pytest.approx((1 / 3, 10 / 3), rel=1e-9)
    for told in (number, of_old_file):
        assert shares_of_two(told) == pytest.approx((lower / (lower + higher), higher / (lower + higher)))


def test_a_column_that_is_never_yes_says_so() -> None:
    kinds = {"never": Kind("boolean", "yes or no")}
    number = fit_number(("never", ""), np.array([0.0] * 9 + [np.nan]), np.zeros((10, 1)))
    assert number is not None
    (never,) = fields_of(Preparation((number,), (), kinds))
    assert (never.levels, never.shares, never.typical) == (("yes", "no"), (0.0, 1.0), "no")


def test_rows_are_drawn_of_each_columns_own_values(classes: Any) -> None:
    made, table = Explainer(classes), frame()
    assert made.drawn
    assert made.truth is None
    drawn = made.rows
    assert set(drawn["flag"]) == {2.0, 5.0}
    assert (drawn["flag"] == 2.0).mean() == pytest.approx((table["flag"] == 2.0).mean(), abs=0.08)
    assert drawn["area"].null_count() / len(drawn) == pytest.approx(table["area"].null_count() / ROWS, abs=0.05)
    assert drawn["area"].median() == pytest.approx(table["area"].median(), abs=6)
    assert (drawn["city"] == "basel").mean() == pytest.approx((table["city"] == "basel").mean(), abs=0.08)
    assert drawn["sold"].dt.date().is_between(table["sold"].min(), table["sold"].max()).all()
    assert (drawn["rooms"] == drawn["rooms"].round()).all()
    assert drawn.equals(Explainer(classes).rows)  # the same each time


def test_answers_are_those_of_the_model(asked: Explainer, classes: Any, quantiles: Any) -> None:
    np.testing.assert_allclose(asked.predict(asked.rows), classes.predict_proba(frame(1)), rtol=1e-5)
    assert asked.names == ("cheap", "dear", "fair")
    assert asked.truth == [(kind,) for kind in frame(1)["kind"]]
    of = Explainer(quantiles, frame(1))
    assert (of.kind, of.names) == ("quantiles", ("0.1", "0.5", "0.9"))
    np.testing.assert_allclose(of.predict(of.rows), quantiles.predict(frame(1)), rtol=1e-6)


def test_columns_are_found_as_everywhere_but_for_blanks(classes: Any, asked: Explainer) -> None:
    blank = frame(1).rename({"area": " area", "kind": "kind "})
    of = Explainer(classes, blank)
    assert of.rows.equals(asked.rows)
    assert of.truth == asked.truth
    assert list(of.targets(blank)) == list(asked.targets(frame(1)))
    with pytest.raises(DataError, match="columns ' area', 'area ': are 'area' but for blanks around"):
        Explainer(classes, blank.with_columns(pl.lit(1.0).alias("area ")))


def test_the_truth_of_numbers_is_read_as_they_are_written(tmp_path: Path) -> None:
    table = frame().with_columns(price=pl.format("{} kg", pl.col("price").round(1)))
    run = fit_table(
        table.select("area", "price"), "price", folds=2, epochs=1, hidden=(4,), backend="reference", progress=False
    )
    of = Explainer(run.model, table)
    assert of.truth == [(p,) for p in frame()["price"].round(1).to_list()]
    odd = table.with_columns(price=pl.when(pl.int_range(ROWS) == 3).then(pl.lit("5 lb")).otherwise("price"))
    assert Explainer(run.model, odd).truth[3] == (None,)
    with pytest.raises(DataError, match="x row 3, column price: '5 lb' is no number in kg"):
        of.targets(odd)


def test_a_row_goes_through_a_form_and_back(asked: Explainer) -> None:
    for index in range(30):
        values = asked.form(index)
        assert asked.canonical(values).equals(asked.rows[index])
        assert asked.faults(values) == {}
    assert asked.form(0)["garden"] in ("yes", "no")
    assert asked.form(0)["seen"] == frame(1)["seen"][0].strftime("%Y-%m-%dT%H:%M")
    with pytest.raises(UsageError, match="row 240: there are 240"):
        asked.form(ROWS)


def test_what_is_wrong_with_a_form_is_told_by_column(asked: Explainer) -> None:
    values = {**asked.form(0), "area": "large", "sold": "yesterday", "garden": "perhaps", "city": "Paris"}
    assert asked.faults(values) == {
        "area": "'large' is no number",
        "sold": "'yesterday' is no date as 2020-01-31",
        "garden": "'perhaps' is neither yes nor no",
    }
    with pytest.raises(DataError, match="column area: 'large' is no number"):
        asked.canonical(values)


def test_dependence_is_kept(asked: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = asked.dependence(["area"])
    assert first.mean.shape == (32, 3)
    monkeypatch.setattr(asked, "predict", None)
    assert asked.dependence(["area"]) is first


def test_maps_are_kept_without_the_curves_of_rows(asked: Explainer) -> None:
    found = asked.dependence(["area", "rooms"])
    assert (found.curves.size, found.curves.base, len(found.rows)) == (0, None, 100)
    assert found.mean.shape == (12, 6, 3)


def test_shapley_values_sum_to_the_prediction(asked: Explainer) -> None:
    row = asked.rows[3]
    found = asked.attribution(row)
    assert found.groups == tuple((f.name,) for f in asked.fields)
    np.testing.assert_allclose(found.values.sum(0), found.prediction - found.baseline, atol=1e-9)
    np.testing.assert_allclose(found.prediction, asked.predict(row)[0])


def test_of_many_columns_those_that_matter_least_go_together(asked: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schuss.tabular.explainer.PLAYERS", 3)
    found = asked.attribution(asked.rows[3])
    assert [len(group) for group in found.groups] == [1, 1, 6]
    monkeypatch.setattr("schuss.tabular.explainer.CELLS", 4 * len(asked.fields))  # that few are tried one by one
    assert {("area",)} < set(asked.attribution(asked.rows[3]).groups)
    assert ("area",) in found.groups
    np.testing.assert_allclose(found.values.sum(0), found.prediction - found.baseline, atol=1e-9)


@pytest.mark.parametrize("output", [0, 1])
def test_slopes_are_the_gradient_times_the_distance(asked: Explainer, classes: Any, output: int) -> None:
    row = asked.rows.filter(pl.col("area").is_not_null())[0]
    found = asked.slopes(row, output)
    x, typical = asked.prepare(row).astype(np.float64), asked.prepare(asked.typical)

    def p(at: Any) -> float:
        return float(np.exp(np.asarray(classes(at.astype(np.float32))))[0, output])

    assert (found.value, found.typical) == pytest.approx((p(x), p(typical)), rel=1e-4)
    assert found.moved["street"] is None  # of twelve levels: a code
    for name in ("area", "flag", "city", "garden"):  # of others u may lie on a kink
        moved = 0.0
        for j in slopes_at(asked.preparation)[name]:
            step = np.zeros_like(x)
            step[0, j] = 4e-3
            moved += (p(x + step) - p(x - step)) / 8e-3 * (x - typical)[0, j]
        assert found.moved[name] == pytest.approx(moved, rel=0.02, abs=1e-4)


def test_slopes_of_a_linear_model_are_exact(tmp_path: Path) -> None:
    """Where the network is left out, what moved a prediction is what it differs by."""
    table = frame().select("area", "rooms", "flag", "price")
    run = fit_table(table, "price", folds=2, epochs=1, hidden=(4,), backend="reference", progress=False)
    run.model.weights = np.array([0.0] * (len(run.model.weights) - 1) + [1.0])
    run.model.linear.as_they_are = False  # linear in what the model is given, the squeezed numbers
    of = Explainer(run.model, table)
    row = of.rows.filter(pl.col("area").is_not_null())[7]
    found = of.slopes(row, 0)
    moved = sum(v for v in found.moved.values() if v is not None)
    assert moved == pytest.approx(found.value - found.typical, rel=1e-3)
    assert abs(found.moved["area"] or 0) > 10 * abs(found.moved["flag"] or 0)


def test_what_is_no_table_and_what_lacks_a_column(asked: Explainer, classes: Any) -> None:
    from schuss import nn

    with pytest.raises(UsageError, match="was not trained on a table"):
        Explainer(nn.Linear(2, 1))
    with pytest.raises(DataError, match=r"new\.csv: lacks 'area', 'rooms'"):
        Explainer(classes, frame().drop("area", "rooms"), what="new.csv")
    with pytest.raises(DataError, match=r"new\.csv row 0, column area: 'much' is no number"):
        Explainer(classes, frame().with_columns(area=pl.lit("much")), what="new.csv")
