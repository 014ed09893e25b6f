"""Arithmetic, element by element: sums, products, powers and roots, sign and whole part.

In gradient rules g is the incoming gradient, y the op's result and the rest its inputs.
`emit` sees a builder b of scalar or vector values (see schuss.compiler.llvm.simd).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.ops.comparison import equal, greater, logical_and, where
from schuss.ops.exponential import log
from schuss.ops.infer import float_map
from schuss.ops.registry import Kind, Promote, op

MAP = Kind.MAP


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
