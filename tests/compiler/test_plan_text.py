"""The text a plan's code is found by: the same for the same code, another for whatever changes the code."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import ops
from schuss.compiler.draft import Draft
from schuss.compiler.link import listing
from schuss.compiler.schedule.text import plan_text
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.exec.native.code import build
from schuss.ir import N, TensorType
from schuss.ops.registry import REGISTRY, Kind, op
from schuss.trace import hyper, trace

ROWS = TensorType("float32", (N, 3))


def text(body, types=(ROWS,), capacity=8, tuning=DEFAULT):
    graph = trace(body, list(types))
    return plan_text(build(Draft(graph, Storage(capacity), tuning=tuning)).plan)


def body(x):
    return ops.sum(ops.exp(x) * 2.0, axis=1)


def test_the_same_function_traced_twice():
    assert text(body) == text(body)
    assert text(body) is not None


OTHERS = {
    "capacity": lambda: text(body, capacity=16),
    "tuning": lambda: text(body, tuning=Tuning(block=8)),
    "dtype": lambda: text(body, [TensorType("float64", (N, 3))]),
    "shape": lambda: text(body, [TensorType("float32", (N, 4))]),
    "operation": lambda: text(lambda x: ops.sum(ops.tanh(x) * 2.0, axis=1)),
    "attribute": lambda: text(lambda x: ops.sum(ops.exp(x) * 2.0, axis=0)),
    "scalar": lambda: text(lambda x: ops.sum(ops.exp(x) * 2.5, axis=1)),
    "outputs": lambda: text(lambda x: (body(x), ops.exp(x))),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_program_has_another_text(other):
    assert OTHERS[other]() != text(body)


def test_code_reads_array_constants_and_hyperparameters_when_it_runs():
    """Their values are no part of the text, nor of the code."""

    def two(values, number):
        def f(x):
            return x * values + hyper("rate", number, x) * hyper("other", 2.0, x)

        draft = build(Draft(trace(f, [ROWS]), Storage(8))).draft
        return plan_text(draft.plan), listing(draft).llvm

    values = np.arange(3, dtype="f4")
    first, again = two(values, 0.5), two(values + 1, 1.0)
    assert first == again
    assert "rate" not in first[0]


def test_a_users_own_operation_has_no_text():
    """Its rule for code may change while its name stays."""

    @op("twice", kind=Kind.MAP, emit=lambda b, x: b.add(x, x))
    def twice(x):
        return x + x

    try:
        assert text(lambda x: twice(x) + 1.0) is None
    finally:
        del REGISTRY["twice"]
