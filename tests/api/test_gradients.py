"""grad, value_and_grad, jacobian against jax and finite differences, and their errors."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.errors import DTypeError, GradientError, TraceError, UsageError

jax.config.update("jax_enable_x64", True)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 2))
B = RNG.normal(size=2)


def mlp(lib, w, b, x):
    return lib.tanh(x @ w + b)


def loss(lib, w, b, x):
    return (mlp(lib, w, b, x) ** 2).mean() + lib.exp(-(w * w)).sum()


def with_lib(function, lib):
    return lambda *args: function(lib, *args)


OURS, THEIRS = with_lib(loss, schuss), with_lib(loss, jnp)


@pytest.mark.parametrize("argnums", [0, 1, 2, -1, (0, 2), [2, 1]])
def test_gradient_is_jax_s(argnums):
    value, gradient = schuss.value_and_grad(OURS, argnums)(W, B, X)
    theirs = argnums if isinstance(argnums, int) else tuple(argnums)
    expected_value, expected = jax.jit(jax.value_and_grad(THEIRS, theirs))(W, B, X)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    assert isinstance(gradient, tuple) == (not isinstance(argnums, int))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), gradient, expected)


def test_gradient_is_the_finite_difference():
    direction = RNG.normal(size=W.shape)
    h = 1e-6
    slope = (OURS_at(W + h * direction) - OURS_at(W - h * direction)) / (2 * h)
    gradient = schuss.grad(OURS)(W, B, X)
    assert abs((gradient * direction).sum() - slope) < 1e-7


def OURS_at(w):
    return float(schuss.value_and_grad(OURS)(w, B, X)[0])


def test_jacobian_and_hessian_are_jax_s():
    ours = schuss.jacobian(with_lib(mlp, schuss))(W, B, X)
    assert ours.shape == (4, 2, 3, 2)
    np.testing.assert_allclose(ours, jax.jit(jax.jacobian(with_lib(mlp, jnp)))(W, B, X), rtol=1e-10, atol=1e-12)
    hessian = schuss.jacobian(schuss.grad(OURS))(W, B, X)
    np.testing.assert_allclose(hessian, jax.jit(jax.hessian(THEIRS))(W, B, X), rtol=1e-9, atol=1e-12)


def test_jacobian_inside_a_trace_is_the_same():
    f = schuss.jacobian(with_lib(mlp, schuss), argnums=(0, 1))
    inside = schuss.jit(f, backend="reference")(W, B, X)
    for a, b in zip(inside, f(W, B, X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_jacobian_of_a_dict_and_of_several_arguments():
    f = lambda a, b: {"sum": a + b, "scalar": (a * b).sum()}  # noqa: E731
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    found = schuss.jacobian(f, argnums=(0, 1))(a, b)
    np.testing.assert_array_equal(found["sum"][0], np.eye(2))
    np.testing.assert_array_equal(found["scalar"][0], b)
    np.testing.assert_array_equal(found["scalar"][1], a)


def test_third_order():
    f = lambda x: schuss.sin(x) * x  # noqa: E731
    third = schuss.grad(schuss.grad(schuss.grad(f)))(np.float64(0.7))
    expected = jax.grad(jax.grad(jax.grad(lambda x: jnp.sin(x) * x)))(0.7)
    np.testing.assert_allclose(third, expected, rtol=1e-12)


def test_no_perturbation_confusion():
    assert schuss.grad(lambda x: x * schuss.grad(lambda y: x + y)(2.0))(1.0) == 1.0
    assert schuss.grad(lambda x: x * schuss.grad(lambda y: x * y)(x))(3.0) == 6.0
    assert schuss.grad(lambda x: schuss.grad(lambda y: y * y * x)(x))(3.0) == 12.0


def test_two_equal_numbers_are_two_variables():
    assert schuss.jit(schuss.grad(lambda a, b: a * a * b, argnums=(0, 1)), backend="reference")(2.0, 2.0) == (8.0, 4.0)
    nested = schuss.grad(lambda x: schuss.grad(lambda a, b: a * a * b, argnums=(0, 1))(2.0, 2.0)[0] * x)
    assert nested(1.0) == 8.0


def test_gradient_through_a_closure_of_an_outer_trace():
    def outer(x):
        return schuss.grad(lambda w: (w * x).sum())(np.ones(3)).sum()

    np.testing.assert_array_equal(schuss.grad(outer)(np.arange(3.0)), np.ones(3))


class Pair(NamedTuple):
    w: np.ndarray
    b: np.ndarray


def test_the_gradient_has_the_form_of_the_argument():
    tree = {"layers": [Pair(np.ones((2, 2)), np.zeros(2)), (np.ones(2), 0.5)], "none": None, "list": [1.0, 2.0]}

    def f(p, x):
        h = x @ p["layers"][0].w + p["layers"][0].b
        w, b = p["layers"][1]
        return (h * w).sum() * b + (p["list"] * p["list"]).sum()

    gradient = schuss.grad(f)(tree, np.ones((1, 2)))
    assert isinstance(gradient["layers"][0], Pair)
    assert isinstance(gradient["layers"][1], tuple)
    assert gradient["none"] is None
    np.testing.assert_array_equal(gradient["list"], [2.0, 4.0])
    np.testing.assert_array_equal(gradient["layers"][0].b, [0.5, 0.5])
    assert gradient["layers"][1][1] == 4.0


def test_has_aux_and_keywords():
    def f(w, x, *, scale):
        h = w * x
        return (h * scale).sum(), {"h": h, "scale": scale}

    (value, aux), gradient = schuss.value_and_grad(f, has_aux=True)(np.ones(2), np.arange(2.0), scale=3.0)
    assert value == 3.0
    np.testing.assert_array_equal(aux["h"], [0.0, 1.0])
    assert aux["scale"] == 3.0
    np.testing.assert_array_equal(gradient, [0.0, 3.0])
    gradient, aux = schuss.grad(f, has_aux=True)(np.ones(2), np.arange(2.0), scale=3.0)
    np.testing.assert_array_equal(aux["h"], [0.0, 1.0])


def test_numbers_beside_the_argument_stay_numbers():
    f = lambda x, n, axis: sum((x**i).sum(axis=axis) for i in range(n))  # noqa: E731
    np.testing.assert_array_equal(schuss.grad(f)(np.array([2.0]), 3, 0), [5.0])


def test_a_value_not_used_has_gradient_zero():
    np.testing.assert_array_equal(schuss.grad(lambda x, y: (y * y).sum())(np.ones(2), np.ones(3)), [0.0, 0.0])


def test_each_call_reads_the_closure_anew():
    scale = 2.0
    gradient = schuss.grad(lambda x: x * scale)
    assert gradient(1.0) == 2.0
    scale = 5.0
    assert gradient(1.0) == 5.0


def test_results_are_new_arrays():
    x = np.ones(2)
    gradient = schuss.grad(lambda x: (x * 1.0).sum())(x)
    gradient += 1.0
    np.testing.assert_array_equal(x, [1.0, 1.0])
    identity = schuss.value_and_grad(lambda a, b: (a.sum(), b), has_aux=True)(x, x)[0][1]
    identity += 1.0
    np.testing.assert_array_equal(x, [1.0, 1.0])


# -- models -----------------------------------------------------------------------------------------


def test_gradient_of_a_model(net):
    x, y = X.astype(np.float32), np.zeros((4, 2), np.float32)
    f = lambda model, x, y: ((model(x) - y) ** 2).mean()  # noqa: E731
    value, gradient = schuss.value_and_grad(f)(net, x, y)
    assert list(gradient) == ["first.weight", "first.bias", "second.weight", "second.bias"]

    def plain(p):
        h = x @ p["first.weight"].T + p["first.bias"]
        h = jnp.maximum(h, 0.1 * h)
        return ((h @ p["second.weight"].T + p["second.bias"] - y) ** 2).mean()

    expected_value, expected = jax.jit(jax.value_and_grad(plain))(net.state_dict())
    np.testing.assert_allclose(value, expected_value, rtol=1e-6)
    for name in gradient:
        np.testing.assert_allclose(gradient[name], expected[name], rtol=1e-5, atol=1e-6)
    both = schuss.grad(f, argnums=(0, 1))(net, x, y)
    assert both[1].shape == x.shape


def test_a_fresh_model_is_drawn_by_seed_0():
    fresh, drawn = nn.Linear(3, 2), nn.Linear(3, 2)
    nn.initialize(drawn, 0)
    schuss.grad(lambda model: model(np.ones((1, 3), "f4")).sum())(fresh)
    np.testing.assert_array_equal(fresh.weight.data, drawn.weight.data)


def test_gradient_of_a_plain_object_with_parameters(plain):
    gradient = schuss.grad(lambda m, x: m(x).sum())(plain, np.ones((3, 2), np.float32))
    np.testing.assert_array_equal(gradient["w"], [[3.0, 3.0]])


def test_one_model_given_twice_is_one_set_of_variables(plain):
    f = lambda a, b, x: (a(x) * b(x)).sum()  # noqa: E731
    first, second = schuss.grad(f, argnums=(0, 1))(plain, plain, np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(first["w"], [[6.0, 6.0]])
    np.testing.assert_array_equal(first["w"], second["w"])


def test_models_in_a_list(plain, net):
    f = lambda ms, x: ms[0](x).sum() + ms[1](np.ones((1, 3), np.float32)).sum()  # noqa: E731
    first, second = schuss.grad(f)([plain, net], np.ones((1, 2), np.float32))
    assert set(first) == {"w"}
    np.testing.assert_array_equal(second["second.bias"], [1.0, 1.0])


def test_jacobian_of_a_model_and_of_its_input(net):
    x = X.astype(np.float32)
    found = schuss.jacobian(lambda m, x: m(x), argnums=0)(net, x)
    assert found["second.bias"].shape == (4, 2, 2)
    np.testing.assert_array_equal(found["second.bias"], np.broadcast_to(np.eye(2), (4, 2, 2)))
    assert schuss.jacobian(net)(x).shape == (4, 2, 4, 3)


def test_hessian_vector_product_of_a_model(plain):
    f = lambda m, x: (m(x) ** 3).sum()  # noqa: E731
    x = np.ones((1, 2), np.float32)
    second = schuss.grad(lambda m, x: schuss.grad(f)(m, x)["w"].sum())(plain, x)
    np.testing.assert_allclose(second["w"], [[36.0, 36.0]], rtol=1e-6)


# -- dtypes: the table of schuss.api.arguments ---------------------------------------------------------


@pytest.mark.parametrize(
    "value, dtype",
    [
        (2.0, "float32"),
        ([1.0, 2.0], "float32"),
        (np.float64(2.0), "float64"),
        (np.ones(2, np.float64), "float64"),
        (np.ones(2, np.float32), "float32"),
        (np.ones(2, np.float16), "float32"),
    ],
)
def test_dtype_of_the_gradient(value, dtype):
    assert schuss.grad(lambda x: (x * x).sum())(value).dtype == dtype


def test_a_python_float_adopts_the_dtype_of_the_arrays():
    gradient = schuss.grad(lambda a, x: (a * x).sum())(0.1, np.ones(2))
    assert gradient.dtype == np.float64
    value, _ = schuss.value_and_grad(lambda a, x: a * x.sum())(0.1, np.ones(1))
    assert value == 0.1


def test_a_float64_input_takes_the_model_s_dtype(net):
    f = lambda m, x: (m(x) * 1.0).sum()  # noqa: E731
    value, (dm, dx) = schuss.value_and_grad(f, argnums=(0, 1))(net, X)
    assert {value.dtype, dx.dtype, dm["first.bias"].dtype} == {np.dtype(np.float32)}
    nn.to_dtype(net, "float64")
    value, (dm, dx) = schuss.value_and_grad(f, argnums=(0, 1))(net, X.astype(np.float32))
    assert {value.dtype, dx.dtype, dm["first.bias"].dtype} == {np.dtype(np.float64)}


def test_a_captured_array_adopts_the_dtype_of_the_tensor():
    assert schuss.grad(lambda x: (x * X).sum())(X.astype(np.float32)).dtype == np.float32


def test_other_arrays():
    class Foreign:
        def __init__(self, array):
            self.__array_interface__ = array.__array_interface__
            self.array = array

    np.testing.assert_array_equal(schuss.grad(lambda x: (x * x).sum())(Foreign(np.ones(2))), [2.0, 2.0])
    np.testing.assert_array_equal(schuss.grad(lambda x: (x * x).sum())(jnp.ones(2)), [2.0, 2.0])


# -- errors -------------------------------------------------------------------------------------------


def test_result_that_is_no_scalar():
    with pytest.raises(GradientError, match=r"returned float64\[3\].*use jacobian.*test_gradients.py:\d+"):
        schuss.grad(lambda x: x * 2.0)(np.ones(3))
    with pytest.raises(GradientError, match=r"returned a tuple.*has_aux"):
        schuss.grad(lambda x: (x, x))(1.0)
    with pytest.raises(GradientError, match=r"returned int64\[\].*floating"):
        schuss.grad(lambda x: x.argmax())(np.ones(3))
    with pytest.raises(GradientError, match="Jacobian needs floating"):
        schuss.jacobian(lambda x: x > 0)(np.ones(3))


@pytest.mark.parametrize("value", [1, True, np.arange(3), [1, 2], np.ones(2, bool), {"a": np.arange(2)}])
def test_integers_are_not_differentiated(value):
    with pytest.raises(DTypeError, match=r"x.* is (int64|bool).*integers are not differentiated; cast to float"):
        schuss.grad(lambda x: 1.0)(value)


def test_values_that_are_no_arrays():
    with pytest.raises(DTypeError, match=r"p\['act'\] is a str and cannot be differentiated"):
        schuss.grad(lambda p: p["w"])({"w": 1.0, "act": "relu"})
    with pytest.raises(UsageError, match="argnums 1 is out of range for 1 positional"):
        schuss.grad(lambda x: x, argnums=1)(1.0)


def test_a_tensor_kept_from_a_finished_trace():
    kept = []
    schuss.grad(lambda x: kept.append(x) or x)(1.0)
    with pytest.raises(TraceError, match="kept from a finished trace"):
        schuss.grad(lambda x: x)(kept[0])
    with pytest.raises(TraceError, match="belongs to another trace"):
        schuss.grad(lambda x: x * kept[0])(2.0)


def test_python_if_on_a_traced_value_names_the_line():
    def f(x):
        if x > 0:
            return x
        return -x

    line = f.__code__.co_firstlineno + 1
    with pytest.raises(TraceError, match=rf"`if`.*schuss.where.*test_gradients.py:{line}\)"):
        schuss.grad(f)(1.0)


def test_an_op_without_a_rule(monkeypatch):
    import dataclasses

    from schuss.ops import registry

    monkeypatch.setitem(registry.REGISTRY, "tanh", dataclasses.replace(registry.REGISTRY["tanh"], grad=None))
    with pytest.raises(GradientError, match=r"tanh has no gradient rule.*test_gradients.py:\d+"):
        schuss.grad(schuss.tanh)(1.0)


def test_the_slope_of_std_at_equal_numbers_is_0_as_torchs():
    x = np.array([[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]], "f4")
    std = x.std(axis=1, keepdims=True)
    expected = np.divide(x - x.mean(axis=1, keepdims=True), 3 * std, out=np.zeros_like(x), where=std > 0)
    found = schuss.grad(lambda a: schuss.std(a, axis=1).sum())(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert (found[0] == 0).all()


def test_a_compiled_jacobian_of_a_single_entry():
    found = schuss.jit(schuss.jacobian(lambda v: v[:1] * 2))(np.ones(3, np.float32))
    np.testing.assert_array_equal(found, [[2, 0, 0]])
