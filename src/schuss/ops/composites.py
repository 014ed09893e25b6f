"""Composites: functions made of the primitives, with no gradient rule and no lowering of their own.

Each takes tensors or arrays; x may have any shape unless its text says otherwise, and floating dtype.
A formula with branches is written so that every branch has the right slope at the kink, to all orders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import UsageError
from schuss.ir.types import Dim
from schuss.ops.activation import sigmoid, tanh
from schuss.ops.arithmetic import neg, rsqrt, sqrt
from schuss.ops.comparison import clip_to, greater, less, where
from schuss.ops.conversion import stop_gradient
from schuss.ops.exponential import cos, erf, exp, expm1, log, log1p
from schuss.ops.index import check_index, one_hot
from schuss.ops.random import random_uniform
from schuss.ops.reduce import Axis, count, max, mean, sum
from schuss.ops.registry import also

# Klambauer et al., Self-normalizing neural networks (2017), to double precision.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_NORMAL_STREAMS = 2**31


# -- arithmetic and statistics ------------------------------------------------------------------


def square(x: Any) -> Any:
    """x * x"""
    return x * x


@also(ddof="correction")
def var(x: Any, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Any:
    """sum((x - mean x)**2) / (count - correction) over the axes; correction 1 estimates a population's."""
    centred = x - mean(x, axis=axis, keepdims=True)
    if correction == 0:
        return mean(centred * centred, axis=axis, keepdims=keepdims)
    length = count(x, axis=axis, dtype=str(x.dtype))
    return sum(centred * centred, axis=axis, keepdims=keepdims) / (length - correction)


@also(ddof="correction")
def std(x: Any, axis: Axis = None, keepdims: bool = False, correction: float = 0) -> Any:
    """Square root of var(x). The slope where var(x) = 0 is 0, as PyTorch's is."""
    spread = var(x, axis=axis, keepdims=keepdims, correction=correction)
    none = spread == 0.0
    return where(none, 0.0, sqrt(where(none, 1.0, spread)))


@also()
def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, axis: Axis = -1, eps: float = 1e-5) -> Any:
    """(x - mean x) / sqrt(var x + eps) * weight + bias, mean and variance over the axes.

    Source: Ba, Kiros, Hinton, Layer normalization (2016).
    """
    if isinstance(weight, (int, list, tuple)):
        raise UsageError(
            "layer_norm: the second argument is the weight, a tensor; name the axes of PyTorch's shape: axis="
        )
    centred = x - mean(x, axis=axis, keepdims=True)
    y = centred * rsqrt(mean(centred * centred, axis=axis, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


# -- softmax and its kin ------------------------------------------------------------------------


def _below_max(x: Any, axis: Axis) -> Any:
    """x less its maximum over the axes: exp cannot overflow. A constant shift, so no gradient flows."""
    return x - stop_gradient(max(x, axis=axis, keepdims=True))


@also()
def softmax(x: Any, axis: Axis = -1) -> Any:
    """exp(x) / sum(exp x) over the axes; NaN over a row of -inf only, or with +inf in it."""
    powers = exp(_below_max(x, axis))
    return powers / sum(powers, axis=axis, keepdims=True)


@also()
def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """x - logsumexp(x) over the axes: log of softmax, without its underflow."""
    shifted = _below_max(x, axis)
    return shifted - log(sum(exp(shifted), axis=axis, keepdims=True))


@also()
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp x)) over the axes; -inf, with gradient 0, where all are -inf; its gradient is softmax."""
    largest = float(np.finfo(str(x.dtype)).max)
    top = clip_to(stop_gradient(max(x, axis=axis, keepdims=True)), low=-largest, high=largest)
    total = sum(exp(x - top), axis=axis, keepdims=True)
    empty = total == 0.0
    y = where(empty, -math.inf, log(where(empty, 1.0, total)) + top)
    return y if keepdims else sum(y, axis=axis)


@also()
def pick(x: Any, index: Any, mode: str = "raise") -> Any:
    """y[...] = x[..., index[...]]: one entry of each row of x [..., C].

    mode  of an index outside 0 .. C-1: "raise" is an IndexRangeError, "zero" gives 0

    A choice and a sum rather than a gather, so that it joins the loops around it, backwards too.
    """
    if mode == "raise":
        index = check_index(index, size=x.shape[-1], by="pick")
    chosen = one_hot(index, classes=x.shape[-1], dtype="bool", mode="zero")
    return sum(where(chosen, x, 0.0), axis=-1)


# -- activations ----------------------------------------------------------------------------------


def softplus(x: Any, beta: float = 1.0) -> Any:
    """log(1 + exp(beta x)) / beta = max(x, 0) + log1p(exp(-|beta x|)) / beta, exact at both ends."""
    if beta != 1.0:
        return softplus(x * beta) / beta
    positive = greater(x, 0.0)  # x = 0 is on one side for both terms: no subgradient is mixed in
    return where(positive, x, 0.0) + log1p(exp(where(positive, neg(x), x)))


def log_sigmoid(x: Any) -> Any:
    """log(1 / (1 + exp(-x))) = -softplus(-x)"""
    return neg(softplus(neg(x)))


def gelu(x: Any, approximate: str = "none") -> Any:
    """x * Phi(x) = x/2 * (1 + erf(x / sqrt 2)); "tanh": x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x**3))).

    Source: Hendrycks, Gimpel, Gaussian error linear units (2016). UsageError for another approximation.
    """
    if approximate == "none":
        return 0.5 * x * (1.0 + erf(x * _SQRT_HALF))
    if approximate == "tanh":
        return 0.5 * x * (1.0 + tanh(_SQRT_2_OVER_PI * (x + 0.044715 * (x * x * x))))
    raise UsageError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")


def silu(x: Any) -> Any:
    """x * sigmoid(x)"""
    return x * sigmoid(x)


def hardswish(x: Any) -> Any:
    """0 up to -3, x from 3 on, x (x / 6 + 1/2) between. Source: Howard et al., MobileNetV3 (ICCV 2019)."""
    return where(greater(x, -3.0), where(less(x, 3.0), x * (x * (1 / 6) + 0.5), x), 0.0)


def mish(x: Any) -> Any:
    """x * tanh(softplus x). Source: Misra, Mish: a self regularized activation function (2019)."""
    return x * tanh(softplus(x))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope * x"""
    return where(greater(x, 0.0), x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x) - 1). Source: Clevert, Unterthiner, Hochreiter (2016)."""
    positive = greater(x, 0.0)
    return where(positive, x, alpha * expm1(where(positive, 0.0, x)))  # no overflow on the side not taken


def selu(x: Any) -> Any:
    """SELU_SCALE * elu(x, SELU_ALPHA)"""
    return SELU_SCALE * elu(x, alpha=SELU_ALPHA)


# -- losses of one element -------------------------------------------------------------------------


def huber(error: Any, delta: Any = 1.0) -> Any:
    """error**2 / 2 where |error| <= delta, else delta * (|error| - delta/2). Source: Huber (1964).

    Written with c = error limited to +-delta: c * (error - c/2). delta: a number, a tensor or an array.
    """
    if isinstance(delta, (int, float)):
        limited = clip_to(error, low=-delta, high=delta)
    else:  # the same numbers and slopes, those at +-delta too
        limited = where(greater(error, delta), delta, where(less(error, neg(delta)), neg(delta), error))
    return limited * (error - 0.5 * limited)


def binary_cross_entropy_with_logits(logits: Any, target: Any) -> Any:
    """-t log(sigmoid x) - (1 - t) log(1 - sigmoid x) = max(x, 0) - x t + log1p(exp(-|x|)), elementwise"""
    positive = greater(logits, 0.0)
    small = log1p(exp(where(positive, neg(logits), logits)))
    return where(positive, logits, 0.0) - logits * target + small


# -- randomness ----------------------------------------------------------------------------------------


def random_normal(key: Any, step: Any, *, shape: Sequence[Dim], stream: int = 0, dtype: str = "float32") -> Any:
    """Standard normal: sqrt(-2 log(1 - u)) * cos(2 pi v), u of the stream and v of stream + 2**31.

    UsageError for a stream outside 0 .. 2**31 - 2. Source: Box, Muller (1958).
    """
    if not 0 <= stream < _NORMAL_STREAMS - 1:
        raise UsageError(f"random_normal: stream {stream} is outside 0 .. 2**31 - 2")
    u = random_uniform(key, step, shape=shape, stream=stream, dtype=dtype)
    v = random_uniform(key, step, shape=shape, stream=stream + _NORMAL_STREAMS, dtype=dtype)
    return sqrt(-2.0 * log1p(neg(u))) * cos(2.0 * math.pi * v)
