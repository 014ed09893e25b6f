"""Products of parameters of which a thin sample always runs, and all of them with `pytest -m slow`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest


def thinned(*axes: Sequence[Any], by: int = 3) -> list[Any]:
    """The product of the axes, for parametrize: one in `by`, along the diagonals, is not slow.

    Two axes of at least `by` values each: every value occurs. Three of them: every pair of two axes' values does.
    """
    cases = itertools.product(*(enumerate(axis) for axis in axes))
    return [
        pytest.param(*(value for _, value in case), marks=[pytest.mark.slow] * bool(sum(i for i, _ in case) % by))
        for case in cases
    ]


def sampled(always: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Cases for parametrize, as it takes them: the others are slow."""
    return [*always, *(pytest.param(*_each(case), marks=pytest.mark.slow) for case in others)]


def _each(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
