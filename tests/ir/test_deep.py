"""Graphs far longer than Python's stack is deep: nothing that walks over nodes may call itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from schuss import nn, viz
from schuss.compiler.draft import Draft
from schuss.compiler.passes.layout import choose_layout
from schuss.compiler.pipeline import SCHEDULE, optimize, run
from schuss.compiler.storage import Storage
from schuss.compiler.views import view_of
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.explanation.outline import outline
from schuss.ir import N, TensorType
from schuss.ir.text import to_text
from schuss.ops.check import parse_graph
from schuss.trace import trace

F = "float32"
LONG = 5000
X = np.linspace(-1, 1, 6, dtype=F).reshape(2, 3)


def waves(x, length=LONG):
    for _ in range(length):
        x = x.sin()
    return x


def turned(x, length):
    for _ in range(length):
        x = x.T
    return x


@contextmanager
def short_stack(frames: int = 150) -> Iterator[None]:
    """Room for so many more calls inside each other, and no more."""
    limit, frame, depth = sys.getrecursionlimit(), sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    sys.setrecursionlimit(depth + frames)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def planned(graph, state=()):
    """The plan that would be compiled. state: names of inputs that outputs of the same name replace."""
    return run(Draft(graph, Storage(16, frozenset({"x"})), state, threads=2), SCHEDULE).plan


def test_traced_written_read_and_run_by_the_reference():
    graph = trace(lambda x: waves(x).sum(), [TensorType(F, (N, 3))], ["x"])
    assert len(graph.nodes) > LONG
    text = to_text(graph)
    back = parse_graph(text)
    assert to_text(back) == text
    expected = X
    for _ in range(LONG):
        expected = np.sin(expected)
    assert ReferenceExecutor().compile(back)([X])[0] == pytest.approx(expected.sum(), rel=1e-5)


def test_explained_outlined_and_drawn():
    picture = viz.graph(lambda x: waves(x).sum(), X)
    assert len(picture.explanation.steps) == LONG + 1
    assert str(picture.explanation)
    assert "svg" in picture._repr_svg_()
    graph = trace(lambda x: waves(x).sum(), [TensorType(F, (N, 3))], ["x"])
    assert len(outline(graph, None, {})) == LONG + 1


def test_a_long_chain_of_views_is_drawn():
    """Each view of a weight stands beside what reads it if nothing but views lies below, however many."""
    with short_stack(400):
        picture = viz.graph(lambda w, x: (turned(w, 800) * x).sum(), X, X, collapse=False)
        assert "svg" in picture._repr_svg_()


def test_layers_in_layers_are_groups_as_far_as_one_sees():
    class Inside(nn.Module):
        def __init__(self, inner):
            self.inner = inner

        def forward(self, x):
            return self.inner(x) * 2.0

    model = nn.Linear(3, 1)
    for _ in range(60):
        model = Inside(model)
    picture = viz.graph(model, X, np.zeros((2, 1), F), loss=nn.MSELoss(), collapse=False)
    assert picture._repr_svg_().count('class="layer open"') == 24 + 1  # and the loss


def test_planned():
    graph = optimize(trace(lambda x: waves(x).sum(), [TensorType(F, (N, 3))], ["x"]))
    assert planned(graph).stages


@pytest.mark.parametrize("step", [lambda w: w.sin(), lambda w: w * w], ids=["chain", "diamonds"])
def test_a_state_is_laid_out_through_a_long_update(step):
    """Two ways at each of 5,000 diamonds: a walk that went both would not end."""

    def update(x, w, v):
        value = v
        for _ in range(LONG):
            value = step(value)
        return (x @ w.T).sum(), w - x.T @ x, value + w

    graph = trace(update, [TensorType(F, (N, 3)), TensorType(F, (3, 3)), TensorType(F, (3, 3))], ["x", "w", "v"])
    graph = type(graph)(graph.inputs, graph.outputs, ("loss", "w", "v"))
    assert choose_layout(graph, ("w", "v")).swapped == {"w", "v"}  # v meets w, which a product reads transposed


def test_views_of_views_are_where_the_value_is():
    graph = trace(lambda x: turned(x, LONG), [TensorType(F, (N, 3))], ["x"])
    view = view_of(graph.outputs[0], Storage(16, frozenset()))
    assert (view.base, view.offset, view.strides) == (graph.inputs[0], 0, (3, 1))


def test_views_of_views_are_planned():
    graph = trace(lambda x, w: turned(x, 400) * turned(w, 400) + 1.0, [TensorType(F, (N, 3)), TensorType(F, (1, 3))])
    with short_stack():
        assert planned(graph).stages


def test_the_native_executor_runs_a_chain_longer_than_the_stack():
    def roots(x):
        for _ in range(300):
            x = x.sqrt()
        return x.sum(axis=0)

    graph = trace(roots, [TensorType(F, (N, 3))], ["x"])
    expected = ReferenceExecutor().compile(graph)([X + 2])[0]
    with short_stack():
        found = NativeExecutor().compile(graph)([X + 2])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
