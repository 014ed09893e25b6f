"""How strongly columns of a table go together, and which of them therefore are one group.

numbers       |Spearman's rank correlation|, rows that lack either take the middle rank
categories    Cramer's V, corrected for chance (Bergsma 2013)
one of each   sqrt of the share of the ranks' variance that lies between the levels, corrected likewise
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.algebra import scipy

if TYPE_CHECKING:
    import polars as pl

ROWS = 5_000  # that are looked at, evenly spaced
COLUMNS = 300  # more are not compared: each is a group of its own
TOGETHER = 0.7  # the mean association within a group, at least


def column_groups(frame: pl.DataFrame, together: float = TOGETHER) -> list[list[str]]:
    """The columns in groups, in the frame's order: clusters by average linkage of 1 - association, cut at 1 - together.
    Of more than 300 columns each is alone."""
    names = frame.columns
    if len(names) < 2 or len(names) > COLUMNS:
        return [[name] for name in names]
    distance = 1 - associations(frame)
    tree = scipy("cluster.hierarchy").linkage(distance[np.triu_indices(len(distance), 1)], "average")
    cluster = scipy("cluster.hierarchy").fcluster(tree, 1 - together, "distance")
    groups: dict[int, list[str]] = {}
    for name, at in zip(names, cluster, strict=True):
        groups.setdefault(int(at), []).append(name)
    return list(groups.values())


def associations(frame: pl.DataFrame) -> Array:
    """float64 [D, D], from 0 to 1: of each column with each, by their kinds; 1 with itself. A constant column has 0."""
    if len(frame) > ROWS:
        frame = frame[np.linspace(0, len(frame) - 1, ROWS).astype(np.int64)]
    numeric = [_is_number(column) for column in frame]
    ranks = [_ranks(column) if number else None for column, number in zip(frame, numeric, strict=True)]
    codes = [None if number else codes_of(column) for column, number in zip(frame, numeric, strict=True)]
    out = np.eye(len(frame.columns))
    for i in range(len(out)):
        for j in range(i):
            (a, x), (b, z) = (ranks[i], codes[i]), (ranks[j], codes[j])
            if a is not None and b is not None:
                found = abs(float(a @ b))
            elif x is not None and z is not None:
                found = _cramer(x, z)
            else:
                found = _between(a if a is not None else b, x if x is not None else z)
            out[i, j] = out[j, i] = min(found, 1.0)
    return out


def codes_of(column: pl.Series) -> Array:
    """int64 [N]: a number for each level, 0, 1, ...; a missing value is a level of its own."""
    import polars as pl

    if column.dtype == pl.Categorical or column.dtype == pl.Enum:
        column = column.cast(pl.String)
    if column.dtype == pl.String:  # few levels are sorted, not all texts
        levels = column.unique().sort()
        table = pl.DataFrame({"level": levels, "code": np.arange(len(levels))})
        found = pl.DataFrame({"level": column}).join(table, "level", "left", nulls_equal=True, maintain_order="left")
        return found["code"].to_numpy()
    dense = column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    return np.unique(dense, return_inverse=True)[1]


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype.is_temporal()


def _ranks(column: pl.Series) -> Array:
    """Of sum 0 and square sum 1, or all 0: correlations are products."""
    column = column.to_physical() if column.dtype.is_temporal() else column
    column = column.fill_nan(None) if column.dtype.is_float() else column
    ranks = column.rank("average").to_numpy().astype(np.float64)
    known = ~np.isnan(ranks)
    ranks = np.where(known, ranks - (ranks[known].mean() if known.any() else 0), 0)
    size = np.sqrt(ranks @ ranks)
    return ranks / size if size > 0 else ranks


def _cramer(x: Array, z: Array) -> float:
    """sqrt(max(0, phi2 - (r - 1)(c - 1)/(n - 1)) / (min(r', c') - 1)), r' = r - (r - 1)^2 / (n - 1)"""
    n, r, c = len(x), int(x.max()) + 1, int(z.max()) + 1
    if min(r, c) < 2:
        return 0.0
    table = np.bincount(x * c + z, minlength=r * c).reshape(r, c)
    expected = np.outer(table.sum(1), table.sum(0)) / n
    phi2 = float((np.square(table) / expected).sum()) / n - 1
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(phi2 / least)) if least > 0 else 0.0


def _between(ranks: Array | None, codes: Array | None) -> float:
    """sqrt(max(0, 1 - (1 - eta2) (n - 1)/(n - r))), eta2 the share of the ranks' variance between r levels."""
    assert ranks is not None
    assert codes is not None
    n, r = len(ranks), int(codes.max()) + 1
    if not 1 < r < n or not ranks.any():
        return 0.0
    sums = np.bincount(codes, ranks)
    eta2 = float((np.square(sums) / np.bincount(codes)).sum())
    return float(np.sqrt(max(0.0, 1 - (1 - eta2) * (n - 1) / (n - r))))


__all__ = ["associations", "codes_of", "column_groups"]
