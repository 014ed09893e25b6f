"""Updates of only the rows that a batch has touched: nn.Embedding(sparse=True)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.compiler.schedule.cost import cost
from schuss.errors import UsageError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.loop import NativeLoop
from schuss.ir.types import N, TensorType
from schuss.train.step import Task, training

from .test_optimizers import CASES

Arrays = dict[str, np.ndarray[Any, Any]]
ROWS, WIDTH, BATCH, STEPS = 40, 3, 8, 12
RNG = np.random.default_rng(7)
INDEX = RNG.integers(0, ROWS // 2, (BATCH * STEPS, 2)) ** 2 % ROWS  # some rows often, some never
TARGET = RNG.standard_normal(BATCH * STEPS)
TABLE = RNG.standard_normal((ROWS, WIDTH))


class Twice(nn.Module):
    """One table read by two columns, each in its own way: y = the sum of table[a] * table[b]."""

    def __init__(self, sparse: bool, dtype: str = "float64") -> None:
        self.table = nn.Embedding(ROWS, WIDTH, dtype, sparse=sparse)
        self.table.weight.data = TABLE

    def forward(self, x: Any) -> Any:
        return (self.table(x[:, 0]) * self.table(x[:, 1])).sum(axis=1)


def fit(model: Any, optimizer: Any, **options: Any) -> Any:
    given: dict[str, Any] = {"epochs": 1, "batch_size": BATCH, "shuffle": False, "loss": nn.MSELoss()}
    return schuss.fit(model, (INDEX, TARGET), optimizer=optimizer, **{**given, **options})


def learned(sparse: bool, optimizer: Any, dtype: str = "float64", **options: Any) -> np.ndarray[Any, Any]:
    model = Twice(sparse, dtype)
    fit(model, optimizer, **options)
    return model.table.weight.data


# -- what the update is ----------------------------------------------------------------------------------


def gradient(table: np.ndarray[Any, Any], x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Of mean((sum of table[a] * table[b] - y)**2)."""
    a, b = x.T
    error = 2 * ((table[a] * table[b]).sum(axis=1) - y)[:, None] / len(y)
    found = np.zeros_like(table)
    np.add.at(found, a, error * table[b])
    np.add.at(found, b, error * table[a])
    return found


def adam(decay: float, s: Arrays, w: Any, g: Any, t: int) -> Any:
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.999 * s["v"] + 0.001 * g * g
    return w * (1 - 0.1 * decay) - 0.1 * s["m"] / (1 - 0.9**t) / (np.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def momentum(s: Arrays, w: Any, g: Any, t: int) -> Any:
    s["m"] = 0.9 * s["m"] + g + 0.3 * w
    return w - 0.01 * s["m"]


def adagrad(s: Arrays, w: Any, g: Any, t: int) -> Any:
    s["v"] = s["v"] + g * g
    return w - 0.1 * g / (np.sqrt(s["v"]) + 1e-10)


LAZY: list[tuple[optim.Optimizer, Callable[..., Any]]] = [
    (optim.Adam(0.1), lambda *given: adam(0.0, *given)),
    (optim.AdamW(0.1, weight_decay=0.5), lambda *given: adam(0.5, *given)),
    (optim.Adam(optim.Constant(0.1)), lambda *given: adam(0.0, *given)),  # a schedule
    (optim.SGD(0.01, momentum=0.9, weight_decay=0.3), momentum),
    (optim.Adagrad(0.1), adagrad),
]


@pytest.mark.parametrize("backend", ["reference", "native"])
@pytest.mark.parametrize(("optimizer", "rule"), LAZY, ids=lambda v: repr(v) if isinstance(v, optim.Optimizer) else "")
def test_touched_rows_are_updated_by_the_formula_and_no_others(
    optimizer: optim.Optimizer, rule: Callable[..., Any], backend: str
) -> None:
    table, state = TABLE.copy(), {"m": np.zeros_like(TABLE), "v": np.zeros_like(TABLE)}
    for step in range(STEPS):
        x, y = (a[step * BATCH : (step + 1) * BATCH] for a in (INDEX, TARGET))
        rows = np.unique(x)
        of_rows = {name: value[rows] for name, value in state.items()}
        table[rows] = rule(of_rows, table[rows], gradient(table, x, y)[rows], step + 1)
        for name, value in of_rows.items():
            state[name][rows] = value
    found = learned(True, optimizer, backend=backend)
    np.testing.assert_allclose(found, table, rtol=1e-9, atol=1e-12)
    never = np.setdiff1d(np.arange(ROWS), INDEX)
    assert len(never) > 3
    np.testing.assert_array_equal(found[never], TABLE[never])


def words(sparse: bool) -> Any:
    model = nn.Sequential(nn.Embedding(ROWS, WIDTH, sparse=sparse), nn.Flatten(), nn.Linear(2 * WIDTH, 1))
    nn.initialize(model, 3)
    return model


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_sgd_is_what_it_is_without_sparse_bit_for_bit(
    threads: int, clip_norm: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Duplicates in a batch are summed in the same order; the threads really share the steps."""
    monkeypatch.setattr("schuss.compiler.schedule.sharing.Sharing.worth", True)
    found = []
    for sparse in (False, True):
        model = words(sparse)
        fit(model, optim.SGD(0.1), clip_norm=clip_norm, threads=threads, epochs=2)
        found.append(nn.state_dict(model))
    for name, value in found[0].items():
        if clip_norm is None:
            np.testing.assert_array_equal(found[1][name], value)
        else:  # the squares of the norm are summed in another order
            np.testing.assert_allclose(found[1][name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", [o for o, _ in CASES], ids=repr)
def test_where_a_batch_touches_all_rows_every_optimizer_does_what_it_does_without(optimizer: optim.Optimizer) -> None:
    index = np.concatenate([np.arange(6)[RNG.permutation(6)] for _ in range(5)]).reshape(-1, 2)
    target = RNG.standard_normal((len(index), 1))
    found = []
    for sparse in (False, True):
        model = nn.Sequential(nn.Embedding(6, 2, sparse=sparse), nn.Flatten(), nn.Linear(4, 1))
        nn.initialize(nn.to_dtype(model, "float64"), 0)
        options = {"loss": nn.MSELoss(), "epochs": 2, "batch_size": 3, "shuffle": False, "backend": "reference"}
        schuss.fit(model, (index, target), optimizer=optimizer, **options)
        found.append(nn.state_dict(model))
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["SparseAdam", "SGD"])
def test_pytorchs_sparse_gradients(name: str) -> None:
    torch = pytest.importorskip("torch")
    table = torch.nn.Embedding(ROWS, WIDTH, sparse=True, dtype=torch.float64)
    with torch.no_grad():
        table.weight.copy_(torch.tensor(TABLE))
    adam = name == "SparseAdam"
    given = {"eps": 1e-14} if adam else {}  # which is corrected in ours, as in Adam
    theirs = getattr(torch.optim, name)(table.parameters(), lr=0.1, **given)
    for step in range(STEPS):
        x, y = (torch.tensor(a[step * BATCH : (step + 1) * BATCH]) for a in (INDEX, TARGET))
        theirs.zero_grad()
        torch.mean(((table(x[:, 0]) * table(x[:, 1])).sum(axis=1) - y) ** 2).backward()
        theirs.step()
    ours = optim.Adam(0.1, **given) if adam else optim.SGD(0.1)
    np.testing.assert_allclose(learned(True, ours), table.weight.detach().numpy(), rtol=1e-9, atol=1e-11)


def test_the_norm_of_gradients_is_that_of_their_sums() -> None:
    one, other = (learned(s, optim.SGD(0.5), backend="reference", clip_norm=0.1) for s in (True, False))
    np.testing.assert_allclose(one, other, rtol=1e-12)
    assert abs(one - learned(True, optim.SGD(0.5), backend="reference")).max() > 0.01, "it is limited"


# -- what a step costs -----------------------------------------------------------------------------------


def loop(rows: int, sparse: bool = True) -> NativeLoop:
    model = nn.Sequential(nn.Embedding(rows, 16, sparse=sparse), nn.Linear(16, 1))
    types = TensorType("int64", (N,)), TensorType("float32", (N, 1))
    return NativeExecutor(2).loop(training(Task(model, nn.MSELoss(), optim.Adam(), types[:1], types[1])).step, 256)


def test_a_step_moves_what_the_batch_is_whatever_the_table_is() -> None:
    """Rows are put into the state where it lies: no kernel writes a table anew."""

    def moved(plan: Any) -> list[float]:
        return [cost(s.group, 256).bytes for s in plan.stages]

    small, large, dense = loop(5000), loop(100_000), loop(100_000, sparse=False)
    assert moved(small.plan) == moved(large.plan)
    assert sum(moved(large.plan)) < 1e6 < 40e6 < sum(moved(dense.plan))
    put = [n for s in large.plan.stages for n in s.group.stores if n.op == "set_rows"]
    assert len(put) == 3, "the table and two moments"
    for node in put:
        assert large.plan.places[node] == large.plan.places[node.inputs[0]]


def test_many_indices_at_once() -> None:
    """70,000 of them, most several times, again and again in the same working memory."""
    step = schuss.jit(lambda x, i: ops.coalesce(x, i, size=100_000))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, index = rng.standard_normal((35_000, 2, 2), np.float32), rng.integers(0, 30_000 >> 5 * seed, (35_000, 2))
        np.testing.assert_array_equal(step(x, index), ops.coalesce(x, index, size=100_000))


# -- the rest of a run ---------------------------------------------------------------------------------------


def test_it_goes_on_from_a_checkpoint_and_a_file_keeps_it(tmp_path: Any) -> None:
    whole = words(True)
    fit(whole, optim.Adam(0.05), epochs=4, seed=1)
    part = words(True)
    fit(part, optim.Adam(0.05), epochs=2, seed=1, checkpoint=tmp_path / "run.ckpt")
    resumed = words(True)
    fit(resumed, optim.Adam(0.05), epochs=4, seed=1, resume=tmp_path / "run.ckpt")
    for name, value in nn.state_dict(whole).items():
        np.testing.assert_array_equal(nn.state_dict(resumed)[name], value)
    schuss.save(whole, tmp_path / "model.safetensors")
    again = schuss.load(tmp_path / "model.safetensors")
    assert again[0].sparse
    assert repr(again[0]) == f"Embedding({ROWS}, {WIDTH}, sparse=True)"
    np.testing.assert_array_equal(again(INDEX), whole(INDEX))
    assert "sparse" not in nn.Embedding(3, 2).config(), "files without it are as they were"


def test_a_file_of_a_class_of_ones_own_keeps_it(tmp_path: Any) -> None:
    model = Twice(True, "float32")
    fit(model, optim.Adam(0.1), backend="reference")
    schuss.save(model, tmp_path / "model.safetensors")
    again = schuss.load(tmp_path / "model.safetensors")
    found = []
    for each in (model, again):
        fit(each, optim.Adam(0.1), backend="reference")
        found.append(next(iter(nn.state_dict(each).values())))
    np.testing.assert_array_equal(*found)


def test_a_frozen_table_stays_and_several_tables_learn() -> None:
    class Three(nn.Module):
        def __init__(self) -> None:
            self.a, self.b, self.c = (nn.Embedding(ROWS, 2, sparse=s) for s in (True, True, False))
            self.out = nn.Linear(2, 1)

        def forward(self, x: Any) -> Any:
            return self.out(self.a(x[:, 0]) + self.b(x[:, 1]) + self.c(x[:, 0])).reshape((-1,))

    model = Three()
    model.a.weight.requires_grad = False
    first = {name: value.copy() for name, value in nn.state_dict(model).items()}
    fit(model, optim.AdamW(0.1, groups=[optim.Group("b", lr=0.2)]), backend="reference")
    changed = {n: (v != first[n]).any(axis=-1) for n, v in nn.state_dict(model).items()}
    assert not changed["a.weight"].any()
    assert set(np.flatnonzero(changed["b.weight"])) == set(INDEX[:, 1])
    assert changed["c.weight"].all(), "AdamW's decay reaches all rows of a table that is not sparse"


def test_another_models_table_is_let_be() -> None:
    """A teacher's, which is a constant of the step."""
    teacher = words(True)

    class Pupil(nn.Module):
        def __init__(self) -> None:
            self.own = words(True)

        def forward(self, x: Any) -> Any:
            return (self.own(x) - teacher(x)).reshape((-1,))

    before, model = nn.state_dict(teacher)["0.weight"].copy(), Pupil()
    first = nn.state_dict(model)["own.0.weight"].copy()
    fit(model, optim.Adam(0.1), backend="reference")
    np.testing.assert_array_equal(nn.state_dict(teacher)["0.weight"], before)
    changed = (nn.state_dict(model)["own.0.weight"] != first).any(axis=1)
    assert set(np.flatnonzero(changed)) == set(INDEX.reshape(-1))


@pytest.mark.parametrize("twice", [False, True])
def test_the_examples_may_be_any_axis_of_the_indices(twice: bool) -> None:
    """As of words [T, N], one after the other for all examples."""

    class Turned(nn.Module):
        def __init__(self, sparse: bool) -> None:
            self.table = nn.Embedding(ROWS, WIDTH, "float64", sparse=sparse)
            self.table.weight.data = TABLE

        def forward(self, x: Any) -> Any:
            words = self.table(x.T)
            return (words * (self.table(x).transpose(1, 0, 2) if twice else words)).sum(axis=(0, 2))

    found = []
    for sparse in (False, True):
        model = Turned(sparse)
        fit(model, optim.SGD(0.01), clip_norm=1.0)
        found.append(model.table.weight.data)
    np.testing.assert_allclose(*found, rtol=1e-12)
    assert (found[0] != TABLE).any()


# -- refusals ------------------------------------------------------------------------------------------------


class Own:
    def init(self, params: Any) -> Any:
        return {}

    def update(self, params: Any, grads: Any, state: Any, step: Any) -> Any:
        return {n: w - 0.1 * grads[n] for n, w in params.items()}, {}


class Scaled(optim.SGD):
    """Steps of the length of the parameter's norm."""

    def one(self, w: Any, g: Any, s: Any, k: Any) -> Any:
        return w - g * k["lr"] * ops.sum(w * w), {}


class Using(nn.Module):
    def __init__(self, use: Callable[[Any, Any], Any]) -> None:
        self.table, self.use = nn.Embedding(ROWS, WIDTH, sparse=True), use

    def forward(self, x: Any) -> Any:
        return self.use(self.table, x[:, 0])


def rows(table: Any, x: Any) -> Any:
    return table(x).sum(axis=1)


@pytest.mark.parametrize(
    ("use", "optimizer", "message"),
    [
        (rows, Own(), "table.weight is to be updated by rows, which Own cannot do"),
        (rows, Scaled(), "table.weight is to be updated by rows, and Scaled computes with the whole of it, by sum"),
        (
            lambda table, x: rows(table, x) + table.weight.mean(),
            optim.Adam(),
            "table.weight is to be updated by rows, and the loss uses the whole of it, too",
        ),
        (
            lambda table, x: rows(table, x) + rows(table, np.arange(3)).mean(),
            optim.Adam(),
            "is read by indices of the examples and by others that are the same for all",
        ),
        (
            lambda table, x: ops.take(table.weight * 2.0, x, axis=0, sparse=True).sum(axis=1),
            optim.Adam(),
            "take: sparse=True is of the rows of a Parameter, this is computed",
        ),
    ],
    ids=["own update", "whole tensors", "used whole", "two kinds of indices", "computed"],
)
def test_what_cannot_be_by_rows_is_refused_with_the_mend(use: Any, optimizer: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        fit(Using(use), optimizer, backend="reference")
    assert message in str(caught.value)
    assert "leave out sparse=True" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_settings() -> None:
    with pytest.raises(UsageError, match="Embedding: sparse must be True or False, got 2"):
        nn.Embedding(3, 2, sparse=2)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="take: sparse=True is of rows, axis 0, got axis 1"):
        ops.take(TABLE, np.array([0]), axis=1, sparse=True)
