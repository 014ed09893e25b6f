"""The numbers a network computes with, of a table's columns: fitted on training rows, the same for all later ones.

`fit_preparation(frame, kinds, targets)` decides for each column; the `Preparation` it gives is JSON: a model file holds
it in its signature (schuss.tabular.columns). One row becomes float32 [width], four blocks one after the other:

    plain   indicators of missing values, standardised; columns of two values; categories of few levels, one-hot
    z       numbers: (x - median) / IQR, squeezed by z / sqrt(1 + (z / 3)**2) into (-3, 3)
    u       the same numbers' place among their quantiles: 2.25 is a quarter through the third of up to 128 bins
    codes   levels of categories and of numbers that are keys, as whole numbers; the last is that of unseen ones

All arithmetic is in float64 until the last step. A date becomes several numbers.

A row of weight 3 counts as three in medians, scales, bins, means and deviations; quantiles are then those of the
weights' sums (numpy's method averaged_inverted_cdf), without interpolation. Whether a column is a key or embedded goes
by its number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.algebra import moments, side_by_side
from schuss.tabular.association import codes_of
from schuss.tabular.baselines import weighted_quantiles
from schuss.tabular.binning import Bins
from schuss.tabular.encoding import is_key, shows_levels, squeezed
from schuss.tabular.kind import Kind

BINS = 128  # at most, of a number's quantiles
ONE_HOT = 9  # levels that get a column each; more are embedded or target-encoded
ENCODED = 10  # levels from which a category is target-encoded
ROWS_PER_LEVEL = 30  # rows a level from which it is embedded
KEYS = 30  # values a number has at least, before it may be a key
CHUNK = 8192  # rows that are prepared at a time
LACKING = "\0missing"  # the level of a missing value
MARKS = (0.5, 0.25, 0.75, *np.linspace(0, 1, BINS + 1).tolist())  # quantiles of a number: median, scale, edges
PARTS = ("year", "month", "day", "weekday", "hour", "minute", "days")  # of a date; days since 1970


@dataclass(frozen=True)
class Number:
    """One number of a row.

    source  its place among the numbers read: (column, part of a date or "")
    median, scale  of the known training values
    edges   of its quantile bins; empty for a column of two values
    center, deviation  of a column of two values, with the median for missing ones: (x - center) / deviation within -5
            and 5
    values  these two, ascending; empty in files of older versions
    missing (mean, deviation) of the indicator; None where no training row lacks it
    levels  the values, where it is a key
    """

    source: tuple[str, str]
    median: float
    scale: float = 1.0
    edges: tuple[float, ...] = ()
    center: float = 0.0
    deviation: float = 1.0
    missing: tuple[float, float] | None = None
    levels: tuple[float, ...] = ()
    embedded: bool = False
    values: tuple[float, ...] = ()

    @property
    def two(self) -> bool:
        """Whether it has two values; one that is constant but for missing values has its indicator alone."""
        return not self.edges and self.deviation > 0

    @property
    def encoded(self) -> bool:
        return bool(self.levels)


@dataclass(frozen=True)
class Category:
    """One category. levels: as text; a missing value is one ("") where training rows lack it."""

    source: str
    levels: tuple[str, ...]
    missing: bool = False
    embedded: bool = False
    encoded: bool = False

    @property
    def one_hot(self) -> bool:
        return len(self.levels) <= ONE_HOT


@dataclass(frozen=True)
class Preparation:
    """How each column is prepared; see the module's head. columns: the kinds of those that are read."""

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    @cached_property
    def curves(self) -> list[int]:
        """The numbers with more than two values: those of z and u."""
        return [i for i, n in enumerate(self.numbers) if n.edges]

    @cached_property
    def bins(self) -> Array:
        """How many quantile bins each of them has."""
        return np.array([len(self.numbers[i].edges) - 1 for i in self.curves], np.int64)

    @cached_property
    def levels(self) -> list[int]:
        """The levels of each column of codes, unseen ones not counted."""
        return [len(n.levels) for n in self.numbers if n.levels] + [
            len(c.levels) for c in self.categories if c.embedded or c.encoded
        ]

    @cached_property
    def embedded(self) -> list[int]:
        """Which columns of codes are embedded."""
        return self._codes("embedded")

    @cached_property
    def encoded(self) -> list[int]:
        """Which columns of codes are target-encoded."""
        return self._codes("encoded")

    def _codes(self, what: str) -> list[int]:
        coded = [n for n in self.numbers if n.levels] + [c for c in self.categories if c.embedded or c.encoded]
        return [i for i, column in enumerate(coded) if getattr(column, what)]

    @cached_property
    def plain(self) -> int:
        """The width of the block of plain columns."""
        own = sum((n.missing is not None) + n.two for n in self.numbers)
        one_hot = [len(c.levels) for c in self.categories if c.one_hot]
        return own + sum(1 if n == 2 else n for n in one_hot)

    @property
    def width(self) -> int:
        own = self.plain + 2 * len(self.curves) + len(self.levels)
        return own + (own == len(self.kinds))  # never as many as columns: an array of raw ones would pass for prepared

    # -- rows ----------------------------------------------------------------------------------------------

    def rows(self, numbers: Array, codes: Array) -> Array:
        """float32 [N, width] of numbers float64 [N, numbers], NaN where missing, and codes int [N, categories]."""
        out = np.zeros((len(numbers), self.width), np.float32)

        def fill(start: int) -> None:
            some = slice(start, start + CHUNK)
            at, part = 0, out[some]
            for block in self._blocks(numbers[some], codes[some]):
                part[:, at : at + block.shape[1]] = block
                at += block.shape[1]

        side_by_side(fill, range(0, len(numbers), CHUNK), len(numbers))  # of rows that stay in the cache
        return out

    def _blocks(self, numbers: Array, codes: Array) -> list[Array]:
        with np.errstate(over="ignore"):  # what overflows is far away, and is cut there
            return [*self._plain(numbers, codes), *self._curves(numbers), *self._coded(numbers, codes)]

    @cached_property
    def _lacking(self) -> tuple[list[int], Array, Array]:
        """The numbers with an indicator, with its means and deviations."""
        places = [i for i, n in enumerate(self.numbers) if n.missing is not None]
        mean, deviation = np.array([self.numbers[i].missing for i in places]).reshape(-1, 2).T
        return places, mean, deviation

    @cached_property
    def _two(self) -> tuple[list[int], Array, Array, Array]:
        """The columns of two values, with their medians, centers and deviations."""
        places = [i for i, n in enumerate(self.numbers) if n.two]
        columns = [self.numbers[i] for i in places]
        told = np.array([(n.median, n.center, n.deviation) for n in columns]).reshape(-1, 3).T
        return places, told[0], told[1], told[2]

    @cached_property
    def _curved(self) -> tuple[Array, Array, list[Bins]]:
        """Medians, scales and bins of the numbers of z and u."""
        columns = [self.numbers[i] for i in self.curves]
        median, scale = np.array([(n.median, n.scale) for n in columns]).T
        return median, scale, [Bins(np.array(n.edges), n.median, n.scale) for n in columns]

    @cached_property
    def _keys(self) -> list[tuple[int, float, Array]]:
        """The numbers that are keys, with their medians and levels."""
        return [(i, n.median, np.array(n.levels)) for i, n in enumerate(self.numbers) if n.levels]

    def _plain(self, numbers: Array, codes: Array) -> list[Array]:
        blocks = []
        lacking, mean, deviation = self._lacking
        if lacking:
            blocks.append((np.isnan(numbers[:, lacking]) - mean) / deviation)
        two, median, center, deviation = self._two
        if two:
            x = numbers[:, two]
            blocks.append(np.clip((np.where(np.isnan(x), median, x) - center) / deviation, -5, 5))
        for place, category in enumerate(self.categories):
            if category.one_hot:
                count = len(category.levels)
                hot = codes[:, place, None] == np.arange(count)
                blocks.append(np.where(codes[:, place, None] < count, 2.0 * hot[:, :1] - 1, 0) if count == 2 else hot)
        return blocks

    def _curves(self, numbers: Array) -> list[Array]:
        if not self.curves:
            return []
        median, scale, bins = self._curved
        x = numbers[:, self.curves]
        x = np.where(np.isnan(x), median, x)
        z, u = (x - median) / scale, np.empty_like(x)
        for i, of in enumerate(bins):
            u[:, i] = of(x[:, i], z[:, i])
        return [squeezed(z), u]

    def _coded(self, numbers: Array, codes: Array) -> list[Array]:
        columns = []
        for i, median, levels in self._keys:
            x = numbers[:, i]
            columns.append(level_of(np.where(np.isnan(x), median, x), levels))
        columns += [codes[:, i] for i, c in enumerate(self.categories) if c.embedded or c.encoded]
        return [np.stack(columns, 1)] if columns else []

    # -- JSON ----------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """As a model file holds it."""
        return {
            "numbers": [asdict(n) for n in self.numbers],
            "categories": [asdict(c) for c in self.categories],
            "kinds": {name: asdict(kind) for name, kind in self.kinds.items()},
        }


def level_of(x: Array, levels: Array) -> Array:
    """The place of each value among the sorted levels; their number for one that is none of them."""
    at = np.searchsorted(levels, x).clip(0, len(levels) - 1)
    return np.where(levels[at] == x, at, len(levels))


# -- fitting -----------------------------------------------------------------------------------------------


def fit_number(source: tuple[str, str], x: Array, target: Array, weights: Array | None = None) -> Number | None:
    """How a number is prepared; None for one that says nothing. target: float64 [N, outputs], for keys."""
    gone = np.isnan(x)
    known = x[~gone] if gone.any() else x
    if not len(known):
        return None
    own = None if weights is None else weighted_quantiles(known, MARKS, weights[~gone])
    known = np.sort(known)
    values = known[np.concatenate([[True], known[1:] != known[:-1]])]
    share, spread = moments(gone.astype(np.float64), weights) if gone.any() else (0.0, 0.0)
    missing = (float(share), max(0.1, float(spread))) if gone.any() else None
    median = float((known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2 if own is None else own[0])
    if len(values) < 2:
        return None if missing is None else Number(source, median, deviation=0.0, missing=missing)
    filled = np.where(gone, median, x)
    if len(values) == 2:
        center, deviation = moments(filled, weights)
        two: tuple[float, ...] = tuple(values.tolist())
        spread = float(deviation) or 1.0
        return Number(source, median, center=float(center), deviation=spread, missing=missing, values=two)
    low, high, *ends = quantiles(known, np.array(MARKS[1:])) if own is None else own[1:]
    scale = float(high - low if high > low else (values[-1] - values[0]) / 2)
    edges = values if len(values) <= BINS + 1 else np.unique(ends)
    key = KEYS < len(values) <= len(x) / 3 and is_key(filled, target, weights)
    levels = tuple(values.tolist()) if key else ()
    embedded = key and len(x) / len(values) >= ROWS_PER_LEVEL and shows_levels(filled, target, weights)
    return Number(source, median, scale, tuple(edges.tolist()), missing=missing, levels=levels, embedded=embedded)


def quantiles(x: Array, q: Array) -> Array:
    """np.quantile(x, q), to the bit, of sorted x: without a look at all of it."""
    at = q * (len(x) - 1)
    below = np.floor(at).astype(np.int64)
    low, high = x[below], x[np.minimum(below + 1, len(x) - 1)]
    share = at - below
    return np.where(share >= 0.5, high - (high - low) * (1 - share), low + (high - low) * share)


def fit_category(source: str, texts: Any, target: Array, weights: Array | None = None) -> Category | None:
    """How a category is prepared; None for one of a single level. texts: a polars series of text; target: float64
    [N, outputs], for embeddings."""
    counts = texts.value_counts()
    levels = sorted(v for v in counts[counts.columns[0]].to_list() if v is not None)
    missing = texts.null_count() > 0
    every = (*levels, *([LACKING] if missing else []))
    if len(every) < 2:
        return None
    frequent = len(every) > ONE_HOT and len(texts) / len(every) >= ROWS_PER_LEVEL
    embedded = frequent and shows_levels(codes_of(texts), target, weights)
    return Category(source, every, missing, embedded, len(every) >= ENCODED)
