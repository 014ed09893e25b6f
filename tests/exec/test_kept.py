"""What is made by a key is made once, and who needs another one does not wait for it."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from schuss.exec.native import function, kept
from schuss.exec.native.kept import Kept
from schuss.ir.types import N, TensorType
from schuss.trace import trace

LONG = 60.0  # seconds: nobody waits so long but in a test that fails


def test_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT", 2)
    made: list[int] = []
    squares = Kept(lambda n: made.append(n) or n * n)
    assert [squares[n] for n in (1, 2, 1, 3, 2, 1)] == [1, 4, 1, 9, 4, 1]
    assert made == [1, 2, 3, 1]
    assert squares.items() == [(3, 9), (1, 1)]


def test_what_failed_is_tried_again() -> None:
    answers = [1, 0]
    inverse = Kept(lambda n: n / answers.pop())
    with pytest.raises(ZeroDivisionError):
        inverse[5]
    assert inverse.items() == []
    assert inverse[5] == 5


def test_who_needs_the_same_waits_for_the_one_that_makes_it() -> None:
    begun, go_on, made = threading.Event(), threading.Event(), []

    def make(n: int) -> object:
        begun.set()
        assert go_on.wait(LONG)
        made.append(n)
        return object()

    values = Kept(make)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(values.__getitem__, 1)
        assert begun.wait(LONG)
        others = [pool.submit(values.__getitem__, 1) for _ in range(2)]
        go_on.set()
        assert all(other.result(LONG) is first.result(LONG) for other in others)
    assert made == [1]


def test_threads_that_need_other_programs_compile_them_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    both, plain = threading.Barrier(2), function.build

    def build(draft):
        both.wait(LONG)  # one that waited for the other would never come here
        return plain(draft)

    monkeypatch.setattr(function, "build", build)
    run = function.NativeFunction(trace(lambda x: x * 2.0, [TensorType("float32", (N, 2))]), 1)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda n: run([np.ones((n, 2), "f4")])[0], (1, 5)))
    assert [f.shape for f in found] == [(1, 2), (5, 2)]
    assert all((f == 2).all() for f in found)


def test_a_function_goes_with_its_last_user_and_no_search_for_cycles_is_needed() -> None:
    """It holds machine code and arenas, which may be large."""
    run = function.NativeFunction(trace(lambda x: x * 2.0, [TensorType("float32", (N, 2))]), 1)
    run([np.ones((3, 2), "f4")])
    gone, searching = weakref.ref(run), gc.isenabled()
    gc.disable()
    try:
        del run
        assert gone() is None
    finally:
        if searching:
            gc.enable()
