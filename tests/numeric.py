"""Finite differences and what else the tests of operations and of whole graphs compare by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schuss.backprop import backprop
from schuss.exec.reference import ReferenceExecutor, run_graph
from schuss.ir.graph import Graph, Node
from schuss.ir.types import TensorType
from schuss.trace import Tensor, trace

Array = np.ndarray
STEP = 5e-4


def type_of(array: Array) -> TensorType:
    return TensorType(str(array.dtype), array.shape)


def reference(function: Callable[..., Any], *arrays: Array) -> list[Array]:
    """The function traced and computed by the reference executor."""
    return ReferenceExecutor().compile(trace(function, [type_of(a) for a in arrays]))(arrays)


def floats(tensors: Sequence[Any]) -> list[Any]:
    """Those a gradient is taken with respect to."""
    return [x for x in tensors if str(x.dtype).startswith("float")]


def weighted(function: Callable[..., Any], weights: Array) -> Callable[..., Tensor]:
    """A scalar function: the sum of the function's result times the weights."""
    return lambda *xs: (function(*xs) * weights).sum()


def along(function: Callable[..., Tensor], directions: Sequence[Array]) -> Callable[..., Tensor]:
    """The slope of a scalar function along a direction: its gradient's product with the direction."""

    def slope(*xs: Any) -> Tensor:
        wrt = floats(xs)
        terms = [(g * v).sum() for g, v in zip(backprop(function(*xs), wrt), directions, strict=True)]
        return sum(terms[1:], terms[0])

    return slope


def directions_for(arrays: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    return [rng.uniform(-1, 1, a.shape) for a in floats(arrays)]


def moved(arrays: Sequence[Array], directions: Sequence[Array], step: float) -> list[Array]:
    """The floating arrays a step further along the directions."""
    rest = iter(directions)
    return [a + step * next(rest) if a.dtype.kind == "f" else a for a in arrays]


def central(function: Callable[[float], float], h: float = STEP) -> float:
    """The derivative at 0 by central differences at h and 2h, joined so that the error is of order h**4."""
    return (8 * (function(h) - function(-h)) - (function(2 * h) - function(-2 * h))) / (12 * h)


def check_slope(
    function: Callable[..., Tensor], arrays: Sequence[Array], rng: np.random.Generator, tolerance: float
) -> None:
    """Assert that a scalar function's gradient, along one random direction, is what finite differences say."""
    directions = directions_for(arrays, rng)
    (value,), (slope,) = reference(function, *arrays), reference(along(function, directions), *arrays)
    compiled = ReferenceExecutor().compile(trace(function, [type_of(a) for a in arrays]))
    expected = central(lambda h: float(compiled(moved(arrays, directions, h))[0]))
    assert abs(slope - expected) <= tolerance * max(1.0, abs(expected), abs(float(value))), (float(slope), expected)


def flushed(array: Array) -> Array:
    """Numbers too small for a full significand replaced by zeros of their sign, as native code does."""
    if array.dtype.kind != "f":
        return array
    small = np.abs(array) < np.finfo(array.dtype).tiny
    return np.where(small, np.copysign(np.zeros((), array.dtype), array), array)


def assert_close(
    found: Array, expected: Array, ulps: float, scale: Array | None = None, zero_sign: bool = True
) -> None:
    """Equal dtype, shape, NaNs, infinities; elsewhere within `ulps` units of the last place of the result,

    or, if a scale is given, of the scale (what a sum's rounding is measured by). 0 ulps: the same value.
    """
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    measure = np.abs(expected if scale is None else scale.astype(found.dtype))[finite]
    with np.errstate(all="ignore"):
        allowed = ulps * measure * np.finfo(found.dtype).eps + (ulps > 0) * np.finfo(found.dtype).tiny
        error = np.abs(found[finite].astype("float64") - expected[finite].astype("float64"))
    wrong = ~(error <= allowed)
    assert not wrong.any(), (found[finite][wrong][:5], expected[finite][wrong][:5])
    if zero_sign and ulps == 0 and scale is None:
        np.testing.assert_array_equal(np.signbit(found[finite]), np.signbit(expected[finite]))


def run_nodes(graph: Graph, arrays: Sequence[Array]) -> dict[Node, Array]:
    """The value of every node, by the reference."""
    return run_graph(graph, arrays)
