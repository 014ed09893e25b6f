"""Digests of arrays and graphs: equal for the same computation, wherever it was written, and for no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import schuss
from schuss.ir.digest import array_digest, graph_digest
from schuss.ir.types import N, TensorType
from schuss.trace import scope, trace

X = TensorType("float32", (N, 3))


def of(function: Callable[..., Any]) -> str:
    return graph_digest(trace(function, [X]))


def test_where_it_was_written_is_no_part_of_it() -> None:
    def scoped(x: Any) -> Any:
        with scope("layer"):
            return schuss.exp(x) * 2.0

    assert of(lambda x: schuss.exp(x) * 2.0) == of(scoped)


@pytest.mark.parametrize(
    "other",
    [
        lambda x: schuss.exp(x) * 3.0,
        lambda x: schuss.tanh(x) * 2.0,
        lambda x: schuss.exp(x * 2.0),
        lambda x: (schuss.exp(x) * 2.0).sum(axis=1),
        lambda x: schuss.exp(x) * np.array([2, 2, 3], "f4"),
    ],
)
def test_another_operation_order_attribute_or_number_is_told(other: Callable[..., Any]) -> None:
    assert of(other) != of(lambda x: schuss.exp(x) * 2.0)


def test_arrays_by_dtype_shape_and_contents() -> None:
    given = [np.zeros(4, "f4"), np.zeros(4, "i4"), np.zeros((2, 2), "f4"), np.array([0, 0, 0, 1], "f4")]
    assert len({array_digest(a) for a in given}) == len(given)
    assert array_digest(given[2].T) == array_digest(given[2])
