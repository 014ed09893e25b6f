"""Maps that are alike but for their shapes share one kernel where there are many, and compute what they did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from schuss import ops
from schuss.compiler.draft import Draft
from schuss.compiler.pipeline import run
from schuss.compiler.storage import Storage
from schuss.compiler.tuning import DEFAULT
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.graph import Graph
from schuss.ir.types import TensorType
from schuss.trace import trace

F = "float32"
SHAPES = [*((1 + i % 3, 2 + i) for i in range(14)), (5,), (4096 + 7,), (3, 1367), (2, 2, 1025), (1, 9), (70, 70)]
APART = replace(DEFAULT, alike_flat=10**9)


def moved(s, *ws):
    """One text of code, whatever the shapes: of a value, and of scalars in memory."""
    return [ops.tanh(w) * s + w * w.mean() for w in ws]


def traced(shapes=SHAPES) -> Graph:
    return trace(moved, [TensorType(F, ()), *(TensorType(F, shape) for shape in shapes)])


def kernels(graph: Graph, tuning=DEFAULT, **storage) -> int:
    made = run(Draft(graph, Storage(1, **storage), threads=2, tuning=tuning))
    return made.llvm.count("define internal")


def test_they_share_code() -> None:
    """Some are done by one thread, some are split by their first axis."""
    assert kernels(traced()) <= kernels(traced(), APART) - 2 * len(SHAPES) // 3


def test_few_do_not() -> None:
    """To look where it works costs each of them some cycles."""
    few = traced(SHAPES[:8])
    assert kernels(few) == kernels(few, APART)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_bits_are_those_of_a_kernel_for_each(threads: int) -> None:
    graph, rng = traced(), np.random.default_rng(0)
    arrays = [np.array(0.75, F), *(rng.standard_normal(shape).astype(F) for shape in SHAPES)]
    apart = NativeExecutor(1, tuning=APART).compile(graph)(arrays)
    found = NativeExecutor(threads).compile(graph)(arrays)
    assert [f.tobytes() for f in found] == [a.tobytes() for a in apart]
    for f, expected in zip(found, ReferenceExecutor().compile(graph)(arrays), strict=True):
        np.testing.assert_allclose(f, expected, rtol=1e-5, atol=1e-6)


def test_what_has_gaps_or_lies_otherwise_stays_apart() -> None:
    """Rows that are spaced out, and what is read backwards or stretched."""

    def tanh(*xs):
        return [ops.tanh(x) for x in xs]

    def mirrored(*xs):
        return [x + x[::-1] for x in xs]

    def stretched(*xs):
        return [x + x[:1] for x in xs]

    for function, rest, spacing in ((tanh, (256,), 1024), (mirrored, (), 0), (stretched, (2,), 0)):
        graph = trace(function, [TensorType(F, (3 + i, *rest)) for i in range(20)])
        assert kernels(graph, spacing=spacing) == kernels(graph, APART, spacing=spacing), function.__name__
