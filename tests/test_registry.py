"""Tables of what can be asked for by name: rows are loaded when used, added from outside, and taken out again."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import LoweringError, UsageError
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.executors import cannot, compiled, executor
from schuss.ir.graph import Site
from schuss.ir.types import TensorType
from schuss.ops.registry import REGISTRY, Kind, op
from schuss.registry import Registry
from schuss.tables import EXECUTORS, LAYERS, LOSSES, OPTIMIZERS, SCHEDULES
from schuss.trace import trace

ALL = [EXECUTORS, LAYERS, LOSSES, OPTIMIZERS, SCHEDULES]


class Unable(ReferenceExecutor):
    """Has no code for anything."""

    name = "unable"

    def compile(self, graph):
        raise cannot(self.name, graph.outputs[0].op, Site("net.py", 3))

    def loop(self, step, max_batch):
        raise cannot(self.name, "tanh", None)


@pytest.fixture
def unable():
    EXECUTORS.register("unable")(Unable)
    yield
    EXECUTORS.remove("unable")


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.kind)
def test_every_row_is_there(table):
    for name, value in table.items():
        assert callable(value)
        if table is not EXECUTORS:
            assert value.__name__ == name


@pytest.mark.parametrize("table", [LAYERS, LOSSES, OPTIMIZERS, SCHEDULES], ids=lambda t: t.kind)
def test_schuss_s_own_obey_the_rule_for_others(table):
    for name, cls in table.items():
        cls.check_settings()
        assert getattr(nn if table in (LAYERS, LOSSES) else optim, name) is cls


def test_presets_are_made_as_they_say():
    for table in (LAYERS, LOSSES):
        for name in table.presets:
            made, settings = table.preset(name)
            made(**settings)
    assert optim.named("nesterov", 0.1).config() == optim.SGD(0.1, momentum=0.9, nesterov=True).config()
    assert (optim.rate_of("adam"), optim.rate_of("sgd")) == (3e-3, 1e-1)
    with pytest.raises(UsageError, match=r"^optimizer 'adamax' is none of sgd, momentum, nesterov, rmsprop, "):
        optim.named("adamax", 0.1)


def test_the_names_are_known_before_anything_is_loaded():
    code = "import sys, schuss.tables as t; print(*t.EXECUTORS, *t.LOSSES.presets, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["native", "reference", *LOSSES.presets, "False"]


def test_help_of_train_loads_no_numpy():
    code = "import sys, schuss.cli as c\ntry: c.main(['train', '--help'])\nfinally: print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


def test_a_name_that_is_not_there_is_told_what_is():
    with pytest.raises(UsageError, match=r"^backend 'xla' is none of native, reference$"):
        executor("xla")
    with pytest.raises(UsageError, match=r"^backend 'xla' is none of native, reference$"):
        schuss.jit(np.tanh, backend="xla")
    with pytest.raises(UsageError, match=r"^fit: backend must be one of native, reference, got 'xla'$"):
        schuss.fit(
            nn.Linear(1, 1), (np.ones((4, 1)), np.ones(4)), loss=nn.MSELoss(), optimizer=optim.SGD(), backend="xla"
        )
    with pytest.raises(
        UsageError, match=r"^loss 'mean' is none of cross_entropy, mse, mae, huber, bce, focal, quantile$"
    ):
        LOSSES.preset("mean")


def test_one_name_is_one_row():
    table: Registry[type] = Registry("thing", {"a": "collections:OrderedDict"})
    with pytest.raises(UsageError, match=r"^thing 'a' is there already, collections.OrderedDict: take another name$"):
        table.register("a")(int)
    for _ in range(2):

        @table.register("b")
        class Again: ...

    assert table["b"] is Again
    table.remove("b")
    assert list(table) == ["a"]


def test_who_names_an_executor_is_told_what_it_cannot_do(unable):
    x = np.ones(3)
    with pytest.raises(
        LoweringError,
        match=r"^the unable executor has no code for tanh \(line: net.py:3\); use backend='reference', which",
    ):
        schuss.jit(schuss.tanh, backend="unable")(x)
    with pytest.raises(LoweringError, match="the unable executor has no code for tanh; use backend='reference'"):
        schuss.fit(
            nn.Linear(1, 1), (np.ones((4, 1)), np.ones(4)), loss=nn.MSELoss(), optimizer=optim.SGD(), backend="unable"
        )


def test_what_runs_by_itself_runs_on_the_reference_where_native_code_cannot(monkeypatch):
    graph = trace(schuss.tanh, [TensorType("float64", (3,))], ["x"])
    wanted = np.tanh([0.5, 1.0, 2.0])
    monkeypatch.setattr(EXECUTORS["native"], "compile", Unable.compile)
    (found,) = compiled(graph)([np.array([0.5, 1.0, 2.0])])
    assert np.array_equal(found, wanted)
    model = nn.Linear(2, 1)
    x = np.ones((2, 2), np.float32)
    assert np.array_equal(model(x), schuss.freeze(model)(x))


@pytest.fixture
def thrice():
    """An operation that has no emit rule."""

    @op("thrice", kind=Kind.MAP)
    def thrice(x):
        return 3 * np.asarray(x)

    yield thrice
    del REGISTRY["thrice"]


def test_an_operation_without_native_code_is_computed_by_the_reference(thrice):
    class Tripled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 1)

        def __call__(self, x):
            return thrice(self.inner(x))

    x, model = np.ones((2, 2), np.float32), Tripled()
    wanted = 3 * model.inner(x)
    assert np.array_equal(model(x), wanted)
    assert np.array_equal(schuss.freeze(model)(x), wanted)
    with pytest.raises(LoweringError, match=r"^the native executor has no code for thrice \(line: "):
        schuss.jit(thrice, backend="native")(x)
