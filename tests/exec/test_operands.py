"""Operands without a place in memory (the step's number, constants, counts, what is computed beside them), and random
numbers: in every kind of kernel the same as by the reference."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import ops
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.executor import Step
from schuss.ir.graph import Graph, input_node
from schuss.ir.types import N, TensorType
from schuss.ops.philox import key_from_seed
from schuss.trace import Tensor, as_tensor, trace

TABLE = np.linspace(1.0, 2.0, 50)
ONES = np.ones((1, 3))
KEY = key_from_seed(5)


def floating(x):
    return x.astype("float64")


def vector(x, length=1):
    return ops.reshape(x, shape=(1,)) if length == 1 else ops.broadcast_to(x, shape=(length,))


# What each kind of kernel makes of an int64 scalar.
READERS = {
    "map": lambda s: floating(s) * 0.5,
    "map of a view": lambda s: (floating(vector(s)) * TABLE).sum(),
    "map of a stretched view": lambda s: (floating(vector(s, 50)) * TABLE).sum(),
    "take": lambda s: ops.take(TABLE, s, axis=0),
    "indexing": lambda s: as_tensor(TABLE)[s],
    "take by a vector": lambda s: ops.take(TABLE, vector(s), axis=0).sum(),
    "take of it": lambda s: floating(ops.take(vector(s, 3), np.array([1, 2]), axis=0)).sum(),
    "one_hot": lambda s: (ops.one_hot(s, classes=50, dtype="float64") * TABLE).sum(),
    "pick": lambda s: ops.pick(as_tensor(TABLE), s),
    "scatter_add": lambda s: (ops.scatter_add(np.ones(1), vector(s), axis=0, size=50) * TABLE).sum(),
    "scatter_add of it": lambda s: floating(ops.scatter_add(vector(s), np.array([1]), axis=0, size=3)).sum(),
    "concatenate": lambda s: floating(ops.concatenate(vector(s), np.array([2, 3]), axis=0)).sum(),
    "pad": lambda s: floating(ops.pad(vector(s), axis=0, before=2)).sum(),
    "sum": lambda s: floating(ops.sum(vector(s, 3))),
    "max": lambda s: floating(ops.max(vector(s, 3))),
    "argmax": lambda s: floating(ops.argmax(vector(s, 3), axis=0)),
    "slice": lambda s: floating(vector(s, 3)[1:2]).sum(),
    "left operand": lambda s: (floating(ops.reshape(s, shape=(1, 1))) @ ONES).sum(),
    "right operand": lambda s: (ONES @ floating(ops.broadcast_to(s, shape=(3, 2)))).sum(),
    "random step": lambda s: floating(ops.random_uniform(KEY, s, shape=(3,))).sum(),
    "random step of another shape": lambda s: floating(
        ops.random_uniform(KEY, vector(s).reshape(()), shape=(3,))
    ).sum(),
    "random scalar": lambda s: floating(ops.random_uniform(KEY, s + s, shape=())),
    "random key": lambda s: floating(ops.random_uniform(vector(s, 2).astype("uint32"), s, shape=(2,))).sum(),
}


def both(types, arrays, function, threads=2):
    graph = trace(function, types)
    return NativeExecutor(threads).compile(graph)(arrays), ReferenceExecutor().compile(graph)(arrays)


def check_equal(found, expected, names):
    for name, f, e in zip(names, found, expected, strict=True):
        np.testing.assert_allclose(f, e, rtol=1e-12, err_msg=str(name))


def test_the_steps_number_is_read_by_every_kind_of_kernel():
    """It lies nowhere: kernels are given it. Read from memory, it ends the process."""
    counter, x = (
        Tensor(input_node("step", TensorType("int64", ()))),
        Tensor(input_node("x", TensorType("float64", (N,)))),
    )
    sums = {name: Tensor(input_node(name, TensorType("float64", ()))) for name in READERS}
    with_rows = ops.mean(x)
    outputs = {name: old + READERS[name](counter) + with_rows for name, old in sums.items()}
    inputs = (*(s.node for s in sums.values()), x.node, counter.node)
    graph = Graph(inputs, tuple(o.node for o in outputs.values()), tuple(outputs))
    step = Step(graph, tuple(READERS), ("x",), "step")
    states = []
    for executor in (NativeExecutor(1), NativeExecutor(2), ReferenceExecutor()):
        loop = executor.loop(step, 4)
        loop.load({name: np.zeros(()) for name in READERS})
        loop.bind({"x": np.arange(10.0)})
        loop.run(np.arange(10), 4, 0, 3, 7)
        states.append(loop.state())
    for found in states[:2]:
        check_equal([found[n] for n in READERS], [states[2][n] for n in READERS], READERS)


@pytest.mark.parametrize("kind", ["constant", "count", "input"])
def test_a_number_without_a_place_is_read_by_every_kind_of_kernel(kind):
    given = {"constant": lambda x, s: as_tensor(7), "input": lambda x, s: s}
    given["count"] = lambda x, s: ops.count(x, axis=0, dtype="int64")
    types = [TensorType("float64", (N, 2)), TensorType("int64", ())]

    def function(x, s):
        scalar = given[kind](x, s)
        return [read(scalar) for read in READERS.values()]

    check_equal(*both(types, [np.ones((7, 2)), np.array(7)], function), READERS)


SHAPES = [(N, N), (3, N), (2, N, 3), (N, 2, N), (N, N, N), (N, 4), (4, N, N, 2), (), (N, 19), (N, 64)]


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_random_numbers_are_the_references_wherever_the_examples_stand(rows):
    types = [TensorType("uint32", (2,)), TensorType("int64", ()), TensorType("float32", (N, 2))]

    def function(key, step, x):
        return [x, *(ops.random_bits(key, step, shape=s, stream=i) for i, s in enumerate(SHAPES))]

    found, expected = both(types, [KEY, np.array(3), np.ones((rows, 2), np.float32)], function)
    check_equal(found, expected, ["x", *SHAPES])
    assert len(np.unique(found[1])) > 0.9 * rows * rows


@pytest.mark.parametrize("features", [13, 64])
def test_random_numbers_in_the_epilogue_of_a_product(features):
    """There rows begin anywhere in a block of four words, and a tile's rest is narrower than its vectors."""
    types = [TensorType("uint32", (2,)), TensorType("float32", (N, 3)), TensorType("float32", (3, features))]
    rng = np.random.default_rng(0)
    arrays = [KEY, *(rng.integers(0, 5, s).astype(np.float32) for s in ((23, 3), (3, features)))]

    def function(key, x, w):
        y = x @ w
        return [y * ops.random_uniform(key, 0, shape=y.shape)]

    check_equal(*both(types, arrays, function), [features])


def test_random_keys_are_read_as_they_lie():
    """A strided or stretched view, a constant, and one that is computed in a shape like the numbers'."""
    types = [TensorType("uint32", (2, 2)), TensorType("uint32", (1,)), TensorType("uint32", (2,))]

    def function(many, one, key):
        keys = [many[:, 1], ops.broadcast_to(one, shape=(2,)), KEY, key + key, key]
        return [ops.random_uniform(k, i, shape=s) for i, k in enumerate(keys) for s in ((2,), (3, 4), ())]

    arrays = [np.array([[1, 2], [3, 4]], np.uint32), np.array([7], np.uint32), KEY]
    check_equal(*both(types, arrays, function), range(15))


def test_random_functions_take_constant_steps_and_keys_under_jit():
    import schuss

    draws = {
        "uniform": lambda key: schuss.random_uniform(key, 0, shape=(3,)),
        "normal": lambda key: schuss.random_normal(key, 1, shape=(3,)),
        "bits": lambda key: schuss.random_bits(key, 2, shape=(3,)),
    }
    for draw in draws.values():
        expected = draw(KEY)
        np.testing.assert_allclose(schuss.jit(draw)(KEY), expected, rtol=1e-6)
        np.testing.assert_allclose(schuss.jit(lambda x, d=draw: d(KEY) + x)(np.float32(0.0)), expected, rtol=1e-6)
