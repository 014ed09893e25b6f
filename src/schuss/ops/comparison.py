"""Comparisons, logic, and choices by them: where, the larger and the smaller.

In gradient rules g is the incoming gradient, y the op's result and the rest its inputs.
`emit` sees a builder b of scalar or vector values (see schuss.compiler.llvm.simd).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import TensorType
from schuss.ops.infer import broadcast_shapes, comparison, float_map
from schuss.ops.registry import Kind, Promote, no_grad, op

MAP = Kind.MAP


@op(
    "equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare("==", x, y),
    grad=no_grad,
)
def equal(x: Any, y: Any) -> Any:
    """x == y"""
    return np.equal(x, y)


@op(
    "not_equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare("!=", x, y),
    grad=no_grad,
)
def not_equal(x: Any, y: Any) -> Any:
    """x != y"""
    return np.not_equal(x, y)


@op("less", kind=MAP, infer=comparison, emit=lambda b, x, y: b.compare("<", x, y), grad=no_grad)
def less(x: Any, y: Any) -> Any:
    """x < y"""
    return np.less(x, y)


@op(
    "less_equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare("<=", x, y),
    grad=no_grad,
)
def less_equal(x: Any, y: Any) -> Any:
    """x <= y"""
    return np.less_equal(x, y)


@op(
    "greater",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare(">", x, y),
    grad=no_grad,
)
def greater(x: Any, y: Any) -> Any:
    """x > y"""
    return np.greater(x, y)


@op(
    "greater_equal",
    kind=MAP,
    infer=comparison,
    emit=lambda b, x, y: b.compare(">=", x, y),
    grad=no_grad,
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
    grad=no_grad,
)
def logical_and(x: Any, y: Any) -> Any:
    """x and y, of bools"""
    return np.logical_and(x, y)


@op(
    "logical_or",
    kind=MAP,
    infer=_logical,
    emit=lambda b, x, y: b.logical_or(x, y),
    grad=no_grad,
)
def logical_or(x: Any, y: Any) -> Any:
    """x or y, of bools"""
    return np.logical_or(x, y)


@op("logical_not", kind=MAP, infer=_logical, emit=lambda b, x: b.logical_not(x), grad=no_grad)
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
