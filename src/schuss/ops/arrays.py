"""numpy's functions of arrays, made of the primitives. Options have numpy's names; `dim` and `keepdim` will do too.

What would need to know a length that is a symbol, as N (to flatten, sort or multiply up its axis), is a ShapeError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import ShapeError, UsageError
from schuss.ir.types import FLOATS, INTEGERS, Dim, Sym, symbols_in
from schuss.ops import arithmetic, comparison, conversion, reduce, views
from schuss.ops.contract import matmul
from schuss.ops.filled import ones_like
from schuss.ops.index import take
from schuss.ops.infer import normalize_axes, normalize_axis, show
from schuss.ops.reduce import Axis
from schuss.ops.registry import also, value_of
from schuss.ops.views import broadcast_to, reshape, slice_axis, transpose

MODES = ("edge", "reflect", "symmetric", "wrap")  # of pad, beside "constant"


def flat(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """(x, axis), or without an axis x as a vector, and its axis, as numpy does."""
    x = value_of(x)
    if axis is not None:
        return x, normalize_axis(name, axis, len(x.shape))
    if len(x.shape) != 1 and (symbols := symbols_in(x.shape)):
        mend = "name the axis (axis=-1)"
        raise ShapeError(f"{name}: {mend}; {show(x.shape)} cannot be flattened over {symbols[0].axis}")
    return (x if len(x.shape) == 1 else reshape(x, shape=(-1,))), 0


def length_of(name: str, x: Any, axis: int) -> int:
    length = x.shape[axis]
    if isinstance(length, Sym):
        raise ShapeError(f"{name}: {length.axis} of {show(x.shape)} has no known length")
    return int(length)


# -- joining and padding ----------------------------------------------------------------------------


@also()
def concatenate(xs: Any, *more: Any, axis: int | None = 0) -> Any:
    """The tensors of a list joined along an axis; with axis None, flattened and joined.

    Several tensors instead of a list will do, the axis then by its name. ShapeError if they differ beside the axis.
    """
    if isinstance(xs, (list, tuple)):
        if len(more) > 1:
            raise ShapeError(f"concatenate: takes a list of tensors and an axis, got {1 + len(more)} arguments")
        parts, axis = list(xs), (more[0] if more else axis)
    elif not more or isinstance(more[-1], int):
        raise ShapeError("concatenate: give the tensors in a list: concatenate([a, b], axis=1)")
    else:
        parts = [xs, *more]
    if axis is None:
        parts, axis = [flat("concatenate", x, None)[0] for x in parts], 0
    return views.join(*(value_of(x) for x in parts), axis=axis)


@also()
def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Tensors of one shape joined along a new axis. ShapeError for none."""
    if not isinstance(xs, (list, tuple)) or not xs:
        raise ShapeError("stack: nothing to join; give the tensors in a list: stack([a, b], axis=0)")
    parts = [value_of(x) for x in xs]
    at = normalize_axis("stack", axis, len(parts[0].shape) + 1)
    return views.join(*(expand_dims(x, at) for x in parts), axis=at)


@also()
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """The parts of x along an axis.

    indices_or_sections  a number of parts of one length, or the places where parts begin, as [3, 5]

    ShapeError if the axis has no such number of parts, or its length is a symbol.
    """
    x = value_of(x)
    at = normalize_axis("split", axis, len(x.shape))
    length = length_of("split", x, at)
    if isinstance(indices_or_sections, (int, np.integer)):
        count = int(indices_or_sections)
        if count < 1 or length % count:
            raise ShapeError(f"split: axis {at} of {show(x.shape)} has no {count} parts of one length; give places")
        places = [k * length // count for k in range(1, count)]
    else:
        places = [slice(int(p)).indices(length)[1] for p in indices_or_sections]
    ends = zip([0, *places], [*places, length], strict=True)
    return [slice_axis(x, axis=at, start=first, stop=max(first, last), step=1) for first, last in ends]


@also(value="constant_values")
def pad(
    x: Any,
    pad_width: Any = None,
    mode: str = "constant",
    constant_values: float = 0.0,
    *,
    axis: int | None = None,
    before: int = 0,
    after: int = 0,
    between: int = 0,
) -> Any:
    """x with more entries at its ends.

    pad_width        numpy's: ((before, after), ...), a pair an axis; one number or one pair for all axes
    mode             "constant" (constant_values), or "edge", "reflect", "symmetric", "wrap"
    axis, before, after, between  in place of pad_width: one axis, also between its entries, with constants

    ShapeError for a flat sequence of more or fewer than one pair, as PyTorch's pad takes it.
    """
    x = value_of(x)
    if axis is not None:
        return views.pad_axis(x, axis=axis, before=before, after=after, between=between, value=constant_values)
    for at, (first, last) in enumerate(_pad_widths(pad_width, len(x.shape))):
        if first == last == 0:
            continue
        if mode == "constant":
            x = views.pad_axis(x, axis=at, before=first, after=last, value=constant_values)
        elif mode in MODES:
            known: Any = mode
            x = take(x, np.pad(np.arange(length_of("pad", x, at)), (first, last), mode=known), axis=at)
        else:
            raise UsageError(f"pad: mode must be one of constant, {', '.join(MODES)}, got {mode!r}")
    return x


def _pad_widths(given: Any, rank: int) -> list[tuple[int, int]]:
    """A pair for each axis."""
    mend = "give one pair (before, after) for each axis, as numpy's pad takes them"
    widths = np.asarray(given if given is not None else ())
    if widths.dtype.kind not in "iu" or (widths.ndim == 1 and widths.size > 1 and rank > 1) or widths.ndim > 2:
        raise ShapeError(f"pad: pad_width {given!r}: {mend}")
    try:
        pairs = np.broadcast_to(widths, (rank, 2))
    except ValueError:
        raise ShapeError(f"pad: pad_width {given!r} of a tensor of {rank} axes: {mend}") from None
    return [(int(a), int(b)) for a, b in pairs]


# -- limits and extrema -----------------------------------------------------------------------------


@also(min="low", max="high", a_min="low", a_max="high")
def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """x limited to [low, high]; None is no limit. The limits may be tensors; a slope goes to what is returned."""
    x = value_of(x)
    if str(x.dtype) == "bool":  # whole numbers, as numpy clips them
        x = conversion.cast(x, dtype="int64")
    plain = [b is None or isinstance(b, (int, float, np.number)) for b in (low, high)]
    if all(plain) and str(x.dtype).startswith("float"):
        return comparison.clip_to(x, low=-math.inf if low is None else low, high=math.inf if high is None else high)
    if low is not None:
        x = comparison.where(comparison.less(x, low), low, x)
    return x if high is None else comparison.where(comparison.greater(x, high), high, x)


@also()
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first largest element along an axis, or without one of x as a vector; a NaN counts as largest."""
    x, at = flat("argmax", x, axis)
    return reduce.argmax_along(x, axis=at, keepdims=keepdims)


@also()
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first smallest element, as of argmax; a NaN counts as smallest."""
    x = value_of(x)
    dtype = str(x.dtype)
    top = np.asarray(np.iinfo(dtype).max if dtype.startswith("u") else -1, dtype) if dtype in INTEGERS else None
    return argmax(arithmetic.neg(x) if top is None else arithmetic.sub(top, x), axis, keepdims)


# -- shapes -----------------------------------------------------------------------------------------


@also()
def expand_dims(x: Any, axis: int) -> Any:
    """x with a new axis of length 1 at the place."""
    x = value_of(x)
    at = normalize_axis("expand_dims", axis, len(x.shape) + 1)
    return reshape(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


@also()
def unsqueeze(x: Any, axis: int) -> Any:
    """expand_dims under PyTorch's name."""
    return expand_dims(x, axis)


@also()
def squeeze(x: Any, axis: Axis = None) -> Any:
    """x without its axes of length 1, or without these. ShapeError if one of them is not of length 1."""
    x = value_of(x)
    rank = len(x.shape)
    gone = [a for a in range(rank) if x.shape[a] == 1] if axis is None else normalize_axes("squeeze", axis, rank)
    for a in gone:
        if x.shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} of {show(x.shape)} is not of length 1")
    return reshape(x, shape=tuple(d for a, d in enumerate(x.shape) if a not in gone))


@also(dim0="axis1", dim1="axis2")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged."""
    x = value_of(x)
    order = list(range(len(x.shape)))
    a, b = (normalize_axis("swapaxes", axis, len(order)) for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return transpose(x, axes=tuple(order))


@also()
def flip(x: Any, axis: Axis = None) -> Any:
    """x with its entries in reverse order along the axes; None is all. ShapeError for a length that is a symbol."""
    x = value_of(x)
    for at in normalize_axes("flip", axis, len(x.shape)):
        length_of("flip", x, at)
        x = views.reverse(x, axis=at)
    return x


@also(dims="reps")
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x so many times along each axis: tile([a, b], 2) is [a, b, a, b]. New axes come first."""
    x = value_of(x)
    times = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    rank = max(len(times), len(x.shape))
    times = (*[1] * (rank - len(times)), *times)
    shape = (*[1] * (rank - len(x.shape)), *x.shape)
    return _stretched("tile", x, [(t, d) for t, d in zip(times, shape, strict=True)], shape, times)


@also()
def repeat(x: Any, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Each entry so many times in a row: repeat([a, b], 2) is [a, a, b, b]; without an axis x as a vector."""
    x, at = flat("repeat", x, axis)
    if not isinstance(repeats, (int, np.integer)):
        return take(x, np.repeat(np.arange(length_of("repeat", x, at)), repeats), axis=at)
    times = [int(repeats) if a == at else 1 for a in range(len(x.shape))]
    return _stretched("repeat", x, [(d, t) for t, d in zip(times, x.shape, strict=True)], x.shape, times)


def _stretched(name: str, x: Any, pairs: list[Any], shape: Sequence[Dim], times: Sequence[int]) -> Any:
    """x with an axis for the repetitions before or behind each that has some, joined to it. pairs: in their order."""
    narrow: list[Dim] = []
    wide: list[Dim] = []
    for (first, second), dim, count in zip(pairs, shape, times, strict=True):
        if count < 0 or (count != 1 and isinstance(dim, Sym)):
            raise ShapeError(f"{name}: {count} times along an axis of {dim} of {show(tuple(shape))} is not possible")
        if count == 1:
            narrow, wide = [*narrow, dim], [*wide, dim]
        else:
            narrow += [dim if first is dim else 1, 1 if first is dim else dim]
            wide += [first, second]
    whole = tuple(d if isinstance(d, Sym) else d * t for d, t in zip(shape, times, strict=True))
    return reshape(broadcast_to(reshape(x, shape=tuple(narrow)), shape=tuple(wide)), shape=whole)


# -- sums and products ------------------------------------------------------------------------------


@also()
def dot(x: Any, y: Any) -> Any:
    """The sum of products of two vectors, the product of a matrix and a vector or matrix, or x * y if one is a number.

    ShapeError for more than two axes, where numpy and PyTorch differ.
    """
    x, y = value_of(x), value_of(y)
    ranks = (len(x.shape), len(y.shape))
    if 0 in ranks:
        return arithmetic.mul(x, y)
    if max(ranks) > 2:
        raise ShapeError(f"dot: takes at most two axes, got {show(x.shape)} and {show(y.shape)}; use schuss.matmul")
    left = x if ranks[0] == 2 else expand_dims(x, 0)
    right = y if ranks[1] == 2 else expand_dims(y, 1)
    ones = tuple(at for at, rank in enumerate(ranks) if rank == 1)
    if str(x.dtype) in FLOATS or str(y.dtype) in FLOATS:
        product = matmul(left, right)
    else:
        product = sum(arithmetic.mul(expand_dims(left, 2), expand_dims(right, 0)), axis=1)
    return squeeze(product, axis=ones) if ones else product


def _wide(x: Any) -> Any:
    """Whole numbers and bools as int64, as numpy adds and multiplies them up."""
    return conversion.cast(x, dtype="int64") if str(x.dtype) in (*INTEGERS, "bool") else x


@also()
def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over the axes; 0 over nothing. Integers and bools become int64, so that bytes do not run over."""
    return reduce.sum(_wide(value_of(x)), axis=axis, keepdims=keepdims)


@also()
def cumsum(x: Any, axis: int | None = None) -> Any:
    """y[i] = x[0] + ... + x[i] along the axis; without one of x as a vector. Integers become int64.

    In log2 n rounds of sums of what is 1, 2, 4, ... places apart.
    """
    x, at = flat("cumsum", x, axis)
    x, length, apart = _wide(x), length_of("cumsum", x, at), 1
    while apart < length:
        earlier = slice_axis(x, axis=at, start=0, stop=length - apart)
        x = x + views.pad_axis(earlier, axis=at, before=apart)
        apart *= 2
    return x


@also()
def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Product over the axes; 1 over nothing. Integers become int64. By halves, so its slopes are right at zeros too."""
    x = _wide(value_of(x))
    axes = normalize_axes("prod", axis, len(x.shape))
    for at in axes:
        length = length_of("prod", x, at)
        if length == 0:
            return ones_like(reduce.sum(x, axis=axes, keepdims=keepdims))
        while length > 1:
            half = length // 2
            first, second = (slice_axis(x, axis=at, start=s, stop=s + half) for s in (0, half))
            rest = [slice_axis(x, axis=at, start=2 * half, stop=length)] if length % 2 else []
            x = views.join(first * second, *rest, axis=at)
            length = half + length % 2
    return x if keepdims else squeeze(x, axis=axes)


@also(p="ord")
def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """(sum |x|**ord)**(1/ord) over the axes; None is 2, inf and -inf are the largest and smallest |x|.

    0 counts what is not 0. The slope at x = 0 is 0. UsageError for a matrix with another ord than None or "fro":
    numpy's are norms of matrices.
    """
    x = value_of(x)
    if str(x.dtype) not in FLOATS:  # squares of bytes run over
        x = conversion.cast(x, dtype="float64" if isinstance(x, np.ndarray) else "float32")
    axes = normalize_axes("norm", axis, len(x.shape))
    if ord not in (None, "fro") and len(axes) > 1:
        raise UsageError(f"norm: ord={ord!r} of {len(axes)} axes is a norm of matrices; name one axis, or flatten x")
    over: dict[str, Any] = {"axis": axes, "keepdims": keepdims}
    if ord in (None, "fro", 2):
        total = reduce.sum(x * x, **over)
        empty = comparison.equal(total, 0.0)
        return comparison.where(empty, 0.0, arithmetic.sqrt(comparison.where(empty, 1.0, total)))
    if ord == 0:
        return reduce.sum(conversion.cast(comparison.not_equal(x, 0.0), dtype=str(x.dtype)), **over)
    size = arithmetic.abs(x)
    if ord in (math.inf, -math.inf):
        return (reduce.max if ord > 0 else reduce.min)(size, **over)
    if not isinstance(ord, (int, float)):
        raise UsageError(f"norm: ord must be a number, None or 'fro', got {ord!r}")
    if ord == 1:
        return reduce.sum(size, **over)
    total = reduce.sum(arithmetic.pow(size, float(ord)), **over)
    empty = comparison.equal(total, 0.0)
    return comparison.where(empty, 0.0, arithmetic.pow(comparison.where(empty, 1.0, total), 1.0 / ord))
