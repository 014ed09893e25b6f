"""The outputs for rows of floats, in the least time: what needs no conversion goes straight to the compiled code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schuss.ir.executor import Array, Compiled


class Quick:
    """A compiled function with the weights it was made for, which it reads where they lie.

    Numbers written into them count; where one is replaced by another array it answers no more. Kept by the estimator,
    and not handed on to other processes.
    """

    __slots__ = ("_dtype", "_flat", "_ids", "_many", "_one", "_width")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Answer no more."""
        self._width, self._dtype = -1, np.dtype(np.float64)
        self._flat: list[Array] = []
        self._ids: tuple[int, ...] = ()
        self._many: Compiled | None = None
        self._one: Callable[[Array], Array] | None = None

    def learn(self, compiled: Compiled, coefs: Sequence[Array], intercepts: Sequence[Array]) -> None:
        """Answer by this function of [x, W0, b0, ...], whose weights must be arrays of one dtype without gaps."""
        self.forget()
        flat = [a for pair in zip(coefs, intercepts, strict=True) for a in pair]
        if not all(type(a) is np.ndarray and a.flags.c_contiguous and a.dtype == flat[0].dtype for a in flat):
            return
        self._flat, self._ids = flat, tuple(map(id, (*coefs, *intercepts)))
        self._width, self._dtype, self._many = coefs[0].shape[0], flat[0].dtype, compiled
        make = getattr(compiled, "one_row", None)  # of a function in native code
        self._one = None if make is None else make(flat)

    def __call__(self, x: Any, coefs: Any, intercepts: Any) -> Array | None:
        """The outputs for x [rows, features]; None where it is for others to look at x: anything but rows without gaps
        of finite floats of the weights' dtype."""
        if type(x) is not np.ndarray or x.ndim != 2 or x.shape[1] != self._width or x.dtype != self._dtype:
            return None
        if (*map(id, coefs), *map(id, intercepts)) != self._ids or self._many is None:
            return None
        if not x.flags.c_contiguous or not len(x) or not math.isfinite(np.vdot(x, x)):
            return None
        return self._one(x) if len(x) == 1 and self._one is not None else self._many([x, *self._flat])[0]


__all__ = ["Quick"]
