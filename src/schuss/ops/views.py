"""Ops that move elements and compute nothing: reshape, transpose, broadcast, concatenate, slice, pad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.structure import Access, Along, Part, Structure, ViewMap
from schuss.ir.types import FLOATS, Dim, Shape, Sym, TensorType, static_size, symbols_in
from schuss.ops.infer import broadcast_shapes, normalize_axis, settle_axis, settle_shape, show
from schuss.ops.registry import Kind, Promote, op

VIEW = Kind.VIEW


def resolve_reshape(name: str, old: Shape, new: Sequence[Dim]) -> Shape:
    """The new shape with -1 worked out. ShapeError if the numbers of elements differ, or a symbol is not kept."""
    dims = list(new)
    if dims.count(-1) > 1:
        raise ShapeError(f"{name}: more than one -1 in {show(tuple(dims))}")
    if -1 in dims:
        dims[dims.index(-1)] = _left_over(old, tuple(d for d in dims if d != -1))
    result = tuple(dims)
    if any(not isinstance(d, Sym) and d < 0 for d in result):
        raise ShapeError(f"{name}: a length must be 0 or more, or once -1, got {show(tuple(new))}")
    kept, known = symbols_in(old), symbols_in(result)
    if static_size(old) != static_size(result) or Counter(kept) != Counter(known):
        mend = f"; {_must(kept)} stay an axis of its own" if kept else ""
        raise ShapeError(f"{name}: {show(old)} has not as many elements as {show(tuple(new))}{mend}")
    if _between_symbols(old) != _between_symbols(result):
        raise ShapeError(f"{name}: {_must(kept)} stay where it is, got {show(old)} to {show(result)}")
    return result


def _must(symbols: Sequence[Sym]) -> str:
    """the example axis N and the symbolic axis T must each"""
    axes = [s.axis for s in dict.fromkeys(symbols)]
    return " and ".join(axes) + " must" + " each" * (len(axes) > 1)


def _left_over(old: Shape, rest: Shape) -> Dim:
    """What -1 stands for: the one symbol that is missing, or a number."""
    size = static_size(rest)
    missing, left = divmod(static_size(old), size) if size else (0, 0)
    symbols = Counter(symbols_in(old)) - Counter(symbols_in(rest))
    return next(iter(symbols)) if symbols.total() == 1 and missing == 1 and not left else missing


def _between_symbols(shape: Shape) -> list[Dim]:
    """The symbols, and the numbers of elements before, between and after them: a reshape may carry none past one."""
    found, size = list[Dim](), 1
    for d in shape:
        if isinstance(d, Sym):
            found += [size, d]
            size = 1
        else:
            size *= d
    return [*found, size]


def _reshape_type(name: str, x: TensorType, *, shape: Sequence[Dim]) -> TensorType:
    return TensorType(x.dtype, resolve_reshape(name, x.shape, shape))


@op(
    "reshape",
    kind=VIEW,
    view=lambda y, x, **_: ViewMap(None),
    infer=_reshape_type,
    settle=lambda name, x, *, shape: {"shape": resolve_reshape(name, x.shape, shape)},
    grad=lambda g, y, x, shape: (reshape(g, shape=x.shape),),
    rule={"x": "g in the shape of x"},
)
def reshape(x: Any, *, shape: Sequence[Dim]) -> Any:
    """The same elements in row-major order in another shape; one axis may be -1"""
    return np.reshape(x, tuple(shape))


def _transpose_type(name: str, x: TensorType, *, axes: Sequence[int] | None) -> TensorType:
    order = tuple(axes) if axes is not None else tuple(reversed(range(x.rank)))
    if sorted(order) != list(range(x.rank)):
        raise ShapeError(f"{name}: axes {order} are no order of the {x.rank} axes of {x}")
    return TensorType(x.dtype, tuple(x.shape[a] for a in order))


def _settle_transpose(name: str, x: TensorType, *, axes: Sequence[int] | None) -> dict[str, Any]:
    order = range(x.rank)[::-1] if axes is None else [normalize_axis(name, a, x.rank) for a in axes]
    return {"axes": tuple(order)}


def _transpose_grad(g: Any, y: Any, x: Any, axes: Sequence[int]) -> tuple[Any]:
    return (transpose(g, axes=tuple(int(i) for i in np.argsort(axes))),)


def _transpose_view(y: TensorType, x: TensorType, *, axes: Sequence[int]) -> ViewMap:
    return ViewMap(tuple(Along(((tuple(axes).index(a), 1),)) for a in range(x.rank)))


@op(
    "transpose",
    kind=VIEW,
    view=_transpose_view,
    infer=_transpose_type,
    settle=_settle_transpose,
    grad=_transpose_grad,
    rule={"x": "g with the axes put back"},
)
def transpose(x: Any, *, axes: Sequence[int] | None = None) -> Any:
    """Axes in another order; None reverses them"""
    return np.transpose(x, axes)


def _broadcast_type(name: str, x: TensorType, *, shape: Sequence[Dim]) -> TensorType:
    target = tuple(shape)
    if broadcast_shapes(name, [x.shape, target]) != target:
        raise ShapeError(f"{name}: {x} does not broadcast to {show(target)}")
    return TensorType(x.dtype, target)


def _broadcast_view(y: TensorType, x: TensorType, **_: Any) -> ViewMap:
    along = (Along(((a, 1),)) if d == y.shape[a] else Along() for a, d in enumerate(x.shape, y.rank - x.rank))
    return ViewMap(tuple(along))


@op(
    "broadcast_to",
    kind=VIEW,
    view=_broadcast_view,
    infer=_broadcast_type,
    settle=settle_shape,
    grad=lambda g, y, x, shape: (g,),  # the engine sums over the stretched axes
    rule={"x": "g summed over the stretched axes"},
)
def broadcast_to(x: Any, *, shape: Sequence[Dim]) -> Any:
    """x repeated along axes of length 1 and new leading axes"""
    return np.broadcast_to(x, tuple(shape))  # type: ignore[arg-type]  # symbols are bound by now


def _concatenate_type(name: str, *xs: TensorType, axis: int) -> TensorType:
    if not xs:
        raise ShapeError(f"{name}: nothing to join")
    at = normalize_axis(name, axis, xs[0].rank)
    total = 0
    for x in xs:
        if x.dtype != xs[0].dtype:
            raise DTypeError(f"{name}: dtypes {xs[0]} and {x} differ")
        others = [d for i, d in enumerate(x.shape) if i != at]
        if x.rank != xs[0].rank or others != [d for i, d in enumerate(xs[0].shape) if i != at]:
            raise ShapeError(f"{name}: {xs[0]} and {x} differ beside axis {at}")
        length = x.shape[at]
        if isinstance(length, Sym):
            raise ShapeError(f"{name}: cannot join along {length.axis} of {x}")
        total += length
    return TensorType(xs[0].dtype, tuple(total if i == at else d for i, d in enumerate(xs[0].shape)))


def _concatenate_grad(g: Any, y: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    pieces, start = [], 0
    for x in xs:
        stop = start + x.shape[axis]
        pieces.append(slice_axis(g, axis=axis, start=start, stop=stop, step=1))
        start = stop
    return tuple(pieces)


def _concatenate_structure(y: TensorType, *xs: TensorType, axis: int) -> Structure:
    reads, start = [], 0
    for x in xs:
        reads.append(Access(tuple(range(x.rank)), part=Part(axis, start)))
        start += static_size(x.shape[axis : axis + 1])
    return Structure(y.shape, tuple(reads))


@op(
    "concatenate",
    kind=VIEW,
    structure=_concatenate_structure,
    infer=_concatenate_type,
    settle=settle_axis,
    grad=_concatenate_grad,
    promote=Promote.SAME,
    rule={"xs": "its part of g"},
)
def join(*xs: Any, axis: int = 0) -> Any:
    """concatenate, as a node"""
    return np.concatenate(xs, axis=axis)


def _slice_type(name: str, x: TensorType, *, axis: int, start: int, stop: int, step: int) -> TensorType:
    at = normalize_axis(name, axis, x.rank)
    length = x.shape[at]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: cannot slice {length.axis} of {x}")
    if step < 1 or not 0 <= start <= stop <= length:
        raise ShapeError(f"{name}: {start}:{stop}:{step} is out of range for axis {at} of {x}")
    return TensorType(x.dtype, tuple(-(-(stop - start) // step) if i == at else d for i, d in enumerate(x.shape)))


def _slice_grad(g: Any, y: Any, x: Any, axis: int, start: int, stop: int, step: int) -> tuple[Any]:
    at = axis % len(x.shape)
    taken = y.shape[at]
    end = start + (taken - 1) * step + 1 if taken else start
    return (pad_axis(g, axis=at, before=start, after=x.shape[at] - end, between=step - 1, value=0.0),)


def _slice_view(y: TensorType, x: TensorType, *, axis: int, start: int, stop: int, step: int) -> ViewMap:
    return ViewMap(tuple(Along(((a, step),), start) if a == axis else Along(((a, 1),)) for a in range(x.rank)))


@op(
    "slice",
    kind=VIEW,
    view=_slice_view,
    infer=_slice_type,
    settle=settle_axis,
    grad=_slice_grad,
    rule={"x": "g padded with zeros"},
)
def slice_axis(x: Any, *, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """x[start:stop:step] along one axis, step >= 1, bounds within the axis"""
    index = [slice(None)] * np.ndim(x)
    index[axis] = slice(start, stop, step)
    return np.asarray(x)[tuple(index)]


def _reverse_type(name: str, x: TensorType, *, axis: int) -> TensorType:
    at = normalize_axis(name, axis, x.rank)
    length = x.shape[at]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: cannot turn round {length.axis} of {x}")
    return x


def _reverse_view(y: TensorType, x: TensorType, *, axis: int) -> ViewMap:
    last = max(static_size(x.shape[axis : axis + 1]) - 1, 0)
    return ViewMap(tuple(Along(((a, -1),), last) if a == axis else Along(((a, 1),)) for a in range(x.rank)))


@op(
    "reverse",
    kind=VIEW,
    view=_reverse_view,
    infer=_reverse_type,
    settle=settle_axis,
    grad=lambda g, y, x, axis: (reverse(g, axis=axis),),
    rule={"x": "g with its entries in reverse order"},
)
def reverse(x: Any, *, axis: int) -> Any:
    """flip of one axis, as a node: x with its entries in reverse order along one axis"""
    return np.flip(x, axis)


def _pad_type(
    name: str, x: TensorType, *, axis: int, before: int, after: int, between: int, value: float
) -> TensorType:
    at = normalize_axis(name, axis, x.rank)
    length = x.shape[at]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: cannot pad {length.axis} of {x}")
    if before < 0 or after < 0 or between < 0:
        raise ShapeError(f"{name}: negative padding {before}, {after}, {between} of {x}")
    if not _holds(x.dtype, value):
        raise DTypeError(f"{name}: the value {value!r} is none of {x}; cast it first")
    padded = before + after + length + between * (length - 1 if length else 0)
    return TensorType(x.dtype, tuple(padded if i == at else d for i, d in enumerate(x.shape)))


def _holds(dtype: str, value: float) -> bool:
    """Whether a dtype has the number: whole numbers in its range for integers, 0 and 1 for bool."""
    if dtype in FLOATS:
        return True
    low, high = (0, 1) if dtype == "bool" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    return bool(np.isfinite(value)) and int(value) == value and low <= int(value) <= high


def _pad_grad(g: Any, y: Any, x: Any, axis: int, before: int, after: int, between: int, value: float) -> tuple[Any]:
    at = axis % len(x.shape)
    length = x.shape[at]
    stop = before + (length - 1) * (between + 1) + 1 if length else before
    return (slice_axis(g, axis=at, start=before, stop=stop, step=between + 1),)


def _pad_structure(
    y: TensorType, x: TensorType, *, axis: int, before: int, after: int, between: int, value: float
) -> Structure:
    part = Part(axis, before, between + 1)
    return Structure(y.shape, (Access(tuple(range(x.rank)), part=part),), outside=value)


@op(
    "pad",
    kind=VIEW,
    structure=_pad_structure,
    infer=_pad_type,
    settle=settle_axis,
    grad=_pad_grad,
    rule={"x": "g without the padding"},
)
def pad_axis(x: Any, *, axis: int, before: int = 0, after: int = 0, between: int = 0, value: float = 0.0) -> Any:
    """pad of one axis, as a node: x with `value` before, after and between its elements along one axis"""
    x = np.asarray(x)
    shape = list(x.shape)
    at = axis % x.ndim
    length = shape[at]
    stretched = length + between * (length - 1 if length else 0)
    shape[at] = before + stretched + after
    result = np.full(shape, value, x.dtype)
    index = [slice(None)] * x.ndim
    index[at] = slice(before, before + stretched, between + 1)
    result[tuple(index)] = x
    return result
