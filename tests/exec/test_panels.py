"""Weights and moments in panels: the same bits as row-major, whatever the sizes, the optimizer and the threads."""

from __future__ import annotations

import itertools
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.compiler import pipeline
from schuss.compiler.lower.gemm.tiles import last_heights
from schuss.compiler.passes.panels import can_lie_in_panels
from schuss.compiler.pipeline import REWRITES, run, up_to
from schuss.compiler.schedule.sharing import Sharing
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.loop import NativeLoop
from schuss.exec.native.programs import draft_of
from schuss.ir import N, TensorType
from schuss.ir.executor import Step
from schuss.ir.graph import Graph, input_node
from schuss.trace import Tensor
from schuss.train.step import Task, Training, training
from tests.thinned import sampled

ROW_MAJOR = Tuning(panel_registers=0)
PANELS = Tuning(panel_registers=64, panels_bytes=1, gather_tiles=1, reread=2)  # on any machine, however small
PACKED = replace(PANELS, panel_bytes=1, reread=0)  # and packed for the transposed product


class Shared(nn.Module):
    """A weight that two products read."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(48, 48), nn.Linear(48, 3)

    def forward(self, x):
        hidden = nn.Tanh()(self.first(nn.Tanh()(self.first(x))))
        return self.last(hidden)


class Otherwise(nn.Module):
    """Weights that are summed, read transposed, by rows, as a left operand, and in maps of more axes."""

    def __init__(self) -> None:
        self.first, self.table, self.last = nn.Linear(32, 32), nn.Linear(32, 48), nn.Linear(48, 3)

    def forward(self, x):
        weight, table = self.first.weight, self.table.weight
        hidden = nn.Tanh()(self.first(x)) * weight.sum(axis=0) + weight[3] + weight.sum(axis=1) + weight.max()
        hidden = hidden @ weight + (weight @ weight)[5] + (weight * weight.T).mean() + (weight + weight.T)[:, 7]
        third = (table.reshape(2, 24, 32) * weight[0]).sum(axis=(0, 1)) + (weight[None] * table[:3, None]).sum(
            axis=(0, 1)
        )
        return self.last(self.table(nn.Tanh()(hidden + third)) + table[::2].sum() + schuss.exp(table).sum(axis=1))


def chain(*sizes: int) -> nn.Module:
    layers: list[nn.Module] = []
    for into, out in itertools.pairwise(sizes):
        layers += [nn.Linear(into, out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


MODELS = {
    "tiles": lambda: chain(48, 64, 32, 3),
    "odd rows": lambda: chain(37, 16, 48, 3),
    "odd columns": lambda: chain(20, 50, 32, 3),
    "shared": Shared,
}
OPTIMIZERS = {
    "adam": lambda: optim.Adam(lr=1e-2),
    "decay": lambda: optim.AdamW(lr=1e-2, weight_decay=0.1),
    "momentum": lambda: optim.SGD(lr=1e-2, momentum=0.9, weight_decay=0.01),
    "plain": lambda: optim.SGD(lr=1e-2),
}


def step_of(model: nn.Module, optimizer: optim.Optimizer, dtype: str = "float32", clip: float | None = None):
    """The training step and the state that it begins with."""
    params = nn.named_parameters(model)
    for p in params.values():
        p.data = p.data.astype(dtype)
    width = next(iter(params.values())).data.shape[1]
    types = TensorType(dtype, (N, width)), TensorType("int64", (N,))
    made = training(Task(model, nn.CrossEntropyLoss(), optimizer, types[:1], types[1], clip_norm=clip))
    state = {f"param/{name}": p.data for name, p in params.items()} | {f"opt/{n}": v for n, v in made.state.items()}
    return made, state | {"key": np.zeros(2, np.uint32)}


def trained(made: Training, state, tuning: Tuning, threads: int, batch: int) -> tuple[NativeLoop, dict[str, bytes]]:
    """A loop after two epochs, the last batch of which is short, and the bits of its state."""
    rng, rows = np.random.default_rng(0), 2 * batch + 5
    (x,) = (t for name, t in zip(made.step.graph.input_names, made.step.graph.inputs, strict=True) if name == "x0")
    data = rng.standard_normal((rows, x.type.shape[1])).astype(x.type.dtype)
    with mock.patch.object(Sharing, "worth", True):
        loop = NativeExecutor(threads, tuning=tuning).loop(made.step, batch)
    loop.bind({"x0": data, "y": np.arange(rows) % 3})
    loop.load(state)
    for epoch in range(2):
        loop.run(rng.permutation(rows).astype(np.int64), batch, 0, 3, 3 * epoch)
    return loop, {name: np.ascontiguousarray(a).tobytes() for name, a in loop.state().items()}


def check(made: Training, state, tuning: Tuning, threads: int, batch: int) -> NativeLoop:
    """The same bits as where nothing lies in panels, from one thread."""
    other, expected = trained(made, state, ROW_MAJOR, 1, batch)
    loop, found = trained(made, state, tuning, threads, batch)
    assert not other.panels
    assert found == expected
    for name, value in found.items():
        assert np.ascontiguousarray(loop.peek(name)).tobytes() == value
    return loop


CASES = [
    ("tiles", "adam", "float32", PANELS, 1, 33),
    ("tiles", "decay", "float64", PACKED, 2, 64),
    ("odd rows", "adam", "float32", PACKED, 3, 17),
    ("odd columns", "momentum", "float32", PANELS, 2, 32),
    ("shared", "adam", "float32", PACKED, 2, 9),
    ("shared", "momentum", "float64", PANELS, 1, 16),
]
OTHERS = [
    (model, optimizer, dtype, tuning, threads, batch)
    for model in MODELS
    for optimizer in OPTIMIZERS
    for dtype in ("float32", "float64")
    for tuning in (PANELS, PACKED)
    for threads, batch in ((1, 9), (2, 64), (5, 40))
]


@pytest.mark.parametrize(("model", "optimizer", "dtype", "tuning", "threads", "batch"), sampled(CASES, OTHERS))
def test_panels_change_no_bits(model, optimizer, dtype, tuning, threads, batch):
    made, state = step_of(MODELS[model](), OPTIMIZERS[optimizer](), dtype)
    assert check(made, state, tuning, threads, batch).panels


@pytest.mark.parametrize(
    ("model", "clip", "dtype", "threads", "batch"),
    sampled(
        [(Otherwise, None, "float32", 3, 33)],
        [(Otherwise, 1.0, "float64", 2, 16), (MODELS["tiles"], 1.0, "float32", 5, 40)],
    ),
)
def test_whatever_is_done_with_what_lies_in_panels_the_bits_are_the_same(model, clip, dtype, threads, batch):
    def all_that_can(graph, state, least):
        names = zip(graph.input_names, graph.inputs, strict=True)
        return frozenset(name for name, node in names if name in state and can_lie_in_panels(node.type))

    made, state = step_of(model(), optim.Adam(lr=1e-2), dtype, clip)
    with mock.patch.object(pipeline, "choose_panels", all_that_can):
        assert len(check(made, state, PANELS, threads, batch).panels) >= 6


def chosen(made: Training, batch: int = 64, tuning: Tuning = PANELS) -> set[str]:
    """What lies in panels."""
    return set(run(draft_of(made.step, batch, 2, tuning=tuning)[0], REWRITES).storage.panels)


def test_weights_that_products_read_lie_in_panels_and_their_moments_with_them():
    made, _ = step_of(chain(40, 32, 20, 3), optim.Adam())
    moments = {f"opt/{s}/0.weight" for s in ("exp_avg", "exp_avg_sq")}
    assert chosen(made) == {"param/0.weight", *moments}, "20 columns are no panels"


def test_what_is_too_small_or_for_too_few_or_too_many_rows_does_not():
    made, _ = step_of(chain(40, 32, 3), optim.SGD(lr=0.1))
    assert chosen(made) == {"param/0.weight"}
    assert not chosen(made, tuning=Tuning(panel_registers=64))
    assert not chosen(made, batch=DEFAULT.few_rows)
    assert not chosen(made, batch=DEFAULT.k_block_rows + 1)


def beside_a_contraction(x, w, left, right, total):
    """No kernel of a contraction over several axes reads panels, and maps join it."""
    other = ops.dot_general(left, right, contract=((1, 2), (1, 0)))
    return {"total": total + (x @ w + x @ (w * other)).sum()}


def of_pieces(x, w):
    """A new value that is not mapped from the old one, or from a product."""
    g = x.T @ (x @ w)
    return {"w": schuss.concatenate([0.5 * g[:8], 2.0 * g[8:]])}


def of_a_gradient_that_is_kept(x, w, before, total):
    """A state that is updated by what is also summed, and updates the weight."""
    g = x.T @ (x @ w)
    return {"w": w - 0.01 * before, "before": g, "total": total + g.sum(axis=0)}


BESIDE = {"x": (N, 48), "w": (48, 48), "left": (48, 3, 2), "right": (2, 3, 48), "total": ()}
PIECES = {"x": (N, 48), "w": (48, 48)}
KEPT = {"x": (N, 48), "w": (48, 48), "before": (48, 48), "total": (48,)}


@pytest.mark.parametrize(
    ("update", "shapes"), [(beside_a_contraction, BESIDE), (of_pieces, PIECES), (of_a_gradient_that_is_kept, KEPT)]
)
def test_what_a_kernel_without_panels_may_read_or_write_stays_row_major(update, shapes):
    given = {name: Tensor(input_node(name, TensorType("float32", shape))) for name, shape in shapes.items()}
    new = update(**given)
    graph = Graph(tuple(t.node for t in given.values()), tuple(t.node for t in new.values()), tuple(new))
    loop = NativeExecutor(2, tuning=PANELS).loop(Step(graph, tuple(shapes)[1:], ("x",)), 16)
    assert not loop.panels


def copied(made: Training, tuning: Tuning) -> list[tuple]:
    """The shapes of activations that are written in panels, too."""
    draft, _ = draft_of(made.step, 64, 2, tuning=tuning)
    return sorted(n.type.shape[1:] for n in up_to(draft, "copies").storage.copies)


def test_gradients_of_many_columns_read_the_activations_in_panels():
    made, _ = step_of(chain(48, 64, 32, 20, 3), optim.Adam())
    assert copied(made, PACKED) == [(32,), (48,), (64,)], "20 are no panels"
    assert copied(made, PANELS) == [(48,), (64,)], "the gradient of 20 columns reads them once"
    assert copied(made, replace(PANELS, reread=4)) == [(48,)]
    assert copied(made, ROW_MAJOR) == [], "where no weight lies in panels, tiles are large"
    assert DEFAULT.reread == 32, "512 columns: 16 panels a thread of two, 4 at a time"


class OverAxes(nn.Module):
    """Activations of a contraction over two axes, whose kernel writes no panels."""

    def __init__(self) -> None:
        self.first = nn.Parameter(np.random.default_rng(0).standard_normal((6, 8, 48)).astype("float32"))
        self.rest = chain(48, 48, 64, 3)

    def forward(self, x):
        x = ops.reshape(x, shape=(N, 6, 8))
        return self.rest(nn.ReLU()(ops.dot_general(x, self.first, contract=((1, 2), (0, 1)))))


def test_activations_of_a_contraction_over_any_axes_are_not_copied():
    model = OverAxes()
    types = TensorType("float32", (N, 48)), TensorType("int64", (N,))
    made = training(Task(model, nn.CrossEntropyLoss(), optim.SGD(lr=0.1), types[:1], types[1]))
    assert copied(made, PACKED) == [(64,)], "nor what is mapped over its space"
    params = {f"param/{name}": p.data for name, p in nn.named_parameters(model).items()}
    assert check(made, params | made.state | {"key": np.zeros(2, np.uint32)}, PACKED, 2, 33).panels


def test_an_update_that_waits_for_all_gradients_is_of_row_major_matrices():
    model, optimizer = chain(40, 32, 3), optim.Adam()
    assert not chosen(step_of(model, optimizer, clip=1.0)[0])


def test_a_weight_that_is_read_otherwise_stays_row_major():
    assert chosen(step_of(Otherwise(), optim.Adam())[0]) == set()


def test_frozen_weights_lie_in_panels_too():
    model = chain(40, 32, 16, 3)
    types = TensorType("float32", (N, 40)), TensorType("int64", (N,))
    frozen = frozenset({"0.weight", "0.bias"})
    task = Task(model, nn.CrossEntropyLoss(), optim.SGD(lr=0.1), types[:1], types[1], frozen=frozen)
    assert chosen(training(task)) == {"param/0.weight", "param/2.weight"}


def test_the_state_comes_back_as_it_was_given():
    made, state = step_of(chain(40, 32, 3), optim.Adam())
    loop = NativeExecutor(1, tuning=PANELS).loop(made.step, 64)
    given = {n: np.arange(v.size, dtype=v.dtype).reshape(v.shape) for n, v in state.items()}
    loop.load(given)
    found = loop.state()
    for name, value in given.items():
        np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(loop.peek(name), value)


def test_no_tile_of_one_or_two_rows_is_left_where_two_can_share():
    assert last_heights(32, 6, 2) == (4, 4)
    assert last_heights(37, 6, 2) == (4, 3)
    assert last_heights(64, 6, 2) == (4,)
    assert last_heights(2, 6, 2) == (2,)
    assert last_heights(36, 6, 2) == ()
    assert all((rows - sum(last_heights(rows, 6, 2))) % 6 == 0 for rows in range(1, 200))
