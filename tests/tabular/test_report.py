"""The report of a table: what is one number over targets, each target by itself, and the verdict in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pl = pytest.importorskip("polars")
from schuss.tabular import evaluate_table, fit_table  # noqa: E402
from schuss.tabular.report import Judged, Line, Report, is_report, table_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* figures tell nothing of rows"
)  # rows that were trained on serve as well
ROWS = 150


def learned(frame: Any, target: Any, **given: Any) -> Any:
    small = {"preset": "fast", "folds": 2, "epochs": 30, "hidden": (8,), "progress": False, "backend": "reference"}
    return fit_table(frame, target, **{**small, **given})


def numbers(unit: float = 1.0) -> Any:
    rng = np.random.default_rng(0)
    a, b, noise = rng.normal(size=(3, ROWS))
    bent = unit * (np.sin(2 * a) + noise / 5)
    return pl.DataFrame({"a": a, "b": b, "bent": bent, "line": 5 * b + noise, "luck": rng.normal(size=ROWS)})


@pytest.fixture(scope="module")
def several() -> Any:
    return learned(numbers(1e4), ["bent", "line", "luck"])


def test_several_targets_are_judged_on_a_scale_of_their_own(several: Any):
    report, other = several.report, learned(numbers(1.0), ["bent", "line", "luck"]).report
    assert report.main == "scaled_rmse"
    assert [line.name for line in report.lines] == ["scaled_rmse", "scaled_mae", "r2"]
    for line, same in zip(report.lines, other.lines, strict=True):  # whatever unit a target is in
        assert (line.value, line.linear, line.trivial) == pytest.approx(
            (same.value, same.linear, same.trivial), rel=1e-3
        )
    assert report.line.trivial == pytest.approx(1)
    y, p = numbers(1e4).select("bent", "line", "luck").to_numpy(), several.model.predict(numbers(1e4))
    found = evaluate_table(several, numbers(1e4))
    error = np.sqrt(np.square(p - y).mean(0))
    assert found.values["scaled_rmse"] == pytest.approx((error / y.std(0)).mean())
    assert found.each["bent"]["rmse"] == pytest.approx(error[0])
    assert "errors are in standard deviations of each in training" in str(found)


def test_each_of_several_targets_stands_by_itself_in_its_own_units(several: Any):
    each = several.report.each
    assert {name: one.main for name, one in each.items()} == dict.fromkeys(["bent", "line", "luck"], "rmse")
    assert each["bent"].line.trivial == pytest.approx(numbers(1e4)["bent"].std(ddof=0), rel=1e-6)
    assert each["bent"].better
    assert not each["line"].better
    assert not each["luck"].learned
    whole = np.mean([one.line.value / one.line.trivial for one in each.values()])
    assert several.report.line.value == pytest.approx(whole)
    lines = str(several.report).splitlines()
    assert lines[0].endswith("(means over the 3 targets; errors are in standard deviations of each):")
    assert lines[6].split() == ["each", "by", "itself", "RMSE", "linear", "trivial", "MAE", "R2"]
    assert [line.split()[0] for line in lines[7:10]] == ["bent", "line", "luck"]
    assert lines[-1].startswith(
        "the networks earn their place: RMSE / deviation is lower than the linear model's by 0."
    )
    assert lines[-1].endswith("; nothing was learned of 'luck'; of 'line' a linear model does as well")


def test_parts_are_measured_as_the_report_is(several: Any):
    for run in (several, learned(numbers(1e4), "bent"), learned(numbers(1e4), "bent", quantiles=(0.1, 0.9))):
        assert run.parts[-1]["loss"] == pytest.approx(run.report.line.linear, rel=1e-5)


def test_a_report_is_read_again_from_its_json(several: Any):
    written = several.report.to_json()
    assert is_report(written)
    assert "\n".join(table_of(written)) == several.report.table
    assert not is_report({**written, "main": "mine"})
    assert not is_report({**written, "targets": {"bent": {}}})
    assert not is_report({**written, "metrics": {"rmse": {"value": "1"}}})


def test_of_noise_nothing_is_learned():
    rng = np.random.default_rng(1)
    frame = numbers().select("a", "b").with_columns(coin=pl.Series(rng.choice(["x", "y"], ROWS)))
    verdict = learned(frame, "coin").report.verdict
    assert verdict.startswith("nothing was learned beyond the same answer for all rows: log loss 0.")


# -- words --------------------------------------------------------------------------------------------------


def report(value: float, linear: float, trivial: float, error: float = 0.1, **more: Any) -> Report:
    line = Line("rmse", "RMSE", value, error, linear, trivial)
    return Report((line,), "rmse", value - linear, error, value - trivial, error, **more)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (report(10_000, 10_298, 20_000, 45), "the networks earn their place: RMSE is lower {by} 298 +- 45"),
        (report(9, 9.3, 20, 0.3), "a linear model does as well: RMSE is lower {by} 0.30 +- 0.30, which may be chance"),
        (report(2, 1.9, 9), "a linear model does as well: RMSE is higher {by} 0.10 +- 0.10, which may be chance"),
        (report(2, 2, 9), "a linear model does as well: RMSE is the same"),
        (report(2, 1, 9), "the linear model alone is better: RMSE is higher {by} 1.00 +- 0.10"),
        (report(2, 2, 9, 0.0, alone=True), "the model is the linear model, as no network made it better: RMSE 2"),
        (report(2.5, 2, 2), "nothing {learned}: RMSE 2.5, and 2 of that answer"),
        (report(1.9, 2, 2), "nothing {learned}: RMSE 1.9, and 2 of that answer; lower by 0.10 +- 0.10 may be chance"),
    ],
)
def test_the_verdict_is_a_sentence(given: Report, said: str):
    learned = "was learned beyond the same answer for all rows"
    assert given.verdict == said.format(by="than the linear model's by", learned=learned)


def test_targets_that_are_unlike_the_whole_are_named():
    whole = report(2, 1.95, 9)
    judged = {name: Judged(*(getattr(r, n) for n in Judged.__dataclass_fields__)) for name, r in
              {"a": report(1, 2, 9), "b": report(2, 2, 9), "c": report(9, 9, 9)}.items()}  # fmt: skip
    assert replace(whole, each=judged).verdict.endswith("; nothing was learned of 'c'; of 'a' the networks are better")


def test_of_few_rows_nothing_is_said():
    few = learned(numbers(), "bent", test=numbers()[:9], epochs=1).report
    assert few.verdict == "9 rows are too few to tell whether anything was learned"
    assert "too few" not in learned(numbers(), "bent", test=numbers()[:10], epochs=1).report.verdict


def test_a_model_that_is_the_linear_model_says_so():
    frame = numbers().select("a", "b", y=pl.col("a") + pl.col("b"))
    run = learned(frame, "y", lr=1e-9, epochs=1)
    assert run.parts[-1]["weight"] == 1.0
    assert run.report.verdict.startswith("the model is the linear model, as no network made it better: RMSE ")


def test_a_model_tells_what_it_is(several: Any, tmp_path: Any):
    import schuss

    said = repr(several.model)
    assert said.startswith("TableModel(predicts 'bent', 'line', 'luck' (regression) from 2 columns: 2 numbers; by ")
    for part in several.parts:
        if part["weight"] and "activation" in part:
            assert f"{part['weight']:.2g} {part['kind']} {part['activation']} 8" in said
    assert said.endswith(" numbers in parameters)")
    schuss.save(several.model, tmp_path / "m.safetensors")
    again = repr(schuss.load(tmp_path / "m.safetensors"))
    assert again.startswith(said.partition("; ")[0].replace("TableModel", "GraphModel"))


def test_each_place_of_a_row_has_its_column():
    from schuss.nn.holding import signature_of
    from schuss.tabular.places import places_of

    rng = np.random.default_rng(3)
    frame = numbers().with_columns(
        town=pl.Series(rng.choice(["x", "y", "z"], ROWS)),
        many=pl.Series(rng.choice([f"t{i}" for i in range(12)], ROWS)),
        day=pl.Series(np.datetime64("2024-01-01") + rng.permutation(ROWS)), garden=pl.Series(rng.random(ROWS) > 0.5),
    )  # fmt: skip
    frame = frame.with_columns(a=pl.when(pl.col("b") < 1).then("a"))
    columns = signature_of(learned(frame, "line", epochs=1).model).inputs[0].transform
    found, x = places_of(columns.prepared_by), columns.read(frame)
    every = {place: (name, what) for name, places in found.items() for place, what in places}
    assert sorted(every) == list(range(x.shape[1]))
    for place, (name, _) in every.items():  # another value of a column changes its own places alone
        other = columns.read(frame.with_columns(pl.col(name).shuffle(seed=1)))
        changed = np.flatnonzero((other != x).any(0))
        assert place in changed or np.ptp(x[:, place]) == 0
        assert {every[i][0] for i in changed} == {name}


@pytest.mark.parametrize(("loss", "main", "own"), [("mae", "scaled_mae", "mae"), ("huber", "huber", "huber")])
def test_other_losses_of_several_targets_are_scaled_too(loss: str, main: str, own: str):
    report = learned(numbers(1e4), ["bent", "line"], loss=loss, epochs=5).report
    assert (report.main, report.each["bent"].main) == (main, own)
    assert "errors are in standard deviations of each" in str(report)
    assert report.line.linear < 2  # of errors over deviations, not of 10,000
    whole = np.mean(
        [one.line.linear / (1 if own == "huber" else numbers(1e4)[n].std(ddof=0)) for n, one in report.each.items()]
    )
    assert report.line.linear == pytest.approx(whole)
