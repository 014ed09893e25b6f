"""Random whole graphs: what passes, text, executors and the chain rule must keep for every one of them."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from graphs import arrays_for, differentiated, fewest_rows, graphs, random_graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numeric import central, directions_for, moved
from quick import compile_quickly

from schuss import ops
from schuss.backprop import backprop
from schuss.compiler.draft import Draft
from schuss.compiler.passes.cse import common_subexpressions
from schuss.compiler.passes.layout import choose_layout
from schuss.compiler.passes.materialize import materialize
from schuss.compiler.passes.simplify import simplify
from schuss.compiler.pipeline import REWRITES, optimize
from schuss.compiler.schedule import partition as partition
from schuss.compiler.schedule.fuse import group
from schuss.compiler.schedule.sharing import Sharing
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import Tuning
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor, run_graph
from schuss.ir.text import to_text
from schuss.ir.types import N, TensorType
from schuss.ops.check import parse_graph, verify_graph
from schuss.trace import trace

TOLERANCE = {"float32": 2e-4, "float64": 1e-10}
SHARED = Tuning(worth_sharing=-1)  # threads take part however little there is to do
FEW = settings(max_examples=40, suppress_health_check=list(HealthCheck), derandomize=True)
ROWS = st.sampled_from([0, 1, 2, 7, 33, 300])


@pytest.fixture(autouse=True, scope="module")
def _small_graphs_are_shared_too():
    """Threads take part however little there is to do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sharing, "worth", True)
        yield


@pytest.fixture
def quickly(monkeypatch):
    """Without LLVM's own work, where what we emit is tested; the test in float32 has it."""
    compile_quickly(monkeypatch)


def reference(graph, arrays):
    return ReferenceExecutor().compile(graph)(arrays)


def inputs_for(graph, rows, seed=0):
    return arrays_for(graph, max(rows, fewest_rows(graph)), np.random.default_rng(seed))


def worst(found, expected):
    """The largest error, measured by the largest value of each output (at least 1); infinite for wrong NaNs."""
    errors = [0.0]
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape
        assert f.dtype == e.dtype
        f, e = f.astype("float64"), e.astype("float64")
        finite = np.isfinite(e)
        if not np.array_equal(f[~finite], e[~finite], equal_nan=True):
            return np.inf
        if finite.any():
            errors.append(float(np.max(np.abs(f - e)[finite]) / max(1.0, np.max(np.abs(e[finite])))))
    return max(errors)


def jumps(graph, arrays, expected, tolerance):
    """Whether the reference itself jumps when its inputs move by a few roundings: at a comparison of near equals."""
    rng = np.random.default_rng(1)
    return any(worst(reference(graph, [_nudged(a, rng) for a in arrays]), expected) > tolerance for _ in range(4))


def _nudged(array, rng):
    if array.dtype.kind != "f":
        return array
    return (array * (1 + 4 * np.finfo(array.dtype).eps * rng.uniform(-1, 1, array.shape))).astype(array.dtype)


def check_kept(graph, new, arrays, tolerance, new_arrays=None):
    """The new graph has the old one's values."""
    verify_graph(new)
    expected = reference(graph, arrays)
    error = worst(reference(new, arrays if new_arrays is None else new_arrays), expected)
    assert error <= tolerance or jumps(graph, arrays, expected, tolerance), error


def check_passes(graph, arrays):
    """Each pass alone, then one after the other as they are run, then what comes before code."""
    verify_graph(graph)
    for run in (simplify, common_subexpressions):
        check_kept(graph, run(graph), arrays, 1e-12)
    now = graph
    for each in REWRITES:
        before, now = now, each.run(Draft(now, Storage(1))).graph
        check_kept(before, now, arrays, 1e-12)
    check_kept(now, materialize(now, Storage(64)), arrays, 1e-12)
    columns = frozenset(str(i.attrs["name"]) for i in graph.inputs if N in i.type.shape)
    check_kept(now, materialize(now, Storage(64, columns)), arrays, 1e-12)
    layout = choose_layout(now, tuple(n for n in graph.input_names if n not in columns))
    transposed = [a.mT if i.attrs["name"] in layout.swapped else a for i, a in zip(graph.inputs, arrays, strict=True)]
    check_kept(now, layout.graph, arrays, 1e-12, transposed)


def check_text(graph, arrays):
    text = to_text(graph)
    back = parse_graph(text)
    assert to_text(back) == text
    for f, e in zip(reference(back, arrays), reference(graph, arrays), strict=True):
        assert f.tobytes() == e.tobytes()


def check_native(graph, arrays, tuning=SHARED, numbers=(1, 2, 3)):
    """The same values as the reference, and the same bits on these numbers of threads. How it was divided."""
    tolerance = TOLERANCE[max(i.type.dtype for i in graph.inputs if i.type.is_float)]
    expected = reference(graph, arrays)
    compiled = [NativeExecutor(threads, tuning=tuning).compile(graph) for threads in numbers]
    results = [function(arrays) for function in compiled]
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))
    error = worst(results[0], expected)
    assert error <= tolerance or jumps(graph, arrays, expected, tolerance), error
    return {
        s.partition[0]
        for function in compiled
        for _, program in function._programs.items()
        for s in program.code.plan.stages
    }


def multiplies_rows_by_a_matrix(graph):
    groups = group(materialize(optimize(graph), Storage(512)))
    return any(partition.rows_by_matrix(g) for g in groups)


@FEW
@given(graphs(), ROWS)
def test_passes_keep_values(graph, rows):
    check_passes(graph, inputs_for(graph, rows))


@FEW
@given(graphs(), ROWS)
def test_text_keeps_everything(graph, rows):
    check_text(optimize(graph), inputs_for(graph, rows))
    check_text(graph, inputs_for(graph, rows))


@pytest.mark.usefixtures("quickly")
@settings(FEW, max_examples=16)
@given(graphs(), ROWS)
def test_native_is_the_reference_on_any_number_of_threads(graph, rows):
    check_native(graph, inputs_for(graph, rows))


@settings(FEW, max_examples=10)
@given(graphs("float32"), ROWS)
def test_native_is_the_reference_in_float32(graph, rows):
    check_native(graph, inputs_for(graph, rows))


@pytest.mark.usefixtures("quickly")
def test_native_is_the_reference_where_products_are_divided_by_columns():
    tuning = replace(SHARED, column_split_bytes=1, column_split_ratio=0)
    partitions = []

    @settings(FEW, max_examples=10)
    @given(graphs().filter(multiplies_rows_by_a_matrix), ROWS)
    def some(graph, rows):
        partitions.append(check_native(graph, inputs_for(graph, rows), tuning, (1, 3)))

    some()
    assert sum("columns" in found for found in partitions) > 3


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        # rows of pairs belong to one thread, a fold over the first of them reads all
        (lambda x: ops.cos(x.T * x).sum(axis=0), [(N, 1)]),
        (lambda x: ops.cos(x.T * (x + 1.0)).T * 2.0, [(N, 1)]),
        (lambda x: ops.exp(x).broadcast_to((N, N)).sum(axis=1), [(N,)]),
        # a product of a value with itself reads all of it, not only a thread's rows
        (lambda x: (y := ops.cos(x.T * x)) @ y, [(N, 1)]),
        # the examples last: their neighbours lie apart, and a map in the fold's loop is an output too
        (lambda x, c: ((y := ops.maximum(x, c) * 2.0).sum(axis=1), y, x > c), [(N,), (20, 1)]),
        # a broadcast to an axis before the examples, and its gradient
        (lambda x: backprop((ops.broadcast_to(x, shape=(1, N, 3)) * x).sum(), [x])[0], [(N, 3)]),
        # a matrix that is kept transposed meets values of three axes
        (lambda x, w, b: (x @ w.T, w.T * b, w.T * b.sum(axis=(1, 2), keepdims=True)), [(N, 3), (4, 3), (2, 3, 4)]),
        # folds of one element
        (lambda x, y: (x.mean(axis=()), y.max(), y.mean(), x.min(axis=1)), [(N, 1), ()]),
    ],
)
@pytest.mark.parametrize("rows", [1, 7, 300])
def test_what_random_graphs_have_found(function, shapes, rows):
    graph = trace(function, [TensorType("float64", s) for s in shapes])
    check_passes(graph, inputs_for(graph, rows))
    check_native(graph, inputs_for(graph, rows), numbers=(1, 3))


# -- the chain rule --------------------------------------------------------------------------------

DISCRETE = {"sign", "floor", "argmax", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}


def sides(values):
    """On which side of every kink the values lie: what must stay put for finite differences to mean anything."""
    found = []
    for node, value in values.items():
        args = [values[i] for i in node.inputs]
        if node.op in DISCRETE or (node.op == "cast" and not node.type.is_float):
            found.append(value)
        elif node.op in ("relu", "abs"):
            found.append(np.sign(args[0]))
        elif node.op in ("maximum", "minimum"):
            found.append(np.sign(args[0] - args[1]))
        elif node.op == "clip":
            found.append((args[0] > node.attrs["low"]) + 2 * (args[0] > node.attrs["high"]))
        elif node.op in ("max", "min"):
            axis = node.attrs["axis"]
            found.append(args[0] == getattr(np, node.op)(args[0], axis=axis, keepdims=True))
    return b"".join(np.ascontiguousarray(f).tobytes() for f in found)


def difference(graph, xs, rest, direction, output, step):
    """An output's slope along the direction by finite differences; NaN if a kink lies between the points."""
    side = sides(run_graph(graph, [*xs, *rest]))

    def at(h):
        values = run_graph(graph, [*moved(xs, direction, h), *rest])
        return float(values[graph.outputs[output]]) if sides(values) == side else np.nan

    return central(at, step)


def check_gradient(graph, rows, rng):
    """Both orders against finite differences. False if no inputs were found where those mean something."""
    for _ in range(4):
        xs = inputs_for(graph, rows, rng.integers(2**32))
        xs = xs[: len(xs) - 2 * sum(i.type.is_float for i in graph.inputs) // 3]
        v, u = directions_for(xs, rng), directions_for(xs, rng)
        loss, slope, curve = map(float, reference(graph, [*xs, *v, *u]))
        errors = []
        for output, direction, found, tolerance in ((0, v, slope, 1e-6), (1, u, curve, 1e-4)):
            coarse, fine = (difference(graph, xs, [*v, *u], direction, output, h) for h in (4e-4, 1e-4))
            allowed = tolerance * max(1.0, abs(fine), abs(loss), abs(slope))
            if abs(coarse - fine) <= 0.3 * allowed:  # else too curved, or at a kink
                errors.append(abs(found - fine) / allowed)
        if len(errors) == 2:
            assert max(errors) <= 1, errors
            return True
    return False


def gradients_checked(count, first=0, steps=8):
    """How many random graphs could be judged."""
    judged = 0
    for seed in range(first, first + count):
        graph = differentiated(random.Random(seed).choice, steps)
        try:
            judged += check_gradient(graph, 4, np.random.default_rng(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{to_text(graph)}") from None
    return judged


def test_gradients_by_finite_differences():
    assert gradients_checked(60) >= 50


# -- many more ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_gradients():
    assert gradients_checked(10_000, first=1000, steps=12) >= 9_000


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thousands_of_graphs(dtype):
    for seed in range(3000):
        graph = random_graph(seed, dtype, 16)
        arrays = inputs_for(graph, [0, 1, 2, 7, 33, 300][seed % 6], seed)
        if dtype == "float64":
            check_passes(graph, arrays)
        check_text(graph, arrays)
        if seed % 3 == 0:
            check_native(graph, arrays)
