"""Truth and whole numbers: any, all, isnan and their kin, round. numpy's functions."""

from __future__ import annotations

import math
from typing import Any

from schuss.errors import UsageError
from schuss.ir.types import FLOATS
from schuss.ops import maps, reduce
from schuss.ops.reduce import Axis
from schuss.ops.registry import also, value_of


def _number_of(condition: Any, axis: Axis, keepdims: bool) -> Any:
    """How many are true."""
    return reduce.sum(maps.cast(condition, dtype="int64"), axis=axis, keepdims=keepdims)


def _truth(x: Any) -> Any:
    return x if str(x.dtype) == "bool" else maps.not_equal(x, 0)


@also()
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether any entry over the axes is true, or not 0; False over nothing. NaN is not 0."""
    return maps.greater(_number_of(_truth(value_of(x)), axis, keepdims), 0)


@also()
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all entries over the axes are true, or not 0; True over nothing."""
    return maps.equal(_number_of(maps.logical_not(_truth(value_of(x))), axis, keepdims), 0)


@also()
def isnan(x: Any) -> Any:
    """Which entries are NaN."""
    x = value_of(x)
    return maps.not_equal(x, x)


@also()
def isinf(x: Any) -> Any:
    """Which entries are inf or -inf."""
    x = value_of(x)
    if str(x.dtype) not in FLOATS:
        return maps.not_equal(x, x)
    return maps.equal(maps.abs(x), math.inf)


@also()
def isfinite(x: Any) -> Any:
    """Which entries are neither NaN nor infinite."""
    x = value_of(x)
    if str(x.dtype) not in FLOATS:
        return maps.equal(x, x)
    return maps.less(maps.abs(x), math.inf)


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
    below = maps.floor(x)
    rest = maps.sub(x, below)  # exact, but for a negative x above -0.5, where the even neighbour is the nearest
    odd = maps.not_equal(below, 2.0 * maps.floor(below * 0.5))
    up = maps.logical_or(maps.greater(rest, 0.5), maps.logical_and(maps.equal(rest, 0.5), odd))
    return maps.where(up, below + 1.0, below)
