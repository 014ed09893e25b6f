"""Loops of equal steps share one program in a process, and nothing else: neither memory, nor what gives them up."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from schuss import ops
from schuss.compiler.tuning import DEFAULT
from schuss.exec.native import executor, programs
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.programs import Programs
from schuss.ir.executor import GivenUp, Step
from schuss.ir.graph import Graph
from schuss.ir.types import N, TensorType
from schuss.trace import trace

ROWS = 4
DATA = np.arange(12, dtype=np.float32).reshape(ROWS, 3)


def adding(constant: np.ndarray) -> Step:
    """w += sum over rows of x + constant, cos of it all."""
    types = [TensorType("float32", (N, 3)), TensorType("float32", (3,))]
    graph = trace(lambda x, w: ops.cos(w + ops.sum(x, axis=0) + ops.sum(constant * (1.0 + ops.sum(w)))), types)
    nodes = tuple(graph.inputs)
    names = [str(node.attrs["name"]) for node in nodes]
    return Step(Graph(nodes, graph.outputs, (names[1],)), (names[1],), (names[0],))


def loop_of(step: Step, **how: object):
    loop = NativeExecutor(1, **how).loop(step, ROWS)
    loop.load({step.state[0]: np.zeros(3, np.float32)})
    loop.bind({step.columns[0]: DATA})
    return loop


def after(loop, steps: int) -> bytes:
    for _ in range(steps):
        loop.run(np.arange(ROWS), ROWS, 0, 1, 0)
    (state,) = loop.state().values()
    return state.tobytes()


def until_given_up(loop) -> None:
    order = np.arange(ROWS * 10_000) % ROWS
    for _ in range(10_000):
        loop.run(order, ROWS, 0, 10_000, 0, lambda: True)


SMALL = np.ones(3, np.float32)
LARGE = np.ones(executor.SHARED_CONSTANTS // 4 + 1, np.float32)


def test_executors_share_programs_of_equal_steps() -> None:
    first, second, other = loop_of(adding(SMALL)), loop_of(adding(SMALL)), loop_of(adding(SMALL * 2))
    assert first.plan is second.plan
    assert first.plan is not other.plan
    assert loop_of(adding(SMALL), profile=True).plan is not first.plan
    assert after(first, 3) == after(second, 3) != after(other, 3)


def test_a_step_is_compared_with_the_programs_there_are_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though each member of an ensemble asks for it; and what was found goes with the step."""
    own, compared, equal = Programs(1), list[int](), programs._equal
    monkeypatch.setattr(programs, "_equal", lambda a, b: compared.append(1) or equal(a, b))
    first = own.of(adding(SMALL), ROWS)
    step = adding(SMALL)
    assert [own.of(step, ROWS) for _ in range(5)] == [first] * 5
    assert len(compared) == 1
    assert own.of(replace(step, columns=()), ROWS) is not first
    assert own.of(step, ROWS + 1) is not first
    other = adding(SMALL)
    assert own.of(other, ROWS + 2) is own.of(step, ROWS + 2)  # so that each has a program of the other's
    assert own.of(other, ROWS + 1) is own.of(step, ROWS + 1)
    gone = weakref.ref(step.graph), weakref.ref(other.graph)
    del step, other
    own._kept._entries.clear()
    gc.collect()
    assert [graph() for graph in gone] == [None, None]


@pytest.mark.parametrize("name", executor.MACHINE)
def test_code_for_another_machine_is_another_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "NativeLoop", lambda *given: given[-1])  # what it is made of
    first = NativeExecutor(1).loop(adding(SMALL), ROWS)
    assert NativeExecutor(1).loop(adding(SMALL), ROWS) is first
    monkeypatch.setenv(name, "another")
    assert NativeExecutor(1).loop(adding(SMALL), ROWS) is not first


def test_a_step_with_large_constants_goes_with_its_loop() -> None:
    """What all share is never freed."""
    step = adding(LARGE)
    loop, alike = loop_of(step), loop_of(step)
    assert loop.plan is not alike.plan
    held = weakref.ref(loop.plan)
    del step, loop, alike
    gc.collect()
    assert held() is None


def test_an_executor_shares_large_programs_among_its_own_loops() -> None:
    step, own = adding(LARGE), NativeExecutor(1)
    assert own.loop(step, ROWS).plan is own.loop(adding(LARGE), ROWS).plan


def test_loops_that_share_a_program_run_and_are_given_up_apart() -> None:
    """One of four is told to hurry; the others do all of their steps, with the bits of one alone."""
    tuning = replace(DEFAULT, looks=0)
    step = adding(SMALL)
    expected = after(loop_of(step, tuning=tuning), 300)
    loops = [loop_of(step, tuning=tuning) for _ in range(4)]
    assert len({id(loop.plan) for loop in loops}) == 1
    assert loops[0]._code.looks
    with ThreadPoolExecutor(4) as pool:
        hurried = pool.submit(until_given_up, loops[3])
        found = [*pool.map(lambda loop: after(loop, 300), loops[:3])]
        with pytest.raises(GivenUp):
            hurried.result()
    assert found == [expected] * 3
