"""Truth, rounding and reversing, against numpy, as arrays and as compiled code."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss.errors import ShapeError
from schuss.ir.types import N, TensorType
from schuss.nn.forward import forward_graph

X = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5], [2.5, 0.3, np.nan, np.inf, -np.inf], [0, 0, -0.0, 1e9, 7]], np.float32)
BITS = X > 0
WHOLE = np.arange(9).reshape(3, 3) % 5
ALIKE = {
    **{name: (lambda m, x, name=name: getattr(m, name)(x)) for name in ("round", "isnan", "isinf", "isfinite", "flip")},
    **{f"{n} {a}": (lambda m, x, n=n, a=a: getattr(m, n)(x, axis=a)) for n in ("any", "all") for a in (None, 0, 1)},
    "turned": lambda m, x: x[::-1, 3:0:-2],
    "nothing": lambda m, x: x[0:2:-1],
    "dot of vectors": lambda m, x: m.dot(x[2], x[2]),
    "dot of a matrix and a vector": lambda m, x: m.dot(x[::2], x[2]),
    "dot of a vector and a matrix": lambda m, x: m.dot(x[0, :2], x[::2, 3:]),
    "dot of matrices": lambda m, x: m.dot(x[:1], x[2:].T),
    "dot of whole numbers": lambda m, x: m.dot(m.sort(WHOLE), WHOLE[0]),
    "dot of a number": lambda m, x: m.dot(x[0, 0], x[2]),
    "split in three": lambda m, x: m.split(x, 3)[1],
    "split at places": lambda m, x: m.concatenate(m.split(x, [1, 3, 2, -1], axis=1)[::-1], axis=1),
    "argsort of all": lambda m, x: m.argsort(x, axis=None),
}


@pytest.mark.parametrize("f", ALIKE.values(), ids=ALIKE)
def test_as_numpy_does(f):
    expected = f(np, X)
    for backend in ("native", "reference"):
        np.testing.assert_array_equal(schuss.jit(lambda x: f(schuss, x), backend=backend)(X), expected)
    np.testing.assert_array_equal(f(schuss, X), expected)


@pytest.mark.parametrize("f", [lambda m, x: m.sort(x, axis=0), lambda m, x: m.clip(x, 0, 1), lambda m, x: m.any(x)])
def test_bools_as_numpy_does(f):
    for found in (f(schuss, BITS), schuss.jit(lambda x: f(schuss, x))(BITS)):
        np.testing.assert_array_equal(found, f(np, BITS))
        assert found.dtype == f(np, BITS).dtype


def test_the_slope_of_a_reversed_tensor_is_reversed():
    x, w = (np.random.default_rng(i).standard_normal((3, 4)) for i in range(2))
    np.testing.assert_array_equal(schuss.grad(lambda x: (x[::-1, ::-1] * w).sum())(x), w[::-1, ::-1])
    np.testing.assert_array_equal(schuss.linspace(0, 1, 3), [0.0, 0.5, 1.0])


def test_examples_are_not_sliced():
    with pytest.raises(ShapeError, match=r"cannot slice the example axis .*model\(x\[:1\]\)"):
        forward_graph(lambda x: x[:1, 0], [TensorType("float32", (N, 5))])


def test_what_is_given_loosely_names_the_mend():
    x = np.ones((2, 6), np.float32)
    for f in (lambda x: schuss.reshape(x, 3, 4), schuss.jit(lambda x: schuss.reshape(x, 3, 4))):
        with pytest.raises(ShapeError, match=r"takes 1 tensor, got 3; give the numbers as one tuple: shape=\(3, 4\)"):
            f(x)
    with pytest.raises(ShapeError, match="no 4 parts of one length"):
        schuss.split(x, 4, axis=1)
    with pytest.raises(ShapeError, match=r"use schuss\.matmul"):
        schuss.dot(x[None], x.T)
