"""What PyTorch's users call on a tensor: its methods by their names there, clear errors for what a graph has not."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from schuss import ops
from schuss.errors import ShapeError, TraceError
from schuss.ir.types import DTYPES, symbols_in
from schuss.trace.build import refused_at
from schuss.trace.value import NO_NUMBERS, Value

Int = int  # in the class that name is a method
_REFUSED = {
    **dict.fromkeys(
        ("item", "tolist", "numpy", "cpu_"), f"there are no numbers while the graph is built; {NO_NUMBERS}"
    ),
    "backward": "gradients are functions: schuss.grad(f)(x), or schuss.fit",
    "grad": "gradients are functions: schuss.grad(f)(x), or schuss.fit",
    "cuda": "schuss computes on the CPU: leave it out",
    "size_average": 'use mean() or sum(), or reduction="mean" of a loss',
    "register_hook": "gradients are functions: schuss.grad(f)(x)",
}
_LOSSES = {
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "huber_loss": "HuberLoss",
    "smooth_l1_loss": "SmoothL1Loss",
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "linear": "Linear",
    "dropout": "Dropout",
    "layer_norm": "LayerNorm",
    "embedding": "Embedding",
}


class NoSuchMethod(TraceError, AttributeError):
    """Both, so that hasattr() works."""


def ours(name: str) -> str:
    """What to use in place of another library's function of this name."""
    if name in _LOSSES:
        return f"use schuss.nn.{_LOSSES[name]}"
    plain = name.rstrip("_")
    return f"use schuss.{plain}" if hasattr(ops, plain) else "use schuss's functions (schuss.exp, nn.MSELoss, ...)"


class TorchNames(Value):
    """Base of Tensor."""

    __slots__ = ()

    def size(self, dim: Int | None = None) -> Any:
        """The shape, or one length of it: a number, or a symbol, as N of the example axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> Int:
        """The number of axes."""
        return self.ndim

    def numel(self) -> Int:
        """The number of elements. ShapeError where a symbol, as the number of examples, is one of its factors."""
        if symbols := symbols_in(self.shape):
            at = self.shape.index(symbols[0])
            text = f"numel: the length of {symbols[0].axis} of {self.type} is not known"
            raise ShapeError(f"{text}; use mean() or x.shape[{at}] as a divisor{refused_at()}")
        return math.prod(self.shape)  # type: ignore[arg-type]  # no symbols

    def view(self, *shape: Any) -> Self:
        """reshape."""
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        result: Self = ops.reshape(self, shape=tuple(given))
        return result

    def permute(self, *axes: Any) -> Self:
        """transpose, of all axes."""
        given = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        result: Self = ops.transpose(self, axes=tuple(given))
        return result

    def t(self) -> Self:
        """The matrix transposed."""
        result: Self = ops.transpose(self, axes=None)
        return result

    def detach(self) -> Self:
        """stop_gradient."""
        result: Self = ops.stop_gradient(self)
        return result

    def contiguous(self) -> Any:
        """Itself, as clone() and cpu()."""
        return self

    clone = cpu = contiguous

    def to(self, target: Any, *_: Any, **__: Any) -> Self:
        """In another dtype, or that of another tensor; a device other than the CPU is refused."""
        dtype = str(getattr(target, "dtype", target)).removeprefix("torch.")
        if dtype.startswith("cpu"):
            return self
        if dtype not in DTYPES:
            try:
                dtype = str(np.dtype(target))
            except TypeError:
                known = ", ".join(DTYPES)
                raise TraceError(f"to({target!r}): schuss computes on the CPU, in {known}{refused_at()}") from None
        result: Self = ops.cast(self, dtype=dtype)
        return result

    type_as = to

    def float(self) -> Self:
        """As float32."""
        return self.to("float32")

    def double(self) -> Self:
        """As float64."""
        return self.to("float64")

    def int(self) -> Self:
        """As int32."""
        return self.to("int32")

    def long(self) -> Self:
        """As int64."""
        return self.to("int64")

    def bool(self) -> Self:
        """As bool."""
        return self.to("bool")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]:
            """schuss's functions as methods, as x.exp(); an error with its line and the mend for all else."""
            if name.startswith("_"):
                raise AttributeError(f"a tensor has no {name}")
            function = getattr(ops, name, None)
            if callable(function) and name not in _REFUSED:
                return functools.partial(function, self)
            mend = _REFUSED.get(name) or ("tensors do not change: y = y + x" if name.endswith("_") else ours(name))
            raise NoSuchMethod(f"a tensor has no {name}: {mend}{refused_at()}")

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> NoReturn:
        """torch's functions are refused, as numpy's are."""
        name = getattr(function, "__name__", "function")
        beside = any(type(a).__module__.partition(".")[0] == "torch" for a in args)
        plain = "give arrays beside it (t.detach().numpy()), no torch tensors"
        mend = plain if beside and name not in _LOSSES else ours(name)
        raise TraceError(f"torch.{name} of a traced tensor is not known while the graph is built; {mend}{refused_at()}")

    def __jax_array__(self) -> NoReturn:
        """jax's functions are refused."""
        raise TraceError(
            f"a jax function of a traced tensor is not known while the graph is built; {ours('jax')}{refused_at()}"
        )
