"""The operators of a tensor: each makes one node."""

from __future__ import annotations

from typing import Any, Self

from schuss import ops
from schuss.ir.types import N, Sym
from schuss.ops.registry import Op
from schuss.trace.value import Value, refuse


class Operators(Value):
    """Base of Tensor: arithmetic and comparisons, element by element."""

    __slots__ = ()

    def __add__(self, other: Any) -> Self:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Self:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Self:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Self:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Self:
        return self._scaled(ops.mul, other)

    def __rmul__(self, other: Any) -> Self:
        return self._scaled(ops.mul, other)

    def __truediv__(self, other: Any) -> Self:
        return self._scaled(ops.div, other)

    def _scaled(self, op: Op, other: Any) -> Self:
        """Products and quotients may take a symbol that is a length of the tensor, as N: it becomes that number."""
        if isinstance(other, Sym):
            dtype = self.dtype if self.is_float else "float32"
            axis = next((i for i, d in enumerate(self.shape) if d == other), None)
            if axis is None:
                mend = "use mean(), or sum() of a tensor of ones with that axis"
                refuse("the number of examples" if other == N else f"the length {other}", mend)
            other = ops.count(self, axis=axis, dtype=dtype)
        return op(self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return ops.div(other, self)

    def __mod__(self, other: Any) -> Self:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Self:
        return ops.remainder(other, self)

    def __floordiv__(self, other: Any) -> Self:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return ops.floor_divide(other, self)

    def __pow__(self, other: Any) -> Self:
        if isinstance(other, int) and 1 <= other <= 3:  # exact, cheap, and right for negative bases
            return self if other == 1 else self * self if other == 2 else self * self * self
        return ops.pow(self, other)

    def __rpow__(self, other: Any) -> Self:
        return ops.pow(other, self)

    def __neg__(self) -> Self:
        return ops.neg(self)

    def __abs__(self) -> Self:
        return ops.abs(self)

    def __lt__(self, other: Any) -> Self:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Self:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Self:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Self:
        return ops.greater_equal(self, other)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return ops.equal(self, other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return ops.not_equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Any) -> Self:
        return ops.logical_and(self, other)

    def __or__(self, other: Any) -> Self:
        return ops.logical_or(self, other)

    def __invert__(self) -> Self:
        return ops.logical_not(self)
