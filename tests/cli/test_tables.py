"""Tables through the command: one small training, and what predict, evaluate and info make of its file."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss as library
from schuss.cli import main

pl = pytest.importorskip("polars")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.* figures tell nothing of rows"
)  # rows that were trained on serve as well
GOOD = "a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(9))
TINY = ["--folds", "3", "--epochs", "1", "--hidden", "8"]


def houses(rows: int = 150, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    area = rng.normal(100, 30, rows).round(2)
    city = rng.choice(["bern", "basel", "genf"], rows)
    price = area * 3 + (city == "bern") * 60 + rng.normal(0, 10, rows)
    return pl.DataFrame(
        {
            "house": [f"h-{i:05d}" for i in range(rows)],
            "area": [None if rng.random() < 0.1 else float(a) for a in area],
            "city": city,
            "garden": rng.choice(["yes", "no"], rows),
            "sold": pl.Series(np.datetime64("2020-01-01") + rng.integers(0, 900, rows)),
            "price": price.round(1),
            "kind": np.where(price > 330, "dear, very", "cheap"),
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "houses.csv"
    houses().write_csv(path)
    return path


def trained(*arguments: Any) -> str:
    """What a training prints that must end well."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(["train", *map(str, arguments)])
    assert not ended.value.code
    return out.getvalue()


@pytest.fixture(scope="module")
def made(table: Path) -> tuple[Path, str]:
    """The file of a model of the table, and what its training printed."""
    path = table.with_name("m.safetensors")
    said = trained(table, "--target", "kind", "--drop", "price", *TINY, "--out", path)
    return path, said


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def quantiles(table: Path) -> tuple[Path, Any]:
    """The file of a model of quantiles of the price, and its training."""
    from schuss.tabular import fit_table

    frame = houses().drop("kind", "house")
    run = fit_table(
        frame, "price", quantiles=(0.1, 0.9), folds=2, epochs=1, hidden=(4,), backend="reference", progress=False
    )
    path = table.with_name("quantiles.safetensors")
    library.save(run.model, path)
    return path, run


def test_quantiles_are_predicted_and_measured(schuss: Any, quantiles: Any, table: Path, tmp_path: Path):
    file, run = quantiles
    assert schuss("predict", file, table, "-o", tmp_path / "out.csv").code == 0
    written = pl.read_csv(tmp_path / "out.csv")
    assert written.columns == ["prediction_0.1", "prediction_0.9"]
    np.testing.assert_allclose(written.to_numpy(), run.model.predict(houses()), rtol=1e-6)
    found = schuss("evaluate", file, table, "--json").json["metrics"]
    assert list(found) == ["pinball", "coverage"]
    assert "interval coverage (of 0.8)" in schuss("info", file).out  # what it should be
    y, p = houses()["price"].to_numpy(), written.to_numpy()
    assert found["coverage"]["value"] == pytest.approx(((p[:, 0] <= y) & (y <= p[:, 1])).mean())


def test_a_training_tells_what_it_found_and_measured(made: tuple[Path, str]):
    path, said = made
    assert "houses.csv: 150 rows\n" in said
    assert "\nhouse   left out  id: " in said
    assert "\ncity    category  3 levels\n" in said
    assert "\nprice   left out  dropped: left out as asked\n" in said
    assert "\ntarget  kind: classification, 2 classes: cheap, dear, very\n" in said
    assert "\npreset  best, by its size: best takes " in said
    assert "on 150 rows out of 3 folds:\n" in said
    assert re.search(r"\nlinear +- ", said)
    assert said.index("area ") < said.index("what log loss rises by")
    assert f"saved in {path}\n" in said
    assert [p.name for p in path.parent.iterdir() if p.name.startswith("m.")] == ["m.safetensors"]


def test_predict_streams_raw_rows_in_any_order_of_columns(
    schuss: Any, made: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from schuss.tabular import read

    monkeypatch.setattr(read, "ROWS", 7)  # several chunks
    frame = houses(30, seed=1).select("sold", "house", "garden", "area", "city")
    frame.write_csv(tmp_path / "new.csv", separator=";")
    done = schuss("predict", made[0], tmp_path / "new.csv", "--id", "house", "-o", tmp_path / "out.csv")
    told = f"{tmp_path / 'new.csv'}: rows outside the range of the training: 1 of 30, in area (1); "
    told += (
        "what the model says there rests on none, and goes little further than at the end\n"  # of all chunks one line
    )
    assert (done.code, done.out, done.err) == (0, "", f"30 predictions in {tmp_path / 'out.csv'}\n{told}")
    rows, model = rows_of(tmp_path / "out.csv"), library.load(made[0])
    assert list(rows[0]) == ["house", "prediction", "p_cheap", "p_dear, very"]
    assert [row["house"] for row in rows] == frame["house"].to_list()
    assert [row["prediction"] for row in rows] == model.predict(frame).tolist()
    found = np.array([[float(row["p_cheap"]), float(row["p_dear, very"])] for row in rows])
    assert (found == model.predict_proba(frame)).all()  # every digit
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-15)
    frame.write_parquet(tmp_path / "new.parquet")
    schuss("predict", made[0], tmp_path / "new.parquet", "-o", tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["prediction"].to_list() == [row["prediction"] for row in rows]
    told = schuss("predict", made[0], tmp_path / "new.csv", "--json").json
    assert (told["targets"], told["classes"]) == (["kind"], ["cheap", "dear, very"])
    assert told["beyond"]["outside"] == {"rows": 1, "columns": {"area": 1}}
    assert [row["prediction"] for row in told["predictions"]] == [row["prediction"] for row in rows]


def test_predict_shows_the_first_rows(schuss: Any, made: tuple[Path, str], table: Path):
    lines = schuss("predict", made[0], table, "--id", "house").out.splitlines()
    assert lines[0].split() == ["row", "house", "prediction", "probability"]
    assert lines[1].split()[:2] == ["0", "h-00000"]
    assert lines[-1] == "... and more rows; -o FILE or --json gives all"
    assert len(lines) == 22


def test_evaluate_measures_the_rows_of_a_table(schuss: Any, made: tuple[Path, str], table: Path):
    from sklearn.metrics import log_loss, roc_auc_score

    found = schuss("evaluate", made[0], table, "--json").json
    frame, model = houses(), library.load(made[0])
    p = model.predict_proba(frame)
    names = frame["kind"].to_list()
    assert found["metrics"]["log_loss"]["value"] == pytest.approx(log_loss(names, p), rel=1e-5)
    assert found["metrics"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(names, p[:, 1]), rel=1e-5)
    assert found["metrics"]["accuracy"]["error"] > 0
    assert found["accuracy"] == pytest.approx(found["metrics"]["accuracy"]["value"])
    assert np.sum(found["confusion"]) == 150
    assert "ROC AUC" in schuss("evaluate", made[0], table).out


def test_levels_that_no_training_row_has_are_told(schuss: Any, made: tuple[Path, str], tmp_path: Path):
    odd = tmp_path / "odd.csv"
    houses(30).with_columns(city=pl.lit("chur")).write_csv(odd)
    told = (
        f"{odd}: rows with a level that no training row has: 30 of 30, in city (30); the model has learned nothing of"
    )
    assert told in schuss("evaluate", made[0], odd).err
    shown = schuss("predict", made[0], odd)
    assert "rows with a level that no training row has: 20 of 20" in shown.err  # those that are shown
    assert schuss("evaluate", made[0], odd, "--json").json["beyond"]["levels"]["rows"] == 30


def test_predict_and_report_do_not_write_over_what_they_read(schuss: Any, made: tuple[Path, str], table: Path):
    before = table.read_bytes()
    told = schuss("predict", made[0], table, "-o", table)
    assert told.code == 2
    assert f"-o {table}: is what is read, and would be lost; give another name" in told.error
    assert "is what is read" in schuss("report", made[0], table, "-o", table).error
    assert table.read_bytes() == before


def test_info_tells_columns_parts_and_report(schuss: Any, made: tuple[Path, str]):
    said = schuss("info", made[0]).out
    assert "target      kind: classification\n" in said
    assert "\nhouse   left out  id: " in said
    assert re.search(r"\npiecewise relu +8 ", said)
    assert "on 150 rows out of 3 folds:\n" in said
    record = schuss("info", made[0], "--json").json["record"]
    assert record["targets"]["kind"]["name"] == "category"
    assert sum(part["weight"] for part in record["parts"]) == pytest.approx(1)


def test_a_table_of_numbers_from_standard_input_as_json(
    schuss: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(table.read_bytes())))
    out = tmp_path / "m.safetensors"
    found = schuss("train", "-", "--target", "price", "--drop", "kind", "--test", "0.2", *TINY, "--json", "--out", out)
    result = found.json
    assert (result["data"], result["rows"], result["task"], result["classes"]) == ("-", 150, "regression", None)
    assert result["columns"]["area"]["kind"] == "number"
    assert result["report"]["on"] == "30 rows held out"
    assert result["importance"][0]["columns"] == ["area"]
    assert found.err == ""
    schuss("predict", out, table, "-o", tmp_path / "p.csv")
    said = [float(row["prediction"]) for row in rows_of(tmp_path / "p.csv")]
    np.testing.assert_allclose(said, library.load(out).predict(houses()), rtol=1e-6)
    assert schuss("evaluate", out, table, "--json").json["metrics"]["rmse"]["value"] > 0


# -- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            [],
            2,
            "houses.csv is a table: say which column to predict, --target COLUMN; it has house, area, city, garden, ",
        ),
        (["--target", "prise"], 2, "--target: the table has no column 'prise'; did you mean 'price'?"),
        (["--target", "area"], 1, "target 'area': "),
        (["--target", "city", "--task", "regression"], 1, "target 'city': is a category, and regression needs numbers"),
        (["--target", "price", "--validation", "none.csv"], 2, "--validation none.csv: is no share and no file"),
        (["--target", "price", "--optimizer", "sgd"], 2, "--optimizer is not for tables: it is AdamW"),
        (["--target", "price", "--loss", "cross_entropy"], 2, "and the target was taken as regression"),
        (
            ["--target", "price", "--quantiles", "0.9", "--loss", "mae"],
            2,
            "quantiles go with loss 'quantile', not 'mae'",
        ),
        (["--target", "price,city"], 1, "each yes or no: 'city' is classes ('"),
        (["--target", "price,town"], 2, "--target: the table has no column 'town'"),
        (["--target", "price", "--time", "house"], 2, "time: column 'house' was taken as id"),
        (["--target", "price", "--net", "net.py"], 2, "--net is not for tables: the preset says which networks"),
        (["--target", "price", "--number", "city"], 1, "houses.csv line 2, column city: "),
        (["--target", "price", "--date", "city"], 1, "houses.csv line 2, column city: "),
        (["--target", "price", "--class-weight", "balanced"], 2, "--class-weight: the target is numbers"),
        (["--target", "price", "--preset", "good"], 2, "preset must be fast or best, got 'good'"),
        (["--target", "price", "--test", "2"], 2, "--test 2: a share lies between 0 and 1"),
        (["--target", "price", "--test", "none.csv"], 2, "--test none.csv: is no share and no file"),
        (["--target", "price", "--resume"], 2, "--resume needs --out FILE"),
        (["--target", "price", "--delimiter", "::"], 2, "delimiter is '::'; it is one character of ASCII"),
        (["--target", "price", "--category", "town"], 2, "category: the table has no column 'town'"),
        (["--target", "price", "--weight", "city"], 1, "weight: column 'city' must hold numbers of at least 0"),
    ],
)
def test_options_that_do_not_fit(schuss: Any, table: Path, arguments: list[str], code: int, message: str):
    done = schuss("train", table, *arguments)
    assert done.code == code
    assert message in done.error


@pytest.mark.filterwarnings("default")
def test_an_odd_value_that_leaves_a_column_out_is_told_though_quiet(schuss: Any, tmp_path: Path):
    rows = "".join(f"{i}.5,{i / 7}\n" for i in range(70))
    (tmp_path / "odd.csv").write_text(f"the area,y\n{rows}12 m,1\n")
    done = schuss("train", tmp_path / "odd.csv", "--target", "y", "--quiet", "--class-weight", "balanced")
    first, _ = done.err.replace(f"{tmp_path}/", "").splitlines()  # the other is the error of the class weights
    assert "column 'the area' is left out as text, as 1 of 71 values is no number, '12 m' in odd.csv line 72; " in first
    assert first.endswith("say --missing '12 m'; if this is meant, say --drop 'the area'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--validation", "2"], "'--validation': 2 is not in the range 0<=x<1"),
        (["--loss", "gama"], "'binary_cross_entropy'; did you mean 'gamma'?"),
        (["--quantiles", "0.1;0.9"], "'--quantiles': '0.1;0.9' are no quantiles between 0 and 1, each once"),
        (["--quantiles", "0.1,1"], "'--quantiles': '0.1,1' are no quantiles"),
        (["--target-missing", "mean"], "'--target-missing': 'mean' is not one of 'error', 'drop'"),
    ],
)
def test_values_that_no_option_has(schuss: Any, table: Path, arguments: list[str], message: str):
    done = schuss("train", table, "--target", "price", *arguments)
    assert (done.code, message in done.err) == (2, True)


def test_losses_and_files_that_tables_alone_have(schuss: Any):
    done = schuss("train", "mnist", "--loss", "poisson")
    assert (done.code, done.error[:43]) == (2, "Error: --loss poisson is for tables, and mn")
    done = schuss("train", "mnist", "--validation", "rows.csv")
    assert done.code == 2
    assert "--validation rows.csv: is no share, as 0.2; a file is for tables" in done.error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "bad.csv: is empty"),
        ("a,y\n", "bad.csv: has a line of names and no rows"),
        ("a,y\n1,2\n3\n", "bad.csv line 3"),
        ("a,a,y\n1,2,3\n", "bad.csv line 1: names column 'a' more than once"),
        ("a,,y\n1,2,3\n", "bad.csv line 1: column 2 has no name"),
        ("1.5,2,3\n4,5,6\n", "bad.csv line 1: has numbers"),
        (GOOD + "inf,1.5\n", "bad.csv line 11, column a: 'inf' is infinite"),
        (GOOD + '"x,1.5\n', "bad.csv line 11"),
        (GOOD + "3,\n", "target 'y': 1 of 10 rows have none, the first is bad.csv line 11"),
        (GOOD + "3,\0\n", "bad.csv line 11"),
        ("a,y\n" + "1,2\n" * 9, "target 'y': is '2' in every row: there is nothing to learn"),
    ],
)  # fmt: skip
def test_bad_files(schuss: Any, tmp_path: Path, content: str, message: str):
    (tmp_path / "bad.csv").write_text(content)
    done = schuss("train", tmp_path / "bad.csv", "--target", "y", *TINY)
    assert done.code == 1
    assert message in done.error.replace(f"{tmp_path}/", "")


def test_messages_name_lines_of_the_file_whatever_is_held_out(schuss: Any, tmp_path: Path):
    head, rows = " the area, y\n", "".join(f"{i}.5,{'often' if i % 5 else 'rare'}\n" for i in range(90))
    (tmp_path / "one.csv").write_text(head + rows + "1,once\n")
    told = schuss("train", tmp_path / "one.csv", "--target", "y", "--test", "0.2").error  # y, though the file has " y"
    assert f"class 'once' has one row, {tmp_path}/one.csv line 92, which cannot be both" in told
    (tmp_path / "t.csv").write_text(head + rows)
    (tmp_path / "bad.csv").write_text("the area,y\n1,often\nx,rare\n")
    told = schuss("train", tmp_path / "t.csv", "--target", "y", "--test", tmp_path / "bad.csv").error
    assert f"{tmp_path}/bad.csv line 3, column the area: 'x' is no number" in told


def test_an_error_before_the_training_leaves_nothing(schuss: Any, table: Path, tmp_path: Path):
    assert schuss("train", table, "--target", "area", "--out", tmp_path / "m.safetensors").code == 1
    assert not list(tmp_path.iterdir())


def test_a_cut_parquet_and_a_missing_file(schuss: Any, tmp_path: Path):
    houses().write_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[: len(whole) // 2])
    assert "t.parquet: is cut short or damaged" in schuss("train", tmp_path / "t.parquet", "--target", "price").error
    assert "none.csv: no such file" in schuss("train", tmp_path / "none.csv", "--target", "price").error


def test_options_of_tables_are_refused_elsewhere(schuss: Any, model: Path, npz: Path):
    told = schuss("train", "mnist", "--target", "price")
    assert (told.code, told.error) == (
        2,
        "Error: --target is for tables (CSV, Parquet, Feather), and mnist is not a table\n",
    )
    assert "--id is for tables" in schuss("predict", model, npz, "--id", "a").error
    assert "--delimiter is for tables" in schuss("evaluate", model, npz, "--delimiter", ";").error


@pytest.mark.parametrize(
    ("content", "more", "code", "message"),
    [
        ("city,garden,sold\nbern,yes,2020-01-01\n", [], 1, "new.csv: lacks 'area', which the model was trained on"),
        ("area,city,garden,sold\n1,bern,yes,2020-01-01\nbig,bern,no,2020-01-01\n", [], 1,
         "new.csv line 3, column area: 'big' is no number"),
        ("area,city,garden,sold\n1,bern,yes,2020-01-01\n", ["--id", "house"], 2, "--id: "),
        ("area,city,garden,sold\n1,bern,yes,2020-01-01\n", ["-o", "out.npy"], 2, "must end in .csv, .tsv, .parquet"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit(
    schuss: Any, made: tuple[Path, str], tmp_path: Path, content: str, more: list[str], code: int, message: str
):
    (tmp_path / "new.csv").write_text(content)
    done = schuss("predict", made[0], tmp_path / "new.csv", *more)
    assert done.code == code
    assert message in done.error


def test_a_file_of_another_target_is_refused(schuss: Any, made: tuple[Path, str], tmp_path: Path):
    frame = houses(20)
    frame.drop("kind").write_csv(tmp_path / "new.csv")
    assert "has no column 'kind', the target" in schuss("evaluate", made[0], tmp_path / "new.csv").error
    frame.with_columns(kind=pl.lit("other")).write_csv(tmp_path / "new.csv")
    told = schuss("evaluate", made[0], tmp_path / "new.csv").error
    assert "new.csv line 2 is 'other', which no training row is" in told


def test_without_polars_the_command_is_named(schuss: Any, table: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(library, "tabular", library.tabular)  # what is loaded anew takes its place
    for name in [n for n in sys.modules if n.startswith("schuss.tabular")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "polars", None)
    done = schuss("train", table, "--target", "price")
    assert (done.code, done.error) == (
        2,
        "Error: tables need polars: pip install '.[tables]' in the folder of schuss\n",
    )


def test_a_training_that_was_stopped_goes_on(schuss: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from schuss.tabular import training

    out, kept = tmp_path / "m.safetensors", tmp_path / "m.safetensors.ckpt"
    asked = ["train", table, "--target", "price", "--preset", "fast", *TINY, "--quiet", "--out"]
    learn = training.learn

    def stopped(*given: Any, **more: Any) -> Any:
        learn(*given, **more)
        raise KeyboardInterrupt

    kept.mkdir()
    (kept / ".schuss-1-left.tmp").write_bytes(b"by a killed run, before it kept a member")
    monkeypatch.setattr(training, "learn", stopped)
    done = schuss(*asked, out)
    assert done.code == 130
    assert f"the members so far are in {kept} (--resume goes on)" in done.err
    monkeypatch.undo()
    assert f"{kept} holds a training that has not ended: --resume goes on with it" in schuss(*asked, out).error
    assert "cannot resume" in schuss(*asked, out, "--resume", "--drop", "sold").error
    assert schuss(*asked, out, "--resume").code == 0
    assert not kept.exists()
    schuss(*asked, tmp_path / "other.safetensors")
    frame = houses(9, seed=2)
    one, other = (library.load(path).predict(frame) for path in (out, tmp_path / "other.safetensors"))
    np.testing.assert_array_equal(one, other)


def test_the_model_is_saved_before_its_columns_are_measured(
    schuss: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def importance(held: Any) -> Any:
        raise RuntimeError("stopped")

    monkeypatch.setattr("schuss.tabular.held.HeldOut.importance", importance)
    out = tmp_path / "m.safetensors"
    assert schuss("train", table, "--target", "price", "--preset", "fast", *TINY, "--quiet", "--out", out).code != 0
    assert len(library.load(out).predict(houses(9))) == 9


def test_json_is_json_where_a_metric_is_not_defined():
    from schuss.tabular.report import Line, Report

    nan = float("nan")
    lines = (Line("roc_auc", "ROC AUC", nan, nan, 0.5, 0.5), Line("log_loss", "log loss", 1.0, nan, 1.0, 2.0))
    written = Report(lines, "log_loss", nan, nan, nan, nan, "1 row held out").to_json()
    assert written["metrics"]["roc_auc"] == {
        "title": "ROC AUC",
        "value": None,
        "error": None,
        "linear": 0.5,
        "trivial": 0.5,
    }
    json.loads(json.dumps(written, allow_nan=False))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_members_and_says_where(table: Path, tmp_path: Path, number: signal.Signals):
    out, kept = tmp_path / "m.safetensors", tmp_path / "m.safetensors.ckpt"
    command = [sys.executable, "-c", "from schuss.cli import main; main()", "train", str(table), "--target", "price"]
    more = ["--folds", "3", "--epochs", "100000", "--hidden", "8", "--out", str(out)]
    process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 300
        while not (kept.exists() and any(kept.glob("*.ckpt"))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert error.endswith(f"stopped; the members so far are in {kept} (--resume goes on)\n")
    assert "Traceback" not in error
    assert not out.exists()


def test_what_is_left_out_after_a_short_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from schuss.cli.tables import shown
    from schuss.tabular import judge

    part = {"kind": "piecewise", "activation": "relu", "hidden": [64, 64], "epochs": 8, "loss": 1.0, "weight": 1.0}
    told = "longer runs and larger networks are left out: a short run is not better than the linear model by 2 %"
    lines = shown.parts([part, {**part, "only": "noise"}], "rmse")
    assert lines[-1] == told
    assert [line.partition("  ")[0] for line in lines[1:3]] == ["piecewise relu", "piecewise relu, other seeds"]
    assert told not in shown.parts([part, {**part, "only": "signal"}], "rmse")
    monkeypatch.setattr(judge, "ENOUGH", 0.9)
    assert shown.parts([part, {**part, "only": "noise"}], "rmse")[-1].endswith("than the linear model by 10 %")


def test_other_files_have_the_decimal_sign_of_the_training(tmp_path: Path) -> None:
    """Where their own beginning does not tell: 1,346 may be 1346."""
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f};{2 * x:.3f}".replace(".", ",") for x in rng.normal(0, 2, 80)]
    (tmp_path / "a.csv").write_text("x;y\n" + "\n".join(rows) + "\n")
    (tmp_path / "b.csv").write_text("x;y\n1,346;2,692\n1,250;2,500\n")
    run = library.tabular.fit_table(
        str(tmp_path / "a.csv"), "y", test=str(tmp_path / "b.csv"), epochs=1, folds=2, hidden=(4,), preset="fast",
        progress=False, backend="reference",
    )  # fmt: skip
    assert run.test["y"].to_list() == [2.692, 2.5]
    library.save(run.model, tmp_path / "m.safetensors")
    said = tmp_path / "out.csv"
    with pytest.raises(SystemExit) as end:
        main(["predict", str(tmp_path / "m.safetensors"), str(tmp_path / "b.csv"), "-o", str(said)])
    assert end.value.code == 0
    expected = run.model.predict(pl.DataFrame({"x": [1.346, 1.25]}))
    np.testing.assert_allclose(pl.read_csv(said)["prediction"].to_numpy(), np.asarray(expected).ravel(), rtol=1e-5)
    model = library.load(tmp_path / "m.safetensors")
    assert library.tabular.evaluate_table(model, str(tmp_path / "b.csv")).values["rmse"] > 0


@pytest.mark.parametrize("place", ["file", "standard input"])
def test_the_decimal_sign_is_kept_wherever_the_table_came_from(
    schuss: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    rows = [f"{x:.2f};{2 * x + 1:.2f}".replace(".", ",") for x in np.random.default_rng(0).normal(0, 2, 40)]
    (tmp_path / "a.csv").write_text("x;y\n" + "\n".join(rows) + "\n")
    (tmp_path / "b.csv").write_text("x;y\n1,346;3,692\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "a.csv").read_bytes())))
    model = tmp_path / "m.safetensors"
    asked = ["train", tmp_path / "a.csv" if place == "file" else "-", "--target", "y", *TINY, "--quiet", "--out", model]
    assert schuss(*asked, "--test", tmp_path / "b.csv", "--json").json["report"]["metrics"]["mae"]["value"] < 100
    assert library.load(model).signature.record["decimal"] == ","
    assert schuss("evaluate", model, tmp_path / "b.csv", "--json").json["metrics"]["mae"]["value"] < 100
