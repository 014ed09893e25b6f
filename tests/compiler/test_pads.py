"""The gradient of a value that was cut into parts is one concatenation, with the bits of the sum that it was."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import ops
from schuss.backprop import backprop
from schuss.compiler.passes.pads import join_pads
from schuss.compiler.pipeline import optimize
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.graph import Graph
from schuss.ir.types import N, TensorType
from schuss.trace import trace

F = "float32"
WEIRD = np.array([[0.0, -0.0, np.nan, np.inf, -1.5, 1e-42], [-0.0, 2.0, -np.inf, -0.0, 3.0, -1e-42]], F)


def padded(x, first, last, total=6):
    return ops.pad(x[:, first:last], axis=1, before=first, after=total - last, between=0)


def traced(function) -> Graph:
    return trace(function, [TensorType(F, (2, 6))])


SUMS = {
    "parts": lambda x: padded(x, 0, 1) + padded(x, 1, 4) + padded(x, 4, 6),
    "in another order": lambda x: padded(x, 4, 6) + padded(x, 0, 1) + padded(x, 1, 4),
    "not to the end": lambda x: padded(x, 1, 2) + padded(x, 2, 5),
    "after another term": lambda x: x * -0.0 + padded(x, 0, 3) + padded(x, 3, 6),
    "between others": lambda x: -x + padded(x, 3, 6) + padded(x, 0, 3) + ops.tanh(x),
    "parts of a part": lambda x: padded(padded(x, 0, 3) + padded(x, 3, 6), 0, 2) + padded(x, 2, 6),
}
APART = {
    "overlapping": lambda x: padded(x, 0, 3) + padded(x, 2, 6),
    "a gap": lambda x: padded(x, 0, 2) + padded(x, 3, 6),
    "others between": lambda x: padded(x, 0, 3) + ops.tanh(x) + padded(x, 3, 6),
    "axes": lambda x: padded(x, 0, 3) + ops.pad(x[:1], axis=0, before=1, after=0, between=0),
    "in between": lambda x: ops.pad(x[:, ::2], axis=1, before=0, after=1, between=1) + padded(x, 5, 6),
    "ones": lambda x: padded(x, 0, 3) + ops.pad(x[:, 3:], axis=1, before=3, after=0, between=0, constant_values=1.0),
}


@pytest.mark.parametrize("name", SUMS)
def test_the_bits_are_those_of_the_sum(name: str) -> None:
    graph = traced(SUMS[name])
    joined = join_pads(graph)
    assert any(n.op == "concatenate" for n in joined.nodes)
    run = ReferenceExecutor().compile
    assert run(joined)([WEIRD])[0].tobytes() == run(graph)([WEIRD])[0].tobytes()


@pytest.mark.parametrize("name", APART)
def test_what_does_not_lie_side_by_side_is_added(name: str) -> None:
    graph = traced(APART[name])
    assert join_pads(graph) is graph


def test_a_sum_that_is_read_elsewhere_stays() -> None:
    def both(x):
        half = padded(x, 0, 2) + ops.tanh(x)
        return half, half + padded(x, 2, 6)

    graph = traced(both)
    assert join_pads(graph) is graph


@pytest.mark.parametrize("parts", [2, 5, 40])
def test_a_gradient_of_parts(parts: int) -> None:
    def value(x):
        return sum((p * p * float(i)).sum() for i, p in enumerate(ops.split(x, parts, axis=1)))

    graph = trace(lambda x: backprop(value(x), [x])[0], [TensorType(F, (N, 80))])
    made = optimize(graph)
    assert sum(n.op == "concatenate" for n in made.nodes) == 1
    assert not any(n.op == "pad" for n in made.nodes)
    x = np.random.default_rng(0).standard_normal((7, 80)).astype(F)
    found = schuss.jit(schuss.grad(value))(x)
    np.testing.assert_allclose(found, ReferenceExecutor().compile(graph)([x])[0], rtol=1e-5, atol=1e-6)
