"""The chain rule itself: what adds up, what is zero, what is refused, and graphs deeper than Python's stack."""

from __future__ import annotations

import numpy as np
import pytest
from numeric import along, central, check_slope, reference

from schuss import ops
from schuss.backprop import backprop, between
from schuss.errors import GradientError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir import N, TensorType
from schuss.ir.types import Sym
from schuss.ops.registry import REGISTRY, Kind, op
from schuss.trace import as_tensor, scope, trace

D = "float64"


def gradients(function, *arrays):
    """The gradients of function(*tensors), a scalar, with respect to all of them."""
    return reference(lambda *xs: backprop(function(*xs), xs), *map(np.asarray, arrays))


def test_a_value_used_twice_adds_up():
    (g,) = gradients(lambda x: x * x + 3.0 * x, 5.0)
    assert g == 13.0


def test_a_shared_subexpression_is_differentiated_once():
    """y = s*s + s with s = exp x: the rule of exp is applied to the sum of what comes back."""
    graph = trace(lambda x: backprop((s := ops.exp(x)) * s + s, [x])[0], [TensorType(D, ())])
    assert [n.op for n in graph.nodes].count("exp") == 1
    (g,) = ReferenceExecutor().compile(graph)([np.asarray(0.7)])
    np.testing.assert_allclose(g, 2 * np.exp(1.4) + np.exp(0.7), rtol=1e-15)


def test_both_inputs_of_an_operation_may_be_the_same():
    assert gradients(lambda x: x / x + x - x + ops.maximum(x, x), 4.0)[0] == 1.0


def test_a_tensor_the_result_does_not_depend_on_has_gradient_zero():
    x, y = np.arange(3.0), np.ones((2, 5), "float32")
    gx, gy = gradients(lambda x, y: (x * x).sum(), x, y)
    assert np.array_equal(gx, 2 * x)
    assert gy.shape == (2, 5)
    assert gy.dtype == np.float32
    assert not gy.any()


def test_the_result_itself_has_gradient_one():
    assert gradients(lambda x: x, 3.0)[0] == 1.0


def test_gradients_with_respect_to_values_inside():
    """A target below another: both are reached."""

    def function(x):
        s = ops.sin(x)
        t = s * s
        return backprop(t * x, [x, s, t])

    x = np.asarray(0.3)
    gx, gs, gt = reference(function, x)
    np.testing.assert_allclose(gx, np.sin(x) ** 2 + 2 * x * np.sin(x) * np.cos(x), rtol=1e-14)
    np.testing.assert_allclose(gs, 2 * x * np.sin(x), rtol=1e-14)
    assert gt == x


def test_a_target_that_is_the_result():
    y, x = reference(lambda x: backprop(y := x * 2.0, [y, x]), np.asarray(1.0))
    assert (y, x) == (1.0, 2.0)


def test_a_seed_is_the_incoming_gradient():
    seed = np.array([1.0, -2.0, 0.5])
    (g,) = reference(lambda x: backprop(x * x, [x], as_tensor(seed)), np.array([3.0, 4.0, 5.0]))
    assert np.array_equal(g, 2 * seed * [3, 4, 5])


@pytest.mark.parametrize("order", [2, 3, 4])
def test_higher_orders(order):
    """d^n/dx^n of exp(2x) sin x, written as the imaginary part of exp((2 + i) x)."""

    def function(x):
        y = ops.exp(2.0 * x) * ops.sin(x)
        for _ in range(order):
            (y,) = backprop(y, [x])
        return y

    x = 0.4
    expected = ((2 + 1j) ** order * np.exp((2 + 1j) * x)).imag
    np.testing.assert_allclose(reference(function, np.asarray(x))[0], expected, rtol=1e-13)


def test_third_order_of_a_network():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 3)), rng.standard_normal((3, 2))
    directions = [[rng.standard_normal(a.shape) for a in (x, w)] for _ in range(2)]

    def loss(x, w):
        return ops.logsumexp(ops.tanh(x @ w), axis=1).mean()

    check_slope(along(along(loss, directions[0]), directions[1]), [x, w], rng, 1e-6)


# -- what stops a gradient -----------------------------------------------------------------------------


def test_stop_gradient_is_a_constant():
    x = np.array([1.0, 2.0])
    assert np.array_equal(gradients(lambda x: (ops.stop_gradient(x * x) * x).sum(), x)[0], x * x)
    assert not gradients(lambda x: ops.stop_gradient(x).sum(), x)[0].any()


def test_integers_are_not_differentiated():
    """Through integers nothing flows; integer inputs of a rule get nothing."""
    x = np.array([1.5, 2.5])
    assert not gradients(lambda x: x.astype("int64").astype(D).sum(), x)[0].any()
    index = np.array([1, 1, 0])
    (g,) = reference(lambda x, i: backprop(ops.take(x, i).sum(), [x]), x, index)
    assert np.array_equal(g, [1.0, 2.0])


def test_comparisons_choose_and_do_not_flow():
    x = np.array([-1.0, 2.0])
    assert np.array_equal(gradients(lambda x: ops.where(x > 0.0, x * 3.0, x).sum(), x)[0], [1.0, 3.0])


def test_gradients_keep_their_inputs_dtype():
    a, b = np.ones(3, "float32"), np.ones(3)
    ga, gb = gradients(lambda a, b: (a.astype(D) * b).sum(), a, b)
    assert (ga.dtype, gb.dtype) == (np.float32, np.float64)
    ga, gb = gradients(lambda a, b: (a * b).sum(), a, b)
    assert (ga.dtype, gb.dtype) == (np.float32, np.float64)


# -- kinks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (ops.relu, [0.0, -0.0, 1.0, -1.0], [0, 0, 1, 0]),
        (ops.abs, [0.0, -0.0, 2.0, -2.0], [0, 0, 1, -1]),
        (lambda x: ops.maximum(x, 1.0), [1.0, 2.0, 0.0], [0.5, 1, 0]),
        (lambda x: ops.minimum(x, 1.0), [1.0, 2.0, 0.0], [0.5, 0, 1]),
        (lambda x: ops.clip(x, low=0.0, high=1.0), [0.0, 1.0, 0.5, 2.0], [1, 1, 1, 0]),
        (lambda x: ops.max(x, axis=0), [3.0, 1.0, 3.0, 3.0], [1 / 3, 0, 1 / 3, 1 / 3]),
        (ops.min, [3.0, 1.0, 1.0, 3.0], [0, 0.5, 0.5, 0]),
        (lambda x: ops.pow(x, 2.0), [0.0, -3.0], [0, -6]),
        (lambda x: ops.pow(x, 0.0), [0.0, 5.0], [0, 0]),
        (lambda x: ops.pow(x, 1.0), [0.0, 5.0], [1, 1]),
        (lambda x: ops.pow(0.0, x), [2.0, 1.0], [0, 0]),
        (ops.softplus, [0.0, 800.0, -800.0], [0.5, 1, 0]),
    ],
)
def test_subgradients(function, x, expected):
    np.testing.assert_allclose(gradients(lambda x: function(x).sum(), np.array(x))[0], expected, rtol=1e-15)


# -- broadcasts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), ()),
        ((4, 3), (3,)),
        ((4, 3), (1, 3)),
        ((4, 1), (1, 3)),
        ((2, 4, 3), (4, 1)),
        ((1, 4, 3), (4, 1)),
        ((2, 1, 3), (1, 4, 1)),
        ((0, 3), (3,)),
        ((1,), (1, 1)),
        ((5, 3), (1, 1, 3)),
    ],
)
def test_broadcasts_are_summed(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    gx, gy = gradients(lambda x, y: (x * y).sum(), x, y)
    full = np.broadcast_shapes(a, b)
    for found, own, other in ((gx, x, y), (gy, y, x)):
        spread = np.broadcast_to(other, full)
        extra = len(full) - own.ndim
        axes = (*range(extra), *(i + extra for i, d in enumerate(own.shape) if d == 1 and full[i + extra] != 1))
        assert found.shape == own.shape
        np.testing.assert_allclose(found, spread.sum(axis=axes, keepdims=True).reshape(own.shape), rtol=1e-13)


@pytest.mark.parametrize("shape", [(N, 3), (1, N, 3), (2, N, 3), (1, 1, N, 3)])
@pytest.mark.parametrize("kind", [ReferenceExecutor, NativeExecutor])
def test_broadcasts_of_the_example_axis(shape, kind):
    graph = trace(lambda x: backprop((x.broadcast_to(shape) * x).sum(), [x])[0], [TensorType(D, (N, 3))])
    x = np.random.default_rng(0).standard_normal((5, 3))
    copies = 2 if 2 in shape else 1
    np.testing.assert_allclose(kind().compile(graph)([x])[0], 2 * copies * x, rtol=1e-14)


@pytest.fixture
def simple_rule():
    """Gives an operation with the gradient rule of a test, for as long as it runs."""
    made = []

    def make(grad):
        made.append("frob")
        return op("frob", kind=Kind.MAP, emit=lambda b, x: x, grad=grad)(lambda x: x + 0)

    yield make
    for name in made:
        del REGISTRY[name]


@pytest.mark.parametrize("shape", [(), (3,), (1,), (2, 1), (4, 2, 3)])
def test_a_rule_may_give_a_number(simple_rule, shape):
    frob = simple_rule(lambda g, y, x: (2.5,))
    (g,) = gradients(lambda x: frob(x).sum(), np.ones(shape))
    np.testing.assert_array_equal(g, np.full(shape, 2.5), strict=True)


@pytest.mark.parametrize("shape", [(2, 3), (4, 2, 3), (1, 3), (2, 1)])
def test_a_rule_may_give_a_row(simple_rule, shape):
    row = np.arange(float(shape[-1]))
    frob = simple_rule(lambda g, y, x: (as_tensor(row),))
    (g,) = gradients(lambda x: frob(x).sum(), np.ones(shape))
    np.testing.assert_array_equal(g, np.broadcast_to(row, shape), strict=True)


# -- what is refused -------------------------------------------------------------------------------------


@pytest.fixture
def without_rule():
    """An operation without a gradient rule, for as long as a test runs."""
    yield op("frob", kind=Kind.MAP, emit=lambda b, x: x)(lambda x: x + 0)
    del REGISTRY["frob"]


def test_an_operation_without_a_rule_is_named(without_rule):
    with pytest.raises(GradientError, match=r"^frob has no gradient rule \(line: .*test_reverse\.py:\d+\)") as caught:
        gradients(lambda x: without_rule(x * 2.0), 1.0)
    assert "\n" not in str(caught.value)
    assert gradients(lambda x: ops.stop_gradient(without_rule(x)) * x, 3.0)[0] == 3.0


def test_an_operation_without_a_rule_off_the_path_is_no_matter(without_rule):
    (g,) = reference(lambda x, y: backprop(without_rule(y) * x, [x]), np.asarray(3.0), np.asarray(2.0))
    assert g == 2.0


def test_what_made_a_target_needs_no_rule(without_rule):
    def slope(x):
        inner = without_rule(x)
        return backprop(inner * inner, [inner])[0]

    assert reference(slope, np.asarray(3.0))[0] == 6.0


@pytest.mark.parametrize(
    ("function", "shown"),
    [
        (lambda x: x, r"float64\[3\]"),
        (lambda x: x.sum(keepdims=True), r"float64\[1\]"),
        (lambda x: ops.argmax(x, axis=0), r"int64\[\]"),
        (lambda x: x.sum() > 0.0, r"bool\[\]"),
    ],
)
def test_a_loss_must_be_a_floating_scalar(function, shown):
    with pytest.raises(GradientError, match=rf"must be a floating scalar, got {shown}; reduce it"):
        gradients(function, np.arange(3.0))


# -- the walk ----------------------------------------------------------------------------------------------


def test_gradients_belong_to_what_they_are_gradients_of():
    def function(x):
        with scope("layer"):
            y = ops.exp(x)
        return backprop(y, [x])[0] + y

    graph = trace(function, [TensorType(D, ())])
    (product,) = [n for n in graph.nodes if n.op == "mul"]
    (power,) = [n for n in graph.nodes if n.op == "exp"]
    assert (product.scope, product.site) == ("layer", power.site)


def test_only_the_path_is_walked():
    """Nothing is made for what lies off the path from the targets to the result."""
    graph = trace(lambda x, y: backprop(ops.exp(y) * ops.sin(x), [x])[0], [TensorType(D, ())] * 2)
    assert [n.op for n in graph.nodes].count("exp") == 1
    assert "sin" not in [n.op for n in graph.nodes]
    found = []

    def function(x, y):
        z = ops.exp(y) * ops.sin(x)
        found.extend(n.op for n in between({x.node}, z.node))
        return z

    trace(function, [TensorType(D, ())] * 2)
    assert found == ["input", "sin", "mul"]


@pytest.mark.parametrize("depth", [10_000])
def test_a_deep_chain(depth):
    """x -> 1.0001 x + 0.00001 until the graph is ten thousand nodes deep; Python's stack is not."""

    def function(x):
        y = x
        for _ in range(depth // 2):
            y = y * 1.0001 + 0.00001
        return y, *backprop(y, [x])

    y, g = reference(function, np.asarray(0.5))
    slope = 1.0001 ** (depth // 2)
    np.testing.assert_allclose(g, slope, rtol=1e-10)
    np.testing.assert_allclose(y, slope * 0.5 + 0.00001 * (slope - 1) / 0.0001, rtol=1e-10)


def test_many_uses_of_one_value():
    """A thousand layers that each use the value twice: 2**1000 paths, one visit each."""

    def function(x):
        y = x
        for _ in range(1000):
            y = (y + y) * 0.5
        return backprop(y, [x])[0]

    assert reference(function, np.asarray(3.0))[0] == 1.0


def test_the_number_of_examples_is_a_constant():
    graph = trace(lambda x: backprop((x * x).mean(), [x])[0], [TensorType(D, (N, 2))])
    assert any(isinstance(d, Sym) for d in graph.outputs[0].type.shape)
    for rows in (1, 3, 8):
        x = np.ones((rows, 2))
        np.testing.assert_allclose(ReferenceExecutor().compile(graph)([x])[0], x / rows)


def test_finite_differences_would_notice():
    """The checker of the checks: a gradient that is off by one part in ten thousand is refused."""

    def wrong(x):
        return ops.stop_gradient(x * 0.0001) * x + x * x

    with pytest.raises(AssertionError):
        check_slope(lambda x: wrong(x).sum(), [np.array([1.0, 2.0])], np.random.default_rng(0), 1e-6)
    assert abs(central(np.sin) - 1.0) < 1e-11
