"""The reference executor: the specification of loops, and of what is refused."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from schuss import ops
from schuss.errors import ShapeError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor, run_graph
from schuss.exec.seams import lengths_of
from schuss.ir import Graph, N, TensorType, input_node
from schuss.ir.executor import Step
from schuss.ir.executors import executor
from schuss.trace import Tensor, trace

F = "float32"
EXECUTORS = pytest.mark.parametrize("make", [ReferenceExecutor, lambda: NativeExecutor(2)], ids=["reference", "native"])


def f4(*values):
    return np.array(values, "f4")


def inputs(**types):
    return {name: Tensor(input_node(name, TensorType(*t))) for name, t in types.items()}


def step_of(given, outputs, state, columns, counter=None, watch=None):
    graph = Graph(tuple(t.node for t in given.values()), tuple(o.node for o in outputs.values()), tuple(outputs))
    return Step(graph, state, columns, counter, watch)


def sums():
    """Adds up x and the step's number; `fixed` has no output and `half` is read and replaced."""
    given = inputs(x=(F, (N, 2)), total=(F, (2,)), fixed=(F, ()), half=(F, ()), seen=("int64", ()), step=("int64", ()))
    outputs = {
        "loss": given["half"] * 1.0,
        "total": given["total"] + given["x"].sum(axis=0) * given["fixed"],
        "half": given["half"] * 0.5,
        "seen": given["seen"] * 10 + given["step"],
    }
    return step_of(given, outputs, ("total", "fixed", "half", "seen"), ("x",), "step", "loss")


START = {"total": f4(0, 0), "fixed": f4(2)[0:1].reshape(()), "half": f4(8).reshape(()), "seen": np.zeros((), "i8")}
ROWS = np.arange(14, dtype="f4").reshape(7, 2)


def loop_of(make, step, rows=None, batch=3, start=START):
    loop = make().loop(step, batch)
    loop.load(start)
    loop.bind({"x": ROWS if rows is None else rows})
    return loop


# -- loops ---------------------------------------------------------------------------------------------------


@EXECUTORS
def test_steps_take_the_rows_of_the_order_and_count_on(make):
    loop = loop_of(make, sums())
    order = np.array([6, 0, 1, 5, 2, 4, 3])
    assert loop.run(order, 3, 0, 2, 4) == 2
    state = loop.state()
    assert state["total"].tolist() == (2 * ROWS[[6, 0, 1, 5, 2, 4]].sum(axis=0)).tolist()
    assert state["seen"] == 45
    assert state["half"] == 2.0
    assert state["fixed"] == 2.0


@EXECUTORS
def test_the_last_batch_may_be_short(make):
    loop = loop_of(make, sums())
    assert loop.run(np.arange(7), 3, 0, 3, 0) == 3
    assert loop.state()["total"].tolist() == (2 * ROWS.sum(axis=0)).tolist()
    assert loop.run(np.arange(7), 3, 2, 1, 7) == 1
    assert loop.state()["total"].tolist() == (2 * (ROWS.sum(axis=0) + ROWS[6])).tolist()
    assert loop.state()["seen"] == 127


@EXECUTORS
def test_rows_may_come_more_than_once(make):
    loop = loop_of(make, sums())
    loop.run(np.array([2, 2, 2]), 3, 0, 1, 0)
    assert loop.state()["total"].tolist() == (6 * ROWS[2]).tolist()


@EXECUTORS
def test_a_watched_output_that_is_not_finite_ends_the_loop(make):
    """half goes 8, 4, inf: the third step's loss is the first that is not finite, and it counts."""
    given = inputs(half=(F, ()), step=("int64", ()))
    grown = ops.where(ops.equal(given["step"], 1), 1e38, 1.0) * given["half"]
    step = step_of(given, {"loss": given["half"] * 1.0, "half": grown}, ("half",), (), "step", "loss")
    loop = make().loop(step, 1)
    loop.load({"half": f4(8).reshape(())})
    assert loop.run(np.zeros(10, np.int64), 1, 0, 10, 0) == 3


@EXECUTORS
def test_state_is_copied_in_and_out(make):
    start = {name: value.copy() for name, value in START.items()}
    loop = loop_of(make, sums(), start=start)
    start["fixed"][...] = 100
    loop.run(np.arange(7), 3, 0, 1, 0)
    assert start["total"].tolist() == [0, 0]
    assert loop.state()["total"].tolist() == (2 * ROWS[:3].sum(axis=0)).tolist()
    first = loop.state()
    first["total"][:] = -1
    assert loop.state()["total"].tolist() != [-1, -1]
    before = loop.state()["total"].copy()
    taken = loop.state()
    loop.run(np.arange(7), 3, 1, 1, 0)
    assert taken["total"].tolist() == before.tolist()


@EXECUTORS
def test_data_is_read_at_each_run(make):
    rows = ROWS.copy()
    loop = loop_of(make, sums(), rows)
    rows[:] = 1
    loop.run(np.arange(7), 3, 0, 1, 0)
    assert loop.state()["total"].tolist() == [6, 6]


@EXECUTORS
def test_no_steps(make):
    loop = loop_of(make, sums())
    assert loop.run(np.arange(7), 3, 0, 0, 0) == 0
    assert loop.state()["total"].tolist() == [0, 0]


# -- functions -------------------------------------------------------------------------------------------------


@EXECUTORS
def test_results_are_arrays_of_their_own(make):
    graph = trace(lambda x: (x, x.T, x * 1.0), [TensorType(F, (2, 3))])
    x = np.ones((2, 3), "f4")
    for result in make().compile(graph)([x]):
        result[...] = 5
    assert (x == 1).all()


@EXECUTORS
def test_inputs_may_be_read_only_and_strided(make):
    graph = trace(lambda x: x * 2.0, [TensorType(F, (N, 3))])
    x = np.arange(30, dtype="f4").reshape(10, 3)[::2]
    x.flags.writeable = False
    assert np.array_equal(make().compile(graph)([x])[0], x * 2)
    assert np.array_equal(make().compile(graph)([x[:, ::-1]])[0], x[:, ::-1] * 2)


def test_every_value_is_given(tmp_path):
    graph = trace(lambda x: ops.exp(x).sum(axis=1), [TensorType(F, (N, 3))])
    x = np.ones((2, 3), "f4")
    values = run_graph(graph, [x])
    assert [n.op for n in values] == [n.op for n in graph.nodes]
    assert all(str(v.dtype) == n.type.dtype for n, v in values.items())
    assert values[graph.outputs[0]].shape == (2,)


def test_numpys_warnings_are_quiet():
    graph = trace(lambda x: ops.log(x) / x, [TensorType(F, (N,))])
    (result,) = ReferenceExecutor().compile(graph)([f4(-1, 0)])
    assert np.isnan(result[0])
    assert result[1] == -np.inf


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            [np.zeros((2, 3), "f4"), np.zeros((3, 4), "f4")],
            "input x1: axis 0 is 3 long, and axis 0 of input x0 is 2",
        ),
        ([np.zeros((2, 4), "f4"), np.zeros((2, 4), "f4")], r"input x0: expected float32\[N,3\], got float32\[2, 4\]"),
        ([np.zeros((2, 3), "f8"), np.zeros((2, 4), "f4")], r"input x0: expected float32\[N,3\], got float64\[2, 3\]"),
        ([np.zeros(3, "f4"), np.zeros((2, 4), "f4")], r"got float32\[3\]"),
    ],
)
def test_inputs_that_do_not_fit(arrays, message):
    graph = trace(lambda a, b: a.sum(axis=1) + b.sum(axis=1), [TensorType(F, (N, 3)), TensorType(F, (N, 4))])
    for make in (ReferenceExecutor, NativeExecutor):
        with pytest.raises(ShapeError, match=message):
            make().compile(graph)(arrays)


def test_the_lengths_of_symbols():
    graph = trace(lambda a, b: a * b, [TensorType(F, (N,)), TensorType(F, ())])
    assert lengths_of(graph, [np.zeros(5, "f4"), np.zeros((), "f4")]) == {N: 5}
    assert lengths_of(trace(lambda a: a, [TensorType(F, (3,))]), [np.zeros(3, "f4")]) == {}


def test_it_is_found_by_its_name():
    assert executor("reference").name == "reference"
    assert isinstance(executor("reference"), ReferenceExecutor)


def test_many_threads_at_once():
    graph = trace(lambda x: ops.softmax(x, axis=-1), [TensorType(F, (N, 5))])
    compiled = ReferenceExecutor().compile(graph)
    rows = [np.random.default_rng(n).standard_normal((n, 5)).astype("f4") for n in (1, 10, 50)]
    expected = [compiled([x])[0] for x in rows]
    wrong = []

    def call():
        for _ in range(20):
            wrong.extend(len(x) for x, e in zip(rows, expected, strict=True) if not np.array_equal(compiled([x])[0], e))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not wrong


@pytest.mark.parametrize("executor", [ReferenceExecutor, NativeExecutor])
def test_a_largest_of_no_examples_is_refused_by_both(executor):
    """numpy has no maximum of nothing; native code would give what lay in memory. A mean of nothing is NaN in both."""
    x = np.zeros((0, 3), np.float32)

    def run(f):
        return executor().compile(trace(f, [TensorType("float32", (N, 3))]))([x])[0]

    for f in (lambda x: ops.max(x, axis=0), lambda x: ops.argmax(x, axis=0), lambda x: x - ops.min(x)):
        with pytest.raises(ShapeError, match=r"no examples were given: .*axis 0 of float32\[0,3\] is empty"):
            run(f)
    assert np.isnan(run(ops.mean))
    assert run(lambda x: ops.max(x, axis=1)).shape == (0,)
