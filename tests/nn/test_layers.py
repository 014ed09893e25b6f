"""Layers: values against numpy's formulas and jax, gradients against finite differences, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import DTypeError, ShapeError, UsageError
from schuss.ir.types import N, TensorType
from schuss.trace import trace

from .support import finite_difference, gradient, graph_of, run

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 5, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linear(shape: tuple[int, ...], dtype: str) -> None:
    layer = nn.Linear(3, 4, dtype=dtype)
    x = RNG.normal(size=shape).astype(dtype)
    got = run(layer, x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, x @ layer.weight.data.T + layer.bias.data, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float64", "uint8", "int64", "bool", "int32"])
def test_linear_casts_its_input(dtype: str) -> None:
    layer = nn.Linear(3, 2)
    x = RNG.integers(0, 2, (4, 3)).astype(dtype)
    got = run(layer, x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, x.astype("f4") @ layer.weight.data.T + layer.bias.data, rtol=1e-5)


def test_linear_gradients() -> None:
    layer = nn.Linear(3, 2, dtype="float64")
    x, w, b = RNG.normal(size=(4, 3)), layer.weight.data, layer.bias.data

    def loss(w: Any, b: Any, x: Any) -> Any:
        with nn.bind({layer.weight: w, layer.bias: b}):
            y = layer(x)
            return (y * y).sum()

    np.testing.assert_allclose(gradient(loss, w, b, x), finite_difference(loss, w, b, x), rtol=1e-6, atol=1e-8)
    by_b: Callable[..., Any] = lambda b, w, x: loss(w, b, x)  # noqa: E731
    np.testing.assert_allclose(gradient(by_b, b, w, x), finite_difference(by_b, b, w, x), rtol=1e-6, atol=1e-8)


def test_linear_without_bias() -> None:
    layer = nn.Linear(3, 2, bias=False)
    assert list(layer.state_dict()) == ["weight"]
    assert np.array_equal(run(layer, np.zeros((1, 3), np.float32)), [[0, 0]])


def test_linear_errors() -> None:
    for sizes in ((0, 2), (2, -1), (2.0, 2), (True, 2)):
        with pytest.raises(UsageError, match="must be a whole number of at least 1"):
            nn.Linear(*sizes)  # type: ignore[arg-type]
    model = nn.Sequential(nn.Linear(784, 10))
    with pytest.raises(ShapeError, match=r"float32\[N,28,28\] must have 784 features .*Flatten") as caught:
        trace(model, [TensorType("float32", (N, 28, 28))])
    assert f"{__file__}:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_error_names_the_users_line() -> None:
    model = nn.Sequential(nn.Linear(3, 2))

    def forward(x: Any) -> Any:
        y = model(x)
        return y @ x  # the wrong product

    with pytest.raises(ShapeError) as caught:
        trace(forward, [TensorType("float32", (N, 3))])
    line = forward.__code__.co_firstlineno + 2
    assert f"{__file__}:{line}" in str(caught.value)


ACTIVATIONS: list[tuple[nn.Module, Callable[[Any], Any]]] = [
    (nn.Sigmoid(), jax.nn.sigmoid),
    (nn.Tanh(), jax.numpy.tanh),
    (nn.ReLU(), jax.nn.relu),
    (nn.LeakyReLU(), jax.nn.leaky_relu),
    (nn.LeakyReLU(0.3), lambda x: jax.nn.leaky_relu(x, 0.3)),
    (nn.ELU(), jax.nn.elu),
    (nn.ELU(0.7), lambda x: jax.nn.elu(x, 0.7)),
    (nn.SELU(), jax.nn.selu),
    (nn.GELU(), lambda x: jax.nn.gelu(x, approximate=False)),
    (nn.GELU("tanh"), lambda x: jax.nn.gelu(x, approximate=True)),
    (nn.SiLU(), jax.nn.silu),
    (nn.Hardswish(), jax.nn.hard_swish),
    (nn.Mish(), jax.nn.mish),
    (nn.Softplus(), jax.nn.softplus),
    (nn.Softplus(3.0), lambda x: jax.nn.softplus(3.0 * x) / 3.0),
    (nn.Softmax(), jax.nn.softmax),
    (nn.Softmax(0), lambda x: jax.nn.softmax(x, axis=0)),
    (nn.LogSoftmax(), jax.nn.log_softmax),
    (nn.Identity(), lambda x: x),
]


@pytest.mark.parametrize("layer, jax_function", ACTIVATIONS, ids=lambda v: repr(v) if isinstance(v, nn.Module) else "")
def test_activations_against_jax(layer: nn.Module, jax_function: Callable[[Any], Any]) -> None:
    x = np.concatenate([RNG.normal(size=(6, 4)) * 3, np.array([[-1e4, 1e4, -80, 80]])]).astype(np.float32)
    got = run(layer, x)
    np.testing.assert_allclose(got, np.asarray(jax_function(x)), rtol=2e-5, atol=2e-6)
    assert got.dtype == np.float32


@pytest.mark.parametrize("layer", [a for a, _ in ACTIVATIONS], ids=repr)
def test_activation_gradients(layer: nn.Module) -> None:
    x = RNG.normal(size=(3, 4)) + 0.05
    weights = RNG.normal(size=(3, 4))
    loss = lambda x: (layer(x) * weights).sum()  # noqa: E731
    np.testing.assert_allclose(gradient(loss, x), finite_difference(loss, x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layer", [a for a, _ in ACTIVATIONS], ids=repr)
def test_activation_gradients_are_finite_at_extremes(layer: nn.Module) -> None:
    x = np.array([[-1e4, -100, 0, 100, 1e4]], np.float32)
    assert np.isfinite(gradient(lambda x: (layer(x) * 1.0).sum(), x)).all()


def test_activation_of_integers_says_so() -> None:
    with pytest.raises(DTypeError, match="sigmoid: needs a floating dtype"):
        run(nn.Sigmoid(), np.zeros(3, np.uint8))


def test_bad_settings() -> None:
    with pytest.raises(UsageError, match="negative_slope must be a finite number"):
        nn.LeakyReLU(float("nan"))
    with pytest.raises(UsageError, match="alpha must be a finite number"):
        nn.ELU(float("inf"))
    with pytest.raises(UsageError, match="beta must be a positive number"):
        nn.Softplus(0)
    with pytest.raises(UsageError, match="approximate must be"):
        nn.GELU("fast")
    with pytest.raises(UsageError, match="eps must be a number of at least 0"):
        nn.LayerNorm(3, eps=-1)
    with pytest.raises(UsageError, match="must be a list of one or more entries"):
        nn.LayerNorm(())
    with pytest.raises(UsageError, match="num_embeddings"):
        nn.Embedding(0, 3)


@pytest.mark.parametrize("shape", [4, (3, 4)])
def test_layer_norm(shape: Any) -> None:
    layer = nn.LayerNorm(shape, dtype="float64")
    axes = (-1,) if shape == 4 else (-2, -1)
    for p in layer.named_parameters().values():
        p.data = RNG.normal(size=p.static_shape)
    x = RNG.normal(size=(5, 3, 4))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    want = (x - mean) / np.sqrt(var + 1e-5) * layer.weight.data + layer.bias.data
    np.testing.assert_allclose(run(layer, x, symbolic=True), want, rtol=1e-10)
    loss = lambda x: (layer(x) * x).sum()  # noqa: E731
    np.testing.assert_allclose(gradient(loss, x), finite_difference(loss, x), rtol=1e-5, atol=1e-6)


def test_layer_norm_of_wrong_shape() -> None:
    with pytest.raises(ShapeError, match=r"LayerNorm\(\[4\]\): float32\[2,3\]"):
        run(nn.LayerNorm(4), np.zeros((2, 3), np.float32))


def test_layer_norm_without_affine_keeps_dtype() -> None:
    layer = nn.LayerNorm(4, elementwise_affine=False)
    assert layer.state_dict() == {}
    assert run(layer, RNG.normal(size=(2, 4))).dtype == np.float64


def test_embedding() -> None:
    layer = nn.Embedding(7, 3)
    index = np.array([[0, 6], [3, 3]], np.uint8)
    assert np.array_equal(run(layer, index), layer.weight.data[index])
    with pytest.raises(DTypeError, match="indices must be integers"):
        run(layer, np.zeros(2, np.float32))


@pytest.mark.parametrize("backend", ["native", "reference"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("padding", [0, 2, -1])
def test_padding_is_pytorchs(padding: int, sparse: bool, backend: str) -> None:
    torch = pytest.importorskip("torch")
    layer = nn.Embedding(5, 3, "float64", padding_idx=padding, sparse=sparse)
    assert (layer.weight.data[padding] == 0).all()
    start = RNG.normal(size=(5, 3))  # the row of the padding, too, as in PyTorch where it was set
    layer.weight.data = start
    theirs = torch.nn.Embedding(5, 3, padding_idx=padding, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(start))
    x, y = np.array([[0, 4], [2, 2], [4, 1], [3, 0]]), RNG.normal(size=(4, 2, 3))
    model = nn.Sequential(layer)
    settings: dict[str, Any] = {"loss": nn.MSELoss(), "optimizer": optim.SGD(0.5), "epochs": 3, "batch_size": 4}
    model = schuss.fit(model, (x, y), **settings, backend=backend, progress=False).model
    optimizer = torch.optim.SGD(theirs.parameters(), 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        optimizer.step()
    np.testing.assert_allclose(model[0].weight.data, theirs.weight.detach().numpy(), rtol=1e-12)
    np.testing.assert_array_equal(model[0].weight.data[padding], start[padding])


def test_an_index_that_is_clipped_to_the_padding_is_padding() -> None:
    layer = nn.Embedding(5, 3, "float64", padding_idx=-1, mode="clip")
    grads = schuss.grad(lambda m: m(np.array([7, 1])).sum())(layer)
    np.testing.assert_array_equal(np.asarray(grads["weight"]).any(1), [False, True, False, False, False])


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Flatten(), (N, 784)),
        (nn.Flatten(1, 1), (N, 28, 28)),
        (nn.Flatten(-2), (N, 784)),
        (nn.Flatten(2, -1), (N, 28, 28)),
    ],
)
def test_flatten(layer: nn.Module, shape: Any) -> None:
    assert graph_of(layer, TensorType("uint8", (N, 28, 28))).outputs[0].type.shape == shape


def test_flatten_of_no_rows() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    for call in (model, schuss.jit(model)):
        assert call(np.zeros((0, 2, 3), np.float32)).shape == (0, 2)


def test_flatten_edges() -> None:
    assert graph_of(nn.Flatten(), TensorType("float32", (N,))).outputs[0].type.shape == (N, 1)
    with pytest.raises(ShapeError, match="has no such axes"):
        graph_of(nn.Flatten(3), TensorType("float32", (N, 2)))
    with pytest.raises(ShapeError, match="example axis N"):
        graph_of(nn.Flatten(0), TensorType("float32", (N, 2)))
    with pytest.raises(UsageError, match="must be a whole number, got"):
        nn.Flatten(1.5)  # type: ignore[arg-type]


# -- dropout ---------------------------------------------------------------------------------------------

KEY = np.array([1, 2], np.uint32)


def dropped(layer: nn.Module, x: np.ndarray, step: int = 0, key: np.ndarray = KEY) -> np.ndarray:
    def call(x: Any, key: Any, step: Any) -> Any:
        with nn.mode(training=True, key=key, step=step):
            return layer(x)

    return np.asarray(run(call, x, key, np.int64(step)))


def test_dropout_law() -> None:
    x = np.ones((200, 100), np.float32)
    y = dropped(nn.Dropout(0.3), x)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_dropout_depends_on_key_step_and_place() -> None:
    x = np.ones((8, 8), np.float32)
    layer = nn.Dropout()
    a = dropped(layer, x)
    assert np.array_equal(a, dropped(layer, x))
    assert not np.array_equal(a, dropped(layer, x, step=1))
    assert not np.array_equal(a, dropped(layer, x, key=KEY + np.uint32(1)))
    twice = dropped(nn.Sequential(layer, layer), x)  # the same layer drops others at its second call
    assert 0.15 < (twice != 0).mean() < 0.4


def test_dropout_is_nothing_outside_training() -> None:
    x = np.ones((3, 3), np.float32)
    assert np.array_equal(run(nn.Dropout(0.9), x), x)
    assert [n.op for n in graph_of(nn.Dropout(0.9), TensorType("float32", (N, 2))).nodes] == ["input"]
    assert np.array_equal(dropped(nn.Dropout(0.0), x), x)


def test_dropout_gradient_has_the_same_holes() -> None:
    x = np.ones((5, 6), np.float32)

    def loss(x: Any) -> Any:
        with nn.mode(training=True, key=KEY):
            return nn.Dropout(0.5)(x).sum()

    assert np.array_equal(gradient(loss, x), dropped(nn.Dropout(0.5), x))


def test_dropout_errors() -> None:
    for p in (-0.1, 1.0, 2, float("nan")):
        with pytest.raises(UsageError, match=r"p must be a number in \[0, 1\) or a schedule"):
            nn.Dropout(p)

    def keyless(x: Any) -> Any:
        with nn.mode(training=True):
            return nn.Dropout()(x)

    with pytest.raises(UsageError, match="needs a random key"):
        run(keyless, np.ones(2, np.float32))
