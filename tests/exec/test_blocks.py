"""Memory that native code works in, and how much code is kept."""

from __future__ import annotations

import numpy as np
import pytest

from schuss.exec.native import function, kept
from schuss.exec.native.blocks import ALIGN, StateBlock, aligned, packed, unpacked
from schuss.ir.types import N, TensorType
from schuss.trace import trace


def test_it_begins_at_a_cache_line():
    held = [aligned(size, dtype) for size in range(1, 60) for dtype in ("uint8", "float32", "float64")]
    assert all(array.ctypes.data % ALIGN == 0 for array in held)
    assert all(not array.any() for array in held)


def test_arrays_of_a_state_begin_at_cache_lines_and_do_not_meet():
    types = {"a": TensorType("float32", (3,)), "b": TensorType("float64", (5, 7)), "c": TensorType("float32", ())}
    _, arrays = StateBlock(types, 1 << 20).make()
    for number, array in enumerate(arrays.values()):
        assert array.ctypes.data % ALIGN == 0
        array[...] = number
    assert [set(np.ravel(array)) for array in arrays.values()] == [{0.0}, {1.0}, {2.0}]


@pytest.mark.parametrize("columns", [16, 48])
def test_what_comes_back_of_panels_is_a_copy_however_few_they_are(columns):
    block = StateBlock({"w": TensorType("float32", (5, columns))}, 1 << 20, {"w"})
    _, arrays = block.make()
    matrix = np.arange(5.0 * columns, dtype="f4").reshape(5, columns)
    np.copyto(arrays["w"], packed(matrix))
    copy = unpacked(arrays["w"])
    arrays["w"][...] = 0
    np.testing.assert_array_equal(copy, matrix)


def test_of_a_function_that_needs_code_for_each_length_only_some_is_kept(monkeypatch):
    monkeypatch.setattr(kept, "KEPT", 2)
    run = function.NativeFunction(trace(lambda x: x @ x.T, [TensorType("float32", (N, 2))]), 1)
    for n in (1, 2, 3, 1):
        x = np.arange(2.0 * n, dtype="f4").reshape(n, 2)
        np.testing.assert_array_equal(run([x])[0], x @ x.T)
    assert [capacity for capacity, _ in run._programs.items()] == [3, 1]
