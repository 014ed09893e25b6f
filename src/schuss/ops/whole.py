"""Truth and whole numbers: any, all, isnan and their kin, round. numpy's functions."""

from __future__ import annotations

import math
from typing import Any

from schuss.errors import UsageError
from schuss.ir.types import FLOATS
from schuss.ops import arithmetic, comparison, conversion, reduce
from schuss.ops.reduce import Axis
from schuss.ops.registry import also, value_of


def _number_of(condition: Any, axis: Axis, keepdims: bool) -> Any:
    """How many are true."""
    return reduce.sum(conversion.cast(condition, dtype="int64"), axis=axis, keepdims=keepdims)


def _truth(x: Any) -> Any:
    return x if str(x.dtype) == "bool" else comparison.not_equal(x, 0)


@also()
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether any entry over the axes is true, or not 0; False over nothing. NaN is not 0."""
    return comparison.greater(_number_of(_truth(value_of(x)), axis, keepdims), 0)


@also()
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all entries over the axes are true, or not 0; True over nothing."""
    return comparison.equal(_number_of(comparison.logical_not(_truth(value_of(x))), axis, keepdims), 0)


@also()
def isnan(x: Any) -> Any:
    """Which entries are NaN."""
    x = value_of(x)
    return comparison.not_equal(x, x)


@also()
def isinf(x: Any) -> Any:
    """Which entries are inf or -inf."""
    x = value_of(x)
    if str(x.dtype) not in FLOATS:
        return comparison.not_equal(x, x)
    return comparison.equal(arithmetic.abs(x), math.inf)


@also()
def isfinite(x: Any) -> Any:
    """Which entries are neither NaN nor infinite."""
    x = value_of(x)
    if str(x.dtype) not in FLOATS:
        return comparison.equal(x, x)
    return comparison.less(arithmetic.abs(x), math.inf)


@also()
def round(x: Any, decimals: int = 0) -> Any:
    """x to so many decimals, halves to the even neighbour; its slope is 0. Whole numbers stay.

    UsageError for whole numbers to tens or hundreds (decimals < 0).
    """
    x = value_of(x)
    if str(x.dtype) not in FLOATS:
        if decimals < 0:
            raise UsageError(f"round: whole numbers ({x.dtype}) with decimals={decimals}; cast them to floats first")
        return x
    if decimals:
        scale = 10.0 ** abs(decimals)
        return round(x * scale) / scale if decimals > 0 else round(x / scale) * scale
    below = arithmetic.floor(x)
    rest = arithmetic.sub(x, below)  # exact, but for a negative x above -0.5, where the even neighbour is the nearest
    odd = comparison.not_equal(below, 2.0 * arithmetic.floor(below * 0.5))
    up = comparison.logical_or(comparison.greater(rest, 0.5), comparison.logical_and(comparison.equal(rest, 0.5), odd))
    return comparison.where(up, below + 1.0, below)
