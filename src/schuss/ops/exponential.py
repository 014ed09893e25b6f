"""Exponentials, logarithms, sine and cosine, the error function.

In gradient rules g is the incoming gradient, y the op's result and the rest its inputs.
`emit` sees a builder b of scalar or vector values (see schuss.compiler.llvm.simd).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from schuss.ops.infer import float_map
from schuss.ops.registry import Kind, op

MAP = Kind.MAP


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
    "sinpi",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.sinpi(x),
    grad=lambda g, y, x: (g * (math.pi * cospi(x)),),
    rule={"x": "g * pi cos(pi x)"},
)
def sinpi(x: Any) -> Any:
    """Sine of pi x, of any size: whole turns are taken off without rounding, which takes less time than sin"""
    x = np.asarray(x)
    turn = _turn(x)
    return np.where(x == 0, x, np.sin(np.pi * np.maximum(np.minimum(turn, 1 - turn), -1 - turn)))


@op(
    "cospi",
    kind=MAP,
    infer=float_map,
    emit=lambda b, x: b.cospi(x),
    grad=lambda g, y, x: (g * (-math.pi * sinpi(x)),),
    rule={"x": "-g * pi sin(pi x)"},
)
def cospi(x: Any) -> Any:
    """Cosine of pi x, see sinpi"""
    return np.sin(np.pi * (0.5 - np.abs(_turn(np.asarray(x)))))


def _turn(x: Any) -> Any:
    """x less an even number, in [-1, 1]."""
    with np.errstate(invalid="ignore"):  # NaN of what is not finite
        return x - 2 * np.rint(x / 2)


SQRT_PI = math.sqrt(math.pi)


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
