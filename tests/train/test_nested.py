"""Derivatives and jit inside fit and save: they add to the graph under way, as the docs of grad and jit promise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import schuss
from schuss import nn, optim, viz

T = np.random.default_rng(0).uniform(0, 1, (16, 1))
Y = np.sin(T)
STEPS = 6


def derivative(f, order):
    """The order-th derivative of a function of each row by itself, by schuss."""
    for _ in range(order):
        f = schuss.grad(lambda z, inner=f: inner(z).sum())
    return f


class Ode(nn.Module):
    """u + 0.3 u' + 0.09 u'' + ... of a small net u."""

    def __init__(self, order):
        self.order, self.net = order, nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, t):
        return sum(0.3**k * derivative(self.net, k)(t) for k in range(self.order + 1))


def trained_by_jax(state, order):
    """The weights after STEPS steps of gradient descent on the mean square, from these."""
    w = [jnp.asarray(v) for v in state.values()]

    def u(w, t):
        return w[2][0] @ jnp.tanh(w[0][:, 0] * t + w[1]) + w[3][0]

    def loss(w):
        found, f = 0.0, lambda t: u(w, t)
        for k in range(order + 1):
            found = found + 0.3**k * jax.vmap(f)(T[:, 0])
            f = jax.grad(f)
        return ((found - Y[:, 0]) ** 2).mean()

    gradient = jax.jit(jax.grad(loss))
    for _ in range(STEPS):
        w = [a - 0.05 * g for a, g in zip(w, gradient(w), strict=True)]
    return dict(zip(state, w, strict=True))


@pytest.mark.parametrize(("order", "backend"), [(1, "native"), (2, "reference"), (3, "native")])
def test_derivatives_of_the_net_inside_forward(order, backend, tmp_path):
    model = nn.to_dtype(Ode(order), "float64")
    with jax.enable_x64(True):
        expected = trained_by_jax(nn.state_dict(model), order)
    schuss.fit(
        model, (T, Y), loss=nn.MSELoss(), optimizer=optim.SGD(0.05), epochs=STEPS, batch_size=16, backend=backend
    )
    for name, value in nn.state_dict(model).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)
    schuss.save(model, tmp_path / "m.safetensors")
    np.testing.assert_allclose(schuss.load(tmp_path / "m.safetensors")(T), model(T), rtol=1e-12)


def fitted(model, loss=None, **options):
    """The weights after a few steps."""
    nn.initialize(model, 0)
    given = {"loss": loss or nn.MSELoss(), "optimizer": optim.SGD(0.05), "epochs": 2, "batch_size": 8} | options
    run = schuss.fit(model, (T.astype("f4"), Y.astype("f4")), **given)
    return [p.data.copy() for p in nn.named_parameters(model).values()], run


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def swish(z):
    return z * schuss.sigmoid(z)


def squares(pred, target):
    return ((pred - target) ** 2).mean()


def net(act=swish, first=None):
    return nn.Sequential(first or nn.Linear(1, 4), act, nn.Linear(4, 1))


def test_what_is_under_jit_is_trained_as_without():
    """An activation, a layer, a loss, a metric, a schedule and a model under jit: the bits are those without."""

    def rate(step):
        return 0.05 / (1.0 + schuss.cast(step, dtype="float64"))

    plain, run = fitted(net(), squares, metrics={"square": squares}, optimizer=optim.SGD(rate))
    jit = schuss.jit
    model = jit(net(jit(swish), jit(nn.Linear(1, 4))))
    nn.load_state_dict(model, dict(zip(nn.named_parameters(model), (p.copy() for p in start()), strict=True)))
    found, jitted = fitted(model, jit(squares), metrics={"square": jit(squares)}, optimizer=optim.SGD(jit(rate)))
    assert_same(found, plain)
    assert jitted.history["square"] == run.history["square"]


def start():
    """The first weights of net()."""
    model = net()
    nn.initialize(model, 0)
    return [p.data for p in nn.named_parameters(model).values()]


def test_a_penalty_on_gradients():
    """The gradient of the loss with respect to the input, and to the weights, as part of the loss."""
    model = net(nn.Tanh())
    x, y = T.astype("f4"), Y.astype("f4")

    def penalised(pred, target):
        del pred, target
        at_x = schuss.grad(lambda z: squares(model(z), y[:8]))(x[:8])
        at_w = schuss.grad(lambda m: squares(m(x[:8]), y[:8]))(model)
        return squares(model(x[:8]), y[:8]) + (at_x**2).sum() + sum((g**2).sum() for g in at_w.values())

    nn.initialize(model, 0)
    state = nn.state_dict(model)
    schuss.fit(model, (x[:8], y[:8]), loss=schuss.jit(penalised), optimizer=optim.SGD(0.05), batch_size=8)

    def by_jax(w, z):
        return jnp.tanh(z @ w["0.weight"].T + w["0.bias"]) @ w["2.weight"].T + w["2.bias"]

    def loss(w):
        at_x = jax.grad(lambda z: ((by_jax(w, z) - y[:8]) ** 2).mean())(x[:8])
        at_w = jax.grad(lambda v: ((by_jax(v, x[:8]) - y[:8]) ** 2).mean())(w)
        own = ((by_jax(w, x[:8]) - y[:8]) ** 2).mean()
        return own + (at_x**2).sum() + sum((g**2).sum() for g in at_w.values())

    found = nn.state_dict(model)
    for name, g in jax.jit(jax.grad(loss))({k: jnp.asarray(v) for k, v in state.items()}).items():
        np.testing.assert_allclose(found[name], state[name] - 0.05 * g, rtol=1e-4, atol=1e-6)


def test_a_jacobian_of_weights_in_a_loss():
    model = nn.Linear(2, 1)
    nn.initialize(model, 0)
    x = T[:, [0, 0]].astype("f4")

    def loss(pred, target):
        slopes = schuss.jacobian(lambda w: schuss.tanh(w) ** 2)(model.weight)  # [1, 2, 1, 2]
        return squares(pred, target) + (slopes**2).sum()

    before = nn.state_dict(model)
    schuss.fit(model, (x, Y), loss=loss, optimizer=optim.SGD(0.1), epochs=1, batch_size=16)

    def same(w):
        pred = x @ w["weight"].T + w["bias"]
        slope = jax.vmap(jax.grad(lambda v: jnp.tanh(v) ** 2))(w["weight"][0])
        return ((pred - Y.astype("f4")) ** 2).mean() + (slope**2).sum()

    for name, g in jax.jit(jax.grad(same))({k: jnp.asarray(v) for k, v in before.items()}).items():
        np.testing.assert_allclose(nn.state_dict(model)[name], before[name] - 0.1 * g, rtol=1e-5, atol=1e-6)


def test_a_teacher_in_a_loss():
    """Another model, called in the loss on what is traced and on arrays, is a constant there."""
    teacher, x = nn.Sequential(nn.Linear(1, 3), nn.Tanh(), nn.Linear(3, 1)), T.astype("f4")
    nn.initialize(teacher, 1)
    wanted, before = teacher(x), nn.state_dict(teacher)
    for by in (lambda p, t: squares(p, teacher(t)), lambda p, t: squares(p, teacher(t)) + teacher(x).mean()):
        model = nn.Linear(1, 1)
        nn.initialize(model, 0)
        schuss.fit(model, (x, x), loss=by, optimizer=optim.SGD(0.1), epochs=3, batch_size=16, shuffle=False)
        other = nn.Linear(1, 1)
        nn.initialize(other, 0)
        schuss.fit(other, (x, wanted), loss=squares, optimizer=optim.SGD(0.1), epochs=3, batch_size=16, shuffle=False)
        np.testing.assert_allclose(model.weight.data, other.weight.data, rtol=1e-6)
    np.testing.assert_array_equal(nn.state_dict(teacher)["0.weight"], before["0.weight"])


def test_explain_and_pictures_of_a_model_with_a_derivative():
    model = Ode(1)
    text = str(schuss.explain(lambda t, y: squares(model(t), y), T[:2].astype("f4"), Y[:2].astype("f4")))
    assert "tanh" in text
    assert len(str(viz.graph(model, T[:2].astype("f4"), Y[:2].astype("f4"), loss=squares))) > 0
