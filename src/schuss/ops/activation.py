"""The primitives among the activations; others are composites.

In gradient rules g is the incoming gradient, y the op's result and the rest its inputs.
`emit` sees a builder b of scalar or vector values (see schuss.compiler.llvm.simd).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.ops.comparison import where
from schuss.ops.infer import float_map
from schuss.ops.registry import Kind, op

MAP = Kind.MAP


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
