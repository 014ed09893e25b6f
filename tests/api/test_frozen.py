"""freeze: the model's own results, whatever happens to the model afterwards."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.errors import DataError, LoweringError, SchussError, ShapeError, UsageError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor

RNG = np.random.default_rng(0)


@pytest.fixture
def model():
    m = nn.Sequential(nn.Linear(20, 33), nn.ReLU(), nn.Dropout(0.5), nn.Linear(33, 7))
    m(np.zeros((1, 20), np.float32))
    return m


@pytest.mark.parametrize("n", [0, 1, 2, 37, 512, 513, 3000])
def test_the_same_bits_as_the_model(model, n):
    frozen = schuss.freeze(model)
    x = RNG.standard_normal((n, 20)).astype("f4")
    for _ in range(2):
        assert np.array_equal(frozen(x), model(x))
    rows = [frozen(x[i : i + 1]) for i in range(min(n, 3))]
    assert all(np.array_equal(r, model(x)[i : i + 1]) for i, r in enumerate(rows))


def test_later_changes_do_not_reach_it(model):
    x = RNG.standard_normal((5, 20)).astype("f4")
    frozen, before = schuss.freeze(model), model(x)
    model.state_dict()
    for parameter in nn.named_parameters(model).values():
        parameter.data[...] = 7.0
    assert not np.array_equal(model(x), before)
    assert np.array_equal(frozen(x), before)
    assert np.array_equal(frozen(x[:1]), before[:1])


def test_it_is_no_model_to_train_or_save(model, tmp_path):
    frozen, x = schuss.freeze(model), np.zeros((4, 20), np.float32)
    message = "a frozen model takes arrays only: train, save or trace the model"
    with pytest.raises(UsageError, match=message):
        schuss.fit(frozen, (x, np.zeros(4, int)), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD())
    with pytest.raises(UsageError, match=message):
        schuss.save(frozen, tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_what_is_no_float32_array(model):
    frozen = schuss.freeze(model)
    x = RNG.standard_normal((4, 20))
    assert np.array_equal(frozen(x), model(x))
    assert frozen(x).dtype == np.float32
    assert np.array_equal(frozen(x.tolist()), model(x.tolist()))
    strided = np.asfortranarray(x.astype("f4"))
    assert np.array_equal(frozen(strided), model(strided))
    assert np.array_equal(frozen(strided[:1]), model(strided[:1]))


def test_scaling_of_a_fit():
    x, y = RNG.integers(0, 256, (200, 12)).astype("u1"), RNG.integers(0, 3, 200)
    m = nn.Sequential(nn.Linear(12, 3))
    schuss.fit(m, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(), epochs=1, scale=1 / 255)
    frozen = schuss.freeze(m)
    assert np.array_equal(frozen(x), m(x))
    assert np.array_equal(frozen(x[:1]), m(x[:1]))
    row = x[:1].astype("f4")  # one row has a way for itself, which is for one dtype
    for given in (row, row, x[:1], row):
        assert np.array_equal(frozen(given), m(given))


def test_several_inputs_and_outputs():
    class Two(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(4, 6), nn.Linear(3, 6)

        def forward(self, x, y):
            return {"sum": ops.tanh(self.a(x) + self.b(y)), "x": x * 2.0}

    m = Two()
    frozen = schuss.freeze(m)
    for n in (1, 9, 1):
        x, y = RNG.standard_normal((n, 4)).astype("f4"), RNG.standard_normal((n, 3)).astype("f4")
        found, expected = frozen(x, y), m(x, y)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[k], expected[k]) for k in expected)


def test_results_are_the_callers_own(model):
    frozen = schuss.freeze(model)
    x = RNG.standard_normal((2, 20)).astype("f4")
    for _ in range(2):  # the second time by the way that one row has for itself
        first = frozen(x[:1])
        kept = first.copy()
        frozen(x[1:])
        assert np.array_equal(first, kept)


def test_many_threads(model):
    frozen = schuss.freeze(model)
    x = RNG.standard_normal((64, 20)).astype("f4")
    expected, wrong = model(x), []

    def work(i):
        for _ in range(200):
            if not np.array_equal(frozen(x[i : i + 1]), expected[i : i + 1]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_errors(model):
    frozen = schuss.freeze(model)
    with pytest.raises(ShapeError, match="19"):
        frozen(np.zeros((2, 19), np.float32))
    with pytest.raises(UsageError, match="leading axis"):
        frozen(np.float32(3.0))
    with pytest.raises(DataError):
        frozen(np.array(["a"]))
    with pytest.raises(SchussError):
        frozen()
    with pytest.raises(UsageError, match="takes a model"):
        schuss.freeze(3)


class Several(nn.Module):
    """More than one result, in a structure."""

    def __init__(self):
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        h = self.layer(x)
        return {"layer": h, "all": (ops.tanh(h), x)}


def test_several_results_keep_their_structure():
    model, x = Several(), RNG.standard_normal((4, 3)).astype("f4")
    frozen = schuss.freeze(model)
    for rows in (x, x[:1], x):
        found, wanted = frozen(rows), model(rows)
        assert np.array_equal(found["layer"], wanted["layer"])
        assert all(np.array_equal(a, b) for a, b in zip(found["all"], wanted["all"], strict=True))


class Summed(nn.Module):
    """Sums and products of weights, some of them as long as there are rows."""

    def __init__(self) -> None:
        self.w, self.v = nn.Parameter((16, 8), nn.init.Normal(1.0)), nn.Parameter((8, 4), nn.init.Normal(1.0))

    def forward(self, x):
        both = self.w @ self.v
        level = ops.broadcast_to(ops.sum(both, axis=0), (x.shape[0], 4))
        return x @ (both * 2.0) + level, ops.sum(self.w)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Which executor has compiled which operations."""
    found: list[tuple[str, list[str]]] = []
    for of in (NativeExecutor, ReferenceExecutor):

        def compile(self, graph, plain=of.compile):
            found.append((self.name, [node.op for node in graph.nodes]))
            return plain(self, graph)

        monkeypatch.setattr(of, "compile", compile)
    return found


@pytest.mark.parametrize("n", [0, 1, 5])
def test_what_is_summed_of_weights_alone_is_summed_once(compiled, n: int):
    model, x = Summed(), RNG.standard_normal((n, 16)).astype("f4")
    want = model(x)
    compiled.clear()
    found = schuss.freeze(model)(x)
    assert all(np.array_equal(a, b) for a, b in zip(found, want, strict=True))
    (_, sums), (_, rest) = compiled
    assert sums.count("matmul") == 1
    assert rest.count("matmul") == 1
    assert "sum" not in rest


def test_where_one_part_is_numpys_all_is(compiled, monkeypatch: pytest.MonkeyPatch):
    """Or sums of weights would have other bits than the model has."""
    plain = NativeExecutor.compile

    def refusing(self, graph):
        if any(node.op == "cos" for node in graph.nodes):
            raise LoweringError("no code for cos")
        return plain(self, graph)

    monkeypatch.setattr(NativeExecutor, "compile", refusing)

    class Wave(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter((50, 3), nn.init.Normal(1.0))

        def forward(self, x):
            return ops.cos(x) * ops.sum(ops.exp(self.w), axis=0)

    model, x = Wave(), RNG.standard_normal((4, 3)).astype("f4")
    want = model(x)
    compiled.clear()
    assert np.array_equal(schuss.freeze(model)(x), want)
    assert [(name, "cos" in ops) for name, ops in compiled[-2:]] == [("reference", False), ("reference", True)]


def test_what_is_larger_than_the_weights_is_not_kept(compiled):
    class Wide(nn.Module):
        def __init__(self) -> None:
            self.w = nn.Parameter((6, 5), nn.init.Normal(1.0))

        def forward(self, x):
            return x + ops.broadcast_to(ops.sum(self.w, axis=0), (40, 5)) * 2.0

    model, x = Wide(), RNG.standard_normal((3, 40, 5)).astype("f4")
    want = model(x)
    compiled.clear()
    assert np.array_equal(schuss.freeze(model)(x), want)
    assert [op for _, ops in compiled for op in ops].count("sum") == 1
    assert "sum" in compiled[0][1]
    assert "broadcast_to" not in compiled[0][1]


def test_a_tables_network_sums_its_bins_once():
    from schuss.tabular.layers import PiecewiseLinear

    layer = PiecewiseLinear(3, 40, members=(4,))
    u = RNG.uniform(0, 40, (9, 3)).astype("f4")
    assert np.array_equal(schuss.freeze(layer)(u), layer(u))
