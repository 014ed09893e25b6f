"""Rows unlike all that a model was trained on."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

pytest.importorskip("polars")
pytest.importorskip("scipy")

import polars as pl

from schuss import nn
from schuss.errors import UsageError
from schuss.tabular import Beyond, beyond_training, evaluate_table
from tests.web.tables import houses, model

COLUMNS = ["area", "city", "garden", "sold"]


def test_rows_of_the_training_are_within() -> None:
    found = beyond_training(model("kind"), houses())
    assert found.lines == []
    assert str(found) == "all 120 rows are within what the training has seen"
    with pytest.warns(UserWarning, match="trained on"):
        assert evaluate_table(model("kind"), houses()).beyond == found


def test_levels_ranges_and_missing_values_are_counted() -> None:
    frame = houses().select(COLUMNS).head(5)
    odd = frame.with_columns(
        area=pl.Series([1e9, None, 100.0, float(houses()["area"].max()), float(houses()["area"].min()) - 0.1]),
        city=pl.Series(["chur", "bern", "chur", None, "bern"]),
        garden=pl.Series(["yes", None, "no", "yes", "yes"]),
        sold=pl.Series([date(1990, 1, 1), *frame["sold"].to_list()[1:4], date(2040, 1, 1)]),
    )
    found = beyond_training(model("kind"), odd)
    assert found.to_json() == {
        "levels": {"rows": 3, "columns": {"city": 3}},  # to be without one is one
        "outside": {"rows": 2, "columns": {"area": 2, "sold": 2}},
        "lacking": {"rows": 1, "columns": {"garden": 1}},  # the training lacks areas
    }
    assert found.lines == [
        "rows with a level that no training row has: 3 of 5, in city (3); the model has learned nothing of it",
        "rows outside the range of the training: 2 of 5, in area (2), sold (2); what the model says there "
        "rests on none, and goes little further than at the end",
        "rows without a value that every training row has: 1 of 5, in garden (1); the training's median counts there",
    ]
    parts = [beyond_training(model("kind"), part) for part in (odd.head(2), odd.tail(3))]
    assert parts[0] + parts[1] == found


def fitted(frame: pl.DataFrame, **more: Any) -> Any:
    from schuss.tabular import fit_table

    return fit_table(frame, "y", folds=2, epochs=1, hidden=(4,), backend="reference", progress=False, **more)


def normal(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"x": rng.normal(size=rows), "y": rng.normal(size=rows)})


@pytest.mark.parametrize("share", [0.5, 0.7])
@pytest.mark.parametrize(("low", "high"), [(0.0, 10.0), (1 / 3, 10 / 3), (1e15 + 1, 1e15 + 2)])
@pytest.mark.parametrize("missing", [0, 20])
def test_two_values_are_within(share: float, low: float, high: float, missing: int) -> None:
    """Of as many of each the median is neither, and stands for missing ones."""
    first = round(share * (200 - missing))
    two = [low] * first + [high] * (200 - missing - first) + [None] * missing
    frame = normal().with_columns(two=pl.Series(two))
    run = fitted(frame, number="two")
    assert beyond_training(run, frame).lines == []
    room = (high - low) / 100
    for beside in (low - room, high + room):
        if beside not in (low, high):
            assert beyond_training(run, frame.with_columns(two=beside)).outside.columns == {"two": 200}


def test_two_values_of_as_much_weight_are_within() -> None:
    frame = normal().with_columns(
        two=pl.Series([3.0] * 80 + [7.0] * 40 + [None] * 80), weight=pl.Series([1.0] * 80 + [2.0] * 40 + [1.0] * 80)
    )
    assert beyond_training(fitted(frame, weight="weight"), frame).lines == []


def test_rows_of_weight_0_do_not_count() -> None:
    frame = normal().with_columns(
        weight=pl.Series([0.0] + [1.0] * 100 + [2.0] * 99), x=pl.Series([50.0, *normal()["x"][1:]])
    )
    run = fitted(frame, weight="weight")
    within = beyond_training(run, frame)
    assert (within.lines, within.rows) == ([], 199)
    with pytest.warns(UserWarning, match="trained on 199 of its 199 rows"):
        assert evaluate_table(run, frame).beyond == within
    for more in (frame.drop("weight"), frame.with_columns(weight=None), frame.with_columns(weight=pl.lit("?"))):
        found = beyond_training(run, more)  # weights are not asked for
        assert (found.rows, found.outside.columns) == (200, {"x": 1})


def test_few_columns_are_named() -> None:
    from schuss.tabular.beyond import Odd

    odd = Odd(9, {f"c{i}": i + 1 for i in range(7)})
    assert odd.where == "c6 (7), c5 (6), c4 (5), c3 (4) and 3 more columns"
    assert Beyond(10, outside=odd).lines[0].startswith("rows outside the range of the training: 9 of 10, in c6 (7),")


def test_a_model_of_no_table() -> None:
    with pytest.raises(UsageError, match="beyond_training: the model is none of a table"):
        beyond_training(nn.Linear(2, 1), houses())
