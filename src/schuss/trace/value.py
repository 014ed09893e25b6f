"""What is known of a value while its graph is built, and what is not."""

from __future__ import annotations

from typing import Any, NoReturn, Self

import numpy as np

from schuss import ops
from schuss.errors import TraceError
from schuss.ir.graph import Node
from schuss.ir.types import Shape, Sym, TensorType
from schuss.trace.build import refused_at

# What answers for each of numpy's operators where the traced tensor is on the right.
REFLECTED = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.true_divide: "__rtruediv__",
    np.power: "__rpow__",
    np.remainder: "__rmod__",
    np.floor_divide: "__rfloordiv__",
    np.matmul: "__rmatmul__",
    np.less: "__gt__",
    np.less_equal: "__ge__",
    np.greater: "__lt__",
    np.greater_equal: "__le__",
    np.equal: "__eq__",
    np.not_equal: "__ne__",
    np.bitwise_and: "__and__",
    np.bitwise_or: "__or__",
}
NAMES = {"absolute": "abs", "divide": "div", "multiply": "mul", "negative": "neg", "power": "pow", "subtract": "sub"}
NAMES["expit"] = "sigmoid"
USE_OURS = "use schuss's functions (schuss.exp, not numpy.exp)"


NO_NUMBERS = "keep it a tensor, return it from the function, or look at it with schuss.explain"


def refuse(what: str, mend: str) -> NoReturn:
    raise TraceError(f"{what} of a traced tensor is not known while the graph is built; {mend}{refused_at()}")


class Value:
    """Base of Tensor: a node, its type, and errors for whatever asks for numbers."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __schuss_node__(self) -> Node:
        return self.node

    # -- what is known ---------------------------------------------------------------------------

    @property
    def type(self) -> TensorType:
        return self.node.type

    @property
    def shape(self) -> Shape:
        return self.node.type.shape

    @property
    def dtype(self) -> str:
        return self.node.type.dtype

    @property
    def ndim(self) -> int:
        return self.node.type.rank

    @property
    def is_float(self) -> bool:
        return self.node.type.is_float

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without axes")
        if isinstance(self.shape[0], Sym):
            refuse("the length", "reduce with mean() or sum(), or use x.shape[0] as a divisor")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Tensor({self.type})"

    # -- what is not -----------------------------------------------------------------------------

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        refuse("the truth", "an `if` or `while` needs a number: use schuss.where(condition, a, b)")

    def __float__(self) -> NoReturn:
        refuse("the number", f"use schuss's functions (schuss.exp, not math.exp); {NO_NUMBERS}")

    __int__ = __complex__ = __float__
    __index__ = __float__

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        refuse("the numpy array", USE_OURS)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **given: Any) -> Self:
        """An operator with a numpy value on the left is ours; every other ufunc is refused."""
        name = ufunc.__name__
        if given.get("out"):
            refuse(f"numpy.{name} into an array", "make a new one: y = y + x, not y += x")
        if method != "__call__":
            refuse(f"numpy.{name}.{method}", USE_OURS)
        if ufunc in REFLECTED and not given and isinstance(inputs[0], (np.ndarray, np.generic)):
            reflected: Self = getattr(self, REFLECTED[ufunc])(inputs[0])
            return reflected
        ours = NAMES.get(name, name)
        owner = "numpy." if getattr(np, name, None) is ufunc else "scipy's "
        refuse(owner + name, f"use schuss.{ours}" if hasattr(ops, ours) else USE_OURS)

    def __array_function__(self, function: Any, *_: Any) -> Any:
        """numpy's other functions are refused, but for those of the shape."""
        if function in (np.shape, np.ndim):
            return self.shape if function is np.shape else self.ndim
        name = function.__name__
        refuse(f"numpy.{name}", f"use schuss.{name}" if hasattr(ops, name) else USE_OURS)
