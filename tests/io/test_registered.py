"""Classes of the user's that are registered: files hold their settings, and give them back where they are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim
from schuss.errors import UsageError
from schuss.io.graph_model import GraphModel
from schuss.registry import Classes

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 4)).astype("f4"), RNG.standard_normal(20).astype("f4")


class Swish(nn.Layer):
    """x * sigmoid(beta x), beta learned."""

    settings = ("beta",)

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta
        self.scale = nn.Parameter(np.array([beta], np.float32))

    def forward(self, x: Any) -> Any:
        return x * ops.sigmoid(self.scale * x)


@dataclass(frozen=True)
class Quantile(nn.Loss):
    q: float = 0.5

    def elements(self, pred: Any, target: Any) -> Any:
        error = target - pred[:, 0]
        return ops.maximum(self.q * error, (self.q - 1.0) * error)


@pytest.fixture
def known() -> Iterator[None]:
    """Swish and Quantile, while a test runs."""
    nn.LAYERS.register("swish")(Swish)
    nn.LOSSES.register("own_quantile", q=0.9)(Quantile)
    yield
    for table, name in ((nn.LAYERS, "Swish"), (nn.LOSSES, "Quantile")):
        if name in table:
            table.remove(name)


def fitted(loss: Any = None) -> Any:
    model = nn.Sequential(nn.Linear(4, 5), Swish(0.7), nn.Dropout(0.5), nn.Linear(5, 1))
    optimizer = optim.SGD(0.01)
    schuss.fit(model, (X, Y), loss=loss or Quantile(0.8), optimizer=optimizer, backend="reference", progress=False)
    return model


def training(model: Any) -> Any:
    with nn.mode(training=True, key=3):
        return model(X)


def test_it_comes_back_as_it_was(known: None, tmp_path: Path) -> None:
    model, path = fitted(), tmp_path / "m.safetensors"
    model[1].requires_grad_(False)
    schuss.save(model, path)
    back = schuss.load(path)
    assert [type(layer) for layer in back] == [type(layer) for layer in model]
    assert back[1].beta == 0.7
    assert not back[1].scale.requires_grad
    assert np.array_equal(back(X), model(X))
    assert nn.known_loss(back.signature.loss) == Quantile(0.8)
    assert schuss.evaluate(back, (X, Y)) == schuss.evaluate(model, (X, Y))


def test_where_it_is_not_known_the_graph_stands_for_it(known: None, tmp_path: Path) -> None:
    model, path = fitted(), tmp_path / "m.safetensors"
    model[1].requires_grad_(False)
    schuss.save(model, path)
    wanted = model(X), training(model)
    nn.LAYERS.remove("Swish")
    nn.LOSSES.remove("Quantile")
    back = schuss.load(path)
    assert isinstance(back, GraphModel)
    assert np.array_equal(back(X), wanted[0])
    assert np.array_equal(training(back), wanted[1])  # dropout, too
    assert not nn.named_parameters(back)["1.scale"].requires_grad
    with pytest.raises(UsageError, match="trained with Quantile, a loss of your own that is not kept: give loss="):
        schuss.evaluate(back, (X, Y))


def test_a_class_that_has_changed_is_not_taken_for_what_it_was(known: None, tmp_path: Path, monkeypatch: Any) -> None:
    model, path = fitted(), tmp_path / "m.safetensors"
    schuss.save(model, path)
    wanted = model(X)
    monkeypatch.setattr(Swish, "forward", lambda self, x: x * ops.tanh(self.scale * x))
    with pytest.warns(UserWarning, match=r"^load: Swish computes something else than when .*m.safetensors was written"):
        back = schuss.load(path)
    assert isinstance(back, GraphModel)
    assert np.array_equal(back(X), wanted)


def test_a_layer_that_its_settings_do_not_say_all_about_is_kept_as_its_graph(known: None, tmp_path: Path) -> None:
    model = fitted()
    model[1].forward = lambda x: x * ops.sigmoid(2.0 * model[1].scale * x)
    schuss.save(model, tmp_path / "m.safetensors")
    back = schuss.load(tmp_path / "m.safetensors")
    assert isinstance(back, GraphModel)
    assert np.array_equal(back(X), model(X))


def test_a_part_that_scales_inside_a_model_without_a_signature(known: None, tmp_path: Path) -> None:
    inner = nn.Linear(4, 5)
    bytes_of = RNG.integers(0, 255, (20, 4), np.uint8)
    schuss.fit(inner, (bytes_of, np.zeros((20, 5), "f4")), loss=nn.MSELoss(), optimizer=optim.SGD(0.1), scale=1 / 255,
               backend="reference", progress=False)  # fmt: skip
    model = nn.Sequential(nn.Identity(), nn.Sequential(inner, Swish()))
    schuss.save(model, tmp_path / "m.safetensors")
    wanted = model(bytes_of)
    known_then = schuss.load(tmp_path / "m.safetensors")
    assert np.array_equal(known_then(bytes_of), wanted)
    nn.LAYERS.remove("Swish")
    assert np.array_equal(schuss.load(tmp_path / "m.safetensors")(bytes_of), wanted)
    schuss.save(model, tmp_path / "n.safetensors")
    assert known_then.signature == schuss.load(tmp_path / "n.safetensors").signature
    assert known_then.signature.inputs[0].within


def MSELoss(pred: Any, target: Any) -> Any:
    return ops.mean(ops.abs(pred[:, 0] - target))


class Named(nn.Loss):
    def elements(self, pred: Any, target: Any) -> Any:
        return ops.abs(pred[:, 0] - target)


Named.__name__ = "MSELoss"


@pytest.mark.parametrize("loss", [MSELoss, Named()], ids=["function", "class"])
def test_a_loss_of_the_users_with_the_name_of_one_of_ours_is_not_ours(loss: Any, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 1))
    schuss.fit(model, (X, Y), loss=loss, optimizer=optim.SGD(0.01), backend="reference", progress=False)
    schuss.save(model, tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match=r"trained with .*test_registered\.MSELoss, a loss of your own"):
        schuss.evaluate(schuss.load(tmp_path / "m.safetensors"), (X, Y))


def refused(table: Classes[Any], cls: type, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        table.register()(cls)
    assert cls.__name__ not in table


def test_what_no_file_could_rebuild_is_not_registered() -> None:
    class Scaled(nn.Layer):
        def __init__(self, by: float) -> None:
            self.by = by

    class Weighing(nn.Loss):
        def __init__(self, by: float) -> None:
            self.by = by

    class Plain(nn.Module): ...

    refused(
        nn.LAYERS, Scaled, r"^Scaled: by could not be rebuilt from a file; name each argument .*settings = \('by',\)$"
    )
    refused(
        nn.LOSSES, Weighing, r"^Weighing: by could not be rebuilt from a file; write it as @dataclass\(frozen=True\)"
    )
    refused(nn.LAYERS, Plain, r"^layer Plain: has no config\(\) to be rebuilt from: derive it from")
