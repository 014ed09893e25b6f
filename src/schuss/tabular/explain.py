"""How a prediction depends on a column, and which columns moved that of one row; for any function of raw rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss.errors import DataError, UsageError
from schuss.frames import listed
from schuss.ir.executor import Array

if TYPE_CHECKING:
    import polars as pl

Predict = Callable[["pl.DataFrame"], Array]
POINTS, MAP_POINTS, LEVELS = 32, 12, 20
CURVES = 100  # rows whose own curves are computed
BACKGROUND, ROUNDS = 64, 2


@dataclass(frozen=True)
class Grid:
    """The values that a column takes. numeric: whether they lie on a line, or are levels, the most frequent first."""

    column: str
    values: pl.Series
    numeric: bool


@dataclass(frozen=True)
class Dependence:
    """How predictions depend on one column or two.

    grids   of each column
    mean    float64 [G, ...] or [G1, G2, ...]: the mean over the rows, if all had this value
    curves  float64 [rows, G, ...] or [rows, G1, G2, ...]: that of each row
    rows    int64 [rows]: which rows of the frame these are
    """

    grids: tuple[Grid, ...]
    mean: Array
    curves: Array
    rows: Array


def partial_dependence(
    predict: Predict,
    frame: pl.DataFrame,
    columns: str | Sequence[str],
    *,
    points: int | None = None,
    rows: int = CURVES,
    seed: int = 0,
) -> Dependence:
    """mean_i predict(row i with the column set to g) for each g of a grid, and the curve of each row i; of two columns
    a map. Numbers and dates: quantiles, as many as `points` (32; 12 of a pair), or all values where there are fewer.
    Categories: up to 20 levels. A missing value is on no line, and is a level of a category.

    predict  a frame of raw rows to predictions [N] or [N, K]
    rows     as many of the frame at most, drawn by seed

    DataError for a column that is not there, and one without values. Source: Friedman (Annals of Statistics 2001);
    Goldstein, Kapelner, Bleich, Pitkin (JCGS 2015).
    """
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise UsageError(f"partial_dependence: give one column or two different ones, got {list(names)}")
    _check_there(names, frame)
    count = points or (POINTS if len(names) == 1 else MAP_POINTS)
    grids = tuple(_grid(frame[name], count) for name in names)
    some = _drawn(len(frame), rows, seed)
    shape = tuple(len(grid.values) for grid in grids)
    cells = int(np.prod(shape))
    wide = frame[np.repeat(some, cells)]
    places = np.unravel_index(np.tile(np.arange(cells), len(some)), shape)
    wide = wide.with_columns(grid.values.gather(at).alias(grid.column) for grid, at in zip(grids, places, strict=True))
    found = np.asarray(predict(wide), np.float64)
    curves = found.reshape(len(some), *shape, *found.shape[1:])
    return Dependence(grids, curves.mean(0), curves, some)


@dataclass(frozen=True)
class Attribution:
    """Which columns moved one row's prediction away from that of other rows.

    groups    the columns that were moved together
    values    float64 [groups, ...]: by how much; their sum is prediction - baseline
    spread    float64 [groups, ...]: the standard error of each, of the draws
    prediction, baseline  [...] of the row, and the mean over the rows that it is compared with. Columns that are in no
              group stay as these rows have them in both
    """

    groups: tuple[tuple[str, ...], ...]
    values: Array
    spread: Array
    prediction: Array
    baseline: Array


def shapley(
    predict: Predict,
    row: pl.DataFrame,
    background: pl.DataFrame,
    *,
    groups: Sequence[Sequence[str]] | None = None,
    rows: int = BACKGROUND,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Attribution:
    """Shapley values by sampling: a row of the background becomes `row` a group of columns at a time, in random order,
    and each group gets what its turn changed; the mean over rows and orders. Each order is also walked backwards.

        values_g = mean over b and orders of f(b with row's columns up to g) - f(b with those before g)

    Whatever is drawn, the values sum to predict(row) - the mean of predict(b).

    predict   a frame of raw rows to predictions [N] or [N, K]
    row       a frame of one row
    background, rows  rows to compare with; `rows` of them at most, drawn by seed
    groups    columns that move together; None: each by itself
    rounds    orders a row of the background, each walked both ways

    DataError for columns that are not there. Source: Strumbelj, Kononenko (JMLR 2010); Mitchell et al. (JMLR 2022).
    """
    players = [(name,) for name in background.columns] if groups is None else [tuple(group) for group in groups]
    if len(row) != 1 or not len(background) or rounds < 1 or rows < 1:
        raise UsageError("shapley: give a frame of one row, a background of at least one, and at least one round")
    _check_there([name for group in players for name in group], background)
    _check_there(background.columns, row)
    some = _drawn(len(background), rows, seed)
    turns = _turns(len(some) * rounds, len(players), np.random.default_rng([seed, 24]))
    source = np.tile(some, 2 * rounds)  # of the walk: forwards in all rounds, then backwards
    found = np.asarray(predict(_walks(row, background, players, source, turns)), np.float64)
    found = found.reshape(len(source), len(players) + 1, *found.shape[1:])
    gained = np.diff(found, axis=1)  # [walk, turn, ...]
    # a group's gain is that of the step at which it moved
    moved = np.take_along_axis(gained, turns.reshape(*turns.shape, *[1] * (gained.ndim - 2)), 1)
    own = moved.reshape(2 * rounds, len(some), *moved.shape[1:]).mean(0)  # [row, group, ...]: independent draws
    error = own.std(0, ddof=1) / np.sqrt(len(some)) if len(some) > 1 else np.full(own.shape[1:], np.nan)
    return Attribution(tuple(players), own.mean(0), error, found[:, -1].mean(0), found[:, 0].mean(0))


def _turns(walks: int, players: int, rng: np.random.Generator) -> Array:
    """[2 * walks, players]: at which step each group moves; the second half are the first half's walks backwards."""
    forwards = rng.permuted(np.tile(np.arange(players), (walks, 1)), axis=1)
    return np.concatenate([forwards, players - 1 - forwards])


def _walks(
    row: pl.DataFrame, background: pl.DataFrame, players: Sequence[tuple[str, ...]], source: Array, turns: Array
) -> pl.DataFrame:
    """All rows of all walks, one walk after the other: step s has the groups whose turn is before s from `row`."""
    import polars as pl

    steps = np.arange(len(players) + 1)
    start = np.broadcast_to(source[:, None], (len(source), len(steps)))
    out = background[start.ravel()]
    moved = []
    for at, group in enumerate(players):
        there = np.where(steps > turns[:, at, None], len(background), start).ravel()
        for name in group:
            every = pl.concat([background[name], _like(row[name], background[name])])
            moved.append(every.gather(there))
    return out.with_columns(moved)


def _like(value: pl.Series, column: pl.Series) -> pl.Series:
    """The value in the column's type."""
    try:
        return value.cast(column.dtype)
    except Exception as e:
        told = f"column {column.name!r} of the row holds {value[0]!r}, which is no {column.dtype}"
        raise DataError(f"{told}: give it as the table does") from e


def _grid(column: pl.Series, points: int) -> Grid:
    import polars as pl

    known = column.fill_nan(None).drop_nulls() if column.dtype.is_float() else column.drop_nulls()
    if not len(known):
        raise DataError(f"column {column.name!r} has no values: nothing can depend on it")
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        values = known.unique().sort()
        if len(values) > points:
            at = np.linspace(0, len(known) - 1, points).round().astype(np.int64)
            values = known.sort().gather(at).unique().sort()
        return Grid(column.name, values, True)
    counts = pl.DataFrame({"value": column}).group_by("value", maintain_order=True).len()
    frequent = counts.sort("len", descending=True, maintain_order=True).head(LEVELS)
    return Grid(column.name, frequent["value"].alias(column.name), False)


def _drawn(count: int, at_most: int, seed: int) -> Array:
    """Row numbers, ascending; all of them where there are no more."""
    if count <= at_most:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, 23]).permutation(count)[:at_most])


def _check_there(names: Sequence[str], frame: Any) -> None:
    if missing := [name for name in names if name not in frame.columns]:
        raise DataError(f"there is no column {listed(missing)}; the table has {listed(frame.columns)}")


__all__ = ["Attribution", "Dependence", "Grid", "partial_dependence", "shapley"]
