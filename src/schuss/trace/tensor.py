"""The Tensor a user's function sees while it is traced: a node with operators and methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from schuss import ops
from schuss.errors import ShapeError
from schuss.ir.types import Dim
from schuss.ops.registry import Op
from schuss.trace.build import apply, constant, node_of, user_site
from schuss.trace.indexing import indexed
from schuss.trace.operators import Operators
from schuss.trace.torch_names import TorchNames


class Tensor(Operators, TorchNames):
    """A value in a graph under construction. It has a dtype and a shape but no numbers yet.

    Operators and methods are those of numpy and PyTorch; each makes one node. A length may be a symbol
    (schuss.ir.Sym): N is that of the example axis of data given to fit and predict.
    """

    __slots__ = ()

    @staticmethod
    def __schuss_op__(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Tensor:
        return Tensor(apply(op, args, attrs))

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __matmul__(self, other: Any) -> Self:
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return _matmul(other, self)

    def sum(self, *options: Any, **named: Any) -> Self:
        return ops.sum(self, *options, **named)

    def mean(self, *options: Any, **named: Any) -> Self:
        return ops.mean(self, *options, **named)

    def max(self, *options: Any, **named: Any) -> Self:
        return ops.max(self, *options, **named)

    def min(self, *options: Any, **named: Any) -> Self:
        return ops.min(self, *options, **named)

    def argmin(self, *options: Any, **named: Any) -> Self:
        return ops.argmin(self, *options, **named)

    def argmax(self, *options: Any, **named: Any) -> Self:
        return ops.argmax(self, *options, **named)

    def var(self, *options: Any, **named: Any) -> Self:
        return ops.var(self, *options, **named)

    def std(self, *options: Any, **named: Any) -> Self:
        return ops.std(self, *options, **named)

    def prod(self, *options: Any, **named: Any) -> Self:
        return ops.prod(self, *options, **named)

    def norm(self, *options: Any, **named: Any) -> Self:
        return ops.norm(self, *options, **named)

    def cumsum(self, *options: Any, **named: Any) -> Self:
        return ops.cumsum(self, *options, **named)

    def clip(self, *options: Any, **named: Any) -> Self:
        return ops.clip(self, *options, **named)

    def reshape(self, *shape: Any) -> Self:
        dims = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return ops.reshape(self, shape=tuple(dims))

    def flatten(self, start_dim: int = 0) -> Self:
        """Axes from start_dim on joined into one."""
        return ops.reshape(self, shape=(*self.shape[:start_dim], -1))

    def squeeze(self, *options: Any, **named: Any) -> Self:
        return ops.squeeze(self, *options, **named)

    def unsqueeze(self, *options: Any, **named: Any) -> Self:
        return ops.unsqueeze(self, *options, **named)

    def swapaxes(self, *options: Any, **named: Any) -> Self:
        return ops.swapaxes(self, *options, **named)

    def tile(self, *options: Any, **named: Any) -> Self:
        return ops.tile(self, *options, **named)

    def take(self, *options: Any, **named: Any) -> Self:
        return ops.take(self, *options, **named)

    def argsort(self, *options: Any, **named: Any) -> Self:
        return ops.argsort(self, *options, **named)

    def sort(self, *options: Any, **named: Any) -> Self:
        return ops.sort(self, *options, **named)

    def topk(self, *options: Any, **named: Any) -> tuple[Self, Self]:
        return ops.topk(self, *options, **named)

    def repeat(self, repeats: Any, *, axis: int | None = None, **named: Any) -> Self:
        """schuss.repeat along an axis that is named: PyTorch's method of this name is tile."""
        if axis is None and "dim" not in named:
            raise ShapeError(
                "repeat: name the axis: x.repeat(2, axis=0) repeats each entry as numpy does; "
                f"PyTorch's x.repeat is x.tile (line: {user_site()})"
            )
        return ops.repeat(self, repeats, **(named if axis is None else {"axis": axis, **named}))

    def transpose(self, *axes: Any) -> Self:
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
    def T(self) -> Self:
        return ops.transpose(self, axes=None)

    @property
    def mT(self) -> Self:
        return ops.swap_last(self)

    def broadcast_to(self, shape: Sequence[Dim]) -> Self:
        return ops.broadcast_to(self, shape=tuple(shape))

    def astype(self, dtype: Any) -> Self:
        return ops.cast(self, dtype=str(np.dtype(dtype)))

    def __getitem__(self, index: Any) -> Self:
        return indexed(self, index if isinstance(index, tuple) else (index,))


def as_tensor(value: Any, dtype: str | None = None) -> Tensor:
    """A tensor for a traced value, a number or an array (which becomes a constant)."""
    if isinstance(value, Tensor):
        return value
    node = node_of(value)
    return Tensor(node if node is not None else constant(value, dtype))


def _matmul(x: Any, y: Any) -> Any:
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
