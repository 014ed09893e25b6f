"""Weights of rows: a row of weight 3 counts as three equal ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from schuss.tabular.algebra import moments  # noqa: E402
from schuss.tabular.encoding import PRIOR, encode, inner_folds, is_key, shows_levels  # noqa: E402
from schuss.tabular.fit import fit_table  # noqa: E402
from schuss.tabular.preparation import BINS, fit_number  # noqa: E402

RNG = np.random.default_rng(5)
N = 400
W = RNG.integers(1, 6, N)
TIMES = np.repeat(np.arange(N), W)
X = np.where(RNG.random(N) < 0.2, np.nan, RNG.gamma(2.0, size=N) * np.where(W > 3, 4, 1))
Y = RNG.normal(size=(N, 1))


def test_numbers_are_prepared_as_of_repeated_rows() -> None:
    weighted, repeated = fit_number(("a", ""), X, Y, W * 0.1), fit_number(("a", ""), X[TIMES], Y[TIMES])
    assert weighted is not None
    assert repeated is not None
    assert weighted.median == repeated.median != fit_number(("a", ""), X, Y).median  # type: ignore[union-attr]
    np.testing.assert_allclose(weighted.missing, repeated.missing)  # type: ignore[arg-type]
    known = X[TIMES][~np.isnan(X[TIMES])]
    method: Any = "averaged_inverted_cdf"
    np.testing.assert_allclose(
        weighted.edges, np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1), method=method))
    )
    np.testing.assert_allclose(weighted.scale, np.subtract(*np.quantile(known, (0.75, 0.25), method=method)))
    np.testing.assert_allclose(weighted.edges, repeated.edges, rtol=0.05)  # which interpolate
    flags = (X > 2).astype(float)
    one, other = fit_number(("a", ""), flags, Y, W), fit_number(("a", ""), flags[TIMES], Y[TIMES])
    assert one is not None
    assert other is not None
    np.testing.assert_allclose((one.center, one.deviation), (other.center, other.deviation))


def test_target_encodings_are_weighted_means() -> None:
    codes, w, rows = RNG.integers(0, 4, (N, 1)), W / W.mean(), np.arange(20, N)
    inner = inner_folds(N, 0)
    found = encode(codes, [4], Y, rows, inner, w)
    raw, table = np.zeros(N), np.zeros(5)
    mean = np.average(Y[rows, 0], weights=w[rows])
    for i in rows:
        other = rows[(inner[rows] != inner[i]) & (codes[rows, 0] == codes[i, 0])]
        raw[i] = (w[other] @ Y[other, 0] + PRIOR * mean) / (w[other].sum() + PRIOR)
    for level in range(5):
        of = rows[codes[rows, 0] == level]
        table[level] = (w[of] @ Y[of, 0] + PRIOR * mean) / (w[of].sum() + PRIOR)
    center, deviation = moments(raw[rows], w[rows])
    z = (np.concatenate([raw[rows], table]) - center) / deviation
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    np.testing.assert_allclose(
        np.concatenate([found.own[rows, 0], found.tables[0][:, 0]]), expected, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(
        encode(codes, [4], Y, rows, inner, np.ones(N)).own, encode(codes, [4], Y, rows, inner).own
    )


def test_a_key_is_found_by_weighted_rows() -> None:
    code = RNG.integers(0, 120, 6000).astype(float)
    signal = RNG.permutation(120)[code.astype(int)] / 120 + RNG.normal(0, 0.2, 6000)
    noise, w = RNG.normal(size=6000), np.where(np.arange(6000) < 3000, 1.0, 1e-6)
    assert is_key(code, np.where(w == 1, signal, noise)[:, None], w)
    assert not is_key(code, np.where(w == 1, noise, signal)[:, None], w)


def test_what_means_of_levels_say_is_weighed_too() -> None:
    """Of rows that weigh next to nothing the level tells nearly all, of the others next to nothing."""
    rng = np.random.default_rng(5)
    code, w = rng.integers(0, 120, 6000), np.where(np.arange(6000) < 3000, 1.0, 1e-6)
    effect = rng.permutation(120)[code] / 120
    target = np.where(w == 1, 0.3 * effect + rng.normal(size=6000), 50 * effect)[:, None]
    assert not shows_levels(code, target, w)
    assert shows_levels(code, target, w[::-1])


@pytest.mark.parametrize("loss", ["mse", "poisson", "quantile"])
def test_a_training_with_weights_is_that_of_repeated_rows(loss: str) -> None:
    """But for what goes by the number of rows, as folds and batches do."""
    a = RNG.normal(size=160)
    w = np.where(a > 0.5, 4, 1)
    y = RNG.poisson(np.exp(1 + 0.5 * a + 0.3 * RNG.normal(size=160))).astype(float) + np.where(w == 4, 3, 0)
    frame = pl.DataFrame({"a": a, "y": y, "row": np.arange(160), "w": w})
    given: dict[str, Any] = {"loss": loss, "task": "regression", "folds": 2, "epochs": 1, "hidden": (4,)}
    given |= {"preset": "fast", "progress": False, "backend": "reference", "group": "row"}
    weighted = fit_table(frame, "y", weight="w", **given)
    repeated = fit_table(frame[np.repeat(np.arange(160), w)].drop("w"), "y", **given)
    plain = fit_table(frame.drop("w"), "y", **given)
    of = [run.model.objective for run in (weighted, repeated, plain)]
    for name in ("center", "scale", "low", "high"):
        one, other = (np.array(getattr(o, name)) for o in of[:2])
        np.testing.assert_allclose(one, other, rtol=1e-9)
    assert abs(of[0].scale[0] / of[2].scale[0] - 1) > 0.02
    trivial = [
        next(line.trivial for line in run.report.lines if line.name == run.report.main) for run in (weighted, repeated)
    ]
    assert trivial[0] == pytest.approx(trivial[1])


def test_equal_weights_are_none() -> None:
    frame = pl.DataFrame({"a": RNG.normal(size=60), "y": RNG.normal(size=60), "w": [7.0] * 60})
    given: dict[str, Any] = {"folds": 2, "epochs": 1, "hidden": (4,), "preset": "fast", "progress": False}
    one = fit_table(frame, "y", weight="w", backend="reference", **given).model.predict(frame)
    np.testing.assert_array_equal(
        one, fit_table(frame.drop("w"), "y", backend="reference", **given).model.predict(frame)
    )
