"""Parameters: values, drawing, names, state dicts."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest

from schuss import nn
from schuss.errors import ShapeError, UsageError
from schuss.ir.types import TensorType
from schuss.nn import walk
from schuss.trace import Tensor

from .support import run


class Plain:
    """A model that is no Module."""

    def __init__(self) -> None:
        self.first = nn.Linear(3, 4)
        self.table = {"a": nn.Linear(4, 2), "deep": [(nn.Linear(2, 2), nn.Parameter((2,), nn.init.Ones()))]}
        self.size = 3
        self.words = ["not", "layers"]

    def __call__(self, x: Any) -> Any:
        return self.table["a"](self.first(x))  # type: ignore[operator]


def test_type_without_numbers() -> None:
    p = nn.Parameter((2, 3), nn.init.Zeros(), dtype="float64")
    assert p.type == TensorType("float64", (2, 3))
    assert (p.shape, p.dtype, p.ndim, p.is_float) == ((2, 3), "float64", 2, True)
    assert repr(p) == "Parameter(float64[2,3])"
    assert p.fresh


def test_drawn_when_needed_and_kept() -> None:
    p = nn.Parameter(5, nn.init.Normal())
    values = p.data
    assert not p.fresh
    assert values is p.data
    assert values.dtype == np.float32
    assert not np.array_equal(values, nn.Parameter(5, nn.init.Normal()).data)


def test_from_array_is_float32_unless_asked() -> None:
    start = np.arange(6.0).reshape(2, 3)
    assert nn.Parameter(start).dtype == "float32"
    p = nn.Parameter(start, dtype="float64")
    start[:] = 9  # a copy was taken
    assert np.array_equal(p.data, np.arange(6.0).reshape(2, 3))
    with pytest.raises(UsageError, match="no init to draw from"):
        p.draw(np.zeros(2, np.uint32))


@pytest.mark.parametrize("shape", [(0,), (2, -1), (2.5,), ("a",)])
def test_bad_shapes(shape: Any) -> None:
    with pytest.raises(UsageError, match="whole numbers of at least 1"):
        nn.Parameter(shape, nn.init.Zeros())


def test_bad_arguments() -> None:
    with pytest.raises(UsageError, match="dtype must be float32 or float64"):
        nn.Parameter(2, nn.init.Zeros(), dtype="int32")
    with pytest.raises(UsageError, match="needs init="):
        nn.Parameter((2, 3))
    with pytest.raises(ShapeError, match=r"float32\[2\] to an array of shape \[3\]"):
        nn.Parameter(2, nn.init.Zeros()).data = np.zeros(3)


def test_stands_for_its_value_or_its_tensor() -> None:
    p = nn.Parameter(np.array([1.0, 2.0]))
    x = np.array([10.0, 20.0], np.float32)
    assert np.array_equal(run(lambda x: x * p, x), [10, 40])

    def bound(x: Tensor) -> Any:
        with nn.bind({p: x}):
            assert p.node is x.node
            return p * p

    assert np.array_equal(run(bound, x), [100, 400])
    assert np.array_equal(run(lambda x: x * p, x), [10, 40])


def test_inner_binding_wins_and_ends() -> None:
    p = nn.Parameter(np.array(1.0))

    def nested(x: Tensor, y: Tensor) -> Any:
        with nn.bind({p: x}):
            with nn.bind({p: y}):
                inner = p * 1.0
            return inner, p * 1.0

    inner, outer = run(nested, np.float32(3), np.float32(5))
    assert (inner, outer) == (5, 3)


def test_binding_is_of_its_thread() -> None:
    p = nn.Parameter(np.array(1.0))
    seen: list[bool] = []

    def in_trace(x: Tensor) -> Any:
        with nn.bind({p: x}):
            other = threading.Thread(target=lambda: seen.append(p.node.op == "const"))
            other.start()
            other.join()
            return p * 1.0

    run(in_trace, np.float32(2))
    assert seen == [True]


def test_copies_and_pickles_keep_values() -> None:
    p = nn.Linear(2, 2)
    nn.initialize(p, 3)
    for q in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert np.array_equal(q.weight.data, p.weight.data)
        q.weight.data = np.zeros((2, 2))
        assert not np.array_equal(q.weight.data, p.weight.data)
    fresh = copy.deepcopy(nn.Linear(2, 2))
    assert fresh.weight.fresh


def test_names_in_a_plain_class() -> None:
    names = list(nn.named_parameters(Plain()))
    assert names == [
        "first.weight",
        "first.bias",
        "table.a.weight",
        "table.a.bias",
        "table.deep.0.0.weight",
        "table.deep.0.0.bias",
        "table.deep.0.1",
    ]


def test_names_and_shapes_are_pytorchs() -> None:
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.LayerNorm(128), nn.Linear(128, 10, bias=False))
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    assert shapes == {
        "0.weight": (128, 784),
        "0.bias": (128,),
        "2.weight": (128,),
        "2.bias": (128,),
        "3.weight": (10, 128),
    }


def test_slots_are_looked_into() -> None:
    class Slotted:
        __slots__ = ("w",)

        def __init__(self) -> None:
            self.w = nn.Parameter(2, nn.init.Ones())

    assert list(nn.named_parameters(Slotted())) == ["w"]


def test_shared_parameters_appear_once() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    assert list(nn.named_parameters(model)) == ["0.weight", "0.bias"]
    assert list(nn.named_modules(model)) == ["", "0", "1"]


def test_circles_end() -> None:
    class Node:
        def __init__(self) -> None:
            self.w = nn.Parameter(1, nn.init.Ones())
            self.me = self
            self.child = [self]

    assert list(nn.named_parameters(Node())) == ["w"]


def test_state_dict_round_trip() -> None:
    a, b = Plain(), Plain()
    nn.initialize(a, 1)
    nn.initialize(b, 2)
    state = nn.state_dict(a)
    nn.load_state_dict(b, state)
    for name, value in nn.state_dict(b).items():
        assert np.array_equal(value, state[name])
    state["first.weight"][:] = 0  # copies
    assert nn.state_dict(a)["first.weight"].any()


def test_load_converts_dtype_and_ends_freshness() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": np.array([[1, 2]], np.int64)})
    assert not layer.weight.fresh
    assert layer.weight.data.dtype == np.float32
    assert np.array_equal(layer.weight.data, [[1, 2]])


def test_load_is_strict_and_all_or_nothing() -> None:
    model = nn.Sequential(nn.Linear(2, 3))
    before = model.state_dict()
    with pytest.raises(UsageError, match=r"missing 0\.bias; 1\.weight not in the model; the model has"):
        model.load_state_dict({"0.weight": np.zeros((3, 2)), "1.weight": np.zeros(2)})
    with pytest.raises(ShapeError, match=r"0\.bias has shape \[2\], the model needs \[3\]"):
        model.load_state_dict({"0.weight": np.zeros((3, 2)), "0.bias": np.zeros(2)})
    with pytest.raises(UsageError, match=r"0\.bias must hold numbers"):
        model.load_state_dict({"0.weight": np.zeros((3, 2)), "0.bias": np.array(["a", "b", "c"])})
    assert np.array_equal(model.state_dict()["0.weight"], before["0.weight"])


def test_load_takes_any_name_of_a_shared_parameter() -> None:
    layer = nn.Linear(1, 1, bias=False)
    model = nn.Sequential(layer, layer)
    model.load_state_dict({"1.weight": np.array([[4.0]])})
    model.load_state_dict({"0.weight": np.array([[5.0]]), "1.weight": np.array([[5.0]])})
    assert layer.weight.data == 5
    with pytest.raises(UsageError, match=r"0\.weight and 1\.weight name one shared parameter but differ"):
        model.load_state_dict({"0.weight": np.array([[5.0]]), "1.weight": np.array([[6.0]])})


def test_to_dtype() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    nn.initialize(model[0], 0)
    assert nn.to_dtype(model, "float64") is model
    nn.initialize(model, 0)
    assert {str(v.dtype) for v in model.state_dict().values()} == {"float64"}
    with pytest.raises(UsageError, match="float16"):
        nn.to_dtype(model, "float16")


def test_slots_of_a_class_are_looked_up_once_and_settings_are_not_entered() -> None:
    class Slotted:
        __slots__ = ("w",)

        def __init__(self) -> None:
            self.w = nn.Parameter(np.ones(2))

    class Holder:
        def __init__(self, settings: int) -> None:
            self.part = Slotted()
            self.__dict__.update({f"s{i}": i for i in range(settings)})

    def run_in(model: object) -> list[str]:
        names: list[str] = []
        sys.setprofile(lambda frame, event, arg: names.append(frame.f_code.co_name) if event == "call" else None)
        try:
            assert list(nn.named_parameters(model)) == ["part.w"]
        finally:
            sys.setprofile(None)
        return names

    run_in(Holder(1))
    few, many = run_in(Holder(1)), run_in(Holder(50))
    assert many.count("_parts") == few.count("_parts") == 3
    assert few.count("<genexpr>") == 0  # no walk over the class's bases
    assert "attributes" in few


def test_inside_walked_once_an_object_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    plain = walk._walk
    monkeypatch.setattr(walk, "_walk", lambda model: seen.append(model) or plain(model))
    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    with walk.walked_once():
        found = nn.named_parameters(first)
        found.clear()  # the caller's own
        assert [*nn.named_parameters(first)] == [*nn.named_parameters(first)] == ["weight", "bias"]
        assert nn.named_parameters(second)["weight"] is second.weight
        assert seen == [first, second]
    first.more = nn.Linear(1, 1)
    assert "more.weight" in nn.named_parameters(first)
