"""Type rules: the dtype and shape of an op's result from its inputs' types.

rule of promotion      result
bool, integers only    the widest of them (uint8 < uint32 < int32 < int64; uint32 with int32 is int64)
any float32            float32 (an integer next to it becomes float32)
any float64            float64
Python number          takes the dtype of the tensor it meets
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError
from schuss.ir.types import DTYPES, FLOATS, Dim, Shape, Sym, TensorType

_RANK = {"bool": 0, "uint8": 1, "uint32": 2, "int32": 3, "int64": 4, "float32": 5, "float64": 6}


def promote_dtypes(dtypes: Sequence[str]) -> str:
    """The dtype that inputs of these dtypes are brought to."""
    widest = max(dtypes, key=_RANK.__getitem__)
    return "int64" if widest == "int32" and "uint32" in dtypes else widest


def float_of(dtype: str) -> str:
    """The floating dtype of a result that must be one (a quotient of integers): float32 unless float64."""
    return dtype if dtype in FLOATS else "float32"


def broadcast_shapes(name: str, shapes: Sequence[Shape]) -> Shape:
    """numpy's rule. ShapeError if two axes differ and neither is 1: symbols differ if their names do."""
    rank = max((len(s) for s in shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        dims = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(dims) > 1:
            listed = " and ".join(show(s) for s in shapes)
            lengths = " and ".join(sorted(map(str, dims)))
            raise ShapeError(f"{name}: shapes {listed} do not broadcast (axis {axis}: {lengths})")
        result.append(dims.pop() if dims else 1)
    return tuple(result)


def show(shape: Shape) -> str:
    """[N,784]"""
    return f"[{','.join(map(str, shape))}]"


def map_type(name: str, *inputs: TensorType, **_: object) -> TensorType:
    """Elementwise: broadcast shape, the inputs' one dtype."""
    dtypes = {t.dtype for t in inputs}
    if len(dtypes) != 1:
        raise DTypeError(f"{name}: inputs of different dtypes {' and '.join(map(str, inputs))}")
    return TensorType(dtypes.pop(), broadcast_shapes(name, [t.shape for t in inputs]))


def number_map(name: str, *inputs: TensorType, **_: object) -> TensorType:
    """Elementwise on numbers: anything but bool."""
    result = map_type(name, *inputs)
    if result.dtype == "bool":
        raise DTypeError(f"{name}: needs numbers, got {' and '.join(map(str, inputs))}; cast it first")
    return result


def float_map(name: str, *inputs: TensorType, **_: object) -> TensorType:
    """Elementwise on floating inputs only."""
    result = map_type(name, *inputs)
    if not result.is_float:
        raise DTypeError(f"{name}: needs a floating dtype, got {' and '.join(map(str, inputs))}; cast it first")
    return result


def comparison(name: str, *inputs: TensorType, **_: object) -> TensorType:
    """Elementwise with a bool result."""
    return TensorType("bool", map_type(name, *inputs).shape)


def normalize_axis(name: str, axis: int, rank: int) -> int:
    """The axis counted from the front. ShapeError if it is out of range."""
    given: Any = "" if hasattr(type(axis), "__schuss_op__") else axis  # a traced number is none that is known
    try:
        at = operator.index(given)
    except TypeError:
        got = f"{axis!r}" if isinstance(axis, (str, float, type(None))) else f"a {type(axis).__name__}"
        of_two = f"; of two tensors it is {name}imum(x, y)" if name in ("max", "min") else ""
        raise ShapeError(f"{name}: an axis is a whole number, got {got}{of_two}") from None
    if not -rank <= at < rank:
        raise ShapeError(f"{name}: axis {at} is out of range for a tensor of {rank} axes")
    return at % rank


def normalize_axes(name: str, axis: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Sorted axes counted from the front; None means all. ShapeError if one is given twice."""
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, Sequence) and not isinstance(axis, str) else [axis]
    axes = sorted(normalize_axis(name, a, rank) for a in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: an axis is named twice in {axis}")
    return tuple(axes)


def dtype_name(name: str, dtype: Any) -> str:
    """The dtype's name, of a name or numpy's type. DTypeError for one schuss has not."""
    try:
        known = str(np.dtype(dtype))
    except TypeError:
        known = str(dtype)
    if known not in DTYPES:
        raise DTypeError(f"{name}: unknown dtype {known!r}; one of {', '.join(DTYPES)}")
    return known


def settle_axis(name: str, x: TensorType, *_: TensorType, axis: Any, **attrs: Any) -> dict[str, Any]:
    """One axis of the first input, counted from the front."""
    return {"axis": normalize_axis(name, axis, x.rank), **attrs}


def settle_axes(name: str, x: TensorType, *, axis: Any, **attrs: Any) -> dict[str, Any]:
    """Sorted axes of the input, counted from the front."""
    return {"axis": normalize_axes(name, axis, x.rank), **attrs}


def settle_shape(_name: str, *_types: TensorType, shape: Sequence[Dim], **attrs: Any) -> dict[str, Any]:
    """The shape a tuple."""
    return {"shape": tuple(d if isinstance(d, Sym) else operator.index(d) for d in shape), **attrs}


def settle_dtype(name: str, *_types: TensorType, dtype: Any, **attrs: Any) -> dict[str, Any]:
    """The dtype by its name."""
    return {"dtype": dtype_name(name, dtype), **attrs}


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """Shape after folding the axes."""
    if keepdims:
        return tuple(1 if i in axes else d for i, d in enumerate(shape))
    return tuple(d for i, d in enumerate(shape) if i not in axes)
