"""Simplification and common subexpressions: what is removed, and that no value changes."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import ops
from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.simplify import FOLD_LIMIT, simplify
from schuss.compiler.pipeline import optimize
from schuss.exec.reference import ReferenceExecutor
from schuss.ir import N, TensorType
from schuss.trace import as_tensor, trace

X = TensorType("float32", (N, 4))
M = TensorType("float32", (3, 4))


def ops_of(function, *types):
    return [n.op for n in simplify(trace(function, types)).nodes if n.op not in ("input", "const")]


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: ops.identity(x) + 1.0, ["add"]),
        (lambda x: ops.stop_gradient(x) + 1.0, ["add"]),
        (lambda x: x.T.T + 1.0, ["add"]),
        (lambda x: x.reshape(-1, 2, 2).reshape(x.shape) + 1.0, ["add"]),
        (lambda x: x * 1.0 + 0.5, ["add"]),
        (lambda x: 1.0 * x + 0.5, ["add"]),
        (lambda x: (x - 0.0) / 1.0 + 0.5, ["add"]),
        (lambda x: x + x[:1].reshape(4).broadcast_to(x.shape) if x.shape[0] == 3 else x + 1.0, ["add"]),
        (lambda x: -(ops.broadcast_to(ops.exp(x.sum()), shape=x.shape)) + x, ["sum", "exp", "neg", "add"]),
        (lambda x: x.sum(axis=0, keepdims=True).reshape(4), ["sum"]),
        (lambda x: x.astype("float32") + 1.0, ["add"]),
    ],
)
def test_removes_what_computes_nothing(function, left):
    assert ops_of(function, X) == left


@pytest.mark.parametrize("value", [0.0, 1.0, 2.0])
def test_keeps_what_does(value):
    """x + 0 turns -0 into 0, so it stays; x * 2 of course does."""
    assert ops_of(lambda x: x + 0.0, X) == ["add"]
    assert ops_of(lambda x: x * 2.0, X) == ["mul"]
    assert ops_of(lambda x: 0.0 + x * value, X) == (["add"] if value == 1.0 else ["mul", "add"])


def test_folds_constants_and_known_counts():
    graph = simplify(trace(lambda x: x.mean() * ops.exp(np.float32(0.0)) + ops.count(x, axis=1), [X]))
    assert "count" not in [n.op for n in graph.nodes]
    unknown = simplify(trace(lambda x: ops.count(x, axis=0) * 1.0, [X]))
    assert [n.op for n in unknown.nodes][-1] == "count"


def test_large_maps_of_constants_are_left_for_the_run():
    def ops_on_constants(length):
        return ops_of(lambda x: x + ops.exp(as_tensor(np.zeros((length, 4), np.float32))).sum(), M)

    assert "exp" not in ops_on_constants(10)
    assert "exp" in ops_on_constants(FOLD_LIMIT)


def test_common_subexpressions_are_computed_once():
    graph = common_subexpressions(trace(lambda x: ops.exp(x + 1.0) * ops.exp(x + 1.0), [X]))
    assert sorted(n.op for n in graph.nodes) == ["add", "const", "exp", "input", "mul"]


def test_signed_zeros_and_dtypes_stay_apart():
    graph = common_subexpressions(trace(lambda x: (x * 0.0, x * -0.0), [X]))
    assert [n.op for n in graph.nodes].count("const") == 2


def test_values_are_bit_equal():
    def function(x, m):
        y = (x @ m.T.T.T) * 1.0
        return ops.softmax(y, axis=-1).sum(axis=0, keepdims=True).reshape(3), y.mean()

    graph = trace(function, [X, M])
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((7, 4)).astype("f"), rng.standard_normal((3, 4)).astype("f")]
    reference = ReferenceExecutor()
    for a, b in zip(reference.compile(graph)(arrays), reference.compile(optimize(graph))(arrays), strict=True):
        assert a.tobytes() == b.tobytes()
