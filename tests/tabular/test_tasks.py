"""Tasks and losses of tables, rows apart for the report and the blend, and what is measured of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

import schuss
from schuss import nn
from schuss.errors import DataError, UsageError

pl = pytest.importorskip("polars")
from schuss.tabular import evaluate_table, fit_table  # noqa: E402
from schuss.tabular.objectives import LOSSES, QUANTILES, Objective  # noqa: E402
from schuss.tabular.targets import find_target, like  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* figures tell nothing of rows"
)  # rows that were trained on serve as well
QUICK: dict[str, Any] = {
    "folds": 3, "epochs": 2, "hidden": (8,), "preset": "fast", "progress": False, "backend": "reference",
}  # fmt: skip


def table(rows: int = 200, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.normal(size=rows)
    noise = rng.normal(size=rows) / 2
    return pl.DataFrame(
        {
            "a": a,
            "b": b,
            "city": rng.choice([f"c{i}" for i in range(12)], rows),
            "value": 3 * a + noise,
            "other": 1000 + 50 * b + 20 * noise,
            "count": rng.poisson(np.exp(1 + a)),
            "amount": rng.gamma(4, np.exp(1 + a) / 4),
            "wet": np.where(a + noise > 0, "yes", "no"),
            "cold": np.where(b + noise > 0.3, "yes", "no"),
            "kind": rng.permutation(np.where(a > 0.8, "high", np.where(a < -0.8, "low", "mid"))),
            "w": rng.integers(1, 4, rows).astype(float),
        }
    )


def quick(frame: Any, target: Any, **more: Any) -> Any:
    return fit_table(frame, target, **QUICK | more)


def line(run: Any, name: str) -> Any:
    return next(line for line in run.report.lines if line.name == name)


# -- several labels -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled() -> Any:
    return quick(table().select("a", "b", "city", "wet", "cold"), ["wet", "cold"], epochs=20, hidden=(16,))


def test_several_columns_of_yes_and_no_are_labels(labelled: Any, tmp_path: Path):
    frame = table(100, seed=1)
    assert (labelled.target.task, labelled.target.names) == ("labels", ("wet", "cold"))
    schuss.save(labelled.model, tmp_path / "m.safetensors")
    for model in (labelled.model, schuss.load(tmp_path / "m.safetensors")):
        p, said = model.predict_proba(frame), model.predict(frame)
        assert p.shape == said.shape == (100, 2)
        np.testing.assert_array_equal(said, np.where(p > 0.5, "yes", "no"))
        said = p > 0.5
        y = frame.select(pl.col("wet", "cold") == "yes").to_numpy().astype(int)
        assert oracle.roc_auc_score(y, p) > 0.9
        found = evaluate_table(model, frame)
        assert found.values["log_loss"] == pytest.approx(
            np.mean([oracle.log_loss(y[:, i], p[:, i]) for i in (0, 1)]), rel=1e-4
        )
        assert found.each["cold"]["accuracy"] == pytest.approx((said[:, 1] == y[:, 1]).mean())
        assert found.values["exact"] == pytest.approx(oracle.accuracy_score(y, said))


def test_a_label_s_slope_is_that_of_its_probability(labelled: Any):
    from schuss.tabular.explainer import Explainer

    frame = table(20, seed=2)
    made = Explainer(labelled.model, frame)
    assert made.names == ("wet", "cold")
    np.testing.assert_allclose(made.predict(made.rows), labelled.model.predict_proba(frame), rtol=1e-5)
    row = made.rows[0]
    found = made.slopes(row, 1)
    p = made.predict(pl.concat([row.with_columns(b=pl.col("b") + h) for h in (-1e-3, 1e-3)]))[:, 1]
    slope = (p[1] - p[0]) / 2e-3
    assert found.moved["b"] / (row["b"][0] - made.typical["b"][0]) == pytest.approx(slope, rel=0.3)


def test_labels_are_reported_beside_a_linear_model_and_each_by_itself(labelled: Any):
    assert [line.name for line in labelled.report.lines][-1] == "exact"
    assert line(labelled, "log_loss").value < 0.8 * line(labelled, "log_loss").trivial
    assert set(labelled.report.each) == {"wet", "cold"}
    assert labelled.report.to_json()["targets"]["wet"]["metrics"]["roc_auc"]["value"] > 0.85
    assert labelled.model.signature.record["loss"] == "binary_cross_entropy"
    assert isinstance(labelled.model.signature.loss, nn.BCEWithLogitsLoss)


@pytest.mark.parametrize("rows", [("yes", "no"), (1, 0), (True, False), ("T", "F"), (1.0, 0.0), ("Oui", "NON")])
def test_labels_are_written_in_many_ways(rows: tuple[Any, Any]):
    frame = pl.DataFrame({"x": range(60), "p": [*rows] * 30, "q": [rows[0]] * 20 + [rows[1]] * 40})
    from schuss.tabular.kinds import find_kinds

    names = ["p", "q"]
    found = find_target(frame, names, find_kinds(frame, names))
    assert found.task == "labels"
    np.testing.assert_array_equal(found.y, np.stack([[1, 0] * 30, [1] * 20 + [0] * 40], 1))
    assert found.kind == {str: "str", bool: "bool", int: "int64", float: "int64"}[type(rows[0])]
    assert found.output().words == ((rows[::-1],) * 2 if found.kind == "str" else None)
    np.testing.assert_array_equal(like(found, frame[:5]).y, found.y[:5])
    with pytest.raises(DataError, match="the test row 1 is 'perhaps'; a label is yes or no"):
        like(found, pl.DataFrame({"p": [str(rows[0]), "perhaps"], "q": [str(rows[0])] * 2}))


# -- losses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "given", "main", "signed"),
    [
        ("value", {"loss": "mse"}, "rmse", nn.MSELoss()),
        ("value", {"loss": "mae"}, "mae", nn.L1Loss()),
        ("value", {"loss": "huber"}, "huber", None),
        ("count", {"loss": "poisson"}, "poisson_deviance", nn.PoissonNLLLoss(log_input=False)),
        ("count", {"task": "counts"}, "poisson_deviance", nn.PoissonNLLLoss(log_input=False)),
        ("amount", {"loss": "gamma"}, "gamma_deviance", nn.GammaNLLLoss(log_input=False)),
        ("value", {"loss": "quantile"}, "pinball", nn.QuantileLoss(q=QUANTILES)),
        ("value", {"quantiles": [0.7]}, "pinball", nn.QuantileLoss(q=(0.7,))),
        ("kind", {"loss": "focal"}, "log_loss", nn.FocalLoss()),
        ("kind", {}, "log_loss", nn.CrossEntropyLoss()),
        ("wet", {"loss": "binary_cross_entropy"}, "log_loss", nn.CrossEntropyLoss()),
        ("wet", {"loss": "bce"}, "log_loss", nn.CrossEntropyLoss()),
    ],
)
def test_a_loss_is_judged_by_its_own_metric_and_stands_in_the_signature(
    target: str, given: dict[str, Any], main: str, signed: Any
):
    frame = table().select("a", "b", target)
    run = quick(frame, target, epochs=1, folds=2, **given)
    assert run.report.main == main
    assert main in {line.name for line in run.report.lines}
    loss = run.model.signature.loss
    assert loss == signed if signed is not None else (loss.delta == pytest.approx(frame["value"].std(ddof=0)))
    found = evaluate_table(run, frame)
    assert found.metrics[0].name in found.values
    assert {m.name for m in found.metrics} == {line.name for line in run.report.lines}
    measured = schuss.evaluate(run.model, frame)
    assert measured == found.values
    assert f"{main}" in measured


def test_rows_apart_are_reported_beside_the_linear_model_too():
    """Of what is no line at all."""
    a = np.random.default_rng(0).uniform(-2, 2, 300)
    frame = pl.DataFrame({"a": a, "value": 4 * a**2})
    run = quick(frame[:200], "value", test=frame[200:], epochs=20)
    model, y = run.model, frame["value"][200:].to_numpy()
    x = model.signature.inputs[0].transform.read(frame[200:])
    found, linear = (
        np.sqrt(np.mean((p[:, 0] - y) ** 2)) for p in (model.answers(x), model.answers(x, len(model.parts)))
    )
    assert (line(run, "rmse").value, line(run, "rmse").linear) == pytest.approx((found, linear))
    assert found < linear / 2


def test_quantiles_never_cross():
    of = Objective("quantile", 3, quantiles=QUANTILES, center=(10.0,), scale=(2.0,))
    assert of.own_units(np.array([[1.0, 0.0, 2.0], [-1.0, 0.5, 0.25]])).tolist() == [[10, 12, 14], [8, 10.5, 11]]


def test_hubers_loss_of_a_file_is_that_of_the_report():
    frame = table().select("a", "b", "value")
    run = quick(frame[:150], "value", loss="huber", test=frame[150:])
    assert evaluate_table(run, frame[150:]).values["huber"] == pytest.approx(line(run, "huber").value)


def test_hubers_loss_of_targets_in_unlike_units_has_a_bend_for_each(tmp_path: Path):
    """Where errors are a deviation of each; as it is recorded, and measured of (x, y)."""
    frame = table().select("a", "b", "value", small=pl.col("other") / 1e5)
    run = quick(frame, ["value", "small"], loss="huber", epochs=1)
    y = frame.select("value", "small").to_numpy()
    bends = y.std(0)
    schuss.save(run.model, tmp_path / "m.safetensors")
    for model in (run.model, schuss.load(tmp_path / "m.safetensors")):
        loss = nn.known_loss(model.signature.loss)
        assert loss.delta == pytest.approx(bends)
        error = abs(model.predict(frame) - y)
        each = np.where(error <= bends, error**2 / 2, bends * (error - bends / 2))
        found = schuss.evaluate(model, (frame.drop("value", "small"), y))["loss"]
        assert found == pytest.approx(each.mean(), rel=1e-4)


def test_hubers_loss_of_several_targets_is_the_same_from_a_file(tmp_path: Path):
    frame = table().select("a", "b", "value", "other")
    run = quick(frame, ["value", "other"], loss="huber", epochs=1)
    schuss.save(run.model, tmp_path / "m.safetensors")
    again = schuss.load(tmp_path / "m.safetensors")
    y, p = frame.select("value", "other").to_numpy(), run.model.predict(frame)
    e = np.abs(y - p) / y.std(0)
    expected = np.where(e <= 1, e**2 / 2, e - 0.5).mean()
    for model in (run.model, again):
        assert evaluate_table(model, frame).values["huber"] == pytest.approx(expected)
        assert schuss.evaluate(model, frame)["huber"] == pytest.approx(expected)
    assert schuss.evaluate(run.model, (frame, y)) == schuss.evaluate(again, (frame, y))


def test_weights_are_found_but_for_blanks():
    frame = table().select("a", "value", "w")
    run = quick(frame, "value", weight="w", epochs=1)
    blank = evaluate_table(run.model, frame.rename({"w": " w", "value": "value "}))
    assert blank.weighted == "w"
    assert blank.values == evaluate_table(run.model, frame).values


def test_a_loss_of_numbers_says_the_task():
    frame = table().select("a", pl.col("count").clip(0, 9))
    assert quick(frame, "count", epochs=1).target.task == "classification"
    assert quick(frame, "count", epochs=1, loss="poisson").target.task == "regression"


@pytest.mark.parametrize(
    ("target", "given", "kind", "message"),
    [
        ("value", {"loss": "poisson"}, DataError, r": is -.* in t\.csv line \d+; loss 'poisson' takes numbers at"),
        ("count", {"loss": "gamma"}, DataError, r": is 0 in t\.csv line \d+; loss 'gamma' takes numbers above 0"),
        ("value", {"loss": "cross_entropy"}, UsageError,
         r"'cross_entropy' is for classification, and the target was taken as regression .*t\.csv line 2 is "),
        ("city", {"loss": "mse"}, DataError, r"is a category, and regression needs numbers: t\.csv line 2 is 'c"),
        ("kind", {"loss": "binary_cross_entropy"}, UsageError, "is of two classes, and there are 3: take cross"),
        (["wet", "cold"], {"loss": "mse"}, DataError, "'wet': is a category, and regression needs numbers"),
        (["wet", "cold"], {"loss": "cross_entropy"}, UsageError,
         r"was taken as labels \(2 labels, each yes or no\): take binary_cross_entropy$"),
        ("kind", {"loss": "mse", "task": "classification"}, UsageError,
         r"\(3 classes: high, low, mid\): take cross_entropy, binary_cross_entropy or focal$"),
        (["wet", "kind"], {}, DataError,
         r"^several targets are all numbers, or all labels, each yes or no: 'wet' is classes \('(yes|no)' in t\.csv "
         r"line 2\), 'kind' is classes \('\w+' in t\.csv line 2\); train a model for each, or give a column of"),
        (["value", "kind"], {"loss": "mae"}, DataError,
         r"^several .*: 'kind' is classes \('\w+' in t\.csv line 2\), 'value' is numbers; train a model for each"),
        (["wet", "kind"], {"task": "labels"}, DataError, r"target 'kind': t\.csv line 2 is '.*'; a label is yes or no"),
        ("wet", {"task": "labels"}, DataError, "target 'wet' is one; labels are several"),
        (["value", "other"], {"loss": "poisson"}, DataError, r"target 'value', 'other': is -.* in t\.csv line \d+"),
        (["other", "amount"], {"loss": "gamma"}, UsageError, "loss 'gamma' is of one target"),
        ("count", {"task": "counts", "loss": "mse"}, UsageError, "task 'counts' is learned by loss 'poisson'"),
        (["wet", "cold"], {"class_weight": "balanced"}, UsageError, "class_weight: the target is labels"),
        ("value", {"seed": -1}, UsageError, "seed must be a whole number between 0"),
        ("value", {"folds": 1}, UsageError, "folds must be a whole number of at least 2, got 1"),
        ("value", {"target_missing": "mean"}, UsageError, "target_missing must be"),
        ("wet", {"class_weight": {"yes": 0}}, UsageError, "class_weight: that of 'yes' is 0; give positive numbers"),
        ("wet", {"class_weight": {"yes": "x"}}, UsageError, "class_weight: that of 'yes' is 'x'; give positive"),
        ("value", {"test": "none.csv"}, DataError, "none.csv: no such file"),
        ("value", {"quantiles": 0.5}, UsageError, r"quantiles must lie .*, as \(0.1, 0.5, 0.9\); got 0.5"),
        ("value", {"quantiles": ("a",)}, UsageError, r"quantiles must lie .*; got \('a',\)"),
        ("value", {"quantiles": []}, UsageError, r"quantiles must lie .*; got \[\]"),
        ("value", {"dropout": -0.1}, UsageError, r"fit_table: dropout must be a number in \[0, 1\), got -0.1"),
        ("value", {"epochs": 0}, UsageError, "fit_table: epochs must be a whole number of at least 1, got 0"),
        ("value", {"hidden": 8}, UsageError, "hidden must be whole numbers of at least 1, .*, got 8"),
        ("value", {"lr": 0}, UsageError, "fit_table: lr must be a positive number, got 0"),
        ("value", {"weight_decay": -1}, UsageError, "fit_table: weight_decay must be a number of at least 0, got -1"),
        ("value", {"hidden": (8, 0)}, UsageError, r"hidden must be whole numbers of at least 1, .*, got \(8, 0\)"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(target: Any, given: dict[str, Any], kind: type[Exception], message: str):
    with pytest.raises(kind, match=message):
        fit_table(table(60), target, progress=False, where=lambda row: f"t.csv line {row + 2}", **given)


def test_a_folder_of_another_training_is_told(tmp_path: Path):
    frame = table().select("a", "value")
    quick(frame, "value", checkpoint=tmp_path, epochs=1)
    with pytest.raises(UsageError, match="use the same settings and data, or give another file or folder for the ch"):
        quick(frame.reverse(), "value", checkpoint=tmp_path, epochs=1)


# -- rows apart -----------------------------------------------------------------------------------------------


def test_validation_rows_weigh_the_parts_and_are_reported():
    frame = table().select("a", "b", "city", pl.col("value") + 9 * (2 * pl.col("a")).sin(), "w")
    given = {"validation": frame[150:], "weight": "w", "epochs": 40, "hidden": (16,)}
    run = quick(frame[:150], "value", **given)
    assert run.folds is None
    assert run.model.parts  # no linear model alone
    assert run.report.where == "50 validation rows, by which the parts are weighed"
    found = evaluate_table(run, frame[150:])
    for own in run.report.lines:
        assert own.value == pytest.approx(found.values[own.name], rel=1e-5)
    assert run.model.weights.sum() == pytest.approx(1)
    assert run.held.importance()[0].columns == ("a",)
    members = run.model.linear.dense.weight.data
    assert len(members) == 3
    np.testing.assert_array_equal(members[0], members[1])
    ridge = line(run, "rmse").linear
    for network in run.model.parts:
        first, second = network.last.weight.data[:2]
        assert not np.array_equal(first, second)
    again = quick(frame[:150], "value", **given, threads=1)
    np.testing.assert_array_equal(run.model.predict(frame), again.model.predict(frame))
    assert line(again, "rmse").linear == ridge


def test_a_share_for_validation_is_of_the_rows_that_are_trained_on():
    frame = table().with_columns(day=pl.Series(range(200)) / 2)
    run = quick(frame.select("a", "day", "value"), "value", validation=0.25, test=0.2, epochs=1)
    assert (len(run.validation), len(run.test)) == (40, 40)
    assert run.report.where == "40 rows held out"
    late = quick(frame.select("a", "day", "value"), "value", validation=0.25, time="day", epochs=1)
    assert late.test["day"].min() > late.validation["day"].max()
    assert (len(late.validation), len(late.test)) == (40, 40)
    grouped = quick(frame.select("a", "city", "value"), "value", validation=0.3, group="city", epochs=1)
    assert 0 < grouped.validation["city"].n_unique() < 12


def test_classes_of_validation_rows(labelled: Any):
    frame = table().select("a", "b", "kind")
    run = quick(frame, "kind", validation=0.3, class_weight="balanced", epochs=1)
    assert run.target.classes == 3
    assert "60 validation rows" in str(run.report)
    two = quick(table().select("a", "b", "wet", "cold"), ["wet", "cold"], validation=0.3, epochs=1)
    assert two.report.where.startswith("60 validation rows")


def test_a_file_is_read_wherever_rows_are_asked_for(tmp_path: Path):
    frame = table().select("a", "b", "value")
    for name, rows in (("train", frame[:120]), ("valid", frame[120:160]), ("test", frame[160:])):
        rows.write_csv(tmp_path / f"{name}.csv")
    given = {"validation": str(tmp_path / "valid.csv"), "test": tmp_path / "test.csv", "epochs": 1}
    one = quick(str(tmp_path / "train.csv"), "value", **given)
    two = quick(frame[:120], "value", validation=frame[120:160], test=frame[160:], epochs=1)
    np.testing.assert_array_equal(one.model.predict(frame), two.model.predict(frame))
    assert one.report == two.report
    assert schuss.evaluate(one.model, str(tmp_path / "test.csv")) == pytest.approx(
        {own.name: own.value for own in one.report.lines}
    )
    (tmp_path / "test.csv").write_text("a,b,value\n1,2,3\n1,x,3\n")
    with pytest.raises(DataError, match=r"test.csv line 3, column b: 'x' is no number"):
        quick(str(tmp_path / "train.csv"), "value", **given)


def test_a_test_frame_is_weighted_as_the_training_is():
    frame = table().select("a", "b", "value", "w")
    run = quick(frame[:150], "value", weight="w", test=frame[150:])
    y, p = frame[150:]["value"].to_numpy(), run.model.predict(frame[150:])
    expected = oracle.root_mean_squared_error(y, p, sample_weight=frame[150:]["w"].to_numpy())
    assert line(run, "rmse").value == pytest.approx(expected)
    found = evaluate_table(run, frame[150:])
    assert (found.weighted, found.values["rmse"]) == ("w", pytest.approx(expected))
    plain = evaluate_table(run, frame[150:].drop("w"))
    assert (plain.weighted, plain.values["rmse"]) == (None, pytest.approx(oracle.root_mean_squared_error(y, p)))
    with pytest.raises(DataError, match="the test has no column 'w', the weight"):
        quick(frame[:150], "value", weight="w", test=frame[150:].drop("w"))
    bad = frame[150:].with_columns(w=pl.Series([1.0, 1.0, -1.0] + [1.0] * 47))
    with pytest.raises(DataError, match="the test row 2 is -1"):
        quick(frame[:150], "value", weight="w", test=bad)


def test_class_weights_have_no_part_in_what_is_measured():
    frame = table().with_columns(rare=pl.Series(["yes"] * 20 + ["no"] * 180)).select("a", "b", "rare")
    run = quick(frame, "rare", class_weight="balanced", epochs=1)
    assert line(run, "accuracy").trivial == pytest.approx(0.9)
    assert line(run, "log_loss").trivial == pytest.approx(oracle.log_loss([1] * 20 + [0] * 180, [0.1] * 200))
    plain = quick(frame, "rare", epochs=1)
    assert run.model.predict_proba(frame)[:, 1].mean() > plain.model.predict_proba(frame)[:, 1].mean() + 0.1


def test_a_row_has_its_own_weight_times_its_class_s():
    frame = table().select("a", "b", "wet", "w")
    one = quick(frame, "wet", weight="w", class_weight={"yes": 3.0}, epochs=1)
    both = frame.with_columns(w=pl.col("w") * pl.when(pl.col("wet") == "yes").then(3.0).otherwise(1.0))
    other = quick(both, "wet", weight="w", epochs=1)
    np.testing.assert_array_equal(one.model.predict_proba(frame), other.model.predict_proba(frame))


@pytest.mark.parametrize(("loss", "target", "wrong"), [("poisson", "count", -1), ("gamma", "amount", 0)])
def test_rows_apart_are_checked_as_those_trained_on(loss: str, target: str, wrong: float):
    frame = table().select("a", target)
    bad = frame[:5].with_columns(pl.lit(wrong).cast(frame[target].dtype).alias(target))
    for name in ("test", "validation"):
        with pytest.raises(DataError, match=rf"is {wrong} in the {name} row 0; loss '{loss}' takes numbers"):
            quick(frame, target, loss=loss, **{name: bad})
    run = quick(frame, target, loss=loss, epochs=1, folds=2)
    with pytest.raises(DataError, match=f"is {wrong} in the table row 0"):
        evaluate_table(run, bad)


def test_rows_held_out_that_weigh_nothing_are_told_before_the_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("schuss.tabular.training.learn", None)
    frame = table().select("a", "b", "value").with_columns(t=pl.int_range(200), w=(pl.int_range(200) < 150).cast(int))
    for more in ({"test": 0.2}, {"validation": 0.2}, {"test": 0.1, "validation": 0.1}):
        with pytest.raises(DataError, match=r"weight: column 'w' is 0 in all .* rows of the (test|validation)"):
            quick(frame, "value", time="t", weight="w", **more)
    none = frame.with_columns(w=1 - pl.col("w"))
    with pytest.raises(DataError, match="weight: column 'w' is 0 in all 120 rows of the training"):
        quick(none, "value", time="t", weight="w", test=0.4)


def test_what_is_missing_apart_is_told_before_the_training():
    frame = table().select("a", "b", "value")
    for name in ("test", "validation"):
        for bad, message in (
            (frame[:0], f"the {name} has no rows"),
            (frame.drop("value"), f"the {name} has no column 'value', the target"),
            (frame.drop("b"), f"the {name}: lacks 'b', which the model was trained on"),
        ):
            with pytest.raises(DataError, match=message):
                quick(frame, "value", begin=lambda training: pytest.fail("it began"), **{name: bad})


def test_rows_without_a_target_are_dropped_if_asked():
    frame = table().select("a", "b", pl.when(pl.col("a") < 1).then("value").alias("value"))
    gone = frame["value"].null_count()
    first = int(frame["value"].is_null().arg_max() or 0)
    with pytest.raises(
        DataError, match=rf"{gone} of 200 rows have none, the first is the table row {first}; .*target_missing='drop'"
    ):
        quick(frame, "value")
    run, whole = quick(frame, "value", target_missing="drop"), quick(frame.drop_nulls(), "value")
    np.testing.assert_array_equal(run.model.predict(frame), whole.model.predict(frame))
    assert run.report == whole.report
    found = evaluate_table(run, frame, target_missing="drop")
    assert len(found.y) == 200 - gone
    with pytest.raises(DataError, match="target_missing='drop'"):
        evaluate_table(run, frame)
    tested = quick(frame.drop_nulls(), "value", test=frame, target_missing="drop", epochs=1)
    assert f"{200 - gone} rows held out" in str(tested.report)
    none = frame.with_columns(value=pl.lit(None, pl.Float64))
    with pytest.raises(DataError, match="the test has no row with a value"):
        quick(frame.drop_nulls(), "value", test=none, target_missing="drop")
    run = quick(table().select("a", "kind"), "kind", epochs=1)
    with pytest.raises(DataError, match=r"the table row 1 is 'x', which no training row"):
        evaluate_table(run, pl.DataFrame({"a": [1.0, 2.0], "kind": [None, "x"]}), target_missing="drop")


# -- targets that are written in their own way ----------------------------------------------------------------


def test_classes_that_are_numbers_in_disguise_are_known_again(tmp_path: Path):
    a = np.random.default_rng(0).normal(size=120)
    frame = pl.DataFrame({"a": a, "rate": np.where(a > 0.5, "10 %", np.where(a < -0.5, "20 %", "5 %"))})
    run = quick(frame[:90], "rate", test=frame[90:], epochs=1)
    assert run.target.names == ("5", "10", "20")
    frame.write_csv(tmp_path / "t.csv")
    assert len(evaluate_table(run, tmp_path / "t.csv").y) == 120
    assert set(run.model.predict(frame)) <= {"5", "10", "20"}
    halves = pl.DataFrame({"a": a, "half": np.where(a > 0, 0.5, 1.5)})
    found = quick(halves[:90], "half", task="classification", test=halves[90:], epochs=1)
    assert found.target.names == ("0.5", "1.5")


# -- groups and times -----------------------------------------------------------------------------------------


def test_a_running_number_is_a_time():
    frame = table().select("a", "value").with_columns(nr=pl.Series(range(200, 0, -1)))
    run = quick(frame, "value", time="nr", epochs=1)
    assert sorted(run.test["nr"]) == list(range(161, 201))
    assert run.kinds["nr"].name == "id"


def test_a_class_that_no_row_trained_on_has_is_an_error():
    frame = table().select("a", kind=pl.Series(["low", "mid"] * 100)).with_columns(t=pl.Series(range(200)), w=pl.lit(1))
    late = frame.with_columns(kind=pl.when(pl.col("t") > 195).then(pl.lit("new")).otherwise("kind"))
    for more in ({}, {"test": 0.1}, {"validation": 0.3, "test": late[:50]}):
        told = r"class 'new' has no row that is trained on, of 4, the first the table row 196: they are held out; hold"
        with pytest.raises(DataError, match=told):
            quick(late, "kind", time="t", **more)
    none = late.with_columns(w=(pl.col("t") <= 195).cast(pl.Int64))
    with pytest.raises(DataError, match=r"class 'new' has no row .*: their weight is 0; give them a weight, or leave"):
        quick(none, "kind", weight="w")
    assert quick(late.filter(pl.col("kind") != "new"), "kind", time="t", epochs=1).target.names == ("low", "mid")


def test_a_class_that_blocks_in_time_lack_is_told():
    frame = table().select("a", kind=pl.Series(["low", "mid"] * 100)).with_columns(t=pl.Series(range(200)))
    early = frame.with_columns(kind=pl.when(pl.col("t") < 5).then(pl.lit("old")).otherwise("kind"))
    told = "class 'old' has rows in 1 of 3 folds only, and one fold's training part has none: the table row 0"
    with pytest.warns(UserWarning, match=told):
        quick(early, "kind", time="t", epochs=1)


def test_what_is_no_time_and_no_group_is_told():
    frame = table().select("a", "city", "value")
    with pytest.raises(UsageError, match=r"column 'city' was taken as category .*neither .*date=\{'city': "):
        quick(frame, "value", time="city")
    times = frame.with_columns(t=pl.Series([1.5, None, *range(198)]))
    said = r"time: 1 row has none in column 't', the first is t\.csv line 3; .*: time_missing='drop'"
    with pytest.raises(DataError, match=said):
        quick(times, "value", time="t", where=lambda row: f"t.csv line {row + 2}")
    run, whole = (quick(f, "value", time="t", time_missing="drop", epochs=1) for f in (times, times.drop_nulls()))
    assert run.report == whole.report
    np.testing.assert_array_equal(run.model.predict(times), whole.model.predict(times))
    with pytest.raises(DataError, match="all rows are of one group"):
        quick(frame.with_columns(g=pl.lit("x")), "value", group="g")
    missing = frame.with_columns(g=pl.Series([None, "NA", *(f"g{i % 9}" for i in range(198))]))
    with pytest.warns(UserWarning, match="2 rows have none in column 'g': they are taken for one group"):
        quick(missing, "value", group="g", epochs=1)


def test_a_run_is_one_line():
    run = quick(table().select("a", "value"), "value", epochs=1)
    assert repr(run).startswith("TableRun('value': regression, fast, RMSE ")
    assert "\n" not in repr(run)
    with pytest.warns(UserWarning, match="4 rows make 4 folds, not 8"):
        assert quick(table(4).select("a", "value"), "value", epochs=1, folds=8).folds == 4


def test_texts_that_are_missing_by_column():
    frame = table().select("a", pl.col("b").cast(pl.String), (pl.col("kind") == "high").cast(pl.Int64).alias("y"))
    odd = frame.with_columns(b=pl.when(pl.col("a") > 1).then(pl.lit("gone")).otherwise("b"))
    run = quick(odd, "y", missing={"b": ["gone"], "a": ["0"]}, epochs=1)
    assert run.kinds["b"].name == "number"
    assert run.target.names == ("0", "1")
    blank = quick(odd.rename({"b": " b"}), "y", missing={"b": ["gone"]}, epochs=1)  # as all other names are found
    assert blank.kinds["b"].name == "number"
    with pytest.raises(UsageError, match="missing: the table has no column 'c'"):
        quick(odd, "y", missing={"c": ["gone"]})


def test_the_command_offers_the_losses_there_are():
    from schuss.cli.tables.options import LOSSES as OFFERED

    assert set(OFFERED) == set(LOSSES)
