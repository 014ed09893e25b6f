"""Convolutions and pooling: values and slopes against jax, PyTorch and plainly written sums."""

from __future__ import annotations

import functools
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from convcases import CONVOLUTIONS, POOLS
from hypothesis import given, settings
from hypothesis import strategies as st

from schuss import nn, ops
from schuss.backprop import backprop
from schuss.errors import ShapeError, UsageError
from schuss.ir.types import N, TensorType
from schuss.trace import trace

from .support import run

RNG = np.random.default_rng(7)


def ours(x, w, b, stride, padding, dilation, groups):
    return (ops.conv2d if len(w.shape) == 4 else ops.conv1d)(x, w, b, stride, padding, dilation, groups)


def jaxs(x, w, b, stride, padding, dilation, groups):
    axes = w.ndim - 2
    stride, dilation = ((v,) * axes if isinstance(v, int) else v for v in (stride, dilation))
    if not isinstance(padding, str):
        padding = [(p, p) for p in ((padding,) * axes if isinstance(padding, int) else padding)]
    y = jax.lax.conv_general_dilated(
        x,
        w,
        stride,
        padding if not isinstance(padding, str) else padding.upper(),
        None,
        dilation,
        feature_group_count=groups,
        precision=jax.lax.Precision.HIGHEST,
    )
    return y + b.reshape(-1, *[1] * axes)


def derivatives(function, grad, arrays, directions):
    """(value, first and second derivatives) of the sum of the function's squares, the second along the directions."""

    def value(*xs):
        y = function(*xs)
        return (y * y * (y + 1.0)).sum()

    first = grad(value)
    second = grad(lambda *xs: sum((g * d).sum() for g, d in zip(first(*xs), directions, strict=True)))
    return function(*arrays), first(*arrays), second(*arrays)


def our_grad(function):
    return lambda *xs: backprop(function(*xs), list(xs))


def their_grad(function):
    return lambda *xs: jax.grad(function, argnums=tuple(range(len(xs))))(*xs)


def compare(mine, theirs, arrays):
    directions = [RNG.standard_normal(a.shape) for a in arrays]

    def flat(*xs):
        y, first, second = derivatives(mine, our_grad, xs, directions)
        return [y, *first, *second]

    with jax.enable_x64(True):
        y, first, second = jax.jit(lambda xs: derivatives(theirs, their_grad, xs, directions))(arrays)
    found = run(flat, *arrays)
    for f, e in zip(found, [y, *first, *second], strict=True):
        assert f.shape == e.shape
        np.testing.assert_allclose(f, np.asarray(e), rtol=1e-9, atol=1e-9 * float(np.abs(e).max()))


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_are_jaxs_to_the_second_derivative(case):
    x, w, *rest = CONVOLUTIONS[case]
    arrays = [RNG.standard_normal(s) for s in (x, w, w[:1])]
    compare(lambda *xs: ours(*xs, *rest), lambda *xs: jaxs(*xs, *rest), arrays)


def windowed(x, start, fold, size, stride, padding, dilation):
    axes = x.ndim - 2
    size, stride, padding, dilation = (
        (v,) * axes if isinstance(v, int) else v for v in (size, stride, padding, dilation)
    )
    pads = ((0, 0), (0, 0), *((p, p) for p in padding))
    if set(dilation) != {1}:  # of which reduce_window knows no gradient
        x = jnp.pad(x, pads, constant_values=start)
        for axis, (k, s, d) in enumerate(zip(size, stride, dilation, strict=True), start=2):
            places = (x.shape[axis] - (k - 1) * d - 1) // s + 1
            parts = [jax.lax.slice_in_dim(x, i * d, i * d + (places - 1) * s + 1, s, axis) for i in range(k)]
            x = functools.reduce(fold, parts)
        return x
    shapes = ((1, 1, *v) for v in (size, stride))
    return jax.lax.reduce_window(x, start, fold, *shapes, pads, window_dilation=(1, 1, *dilation))


def distinct(shape):
    return (RNG.permutation(int(np.prod(shape))).reshape(shape) - 20.0) / 10


@pytest.mark.parametrize("case", POOLS)
def test_max_pools_are_jaxs(case):
    shape, *sizes = POOLS[case]
    pool = ops.max_pool2d if len(shape) == 4 else ops.max_pool1d
    compare(lambda x: pool(x, *sizes), lambda x: windowed(x, -jnp.inf, jax.lax.max, *sizes), [distinct(shape)])


@pytest.mark.parametrize("case", [c for c in POOLS if c != "dilated"])
def test_average_pools_are_jaxs(case):
    shape, *sizes = POOLS[case]
    pool = ops.avg_pool2d if len(shape) == 4 else ops.avg_pool1d
    area = np.prod(sizes[0]) if isinstance(sizes[0], tuple) else sizes[0] ** (len(shape) - 2)
    compare(lambda x: pool(x, *sizes[:3]), lambda x: windowed(x, 0.0, jax.lax.add, *sizes) / area, [distinct(shape)])


def test_the_first_of_a_window_has_a_ties_gradient():
    """As jax's: a window of zeros after a ReLU hands its gradient to its first place, in row-major order."""
    x = np.zeros((1, 1, 4, 6))
    x[0, 0, 1, 3:5] = x[0, 0, 0, 5] = 2.0
    grads = run(lambda x: backprop(ops.max_pool2d(x, (2, 3)).sum(), [x])[0], x)
    with jax.enable_x64(True):
        size = ((2, 3), (2, 3), 0, 1)
        theirs = jax.grad(lambda x: windowed(x, -jnp.inf, jax.lax.max, *size).sum())(x)
    assert np.array_equal(grads, theirs)
    assert np.argwhere(grads[0, 0]).tolist() == [[0, 0], [0, 5], [2, 0], [2, 3]]


# -- plainly written --------------------------------------------------------------------------------


def plain_convolution(x, w, stride, padding, dilation, groups):
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    of, each = w.shape[1], w.shape[0] // groups
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    places = [(n - s) // t + 1 for n, s, t in zip(x.shape[2:], spans, stride, strict=True)]
    y = np.zeros((len(x), len(w), *places))
    for o, i, j, c, h, v in itertools.product(*map(range, (len(w), *places, of, *w.shape[2:]))):
        at = x[:, o // each * of + c, i * stride[0] + h * dilation[0], j * stride[1] + v * dilation[1]]
        y[:, o, i, j] += w[o, c, h, v] * at
    return y


two = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731


@settings(max_examples=40)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 2), two(1, 3), two(1, 3), two(0, 2), two(1, 2), two(0, 4))
def test_any_convolution_is_the_sum_it_stands_for(groups, each, out, size, stride, padding, dilation, more):
    lengths = [max((k - 1) * d + 1 + m - p, 1) for k, d, m, p in zip(size, dilation, more, padding, strict=True)]
    rng = np.random.default_rng(abs(hash((size, more))))
    x = rng.integers(-4, 5, (2, groups * each, *lengths)).astype(float)
    w = rng.integers(-4, 5, (groups * out, each, *size)).astype(float)
    found = run(lambda x, w: ops.conv2d(x, w, None, stride, padding, dilation, groups), x, w, symbolic=False)
    assert np.array_equal(found, plain_convolution(x, w, stride, padding, dilation, groups))
    assert np.array_equal(ops.conv2d(x, w, None, stride, padding, dilation, groups), found), "on arrays, too"


# -- PyTorch ----------------------------------------------------------------------------------------

LAYERS = [
    ("Conv2d", (3, 4, 3), {}),
    ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 2), "dilation": (1, 2), "groups": 2, "bias": False}),
    ("Conv2d", (3, 4, 3), {"padding": "same", "padding_mode": "reflect"}),
    ("Conv2d", (3, 4, 3), {"padding": 1, "padding_mode": "replicate"}),
    ("Conv2d", (3, 4, (2, 4)), {"padding": "same", "padding_mode": "circular"}),
    ("Conv1d", (3, 4, 3), {"padding": "valid"}),
    ("MaxPool2d", (2,), {}),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("MaxPool2d", ((2, 3),), {"stride": (3, 1), "dilation": (2, 1), "ceil_mode": True}),
    ("MaxPool1d", (3, 2), {"padding": 1, "ceil_mode": True}),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("AvgPool2d", (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}),
    ("AvgPool2d", ((2, 3),), {"divisor_override": 5}),
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}),
    ("AdaptiveAvgPool2d", (1,), {}),
    ("AdaptiveAvgPool2d", ((3, None),), {}),
    ("AdaptiveAvgPool2d", (4,), {}),
    ("AdaptiveAvgPool1d", (3,), {}),
]


@pytest.mark.parametrize(("name", "args", "more"), LAYERS)
def test_layers_are_pytorchs(name, args, more):
    torch = pytest.importorskip("torch")
    mine, theirs = getattr(nn, name)(*args, **more), getattr(torch.nn, name)(*args, **more)
    channels = args[0] if name.startswith("Conv") else 3
    x = RNG.standard_normal((2, channels, *((8, 9) if name.endswith("2d") else (9,)))).astype("float32")
    state = {k: v.detach().numpy() for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in mine.state_dict().items()} == {k: v.shape for k, v in state.items()}
    mine.load_state_dict(state)
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    found = run(mine, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run(mine, x[0]), expected[0], rtol=1e-5, atol=1e-5)  # one example
    rebuilt = nn.from_config(json.loads(json.dumps(nn.to_config(mine))))
    assert nn.to_config(rebuilt) == nn.to_config(mine)
    assert repr(rebuilt) == repr(mine)


def test_first_weights_are_pytorchs_law():
    layer = nn.Conv2d(6, 64, 5, groups=2)
    bound = 1 / np.sqrt(3 * 25)
    for values in (layer.weight.data, layer.bias.data):
        assert np.abs(values).max() <= bound
    assert abs(np.abs(layer.weight.data).mean() / bound - 0.5) < 0.02


# -- what is refused ----------------------------------------------------------------------------------

F = TensorType("float32", (N, 3, 8, 8))


@pytest.mark.parametrize(
    ("make", "type", "error", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 0), None, UsageError, "Conv2d: kernel_size must be a whole number of at least 1"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), None, UsageError, "or 2 of them, got (3, 3, 3)"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), None, UsageError, "padding must be a whole number of at least 0"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), None, UsageError, "padding must be numbers, 'same' or 'valid'"),
        (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), None, UsageError, "padding='same' needs stride 1"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), None, UsageError, "cannot both be divided into 2 groups"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="wrap"), None, UsageError, "padding_mode must be one of zeros"),
        (lambda: nn.Conv2d(1, 4, 3), F, ShapeError, "float32[N,3,8,8] must be [N, C, H, W] with 1 channel"),
        (lambda: nn.Conv2d(1, 4, 3), TensorType("uint8", (N, 28, 28)), ShapeError, "its axis of channels: x[:, None]"),
        (lambda: nn.Conv2d(3, 4, 9), F, ShapeError, "a kernel over 9 entries is longer than axis 2 of [N,3,8,8]"),
        (lambda: nn.MaxPool2d(9), F, ShapeError, "a window over 9 entries is longer than axis 3 of [N,3,8,8]"),
        (lambda: nn.MaxPool2d(3, padding=2), F, UsageError, "padding 2 is more than half of a window over 3 entries"),
        (lambda: nn.AvgPool2d(2, divisor_override=0), None, UsageError, "divisor_override must be a whole number"),
        (lambda: nn.AdaptiveAvgPool2d(0), None, UsageError, "output_size must be a whole number"),
        (lambda: nn.MaxPool2d(2), TensorType("float32", (N, 4)), ShapeError, "float32[N,4] must be [N, C, H, W]"),
    ],
)
def test_refusals(make, type, error, message):
    with pytest.raises(error) as caught:
        trace(lambda x: make()(x), [type or F])  # noqa: PLW0108  # the making is tested, too
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_are_pictures_too():
    x = RNG.integers(0, 256, (2, 1, 6, 6)).astype("uint8")
    layer = nn.Conv2d(1, 2, 3)
    np.testing.assert_allclose(run(layer, x), run(layer, x.astype("float32")), rtol=1e-6)
    assert run(nn.MaxPool2d(2, padding=1), x).dtype == np.float32
