"""New arrays: filled with one value, or counted up. numpy's functions, with `size` for `shape`, too."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.errors import ShapeError
from schuss.ir.types import Sym, symbols_in
from schuss.ops import conversion
from schuss.ops.infer import dtype_name, show
from schuss.ops.registry import also, value_of
from schuss.ops.views import broadcast_to


@also(fill_value="value")
def full_like(x: Any, value: Any, dtype: Any = None) -> Any:
    """The value in the shape of x, and of its dtype if none is given."""
    x = value_of(x)
    filling = conversion.cast(value_of(value), dtype=str(x.dtype) if dtype is None else dtype_name("full_like", dtype))
    build = getattr(type(x), "__schuss_op__", None) or getattr(type(filling), "__schuss_op__", None)
    if build is None:
        return np.full(x.shape, filling)
    return build(broadcast_to, (filling,), {"shape": tuple(x.shape)})


@also()
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of x."""
    return full_like(x, 0, dtype)


@also()
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of x."""
    return full_like(x, 1, dtype)


@also(fill_value="value", size="shape")
def full(shape: Any, value: Any, dtype: Any = None) -> Any:
    """The value in a shape of known lengths: numpy's, with numpy's dtypes."""
    dims = (shape,) if isinstance(shape, (int, np.integer, Sym)) else tuple(shape)
    if symbols := symbols_in(dims):
        raise ShapeError(f"full: {symbols[0].axis} of {show(dims)} has no known length; use full_like(x, value)")
    if hasattr(type(value), "__schuss_op__"):
        filled = broadcast_to(value, shape=dims)
        return filled if dtype is None else conversion.cast(filled, dtype=dtype)
    return np.full(dims, value, None if dtype is None else dtype_name("full", dtype))


@also(size="shape")
def zeros(shape: Any, dtype: Any = "float64") -> Any:
    """Zeros; an array, which takes the dtype of the tensors that it meets."""
    return full(shape, 0, dtype)


@also(size="shape")
def ones(shape: Any, dtype: Any = "float64") -> Any:
    """Ones; an array, which takes the dtype of the tensors that it meets."""
    return full(shape, 1, dtype)


@also(end="stop")
def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """start, start + step, ... before stop; with one number, 0, 1, ... before it. numpy's array, with numpy's dtype."""
    start, stop = (0, start) if stop is None else (start, stop)
    _require_numbers("arange", start, stop, step)
    known: Any = None if dtype is None else dtype_name("arange", dtype)
    return np.arange(start, stop, step, dtype=known)


@also(steps="num", end="stop")
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """So many numbers from start to stop, evenly apart; stop is the last one unless endpoint=False. numpy's array."""
    _require_numbers("linspace", start, stop, num)
    known: Any = None if dtype is None else dtype_name("linspace", dtype)
    return np.linspace(start, stop, num, endpoint=endpoint, dtype=known)


def _require_numbers(name: str, *given: Any) -> None:
    if symbols := symbols_in(given):
        raise ShapeError(f"{name}: takes numbers; the length of {symbols[0].axis} is not known yet")
    if any(hasattr(type(v), "__schuss_op__") for v in given):
        raise ShapeError(f"{name}: takes numbers; a traced number is not known yet")
