"""Importance of columns and groups of them, what goes together, and columns that give the target away."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from schuss.errors import DataError, UsageError
from schuss.tabular.association import associations, codes_of, column_groups
from schuss.tabular.importance import Importance, permutation_importance
from schuss.tabular.leaks import find_leaks, warn_of_leaks

pl = pytest.importorskip("polars")
ROWS = 600
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each test, whichever ran before."""
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(1))


def frame() -> Any:
    x = RNG.normal(size=ROWS)
    level = RNG.choice(list("abc"), ROWS)
    return pl.DataFrame(
        {
            "x": x,
            "like x": np.exp(x) + 0.001 * RNG.random(ROWS),
            "noise": RNG.integers(0, 100, ROWS),
            "level": level,
            "same level": [{"a": "red", "b": "green", "c": None}[v] for v in level],
            "other": RNG.choice(["yes", "no"], ROWS),
            "yes": RNG.random(ROWS) < 0.5,
        }
    )


@pytest.mark.parametrize("levels", [["b", "a", None, "", "ä", "10", "9"], ["x"], [None], []])
def test_codes_are_the_places_among_the_sorted_levels(levels: list[str | None]) -> None:
    column = pl.Series((levels * 3)[::-1], dtype=pl.String)
    places = {level: i for i, level in enumerate(sorted(set(levels), key=lambda t: (t is not None, t)))}
    for given in (column, column.cast(pl.Categorical)):
        assert codes_of(given).tolist() == [places[level] for level in column]
    assert codes_of(pl.Series([2.5, None, float("nan"), 2.5, -1.0])).tolist() == [2, 0, 3, 2, 1]


def test_columns_that_go_together_are_a_group() -> None:
    table = frame()
    assert column_groups(table) == [["x", "like x"], ["noise"], ["level", "same level"], ["other"], ["yes"]]
    found = associations(table)
    assert np.array_equal(found, found.T)
    expected = spearmanr(table["x"], table["noise"]).statistic
    assert found[0, 2] == pytest.approx(abs(expected))
    assert found[3, 4] == pytest.approx(1)
    assert found[3, 5] < 0.15


def test_a_number_and_a_category_go_together_where_levels_order_it() -> None:
    x = RNG.normal(size=ROWS)
    table = pl.DataFrame({"x": x, "bin": [str(v) for v in np.digitize(x, [-1, 0, 1])], "id": map(str, range(ROWS))})
    found = associations(table)
    assert found[0, 1] > 0.9
    assert found[0, 2] == found[1, 2] == 0  # a level a row says nothing
    assert associations(pl.DataFrame({"x": x, "constant": [1.0] * ROWS, "none": [None] * ROWS}))[0, 1:].tolist() == [
        0,
        0,
    ]


def test_a_number_that_is_missing_has_the_middle_rank() -> None:
    x, z = RNG.normal(size=ROWS), RNG.normal(size=ROWS)
    z[: ROWS // 2] += x[: ROWS // 2]
    gone = np.arange(ROWS) % 5 == 0
    ranks = rankdata(x[~gone])
    filled = np.full(ROWS, ranks.mean())
    filled[~gone] = ranks
    expected = abs(np.corrcoef(filled, rankdata(z))[0, 1])
    for missing in (None, float("nan")):
        column = pl.Series([missing if g else v for g, v in zip(gone, x, strict=True)])
        assert associations(pl.DataFrame({"x": column, "z": z}))[0, 1] == pytest.approx(expected)


def test_many_levels_that_say_nothing_go_with_nothing() -> None:
    many = [RNG.integers(0, 30, ROWS).astype(str).tolist() for _ in range(2)]
    found = associations(pl.DataFrame({"a": many[0], "b": many[1], "x": RNG.normal(size=ROWS)}))
    assert found[np.triu_indices(3, 1)].max() < 0.15  # 0.22 by chance, if that were not taken off


def test_of_many_columns_each_is_alone() -> None:
    many = pl.DataFrame({f"c{i}": [1.0, 2.0] for i in range(301)})
    assert column_groups(many) == [[name] for name in many.columns]


def predict(table: Any) -> np.ndarray:
    return table["x"].to_numpy() + 3.0 * (table["level"] == "a").to_numpy()


def mse(y: Any, p: Any, w: Any) -> Any:
    return w @ np.square(y - p) / w.sum(-1)


def test_importance_is_twice_the_variance_of_what_is_shuffled() -> None:
    table = frame()
    y = predict(table) + RNG.normal(size=ROWS)
    found = permutation_importance(predict, table, y, mse, groups=[[c] for c in table.columns], repeats=20)
    assert [one.columns for one in found[:2]] == [("level",), ("x",)]
    assert found[0].mean == pytest.approx(2 * np.var(3.0 * (table["level"] == "a").to_numpy()), rel=0.15)
    assert found[1].mean == pytest.approx(2 * np.var(table["x"].to_numpy()), rel=0.15)
    assert all(one.mean == 0 == one.error for one in found[2:])
    again = permutation_importance(predict, table, y, mse, groups=[["x"]], repeats=20)[0]
    assert np.array_equal(again.rises, found[1].rises)
    other = permutation_importance(predict, table, y, mse, groups=[["x"]], repeats=20, seed=1)[0]
    assert not np.array_equal(other.rises, again.rises)


def test_the_error_of_an_importance_is_of_rows_and_shuffles() -> None:
    def drawn(seed: int) -> Any:
        own = np.random.default_rng(seed)
        table = pl.DataFrame({"x": own.normal(size=200), "level": own.choice(list("abc"), 200)})
        y = predict(table) + own.normal(size=200)
        return permutation_importance(predict, table, y, mse, groups=[["x"]], repeats=3, seed=seed)[0]

    found = [drawn(seed) for seed in range(60)]
    true = np.std([one.mean for one in found], ddof=1)  # of other rows, shuffled anew
    assert np.mean([one.error for one in found]) == pytest.approx(true, rel=0.35)
    assert np.mean([one.rises.std(ddof=1) / 3**0.5 for one in found]) < 0.6 * true
    assert found[0].error > found[0].by_rows > 0
    assert Importance(("x",), np.array([1.0, 3.0]), 0.5).error == pytest.approx(np.hypot(0.5, 1.0))
    single = permutation_importance(predict, frame(), predict(frame()), mse, groups=[["x"]], repeats=1)[0]
    assert single.error == single.by_rows > 0


def test_columns_of_a_group_are_shuffled_together() -> None:
    table = frame()

    def difference(t: Any) -> np.ndarray:
        return np.log(t["like x"].to_numpy()) - t["x"].to_numpy()

    found = permutation_importance(difference, table, difference(table), mse)
    both = next(one for one in found if "x" in one.columns)
    assert both.columns == ("x", "like x")
    apart = permutation_importance(difference, table, difference(table), mse, groups=[["x"]])[0]
    assert both.mean < 0.1 < 1 < apart.mean


def test_what_cannot_be_shuffled_is_refused() -> None:
    table = frame()
    with pytest.raises(DataError, match="there is no column 'z'"):
        permutation_importance(predict, table, predict(table), mse, groups=[["z"]])
    with pytest.raises(UsageError, match="repeats must be at least 1"):
        permutation_importance(predict, table, predict(table), mse, repeats=0)
    with pytest.raises(DataError, match="cannot be shuffled"):
        permutation_importance(predict, table[:1], predict(table[:1]), mse)


def test_a_column_that_gives_a_class_away_is_told() -> None:
    table, y = frame(), RNG.integers(0, 2, ROWS)
    assert find_leaks(table, y, classes=2) == []
    leaking = table.with_columns(paid=pl.Series(np.where(y == 1, RNG.random(ROWS) + 1, 0.0)))
    (leak,) = find_leaks(leaking, y, classes=2)
    assert (leak.column, leak.measure) == ("paid", "ROC AUC")
    assert leak.score > 0.999
    with pytest.warns(UserWarning, match=r"column 'paid' alone predicts the target, ROC AUC .* drop=\['paid'\]"):
        warn_of_leaks(leaking, y, classes=2)
    three = RNG.integers(0, 3, ROWS)
    (leak,) = find_leaks(table.with_columns(code=pl.Series([f"k{v}" for v in three])), three, classes=3)
    assert leak.column == "code"


def test_a_column_that_gives_a_number_away_is_told_in_any_unit_and_with_a_little_noise() -> None:
    table = frame()
    y = np.exp(RNG.normal(size=ROWS) * 2)
    assert find_leaks(table, y) == []
    for name, values in {"log": np.log(y), "rounded": np.round(np.log(y), 1), "euro": y * 1.1 + 0.01}.items():
        (leak,) = find_leaks(table.with_columns(pl.Series(name, values)), y)
        assert (leak.column, leak.measure) == (name, "R2")
        (leak,) = find_leaks(table.with_columns(pl.Series(name, values)), np.stack([RNG.normal(size=ROWS), y], 1))
        assert leak.column == name
    close = table.with_columns(pl.Series("close", np.log(y) + RNG.normal(size=ROWS) * 0.5))
    assert find_leaks(close, y) == []


def test_of_several_targets_a_leak_names_those_that_the_column_predicts() -> None:
    table, y = frame(), RNG.normal(size=(ROWS, 3))
    y[:, 2] = np.exp(y[:, 1])
    names = ["luck", "wet", "cold"]
    both = table.with_columns(tap=pl.Series(y[:, 1]))
    (leak,) = find_leaks(both, y, targets=names)
    assert (leak.column, leak.targets) == ("tap", ("wet", "cold"))
    assert "column 'tap' alone predicts targets 'wet', 'cold', R2 0.99" in str(leak)
    one = table.with_columns(coin=pl.Series(y[:, 0]), near=pl.Series(y[:, 1] + 0.3 * RNG.normal(size=ROWS)))
    with pytest.warns(UserWarning, match=r"column 'coin' alone predicts target 'luck', R2 .* best column -?0\.0"):
        warn_of_leaks(one, y, targets=names)  # the next best is of the same target
    assert find_leaks(one, y[:, :1], targets=names[:1])[0].targets == ()


def test_strong_columns_beside_strong_ones_are_no_leak_and_an_id_is_none() -> None:
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    assert find_leaks(pl.DataFrame(x), y, classes=3) == []
    z = RNG.normal(size=ROWS)
    near, less_near = ({s: z + s * RNG.normal(size=ROWS)} for s in (0.05, 0.08))
    both = pl.DataFrame({str(s): v for s, v in {**near, **less_near}.items()})
    assert find_leaks(both.select("0.05"), z) != []
    assert find_leaks(both, z) == []
    y2 = RNG.integers(0, 2, ROWS)
    ids = pl.DataFrame({"id": [f"u{i}" for i in range(ROWS)], "number": np.arange(ROWS)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_of_leaks(ids, y2, classes=2) == []
