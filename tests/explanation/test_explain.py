"""explain: its numbers are those of the chain rule done by hand, its names the user's, its text readable."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.errors import GradientError, TraceError

X = np.array([[1.0, 2.0], [3.0, -1.0]])
Y = np.array([[1.0], [0.0]])
W1 = np.array([[0.1, -0.2], [0.3, 0.4]])
W2 = np.array([[0.5], [-0.6]])


def network(W1, b1, W2, x, y):
    L1 = x @ W1 + b1
    S = schuss.sigmoid(L1)
    L2 = S @ W2
    error = L2 - y
    loss = (error * error).mean()
    return loss


B1 = np.array([0.0, 0.1])


@pytest.fixture(scope="module")
def explained():
    return schuss.explain(network, W1, B1, W2, X, Y)


def test_the_forward_values(explained):
    s = 1 / (1 + np.exp(-(X @ W1 + B1)))
    np.testing.assert_allclose(explained["S"].value, s)
    np.testing.assert_allclose(explained["L2"].value, s @ W2)
    np.testing.assert_allclose(explained.value, ((s @ W2 - Y) ** 2).mean())


def test_the_chain_by_hand(explained):
    s = 1 / (1 + np.exp(-(X @ W1 + B1)))
    error = s @ W2 - Y
    d_l2 = 2 * error / 2
    d_s = d_l2 @ W2.T
    d_l1 = d_s * s * (1 - s)
    np.testing.assert_allclose(explained["L2"].incoming, d_l2)
    np.testing.assert_allclose(explained["S"].incoming, d_s)
    (flow,) = explained["S"].flows
    assert flow.to == "L1"
    np.testing.assert_allclose(flow.local, s * (1 - s))
    np.testing.assert_allclose(flow.product, d_l1)
    np.testing.assert_allclose(explained.gradients["W1"], X.T @ d_l1)
    np.testing.assert_allclose(explained.gradients["b1"], d_l1.sum(axis=0))
    np.testing.assert_allclose(explained.gradients["W2"], s.T @ d_l2)


def test_the_gradients_are_grad_s(explained):
    names = ("W1", "b1", "W2", "x", "y")
    expected = schuss.grad(network, argnums=range(5))(W1, B1, W2, X, Y)
    for name, gradient in zip(names, expected, strict=True):
        np.testing.assert_allclose(explained.gradients[name], gradient, rtol=1e-12)


def test_every_product_is_incoming_times_local_and_all_products_add_up():
    def many(x, y):
        h = schuss.tanh(x) * y + x / (y * y + 1.0)
        k = schuss.where(h > 0.1, schuss.exp(h), abs(h) ** 2.5) + schuss.maximum(h, x) - abs(x)
        return k.mean() + k.max() + schuss.log(k.sum(axis=1, keepdims=True) ** 2).sum()

    e = schuss.explain(many, X, Y)
    arriving = {}
    for step in e.steps:
        for flow in step.flows:
            arriving[flow.to] = arriving.get(flow.to, 0) + flow.product
            if flow.local is None:
                continue
            incoming = step.incoming
            if incoming.ndim < flow.local.ndim and step.op in ("sum", "mean", "max"):
                incoming = incoming.reshape((1,) * flow.local.ndim)
            product = (incoming * flow.local).sum(axis=flow.summed, keepdims=True)
            np.testing.assert_allclose(product.reshape(flow.product.shape), flow.product, rtol=1e-12)
    for step in e.steps:
        if step.incoming is not None and step.name != e.result:
            np.testing.assert_allclose(arriving[step.name], step.incoming, rtol=1e-12)
    for name, gradient in e.gradients.items():
        np.testing.assert_allclose(arriving[name], gradient, rtol=1e-12)


def test_names_and_sources(explained):
    assert [s.name for s in explained.steps] == ["t1", "L1", "S", "L2", "error", "t2", "loss"]
    assert explained["t1"].expression == "x @ W1"
    assert explained["error"].came_from == ("t2", "t2")
    assert explained["S"].rule == "d loss/d L1 = incoming * S * (1 - S)"
    assert explained["t1"].rule == "d loss/d x = incoming @ W1ᵀ; d loss/d W1 = xᵀ @ incoming"
    assert explained.result == "loss"
    with pytest.raises(KeyError, match="no step 'z'; there are t1, L1"):
        explained["z"]


def test_scalars_are_written_out():
    text = str(schuss.explain(lambda w, x: schuss.sigmoid(w * x), 0.5, 2.0))
    assert "to t1: incoming × local = 1 × 0.19661 = 0.19661" in text
    assert "to w: incoming × local = 0.19661 × 2 = 0.39322" in text
    assert "d loss/d x = 0.098306" in text


def test_the_text(explained):
    text = str(explained)
    line = network.__code__.co_firstlineno + 2
    assert f"test_explain.py:{line}   S = schuss.sigmoid(L1)" in text
    assert "to b1: local = 1 everywhere\n           incoming × local, summed over axis 0 = [" in text
    assert "to S: incoming @ W2ᵀ = [[" in text
    assert "incoming  d loss/d error (from t2 + t2) = [[" in text
    assert text.index("FORWARD") < text.index("BACKWARD") < text.index("GRADIENTS of loss")
    assert repr(explained) == text
    assert explained._repr_html_().startswith("<pre>network(")


def test_large_tensors_are_summarised():
    e = schuss.explain(lambda x: (x * x).sum(), np.ones((10, 10)))
    assert "x = float64[10, 10], from 1 to 1, mean 1" in str(e)
    assert "[[1, 1" in str(schuss.explain(lambda x: (x * x).sum(), np.ones((10, 10)), largest=100))


def test_a_model_is_grouped_by_its_layers():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    nn.initialize(model, 0)
    loss = nn.MSELoss()
    x, y = X.astype(np.float32), Y.astype(np.float32)
    e = schuss.explain(lambda model, x, y: loss(model(x), y), model, x, y)
    expected = schuss.grad(lambda model, x, y: loss(model(x), y))(model, x, y)
    for name, gradient in expected.items():
        np.testing.assert_allclose(e.gradients[f"model.{name}"], gradient, rtol=1e-6)
    assert {"0.Linear", "1.Sigmoid", "2.Linear"} <= {s.scope for s in e.steps}
    assert "[1.Sigmoid]" in str(e)


def test_paths_without_gradient():
    def f(x, n):
        return (x * schuss.stop_gradient(x)).sum() * n

    e = schuss.explain(f, np.array([1.0, 2.0]), 3)
    assert e["t1"].op == "stop_gradient"
    assert e["t1"].flows == ()
    np.testing.assert_array_equal(e.gradients["x"], [3.0, 6.0])
    assert e.came_from["x"] == ("t2",)
    deep = schuss.explain(lambda x: (x * schuss.stop_gradient(schuss.exp(x * x))).sum(), np.array([1.0]))
    assert [s.op for s in deep.steps if s.incoming is None] == ["mul", "exp"]
    assert "d loss/d t1" not in str(deep)


def test_every_operation_can_be_explained():
    """Of the op table: the text renders and incoming gradients are found, whatever the kind."""
    x = np.array([[0.5, 1.5], [2.5, 0.7]])
    for f in (
        lambda x: schuss.concatenate(x, x, axis=1).sum(),
        lambda x: schuss.pad(x, axis=0, before=1).max(),
        lambda x: schuss.take(x, np.array([0, 0, 1]), axis=0).sum(),
        lambda x: x.reshape(4)[1:3].sum() + x.T[0, 1],
        lambda x: schuss.clip(x, low=0.6, high=2.0).astype("float32").sum(),
        lambda x: schuss.softmax(x, axis=1)[0, 0],
        lambda x: schuss.gelu(x).mean(),
        lambda x: -x.mean(),
        lambda x: x.sum() * 0.0 + 1.0,
    ):
        e = schuss.explain(f, x)
        np.testing.assert_allclose(e.gradients["x"], schuss.grad(f)(x), rtol=1e-12)
        assert "GRADIENTS" in str(e)


def test_extremes_render():
    text = str(schuss.explain(lambda x: (x * 1e30).sum(), np.array([np.inf, np.nan, 1e-20, -0.0])))
    assert "inf" in text
    assert "nan" in text


def test_errors():
    with pytest.raises(GradientError, match="needs a scalar"):
        schuss.explain(lambda x: x, X)
    with pytest.raises(TraceError, match="outside any traced function"):
        schuss.grad(lambda x: schuss.explain(lambda y: y, x).value)(1.0)


def test_a_model_is_itself_explained():
    class Energy(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x).sum()

    e = schuss.explain(Energy(), X.astype(np.float32))
    assert list(e.gradients) == ["model.layer.weight", "model.layer.bias", "x"]
    assert str(e).startswith("Energy(x) = ")
