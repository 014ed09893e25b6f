"""Convolutions and pooling: composites of padding, windows, sums of products and folds; axes are PyTorch's.

Each spatial axis becomes two, places and entries of a window (schuss.ops.window), which is a view. A convolution
contracts the entries and the channels with the weight, in the order rows, columns, channels; a pool folds the entries
of one axis after the other, from the last on. Gradients come from the chain rule alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import ShapeError, UsageError
from schuss.ir.types import FLOATS, Dim, Sym, symbols_in
from schuss.ops import reduce, views
from schuss.ops.arrays import expand_dims, squeeze
from schuss.ops.contract import dot_general
from schuss.ops.conversion import cast
from schuss.ops.infer import show
from schuss.ops.registry import value_of
from schuss.ops.views import reshape, transpose
from schuss.ops.window import span, window

Sizes = int | Sequence[int]
Widths = list[tuple[int, int]]  # what is added before and after each axis


def axes_of(axes: int) -> str:
    """The order in which the axes of x lie, for people."""
    return "[N, C, L]" if axes == 1 else "[N, C, H, W]"


def each(name: str, what: str, given: Any, axes: int, least: int = 1) -> tuple[int, ...]:
    """One number for all axes, or one for each. UsageError for anything else, and for a number below `least`."""
    numbers = (given,) * axes if isinstance(given, (int, np.integer)) else given
    whole = isinstance(numbers, (tuple, list)) and len(numbers) == axes
    if not whole or not all(isinstance(n, (int, np.integer)) and type(n) is not bool and n >= least for n in numbers):
        many = f" or {axes} of them" if axes > 1 else ""
        raise UsageError(f"{name}: {what} must be a whole number of at least {least}{many}, got {given!r}")
    return tuple(int(n) for n in numbers)


def padding_widths(
    name: str, padding: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Widths:
    """What a convolution's `padding` adds to each axis: numbers, "valid": none, "same": as many places as entries."""
    if padding == "valid":
        return [(0, 0)] * len(size)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise UsageError(f"{name}: padding='same' needs stride 1, as PyTorch's does; give the padding in numbers")
        more = [span(k, d) - 1 for k, d in zip(size, dilation, strict=True)]
        return [(m // 2, m - m // 2) for m in more]
    if isinstance(padding, str):
        raise UsageError(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}")
    return [(p, p) for p in each(name, "padding", padding, len(size), 0)]


def _floating(x: Any, dtype: str) -> Any:
    x = value_of(x)
    return x if str(x.dtype) in FLOATS else cast(x, dtype=dtype)


def _padded(x: Any, axis: int, before: int, after: int, value: float = 0.0) -> Any:
    return views.pad_axis(x, axis=axis, before=before, after=after, value=value) if before or after else x


# -- convolutions ---------------------------------------------------------------------------------


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """conv2d along one axis: x [N, C, L], weight [O, C / groups, K], y [N, O, places]."""
    return _convolved("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """y[n, o, i, j] = bias[o] + the sum over c, h, w of weight[o, c, h, w] * x[n, c, i * stride + h * dilation, ...].

    x [N, C, H, W], or [C, H, W] for one example; weight [O, C / groups, KH, KW]; y [N, O, places, places]
    padding  zeros at both ends of H and W, or "same" (places as many as entries; stride 1), or "valid" (none)
    groups   output channels in so many parts see as many parts of the input's
    A number stands for both axes. ShapeError for channels that do not fit, and a kernel longer than the padded axis.
    """
    return _convolved("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def _convolved(
    name: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    weight = value_of(weight)
    x = _floating(x, str(weight.dtype))
    _check_shapes(name, axes, x, weight, groups)
    if len(x.shape) == axes + 1:
        whole = _convolved(name, axes, expand_dims(x, 0), weight, bias, stride, padding, dilation, groups)
        return squeeze(whole, axis=0)
    size = tuple(int(k) for k in weight.shape[2:])
    stride, dilation = each(name, "stride", stride, axes), each(name, "dilation", dilation, axes)
    widths = padding_widths(name, padding, size, stride, dilation)
    x = _in_groups(x, 1, groups)
    weight = _in_groups(weight, 0, groups)
    first = 2 + (groups > 1)
    for at in range(axes):
        x = _reaching(name, x, first + at, (size[at], stride[at], dilation[at]), *widths[at])
    for at in reversed(range(axes)):
        x = window(x, axis=first + at, size=size[at], stride=stride[at], dilation=dilation[at])
    return _contracted(x, weight, bias, axes, groups)


def _check_shapes(name: str, axes: int, x: Any, weight: Any, groups: int) -> None:
    each(name, "groups", groups, 1)
    if len(weight.shape) != axes + 2:
        raise ShapeError(f"{name}: the weight must have {axes + 2} axes, got {show(weight.shape)}")
    alone = len(x.shape) == axes + 1 and not isinstance(x.shape[0], Sym)
    if len(x.shape) != axes + 2 and not alone:
        mend = "; give each example its axis of channels: x[:, None]" if len(x.shape) == axes + 1 else ""
        raise ShapeError(f"{name}: x must be {axes_of(axes)}, got {show(x.shape)}{mend}")
    if symbols := symbols_in(x.shape[-axes:]):
        raise ShapeError(f"{name}: no window slides along {symbols[0].axis} of {show(x.shape)}")
    channels = x.shape[0 if alone else 1]
    if channels != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: x {show(x.shape)} has {channels} channels, the weight {show(weight.shape)} in {groups} "
            f"group{'s' * (groups != 1)} takes {weight.shape[1] * groups}"
        )
    if weight.shape[0] % groups:
        raise ShapeError(f"{name}: {weight.shape[0]} output channels cannot be divided into {groups} groups")


def _in_groups(x: Any, axis: int, groups: int) -> Any:
    """The axis as two, groups and what is in each; as it is for one group."""
    if groups == 1:
        return x
    return reshape(x, shape=(*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :]))


def _reaching(name: str, x: Any, axis: int, kernel: tuple[int, int, int], before: int, after: int) -> Any:
    """x padded along an axis, behind it by no more than the last window needs."""
    size, stride, dilation = kernel
    length, reached = int(x.shape[axis]) + before, span(size, dilation)
    if reached > length + after:
        raise ShapeError(
            f"{name}: a kernel over {reached} entries is longer than axis {axis} of {show(x.shape)}, "
            f"which padding makes {length + after} long"
        )
    last = (length + after - reached) // stride * stride + reached
    return _padded(x, axis, before, max(last - length, 0))


def _contracted(x: Any, weight: Any, bias: Any, axes: int, groups: int) -> Any:
    """Windows [N, (g,) C, places, entries, ...] times weight [(g,) O, C, entries ...]: [N, O, places ...]."""
    more = int(groups > 1)
    entries = tuple(3 + more + 2 * a for a in range(axes))
    contract = ((*entries, 1 + more), (*(2 + more + a for a in range(axes)), 1 + more))
    y = dot_general(x, weight, contract=contract, batch=((1,), (0,)) if more else ((), ()))
    last = len(y.shape) - 1
    if bias is not None:  # here the channels are still the last axis
        y = y + (reshape(value_of(bias), shape=(groups, *[1] * (axes + 1), -1)) if more else value_of(bias))
    if not more:
        return transpose(y, axes=(0, last, *range(1, last)))
    y = transpose(y, axes=(1, 0, last, *range(2, last)))
    return reshape(y, shape=(y.shape[0], y.shape[1] * y.shape[2], *y.shape[3:]))


# -- pooling --------------------------------------------------------------------------------------


def max_pool1d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """max_pool2d along the last axis alone."""
    return _max_pooled("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest entry of each window of the last two axes; NaN if one is NaN.

    stride     None is kernel_size
    padding    at both ends, of -inf; at most half of the window
    ceil_mode  windows that begin inside and end behind the axis count, too
    The first of equal entries has the gradient, as in PyTorch and jax.
    """
    return _max_pooled("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """avg_pool2d along the last axis alone."""
    return _avg_pooled("avg_pool1d", 1, x, (kernel_size, stride, padding), ceil_mode, count_include_pad, None)


def avg_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of the last two axes.

    stride             None is kernel_size
    padding            zeros at both ends, at most half of the window; they are counted unless count_include_pad=False
    ceil_mode          windows that begin inside and end behind the axis count, too; what lies behind is not counted
    divisor_override   what the sums are divided by instead
    """
    sizes = (kernel_size, stride, padding)
    return _avg_pooled("avg_pool2d", 2, x, sizes, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """adaptive_avg_pool2d along the last axis alone."""
    return _adaptive("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """The last two axes cut into output_size parts each, which overlap where they cannot be equal; the mean of each.

    Part i of an axis of L entries goes from floor(i L / parts) to ceil((i + 1) L / parts). None leaves an axis as is.
    """
    return _adaptive("adaptive_avg_pool2d", 2, x, output_size)


class _Pool:
    """One axis of a pool: where its windows lie."""

    def __init__(self, length: int, size: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> None:
        self.length, self.size, self.stride, self.padding, self.dilation = length, size, stride, padding, dilation
        spare = length + 2 * padding - span(size, dilation) + (stride - 1) * ceil_mode
        places = spare // stride + 1
        if ceil_mode and (places - 1) * stride >= length + padding:
            places -= 1  # the last would lie in the padding alone
        self.places = places
        self.end = (places - 1) * stride + span(size, dilation) - padding  # of the last window

    def of(self, x: Any, axis: int, filling: float) -> Any:
        """x with the axis as places and entries."""
        x = _padded(x, axis, self.padding, max(self.end - self.length, 0), filling)
        return window(x, axis=axis, size=self.size, stride=self.stride, dilation=self.dilation)

    def counts(self, padded: bool) -> Any:
        """How many entries of each window lie inside the axis, or inside its padding."""
        first = np.arange(self.places) * self.stride - self.padding
        end = np.minimum(first + self.size, self.length + self.padding * padded)
        return end - (first if padded else np.maximum(first, 0))


def _pools(
    name: str, axes: int, x: Any, sizes: tuple[Any, Any, Any], dilation: Any, ceil_mode: bool
) -> list[tuple[int, _Pool]]:
    """(axis, pool) of each pooled axis, the last one first."""
    kernel_size, stride, padding = sizes
    size = each(name, "kernel_size", kernel_size, axes)
    step = size if stride is None else each(name, "stride", stride, axes)
    rim, apart = each(name, "padding", padding, axes, 0), each(name, "dilation", dilation, axes)
    if len(x.shape) <= axes or symbols_in(x.shape[-axes:]):
        raise ShapeError(f"{name}: x must be {axes_of(axes)}, got {show(x.shape)}")
    found = []
    for at in reversed(range(axes)):
        axis, reached = len(x.shape) - axes + at, span(size[at], apart[at])
        if 2 * rim[at] > reached:
            raise UsageError(f"{name}: padding {rim[at]} is more than half of a window over {reached} entries")
        if x.shape[axis] + 2 * rim[at] < reached:
            raise ShapeError(f"{name}: a window over {reached} entries is longer than axis {axis} of {show(x.shape)}")
        found.append((axis, _Pool(int(x.shape[axis]), size[at], step[at], rim[at], apart[at], bool(ceil_mode))))
    return found


def _max_pooled(
    name: str, axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Any:
    x = _floating(x, "float32")
    for axis, pool in _pools(name, axes, x, (kernel_size, stride, padding), dilation, ceil_mode):
        x = reduce.max(pool.of(x, axis, -math.inf), axis=axis + 1, ties="first")
    return x


def _avg_pooled(
    name: str, axes: int, x: Any, sizes: tuple[Any, Any, Any], ceil_mode: bool, padded: bool, divisor: int | None
) -> Any:
    if divisor is not None:
        each(name, "divisor_override", divisor, 1)
    x = _floating(x, "float32")
    counts: Any = 1
    for axis, pool in _pools(name, axes, x, sizes, 1, ceil_mode):
        counts = counts * pool.counts(padded).reshape(-1, *[1] * (len(x.shape) - 1 - axis))
        x = reduce.sum(pool.of(x, axis, 0.0), axis=axis + 1)
    counts = np.asarray(counts if divisor is None else divisor)
    return x / (float(counts.flat[0]) if (counts == counts.flat[0]).all() else counts.astype(str(x.dtype)))


def _adaptive(name: str, axes: int, x: Any, output_size: Any) -> Any:
    x = _floating(x, "float32")
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(x.shape) <= axes or symbols_in(x.shape[-axes:]) or len(given) != axes:
        raise ShapeError(f"{name}: x {show(x.shape)} has no {axes} axes for output_size={output_size!r}")
    for at in reversed(range(axes)):
        axis = len(x.shape) - axes + at
        if given[at] is not None:
            x = _parts_averaged(x, axis, each(name, "output_size", given[at], 1)[0])
    return x


def _parts_averaged(x: Any, axis: int, parts: int) -> Any:
    length: Dim = x.shape[axis]
    assert not isinstance(length, Sym)
    if length % parts == 0:
        cut = reshape(x, shape=(*x.shape[:axis], parts, length // parts, *x.shape[axis + 1 :]))
        return reduce.mean(cut, axis=axis + 1)
    share = np.zeros((length, parts), str(x.dtype))
    for part in range(parts):
        first, end = part * length // parts, -(-(part + 1) * length // parts)
        share[first:end, part] = 1.0 / (end - first)
    y = dot_general(x, share, contract=((axis,), (0,)))
    last = len(x.shape) - 1
    return transpose(y, axes=(*range(axis), last, *range(axis, last)))
