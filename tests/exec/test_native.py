"""The native executor against the reference: whole graphs, loops over batches, threads, states, hazards."""

from __future__ import annotations

import itertools
import multiprocessing
import platform
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schuss import ops
from schuss.backprop import backprop
from schuss.compiler.llvm.target import host_target
from schuss.compiler.schedule.sharing import Sharing
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.errors import IndexRangeError, ShapeError, UsageError
from schuss.exec.native import programs
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.table import Table
from schuss.exec.reference import ReferenceExecutor
from schuss.ir import Graph, N, TensorType, input_node
from schuss.ir.executor import Step
from schuss.ir.executors import executor
from schuss.trace import Tensor, as_tensor, trace
from tests.quick import compile_quickly
from tests.thinned import sampled, thinned

F = "float32"


IN_BLOCKS = Tuning(
    k_block_rows=1, k_block_bytes=1, column_split_bytes=1, column_split_ratio=1 << 20, block=16, block_bytes=1
)


@pytest.fixture
def quickly(request, monkeypatch):
    """Without LLVM's own work, where plans that give the same bits are compared; slow cases have it."""
    if "slow" not in request.keywords:
        compile_quickly(monkeypatch)


def agree(function, types, n=37, seed=0, tolerance=2e-5, threads=2, tuning=DEFAULT):
    graph = trace(function, types)
    rng = np.random.default_rng(seed)
    arrays = []
    for t in types:
        shape = tuple(d if isinstance(d, int) else n for d in t.shape)
        arrays.append(
            rng.standard_normal(shape).astype(t.dtype) if t.is_float else rng.integers(0, 3, shape).astype(t.dtype)
        )
    expected = ReferenceExecutor().compile(graph)(arrays)
    compiled = NativeExecutor(threads, tuning=tuning).compile(graph)
    found = compiled(arrays)
    for e, f in zip(expected, found, strict=True):
        assert e.shape == f.shape
        assert e.dtype == f.dtype
        np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance)
    return [stage for _, program in compiled._programs.items() for stage in program.code.plan.stages]


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 255, 256, 257, 700])
def test_any_number_of_rows(n):
    agree(lambda x: ops.softmax(x * 2.0 + 1.0, axis=-1), [TensorType(F, (N, 10))], n)
    agree(lambda x, w: ops.relu(x @ w), [TensorType(F, (N, 33)), TensorType(F, (33, 50))], n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 7, 2), (17, 33, 10), (50, 70, 20), (3, 1, 65)])
def test_a_network_and_its_gradients(dtype, sizes):
    a, b, c = sizes

    def function(x, w, bias, v, y):
        z = ops.tanh(x @ w.T + bias) @ v
        loss = ((z - y) * (z - y)).mean()
        return loss, *backprop(loss, [w, bias, v, x])

    types = [(N, a), (b, a), (b,), (b, c), (N, c)]
    agree(function, [TensorType(dtype, s) for s in types], tolerance=2e-5 if dtype == F else 1e-12)


@pytest.mark.parametrize(
    ("function", "types"),
    [
        (lambda x: x.T, [(N, 5)]),
        (lambda x: [ops.exp(x).sum(axis=axes) for axes in ((1, 2), (2,))], [(N, 4, 5)]),
        (lambda x: [ops.exp(x).sum(axis=axes) for axes in ((2,), (1, 2), (2,))], [(N, 4, 5)]),
        (lambda x: (x.T @ x, x @ x.T), [(N, 33)]),
        (lambda x: x.reshape(-1, 2, 3).transpose(0, 2, 1).reshape(-1, 6) * 2.0, [(N, 6)]),
        (lambda x: x.sum(axis=(0, 2)) + x.max(axis=1).sum(axis=0).sum(), [(4, 5, 6)]),
        (lambda x: (x.mean(axis=0), x.mean(axis=1), x.mean(axis=2), x.mean()), [(4, 5, 6)]),
        (lambda x: (x.sum(axis=0), x.min(axis=0), x.sum(), x.max()), [(N, 40)]),
        (lambda x, y: x @ y, [(3, 7, 8), (8, 9)]),
        (lambda x, y: x @ y, [(3, 7, 8), (3, 8, 1)]),
        (lambda x, y: x @ y, [(2, 1, 7, 8), (1, 3, 8, 5)]),
        (lambda x: ops.argmax(x, axis=1), [(N, 5)]),
        (lambda x, y: ops.concatenate(x, y, axis=1) * 2.0, [(N, 5), (N, 2)]),
        (lambda x: ops.pad(x, axis=1, before=1, after=2, between=1, value=3.0), [(N, 5)]),
        (lambda x: (x > 0.0, ops.logical_not(x > 0.0), (x > 0.0).astype("uint8")), [(N, 5)]),
        (lambda x: (x, x, as_tensor(np.arange(80.0, dtype=F)), as_tensor(2.0)), [(N, 5)]),
        (lambda x: ops.layer_norm(x, (5,)) if hasattr(ops, "never") else x[:, ::2] + x[:, 1:4], [(N, 5)]),
        (lambda x: (x * 10.0).astype("int32").astype("int64").sum(axis=1), [(N, 5)]),
        (lambda x: x + ops.exp(x[0]), [(3, 20)]),
    ],
)
def test_shapes_of_every_kind(function, types):
    agree(function, [TensorType(F, s) for s in types])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(16, 16), (80, 96), (32, 48), (5, 7), (16, 17), (35, 16), (100, 67), (1, 40), (40, 1), (0, 5)]
)
@pytest.mark.parametrize("threads", [1, 3])
def test_matrices_are_turned(dtype, shape, threads):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    graph = trace(lambda x: (x.T, x[1:].T), [TensorType(dtype, shape)])
    for found, expected in zip(NativeExecutor(threads).compile(graph)([x]), (x.T, x[1:].T), strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(("dtype", "threads"), thinned(["float32", "float64"], [1, 2, 3], by=2))
def test_products_of_one_column(dtype, threads):
    """Forward, and a gradient with an update of its own in the epilogue; widths on both sides of a vector's."""

    def body(x, w, y, m):
        z = ops.tanh(x @ w)
        (g,) = backprop(((z - y) * (z - y)).sum(), [w])
        return z, m * 0.9 + g, w - 0.1 * (m * 0.9 + g) / (ops.sqrt(g * g) + 1.0), x.T @ z

    for width in (1, 3, 16, 33, 200):
        types = [TensorType(dtype, s) for s in ((N, width), (width, 1), (N, 1), (width, 1))]
        graph = trace(body, types)
        compiled, rng = NativeExecutor(threads).compile(graph), np.random.default_rng(width)
        for n in (1, 37):
            arrays = [rng.standard_normal([n if d is N else d for d in t.shape]).astype(dtype) for t in types]
            expected = ReferenceExecutor().compile(graph)(arrays)
            for e, f in zip(expected, compiled(arrays), strict=True):
                np.testing.assert_allclose(f, e, rtol=1e-4 if dtype == F else 1e-11, atol=1e-5 if dtype == F else 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_has_the_same_bits_however_many_rows_are_computed_at_once(dtype):
    for depth in (5, 8, 16, 40, 201):
        graph = trace(lambda x, w: x @ w + 1.0, [TensorType(dtype, (N, depth)), TensorType(dtype, (depth, 1))])
        rng = np.random.default_rng(depth)
        x, w = rng.standard_normal((53, depth)).astype(dtype), rng.standard_normal((depth, 1)).astype(dtype)
        compiled = NativeExecutor(1).compile(graph)
        (whole,) = compiled([x, w])
        for rows in (1, 7, 16, 37):
            for start in (0, 53 - rows):
                (part,) = compiled([x[start : start + rows], w])
                assert part.tobytes() == whole[start : start + rows].tobytes(), (depth, rows)


def test_indices():
    agree(lambda x, i: ops.take(x, i, axis=1), [TensorType(F, (N, 5)), TensorType("int64", (3,))])
    agree(lambda x, i: ops.take(x, i, axis=0), [TensorType(F, (6, 5)), TensorType("int32", (N, 2))])
    agree(lambda x, i: ops.scatter_add(x, i, axis=0, size=4), [TensorType(F, (6, 5)), TensorType("int64", (6,))])
    agree(lambda i: ops.one_hot(i, classes=4), [TensorType("uint8", (N,))])


@pytest.mark.parametrize("beside", [False, True])
def test_a_fault_that_its_caller_did_not_look_at_is_not_that_of_the_next_run(beside):
    """As where he was interrupted between the program's end and his look."""
    graph = trace(lambda x, i: ops.take(x, i * 1, axis=0), [TensorType(F, (6, 5)), TensorType("int64", (N,))])
    code = NativeExecutor(1).compile(graph).code_for(2)
    table, index = Table(code), np.array([0, 9], np.int64)
    arrays = [np.zeros((6, 5), F), index, np.zeros((2, 5), F)]
    for node, array in zip([*code.plan.graph.inputs, *code.plan.graph.outputs], arrays, strict=True):
        table.set(code.plan.slots[node], array)
    run = (None, 2, 2, 0, 1, 0, 1, beside)
    table.run(*run)
    index[1] = 5
    table.run(*run)
    table.look()
    index[1] = 9
    table.run(*run)
    with pytest.raises(IndexRangeError):
        table.look()


def test_random_numbers_are_bit_equal():
    def function(key, step, x):
        bits = ops.random_bits(key, step, shape=x.shape, stream=3)
        uniform = ops.random_uniform(key, step, shape=(5, 7), dtype="float64")
        return bits, uniform, x * ops.random_uniform(key, step, shape=x.shape)

    graph = trace(function, [TensorType("uint32", (2,)), TensorType("int64", ()), TensorType(F, (N, 9))])
    arrays = [np.array([7, 0xFFFFFFFF], "u4"), np.asarray(2**33 + 5), np.ones((301, 9), F)]
    for threads in (1, 2, 3):
        for e, f in zip(
            ReferenceExecutor().compile(graph)(arrays),
            NativeExecutor(threads).compile(graph)(arrays),
            strict=True,
        ):
            assert np.array_equal(e, f)


def mlp_step(sizes=(20, 30, 8, 5), dtype=F):
    """Adam-like step on cross entropy, with a counter, a metric sum and uint8 columns."""
    names = [f"{i}.{p}" for i in range(len(sizes) - 1) for p in ("weight", "bias")]
    shapes = {
        f"{i}.{p}": (b, a) if p == "weight" else (b,)
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
        for p in ("weight", "bias")
    }
    x, y = (
        Tensor(input_node("x", TensorType("uint8", (N, sizes[0])))),
        Tensor(input_node("y", TensorType("uint8", (N,)))),
    )
    step, total = (
        Tensor(input_node("step", TensorType("int64", ()))),
        Tensor(input_node("sum", TensorType("float64", ()))),
    )
    p = {n: Tensor(input_node(n, TensorType(dtype, shapes[n]))) for n in names}
    m = {n: Tensor(input_node("m." + n, TensorType(dtype, shapes[n]))) for n in names}
    h = x.astype(dtype) * (1 / 255)
    for i in range(len(sizes) - 1):
        h = h @ p[f"{i}.weight"].T + p[f"{i}.bias"]
        h = ops.relu(h) if i < len(sizes) - 2 else h
    loss = (ops.logsumexp(h, axis=1) - ops.pick(h, y)).mean()
    grads = dict(zip(names, backprop(loss, [p[n] for n in names]), strict=True))
    rate = (0.1 / ops.sqrt(step.astype("float64") + 1.0)).astype(dtype)
    out = {"loss": loss, "sum": total + loss.astype("float64")}
    for n in names:
        out["m." + n] = m[n] * 0.9 + grads[n]
        out[n] = p[n] - rate * out["m." + n]
    inputs = tuple(t.node for t in (x, y, step, total, *p.values(), *m.values()))
    graph = Graph(inputs, tuple(o.node for o in out.values()), tuple(out))
    rng = np.random.default_rng(1)
    state = {"sum": np.zeros(())}
    for n in names:
        state[n] = rng.standard_normal(shapes[n]).astype(dtype) * dtype_of(dtype)(0.3)
        state["m." + n] = np.zeros(shapes[n], dtype)
    data = {
        "x": rng.integers(0, 256, (203, sizes[0])).astype("u1"),
        "y": rng.integers(0, sizes[-1], 203).astype("u1"),
    }
    step_record = Step(graph, ("sum", *names, *("m." + n for n in names)), ("x", "y"), "step", "loss")
    return step_record, state, data


def dtype_of(name):
    return np.dtype(name).type


def made(loop):
    """What stands for the executor of a loop that is there already: to compile it takes longest."""
    return SimpleNamespace(loop=lambda step, batch: loop)


def run(executor, step, state, data, batch=32, order=None, slices=((0, 7),)):
    loop = executor.loop(step, batch)
    loop.load(state)
    loop.bind(data)
    order = np.random.default_rng(5).permutation(len(data["y"])) if order is None else order
    for first, steps in slices:
        assert loop.run(order, batch, first, steps, first) == steps
    return loop.state()


@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [
        ("float32", (20, 30, 8, 5)),
        ("float64", (20, 30, 8, 5)),
        ("float32", (20, 256, 5)),
        ("float64", (20, 256, 512, 5)),
        ("float64", (17, 300, 45, 6)),
    ],
)
def test_a_loop_does_what_the_reference_does(dtype, sizes):
    """Seven batches, the last one short; also with rows that are spaced out in memory."""
    step, state, data = mlp_step(sizes, dtype)
    expected = run(ReferenceExecutor(), step, state, data)
    found = run(NativeExecutor(2), step, state, data)
    for name in expected:
        np.testing.assert_allclose(
            found[name], expected[name], rtol=1e-4 if dtype == F else 1e-11, atol=2e-6, err_msg=name
        )


def test_same_bits_for_any_thread_count_and_any_slicing():
    step, state, data = mlp_step((200, 70, 33, 10))
    runs = []
    for threads in (1, 2, 3, 4, 8):
        loop_executor = NativeExecutor(threads)
        assert loop_executor.loop(step, 32).threads == threads, "the step must be shared"
        runs.append(run(loop_executor, step, state, data))
    runs.append(run(NativeExecutor(2), step, state, data, slices=((0, 1), (1, 4), (5, 2))))
    for other in runs[1:]:
        assert all(other[n].tobytes() == runs[0][n].tobytes() for n in runs[0])


def test_code_made_without_llvms_own_work_has_the_same_bits(monkeypatch):
    """As tests of what is done with it take it (tests/quick.py)."""
    step, state, data = mlp_step()
    whole = run(NativeExecutor(1), step, state, data)
    compile_quickly(monkeypatch)
    quick = run(NativeExecutor(1), step, state, data)
    assert all(quick[name].tobytes() == whole[name].tobytes() for name in whole)


def test_a_loss_that_is_not_finite_stops_the_loop_within_the_step():
    step, state, data = mlp_step()
    order = np.arange(200)
    bad = {**data, "x": data["x"]}
    state = {**state, "0.bias": np.where(np.arange(30) == 3, np.float32(3e38), state["0.bias"]).astype(F)}
    state["1.weight"] = state["1.weight"] * np.float32(1e3)
    for kind in (NativeExecutor(2), NativeExecutor(1), ReferenceExecutor()):
        loop = kind.loop(step, 32)
        loop.load(state)
        loop.bind(bad)
        assert loop.run(order, 32, 0, 6, 0) == 1, kind.name


def test_the_data_is_read_in_place():
    step, state, data = mlp_step()
    loop = NativeExecutor(1).loop(step, 32)
    loop.load(state)
    loop.bind(data)
    assert loop._columns["x"] is data["x"]


def test_state_goes_in_and_comes_out_unchanged():
    step, state, _ = mlp_step()
    loop = NativeExecutor(1).loop(step, 32)
    loop.load(state)
    back = loop.state()
    assert all(np.array_equal(back[n], state[n]) and back[n].shape == np.shape(state[n]) for n in state)
    assert loop._swapped  # some lie the other way round
    assert all(np.array_equal(loop.peek(n), state[n]) for n in state)


def test_columns_of_floats_are_gathered_however_they_are_read():
    """x goes into a product as it is, transposed and into a map; rows are picked in a shuffled order."""
    x, w, total = (
        Tensor(input_node("x", TensorType(F, (N, 3)))),
        Tensor(input_node("w", TensorType(F, (3, 4)))),
        Tensor(input_node("total", TensorType(F, (3, 3)))),
    )
    loss = ((x @ w - x.sum(axis=1, keepdims=True)) * (x @ w - x[:, :1])).mean() + x.T.sum(axis=1).sum() + (x * x).sum()
    (g,) = backprop(loss, [w])
    new = {"loss": loss, "w": w - 0.01 * g, "total": total + x.T @ x}
    graph = Graph((x.node, w.node, total.node), tuple(v.node for v in new.values()), tuple(new))
    step = Step(graph, ("w", "total"), ("x",), None, "loss")
    rng = np.random.default_rng(0)
    state = {"w": rng.standard_normal((3, 4)).astype(F), "total": np.zeros((3, 3), F)}
    data = {"x": rng.standard_normal((50, 3)).astype(F)}
    results = []
    for kind in (ReferenceExecutor(), NativeExecutor(2)):
        loop = kind.loop(step, 16)
        loop.load(state)
        loop.bind(data)
        loop.run(np.random.default_rng(1).permutation(50), 16, 0, 4, 0)
        results.append(loop.state())
    for name in state:
        np.testing.assert_allclose(results[1][name], results[0][name], rtol=1e-4, atol=1e-4)


def test_a_state_that_is_read_later_is_not_overwritten():
    """a' = b' (transposed), b' = a' + b', c' = a @ b: every new value is made from the old ones."""
    a, b, c = (Tensor(input_node(name, TensorType(F, (9, 9)))) for name in "abc")
    new = {"a": b.T, "b": a.T + b.T, "c": a @ b + 0.0 * c}
    graph = Graph((a.node, b.node, c.node), tuple(v.node for v in new.values()), tuple(new))
    step = Step(graph, ("a", "b", "c"), ())
    rng = np.random.default_rng(0)
    state = {n: rng.standard_normal((9, 9)).astype(F) for n in "abc"}
    results = []
    for kind in (ReferenceExecutor(), NativeExecutor(1)):
        loop = kind.loop(step, 1)
        loop.load(state)
        loop.run(np.zeros(3, np.int64), 1, 0, 3, 0)
        results.append(loop.state())
    for name in "abc":
        np.testing.assert_allclose(results[1][name], results[0][name], rtol=1e-5, atol=1e-4)


def test_a_state_is_not_overwritten_before_a_reader_that_waits_for_other_threads():
    """w' = 2 v needs no barrier. total' reads the old w, and needs one: it sums what the threads share by rows."""
    x, total = Tensor(input_node("x", TensorType(F, (N, 8)))), Tensor(input_node("total", TensorType(F, (8,))))
    w, v = (Tensor(input_node(name, TensorType(F, (2, 4)))) for name in "wv")
    new = {"total": total + (x @ np.full((8, 8), 0.1, F)).sum(axis=0) * w.reshape(8), "w": v * 2.0, "v": v + 1.0}
    graph = Graph((x.node, total.node, w.node, v.node), tuple(t.node for t in new.values()), tuple(new))
    rng = np.random.default_rng(0)
    state = {t.node.attrs["name"]: rng.standard_normal(t.shape).astype(F) for t in (total, w, v)}
    results, data = [], rng.standard_normal((96, 8)).astype(F)
    for kind in (ReferenceExecutor(), NativeExecutor(2)):
        loop = kind.loop(Step(graph, tuple(state), ("x",)), 32)
        loop.bind({"x": data})
        loop.load(state)
        loop.run(np.arange(96), 32, 0, 3, 0)
        results.append(loop.state())
    for name in state:
        np.testing.assert_allclose(results[1][name], results[0][name], rtol=1e-5)


def test_many_callers_at_once():
    graph = trace(lambda x: ops.softmax(ops.tanh(x) @ np.ones((8, 5), F), axis=-1), [TensorType(F, (N, 8))])
    compiled = NativeExecutor(2).compile(graph)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((n, 8)).astype(F) for n in (1, 10, 300, 700)]
    expected = [compiled([x])[0] for x in inputs]
    wrong = []

    def call():
        for _ in range(20):
            for x, e in zip(inputs, expected, strict=True):
                if not np.array_equal(compiled([x])[0], e):
                    wrong.append(len(x))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_one_row_beside_arrays_that_are_read_where_they_lie():
    types = [TensorType(F, (N, 3)), TensorType(F, (3, 2)), TensorType(F, (2,))]
    function = executor("native", 1).compile(trace(lambda x, w, b: ops.tanh(x @ w + b), types))
    w, b, x = (np.random.default_rng(0).normal(size=s).astype("f4") for s in ((3, 2), 2, (1, 3)))
    quick = function.one_row([w, b])
    np.testing.assert_array_equal(quick(x), function([x, w, b])[0])
    b += 1.0
    np.testing.assert_array_equal(quick(x), function([x, w, b])[0])
    for held in ([], [w], [w.T.copy().T, b], [w.astype("f8"), b], [w[:2], b]):
        assert function.one_row(held) is None


def test_wrong_inputs_are_named():
    compiled = NativeExecutor(1).compile(trace(lambda x: x * 2.0, [TensorType(F, (N, 8))]))
    with pytest.raises(ShapeError, match=r"input x0: expected float32\[N,8\], got float32\[3, 7\]"):
        compiled([np.zeros((3, 7), F)])
    with pytest.raises(ShapeError, match="got float64"):
        compiled([np.zeros((3, 8))])
    with pytest.raises(UsageError, match="'metal' is none of native, reference"):
        executor("metal")


def _child(queue, x):
    graph = trace(lambda v: ops.exp(v).sum(axis=1), [TensorType(F, (N, 300))])
    queue.put(NativeExecutor(2).compile(graph)([x])[0])


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_works_after_a_fork():
    x = np.random.default_rng(0).standard_normal((256, 300)).astype(F)
    graph = trace(lambda v: ops.exp(v).sum(axis=1), [TensorType(F, (N, 300))])
    here = NativeExecutor(2).compile(graph)([x])[0]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_child, args=(queue, x))
    child.start()
    assert np.array_equal(queue.get(timeout=60), here)
    child.join(timeout=60)


def test_the_callers_floating_point_state_is_untouched():
    """Denormals are flushed in native code only: the smallest denormal survives outside."""
    compiled = NativeExecutor(2).compile(trace(lambda x: x * 0.5, [TensorType(F, (N, 4))]))
    tiny = np.full((300, 4), 1e-40, F)
    assert (compiled([tiny])[0] == 0).all()
    assert (tiny * np.float32(0.5) > 0).all()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these are of x86")
@pytest.mark.parametrize("isa", ["avx2", "sse2"])
def test_other_instruction_sets(isa, monkeypatch):
    """AVX2 with FMA: the same bits as AVX-512. SSE2 has no FMA and agrees to rounding."""
    step, state, data = mlp_step((50, 33, 20, 10))
    monkeypatch.delenv("SCHUSS_TARGET", raising=False)  # they are compared with the machine as it is
    expected = run(NativeExecutor(2), step, state, data)
    monkeypatch.setenv("SCHUSS_TARGET", isa)
    assert isa == "avx2" or not host_target().fma
    found = run(NativeExecutor(2), step, state, data)
    for key, value in expected.items():
        if isa == "avx2":
            assert found[key].tobytes() == value.tobytes(), key
        else:
            np.testing.assert_allclose(found[key], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_matrices_of_one_shape_are_turned_together(threads):
    step, state, data = mlp_step((20, 48, 48, 48, 5))
    loop = NativeExecutor(threads).loop(step, 32)
    pairs = zip(loop.plan.stages, loop.listing().notes, strict=True)
    transposed = [len(stage.group.maps) for stage, note in pairs if "transposed in tiles" in note]
    assert max(transposed) == 2, "one kernel for the two hidden layers"
    expected, found = run(ReferenceExecutor(), step, state, data), run(NativeExecutor(threads), step, state, data)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=2e-6, err_msg=name)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("sizes", sampled([(20, 603, 301, 5)], [((20, 600, 300, 5),)]))
def test_products_by_a_large_matrix_are_divided_by_columns(sizes):
    step, state, data = mlp_step(sizes)
    loops = [NativeExecutor(threads).loop(step, 4) for threads in (1, 2, 8)]
    assert all(any(s.partition[0] == "columns" for s in loop.plan.stages) for loop in loops)
    expected = run(ReferenceExecutor(), step, state, data, batch=4)
    runs = [run(made(loop), step, state, data, batch=4) for loop in loops]
    for name in expected:
        np.testing.assert_allclose(runs[0][name], expected[name], rtol=1e-4, atol=2e-6, err_msg=name)
        assert all(other[name].tobytes() == runs[0][name].tobytes() for other in runs), name


MATRICES = [(2, 2), (16, 16), (21, 37), (50, 16), (16, 5), (7, 40), (130, 33)]  # columns and depth


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("dtype", "rows", "shape"), thinned(["float32", "float64"], [1, 3, 8], MATRICES))
def test_few_rows_read_a_transposed_matrix_as_it_lies(dtype, rows, shape, monkeypatch):
    """The same bits as from a copy of it, which more rows make, and none is made."""
    columns, depth = shape
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in [(rows, depth), (columns, depth), (columns,)])
    graph = trace(lambda x, w, b: ops.tanh(x @ w.T + b), [TensorType(dtype, a.shape) for a in (x, w, b)])
    kinds = []
    for few in (8, 0):
        compiled = NativeExecutor(1, tuning=Tuning(few_rows=few)).compile(graph)
        kinds.append(compiled([x, w, b])[0])
        ((_, program),) = compiled._programs.items()
        code = program.code
        assert any(stage.group.nodes[0].op == "identity" for stage in code.plan.stages) is (few == 0)
    found, copied = kinds
    assert found.tobytes() == copied.tobytes()
    np.testing.assert_allclose(found, np.tanh(x @ w.T + b), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("dtype", "threads", "shape"), thinned(["float32", "float64"], [1, 3, 8], MATRICES, by=4))
def test_batches_turn_a_large_matrix_a_panel_at_a_time(dtype, threads, shape, monkeypatch):
    """The same bits as from a copy of it."""
    columns, depth = shape
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in [(40, depth), (columns, depth), (columns,)])
    types = [TensorType(dtype, s) for s in ((N, depth), w.shape, b.shape)]
    graph = trace(lambda x, w, b: ops.tanh(x @ w.T + b), types)
    results = []
    for large in (1, 1 << 40):
        compiled = NativeExecutor(threads, tuning=Tuning(panel_bytes=large, worth_sharing=0)).compile(graph)
        results.append([compiled([x[:n], w, b])[0] for n in (40, 17, 2)])
        ((_, program),) = compiled._programs.items()
        code = program.code
        assert any(stage.packs for stage in code.plan.stages) is (large == 1)
    for n, found, copied in zip((40, 17, 2), *results, strict=True):
        assert found.tobytes() == copied.tobytes()
        np.testing.assert_allclose(found, np.tanh(x[:n] @ w.T + b), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("sizes", sampled([(20, 70, 33, 64, 5)], [((20, 48, 48, 48, 5),), ((20, 64, 64, 64, 5),)]))
def test_steps_that_turn_panels_have_the_bits_of_those_that_copy(sizes, monkeypatch):
    step, state, data = mlp_step(sizes)
    copied = run(NativeExecutor(2), step, state, data)
    loops = [NativeExecutor(threads, tuning=Tuning(panel_bytes=1)).loop(step, 32) for threads in (1, 3, 8)]
    plan = loops[1].plan
    assert sum(stage.packs for stage in plan.stages) == 3, "of all layers but the first, the gradients of their inputs"
    assert not any(n.op == "identity" and n.type.rank == 2 for s in plan.stages for n in s.group.stores)
    for loop in loops:
        found = run(made(loop), step, state, data)
        assert all(found[name].tobytes() == copied[name].tobytes() for name in copied)


FEW = [((20, 48, 48, 48, 5), 1), ((20, 603, 301, 5), 5)]
MORE = [((20, 600, 300, 5), 1), ((20, 600, 300, 5), 5), ((20, 48, 48, 48, 5), 5), ((20, 603, 301, 5), 1)]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("sizes", "batch"), sampled(FEW, MORE))
def test_steps_of_few_rows_copy_no_matrix(sizes, batch):
    step, state, data = mlp_step(sizes)
    loops = [NativeExecutor(threads).loop(step, batch) for threads in (1, 2, 3)]
    for stage in loops[1].plan.stages:
        assert all(node.op != "identity" or node.type.rank < 2 for node in stage.group.nodes)
    expected = run(ReferenceExecutor(), step, state, data, batch=batch)
    runs = [run(made(loop), step, state, data, batch=batch) for loop in loops]
    for name in expected:
        np.testing.assert_allclose(runs[0][name], expected[name], rtol=1e-4, atol=2e-5, err_msg=name)
        assert all(other[name].tobytes() == runs[0][name].tobytes() for other in runs), name


def test_memory_of_a_snapshot_is_used_again_when_nobody_holds_it():
    step, state, _ = mlp_step((20, 600, 600, 5))
    loop = NativeExecutor(1).loop(step, 32)
    loop.load(state)
    kept = loop.state()
    place, view = kept["1.weight"].ctypes.data, kept["1.weight"][3:7].T
    wanted = view.copy()
    other = loop.state()
    del kept
    assert loop.state()["1.weight"].ctypes.data != place, "a view still holds it"
    loop.load({"1.weight": state["1.weight"] + 1})
    loop.state()
    np.testing.assert_array_equal(view, wanted)
    del other, view
    again = loop.state()
    np.testing.assert_array_equal(again["1.weight"], state["1.weight"] + 1)
    del again
    assert len(loop._spare) == 1


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("sizes", "batch"), thinned([(20, 30, 8, 5), (33, 70, 21, 17)], [9, 32, 37]))
def test_deep_sums_go_in_blocks_and_change_no_bit(sizes, batch, monkeypatch):
    step, state, data = mlp_step(sizes)
    whole = run(NativeExecutor(1), step, state, data, batch=batch, slices=((0, 4),))
    tuning = replace(IN_BLOCKS, block=8)
    loop = NativeExecutor(1, tuning=tuning).loop(step, batch)
    layers = len(sizes) - 1
    assert sum(stage.k_blocked for stage in loop.plan.stages) == 3 * layers - 1, (
        "every product, in three places of a layer"
    )
    for maker in (made(loop), NativeExecutor(3, tuning=tuning)):
        found = run(maker, step, state, data, batch=batch, slices=((0, 4),))
        assert all(found[name].tobytes() == whole[name].tobytes() for name in whole)


SIZES = st.lists(st.integers(2, 80), min_size=3, max_size=5).map(tuple)


ANY = (SIZES, st.integers(9, 40), st.integers(1, 5), st.booleans())


@settings(max_examples=3)
@given(*ANY)
def test_steps_of_any_sizes_have_the_same_bits_by_panels_and_in_blocks(sizes, batch, threads, by_panels):
    same_bits_by_panels_or_in_blocks(sizes, batch, threads, by_panels)


@pytest.mark.slow
@settings(max_examples=60)
@given(*ANY)
def test_steps_of_many_sizes_have_the_same_bits_by_panels_and_in_blocks(sizes, batch, threads, by_panels):
    same_bits_by_panels_or_in_blocks(sizes, batch, threads, by_panels)


def same_bits_by_panels_or_in_blocks(sizes, batch, threads, by_panels):
    step, state, data = mlp_step(sizes)
    expected = run(NativeExecutor(1), step, state, data, batch=batch, slices=((0, 3),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "sharing", lambda *_: Sharing(1.0, 0, 0.0))
        loop = NativeExecutor(threads, tuning=Tuning(panel_bytes=1) if by_panels else IN_BLOCKS).loop(step, batch)
        assert sum(s.packs for s in loop.plan.stages) == (len(sizes) - 2 if by_panels else 0)
        assert any(s.k_blocked for s in loop.plan.stages) is not by_panels
        found = run(made(loop), step, state, data, batch=batch, slices=((0, 3),))
    assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)


def test_threads_share_a_large_step_by_panels():
    """Four threads, also on fewer cores, each with a room of its own; again and again."""
    step, state, data = mlp_step((20, 512, 512, 512, 5))
    state = {name: value * np.asarray(0.1, value.dtype) for name, value in state.items()}
    runs = []
    for threads in (1, 4):
        loop = NativeExecutor(threads).loop(step, 64)
        assert sum(stage.packs for stage in loop.plan.stages) == 2
        loop.bind(data)
        order = np.random.default_rng(5).permutation(203)
        for _ in range(1 if threads == 1 else 8):
            loop.load(state)
            for _ in range(3):
                assert loop.run(order, 64, 0, 4, 0) == 4
            runs.append(loop.state())
    assert all(other[name].tobytes() == runs[0][name].tobytes() for other in runs for name in other)


@pytest.mark.parametrize("n", [0, 1, 8, 9, 40])
def test_deep_sums_of_any_number_of_rows(n):
    types, tuning = [TensorType(F, (N, 20)), TensorType(F, (N, 33))], Tuning(k_block_rows=0, k_block_bytes=1, block=8)
    stages = agree(lambda x, y: ops.tanh(x.T @ y) * 2.0, types, n, tuning=tuning)
    assert any(stage.k_blocked for stage in stages)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_state_is_not_overwritten_by_the_kernel_that_reads_it_elsewhere(threads):
    """w' = w + 0.5 wᵀ reads each element at two places."""
    w = Tensor(input_node("w", TensorType(F, (70, 70))))
    new = w + w.T * 0.5
    step = Step(Graph((w.node,), (new.node,), ("w",)), ("w",), ())
    start = np.random.default_rng(0).standard_normal((70, 70)).astype(F)
    loops = [executor.loop(step, 1) for executor in (ReferenceExecutor(), NativeExecutor(threads))]
    for loop in loops:
        loop.load({"w": start})
        loop.bind({})
        loop.run(np.zeros(3, np.int64), 1, 0, 3, 0)
    expected, found = (loop.state()["w"] for loop in loops)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def needed_beside(w, v, x):
    """A product of the old matrix and the new one cannot come before the update."""
    new = w + (x.T @ x) * 0.1
    return {"w": new, "v": v + new @ w}


def needed_beside_each_other(w, v, s, t, x):
    """Each product needs one update; if both came before the other one, a circle would be closed."""
    new_w, new_v = w + (x.T @ x) * 0.1, v + (x.T @ ops.tanh(x)) * 0.1
    return {"w": new_w, "v": new_v, "s": s + new_v @ w, "t": t + new_w @ v}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("change", "names"), [(needed_beside, "wv"), (needed_beside_each_other, "wvst")])
def test_an_old_state_may_be_needed_beside_the_new_one(change, names, threads):
    state = [Tensor(input_node(name, TensorType(F, (6, 6)))) for name in names]
    x = Tensor(input_node("x", TensorType(F, (N, 6))))
    new = change(*state, x)
    graph = Graph((*(t.node for t in state), x.node), tuple(t.node for t in new.values()), tuple(new))
    step = Step(graph, tuple(names), ("x",))
    rng = np.random.default_rng(0)
    start = {name: rng.standard_normal((6, 6)).astype(F) * np.float32(0.1) for name in names}
    data, states = rng.standard_normal((24, 6)).astype(F), []
    for side in (ReferenceExecutor(), NativeExecutor(threads)):
        loop = side.loop(step, 8)
        loop.load(start)
        loop.bind({"x": data})
        assert loop.run(np.arange(24), 8, 0, 3, 0) == 3
        states.append(loop.state())
    for name in names:
        np.testing.assert_allclose(states[1][name], states[0][name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "int32", "int64", "float32"])
@pytest.mark.parametrize("op", [ops.max, ops.min])
def test_the_largest_of_the_smallest_numbers(op, dtype):
    """A fold begins with a value that changes nothing, at the end of the type's range."""
    info = np.finfo(dtype) if dtype == "float32" else np.iinfo(dtype)
    end = {"float32": np.inf}.get(dtype, info.max)
    worst = np.full((5, 3), (-end if dtype == "float32" else info.min) if op is ops.max else end, dtype)
    graph = trace(lambda x: (op(x, axis=1), op(x, axis=0), op(x)), [TensorType(dtype, (N, 3))])
    for run in (ReferenceExecutor(), NativeExecutor(2)):
        for found in run.compile(graph)([worst]):
            assert (found == worst.flat[0]).all()


def test_every_example_with_every_other():
    """Rows are picked in a shuffled order along both axes of such a matrix."""
    x = Tensor(input_node("x", TensorType(F, (N, 3))))
    y = Tensor(input_node("y", TensorType(F, (N,))))
    total = Tensor(input_node("total", TensorType(F, ())))
    apart = (x[:, 0:1] - x[:, 1:2].T) * (x[:, 2:3] - y)
    new = {"loss": (apart * apart).mean(), "total": 0.5 * total + ops.tanh(apart).sum()}
    graph = Graph((x.node, y.node, total.node), tuple(v.node for v in new.values()), tuple(new))
    step = Step(graph, ("total",), ("x", "y"), None, "loss")
    rng = np.random.default_rng(0)
    data = {"x": rng.standard_normal((50, 3)).astype(F), "y": rng.standard_normal(50).astype(F)}
    results = []
    for kind in (ReferenceExecutor(), NativeExecutor(2)):
        loop = kind.loop(step, 16)
        loop.load({"total": np.zeros((), F)})
        loop.bind(data)
        loop.run(np.random.default_rng(1).permutation(50), 16, 0, 4, 0)
        results.append(loop.state()["total"])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bool", "float32"])
def test_matrices_of_any_type_are_copied(dtype):
    x = np.random.default_rng(0).integers(0, 200, (35, 41)).astype(dtype)
    graph = trace(lambda x: (x, x.T), [TensorType(dtype, (35, 41))])
    same, transposed = NativeExecutor(2).compile(graph)([x])
    assert np.array_equal(same, x)
    assert np.array_equal(transposed, x.T)


@pytest.mark.parametrize("number", [-1.0, -0.0, 0.0, 1.0, 2.0])
def test_arithmetic_with_any_number_on_either_side(number):
    """Only what changes nothing may be left out."""
    agree(
        lambda x: (x + number, number + x, x - number, number - x, x * number, number * x, x / (number + 3.0)),
        [TensorType(F, (N, 5))],
    )
