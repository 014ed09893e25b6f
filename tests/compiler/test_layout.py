"""However a dense layer is written, its weights lie as products read them and are updated along their rows."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from schuss import nn, ops, optim
from schuss.compiler.draft import Draft
from schuss.compiler.llvm.target import Target
from schuss.compiler.pipeline import PIPELINE, run
from schuss.compiler.schedule.fuse import Form
from schuss.compiler.storage import Storage
from schuss.compiler.structure import contracted, is_copy
from schuss.compiler.views import view_of
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.programs import draft_of
from schuss.ir import N, TensorType
from schuss.ir.executor import Step
from schuss.trace import trace
from schuss.train.step import Task, Training, training
from tests.thinned import thinned

F, SIZES, MEMBERS, BATCH = "float32", (19, 32, 24, 3), 4, 40
TARGETS = {
    "avx2": Target("x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, 16, True, True),
    "avx512": Target("x86_64-unknown-linux-gnu", "x86-64-v4", "", 64, 32, True, True),
}
IO = {  # the weight in x out, or, where the name says so, out x in; of members with an axis of these in front
    "x @ W": lambda x, w: x @ w,
    "einsum ni,io->no": lambda x, w: ops.einsum("ni,io->no", x, w),
    "dot_general 0": lambda x, w: ops.dot_general(x, w, contract=((1,), (0,))),
    "x @ W.mT": lambda x, w: x @ w.mT,
    "einsum ni,oi->no": lambda x, w: ops.einsum("ni,oi->no", x, w),
    "dot_general 1": lambda x, w: ops.dot_general(x, w, contract=((1,), (1,))),
    "dot_general from the left": lambda x, w: ops.dot_general(w, x, contract=((1,), (1,))).mT,
    "W @ x": lambda x, w: w @ x,
}
MEMBER = {
    "x @ W": lambda x, w: x @ w,
    "einsum kni,kio->kno": lambda x, w: ops.einsum("kni,kio->kno", x, w),
    "x @ W.mT": lambda x, w: x @ w.mT,
    "einsum kni,koi->kno": lambda x, w: ops.einsum("kni,koi->kno", x, w),
    "dot_general 2": lambda x, w: ops.dot_general(x, w, contract=((2,), (2,)), batch=((0,), (0,))),
    "W @ x": lambda x, w: w @ x,
}
OUT_FIRST = {"x @ W.mT", "einsum ni,oi->no", "dot_general 1", "dot_general from the left", "W @ x"} | {
    "einsum kni,koi->kno",
    "dot_general 2",
}
FORMS = [*((name, False) for name in IO), *((name, True) for name in MEMBER)]


class Net(nn.Module):
    """Dense layers, all written in one way."""

    def __init__(self, form: str, members: bool) -> None:
        self.form, self.members = form, members
        random = np.random.default_rng(0)
        self.weights, self.biases = [], []
        for into, out in itertools.pairwise(SIZES):
            weight = random.normal(0, 0.3, (MEMBERS, into, out) if members else (into, out)).astype(F)
            weight = weight.mT if form in OUT_FIRST else weight
            self.weights.append(nn.Parameter(np.ascontiguousarray(weight)))
            row = (out, 1) if form == "W @ x" else (1, out)
            self.biases.append(nn.Parameter(np.zeros((MEMBERS, *row) if members else row, F)))

    def forward(self, x):
        layer, across = (MEMBER if self.members else IO)[self.form], self.form == "W @ x"
        x = x.mT if across else x
        x = ops.broadcast_to(x, (MEMBERS, *x.shape)) if self.members else x
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = layer(x if not number else ops.relu(x), weight) + bias
        x = x.mT if across else x
        return x.mean(axis=0) if self.members else x


def made(model: nn.Module, optimizer: optim.Optimizer | None = None) -> tuple[Training, dict[str, np.ndarray]]:
    """The step, and the state that it begins with."""
    x, y = TensorType(F, (N, SIZES[0])), TensorType(F, (N, SIZES[-1]))
    step = training(Task(model, nn.MSELoss(), optimizer or optim.AdamW(1e-2, weight_decay=0.1), (x,), y))
    params = {f"param/{name}": p.data for name, p in nn.named_parameters(model).items()}
    return step, params | {f"opt/{name}": value for name, value in step.state.items()} | {"key": np.zeros(2, np.uint32)}


def planned(step: Step, target: str) -> Draft:
    draft, _ = draft_of(step, BATCH, 1)
    return run(Draft(draft.graph, draft.storage, draft.state, draft.watch, target=TARGETS[target]), PIPELINE)


def products(draft: Draft) -> list[tuple]:
    """Of each product: its space, its depth, how many maps ride in it; and the tiles of all."""
    groups = [s.group for s in draft.stages if s.group.form is Form.CONTRACT]
    notes = [note for note in draft.notes if "tiles" in note or "matrix-vector" in note]
    return sorted((str(g.space), str(contracted(g.anchor)), len(g.maps)) for g in groups) + sorted(notes)


def copies(draft: Draft) -> int:
    """Matrices of the state that a step copies."""
    nodes = [n for n in draft.graph.nodes if is_copy(n)]
    return sum(not n.type.symbolic and n.type.rank >= 2 and 1 not in n.type.shape[-2:] for n in nodes)


def updates_go_along_rows(draft: Draft) -> bool:
    """Whether what kernels with an update of a matrix read and write in its place lies contiguously along its rows."""
    assert draft.plan is not None
    storage = draft.plan.storage
    groups = [s.group for s in draft.stages if len(s.group.space) > 1 and set(s.group.stores) & set(draft.cells)]
    assert groups
    for group in groups:
        read = [o for reader, _, o in group.operands if reader is not group.anchor and o.type.shape == group.space]
        views = [view_of(o, storage) for o in (*read, *group.stores)]
        if group.space[-1] != 1 and any(v is None or v.strides[-1] != 1 for v in views):
            return False
    return True


def matrices_made_by_products(draft: Draft) -> bool:
    """Whether the new value of each matrix of the state is made by the kernel that makes its gradient."""
    changed = {n for n in draft.cells if n.type.rank >= 2 and 1 not in n.type.shape[-2:]}
    inside = {n for s in draft.stages if s.group.form is Form.CONTRACT for n in s.group.stores}
    return len(changed) == 9 and changed <= inside


@cache
def products_of_a_linear(members: bool, target: str) -> list[tuple]:
    return products(planned(made(Net("x @ W.mT", members))[0].step, target))


@pytest.mark.parametrize(("form", "target"), thinned(FORMS, [*TARGETS], by=2))
def test_every_form_makes_the_same_products(form, target):
    form, members = form
    draft = planned(made(Net(form, members))[0].step, target)
    assert products(draft) == products_of_a_linear(members, target)
    assert copies(draft) == 2, "the second and third layers' weights, for the gradient of what they read"
    assert updates_go_along_rows(draft)
    assert matrices_made_by_products(draft)
    assert not any("scalar" in note for note in draft.notes)


def trained(form: str, members: bool) -> list[np.ndarray]:
    """The weights after some steps, in x out."""
    step, state = made(Net(form, members))
    random, rows = np.random.default_rng(1), 2 * BATCH + 5
    loop = NativeExecutor(1).loop(step.step, BATCH)
    loop.bind({"x0": random.normal(size=(rows, SIZES[0])).astype(F), "y": random.normal(size=(rows, 3)).astype(F)})
    loop.load(state)
    loop.run(random.permutation(rows).astype(np.int64), BATCH, 0, 3, 0)
    found = {n: a for n, a in loop.state().items() if n.startswith("param/weights")}
    return [found[name].mT if form in OUT_FIRST else found[name] for name in sorted(found)]


@pytest.mark.parametrize("members", [False, True])
def test_every_form_gives_the_same_bits(members):
    expected = trained("x @ W.mT", members)
    assert len(expected) == len(SIZES) - 1
    for form, _ in (f for f in FORMS if f[1] is members and f[0] != "W @ x"):  # that sums a bias in another order
        for one, other in zip(trained(form, members), expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=form)
    for one, other in zip(trained("W @ x", members), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


class Tied(nn.Module):
    """A matrix that is read as a table, and by products both ways round."""

    def __init__(self) -> None:
        self.table = nn.Parameter((40, 32), nn.init.Normal(0, 0.3))

    def forward(self, x):
        x = ops.take(self.table, ops.argmax(x, axis=1), axis=0)
        return (ops.relu(x @ self.table.mT) @ self.table)[:, :3]


def test_a_matrix_that_is_read_by_rows_lies_as_it_is_written():
    draft = planned(made(Tied(), optim.SGD(0.1))[0].step, "avx2")
    assert not draft.swapped
    assert updates_go_along_rows(draft)


@pytest.mark.parametrize("rows", [1, 19, 24, 70])
def test_members_columns_are_made_along_the_axis_that_lies_contiguously(rows):
    """The gradient of a layer of one output: vectors of the activations' columns, for members as for one network."""

    def gradient(x, g):
        return ops.tanh(x.mT @ g)

    def gradients(x, g):
        return gradient(*(ops.tanh(v.transpose((1, 0, 2))) for v in (x, g)))

    random = np.random.default_rng(rows)
    x, g = (random.normal(size=(BATCH, MEMBERS, length)).astype(F) for length in (rows, 1))
    graph = trace(gradients, [TensorType(F, (N, MEMBERS, rows)), TensorType(F, (N, MEMBERS, 1))])
    one = trace(lambda x, g: gradient(ops.tanh(x), ops.tanh(g)), [TensorType(F, (N, rows)), TensorType(F, (N, 1))])
    draft = run(Draft(graph, Storage(BATCH), target=TARGETS["avx2"]), PIPELINE)
    assert any("along the contiguous axis" in note for note in draft.notes) is (rows > 1)
    for threads in (1, 3):
        (found,) = NativeExecutor(threads).compile(graph)([x, g])
        for number in range(MEMBERS):
            (expected,) = NativeExecutor(1).compile(one)([x[:, number], g[:, number]])
            np.testing.assert_array_equal(found[number], expected)
