"""Elementwise primitives. Inputs broadcast by numpy's rule; the engine sums gradients back over broadcasts.

In gradient rules g is the incoming gradient, y the op's result and the rest its inputs.
`emit` sees a builder b of scalar or vector values (see schuss.compiler.llvm.simd).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import TensorType
from schuss.ops.infer import broadcast_shapes, comparison, float_map, map_type, settle_dtype
from schuss.ops.registry import Kind, Promote, op

MAP = Kind.MAP
SQRT_PI = math.sqrt(math.pi)


# -- arithmetic ---------------------------------------------------------------------------------


@op("add", kind=MAP, emit=lambda b, x, y: b.add(x, y), grad=lambda g, z, x, y: (g, g), rule={"x": "g", "y": "g"})
def add(x: Any, y: Any) -> Any:
    """x + y"""
    return np.add(x, y)


@op("sub", kind=MAP, emit=lambda b, x, y: b.sub(x, y), grad=lambda g, z, x, y: (g, -g), rule={"x": "g", "y": "-g"})
def sub(x: Any, y: Any) -> Any:
    """x - y"""
    return np.subtract(x, y)


@op(
    "mul",
    kind=MAP,
    emit=lambda b, x, y: b.mul(x, y),
    grad=lambda g, z, x, y: (g * y, g * x),
    rule={"x": "g * y", "y": "g * x"},
)
def mul(x: Any, y: Any) -> Any:
    """x * y"""
    return np.multiply(x, y)


def _div_grad(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    share = g / y
    return share, -share * z


@op(
    "div",
    kind=MAP,
    infer=float_map,
    promote=Promote.FLOAT,
    emit=lambda b, x, y: b.div(x, y),
    grad=_div_grad,
    rule={"x": "g / y", "y": "-g * z / y"},
)
def div(x: Any, y: Any) -> Any:
    """x / y"""
    return np.divide(x, y)


@op(
    "remainder",
    kind=MAP,
    emit=lambda b, x, y: b.remainder(x, y),
    grad=lambda g, z, x, y: (g, -g * floor_divide(x, y)),
    rule={"x": "g", "y": "-g * floor(x / y)"},
)
def remainder(x: Any, y: Any) -> Any:
    """x - floor(x / y) * y, of y's sign, exact (Python's %); of whole numbers 0 where y = 0"""
    return np.remainder(x, y)


@op(
    "floor_divide",
    kind=MAP,
    emit=lambda b, x, y: b.floor_divide(x, y),
    grad=lambda g, z, x, y: (None, None),
    rule={"x": "0", "y": "0"},
)
def floor_divide(x: Any, y: Any) -> Any:
    """Largest whole number not above x / y (Python's //); of whole numbers 0 where y = 0"""
    return np.floor_divide(x, y)


@op("neg", kind=MAP, emit=lambda b, x: b.neg(x), grad=lambda g, y, x: (-g,), rule={"x": "-g"})
def neg(x: Any) -> Any:
    """-x"""
    return np.negative(x)


def _pow_grad(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # x**(y-1) and not z/x, so that the slope at x = 0 is right; 0**0 has slope 0, not 0 * inf;
    # log only where x > 0, so that a constant exponent on negative x keeps a finite gradient.
    flat = logical_and(equal(x, 0.0), equal(y, 0.0))
    slope = y * pow(x, where(flat, 1.0, y - 1.0))
    positive = greater(x, 0.0)
    return g * slope, g * where(positive, z * log(where(positive, x, 1.0)), 0.0)


@op(
    "pow",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x, y: b.pow(x, y),
    grad=_pow_grad,
    rule={"x": "g * y * x**(y-1)", "y": "g * z * log x (0 where x <= 0)"},
)
def pow(x: Any, y: Any) -> Any:
    """x ** y, with the special cases of IEEE 754-2019"""
    return np.power(x, y)


# -- exponentials and logarithms ------------------------------------------------------------------


@op(
    "exp",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.exp(x),
    grad=lambda g, y, x: (g * y,),
    rule={"x": "g * y"},
)
def exp(x: Any) -> Any:
    """e ** x"""
    return np.exp(x)


@op(
    "expm1",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.expm1(x),
    grad=lambda g, y, x: (g * (y + 1.0),),
    rule={"x": "g * (y + 1)"},
)
def expm1(x: Any) -> Any:
    """e ** x - 1, exact near 0"""
    return np.expm1(x)


@op(
    "log",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.log(x),
    grad=lambda g, y, x: (g / x,),
    rule={"x": "g / x"},
)
def log(x: Any) -> Any:
    """Natural logarithm"""
    return np.log(x)


@op(
    "log1p",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.log1p(x),
    grad=lambda g, y, x: (g / (1.0 + x),),
    rule={"x": "g / (1 + x)"},
)
def log1p(x: Any) -> Any:
    """log(1 + x), exact near 0"""
    return np.log1p(x)


# -- roots ------------------------------------------------------------------------------------------


@op(
    "sqrt",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.sqrt(x),
    grad=lambda g, y, x: (g * 0.5 / y,),
    rule={"x": "g / (2 y)"},
)
def sqrt(x: Any) -> Any:
    """Square root, correctly rounded"""
    return np.sqrt(x)


@op(
    "rsqrt",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.rsqrt(x),
    grad=lambda g, y, x: (g * -0.5 * y / x,),
    rule={"x": "-g * y / (2 x)"},
)
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)"""
    x = np.asarray(x)
    return np.asarray(1, x.dtype) / np.sqrt(x)


# -- trigonometric and sigmoidal -------------------------------------------------------------------


@op(
    "sin",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.sin(x),
    grad=lambda g, y, x: (g * cos(x),),
    rule={"x": "g * cos x"},
)
def sin(x: Any) -> Any:
    """Sine of x in radians; native code gives NaN where |x| >= 2**30"""
    return np.sin(x)


@op(
    "cos",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.cos(x),
    grad=lambda g, y, x: (-g * sin(x),),
    rule={"x": "-g * sin x"},
)
def cos(x: Any) -> Any:
    """Cosine of x in radians; native code gives NaN where |x| >= 2**30"""
    return np.cos(x)


@op(
    "tanh",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.tanh(x),
    grad=lambda g, y, x: (g * (1.0 - y * y),),
    rule={"x": "g * (1 - y*y)"},
)
def tanh(x: Any) -> Any:
    """Hyperbolic tangent"""
    return np.tanh(x)


@op(
    "sigmoid",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.sigmoid(x),
    grad=lambda g, y, x: (g * (y * (1.0 - y)),),
    rule={"x": "g * y * (1 - y)"},
)
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow at either end"""
    x = np.asarray(x)
    small = np.exp(-np.abs(x))
    one = np.asarray(1, x.dtype)
    return np.where(x >= 0, one, small) / (one + small)


@op(
    "erf",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.erf(x),
    grad=lambda g, y, x: (g * (2.0 / SQRT_PI) * exp(-x * x),),
    rule={"x": "g * 2/sqrt(pi) * exp(-x*x)"},
)
def erf(x: Any) -> Any:
    """Error function 2/sqrt(pi) * integral of exp(-t*t) from 0 to x"""
    from schuss.ops.special import erf as erf_of_array

    return erf_of_array(np.asarray(x))


# -- kinks ----------------------------------------------------------------------------------------


@op(
    "abs",
    kind=MAP,
    emit=lambda b, x: b.abs(x),
    grad=lambda g, y, x: (g * sign(x),),
    rule={"x": "g * sign x (0 at 0)"},
)
def abs(x: Any) -> Any:
    """|x|; the subgradient at 0 is 0"""
    return np.abs(x)


@op("sign", kind=MAP, emit=lambda b, x: b.sign(x), grad=lambda g, y, x: (None,), rule={"x": "0"})
def sign(x: Any) -> Any:
    """-1, 0 or 1; NaN stays NaN"""
    return np.sign(x)


@op(
    "floor",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.floor(x),
    grad=lambda g, y, x: (None,),
    rule={"x": "0"},
)
def floor(x: Any) -> Any:
    """Largest integer not above x"""
    return np.floor(x)


def _extremum_grad(wins: Any, g: Any, x: Any, y: Any) -> tuple[Any, Any]:
    shared = where(equal(x, y), g * 0.5, 0.0)
    return where(wins(x, y), g, shared), where(wins(y, x), g, shared)


@op(
    "maximum",
    kind=MAP,
    emit=lambda b, x, y: b.maximum(x, y),
    grad=lambda g, z, x, y: _extremum_grad(greater, g, x, y),
    rule={"x": "g where x > y, g/2 where x = y, else 0", "y": "g where y > x, g/2 where x = y, else 0"},
)
def maximum(x: Any, y: Any) -> Any:
    """The larger; NaN if either is NaN; ties share the gradient evenly"""
    return np.maximum(x, y)


@op(
    "minimum",
    kind=MAP,
    emit=lambda b, x, y: b.minimum(x, y),
    grad=lambda g, z, x, y: _extremum_grad(less, g, x, y),
    rule={"x": "g where x < y, g/2 where x = y, else 0", "y": "g where y < x, g/2 where x = y, else 0"},
)
def minimum(x: Any, y: Any) -> Any:
    """The smaller; NaN if either is NaN; ties share the gradient evenly"""
    return np.minimum(x, y)


@op(
    "relu",
    kind=MAP,
    emit=lambda b, x: b.relu(x),
    grad=lambda g, y, x: (where(y > 0, g, 0.0),),
    rule={"x": "g where y > 0, else 0"},
)
def relu(x: Any) -> Any:
    """max(x, 0); the subgradient at 0 is 0"""
    x = np.asarray(x)
    return np.maximum(x, np.zeros((), x.dtype))


def _clip_type(name: str, x: TensorType, *, low: float, high: float) -> TensorType:
    if not low <= high:
        raise ShapeError(f"{name}: low {low} is above high {high}")
    return float_map(name, x)


@op(
    "clip",
    kind=MAP,
    infer=_clip_type,
    settle=lambda name, x, *, low, high: {"low": float(low), "high": float(high)},
    emit=lambda b, x, low, high: b.minimum(b.maximum(x, b.const(low, x)), b.const(high, x)),
    grad=lambda g, y, x, low, high: (where(equal(x, y), g, 0.0),),
    rule={"x": "g where low <= x <= high, else 0"},
)
def clip_to(x: Any, *, low: float, high: float) -> Any:
    """clip of floats to two numbers, as a node"""
    x = np.asarray(x)
    return np.minimum(np.maximum(x, np.asarray(low, x.dtype)), np.asarray(high, x.dtype))


# -- comparisons and choice -------------------------------------------------------------------------


def _no_grad(g: Any, z: Any, *inputs: Any, **_: Any) -> tuple[None, ...]:
    return (None,) * len(inputs)


@op(
    "equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare("==", x, y),
    grad=_no_grad,
)
def equal(x: Any, y: Any) -> Any:
    """x == y"""
    return np.equal(x, y)


@op(
    "not_equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare("!=", x, y),
    grad=_no_grad,
)
def not_equal(x: Any, y: Any) -> Any:
    """x != y"""
    return np.not_equal(x, y)


@op("less", kind=MAP, infer=comparison, emit=lambda b, x, y: b.compare("<", x, y), grad=_no_grad)
def less(x: Any, y: Any) -> Any:
    """x < y"""
    return np.less(x, y)


@op(
    "less_equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare("<=", x, y),
    grad=_no_grad,
)
def less_equal(x: Any, y: Any) -> Any:
    """x <= y"""
    return np.less_equal(x, y)


@op(
    "greater",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare(">", x, y),
    grad=_no_grad,
)
def greater(x: Any, y: Any) -> Any:
    """x > y"""
    return np.greater(x, y)


@op(
    "greater_equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare(">=", x, y),
    grad=_no_grad,
)
def greater_equal(x: Any, y: Any) -> Any:
    """x >= y"""
    return np.greater_equal(x, y)


def _logical(name: str, *inputs: TensorType, **_: object) -> TensorType:
    for t in inputs:
        if t.dtype != "bool":
            raise DTypeError(f"{name}: needs bool inputs, got {t}")
    return TensorType("bool", broadcast_shapes(name, [t.shape for t in inputs]))


@op(
    "logical_and",
    kind=MAP,
    infer=_logical,
    emit=lambda b, x, y: b.logical_and(x, y),
    grad=_no_grad,
)
def logical_and(x: Any, y: Any) -> Any:
    """x and y, of bools"""
    return np.logical_and(x, y)


@op(
    "logical_or",
    kind=MAP,
    infer=_logical,
    emit=lambda b, x, y: b.logical_or(x, y),
    grad=_no_grad,
)
def logical_or(x: Any, y: Any) -> Any:
    """x or y, of bools"""
    return np.logical_or(x, y)


@op("logical_not", kind=MAP, infer=_logical, emit=lambda b, x: b.logical_not(x), grad=_no_grad)
def logical_not(x: Any) -> Any:
    """not x, of a bool"""
    return np.logical_not(x)


def _where_type(name: str, cond: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if cond.dtype != "bool":
        raise DTypeError(f"{name}: the condition must be bool, got {cond}")
    if x.dtype != y.dtype:
        raise DTypeError(f"{name}: choices of different dtypes {x} and {y}")
    return TensorType(x.dtype, broadcast_shapes(name, [cond.shape, x.shape, y.shape]))


@op(
    "where",
    kind=MAP,
    infer=_where_type,
    promote=Promote.CHOICES,
    emit=lambda b, c, x, y: b.select(c, x, y),
    grad=lambda g, z, c, x, y: (None, where(c, g, 0.0), where(c, 0.0, g)),
    rule={"x": "g where cond, else 0", "y": "g where not cond, else 0"},
)
def where(cond: Any, x: Any, y: Any) -> Any:
    """x where cond holds, else y"""
    return np.where(cond, x, y)


@op(
    "cast",
    kind=MAP,
    infer=lambda name, x, *, dtype: TensorType(dtype, x.shape),
    settle=settle_dtype,
    promote=Promote.NONE,
    emit=lambda b, x, dtype: b.cast(x, dtype),
    grad=lambda g, y, x, dtype: (cast(g, dtype=x.dtype),),
    rule={"x": "g cast back (none from or to integers)"},
)
def cast(x: Any, *, dtype: str) -> Any:
    """x in another dtype; floats become integers by truncation"""
    return np.asarray(x).astype(dtype)


@op("stop_gradient", kind=MAP, infer=map_type, emit=lambda b, x: x, grad=_no_grad, rule={"x": "0"})
def stop_gradient(x: Any) -> Any:
    """x, taken as a constant by the chain rule"""
    return np.asarray(x)


@op("identity", kind=MAP, infer=map_type, emit=lambda b, x: x, grad=lambda g, y, x: (g,), rule={"x": "g"})
def identity(x: Any) -> Any:
    """x, as a node of its own"""
    return np.asarray(x)
