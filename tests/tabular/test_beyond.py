"""Rows unlike all that a model was trained on."""

from __future__ import annotations

from datetime import date

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
        "rows outside the range of the training: 2 of 5, in area (2), sold (2); the model's answers there are "
        "extrapolated",
        "rows without a value that every training row has: 1 of 5, in garden (1); the training's median counts there",
    ]
    parts = [beyond_training(model("kind"), part) for part in (odd.head(2), odd.tail(3))]
    assert parts[0] + parts[1] == found


def test_values_that_a_file_rounds_are_within() -> None:
    from schuss.tabular import fit_table

    rng = np.random.default_rng(0)
    third = rng.choice([1 / 3, 10 / 3], 200, p=[0.7, 0.3])  # of two values the file has moments, not the values
    frame = pl.DataFrame({"third": third, "x": rng.normal(size=200)}).with_columns(y=pl.col("third") + pl.col("x"))
    run = fit_table(frame, "y", folds=2, epochs=1, hidden=(4,), backend="reference", progress=False)
    assert beyond_training(run, frame).lines == []
    assert beyond_training(run, frame.with_columns(third=0.33)).outside.columns == {"third": 200}


def test_few_columns_are_named() -> None:
    from schuss.tabular.beyond import Odd

    odd = Odd(9, {f"c{i}": i + 1 for i in range(7)})
    assert odd.where == "c6 (7), c5 (6), c4 (5), c3 (4) and 3 more columns"
    assert Beyond(10, outside=odd).lines[0].startswith("rows outside the range of the training: 9 of 10, in c6 (7),")


def test_a_model_of_no_table() -> None:
    with pytest.raises(UsageError, match="beyond_training: the model is none of a table"):
        beyond_training(nn.Linear(2, 1), houses())
