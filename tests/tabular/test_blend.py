"""Weights by greedy steps against a plain loop, the temperature against a grid, the uniform share by its formula."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schuss.errors import UsageError
from schuss.tabular.blend import blend_weights, blended, temperature, with_uniform

RNG = np.random.default_rng(0)
ROWS = 500


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each test, whichever ran before."""
    monkeypatch.setattr(sys.modules[__name__], "RNG", np.random.default_rng(1))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def greedy(candidates: Sequence[Any], loss: Callable[[Any], float]) -> np.ndarray:
    """The definition: twenty times the one that helps most, the best of the twenty means."""
    total, chosen, losses = np.zeros_like(candidates[0]), [], []
    for turn in range(1, 21):
        found = [loss((total + c) / turn) for c in candidates]
        chosen.append(int(np.argmin(found)))
        losses.append(min(found))
        total = total + candidates[chosen[-1]]
    best = int(np.argmin(losses)) + 1
    return np.bincount(chosen[:best], minlength=len(candidates)) / best


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 5])
def test_weights_of_probabilities(classes: int, weighted: bool) -> None:
    y = RNG.integers(0, classes, ROWS)
    candidates = [softmax(s * np.eye(classes)[y] + RNG.normal(size=(ROWS, classes))) for s in (1.0, 1.5, 1.2, 0.1)]
    candidates[1][3] = np.eye(classes)[(y[3] + 1) % classes]  # a sure mistake
    w = RNG.random(ROWS) if weighted else None
    found = blend_weights(candidates, y, "classification", w, draws=0)
    loss = lambda p: np.average(-np.log(np.maximum(p[np.arange(ROWS), y], 1e-7)), weights=w)  # noqa: E731
    assert found.tolist() == greedy(candidates, loss).tolist()
    assert found.sum() == pytest.approx(1)
    assert loss(blended(candidates, found)) < min(map(loss, candidates))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [None, 2])
def test_weights_of_values(targets: int | None, weighted: bool) -> None:
    shape = (ROWS,) if targets is None else (ROWS, targets)
    y = RNG.normal(size=shape)
    candidates = [y + s * RNG.normal(size=shape) for s in (1.0, 0.8, 3.0)]
    w = RNG.random(ROWS) if weighted else None
    loss = lambda p: float(np.sqrt(np.average(np.square(p - y), axis=0, weights=w)).mean())  # noqa: E731
    found = blend_weights(candidates, y, "regression", w, draws=0)
    assert found.tolist() == greedy(candidates, loss).tolist()
    assert found[2] < 0.2 < found[0] < found[1]


def test_weights_of_labels_and_of_quantiles() -> None:
    y = RNG.integers(0, 2, (ROWS, 3))
    candidates = [1 / (1 + np.exp(-(s * (2 * y - 1) + RNG.normal(size=y.shape)))) for s in (0.5, 1.0)]
    loss = lambda p: -np.log(np.maximum(np.where(y == 1, p, 1 - p), 1e-7)).mean()  # noqa: E731
    assert blend_weights(candidates, y, "labels", draws=0).tolist() == greedy(candidates, loss).tolist()
    t, q = RNG.normal(size=ROWS), np.array([0.1, 0.9])
    candidates = [np.c_[t - 1, t + 1] + RNG.normal(size=(ROWS, 2)) for _ in range(3)]
    pinball = lambda p: np.maximum(q * (t[:, None] - p), (q - 1) * (t[:, None] - p)).mean()  # noqa: E731
    found = blend_weights(candidates, t, "quantiles", quantiles=q.tolist(), draws=0)
    assert found.tolist() == greedy(candidates, pinball).tolist()
    with pytest.raises(UsageError, match="blend: task 'quantiles'"):
        blend_weights(candidates, t, "quantiles")


def test_of_few_rows_weights_are_the_mean_of_those_of_drawn_rows() -> None:
    made = np.random.default_rng(6)
    y = made.normal(size=60)
    candidates = [y + s * made.normal(size=60) for s in (1.0, 1.2, 2.5)]
    rng, every = np.random.default_rng(0), []
    for _ in range(16):
        at = rng.integers(0, 60, 60)
        every.append(greedy([c[at] for c in candidates], lambda p, at=at: float(np.sqrt(np.square(p - y[at]).mean()))))
    mean = np.mean(every, axis=0)
    assert 0 < mean[2] < 1 / 40  # less than half a step
    mean[mean < 1 / 40] = 0
    np.testing.assert_allclose(blend_weights(candidates, y, "regression"), mean / mean.sum(), rtol=1e-12)
    seen = np.arange(60.0) < 30  # rows without a weight count in no draw
    found = blend_weights([np.where(seen, y, 50), y + 1], y, "regression", seen.astype(float))
    assert found.tolist() == [1, 0]
    assert blend_weights([y, y + 1], y, "regression", np.eye(60)[0]).tolist() == [1, 0]  # most draws have none


def test_one_candidate_and_equal_ones() -> None:
    y = RNG.normal(size=ROWS)
    assert blend_weights([y + 1], y, "regression").tolist() == [1]
    assert blend_weights([y + 1, y + 1], y, "regression").tolist() == [1, 0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 2.6, 9.0])
def test_temperature_is_the_best_of_a_grid(classes: int, scale: float, weighted: bool) -> None:
    z = RNG.normal(size=(2000, classes))
    y = (softmax(z).cumsum(1) < RNG.random((2000, 1))).sum(1).clip(0, classes - 1)  # drawn by these probabilities
    logits, w = scale * z, RNG.random(2000) if weighted else None
    grid = np.exp(np.linspace(0, 1.2, 601))
    losses = [np.average(-np.log(softmax(logits / t)[np.arange(2000), y]), weights=w) for t in grid]
    found = temperature(logits, y, w)
    assert found == pytest.approx(grid[int(np.argmin(losses))], abs=0.01)
    assert temperature(np.log(softmax(logits)), y, w) == pytest.approx(found)
    assert temperature(logits + 500, y, w) == pytest.approx(found)
    if scale == 0.5:
        assert found == 1.0  # never below


def test_temperature_of_a_table_without_a_mistake_is_one() -> None:
    y = np.arange(60) % 3
    assert temperature(5.0 * np.eye(3)[y], y) == 1.0
    wrong = 1000.0 * np.eye(3)[(y + 1) % 3]
    assert temperature(wrong, y) == pytest.approx(np.exp(1.2))


def test_without_scipy_the_command_that_brings_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(UsageError, match=r"tables need scipy.optimize: pip install '.\[tables\]'"):
        temperature(np.tile([4.0, 0.0], (10, 1)), np.arange(10) // 9)


def test_uniform_share() -> None:
    p = with_uniform(np.array([[1.0, 0.0, 0.0]]), 10)
    np.testing.assert_allclose(p, [[0.9 + 1 / 30, 1 / 30, 1 / 30]])
    np.testing.assert_allclose(p.sum(), 1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_weights_are_a_mean_of_any_candidates(data: st.DataObject) -> None:
    """Of one row and of many candidates, equal ones and perfect ones, with weights of 0, in one round and in many."""
    rows, parts = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 50))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    y, noise = rng.normal(size=rows), data.draw(st.sampled_from([0.0, 1.0, 1e6]))
    candidates = [y + noise * rng.normal(size=rows) for _ in range(parts)]
    w = data.draw(st.none() | st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=rows, max_size=rows).filter(any))
    weights = None if w is None else np.array(w)
    found = blend_weights(candidates, y, "regression", weights, rounds=data.draw(st.sampled_from([1, 2, 20])))
    assert found.shape == (parts,)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
