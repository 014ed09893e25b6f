"""What machine code is given is checked, in both executors: it would read where wrong lengths and dtypes point."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from schuss import ops
from schuss.errors import ShapeError, UsageError
from schuss.exec.seams import fitting, solid
from schuss.ir import N, TensorType
from schuss.ir.executor import Step
from schuss.ir.executors import executor
from schuss.ir.graph import Graph
from schuss.trace import trace

X, Y = np.arange(20, dtype="f4").reshape(5, 4), np.arange(5)
ORDER = np.arange(5)


def add_up(x, y, total):
    return total + ops.cast(ops.sum(x), dtype="float64") + ops.cast(ops.sum(y), dtype="float64")


def made(name):
    types = [TensorType("float32", (N, 4)), TensorType("int64", (N,)), TensorType("float64", ())]
    graph = trace(add_up, types, ["x", "y", "total"])
    graph = Graph(graph.inputs, graph.outputs, ("total",))
    loop = executor(name, 1).loop(Step(graph, ("total",), ("x", "y")), 3)
    loop.load({"total": np.zeros(())})
    return loop


@pytest.fixture(params=["native", "reference"])
def loop(request):
    return made(request.param)


def run(loop, x=X, y=Y, order=ORDER, batch=3, first=0, steps=2):
    loop.bind({"x": x, "y": y})
    return loop.run(order, batch, first, steps, 0)


def test_what_fits_is_read(loop):
    run(loop)
    assert loop.peek("total") == X.sum() + Y.sum()


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    memory[1:] = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    return memory[1:].view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("x", [np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X[::-1][::-1], unaligned(X)])
def test_arrays_with_gaps_or_a_bit_off_are_read_right(loop, x):
    run(loop, x)
    assert loop.peek("total") == X.sum() + Y.sum()


def test_what_is_read_lies_where_its_dtype_may():
    """Some processors read numbers at odd addresses all the same."""
    odd = np.zeros(41, np.uint8)[1:].view("f4")
    assert not odd.flags.aligned
    assert solid(odd).flags.aligned
    assert solid(np.zeros((4, 6))[:, ::2]).flags.c_contiguous
    whole = np.zeros(3)
    assert solid(whole) is whole


@pytest.mark.parametrize("dtype", ["f8", "i1", "i2", "u2", "i4", "i8", "u1", "bool", ">f4", "f2"])
def test_another_dtype_is_refused(loop, dtype):
    with pytest.raises(ShapeError, match=r"column x: expected float32\[N,4\], got "):
        run(loop, X.astype(dtype))


@pytest.mark.parametrize(
    ("x", "y"), [(X[:, :3], Y), (X[:, :, None], Y), (X.reshape(-1), Y), (X[0, 0], Y), (X, Y[:, None])]
)
def test_another_row_is_refused(loop, x, y):
    with pytest.raises(ShapeError, match=r"column [xy]: expected"):
        run(loop, x, y)


def test_columns_of_two_lengths_are_refused(loop):
    with pytest.raises(ShapeError, match="column y: axis 0 is 4 long, and axis 0 of column x is 5; both lengths are N"):
        run(loop, y=Y[:4])
    with pytest.raises(ShapeError, match="column y: axis 0 is 10 long, and axis 0 of column x is 5"):
        run(loop, y=np.concatenate([Y, Y]))


def test_a_missing_column_is_named(loop):
    with pytest.raises(ShapeError, match="column y is missing"):
        loop.bind({"x": X})


def test_nothing_runs_before_its_columns_are_there(loop):
    with pytest.raises(UsageError, match="not bound"):
        loop.run(np.arange(5), 3, 0, 2, 0)


@pytest.mark.parametrize("order", [[0, 1, 5], [0, -1, 1], [np.iinfo(np.int64).min] * 3])
def test_an_order_of_other_rows_is_refused(loop, order):
    with pytest.raises(UsageError, match="the order names row"):
        run(loop, order=np.array(order), steps=1)


@pytest.mark.parametrize(("batch", "first", "steps"), [(3, 0, 3), (3, 2, 1), (3, -1, 1), (0, 0, 1), (3, 0, -1)])
def test_steps_beyond_the_order_are_refused(loop, batch, first, steps):
    with pytest.raises(UsageError, match="go beyond"):
        run(loop, batch=batch, first=first, steps=steps)


def test_a_step_that_begins_where_the_order_ends_is_refused(loop):
    with pytest.raises(UsageError, match="go beyond"):
        run(loop, order=np.arange(3), batch=3, first=1, steps=1)


def test_no_steps_are_no_error(loop):
    assert run(loop, first=2, steps=0) == 0


def test_a_batch_larger_than_the_loops_is_refused():
    with pytest.raises(UsageError, match="batches of 4 rows"):
        run(made("native"), batch=4, steps=1)


@pytest.mark.parametrize("total", [np.zeros(1), np.zeros((), "f4"), np.zeros((2, 2)), 0])
def test_another_state_is_refused(loop, total):
    with pytest.raises(ShapeError, match=r"state total: expected float64\[\]"):
        loop.load({"total": total})


@pytest.mark.parametrize("name", ["native", "reference"])
def test_functions_refuse_what_is_not_their_type(name):
    f = executor(name, 1).compile(trace(lambda x, y: x + y, [TensorType("float32", (N, 4))] * 2))
    np.testing.assert_array_equal(f([unaligned(X), X])[0], 2 * X)
    for x, y in ((X, X[:4]), (X, X[:, :3]), (X.astype("f8"), X), (X, X.astype("i2")), (X, X[0])):
        with pytest.raises(ShapeError, match="input"):
            f([x, y])


def test_an_order_is_looked_at_where_steps_read_it(loop):
    loop.bind({"x": X, "y": Y})
    order = np.zeros(1000, np.int64)
    order[-1] = 5
    assert loop.run(order, 1, 0, 10, 0) == 10
    with pytest.raises(UsageError, match="the order names row 5, there are 5"):
        loop.run(order, 1, 990, 10, 10)
    order[10] = 5  # the row after the last: asked for in advance
    with pytest.raises(UsageError, match="the order names row 5, there are 5"):
        loop.run(order, 1, 0, 10, 0)


def test_state_is_compared_without_names_of_dtypes():
    """str(dtype) is Python code of numpy's, and state is loaded at each epoch."""
    value, want, called = np.zeros((), np.float64), TensorType("float64", ()), []
    sys.setprofile(lambda frame, event, arg: called.append(frame.f_code.co_filename) if event == "call" else None)
    try:
        fitting("total", value, want)
    finally:
        sys.setprofile(None)
    assert not [name for name in called if name.endswith("_dtype.py")]
