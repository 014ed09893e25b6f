"""What is shown of a table before its training: the reasons of its columns and target, with the options they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pl = pytest.importorskip("polars")
TINY = ["--preset", "fast", "--folds", "2", "--epochs", "1", "--hidden", "4"]
LONG = "the number of rooms that the house has in all of its storeys"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    a = rng.normal(size=90).round(2)
    frame = pl.DataFrame({"a": a, LONG: rng.integers(3, 9, 90), "visits": rng.binomial(4, 1 / (1 + np.exp(-a)))})
    frame.with_columns(spent=pl.col("visits") * 100 + rng.integers(0, 99, 90)).write_csv(tmp_path / "t.csv")
    return tmp_path / "t.csv"


@pytest.mark.parametrize(
    ("target", "task", "told"),
    [
        ("visits", [], "classification, 5 classes: 0, 1, 2, 3, 4; --task counts or --task regression if they are"),
        ("visits", ["--task", "classification"], "classification, 5 classes: 0, 1, 2, 3, 4\n"),
        ("visits", ["--task", "counts"], "counts, numbers of 5 values\n"),
        (
            "visits",
            ["--task", "regression"],
            "regression, numbers of 5 values; --task counts if they count something\n",
        ),
        ("visits", ["--loss", "quantile"], "quantiles, numbers of 5 values; --task counts if they count something\n"),
        ("spent", ["--loss", "gamma"], "amounts, numbers of "),
    ],
)
def test_the_task_is_told_with_others_that_may_be_meant(
    schuss: Any, place: Path, target: str, task: list[str], told: str
):
    asked = ["train", place, "--target", target, "--number", "a", *TINY, *task]
    assert f"\ntarget  {target}: {told}" in schuss(*asked).out
    assert schuss(*asked, "--json").json["task"] == told.partition(",")[0]


def test_whole_numbers_of_two_values_or_below_0_are_no_counts():
    from schuss.tabular.kinds import find_kinds
    from schuss.tabular.targets import find_target

    def reason(values: list[int]) -> str:
        frame = pl.DataFrame({"y": values * 20})
        return find_target(frame, ["y"], find_kinds(frame, ["y"])).reason

    assert reason([0, 1]) == "2 classes: 0, 1"
    assert reason([-1, 0, 1]) == "3 classes: -1, 0, 1; task='regression' if they are quantities"


@pytest.mark.parametrize("width", [80, 120])
def test_an_option_is_never_cut(schuss: Any, place: Path, monkeypatch: pytest.MonkeyPatch, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    model = place.with_name("m.safetensors")
    done = schuss("train", place, "--target", "visits", *TINY, "--out", model)
    for out in (done.out, schuss("info", model).out):
        lines = out.splitlines()
        (at,) = (i for i, line in enumerate(lines) if line.startswith("the number of rooms that ..."))
        assert lines[at].endswith("  integers 3 to 8, 6 values")
        assert lines[at + 1].strip() == f"--category '{LONG}' if they are codes"
    target = [line for line in done.out.splitlines() if "--task counts" in line]
    assert target[0].endswith("--task counts or --task regression if they are quantities")


def test_help_tells_what_is_of_tables_and_what_is_not(schuss: Any):
    from schuss.cli.tables.options import OF_NETWORKS, TRAINING

    text = " ".join(schuss("train", "--help").out.split())
    both, rest = text.split(" Not of tables: ")
    arrays, tables = rest.split(" Tables: ")
    for name, default in {"hidden": "256,128", "weight-decay": "0.0", "dropout": "0.1", "epochs": "10"}.items():
        own = both.partition(f" --{name} ")[2].partition(" --")[0]
        assert f"[default: ({default}; of a table its preset's)" in own
    assert "one that suits the optimizer, of a table its preset's." in both
    for names, part in ((OF_NETWORKS, arrays), (TRAINING, tables)):
        assert all(f"--{name.replace('_', '-')}" in part for name in names)
    for command in ("evaluate", "predict", "report"):
        assert "Not of tables" not in schuss(command, "--help").out


def test_what_ends_with_no_option_is_cut():
    from schuss.cli.tables.shown import fitted

    assert fitted("always 'one; two, or three of them'", 20) == ["always 'one; two,..."]
    assert fitted("3 levels; --drop x", 20) == ["3 levels; --drop x"]
    assert fitted("a long reason of many words; category=['x'] if so", 20) == [
        "a long reason of ...",
        "category=['x'] if so",
    ]
