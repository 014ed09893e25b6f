"""Operations through an index or in parts of the space, shared among threads; the position of the largest as a fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schuss import ops
from schuss.compiler.draft import Draft
from schuss.compiler.pipeline import run
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import Tuning
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.function import NativeFunction
from schuss.ir import N, TensorType
from schuss.ir.executors import executor
from schuss.trace import trace

ROWS = 600
DRAWN = np.random.default_rng(5)
TABLE = DRAWN.standard_normal((ROWS, 16)).astype(np.float32)
INDEX = DRAWN.integers(0, ROWS, 900)


def typed(array, symbolic):
    shape = (N, *array.shape[1:]) if symbolic else array.shape
    return TensorType(str(array.dtype), shape)


def compiled(function, arrays, symbolic, threads):
    graph = trace(function, [typed(a, s) for a, s in zip(arrays, symbolic, strict=True)])
    return graph, NativeExecutor(threads, tuning=Tuning(worth_sharing=-1)).compile(graph)


def forms(native: NativeFunction, rows):
    """(form, division) of the kernels that are not plain maps."""
    plan = native.code_for(rows).plan
    return [(s.group.form.value, s.partition[0]) for s in plan.stages if s.group.form.value != "elementwise"]


CASES = {
    "scatter_add": (lambda x, i: ops.scatter_add(x, i, size=ROWS, mode="clip"), (TABLE[INDEX], INDEX), (1, 1), "split"),
    "scatter_add of one column": (
        lambda x, i: ops.scatter_add(x, i, size=5000, mode="clip"),
        (DRAWN.standard_normal(900).astype(np.float32), INDEX * 8),
        (1, 1),
        "split",
    ),
    "scatter_add behind the rows": (
        lambda x, i: ops.scatter_add(x, i, axis=1, size=40, mode="clip"),
        (DRAWN.standard_normal((300, 7, 3)).astype(np.float32), DRAWN.integers(0, 40, 7)),
        (1, 0),
        "rows",
    ),
    "take": (lambda x, i: ops.take(x, i, axis=0, mode="clip"), (TABLE, INDEX), (0, 1), "rows"),
    "take of a static index": (lambda x, i: ops.take(x, i, axis=0, mode="clip"), (TABLE, INDEX), (0, 0), "split"),
    "take along columns": (
        lambda x, i: ops.take(x, i, axis=1, mode="clip"),
        (TABLE, DRAWN.integers(0, 16, 5)),
        (1, 0),
        "rows",
    ),
    "concatenate columns": (lambda x, y: ops.concatenate([x, y], axis=1), (TABLE, TABLE[:, :3]), (1, 1), "rows"),
    "concatenate rows": (
        lambda x, y: ops.concatenate([x, y, x], axis=0),
        (TABLE[:201], TABLE[:97]),
        (0, 0),
        "split",
    ),
    "pad rows": (lambda x: ops.pad(x, ((3, 5), (0, 0)), value=2.5), (TABLE[:400],), (0,), "split"),
    "pad columns": (lambda x: ops.pad(x, ((0, 0), (2, 1))), (TABLE,), (1,), "rows"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_shared_among_threads_with_the_same_bits(name, threads):
    function, arrays, symbolic, partition = CASES[name]
    graph, native = compiled(function, arrays, symbolic, threads)
    (expected,) = executor("reference").compile(graph)(arrays)
    (found,) = native(arrays)
    np.testing.assert_array_equal(found, expected)
    assert ("gather", partition) in forms(native, native._capacity(len(arrays[0])))


def places(of):
    """Operations through an index and in parts, of one axis and behind others."""
    return {
        "scatter_add": lambda x, i: ops.scatter_add(x, i, size=of, mode="clip"),
        "scatter_add behind": lambda x, i: ops.scatter_add(
            ops.transpose(x, axes=[*range(1, x.ndim), 0]), i, axis=-1, size=of, mode="clip"
        ),
        "set_rows": lambda x, i: ops.set_rows(x[:of] * 2, i, x),
        "take": lambda x, i: ops.take(x[:of], i, axis=0, mode="clip"),
        "take behind": lambda x, i: ops.take(ops.transpose(x[:of]), i, axis=-1, mode="clip"),
        "take checked": lambda x, i: ops.take(x, i % of, axis=-x.ndim),
        "pad": lambda x, i: ops.pad(x[:of], [(1, 2)] * x.ndim),
        "concatenate": lambda x, i: ops.concatenate([x[:of], x[::-1], x[:1]]),
    }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_few_entries_of_any_form(data: st.DataObject) -> None:
    """Vectors no wider than what lies in a row, down to one number: of any dtype, behind any axes, by any threads."""
    rows, of = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    of = min(of, rows)
    shape = (rows, *data.draw(st.sampled_from([(), (1,), (2,), (3,), (5,), (7,), (12,), (17,), (1, 1), (3, 2)])))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int64", "int32", "uint8"]))
    function = places(of)[data.draw(st.sampled_from(sorted(places(1))))]
    x = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    index = np.array(data.draw(st.lists(st.integers(-1, of), min_size=rows, max_size=rows)))
    graph, native = compiled(function, (x, index), (0, 0), data.draw(st.integers(1, 3)))
    (expected,), (found,) = executor("reference").compile(graph)([x, index]), native([x, index])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("entries", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize("axis", [1, 2])
def test_the_first_of_the_largest(entries, dtype, axis):
    """Ties, NaN and infinities; along rows by lanes, and down columns."""
    shape = (50, entries, 3) if axis == 1 else (50, 3, entries)
    x = DRAWN.integers(0, 3, shape).astype(dtype)
    if np.dtype(dtype).kind == "f":
        x[DRAWN.random(shape) < 0.2] = -np.inf
        x[DRAWN.random(shape) < 0.05] = np.nan
        x[:3] = -np.inf
    _, native = compiled(lambda x: ops.argmax(x, axis=axis), (x,), (1,), 1)
    np.testing.assert_array_equal(native([x])[0], np.argmax(x, axis=axis))


def test_the_position_of_the_largest_is_found_where_the_values_are_made():
    """One kernel: the map and its fold."""
    x = TABLE
    _, native = compiled(lambda x: ops.argmax(x * 2.0 + 1.0, axis=1), (x,), (1,), 1)
    stages = native.code_for(512).plan.stages
    assert [s.group.form.value for s in stages] == ["elementwise"]
    np.testing.assert_array_equal(native([x])[0], np.argmax(x * np.float32(2) + np.float32(1), axis=1))


def columns(rows, count):
    return DRAWN.standard_normal((count, rows, 3)).astype(np.float32)


def joined(axis):
    """Many parts, of one form but for the place, one turned round, one longer; four times, so that kernels share."""

    def f(x, y):
        def join(x):
            parts = [x[i] * float(i) for i in range(7)] + [x[7], x[2].T.T[::-1], x[5]]
            return ops.concatenate(
                [*parts, ops.concatenate([x[3], x[4]], axis=axis), *(x[8 + i] for i in range(5))], axis
            )

        return [join(part) + 1.0 for part in (x, y, x + y, x - y)]

    return f


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_parts_that_lie_alike_share_their_code(axis, threads):
    arrays = columns(300, 13), columns(300, 13)
    graph, native = compiled(joined(axis), arrays, (0, 0), threads)
    for found, expected in zip(native(arrays), executor("reference").compile(graph)(arrays), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_code_of_many_parts_is_as_long_as_that_of_a_few():
    def lines(count):
        graph = trace(lambda x: ops.concatenate([x[i] for i in range(count)]), [TensorType("float32", (count, 4))])
        return run(Draft(graph, Storage(1))).llvm.count("\n")

    assert lines(64) <= lines(8) + 2
