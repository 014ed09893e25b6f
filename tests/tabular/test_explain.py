"""Partial dependence against its definition, Shapley values against all orders."""

from __future__ import annotations

import sys
from datetime import date
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from schuss.errors import DataError, UsageError
from schuss.tabular.explain import partial_dependence, shapley

pl = pytest.importorskip("polars")
ROWS = 80
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each test, whichever ran before."""
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(1))


def frame() -> Any:
    return pl.DataFrame(
        {
            "x": RNG.normal(size=ROWS),
            "n": RNG.integers(0, 5, ROWS),
            "level": RNG.choice(["a", "b", "b", None], ROWS).tolist(),
            "day": [date(2026, 1, 1 + int(d)) for d in RNG.integers(0, 28, ROWS)],
        },
        schema_overrides={"level": pl.Categorical},
    )


def predict(t: Any) -> np.ndarray:
    b = (t["level"].cast(pl.String) == "b").fill_null(False).to_numpy()
    return t["x"].to_numpy() * (1 + t["n"].to_numpy()) + 2.0 * b + 0.1 * t["day"].dt.day().to_numpy()


def two(t: Any) -> np.ndarray:
    return np.stack([predict(t), -2 * predict(t)], 1)


def by_hand(table: Any, **values: Any) -> np.ndarray:
    return predict(table.with_columns(**{k: pl.lit(v, table.schema[k]) for k, v in values.items()}))


@pytest.mark.parametrize("column", ["x", "n", "level", "day"])
def test_a_curve_is_what_the_rows_would_have_with_this_value(column: str) -> None:
    table = frame()
    found = partial_dependence(predict, table, column, points=7)
    (grid,) = found.grids
    assert grid.numeric == (column != "level")
    assert len(grid.values) == {"x": 7, "n": 5, "level": 3, "day": 7}[column]
    for i, value in enumerate(grid.values):
        np.testing.assert_allclose(found.curves[:, i], by_hand(table, **{column: value}))
    np.testing.assert_allclose(found.mean, found.curves.mean(0))
    assert found.rows.tolist() == list(range(ROWS))


def test_grids_are_quantiles_values_and_levels_the_most_frequent_first() -> None:
    table = frame()
    (grid,) = partial_dependence(predict, table, "x", points=5).grids
    np.testing.assert_allclose(grid.values, np.quantile(table["x"], np.linspace(0, 1, 5), method="nearest"))
    (grid,) = partial_dependence(predict, table, "n").grids
    assert grid.values.to_list() == [0, 1, 2, 3, 4]
    (grid,) = partial_dependence(predict, table, "level").grids
    assert grid.values[0] == "b"
    assert None in grid.values.to_list()
    gaps = table.with_columns(x=pl.when(pl.col("x") > 0).then("x"))
    assert partial_dependence(predict, gaps, "x", points=5).grids[0].values.null_count() == 0


def test_a_pair_is_a_map_and_outputs_come_last() -> None:
    table = frame()
    found = partial_dependence(two, table, ["x", "level"], rows=20, seed=1)
    assert found.curves.shape == (20, 12, 3, 2)
    assert found.mean.shape == (12, 3, 2)
    value = by_hand(table[found.rows], x=found.grids[0].values[3], level=found.grids[1].values[1])
    np.testing.assert_allclose(found.curves[:, 3, 1, 1], -2 * value)
    again = partial_dependence(two, table, ["x", "level"], rows=20, seed=1)
    assert np.array_equal(found.rows, again.rows)
    assert not np.array_equal(found.rows, partial_dependence(two, table, "x", rows=20, seed=2).rows)


def exactly(row: Any, background: Any) -> np.ndarray:
    """The mean over all orders and all rows of the background."""
    names = background.columns
    total = np.zeros(len(names))
    for order in permutations(range(len(names))):
        now = background
        before = predict(now)
        for at in order:
            now = now.with_columns(pl.lit(row[names[at]][0], background.schema[names[at]]).alias(names[at]))
            after = predict(now)
            total[at] += (after - before).mean()
            before = after
    return total / 24


def test_shapley_values_are_the_exact_ones_and_sum_to_the_difference() -> None:
    table = frame()
    row = table[:1].with_columns(x=2.0, n=pl.lit(4, pl.Int64))
    found = shapley(predict, row, table, rounds=1)
    assert found.groups == (("x",), ("n",), ("level",), ("day",))
    exact = exactly(row, table[np.sort(np.random.default_rng([0, 23]).permutation(ROWS)[:64])])
    np.testing.assert_allclose(found.values, exact)  # an order and its reverse are enough for pairs of columns
    some = table[np.sort(np.random.default_rng([0, 23]).permutation(ROWS)[:64])]
    days = some["day"].dt.day().to_numpy()
    assert found.spread[3] == pytest.approx(0.1 * np.std(days, ddof=1) / 8)
    np.testing.assert_allclose(found.values.sum(), found.prediction - found.baseline)
    assert found.prediction == pytest.approx(predict(row)[0])


def test_shapley_values_of_outputs_groups_and_few_rounds_are_efficient_too() -> None:
    table = frame()
    found = shapley(two, table[5:6], table, groups=[["x", "n"], ["level"]], rows=7, rounds=1, seed=4)
    assert found.values.shape == found.spread.shape == (2, 2)
    some = np.sort(np.random.default_rng([4, 23]).permutation(ROWS)[:7])
    # what is in no group stays as the background has it
    kept = [two(table[5:6].with_columns(day=table["day"][int(b)]))[0] for b in some]
    np.testing.assert_allclose(found.values.sum(0), np.mean(kept, 0) - two(table[some]).mean(0))
    np.testing.assert_allclose(found.values[:, 1], -2 * found.values[:, 0])
    np.testing.assert_allclose(found.prediction, np.mean(kept, 0))


def test_a_row_may_have_other_types_that_fit_and_is_refused_where_they_do_not() -> None:
    table = frame()
    row = pl.DataFrame({"x": [1], "n": [2.0], "level": ["new"], "day": [date(2025, 1, 1)]})
    found = shapley(predict, row, table, rows=9)
    np.testing.assert_allclose(found.values.sum(), found.prediction - found.baseline)
    with pytest.raises(DataError, match="column 'x' of the row holds 'much', which is no Float64"):
        shapley(predict, row.with_columns(x=pl.lit("much")), table)


def test_what_is_not_there_is_told() -> None:
    table = frame()
    with pytest.raises(DataError, match="there is no column 'z'"):
        partial_dependence(predict, table, "z")
    with pytest.raises(DataError, match="column 'empty' has no values"):
        partial_dependence(predict, table.with_columns(empty=pl.lit(None, pl.Float64)), "empty")
    with pytest.raises(UsageError, match="one column or two different ones"):
        partial_dependence(predict, table, ["x", "x"])
    with pytest.raises(DataError, match="there is no column 'day'"):
        shapley(predict, table[:1].drop("day"), table)
    with pytest.raises(UsageError, match="a frame of one row"):
        shapley(predict, table[:2], table)
