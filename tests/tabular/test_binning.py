"""Places among bins: numpy's interpolation, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schuss.tabular.binning import FEW, Bins

RNG = np.random.default_rng(0)
TABLES = {
    "normal": RNG.normal(size=5000),
    "uniform": RNG.uniform(2000, 2001, 5000),
    "long tail": RNG.lognormal(0, 3, 5000),
    "both tails": RNG.standard_cauchy(5000),
    "whole numbers": RNG.integers(0, 40, 5000).astype(float),
    "two heaps": np.where(RNG.random(5000) < 0.5, RNG.normal(size=5000), 1e6 + RNG.normal(size=5000)),
    "nearly constant": np.where(RNG.random(5000) < 0.99, RNG.uniform(0, 1e-9, 5000), RNG.normal(size=5000)),
    "large": RNG.normal(size=5000) * 1e300,
    "tiny": RNG.normal(size=5000) * 1e-310,
}


def prepared(x: np.ndarray) -> tuple[np.ndarray, float, float]:
    edges = np.unique(np.quantile(x, np.linspace(0, 1, 129)))
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75])
    return edges, float(median), float(high - low)


def check(x: np.ndarray, edges: np.ndarray, median: float, scale: float) -> None:
    with np.errstate(all="ignore"):
        found = Bins(edges, median, scale)(x, (x - median) / scale)
        want = np.interp(x, edges, np.arange(len(edges), dtype=np.float64))
    assert found.tobytes() == want.tobytes()


@pytest.mark.parametrize("name", TABLES)
def test_places_are_numpys(name: str) -> None:
    x = TABLES[name]
    edges, median, scale = prepared(x)
    beside = [np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf), [-1e308, 1e308, 0.0, -0.0]]
    for values in (x, np.concatenate([*beside, x[:FEW]]), edges):
        check(values, edges, median, scale)


@given(
    st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=40, unique=True),
    st.lists(st.floats(-1e13, 1e13), min_size=1, max_size=30),
    st.floats(-1e12, 1e12),
    st.floats(1e-6, 1e12),
)
def test_places_among_any_edges(edges: list[float], x: list[float], median: float, scale: float) -> None:
    rising = np.unique(np.array(edges) + 0.0)
    if len(rising) > 1:
        check(np.resize(np.concatenate([x, rising]), FEW + 50), rising, median, scale)
