"""Views, layout, fusion and the memory plan, on graphs small enough to read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schuss import ops
from schuss.backprop import backprop
from schuss.ir import Graph, N, TensorType, input_node
from schuss.passes import memory
from schuss.passes.fusion import Form, group
from schuss.passes.layout import choose_layout
from schuss.passes.materialize import materialize
from schuss.passes.memory import crossing, plan
from schuss.passes.pipeline import optimize
from schuss.passes.storage import Storage, row_major, spaced_row
from schuss.passes.views import reshape_strides, view_of
from schuss.passes.work import row_independent, work
from schuss.trace import Tensor, trace

F = "float32"
STORAGE = Storage(16, frozenset({"x", "y"}))


@given(
    st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4),
    st.permutations(range(4)),
    st.data(),
)
def test_reshaped_strides_address_the_same_elements(shape, order, data):
    """Against numpy: where numpy reshapes without a copy, ours must agree, and never claim a view that is none."""
    base = np.arange(np.prod(shape)).reshape(shape)
    x = np.transpose(base, [a for a in order if a < len(shape)])
    size = x.size
    divisors = [d for d in range(1, size + 1) if size % d == 0]
    first = data.draw(st.sampled_from(divisors))
    new = (first, size // first)
    strides = reshape_strides(x.shape, tuple(s // 8 for s in x.strides), new)
    expected = x.reshape(new)
    if strides is None:
        assert not np.shares_memory(base, expected)
    else:
        seen = np.lib.stride_tricks.as_strided(base, new, [s * 8 for s in strides])
        assert np.array_equal(seen, expected)


def test_example_axis_is_stored_first():
    assert row_major((5, N), 64) == (1, 5)
    assert row_major((N, 5, 2), 64) == (10, 2, 1)


def test_long_rows_are_spaced_out_but_columns_and_constants_are_not():
    storage = Storage(16, frozenset({"x"}), spaced=True)
    wide = TensorType(F, (8, 512))
    assert storage.strides(input_node("w", wide)) == (528, 1)
    assert storage.strides(input_node("x", wide)) == (512, 1)
    assert Storage(16).strides(input_node("w", wide)) == (512, 1)
    assert storage.bytes(input_node("w", wide)) == 8 * 528 * 4 + 64
    assert spaced_row((8, 512), "float64") == 520
    assert spaced_row((8, 500), F) is None
    assert spaced_row((512,), F) is None
    assert spaced_row((4, 0), F) is None


def test_a_slice_of_a_transpose_is_a_view():
    graph = trace(lambda x: ops.exp(x).T[2:4], [TensorType(F, (3, 5))])
    view = view_of(graph.outputs[0], Storage(1))
    assert view is not None
    assert (view.offset, view.strides) == (2, (1, 5))


def sgd_step(out=4, into=8, first=lambda x: x):
    x, y, w, lr = (
        Tensor(input_node(name, TensorType(F, shape)))
        for name, shape in [("x", (N, into)), ("y", (N, out)), ("w", (out, into)), ("lr", ())]
    )
    z = first(x) @ w.T
    loss = ((z - y) * (z - y)).mean()
    (g,) = backprop(loss, [w])
    new = w - lr * (g + w * 0.01)
    inputs = tuple(t.node for t in (x, y, w, lr))
    return Graph(inputs, (loss.node, new.node), ("loss", "w"))


def test_weight_is_kept_as_the_products_read_it():
    layout = choose_layout(optimize(sgd_step()), ("w",))
    assert layout.swapped == {"w"}
    turned = [n for n in layout.graph.nodes if n.op == "transpose"]
    assert all(n.inputs[0].type.symbolic for n in turned), "no weight is transposed in a step"
    assert layout.graph.output("w").type.shape == (8, 4)


def stages(step=None, threads=2, storage=STORAGE):
    graph = materialize(choose_layout(optimize(step or sgd_step()), ("w",)).graph, storage)
    groups = group(graph)
    slots = {n: i for i, n in enumerate(graph.inputs, start=1)}
    inputs = dict(zip(graph.input_names, graph.inputs, strict=True))
    return graph, groups, plan(graph, groups, storage, slots, {inputs["w"]: graph.output("w")}, threads)


def test_the_update_rides_in_the_weight_gradients_epilogue():
    graph, groups, planned = stages()
    update = next(g for g in groups if graph.output("w") in g.nodes)
    assert update.form is Form.CONTRACT
    assert update.stores == [graph.output("w")], "the gradient itself is never stored"
    w = next(n for n in graph.inputs if n.attrs["name"] == "w")
    assert planned.places[graph.output("w")] == planned.places[w], "updated in place"


def test_threads_meet_only_where_rows_meet():
    _, _, planned = stages()
    assert [s.barrier for s in planned.stages].count(True) == 1


def test_memory_is_used_again_once_the_threads_have_met():
    def chain(x):
        for _ in range(8):
            x = ops.exp(x - x.mean(axis=0))  # a mean over examples: the threads meet
        return x

    graph = materialize(optimize(trace(chain, [TensorType(F, (N, 64))])), STORAGE)
    slots = {n: i for i, n in enumerate([*graph.inputs, *graph.outputs], start=1)}
    planned = plan(graph, group(graph), STORAGE, slots, {}, 2)
    assert planned.arena <= 4 * 16 * 64 * 4, "of seven values between, few are alive at a time"


@pytest.mark.parametrize(
    ("out", "into", "threads", "expected"),
    [
        (64, 40, 2, ("columns", 64)),  # 16 examples hand over 16 * (40 + 64) numbers of the 2560
        (64, 40, 1, ("rows", 0)),
        (64, 40, 3, ("rows", 0)),  # no multiple of two vectors to each
        (96, 40, 3, ("columns", 96)),
        (96, 40, 2, ("rows", 0)),
        (64, 8, 2, ("rows", 0)),  # more is handed over than read
        (768, 96, 6, ("columns", 768)),
    ],
)
def test_a_weight_stays_with_the_threads_that_own_its_columns(out, into, threads, expected):
    graph, _, planned = stages(sgd_step(out, into), threads)
    forward = next(s for s in planned.stages if s.group.form is Form.CONTRACT and not isinstance(s.group.space[0], int))
    update = next(s for s in planned.stages if graph.output("w") in s.group.nodes)
    assert forward.division == expected
    assert update.division == (expected if expected[0] == "columns" else ("split", into))
    handed = {n.attrs["name"] for stage in (forward, update) for n in crossing(stage) if n.op == "input"}
    assert ("w" in handed) is (expected[0] != "columns")


@pytest.mark.parametrize(("capacity", "expected"), [(memory.DEEP, "columns"), (memory.DEEP + 1, "split")])
def test_deep_sums_go_by_rows_in_blocks(capacity, expected):
    graph, _, planned = stages(sgd_step(2176, 2176), storage=Storage(capacity, frozenset({"x", "y"})))
    update = next(s for s in planned.stages if graph.output("w") in s.group.nodes)
    assert (update.division[0], update.deep) == (expected, expected == "split")


def test_threads_meet_before_a_product_by_columns_of_rows_they_computed():
    _, _, planned = stages(sgd_step(64, 40, ops.exp))
    kinds = [(s.division[0], s.barrier) for s in planned.stages if s.group.form in (Form.MAP, Form.CONTRACT)]
    assert kinds[:2] == [("rows", False), ("columns", True)]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: ops.softmax(x, axis=-1), True),
        (lambda x: x - x.mean(axis=0), False),
        (lambda x: x @ x.T, False),
        (lambda x: x.sum(), False),
        (lambda x: ops.relu(x @ np.ones((4, 3), F)), True),
    ],
)
def test_row_independence(function, expected):
    assert row_independent(trace(function, [TensorType(F, (N, 4))])) is expected


def test_work_counts_products():
    graph = trace(lambda x, w: x @ w, [TensorType(F, (N, 8)), TensorType(F, (8, 4))])
    assert work(graph, 10) == 2 * 10 * 8 * 4
