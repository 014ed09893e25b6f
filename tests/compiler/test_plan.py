"""Views, layout, fusion and the memory plan, on graphs small enough to read."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schuss import ops
from schuss.backprop import backprop
from schuss.compiler.draft import Draft
from schuss.compiler.passes.layout import choose_layout
from schuss.compiler.pipeline import REWRITES, SCHEDULE, optimize, run
from schuss.compiler.schedule.fuse import Form, group
from schuss.compiler.schedule.order import crossing
from schuss.compiler.storage import Storage, row_major, spaced_row
from schuss.compiler.structure import is_rowwise
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.compiler.views import reshape_strides, view_of
from schuss.compiler.work import row_independent, work
from schuss.exec.native.executor import NativeExecutor
from schuss.ir import Graph, N, TensorType, input_node
from schuss.ir.executors import executor
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
    storage = Storage(16, frozenset({"x"}), spacing=1024)
    wide = TensorType(F, (8, 512))
    assert storage.strides(input_node("w", wide)) == (528, 1)
    assert storage.strides(input_node("x", wide)) == (512, 1)
    assert Storage(16).strides(input_node("w", wide)) == (512, 1)
    assert storage.bytes(input_node("w", wide)) == 8 * 528 * 4 + 64
    assert spaced_row((8, 512), "float64", 1024) == 520
    assert spaced_row((8, 500), F, 1024) is None
    assert spaced_row((512,), F, 1024) is None
    assert spaced_row((4, 0), F, 1024) is None


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
    transposed = [n for n in layout.graph.nodes if n.op == "transpose"]
    assert all(n.inputs[0].type.symbolic for n in transposed), "no weight is transposed in a step"
    assert layout.graph.output("w").type.shape == (8, 4)


def planned_step(step, state, threads=2, storage=STORAGE, tuning=DEFAULT):
    return run(Draft(step, storage, state, "loss", threads, tuning), (*REWRITES, *SCHEDULE)).plan


def planned_function(graph, threads=2, storage=STORAGE, tuning=DEFAULT):
    return run(Draft(graph, storage, threads=threads, tuning=tuning), (*REWRITES, *SCHEDULE)).plan


def stages(step=None, threads=2, storage=STORAGE):
    planned = planned_step(step or sgd_step(), ("w",), threads, storage)
    return planned.graph, [s.group for s in planned.stages], planned


def test_the_update_rides_in_the_weight_gradients_epilogue():
    graph, groups, planned = stages()
    update = next(g for g in groups if graph.output("w") in g.nodes)
    assert update.form is Form.CONTRACT
    assert update.stores == (graph.output("w"),), "the gradient itself is never stored"
    w = next(n for n in graph.inputs if n.attrs["name"] == "w")
    assert planned.places[graph.output("w")] == planned.places[w], "updated in place"


def test_threads_meet_only_where_rows_meet():
    _, _, planned = stages()
    assert [s.barrier for s in planned.stages].count(True) == 1


def test_memory_is_used_again_once_the_threads_have_met():
    def chain(x):
        for _ in range(8):
            x = ops.exp(x - x.mean(axis=0))  # a mean over examples: a barrier
        return x

    planned = planned_function(trace(chain, [TensorType(F, (N, 64))]))
    assert planned.arena <= 4 * 16 * 64 * 4, "of seven values between, few are alive at a time"


@pytest.mark.parametrize("large", [1, 1 << 40])
def test_without_a_meeting_no_memory_is_used_again(large):
    types = [TensorType(F, (N, 64)), *[TensorType(F, (64, 64))] * 6]
    products = trace(lambda x, *matrices: reduce(lambda y, w: ops.tanh(y @ w.T), matrices, x), types)
    planned = planned_function(products, tuning=Tuning(panel_bytes=large))
    assert any(s.packs for s in planned.stages) is (large == 1)


def test_rooms_are_used_again_once_the_threads_have_met():
    def turned_again_and_again(x, *matrices):
        for w in matrices:
            x = ops.tanh(x @ w.T)
            x = x - x.mean(axis=0)
        return x

    types = [TensorType(F, (N, 64)), *[TensorType(F, (64, 64))] * 6]
    planned = planned_function(trace(turned_again_and_again, types), tuning=Tuning(panel_bytes=1))
    assert sum(s.packs for s in planned.stages) == 6
    places = {planned.workspaces[s.group].offset for s in planned.stages if s.packs}
    assert len(places) < 6, "a room serves again"


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
    assert forward.partition == expected
    assert update.partition == (expected if expected[0] == "columns" else ("split", into))
    cross_core = {n.attrs["name"] for stage in (forward, update) for n in crossing(stage) if n.op == "input"}
    assert ("w" in cross_core) is (expected[0] != "columns")


@pytest.mark.parametrize(
    ("capacity", "expected"), [(DEFAULT.k_block_rows, "columns"), (DEFAULT.k_block_rows + 1, "split")]
)
def test_deep_sums_go_by_rows_in_blocks(capacity, expected):
    graph, _, planned = stages(sgd_step(2176, 2176), storage=Storage(capacity, frozenset({"x", "y"})))
    update = next(s for s in planned.stages if graph.output("w") in s.group.nodes)
    assert (update.partition[0], update.k_blocked) == (expected, expected == "split")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4096,), ("split", 4096)), ((4095,), ("one", 0)), ((64, 64), ("split", 64)), ((1, 5000), ("one", 0))],
)
def test_a_large_value_is_divided_by_its_first_axis(shape, expected):
    (stage,) = planned_function(trace(ops.tanh, [TensorType(F, shape)])).stages
    assert stage.partition == expected


def two_layers(last_first, into=64, width=64, out=64):
    """A step of two layers; the second one's new weight is the first output, or the last."""
    shapes = {"x": (N, into), "y": (N, out), "w1": (width, into), "w2": (out, width)}
    x, y, w1, w2 = (Tensor(input_node(name, TensorType(F, shape))) for name, shape in shapes.items())
    z = ops.relu(x @ w1.T) @ w2.T
    loss = ((z - y) * (z - y)).mean()
    given = {"w2": w2, "w1": w1} if last_first else {"w1": w1, "w2": w2}
    new = {n: (w - 0.1 * g).node for (n, w), g in zip(given.items(), backprop(loss, list(given.values())), strict=True)}
    inputs = tuple(t.node for t in (x, y, *given.values()))
    return Graph(inputs, (*new.values(), loss.node), (*new, "loss"))


def planned_layers(graph, threads, tuning, storage=STORAGE):
    planned = planned_step(graph, ("w1", "w2"), threads, storage, tuning)
    inputs = dict(zip(planned.graph.input_names, planned.graph.inputs, strict=True))
    return {inputs[name]: planned.graph.output(name) for name in ("w1", "w2")}, planned


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("rows", [4, 16])
def test_a_matrix_is_read_where_it_lies_and_changed_there_after_the_threads_have_met(threads, last_first, rows):
    storage = Storage(rows, frozenset({"x", "y"}))
    state, planned = planned_layers(two_layers(last_first), threads, Tuning(panel_bytes=1), storage)
    assert all(planned.places[new] == planned.places[old] for old, new in state.items()), "updated in place"
    w2 = next(node for node in state if node.attrs["name"] == "w2")
    reads = [at for at, s in enumerate(planned.stages) if w2 in crossing(s) and is_rowwise(s.group.space)]
    update = next(at for at, s in enumerate(planned.stages) if state[w2] in s.group.nodes)
    assert reads
    assert any(s.barrier for s in planned.stages[max(reads) + 1 : update + 1])
    assert any(s.packs for s in planned.stages) is (rows > 8)


@pytest.mark.parametrize(("k_blocked", "large"), [(1, 1), (1024, 1), (1024, 1 << 40)])
def test_what_lives_at_the_same_time_lies_apart(k_blocked, large):
    tuning = Tuning(k_block_rows=k_blocked, k_block_bytes=1, column_split_bytes=1, panel_bytes=large)
    _, planned = planned_layers(two_layers(False, 40, 96, 33), 2, tuning)
    assert any(s.packs for s in planned.stages) is (large == 1)
    assert any(s.k_blocked for s in planned.stages) is (k_blocked == 1)


def test_threads_meet_before_a_product_by_columns_of_rows_they_computed():
    _, _, planned = stages(sgd_step(64, 40, ops.exp))
    kinds = [(s.partition[0], s.barrier) for s in planned.stages if s.group.form in (Form.MAP, Form.CONTRACT)]
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


MOST = DEFAULT.most_maps


@pytest.mark.parametrize(("count", "kernels"), [(MOST, 1), (MOST + 1, 2), (1000, -(-1000 // MOST))])
def test_a_long_chain_of_maps_is_divided_among_kernels(count, kernels):
    def chain(x):
        for i in range(count):
            x = ops.sin(x) if i % 2 else ops.cos(x)
        return x

    groups = group(trace(chain, [TensorType(F, (N, 3))]))
    assert [g.form for g in groups] == [Form.MAP] * kernels
    assert sum(len(g.maps) for g in groups) == count
    assert all(g.stores == g.maps[-1:] for g in groups)


def test_values_do_not_change_where_a_chain_is_divided():
    def chain(x, w):
        h = x @ w
        for i in range(20):
            h = ops.tanh(h) * (1.0 + i / 8) + x
        return h, ops.sum(h * h, axis=1), ops.softmax(h, axis=1)

    x, w = (np.random.default_rng(i).standard_normal(shape).astype(F) for i, shape in enumerate([(5, 6), (6, 6)]))
    graph = trace(chain, [TensorType(F, (N, 6)), TensorType(F, (6, 6))])
    whole, groups = executor("native").compile(graph)([x, w]), len(group(graph))
    parts = NativeExecutor(1, tuning=Tuning(most_maps=7)).compile(graph)([x, w])
    assert len(group(graph, 7)) > groups + 5
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
