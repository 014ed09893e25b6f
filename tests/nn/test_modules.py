"""Modules: calling, scopes, modes, configs."""

from __future__ import annotations

import inspect
import json
import threading
from typing import Any

import numpy as np
import pytest

from schuss import nn, ops
from schuss.dispatch import CALL_ON_ARRAYS
from schuss.errors import UsageError
from schuss.ir.types import N, TensorType
from schuss.trace import Tensor, trace

from .support import graph_of, run

X = TensorType("float32", (N, 4))


class Residual(nn.Module):
    """A skip, a shared layer, two inputs and an option."""

    def __init__(self) -> None:
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

    def __call__(self, x: Any, y: Any = None, *, scale: float = 1.0) -> Any:
        """x + inner(inner(x))"""
        z = x + self.inner(self.inner(x)) * scale
        return z if y is None else z + y


def test_wrapping_keeps_signature_and_text() -> None:
    assert Residual.__call__.__doc__ == "x + inner(inner(x))"
    assert list(inspect.signature(Residual.__call__).parameters) == ["self", "x", "y", "scale"]
    assert Residual.__call__.__name__ == "__call__"


def test_data_flow() -> None:
    model = Residual()
    nn.initialize(model, 0)
    x, y = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    w, b = model.inner[0].weight.data, model.inner[0].bias.data

    def inner(v: np.ndarray) -> np.ndarray:
        return np.tanh(v @ w.T + b)

    np.testing.assert_allclose(run(lambda x, y: model(x, y=y, scale=2.0), x, y), x + 2 * inner(inner(x)) + y, rtol=1e-5)
    assert list(nn.named_parameters(model)) == ["inner.0.weight", "inner.0.bias"]


def scopes_of(model: Any, *types: TensorType) -> set[str]:
    return {n.scope for n in graph_of(model, *types).nodes if n.op not in ("input", "const")}


def test_scopes_are_paths_and_classes() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    assert scopes_of(model, X) == {"0.Linear", "1.ReLU"}
    assert scopes_of(nn.Linear(4, 4), X) == {"Linear"}
    assert scopes_of(Residual(), X) == {"", "inner.Sequential/0.Linear", "inner.Sequential/1.Tanh"}


def test_scopes_of_a_plain_class() -> None:
    class Plain:
        def __init__(self) -> None:
            self.blocks = [nn.Linear(4, 4), nn.Linear(4, 4)]

        def __call__(self, x: Any) -> Any:
            return self.blocks[1](self.blocks[0](x))

    assert scopes_of(Plain(), X) == {"blocks.0.Linear", "blocks.1.Linear"}


def test_scopes_without_being_asked() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    graph = trace(model, [X])
    assert {n.scope for n in graph.nodes if n.op not in ("input", "const")} == {"0.Linear", "1.ReLU"}


def test_super_call_runs_once_in_scope() -> None:
    class Louder(Residual):
        def __call__(self, x: Any, y: Any = None, *, scale: float = 1.0) -> Any:
            return super().__call__(x, y, scale=scale) * 2.0

    inner = "0.Louder/inner.Sequential"
    assert scopes_of(nn.Sequential(Louder()), X) == {"0.Louder", f"{inner}/0.Linear", f"{inner}/1.Tanh"}


def test_forward_or_call_is_needed() -> None:
    class Empty(nn.Module):
        pass

    with pytest.raises(UsageError, match="Empty: define forward"):
        run(Empty(), np.zeros(2, np.float32))


def test_arrays_go_to_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(CALL_ON_ARRAYS, "function", lambda *a: calls.append(a) or "result")
    model = Residual()
    x = np.zeros((2, 4))
    assert model(x, y=x) == "result"
    assert calls[0][0] is model
    assert calls[0][1] == (x, x) or len(calls[0][1]) == 2
    assert model(x, scale=3.0) == "result"
    assert calls[1][2] == {"scale": 3.0}
    assert len(calls) == 2


def test_arrays_inside_a_trace_join_it() -> None:
    model = nn.Sequential(nn.Linear(4, 2))
    ones = np.ones((1, 4), np.float32)
    result = run(lambda x: model(ones) + x, np.zeros((1, 2), np.float32))
    np.testing.assert_allclose(result, model[0].weight.data.sum(1)[None] + model[0].bias.data, rtol=1e-5)


def test_calls_on_arrays_compute() -> None:
    model = Residual()
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    got = model(x)
    assert isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, run(model, x), rtol=1e-5, atol=1e-6)


def test_traces_in_threads_do_not_mix() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Tanh())
    nn.initialize(model, 0)
    wrong: list[str] = []

    def work(training: bool) -> None:
        for _ in range(20):
            mode = {"training": training, "key": np.zeros(2, np.uint32)} if training else {}
            ops_seen = {n.op for n in graph_of(model, X, **mode).nodes}
            if ("random_uniform" in ops_seen) != training:
                wrong.append(str(ops_seen))

    threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_mode_is_of_its_block() -> None:
    assert not nn.current_mode().training
    with nn.mode(training=True) as mode:
        assert nn.current_mode() is mode
        assert (mode.next_stream(), mode.next_stream()) == (0, 1)
    assert not nn.current_mode().training


# -- configs ---------------------------------------------------------------------------------------------

LAYER_EXAMPLES: list[nn.Module] = [
    nn.Linear(3, 4, bias=False, dtype="float64", init=nn.init.KaimingNormal(a=0.2)),
    nn.Linear(3, 4, init="xavier_uniform"),
    nn.Identity(),
    nn.Flatten(1, 2),
    nn.Dropout(0.25),
    nn.LayerNorm((3, 4), eps=1e-3, bias=False),
    nn.LayerNorm(4, elementwise_affine=False),
    nn.Embedding(5, 3),
    nn.Embedding(5, 3, padding_idx=-2),
    nn.Conv1d(2, 4, 3, padding="same", init="kaiming_normal"),
    nn.Conv2d(4, 2, (3, 2), stride=2, padding=(0, 1), dilation=2, groups=2, bias=False, padding_mode="circular"),
    nn.MaxPool1d(2),
    nn.MaxPool2d((2, 3), stride=1, padding=1, dilation=(2, 1), ceil_mode=True),
    nn.AvgPool1d(3, 2, count_include_pad=False),
    nn.AvgPool2d(3, (1, 2), padding=1, divisor_override=4),
    nn.AdaptiveAvgPool1d(3),
    nn.AdaptiveAvgPool2d((1, None)),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.ReLU(),
    nn.LeakyReLU(0.2),
    nn.ELU(0.5),
    nn.SELU(),
    nn.GELU("tanh"),
    nn.SiLU(),
    nn.Hardswish(),
    nn.Mish(),
    nn.Softplus(2.0),
    nn.Softmax(1),
    nn.LogSoftmax(),
    nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU())),
]


def test_every_layer_has_an_example() -> None:
    assert {type(e).__name__ for e in LAYER_EXAMPLES} == set(nn.LAYERS)


@pytest.mark.parametrize("layer", LAYER_EXAMPLES, ids=lambda layer: type(layer).__name__)
def test_config_round_trip(layer: nn.Module) -> None:
    config = json.loads(json.dumps(nn.to_config(layer)))
    copy = nn.from_config(config)
    assert type(copy) is type(layer)
    assert nn.to_config(copy) == nn.to_config(layer)
    assert repr(copy) == repr(layer)
    assert {k: p.type for k, p in nn.named_parameters(copy).items()} == {
        k: p.type for k, p in nn.named_parameters(layer).items()
    }


def test_config_follows_the_dtype() -> None:
    assert nn.to_dtype(nn.Linear(2, 2), "float64").config()["dtype"] == "float64"


def test_no_config_for_what_is_not_ours() -> None:
    class Mine(nn.Linear):
        pass

    shared = nn.ReLU()
    assert nn.to_config(Mine(2, 2)) is None
    assert nn.to_config(nn.Sequential(nn.Linear(2, 2), ops.tanh)) is None
    assert nn.to_config(nn.Sequential(shared, shared)) is None
    assert nn.to_config(Residual()) is None


@pytest.mark.parametrize(
    "config, message",
    [
        ({"type": "Convolution"}, "unknown layer 'Convolution'"),
        ({"type": ["Linear"]}, "unknown layer"),
        ({}, "unknown layer None"),
        ([], "must be a mapping"),
        ({"type": "Linear", "in_features": 3}, "layer Linear: .*out_features"),
        ({"type": "Linear", "in_features": 3, "out_features": 2, "colour": 1}, "layer Linear: .*colour"),
        ({"type": "Linear", "in_features": -3, "out_features": 2}, "in_features must be a whole number"),
        ({"type": "Sequential", "layers": 5}, "needs layers, a list"),
        ({"type": "Linear", "in_features": 3, "out_features": 2, "init": {"type": "os.system"}}, "unknown initializer"),
        ({"type": "Dropout", "p": "a"}, "Dropout"),
    ],
)
def test_bad_configs(config: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        nn.from_config(config)


def test_deep_configs_are_refused() -> None:
    config: dict[str, Any] = {"type": "ReLU"}
    for _ in range(5000):
        config = {"type": "Sequential", "layers": [config]}
    with pytest.raises(UsageError, match="not nested too deep"):
        nn.from_config(config)


def test_repr_and_sequence() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.LeakyReLU(0.1)))
    assert repr(model) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n    (0): LeakyReLU(negative_slope=0.1)\n  )\n)"
    )
    assert len(model) == 2
    assert list(model)[1] is model[1]
    assert len(model[:1]) == 1


def test_sequential_refuses_what_cannot_be_called() -> None:
    with pytest.raises(UsageError, match=r"layer 1 is the class ReLU; write ReLU\(\)"):
        nn.Sequential(nn.Linear(2, 2), nn.ReLU)
    with pytest.raises(UsageError, match="layer 0 is a int"):
        nn.Sequential(3)


def test_what_other_libraries_switch_and_set_in_place_names_the_way_here() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(UsageError, match=r"build another: layers = list\(m\); layers\[1\] = \.\.\.; m = nn\.Seq"):
        model[1] = nn.Tanh()
    for part in (model, model[0]):
        with pytest.raises(UsageError, match=r"train: .* `with nn\.mode\(training=True, key=0\):`"):
            part.train()
        with pytest.raises(UsageError, match=r"eval: .* leave the call out"):
            part.eval()


def test_functions_are_layers_too() -> None:
    def twice(x: Tensor) -> Tensor:
        return x * 2.0

    assert np.array_equal(run(nn.Sequential(twice, nn.ReLU()), np.array([-1, 2], np.float32)), [0, 4])
