"""Windows in the compiler: values as the reference's in native code, on all threads; no buffer of their size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from convcases import CONVOLUTIONS, POOLS
from quick import compile_quickly

from schuss import nn, ops
from schuss.backprop import backprop
from schuss.compiler.draft import Draft
from schuss.compiler.passes.materialize import materialize
from schuss.compiler.pipeline import optimize, run
from schuss.compiler.schedule.fuse import Form
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import Tuning
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.function import NativeFunction
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.types import N, TensorType
from schuss.trace import trace

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True, scope="module")
def _quickly():
    with pytest.MonkeyPatch.context() as patch:
        compile_quickly(patch)
        yield


def convolution(x, w, b, stride, padding, dilation, groups):
    return (ops.conv2d if len(w.shape) == 4 else ops.conv1d)(x, w, b, stride, padding, dilation, groups)


def pooled(x, kind, size, stride, padding, dilation):
    if kind == "max":
        return (ops.max_pool2d if len(x.shape) == 4 else ops.max_pool1d)(x, size, stride, padding, dilation)
    return (ops.avg_pool2d if len(x.shape) == 4 else ops.avg_pool1d)(x, size, stride, padding)


def with_slopes(f, *xs, twice):
    """The value, the slopes of its squares and, twice, theirs along each of them."""
    y = f(*xs)
    first = backprop((y * y).sum(), list(xs))
    second = backprop(sum(((g * g).sum() for g in first[1:]), (first[0] * first[0]).sum()), list(xs)) if twice else []
    return [y, *first, *second]


def everything(twice):
    """(a function of all cases' inputs, each one's shape, and whether its first axis is that of the examples)."""
    cases = [
        (lambda x, w, b, r=rest: convolution(x, w, b, *r), ((x, True), (w, False), (w[:1], False)))
        for x, w, *rest in CONVOLUTIONS.values()
    ]
    for shape, *rest in POOLS.values():
        cases += [(lambda x, k=kind, r=rest: pooled(x, k, *r), ((shape, True),)) for kind in ("max", "average")]

    def function(*xs):
        given = iter(xs)
        return [v for f, inputs in cases for v in with_slopes(f, *(next(given) for _ in inputs), twice=twice)]

    return function, [given for _, inputs in cases for given in inputs]


def drawn(shape, dtype):
    """Numbers of which many are equal, as after a ReLU."""
    return np.maximum(RNG.standard_normal(shape), -0.3).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "twice"), [("float32", False), pytest.param("float64", True, marks=pytest.mark.slow)]
)
def test_native_code_is_the_reference(dtype, twice):
    f, inputs = everything(twice)
    graph = trace(f, [TensorType(dtype, (N, *s[1:]) if data else s) for s, data in inputs])
    specification = ReferenceExecutor().compile(graph)
    one, two = (NativeExecutor(threads, tuning=Tuning(worth_sharing=-1)).compile(graph) for threads in (1, 2))
    for rows, given in ((1, (two,)), (5, (one, two))):
        arrays = [drawn((rows, *s[1:]) if data else s, dtype) for s, data in inputs]
        found = [function(arrays) for function in given]
        for a, b, e in zip(found[0], found[-1], specification(arrays), strict=True):
            assert np.array_equal(a, b), "threads change no bits"
            close = 1e-11 if dtype == "float64" else 2e-5
            np.testing.assert_allclose(a, e, rtol=close, atol=close * float(np.abs(e).max(initial=1)))


def slopes_of(f, *types):
    """The optimized graph of a function and its slopes."""
    return optimize(trace(lambda *xs: with_slopes(f, *xs, twice=False), types))


IMAGES = TensorType("float32", (N, 4, 12, 10))


@pytest.mark.parametrize("kind", ["convolution", "max", "average"])
def test_no_buffer_of_the_windows_size(kind):
    """Neither forward nor backward, for windows that overlap."""
    if kind == "convolution":
        types = [IMAGES, TensorType("float32", (6, 4, 5, 5)), TensorType("float32", (6,))]
        graph = slopes_of(lambda x, w, b: ops.conv2d(x, w, b, padding=2), *types)
        windows = 4 * 25 * 12 * 10
    else:
        graph = slopes_of(lambda x: pooled(x, kind, 5, 1, 2, 1), IMAGES)
        windows = 4 * 25 * 12 * 10
    plan = NativeFunction(graph, 2).code_for(64).plan
    largest = max(math.prod(d for d in n.type.shape if d != N) for s in plan.stages for n in s.group.stores)
    assert largest < windows / (3 if kind == "convolution" else 4)
    assert plan.arena < 64 * 4 * windows


def test_a_convolutions_gradient_is_a_contraction():
    """With the padding that a slice of it would cut off never made."""
    graph = slopes_of(lambda x, w: ops.conv2d(x, w, padding=2), IMAGES, TensorType("float32", (6, 4, 5, 5)))
    names = [node.op for node in graph.nodes]
    assert "overlap_add" not in names
    assert "slice" not in names
    dx = next(n for n in graph.nodes if n.op == "dot_general" and n.inputs[1].op == "reverse")
    assert dx.type.shape == (N, 12, 10, 4)


def test_windows_side_by_side_are_no_sum():
    graph = slopes_of(lambda x: ops.max_pool2d(x, (3, 2)), IMAGES)
    assert "overlap_add" not in [node.op for node in graph.nodes]
    assert "pad" not in [node.op for node in graph.nodes]


def test_channels_stay_last_between_layers():
    """What is transposed in memory is a weight, and what leaves the convolutions."""
    layers = [nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten())
    graph = materialize(optimize(trace(model, [IMAGES])), Storage(64))
    copied = [n.type for n in graph.nodes if n.op == "identity" and n.type.symbolic and n.type.rank == 4]
    assert [t.shape for t in copied] == [(N, 8, 2, 1)]
    assert not [n for n in graph.nodes if n.op == "transpose" and n.type.symbolic and n.inputs[0].op in ("max", "relu")]


def test_graphs_without_windows_stay_as_they_are():
    """Their sums are in the order that files and records of trainings know."""
    swapped = trace(lambda x: (x.transpose((0, 2, 1)) + 1.0).sum(axis=2), [TensorType("float32", (N, 3, 4))])
    assert [n.op for n in optimize(swapped).nodes] == ["input", "transpose", "const", "add", "sum"]


# -- channels by themselves, and sums over examples and places ------------------------------------------

SHAPES = ((N, 33, 12, 12), (33, 1, 3, 3), (40, 33, 1, 1), (40,))  # data, each channel's own kernel, all channels', bias


def separable(x, depthwise, pointwise, bias):
    """A convolution of each channel by itself, and one of all channels at each place; their gradients."""
    y = ops.conv2d(ops.conv2d(x, depthwise, None, 1, 1, 1, 33), pointwise, bias)
    return backprop((y * y).sum(), [x, depthwise, pointwise, bias])


def separable_graph():
    return trace(separable, [TensorType("float32", shape) for shape in SHAPES])


def test_where_the_last_axis_has_one_place_another_makes_vectors():
    """Both convolutions' input gradients, and sums of the bias' gradient, of which each thread has some columns."""
    draft = run(Draft(optimize(separable_graph()), Storage(64), threads=2))
    products = [
        (stage.partition[0], "vectors of" in note)
        for stage, note in zip(draft.stages, draft.notes, strict=True)
        if stage.group.space[-1] == 1 and stage.group.form is Form.CONTRACT and N in stage.group.space
    ]
    assert products.count(("rows", True)) == 1, "1 x 1"
    assert products.count(("split", True)) == 1, "each channel by itself: its channels are divided among the threads"
    assert ("one", False) not in products
    assert ("columns", 40) in draft.partitions.values()


def test_they_have_the_same_bits_on_any_number_of_threads():
    arrays = [RNG.standard_normal((64 if N in s else s[0], *s[1:])).astype("f4") for s in SHAPES]
    found = [NativeExecutor(t, tuning=Tuning(worth_sharing=-1)).compile(separable_graph())(arrays) for t in (1, 2, 3)]
    for one, two, three, exact in zip(*found, ReferenceExecutor().compile(separable_graph())(arrays), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
        np.testing.assert_allclose(one, exact, rtol=2e-3, atol=2e-3)
