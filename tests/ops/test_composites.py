"""Composites against jax on both executors, at ordinary values and at the ends of float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numeric import along, check_slope, directions_for, type_of, weighted

from schuss import ops
from schuss.backprop import backprop
from schuss.errors import ShapeError, UsageError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.types import TensorType
from schuss.trace import trace

EXECUTORS = {"reference": ReferenceExecutor(), "native": NativeExecutor(2)}
both = pytest.mark.parametrize("executor", list(EXECUTORS))


@dataclass(frozen=True)
class Composite:
    """A composite, the same by jax, and the shapes of its inputs. targets: the last input lies in [0, 1]."""

    function: Callable[..., Any]
    oracle: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    targets: bool = False

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        made = [rng.choice([-1.0, 1.0], s) * rng.uniform(0.1, 3.0, s) for s in self.shapes]
        made = [np.where(np.abs(np.abs(a) - 1.0) < 0.05, 0.5, a) for a in made]  # away from huber's kink
        if self.targets:
            made[-1] = rng.uniform(0, 1, self.shapes[-1])
        return made


def _layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    mean = x.mean(axis=-1, keepdims=True)
    return (x - mean) / jnp.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def _huber(x: Any) -> Any:
    return jnp.where(jnp.abs(x) <= 1.0, 0.5 * x * x, jnp.abs(x) - 0.5)


def _cross_entropy(x: Any, t: Any) -> Any:
    return -t * jax.nn.log_sigmoid(x) - (1 - t) * jax.nn.log_sigmoid(-x)


MANY = ((7, 17),)
WIDE = ((3, 33),)
COMPOSITES = {
    "softmax": Composite(ops.softmax, jax.nn.softmax, MANY),
    "softmax over rows": Composite(lambda x: ops.softmax(x, axis=0), lambda x: jax.nn.softmax(x, axis=0), WIDE),
    "softmax of one": Composite(ops.softmax, jax.nn.softmax, ((5, 1),)),
    "log_softmax": Composite(ops.log_softmax, jax.nn.log_softmax, MANY),
    "logsumexp": Composite(lambda x: ops.logsumexp(x, axis=1), lambda x: jax.nn.logsumexp(x, axis=1), WIDE),
    "logsumexp of all": Composite(
        lambda x: ops.logsumexp(x, keepdims=True), lambda x: jax.nn.logsumexp(x, keepdims=True), MANY
    ),
    "layer_norm": Composite(ops.layer_norm, _layer_norm, ((5, 33), (33,), (33,))),
    "gelu": Composite(ops.gelu, lambda x: jax.nn.gelu(x, approximate=False), MANY),
    "gelu by tanh": Composite(lambda x: ops.gelu(x, approximate="tanh"), jax.nn.gelu, MANY),
    "silu": Composite(ops.silu, jax.nn.silu, MANY),
    "hardswish": Composite(ops.hardswish, jax.nn.hard_swish, MANY),
    "mish": Composite(ops.mish, jax.nn.mish, MANY),
    "softplus": Composite(ops.softplus, jax.nn.softplus, MANY),
    "softplus with beta": Composite(lambda x: ops.softplus(x, beta=3.0), lambda x: jax.nn.softplus(3 * x) / 3, MANY),
    "log_sigmoid": Composite(ops.log_sigmoid, jax.nn.log_sigmoid, MANY),
    "elu": Composite(lambda x: ops.elu(x, alpha=0.7), lambda x: jax.nn.elu(x, alpha=0.7), MANY),
    "selu": Composite(ops.selu, jax.nn.selu, MANY),
    "leaky_relu": Composite(lambda x: ops.leaky_relu(x, negative_slope=0.2), lambda x: jax.nn.leaky_relu(x, 0.2), MANY),
    "huber": Composite(ops.huber, _huber, MANY),
    "binary_cross_entropy_with_logits": Composite(
        ops.binary_cross_entropy_with_logits, _cross_entropy, ((7, 17), (7, 17)), targets=True
    ),
    "var": Composite(lambda x: ops.var(x, axis=1), lambda x: jnp.var(x, axis=1), WIDE),
    "var, corrected": Composite(lambda x: ops.var(x, axis=0, correction=1), lambda x: jnp.var(x, axis=0, ddof=1), MANY),
    "std": Composite(lambda x: ops.std(x, keepdims=True), lambda x: jnp.std(x, keepdims=True), MANY),
    "std, corrected": Composite(lambda x: ops.std(x, axis=1, correction=1), lambda x: jnp.std(x, axis=1, ddof=1), WIDE),
    "square": Composite(ops.square, jnp.square, MANY),
    "stack": Composite(
        lambda x, y: ops.stack([x, y, x], axis=1), lambda x, y: jnp.stack([x, y, x], axis=1), (*MANY, *MANY)
    ),
    "expand_dims": Composite(lambda x: ops.expand_dims(x, -2), lambda x: jnp.expand_dims(x, -2), MANY),
    "pick": Composite(
        lambda x: ops.pick(x, np.array([0, 16, 3, 3, 1, 2, 9])),
        lambda x: x[jnp.arange(7), jnp.array([0, 16, 3, 3, 1, 2, 9])],
        MANY,
    ),
}


def run(executor, function, arrays):
    return EXECUTORS[executor].compile(trace(function, [type_of(a) for a in arrays]))(arrays)


def with_gradients(function, weights):
    """Value, then the gradients of its weighted sum."""

    def both_of(*xs):
        y = function(*xs)
        return y, *backprop((y * weights).sum(), list(xs))

    return both_of


def theirs(composite, arrays, weights):
    with jax.enable_x64(True):
        wide = [a.astype("float64") for a in arrays]
        slope = jax.grad(lambda xs: (composite.oracle(*xs) * weights).sum())
        value, slopes = jax.jit(lambda xs: (composite.oracle(*xs), slope(xs)))(wide)
        return [np.asarray(value), *map(np.asarray, slopes)]


@pytest.mark.parametrize("name", list(COMPOSITES))
def test_values_and_gradients_are_jaxs(name):
    """float64 to 1e-12, float32 to 1e-5, of the largest element."""
    composite = COMPOSITES[name]
    arrays = composite.arrays()
    weights = np.random.default_rng(1).standard_normal(
        composite.function(*arrays).shape if name != "stack" else (7, 3, 17)
    )
    expected = theirs(composite, arrays, weights)
    for executor in EXECUTORS:
        for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
            given = [a.astype(dtype) for a in arrays]
            found = run(executor, with_gradients(composite.function, weights.astype(dtype)), given)
            for f, e in zip(found, expected, strict=True):
                assert f.dtype == dtype
                assert f.shape == e.shape
                np.testing.assert_allclose(f, e, rtol=0, atol=tolerance * max(1.0, np.abs(e).max()), err_msg=executor)


@pytest.mark.parametrize("name", list(COMPOSITES))
def test_gradients_by_finite_differences(name):
    composite = COMPOSITES[name]
    arrays, rng = composite.arrays(2), np.random.default_rng(3)
    function = weighted(lambda *xs: composite.function(*xs) ** 2, np.float64(0.5))
    check_slope(function, arrays, rng, 1e-6)
    check_slope(along(function, directions_for(arrays, rng)), arrays, rng, 1e-4)


# -- the ends of float32 -------------------------------------------------------------------------------

ENDS = np.array([-1e30, -1e4, -200.0, -89.0, -1.0, -1e-30, 0.0, -0.0, 1e-30, 1.0, 89.0, 200.0, 1e4, 1e30], "float32")
GROWING = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "gelu": lambda x: np.where(x > 6, x, np.where(x < -40, 0, None)),
    "softplus": lambda x: np.logaddexp(0, x),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: (
        ops.composites.SELU_SCALE * np.where(x > 0, x, ops.composites.SELU_ALPHA * np.expm1(np.minimum(x, 0)))
    ),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "huber": lambda x: np.where(np.abs(x) <= 1, x * x / 2, np.abs(x) - 0.5),
}


@both
@pytest.mark.parametrize("name", list(GROWING))
def test_activations_at_the_ends(name, executor):
    value, gradient = run(executor, with_gradients(getattr(ops, name), np.float32(1)), [ENDS])
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient) <= 1.8).all()
    with np.errstate(all="ignore"):
        expected = GROWING[name](ENDS.astype("float64"))
    known = np.array([e is not None for e in expected])
    np.testing.assert_allclose(value[known], expected[known].astype("float64"), rtol=2e-6, atol=1e-35)


@both
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_softmax_of_huge_logits(size, executor):
    x = np.array([[size, -size, 0.0], [-size, -size, -size], [size, size, -size], [0, 1, 2]], "float32")
    weights = np.array([[1.0, 2.0, 4.0]], "float32")
    for function, row in ((ops.softmax, 1.0), (lambda v: ops.exp(ops.log_softmax(v)), 1.0)):
        value, gradient = run(executor, with_gradients(function, weights), [x])
        np.testing.assert_allclose(value.sum(axis=1), row, rtol=1e-6)
        np.testing.assert_allclose(value[:3], [[1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0]], rtol=1e-6)
        assert np.isfinite(gradient).all()


@both
def test_log_softmax_does_not_underflow(executor):
    x = np.array([[1e4, -1e4, 0.0]], "float32")
    value, gradient = run(executor, with_gradients(ops.log_softmax, np.ones((1, 3), "float32")), [x])
    np.testing.assert_allclose(value, [[0, -2e4, -1e4]])
    np.testing.assert_allclose(gradient, [[-2, 1, 1]], atol=1e-6)


@both
def test_logsumexp_at_infinities(executor):
    inf = np.inf
    x = np.array([[-inf, -inf], [-inf, 3.0], [inf, 1.0], [1e4, 1e4], [-1e30, -1e30], [inf, inf]], "float32")
    value, gradient = run(executor, with_gradients(lambda v: ops.logsumexp(v, axis=1), np.ones(6, "float32")), [x])
    np.testing.assert_allclose(value, [-inf, 3, inf, 1e4 + np.log(2), -1e30, inf], rtol=1e-6)
    np.testing.assert_allclose(gradient[[0, 1, 3, 4]], [[0, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]], rtol=1e-6)


@both
def test_softmax_with_masked_entries(executor):
    """-inf among the logits is a probability of 0 and no gradient."""
    x = np.array([[-np.inf, 0.0, 0.0]], "float32")
    value, gradient = run(executor, with_gradients(ops.softmax, np.array([[5.0, 1.0, 2.0]], "float32")), [x])
    np.testing.assert_allclose(value, [[0, 0.5, 0.5]])
    np.testing.assert_allclose(gradient, [[0, -0.25, 0.25]], rtol=1e-6)


@both
def test_cross_entropy_of_huge_logits(executor):
    x = np.array([1e4, -1e4, 1e4, -1e4, 1e30, 0.0], "float32")
    t = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.5], "float32")
    value, gradient, _ = run(executor, with_gradients(ops.binary_cross_entropy_with_logits, np.float32(1)), [x, t])
    np.testing.assert_allclose(value, [0, 0, 1e4, 1e4, 0, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(gradient, [0, 0, 1, -1, 0, 0], atol=1e-6)


@both
def test_layer_norm_of_equal_and_of_large_values(executor):
    x = np.array([[3.0] * 5, [1e15, -1e15, 0, 0, 0], [0.0] * 5], "float32")
    value, gradient = run(executor, with_gradients(ops.layer_norm, np.ones((3, 5), "float32")), [x])
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert not value[[0, 2]].any()


@both
def test_pick_outside_is_zero_by_name(executor):
    x, index = np.arange(6, dtype="float32").reshape(2, 3), np.array([3, -1])
    assert not run(executor, lambda x, i: ops.pick(x, i, mode="zero"), [x, index])[0].any()


# -- kinks and refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (ops.softplus, 0.5, 0.25),
        (ops.log_sigmoid, 0.5, -0.25),
        (lambda x: ops.binary_cross_entropy_with_logits(x, 0.25), 0.25, 0.25),
        (ops.elu, 1.0, 1.0),
        (ops.gelu, 0.5, 2 / np.sqrt(2 * np.pi)),
        (ops.silu, 0.5, 0.5),
        (ops.hardswish, 0.5, 1 / 3),
        (ops.huber, 0.0, 1.0),
    ],
)
def test_slopes_at_zero(function, first, second):
    """Where a formula has two branches, both orders are those of the function itself."""

    def slopes(x):
        (g,) = backprop(function(x), [x])
        return g, *backprop(g, [x])

    found = run("reference", slopes, [np.asarray(0.0)])
    np.testing.assert_allclose(found, [first, second], rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (
            lambda x: ops.gelu(x, approximate="fast"),
            UsageError,
            "gelu: approximate must be 'none' or 'tanh', got 'fast'",
        ),
        (lambda x: ops.stack([]), ShapeError, "stack: nothing to join"),
        (lambda x: ops.stack([x, x.sum(axis=0)]), ShapeError, "concatenate: "),
        (lambda x: ops.softmax(x, axis=2), ShapeError, "axis 2 is out of range for a tensor of 2 axes"),
        (lambda x: ops.expand_dims(x, 4), ShapeError, "expand_dims: axis 4 is out of range"),
        (lambda x: ops.softmax(x.astype("int32")), Exception, "needs a floating dtype"),
        (lambda x: ops.random_normal(x, x, shape=(1,), stream=-1), UsageError, "random_normal: stream -1 is outside"),
    ],
)
def test_what_is_wrong_is_named(function, error, message):
    with pytest.raises(error) as caught:
        trace(function, [TensorType("float32", (3, 4))])
    assert message in str(caught.value)


@both
def test_random_normal_is_normal(executor):
    def function(key, step):
        return ops.random_normal(key, step, shape=(200_000,), dtype="float64")

    (x,) = run(executor, function, [np.array([1, 2], "uint32"), np.asarray(3)])
    assert np.isfinite(x).all()
    assert abs(x.mean()) < 0.01
    assert abs(x.std() - 1) < 0.01
    assert abs((x**3).mean()) < 0.03
    assert abs((x**4).mean() - 3) < 0.08
