"""Scales of a target with a long tail: there and back, the line through what was held out, and which targets ask."""

from __future__ import annotations

import numpy as np
import pytest

from schuss.errors import UsageError

pytest.importorskip("polars")
from schuss import jit, nn
from schuss.tabular.fit import fit_table
from schuss.tabular.presets import recipes
from schuss.tabular.scales import Scale, suited

RNG = np.random.default_rng(7)
RIGHT = np.exp(RNG.normal(0, 1, (400, 1)))
BOTH = RNG.standard_t(2, (200, 1))
TARGETS = {
    "right": ("log", RIGHT),
    "left": ("log", 5 - RIGHT),
    "two": ("log", np.concatenate([RIGHT, -RIGHT], 1)),
    "zeros": ("log", np.where(RIGHT > 1, RIGHT, 0.0)),
    "both": ("asinh", np.concatenate([BOTH, -BOTH])),
    "far": ("log", 1e4 + RIGHT),
}


@pytest.mark.parametrize("name", TARGETS)
def test_there_and_back(name: str):
    kind, y = TARGETS[name]
    y = (y - y.mean(0)) / y.std(0)
    scale = Scale.of(kind, y)
    t = scale.forth(y)
    assert np.allclose([t.mean(0), t.std(0)], [[0] * y.shape[1], [1] * y.shape[1]], atol=1e-9)
    assert np.allclose(scale.back(t.astype(np.float32)), y, atol=1e-4 * np.abs(y).max())
    assert np.abs(t).max() < np.abs(y).max()  # what was far is nearer


def test_back_stays_within_what_was_seen_and_is_the_same_compiled():
    scale = Scale.of("log", RIGHT)
    t = np.array([[-1e9], [0.3], [1e9]], np.float32)

    class Back(nn.Module):
        def forward(self, t):
            return scale.back(t)

    assert np.allclose(scale.back(t), [RIGHT.min(0), [scale.back(t[1:2]).item()], RIGHT.max(0)], rtol=1e-5)
    assert np.allclose(jit(Back())(t), scale.back(t), rtol=1e-5)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("weights", [None, np.arange(400) % 3 + 1.0])
def test_back_is_the_mean_over_residuals(name: str, weights: np.ndarray | None):
    """mean_e value(t + e), of residuals whose own mean is left out; integer weights are rows that often."""
    kind, y = TARGETS[name]
    noise = RNG.normal(0, 0.2, y.shape)
    scale = Scale.of(kind, y, weights)
    t = np.clip(scale.forth(y) + noise, scale.low, scale.high)
    smeared, plain = scale.smeared(t + 0.3, y, weights), scale.smeared(t, y, weights)
    times = np.ones(400, int) if weights is None else weights.astype(int)
    e = np.repeat(scale.forth(y) - t, times, axis=0)
    e -= e.mean(0)
    at = np.array([[0.1] * y.shape[1], [-0.4] * y.shape[1]])
    bent = (at[:, None] + e) * scale.deviation + np.array(scale.mean)
    v = np.expm1(bent) if kind == "log" else np.sinh(bent)
    expected = (v * (np.array(scale.side) * scale.half)).mean(1) + scale.start
    assert np.allclose(plain.back(at), expected, rtol=1e-3, atol=1e-3)
    if name == "both":  # nothing is cut at the ends there
        assert np.allclose(smeared.up, plain.up, rtol=0.2)
    repeated = np.repeat(y, times, axis=0)
    assert np.allclose(Scale.of(kind, repeated).half, scale.half)
    assert np.allclose(Scale.of(kind, repeated).mean, scale.mean)
    assert suited(y, weights) == suited(repeated)


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_few_rows_held_out_turn_nothing_round(rows: int):
    """Of any rows held out, a higher output is a higher value, and one row says nothing."""
    y = RIGHT[:rows]
    for t in (-Scale.of("log", RIGHT).forth(y), np.zeros_like(y), np.full_like(y, 9.0)):
        scale = Scale.of("log", RIGHT).smeared(t, y, None)
        rising = scale.back(np.linspace(-2, 2, 9)[:, None])
        assert (np.diff(rising, axis=0) >= 0).all()
        if rows == 1:
            assert scale.up == (1.0,)


def test_groups_of_noise_are_no_skill():
    """Levels of the groups that are held out cannot be known: no better than the best constant, but for chance."""
    import polars as pl

    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(8), 40)
    y = np.exp(rng.normal(0, 1.5, 8)[group] + rng.normal(0, 0.5, 320))
    frame = pl.DataFrame({"a": rng.normal(0, 1, 320), "b": rng.normal(0, 1, 320), "g": group.astype(str), "y": y})
    run = fit_table(
        frame, "y", group="g", preset="best", folds=8, epochs=3, hidden=(8,), progress=False, backend="reference"
    )
    assert any(p.get("scale") == "log" for p in run.parts)
    assert run.report.to_json()["metrics"]["r2"]["value"] < 0.03


def test_which_targets_ask_for_one():
    assert [suited(y) for _, y in TARGETS.values()] == [kind for kind, _ in TARGETS.values()]
    assert suited(RNG.normal(0, 1, (400, 1))) == suited(RNG.uniform(0, 1, (400, 1))) == ""
    assert [r.scale for r in recipes(1000, 0, "best", "log")] == [""] * 5 + ["log"]
    assert not any(r.scale for r in recipes(1000, 0, "fast", "log"))
    with pytest.raises(UsageError, match="preset must be fast or best"):
        recipes(1000, 0, "worst")


def test_a_table_whose_target_has_a_long_tail():
    """The part on a scale has its own place in the blend, and the model says what was measured out of fold."""
    import polars as pl

    x = RNG.uniform(-2, 2, (300, 2))
    y = np.exp(2 * x[:, 0] + x[:, 1] + RNG.normal(0, 0.2, 300))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    run = fit_table(frame, "y", preset="best", folds=3, epochs=4, hidden=(8,), progress=False, backend="reference")
    assert [p.get("scale") for p in run.parts] == ["", "", "log", None]
    scaled = run.parts[2]
    assert scaled["weight"] > 0.2
    assert scaled["loss"] < run.parts[0]["loss"]
    found = run.model.predict(frame)
    assert np.isfinite(found).all()
    assert y.min() - 1e-4 < found.min() < found.max() < y.max() + 1e-4
    assert np.corrcoef(np.log(found), np.log(y))[0, 1] > 0.7
