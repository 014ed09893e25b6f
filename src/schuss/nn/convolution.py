"""Convolutions and pooling as layers, with PyTorch's names, shapes and defaults; the formulas: schuss.ops.convolve."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from schuss import ops
from schuss.configured import plain
from schuss.constraints import Choice, Constraints, Whole
from schuss.errors import UsageError
from schuss.nn import init as initializers
from schuss.nn.layers import SIZE, Layer, kept, shape_error, to_float
from schuss.nn.parameter import Initializer, Parameter
from schuss.ops.convolve import Sizes, axes_of, each, padding_widths
from schuss.trace import Tensor, as_tensor

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class _Conv(Layer):
    """What convolutions along any number of axes share."""

    axes: ClassVar[int]
    constraints: ClassVar[Constraints] = {
        "in_channels": SIZE,
        "out_channels": SIZE,
        "groups": SIZE,
        "padding_mode": Choice(tuple(PADDING_MODES)),
    }

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: str = "float32",
        init: str | Initializer = "default",
    ) -> None:
        name = type(self).__name__
        self._check(in_channels=in_channels, out_channels=out_channels, groups=groups, padding_mode=padding_mode)
        if in_channels % groups or out_channels % groups:
            raise UsageError(
                f"{name}: {in_channels} input and {out_channels} output channels cannot both be divided into "
                f"{groups} groups"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = each(name, "kernel_size", kernel_size, self.axes)
        self.stride = each(name, "stride", stride, self.axes)
        self.dilation = each(name, "dilation", dilation, self.axes)
        self.padding = padding if isinstance(padding, str) else each(name, "padding", padding, self.axes, 0)
        self.padding_mode = padding_mode
        self._widths()
        self.weight = Parameter(
            (out_channels, in_channels // groups, *self.kernel_size), initializers.named(init), dtype
        )
        k = 1.0 / math.sqrt(in_channels // groups * math.prod(self.kernel_size))
        self.bias = Parameter(out_channels, initializers.Uniform(-k, k), dtype) if bias else None

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in (self.axes + 1, self.axes + 2) or x.shape[-self.axes - 1] != self.in_channels:
            channels = f"{self.in_channels} channel{'s' * (self.in_channels != 1)}"
            expected = f"{axes_of(self.axes)} with {channels}"
            raise shape_error(f"{self}: the input {x.type} must be {expected}", self._mend(x.shape))
        x = to_float(x, self.weight.dtype)
        padding: Sizes | str = self.padding
        if self.padding_mode != "zeros":
            beside = ((0, 0),) * (x.ndim - self.axes)
            x, padding = ops.pad(x, (*beside, *self._widths()), PADDING_MODES[self.padding_mode]), 0
        convolve = ops.conv1d if self.axes == 1 else ops.conv2d
        y: Tensor = convolve(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return y

    def _mend(self, shape: Any) -> str:
        """What to do about an input of this shape."""
        if len(shape) == self.axes + 1 and self.in_channels == 1:
            return "; give each example its axis of channels: x[:, None]"
        if len(shape) == self.axes + 2 and shape[-1] == self.in_channels:
            order = ", ".join(map(str, (0, self.axes + 1, *range(1, self.axes + 1))))
            return f"; channels come first: x.transpose({order})"
        if len(shape) == 2:
            return f"; give rows their axes: x.reshape(-1, {self.in_channels}, {axes_of(self.axes)[7:-1]})"
        return ""

    def _widths(self) -> list[tuple[int, int]]:
        """What is added to each axis. UsageError if the padding is none."""
        return padding_widths(type(self).__name__, self.padding, self.kernel_size, self.stride, self.dilation)

    def config(self) -> dict[str, Any]:
        sizes = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
        return {
            "type": type(self).__name__,
            **{name: plain(getattr(self, name)) for name in (*sizes, "padding_mode")},
            "bias": self.bias is not None,
            "dtype": self.weight.dtype,
            "init": initializers.config_of(self.weight.init),
        } | kept(self)

    def __repr__(self) -> str:
        usual = {"stride": (1,) * self.axes, "padding": (0,) * self.axes, "dilation": (1,) * self.axes, "groups": 1}
        given = [f"{self.in_channels}, {self.out_channels}, kernel_size={_short(self.kernel_size)}"]
        given += [f"{n}={_short(getattr(self, n))}" for n, value in usual.items() if getattr(self, n) != value]
        given += ["bias=False"] * (self.bias is None)
        return f"{type(self).__name__}({', '.join(given)})"


def _short(sizes: Any) -> str:
    """One number for axes that have the same."""
    same = isinstance(sizes, tuple) and len(set(sizes)) == 1
    return repr(sizes[0] if same else sizes)


class Conv2d(_Conv):
    """ops.conv2d with a weight [out_channels, in_channels / groups, *kernel_size] and a bias [out_channels].

    x [N, in_channels, H, W]; y [N, out_channels, places, places]. A number stands for both axes. Both parameters start
    uniform on (-k, k), k = 1/sqrt(numbers a sum has); `init` (an initializer of schuss.nn.init or its name) changes
    that for the weight. padding: numbers, "same" or "valid"; padding_mode: "zeros", "reflect", "replicate" or
    "circular". UsageError for sizes below 1; ShapeError if x has other channels, or is smaller than the kernel.
    Source: LeCun et al., Gradient-based learning applied to document recognition (1998).
    """

    axes = 2


class Conv1d(_Conv):
    """Conv2d along one axis: x [N, in_channels, L], y [N, out_channels, places]."""

    axes = 1


class _Pool(Layer):
    """A pool: a function of schuss.ops by the layer's settings."""

    axes: ClassVar[int]
    function: ClassVar[str]

    def forward(self, x: Any) -> Tensor:
        x = as_tensor(x)
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise shape_error(f"{self}: the input {x.type} must be {axes_of(self.axes)}")
        y: Tensor = getattr(ops, self.function)(x, **{name: getattr(self, name) for name in self.settings})
        return y

    def _set(self, **sizes: Any) -> None:
        """The settings, as one number or one for each axis."""
        for name, given in sizes.items():
            least = 0 if name == "padding" else 1
            each(type(self).__name__, name, given, self.axes, least)
            setattr(self, name, tuple(given) if isinstance(given, list) else given)


class _MaxPool(_Pool):
    settings = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
    ) -> None:
        step = kernel_size if stride is None else stride
        self._set(kernel_size=kernel_size, stride=step, padding=padding, dilation=dilation)
        self.ceil_mode = ceil_mode


class MaxPool2d(_MaxPool):
    """The largest entry of each window of the last two axes: ops.max_pool2d. The first of equal ones has the gradient.

    x [N, C, H, W], y [N, C, places, places]. stride None is kernel_size. UsageError for sizes below 1.
    """

    axes, function = 2, "max_pool2d"


class MaxPool1d(_MaxPool):
    """MaxPool2d along the last axis alone: x [N, C, L]."""

    axes, function = 1, "max_pool1d"


class AvgPool2d(_Pool):
    """The mean of each window of the last two axes: ops.avg_pool2d, which tells of the settings.

    x [N, C, H, W], y [N, C, places, places]. stride None is kernel_size. UsageError for sizes below 1.
    """

    axes, function = 2, "avg_pool2d"
    settings = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
    constraints: ClassVar[Constraints] = {"divisor_override": Whole(or_none=True)}

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self._set(kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self._check(divisor_override=divisor_override)
        self.divisor_override = divisor_override


class AvgPool1d(_Pool):
    """AvgPool2d along the last axis alone: x [N, C, L]."""

    axes, function = 1, "avg_pool1d"
    settings = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._set(kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad


class _Adaptive(_Pool):
    settings = ("output_size",)
    constraints: ClassVar[Constraints] = {"output_size": Whole(or_none=True)}

    def __init__(self, output_size: Any) -> None:
        for size in output_size if isinstance(output_size, (tuple, list)) else (output_size,):
            self._check(output_size=size)
        self.output_size = tuple(output_size) if isinstance(output_size, list) else output_size


class AdaptiveAvgPool2d(_Adaptive):
    """The last two axes cut into so many parts, the mean of each: ops.adaptive_avg_pool2d; 1 is the mean of all."""

    axes, function = 2, "adaptive_avg_pool2d"


class AdaptiveAvgPool1d(_Adaptive):
    """AdaptiveAvgPool2d along the last axis alone: x [N, C, L]."""

    axes, function = 1, "adaptive_avg_pool1d"
