"""Which rows are trained on and which are held out: folds, a share of the rows, the last rows in time.

Where `classes` is a number, y is int [N], a class 0..classes-1 for each row; else y holds numbers, [N] or [N, T]. A
split keeps the distribution of the target: each class, or each part of the targets' range, is in every part as it is in
the whole. All is drawn from the seed; the same seed gives the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DataError, UsageError, warn
from schuss.ir.executor import Array
from schuss.tabular.kind import Where

SHOWN = 3  # rows that a message names
ONE_GROUP = "all rows are of one group: nothing can be held out; split without groups"
STREAM = 20  # beside the seed: what others draw from the same seed is drawn independently of this


def folds(
    y: Array,
    k: int,
    *,
    seed: int,
    classes: int | None = None,
    groups: Array | None = None,
    names: Sequence[str] | None = None,
    where: Where | None = None,
) -> Array:
    """int64 [N]: the fold, 0..k-1, of each row. Sizes differ by one row at most, and so do those of each class.

    Numbers are sorted, and of each k that follow one another one goes to each fold, at random; of several targets the
    sum of the standardised ones is sorted.

    groups  [N]: all rows of a group lie in one fold; largest groups first, each goes where there is least of its
            classes, and of rows; sizes are then as equal as the groups allow
    names, where  what errors call the classes, and a row

    DataError for more folds than rows or groups, and a single class. A warning for a class that some fold lacks, as one
    with a single row: where that row is held out, nobody has been trained on its class.
    """
    y, rows = np.asarray(y), len(y)
    if k < 2:
        raise UsageError(f"folds must be a whole number of at least 2, got {k}")
    if k > rows:
        raise DataError(f"{k} folds of {rows} rows: give more rows, or at most {rows} folds")
    _check_target(y, classes, names, where)
    rng = np.random.default_rng([seed, STREAM])
    if groups is None:
        fold = np.empty(rows, np.int64)
        fold[_neighbours(y, k, rng, classes)] = np.arange(rows) % k
    else:
        fold = _folds_of_groups(y, k, np.asarray(groups), rng, classes)
    if classes is not None:
        warn_of_rare(y, fold, k, classes, names, where)
    return fold


def holdout(
    y: Array,
    share: float,
    *,
    seed: int,
    classes: int | None = None,
    groups: Array | None = None,
    names: Sequence[str] | None = None,
    where: Where | None = None,
) -> Array:
    """bool [N]: the rows that are held out, round(share * N) of them, of each class in proportion.

    groups  [N]: whole groups, drawn at random until the share is met as nearly as it can be; no longer by class
    names, where  what errors call the classes, and a row

    DataError for less than two rows or groups, a single class, a class with one row, and one that is left without rows
    to train on.
    """
    y, rows = np.asarray(y), len(y)
    if not 0 < share < 1:
        raise UsageError(f"the share of held-out rows must be between 0 and 1, got {share}")
    if rows < 2:
        raise DataError(f"{rows} rows cannot be divided into some to train on and some to test on: give more")
    _check_target(y, classes, names, where)
    _check_lonely(y, classes, names, where)
    rng = np.random.default_rng([seed, STREAM])
    count = min(max(round(share * rows), 1), rows - 1)
    held = np.empty(rows, bool)
    if groups is None:
        order = _neighbours(y, -(-rows // min(count, rows - count)), rng, classes)
        held[order] = np.diff((np.arange(rows + 1) * count + rng.integers(rows)) // rows) > 0  # evenly spaced
    else:
        held = _some_groups(np.asarray(groups), count, rng)
    if classes is not None:
        _check_trained(y, held, classes, names)
    return held


def by_time(times: Array, share: float, where: Where | None = None) -> Array:
    """bool [N]: the rows that are held out, the last in time. Rows of one moment stay together: the cut is the one
    nearest to the share.

    times  [N], numbers or datetime64; where: what errors call a row

    DataError for a missing time, and where all are the same.
    """
    times = np.asarray(times)
    if not 0 < share < 1:
        raise UsageError(f"the share of held-out rows must be between 0 and 1, got {share}")
    gone = np.isnat(times) if times.dtype.kind in "mM" else np.isnan(times.astype(np.float64))
    if gone.any():
        raise DataError(f"{_rows(gone, where)} has no time: remove the rows without one, or fill them")
    moments, counts = np.unique(times, return_counts=True)
    if len(moments) < 2:
        raise DataError("all rows have the same time: nothing is later than the rest; split without time")
    before = np.cumsum(counts)[:-1]
    cut = int(np.argmin(np.abs(before - (1 - share) * len(times))))
    return times > moments[cut]


def _neighbours(y: Array, block: int, rng: np.random.Generator, classes: int | None) -> Array:
    """The rows in an order in which neighbours are alike: by class, at random within each; or by target, at random
    within each block."""
    order = rng.permutation(len(y))
    if classes is not None:
        return order[np.argsort(y[order], kind="stable")]
    key = y if y.ndim == 1 else ((y - y.mean(0)) / np.maximum(y.std(0), 1e-300)).sum(1)
    order = order[np.argsort(key[order], kind="stable")]
    whole = len(y) - len(y) % block
    order[:whole] = rng.permuted(order[:whole].reshape(-1, block), axis=1).ravel()
    order[whole:] = rng.permutation(order[whole:])
    return order


def _folds_of_groups(y: Array, k: int, groups: Array, rng: np.random.Generator, classes: int | None) -> Array:
    names, group = _groups(groups)
    if len(names) < k:
        if len(names) == 1:
            raise DataError(ONE_GROUP)
        raise DataError(f"{k} folds need {k} groups, and there are {len(names)}: ask for at most {len(names)} folds")
    width = classes or 1
    held = np.bincount(group * width + (y if classes else 0), minlength=len(names) * width).reshape(-1, width)
    share = held / np.maximum(held.sum(0), 1)  # of each class
    sizes = held.sum(1)
    load, rows, fold = np.zeros((k, width)), np.zeros(k, np.int64), np.empty(len(names), np.int64)
    shuffled = rng.permutation(len(names))
    for g in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        at = np.lexsort((rows, load @ share[g]))[0]
        fold[g], load[at], rows[at] = at, load[at] + share[g], rows[at] + sizes[g]
    return fold[group]


def _some_groups(groups: Array, count: int, rng: np.random.Generator) -> Array:
    names, group = _groups(groups)
    if len(names) < 2:
        raise DataError(ONE_GROUP)
    order = rng.permutation(len(names))
    ends = np.cumsum(np.bincount(group)[order])[:-1]
    return np.isin(group, order[: int(np.argmin(np.abs(ends - count))) + 1])


def _groups(groups: Array) -> tuple[Array, Array]:
    """The groups there are, and each row's place among them."""
    return np.unique(groups.astype(str) if groups.dtype == object else groups, return_inverse=True)


def _check_target(y: Array, classes: int | None, names: Sequence[str] | None, where: Where | None) -> None:
    if classes is None:
        if not np.isfinite(y).all():
            bad = np.asarray(~np.isfinite(y.reshape(len(y), -1)).all(1))
            raise DataError(f"the target of {_rows(bad, where)} is missing or infinite: remove the row, or fill it")
        return
    counts = np.bincount(y, minlength=classes)
    if np.count_nonzero(counts) < 2:
        of = _named(int(np.argmax(counts)), names)
        raise DataError(
            f"all {len(y)} rows are of class {of}: there is nothing to tell apart; give rows of two classes"
        )


def _check_lonely(y: Array, classes: int | None, names: Sequence[str] | None, where: Where | None) -> None:
    if classes is not None and (lonely := np.flatnonzero(np.bincount(y) == 1)).size:
        raise DataError(
            f"class {_named(int(lonely[0]), names)}{_more(lonely)} has one row, {_rows(y == int(lonely[0]), where)}, "
            "which cannot be both trained on and tested on: give more of its rows, join it with another class, or "
            "remove it"
        )


def _check_trained(y: Array, held: Array, classes: int, names: Sequence[str] | None) -> None:
    left = np.bincount(y[~held], minlength=classes) == 0
    lacking = np.flatnonzero(left & (np.bincount(y, minlength=classes) > 0))
    if lacking.size:
        raise DataError(
            f"class {_named(int(lacking[0]), names)}{_more(lacking)} has held-out rows alone, none to train on: "
            "hold out a smaller share"
        )


def warn_of_rare(y: Array, fold: Array, k: int, classes: int, names: Sequence[str] | None, where: Where | None) -> None:
    """A warning for a class that some fold lacks; fold: int [N], 0..k-1."""
    there = (np.bincount(fold * classes + y, minlength=k * classes).reshape(k, classes) > 0).sum(0)
    rare = np.flatnonzero((there > 0) & (there < k))
    if rare.size:
        worst = int(rare[np.argmin(there[rare])])
        without = ", and one fold's training part has none" if there[worst] == 1 else ""
        warn(
            f"class {_named(worst, names)}{_more(rare)} has rows in {there[worst]} of {k} folds only{without}: "
            f"{_rows(y == worst, where, SHOWN)}; what is measured of it is uncertain"
        )


def _rows(rows: Array, where: Where | None, most: int = 1) -> str:
    """The first of the rows as messages call them; rows: bool [N]."""
    found = np.flatnonzero(rows)
    shown = [f"row {row}" if where is None else where(row) for row in found[:most].tolist()]
    return ", ".join(shown) + (f" and {len(found) - most:,} more" if len(found) > most > 1 else "")


def _named(number: int, names: Sequence[str] | None) -> str:
    return str(number) if names is None else repr(names[number])


def _more(numbers: Any) -> str:
    return f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""


__all__ = ["by_time", "folds", "holdout", "warn_of_rare"]
