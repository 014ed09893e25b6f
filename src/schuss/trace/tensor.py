"""The Tensor a user's function sees while it is traced: a node with operators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from schuss import ops
from schuss.errors import IndexRangeError, ShapeError, TraceError
from schuss.ir.graph import Node
from schuss.ir.types import Dim, Shape, Sym, TensorType
from schuss.ops.registry import Op
from schuss.trace.build import apply, constant, node_of, refused_at, user_site
from schuss.trace.torch_names import NO_NUMBERS, TorchNames

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


def _refuse(what: str, mend: str) -> NoReturn:
    raise TraceError(f"{what} of a traced tensor is not known while the graph is built; {mend}{refused_at()}")


class Tensor(TorchNames):
    """A value in a graph under construction. It has a dtype and a shape but no numbers yet.

    Operators and methods are those of numpy and PyTorch; each makes one node. The length of the
    example axis of data given to fit and predict is the symbol N.
    """

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    def __schuss_node__(self) -> Node:
        return self.node

    @staticmethod
    def __schuss_op__(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Tensor:
        return Tensor(apply(op, args, attrs))

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
            _refuse("the length", "reduce with mean() or sum(), or use x.shape[0] as a divisor")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Tensor({self.type})"

    # -- what is not -----------------------------------------------------------------------------

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        _refuse("the truth", "an `if` or `while` needs a number: use schuss.where(condition, a, b)")

    def __float__(self) -> NoReturn:
        _refuse("the number", f"use schuss's functions (schuss.exp, not math.exp); {NO_NUMBERS}")

    __int__ = __complex__ = __float__
    __index__ = __float__

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        _refuse("the numpy array", USE_OURS)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **given: Any) -> Tensor:
        """An operator with a numpy value on the left is ours; every other ufunc is refused."""
        name = ufunc.__name__
        if given.get("out"):
            _refuse(f"numpy.{name} into an array", "make a new one: y = y + x, not y += x")
        if method != "__call__":
            _refuse(f"numpy.{name}.{method}", USE_OURS)
        if ufunc in REFLECTED and not given and isinstance(inputs[0], (np.ndarray, np.generic)):
            reflected: Tensor = getattr(self, REFLECTED[ufunc])(inputs[0])
            return reflected
        ours = NAMES.get(name, name)
        owner = "numpy." if getattr(np, name, None) is ufunc else "scipy's "
        _refuse(owner + name, f"use schuss.{ours}" if hasattr(ops, ours) else USE_OURS)

    def __array_function__(self, function: Any, *_: Any) -> Any:
        """numpy's other functions are refused, but for those of the shape."""
        if function in (np.shape, np.ndim):
            return self.shape if function is np.shape else self.ndim
        name = function.__name__
        _refuse(f"numpy.{name}", f"use schuss.{name}" if hasattr(ops, name) else USE_OURS)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # -- operators -------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return self._scaled(ops.mul, other)

    def __rmul__(self, other: Any) -> Tensor:
        return self._scaled(ops.mul, other)

    def __truediv__(self, other: Any) -> Tensor:
        return self._scaled(ops.div, other)

    def _scaled(self, op: Op, other: Any) -> Tensor:
        """Products and quotients may take the symbol N: it becomes the number of examples."""
        if isinstance(other, Sym):
            dtype = self.dtype if self.is_float else "float32"
            axis = next((i for i, d in enumerate(self.shape) if d == other), None)
            if axis is None:
                _refuse("the number of examples", "use mean(), or sum() of a tensor of ones with that axis")
            other = ops.count(self, axis=axis, dtype=dtype)
        return op(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.div(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        if isinstance(other, int) and 1 <= other <= 3:  # exact, cheap, and right for negative bases
            return self if other == 1 else self * self if other == 2 else self * self * self
        return ops.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.pow(other, self)

    def __neg__(self) -> Tensor:
        return ops.neg(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __matmul__(self, other: Any) -> Tensor:
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _matmul(other, self)

    def __lt__(self, other: Any) -> Tensor:
        return ops.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.greater_equal(self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.equal(self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.not_equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Any) -> Tensor:
        return ops.logical_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return ops.logical_or(self, other)

    def __invert__(self) -> Tensor:
        return ops.logical_not(self)

    # -- methods ---------------------------------------------------------------------------------

    def sum(self, *options: Any, **named: Any) -> Tensor:
        return ops.sum(self, *options, **named)

    def mean(self, *options: Any, **named: Any) -> Tensor:
        return ops.mean(self, *options, **named)

    def max(self, *options: Any, **named: Any) -> Tensor:
        return ops.max(self, *options, **named)

    def min(self, *options: Any, **named: Any) -> Tensor:
        return ops.min(self, *options, **named)

    def argmin(self, *options: Any, **named: Any) -> Tensor:
        return ops.argmin(self, *options, **named)

    def argmax(self, *options: Any, **named: Any) -> Tensor:
        return ops.argmax(self, *options, **named)

    def var(self, *options: Any, **named: Any) -> Tensor:
        return ops.var(self, *options, **named)

    def std(self, *options: Any, **named: Any) -> Tensor:
        return ops.std(self, *options, **named)

    def prod(self, *options: Any, **named: Any) -> Tensor:
        return ops.prod(self, *options, **named)

    def norm(self, *options: Any, **named: Any) -> Tensor:
        return ops.norm(self, *options, **named)

    def cumsum(self, *options: Any, **named: Any) -> Tensor:
        return ops.cumsum(self, *options, **named)

    def clip(self, *options: Any, **named: Any) -> Tensor:
        return ops.clip(self, *options, **named)

    def reshape(self, *shape: Any) -> Tensor:
        dims = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return ops.reshape(self, shape=tuple(dims))

    def flatten(self, start_dim: int = 0) -> Tensor:
        """Axes from start_dim on joined into one."""
        return ops.reshape(self, shape=(*self.shape[:start_dim], -1))

    def squeeze(self, *options: Any, **named: Any) -> Tensor:
        return ops.squeeze(self, *options, **named)

    def unsqueeze(self, *options: Any, **named: Any) -> Tensor:
        return ops.unsqueeze(self, *options, **named)

    def swapaxes(self, *options: Any, **named: Any) -> Tensor:
        return ops.swapaxes(self, *options, **named)

    def tile(self, *options: Any, **named: Any) -> Tensor:
        return ops.tile(self, *options, **named)

    def take(self, *options: Any, **named: Any) -> Tensor:
        return ops.take(self, *options, **named)

    def argsort(self, *options: Any, **named: Any) -> Tensor:
        return ops.argsort(self, *options, **named)

    def sort(self, *options: Any, **named: Any) -> Tensor:
        return ops.sort(self, *options, **named)

    def topk(self, *options: Any, **named: Any) -> tuple[Tensor, Tensor]:
        return ops.topk(self, *options, **named)

    def repeat(self, repeats: Any, *, axis: int | None = None, **named: Any) -> Tensor:
        """schuss.repeat along an axis that is named: PyTorch's method of this name is tile."""
        if axis is None and "dim" not in named:
            raise ShapeError(
                "repeat: name the axis: x.repeat(2, axis=0) repeats each entry as numpy does; "
                f"PyTorch's x.repeat is x.tile (line: {user_site()})"
            )
        return ops.repeat(self, repeats, **(named if axis is None else {"axis": axis, **named}))

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, all of them named; without any, reversed."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        if len(axes) == 2 and (self.ndim != 2 or tuple(a % 2 for a in axes) == (0, 1)):
            raise ShapeError(
                f"transpose: two axes are exchanged by swapaxes{axes}; transpose takes all {self.ndim} axes in order "
                f"(line: {user_site()})"
            )
        return ops.transpose(self, axes=tuple(order) or None)

    permute = transpose

    @property
    def T(self) -> Tensor:
        return ops.transpose(self, axes=None)

    @property
    def mT(self) -> Tensor:
        return ops.swap_last(self)

    def broadcast_to(self, shape: Sequence[Dim]) -> Tensor:
        return ops.broadcast_to(self, shape=tuple(shape))

    def astype(self, dtype: Any) -> Tensor:
        return ops.cast(self, dtype=str(np.dtype(dtype)))

    def __getitem__(self, index: Any) -> Tensor:
        return _getitem(self, index if isinstance(index, tuple) else (index,))


def as_tensor(value: Any, dtype: str | None = None) -> Tensor:
    """A tensor for a traced value, a number or an array (which becomes a constant)."""
    if isinstance(value, Tensor):
        return value
    node = node_of(value)
    return Tensor(node if node is not None else constant(value, dtype))


def _matmul(x: Any, y: Any) -> Tensor:
    """numpy's rule for vectors on top of the matrix product."""
    x, y = (as_tensor(v) if node_of(v) is not None else np.asarray(v) for v in (x, y))  # arrays: of the dtype they meet
    left, right = x.ndim == 1, y.ndim == 1
    x = x.reshape(1, *x.shape) if left else x
    y = y.reshape(*y.shape, 1) if right else y
    z = ops.matmul(x, y)
    if left and right:
        return z.reshape(())
    if left:
        return z.reshape(*z.shape[:-2], z.shape[-1])
    return z.reshape(z.shape[:-1]) if right else z


def _getitem(x: Tensor, index: tuple[Any, ...]) -> Tensor:
    """Basic indexing: integers, slices, None, ..., and one integer tensor."""
    given = sum(1 for i in index if i is not None and i is not Ellipsis)
    if given > x.ndim:
        raise ShapeError(f"index: {given} indices for a tensor of {x.ndim} axes (line: {user_site()})")
    if Ellipsis not in [i for i in index if not isinstance(i, (Tensor, np.ndarray))]:
        index = (*index, Ellipsis)
    shape: list[Dim] = []
    axis = 0
    for item in index:
        if item is None:
            shape.append(1)
        elif item is Ellipsis:
            rest = x.ndim - given
            shape.extend(x.shape[axis : axis + rest])
            axis += rest
        elif isinstance(item, (bool, np.bool_)) or str(getattr(item, "dtype", "")) == "bool":
            raise TraceError(
                f"index: a mask picks a number of entries that is not known yet; use schuss.where (line: {user_site()})"
            )
        elif isinstance(item, (int, np.integer)):
            x = _pick(x, axis, int(item))
            axis += 1
        elif isinstance(item, slice):
            x = _cut(x, axis, item)
            shape.append(x.shape[axis])
            axis += 1
        elif len(index) <= 2 and axis == 0:
            return _taken(x, item)
        else:
            raise TraceError(
                f"index: {type(item).__name__} is not supported here; use schuss.take (line: {user_site()})"
            )
    return x if tuple(shape) == x.shape else ops.reshape(x, shape=tuple(shape))


def _taken(x: Tensor, index: Any) -> Tensor:
    try:
        taken: Tensor = ops.take(x, index, axis=0)
    except IndexRangeError as error:  # of an index that is no tensor
        raise IndexRangeError(f"{error} (line: {user_site()})") from None
    return taken


def _pick(x: Tensor, axis: int, i: int) -> Tensor:
    length = x.shape[axis]
    if not isinstance(length, Sym):
        if not -length <= i < length:
            raise IndexRangeError(f"index: {i} is out of range for axis {axis} of {x.type} (line: {user_site()})")
        i %= length
    return ops.slice_axis(x, axis=axis, start=i, stop=i + 1)


def _cut(x: Tensor, axis: int, item: slice) -> Tensor:
    length = x.shape[axis]
    if item == slice(None):
        return x
    if isinstance(length, Sym):
        mend = "take the rows before, as model(x[:1]), or weigh them: schuss.where(chosen, x, 0)"
        raise ShapeError(f"index: cannot slice the example axis of {x.type}; {mend} (line: {user_site()})")
    start, stop, step = item.indices(length)
    if step < 0:  # the same entries from the other end, turned
        taken = range(start, stop, step)[::-1]
        first, last = (taken.start, taken[-1] + 1) if taken else (0, 0)
        return ops.flip(ops.slice_axis(x, axis=axis, start=first, stop=last, step=-step), axis=axis)
    return ops.slice_axis(x, axis=axis, start=start, stop=max(start, stop), step=step)
