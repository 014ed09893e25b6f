"""The outputs for one row of floats, in the least time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schuss.ir.executor import Array


class Quick:
    """A compiled call for one row that reads the weights where they lie.

    It is made for these very arrays: numbers written into them count, and where one is replaced by another array it
    answers no more. Kept by the estimator, and no part of what is pickled.
    """

    __slots__ = ("_call", "_dtype", "_held", "_ids", "_shape")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Answer no more."""
        self._shape: tuple[int, int] | None = None
        self._dtype: Any = None
        self._held: tuple[Array, ...] = ()
        self._ids: tuple[int, ...] = ()
        self._call: Callable[[Array], Array] | None = None

    def learn(self, compiled: Any, coefs: Sequence[Array], intercepts: Sequence[Array]) -> None:
        """Answer by this function of [x, W0, b0, ...], if it has a form for one row and the weights have no gaps."""
        held = (*coefs, *intercepts)
        if tuple(map(id, held)) == self._ids:
            return  # it has none
        self.forget()
        flat = [a for pair in zip(coefs, intercepts, strict=True) for a in pair]
        make = getattr(compiled, "one_row", None)  # of a function in native code
        if make is None or not all(type(a) is np.ndarray for a in flat):
            return
        self._call = make(flat)
        self._held, self._ids = held, tuple(map(id, held))
        if self._call is not None:
            self._shape, self._dtype = (1, coefs[0].shape[0]), flat[0].dtype

    def __call__(self, x: Any, coefs: Any, intercepts: Any) -> Array | None:
        """The outputs for x [1, features]; None where it is for others to look at x: anything but a row of finite
        floats of the weights' dtype."""
        if type(x) is not np.ndarray or x.shape != self._shape or x.dtype is not self._dtype:
            return None
        if (*map(id, coefs), *map(id, intercepts)) != self._ids or not math.isfinite(np.vdot(x, x)):
            return None
        return None if self._call is None else self._call(x)


__all__ = ["Quick"]
