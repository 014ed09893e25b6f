"""Folds, shares and cuts in time: what is kept equal, that groups stay whole, and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schuss.errors import DataError, UsageError
from schuss.tabular.split import by_time, folds, holdout


def labels(*counts: int) -> np.ndarray:
    y = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(1).permutation(y)


@given(st.lists(st.integers(8, 40), min_size=2, max_size=5), st.integers(2, 8), st.integers(0, 2**32))
def test_folds_and_classes_in_them_are_equally_large(counts: list[int], k: int, seed: int) -> None:
    y = labels(*counts)
    fold = folds(y, k, seed=seed, classes=len(counts))
    assert fold.dtype == np.int64
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1
    for c in range(len(counts)):
        assert np.ptp(np.bincount(fold[y == c], minlength=k)) <= 1


@given(st.integers(8, 100), st.integers(2, 8), st.integers(0, 2**32))
def test_of_each_k_numbers_that_follow_one_another_one_is_in_each_fold(n: int, k: int, seed: int) -> None:
    y = np.random.default_rng(3).permutation(n).astype(float)
    fold = folds(y, k, seed=seed)
    for start in range(0, n, k):
        block = fold[(y >= start) & (y < start + k)]
        assert len(set(block)) == len(block)
    assert np.ptp(np.bincount(fold, minlength=k)) <= 1


def test_several_targets_are_stratified_by_the_sum_of_the_standardised() -> None:
    y = np.random.default_rng(0).normal(size=(400, 2)) * [1, 1000]
    means = [(y[folds(y, 4, seed=1) == f] / [1, 1000]).sum(1).mean() for f in range(4)]
    at_random = [(y[np.arange(400) % 4 == f] / [1, 1000]).sum(1).mean() for f in range(4)]
    assert np.std(means) < np.std(at_random) / 5


def test_the_seed_decides() -> None:
    y = labels(50, 70)
    assert np.array_equal(folds(y, 5, seed=1, classes=2), folds(y, 5, seed=1, classes=2))
    assert not np.array_equal(folds(y, 5, seed=1, classes=2), folds(y, 5, seed=2, classes=2))
    assert not np.array_equal(holdout(y, 0.3, seed=1, classes=2), holdout(y, 0.3, seed=2, classes=2))
    # in any order of the rows numbers beside one another are told apart, not rows
    assert not np.array_equal(np.sort(folds(y, 5, seed=1, classes=2)[:5]), np.arange(5))


def test_no_class_and_no_part_of_the_range_is_always_the_one_that_gets_less() -> None:
    y = np.repeat([0, 1], [13, 17])
    assert len({int(holdout(y, 0.25, seed=s, classes=2)[:13].sum()) for s in range(20)}) == 2
    greatest = {int(folds(np.arange(14.0), 4, seed=s)[-1]) for s in range(20)}
    assert greatest == {0, 1}  # which have one row more


@given(st.integers(0, 2**32))
def test_groups_stay_whole_and_sizes_are_balanced(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 60, 500)
    fold = folds(rng.normal(size=500), 5, seed=seed, groups=groups)
    for g in np.unique(groups):
        assert len(set(fold[groups == g])) == 1
    largest = np.bincount(groups).max()
    assert np.ptp(np.bincount(fold, minlength=5)) <= largest


def test_groups_are_spread_by_class() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 10).astype(str).astype(object)
    y = np.repeat((rng.random(100) < 0.2).astype(np.int64), 10)  # a group has one class
    fold = folds(y, 5, seed=0, classes=2, groups=groups)
    shares = [y[fold == f].mean() for f in range(5)]
    assert max(shares) - min(shares) < 0.06
    assert np.ptp(np.bincount(fold)) <= 20


def test_of_groups_of_unlike_sizes_classes_count_before_rows() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 30, 80)
    y = np.repeat((rng.random(80) < 0.2).astype(np.int64), sizes)
    held = np.bincount(folds(y, 5, seed=0, classes=2, groups=np.repeat(np.arange(80), sizes)), y, 5)
    assert np.ptp(held) < 0.1 * held.mean()  # a quarter of it, were rows counted first


@given(st.floats(0.01, 0.99), st.lists(st.integers(20, 60), min_size=2, max_size=4), st.integers(0, 2**32))
def test_a_share_is_met_in_all_and_in_each_class(share: float, counts: list[int], seed: int) -> None:
    y = labels(*counts)
    try:
        held = holdout(y, share, seed=seed, classes=len(counts))
    except DataError as e:
        assert "none to train on" in str(e)  # noqa: PT017
        assert share > 0.9
        return
    assert held.sum() == min(max(round(share * len(y)), 1), len(y) - 1)
    for c, count in enumerate(counts):
        assert abs(held[y == c].sum() - share * count) <= 1.5


def test_a_share_of_numbers_is_spread_over_their_range() -> None:
    y = np.random.default_rng(0).lognormal(size=1000)
    held = holdout(y, 0.2, seed=3)
    assert held.sum() == 200
    assert abs(np.log(y[held]).mean() - np.log(y).mean()) < 0.02


def test_whole_groups_are_held_out() -> None:
    groups = np.random.default_rng(0).integers(0, 50, 1000)
    held = holdout(np.arange(1000.0), 0.3, seed=0, groups=groups)
    assert not set(groups[held]) & set(groups[~held])
    assert abs(held.mean() - 0.3) < 0.03


def test_the_last_rows_in_time_are_held_out() -> None:
    times = np.random.default_rng(0).permutation(100)
    assert np.array_equal(by_time(times, 0.2), times >= 80)
    days = np.repeat(np.arange("2026-01-01", "2026-01-11", dtype="datetime64[D]"), 7)
    held = by_time(days, 0.25)  # 17.5 of 70 rows: two days or three
    assert held.sum() in (14, 21)
    assert days[~held].max() < days[held].min()


REFUSED = {
    "11 folds of 10 rows: give more rows, or at most 10 folds": lambda: folds(np.arange(10.0), 11, seed=0),
    "all 5 rows are of class 'no': there is nothing to tell apart": lambda: folds(
        np.zeros(5, int), 2, seed=0, classes=2, names=("no", "yes")
    ),
    r"class 'b' \(and 1 more\) has one row, row \d, which cannot be both": lambda: holdout(
        labels(9, 1, 1), 0.5, seed=0, classes=3, names="abc"
    ),
    "class 1 has one row": lambda: holdout(labels(9, 1), 0.5, seed=0, classes=2),
    "the target of row 2 is missing or infinite": lambda: folds(np.array([0, 1, np.nan, 2]), 2, seed=0),
    "3 folds need 3 groups, and there are 2": lambda: folds(
        np.arange(6.0), 3, seed=0, groups=np.array([0, 0, 0, 1, 1, 1])
    ),
    "all rows are of one group": lambda: holdout(np.arange(6.0), 0.5, seed=0, groups=np.zeros(6)),
    "1 rows cannot be divided": lambda: holdout(np.zeros(1), 0.5, seed=0),
    "class 1 has held-out rows alone, none to train on": lambda: holdout(labels(96, 4), 0.98, seed=0, classes=2),
    "row 1 has no time": lambda: by_time(np.array(["2026-01-01", "NaT"], "datetime64[D]"), 0.5),
    "all rows have the same time": lambda: by_time(np.zeros(4), 0.5),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_split_is_refused(message: str) -> None:
    with pytest.raises(DataError, match=message):
        REFUSED[message]()


def test_what_is_no_split_is_refused() -> None:
    with pytest.raises(UsageError, match="folds must be a whole number of at least 2, got 1"):
        folds(np.arange(4.0), 1, seed=0)
    for share in (0, 1, 1.5):
        with pytest.raises(UsageError, match="between 0 and 1"):
            holdout(np.arange(4.0), share, seed=0)
        with pytest.raises(UsageError, match="between 0 and 1"):
            by_time(np.arange(4.0), share)


def test_a_class_that_some_fold_lacks_is_told() -> None:
    told = "class 'rare' has rows in 3 of 8 folds only: line 52, line 53, line 54; what is measured"
    y = np.sort(labels(50, 3))
    with pytest.warns(UserWarning, match=told):
        folds(y, 8, seed=0, classes=2, names=("often", "rare"), where=lambda row: f"line {row + 2}")
    with pytest.warns(UserWarning, match="part has none: row 50, row 51; what"):
        folds(labels(50, 2)[np.argsort(labels(50, 2))], 2, seed=0, classes=2, groups=np.r_[np.arange(50), 50, 50])
    with pytest.warns(
        UserWarning, match="class 1 has rows in 1 of 2 folds only, and one fold's training part has none"
    ):
        assert len(folds(labels(9, 1), 2, seed=0, classes=2)) == 10  # a single row
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds(labels(50, 8), 8, seed=0, classes=2)
