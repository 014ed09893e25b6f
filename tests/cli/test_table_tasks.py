"""What a table is asked for by the command: tasks, losses, rows apart, and files of other kinds."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library

pl = pytest.importorskip("polars")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.* figures tell nothing of rows"
)  # rows that were trained on serve as well
TINY = ["--preset", "fast", "--folds", "2", "--epochs", "1", "--hidden", "4", "--quiet", "--json"]


def table(rows: int = 120, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    a, b, noise = rng.normal(size=rows), rng.normal(size=rows), rng.normal(size=rows) / 2
    return pl.DataFrame(
        {
            "a": a.round(3),
            "b": b.round(3),
            "town": rng.choice([f"t{i}" for i in range(8)], rows),
            "day": pl.Series(np.datetime64("2024-01-01") + rng.permutation(rows)),
            "nr": rng.permutation(rows),
            "price": (3 * a + noise).round(3),
            "area": (100 + 5 * b + noise).round(3),
            "count": rng.poisson(np.exp(a)),
            "wet": np.where(a + noise > 0, "yes", "no"),
            "cold": (b + noise > 0).astype(int),
        }
    )


@pytest.fixture
def made(schuss: Any, tmp_path: Path) -> Any:
    """Trains on a file of some columns of the table: the result, and the file of the model."""

    def train(columns: list[str], *arguments: Any, frame: Any = None) -> tuple[dict[str, Any], Path]:
        place, out = tmp_path / "t.csv", tmp_path / "m.safetensors"
        (table() if frame is None else frame).select(columns).write_csv(place)
        done = schuss("train", place, *arguments, *TINY, "--out", out)
        assert done.code == 0, done.err
        return done.json, out

    return train


def predicted(schuss: Any, model: Path, frame: Any, *more: Any) -> Any:
    place, out = model.with_name("new.csv"), model.with_name("out.csv")
    frame.write_csv(place)
    assert schuss("predict", model, place, "-o", out, *more).code == 0
    return pl.read_csv(out)


@pytest.mark.parametrize("targets", [["--target", "price", "--target", "area"], ["--target", "price,area"]])
def test_several_targets(schuss: Any, made: Any, targets: list[str]):
    result, model = made(["a", "b", "price", "area"], *targets)
    assert (result["targets"], result["task"], result["loss"]) == (["price", "area"], "regression", "mse")
    assert set(result["report"]["targets"]) == {"price", "area"}
    new = table(30, seed=1)
    out = predicted(schuss, model, new)
    assert out.columns == ["prediction_price", "prediction_area"]
    np.testing.assert_allclose(out.to_numpy(), library.load(model).predict(new), rtol=1e-6)
    new.write_csv(model.with_name("new.csv"))
    found = schuss("evaluate", model, model.with_name("new.csv"), "--json").json
    assert found["of_each"]["area"]["mae"] == pytest.approx(np.abs(out["prediction_area"] - new["area"]).mean())
    assert "\n" + "price  " in schuss("evaluate", model, model.with_name("new.csv")).out
    said = schuss("info", model).out
    assert "target      price, area: regression\n" in said
    assert "loss        mse\n" in said


def test_labels(schuss: Any, made: Any):
    result, model = made(["a", "b", "wet", "cold"], "--target", "wet,cold")
    assert (result["task"], result["loss"], result["classes"]) == ("labels", "binary_cross_entropy", None)
    assert result["report"]["metrics"]["exact"]["value"] <= result["report"]["metrics"]["accuracy"]["value"]
    new = table(30, seed=1)
    out = predicted(schuss, model, new, "--id", "nr")
    assert out.columns == ["nr", "prediction_wet", "prediction_cold", "p_wet", "p_cold"]
    np.testing.assert_allclose(out.select("p_wet", "p_cold"), library.load(model).predict_proba(new), rtol=1e-5)
    assert out["prediction_wet"].to_list() == np.where(out["p_wet"] > 0.5, "yes", "no").tolist()
    assert out["prediction_cold"].to_list() == (out["p_cold"] > 0.5).cast(int).to_list()
    found = schuss("evaluate", model, model.with_name("new.csv"), "--json").json
    right = out["prediction_cold"].cast(pl.Int64) == new["cold"]
    assert found["of_each"]["cold"]["accuracy"] == pytest.approx(right.mean())
    assert "wet, cold: labels" in schuss("info", model).out
    assert "p_cold" in schuss("predict", model, model.with_name("new.csv")).out


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ("0.1,0.9", ["prediction", "prediction_0.1", "prediction_0.9"]),
        ("0.25", ["prediction", "prediction_0.25"]),
    ],
)
def test_quantiles_stand_beside_the_median_and_never_cross(schuss: Any, made: Any, asked: str, columns: list[str]):
    result, model = made(["a", "b", "price"], "--target", "price", "--quantiles", asked)
    assert result["loss"] == "quantile"
    out = predicted(schuss, model, table(50, seed=1))
    assert out.columns == columns
    said = library.load(model).predict(table(50, seed=1))
    assert (np.diff(said, axis=1) >= 0).all()
    np.testing.assert_allclose(np.sort(out.to_numpy(), axis=1), said, rtol=1e-6)
    np.testing.assert_allclose(out["prediction"], said[:, 1 if asked != "0.1,0.9" else said.shape[1] // 2], rtol=1e-6)
    found = schuss("evaluate", model, model.with_name("new.csv"), "--json").json["metrics"]
    below, above = said[:, 0], said[:, -1]
    y = table(50, seed=1)["price"].to_numpy()
    assert found["coverage"]["value"] == pytest.approx(((below <= y) & (y <= above)).mean())


@pytest.mark.parametrize(
    ("target", "arguments", "loss", "main"),
    [
        ("price", ["--loss", "huber"], "huber", "huber"),
        ("count", ["--task", "counts"], "poisson", "poisson_deviance"),
        ("wet", ["--loss", "binary_cross_entropy", "--class-weight", "balanced"], "binary_cross_entropy", "log_loss"),
    ],
)
def test_losses(schuss: Any, made: Any, target: str, arguments: list[str], loss: str, main: str):
    result, model = made(["a", "b", target], "--target", target, *arguments)
    assert (result["loss"], result["report"]["main"]) == (loss, main)
    found = schuss("evaluate", model, model.with_name("t.csv"), "--json").json
    assert set(found["metrics"]) == set(result["report"]["metrics"])
    assert f"loss        {loss}\n" in schuss("info", model).out


@pytest.mark.parametrize(
    ("target", "arguments", "code", "message"),
    [
        ("price", ["--loss", "poisson"], 1, "target 'price': is -"),
        ("count", ["--loss", "gamma"], 1, "target 'count': is 0 in "),
        ("price", ["--loss", "cross_entropy"], 2, "was taken as regression (numbers of "),
    ],
)
def test_losses_that_do_not_fit_name_the_line(
    schuss: Any, tmp_path: Path, target: str, arguments: list[str], code: int, message: str
):
    frame = table()
    frame.select("a", target).write_csv(tmp_path / "t.csv")
    done = schuss("train", tmp_path / "t.csv", "--target", target, *arguments)
    first = {"price": frame["price"] < 0, "count": frame["count"] == 0}[target].arg_max()
    line = 2 if "cross_entropy" in arguments else first + 2
    assert (done.code, message in done.error) == (code, True)
    assert f"{tmp_path}/t.csv line {line}" in done.error


def test_validation_rows_of_a_file(schuss: Any, made: Any, tmp_path: Path):
    table(40, seed=3).write_csv(tmp_path / "valid.csv")
    asked = ["--target", "price", "--validation", tmp_path / "valid.csv"]
    result, model = made(["a", "b", "price"], *asked)
    assert result["report"]["on"] == "40 validation rows, by which the parts are weighed"
    assert (result["folds"], result["rows"]) == (None, 120)
    found = schuss("evaluate", model, tmp_path / "valid.csv", "--json").json["metrics"]
    assert found["rmse"]["value"] == pytest.approx(result["report"]["metrics"]["rmse"]["value"], rel=1e-5)
    (tmp_path / "valid.csv").write_text("a,b,price\n1,2,3\n1,2,\n")
    told = schuss("train", tmp_path / "t.csv", *asked, *TINY)
    assert f"the first is {tmp_path}/valid.csv line 3; " in told.error
    assert "--target-missing drop" in told.error


def test_validation_and_test_shares_are_shown(schuss: Any, tmp_path: Path):
    table().select("a", "price").write_csv(tmp_path / "t.csv")
    shares = ["--validation", "0.25", "--test", "0.5"]
    done = schuss("train", tmp_path / "t.csv", "--target", "price", *shares, *TINY[:-2])
    assert "t.csv: 45 rows to train on\n" in done.out
    assert "\nvalidation  15 rows, by which the parts are weighed; " in done.out  # cut where the terminal ends
    assert "\nloss        mse\n" in done.out
    assert "on 60 rows held out:\n" in done.out


@pytest.mark.parametrize("column", ["day", "nr"])
def test_the_last_rows_in_time_are_the_test(made: Any, column: str):
    result, model = made(["a", column, "price"], "--target", "price", "--time", column)
    assert result["report"]["on"] == "24 rows held out"
    assert result["columns"][column]["kind"] == {"day": "date", "nr": "id"}[column]
    record = library.load(model).signature.record
    assert record["rows"] == 120


def test_groups_stay_together(schuss: Any, made: Any, tmp_path: Path):
    result, _ = made(["a", "town", "price"], "--target", "price", "--group", "town", "--test", "0.3")
    assert "town" not in result["columns"]
    table().with_columns(town=pl.lit("here")).write_csv(tmp_path / "one.csv")
    told = schuss("train", tmp_path / "one.csv", "--target", "price", "--group", "town", *TINY).error
    assert "all rows are of one group: nothing can be held out; split without groups" in told


def test_a_packed_file_without_names(schuss: Any, tmp_path: Path):
    text = table().select("a", "b", "wet").write_csv(include_header=False)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    out = tmp_path / "m.safetensors"
    done = schuss("train", tmp_path / "t.csv.gz", "--no-header", "--target", "column3", *TINY, "--out", out)
    assert done.json["classes"] == ["no", "yes"]
    found = schuss("evaluate", out, tmp_path / "t.csv.gz", "--no-header", "--json").json
    assert (found["targets"], found["examples"]) == (["column3"], 120)
    said = schuss("predict", out, tmp_path / "t.csv.gz", "--no-header", "--id", "column1", "--json").json
    assert len(said["predictions"]) == 120
    assert set(said["predictions"][0]) == {"row", "column1", "prediction", "p_no", "p_yes"}


def test_rows_without_a_target_are_dropped_if_asked(schuss: Any, made: Any, tmp_path: Path):
    frame = table().with_columns(price=pl.when(pl.col("a") < 1).then("price"))
    result, model = made(["a", "b", "price"], "--target", "price", "--target-missing", "drop", frame=frame)
    known = 120 - frame["price"].null_count()
    assert result["report"]["on"] == f"{known} rows out of 2 folds"
    assert "--target-missing drop" in schuss("evaluate", model, tmp_path / "t.csv").error
    found = schuss("evaluate", model, tmp_path / "t.csv", "--target-missing", "drop", "--json").json
    assert found["examples"] == known


@pytest.mark.parametrize("option", ["category", "number", "date", "drop", "weight", "group", "time", "target"])
def test_a_column_that_is_not_there_is_told_with_the_nearest(schuss: Any, tmp_path: Path, option: str):
    table().write_csv(tmp_path / "t.csv")
    told = schuss("train", tmp_path / "t.csv", "--target", "area", f"--{option}", "prise")
    assert told.code == 2
    assert f"--{option}: the table has no column 'prise'; did you mean 'price'?" in told.error


def test_at_prediction_what_is_near_is_told_and_nothing_of_training(schuss: Any, made: Any, tmp_path: Path):
    _, model = made(["a", "b", "price"], "--target", "price")
    new, place = table(5), tmp_path / "new.csv"
    new.write_csv(place)
    assert "--id: " in (told := schuss("predict", model, place, "--id", "are").error.strip())
    assert told.endswith("new.csv has no column 'are'; did you mean 'area'?")
    new.rename({"a": "A"}).write_csv(place)
    assert schuss("predict", model, place).error.strip().endswith("on; did you mean 'A'?")
    new.rename({"price": "prise"}).write_csv(place)
    told = schuss("evaluate", model, place).error.strip()
    assert told.endswith("new.csv has no column 'price', the target; did you mean 'prise'?")
    new.with_columns(a=pl.Series(["long", *"1234"])).write_csv(place)
    told = schuss("predict", model, place).error.strip()
    assert told.endswith("new.csv line 2, column a: 'long' is no number; mend it, or leave it empty")


def test_numbers_of_thousands_of_digits_are_told_by_line_and_column(schuss: Any, made: Any, tmp_path: Path):
    _, model = made(["a", "b", "price"], "--target", "price")
    place = tmp_path / "new.csv"
    table(3).with_columns(a=pl.Series(["1", "9" * 5000, "2"])).write_csv(place)
    for command in ("predict", "evaluate"):
        told = schuss(command, model, place).error
        assert "new.csv line 3, column a: '999" in told
        assert "has 5,000 digits, more than a number here can; mend it, or leave it empty" in told
    for rows in ({"a": 10**5000, "b": 1.0}, {"a": [10**5000], "b": [1.0]}, [{"a": 10**5000, "b": 1.0}] * 2):
        with pytest.raises(
            library.errors.DataError, match=r"x row 0, column a: is a whole number of some 5,000 digits"
        ):
            library.load(model).predict(rows)


def test_labels_come_back_in_the_words_of_the_table(schuss: Any, made: Any):
    frame = table().with_columns(
        wet=pl.when(pl.col("wet") == "yes").then(pl.lit("Ja")).otherwise(pl.lit("nein")),
        cold=pl.col("cold") == 1,
        late=pl.col("nr") % 2,
    )
    frame[0, "wet"] = "ja" if frame[0, "wet"] == "Ja" else "Nein"  # the spelling that is rarer
    _, model = made(["a", "b", "wet", "cold", "late"], "--target", "wet,cold,late", frame=frame)
    loaded, new = library.load(model), frame[:20]
    assert loaded.signature.output.words == (("nein", "Ja"), ("false", "true"), ("0", "1"))
    said, p = loaded.predict(new), loaded.predict_proba(new)
    words = np.where(p > 0.5, np.array(["Ja", "true", "1"]), np.array(["nein", "false", "0"]))
    np.testing.assert_array_equal(said, words)
    out = predicted(schuss, model, new)
    assert out["prediction_wet"].to_list() == said[:, 0].tolist()
    assert out["prediction_cold"].to_list() == (p[:, 1] > 0.5).tolist()
    assert out["prediction_late"].to_list() == (p[:, 2] > 0.5).astype(int).tolist()
    assert schuss("evaluate", model, model.with_name("new.csv"), "--json").json["examples"] == 20


def test_the_graph_of_a_table_s_model_tells_its_columns(schuss: Any, made: Any):
    _, model = made(["a", "b", "wet", "price"], "--target", "price")
    done = schuss("graph", model)
    assert done.err.startswith(
        "this is the blend of a table's model, whose parts were trained each by itself, by AdamW"
    )
    lines = done.out.splitlines()
    assert lines[0] == "columns  (what the numbers of an input's row are)"
    assert [line.split(maxsplit=2) for line in lines[1:6]] == [
        ["0", "wet", "its value"], ["1", "a", "z, over its quartiles' distance"],
        ["2", "b", "z, over its quartiles' distance"], ["3", "a", "u, its place among bins"],
        ["4", "b", "u, its place among bins"],
    ]  # fmt: skip
    assert schuss("graph", model, "--format", "json").json["columns"]["wet"] == [[0, "its value"]]
    assert schuss("graph", model, "--format", "dot").out.startswith("digraph step {")


def test_output_has_no_two_blank_lines_in_turn(schuss: Any, tmp_path: Path):
    table().select("a", "b", "wet", "cold").write_csv(tmp_path / "t.csv")
    done = schuss("train", tmp_path / "t.csv", "--target", "wet,cold", *TINY[:-2], "--out", tmp_path / "m.safetensors")
    assert "each by itself" in done.out
    for shown in (done, schuss("info", tmp_path / "m.safetensors")):
        assert "\n\n\n" not in shown.out
