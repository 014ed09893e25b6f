"""Arguments as arrays: the one place where the dtypes of what a user passes are decided.

argument                                            dtype of the traced value
float32, float64, int32, int64, uint32, uint8, bool its own
float16, bfloat16                                   float32
int8, int16, uint16; uint64                         int32; int64
floating array next to a model                      the model's (the widest of its parameters')
Python float, list of floats                        the model's; else the widest floating dtype among the
                                                    call's arrays; else float32
Python int, list of ints                            int64
Python bool, list of bools                          bool
array the function captures                         if floating, the dtype of the tensor it meets

Integers and bools are never differentiated. What mixed operations give is tabled in schuss.ops.infer;
docs/dtypes.md has both tables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.pytree import Named, is_array, is_number, is_number_list
from schuss.data.arrays import as_array
from schuss.data.columns import narrowed, whole
from schuss.errors import DataError, TraceError
from schuss.frames import column_names
from schuss.ir.executor import Array
from schuss.ir.types import DTYPES, TensorType
from schuss.nn.holding import is_inert
from schuss.ops.infer import promote_dtypes
from schuss.ops.registry import Op
from schuss.trace import Tensor

_NAMES = {np.dtype(name): name for name in DTYPES}  # str(dtype) is slow


def float_dtype(dtypes: Iterable[np.dtype[Any]]) -> str | None:
    """The widest floating dtype among them, if any."""
    floats = [_NAMES[d] for d in dtypes if d.kind == "f"]
    return promote_dtypes(floats) if floats else None


def to_array(value: Any, what: str) -> Array:
    """An array of one of schuss's dtypes. DataError for what is no array of real numbers."""
    if type(value) is np.ndarray and value.dtype in _NAMES:
        return value
    array = as_array(value, what)
    return array if array.dtype in _NAMES else whole(array, what)


def to_arrays(leaves: Sequence[Named]) -> list[Array]:
    """The leaves as arrays, by the table above."""
    owned = [isinstance(value, nn.Parameter) for _, value in leaves]
    strong = [value.data if mine else _strong(value, path) for mine, (path, value) in zip(owned, leaves, strict=True)]
    model = float_dtype({a.dtype for a in compress(strong, owned) if a is not None})
    weak = model or float_dtype({a.dtype for a in strong if a is not None}) or "float32"
    arrays = []
    for (path, value), array, mine in zip(leaves, strong, owned, strict=True):
        if array is None:
            array = to_array(value, path)
            array = narrowed(array, weak, path) if array.dtype.kind == "f" else array
        elif model and not mine and array.dtype.kind == "f":
            array = narrowed(array, model, path, value)
        arrays.append(array)
    return arrays


def _strong(value: Any, path: str) -> Array | None:
    """The array of a leaf that brings its own dtype; None for Python numbers."""
    if is_number(value) or is_number_list(value):
        return None
    if isinstance(value, Tensor):
        raise TraceError(
            f"{path}: {value.type} is kept from a finished trace and has no value; "
            "return it from the traced function to get an array"
        )
    return to_array(value, path)


def as_given_to_fit(model: Any, args: Sequence[Any]) -> Sequence[Any]:
    """A call's arguments with lists of arrays as fit takes them: as rows of one array, or, for a model that was fitted
    to several inputs, as these; and data frames with their columns in the order they had in fit. Other lists stay: a
    model may take one."""
    args = as_read(model, args)
    if not any(isinstance(arg, list) for arg in args):
        return args
    signature = nn.signature_of(model)
    known = () if signature is None else signature.inputs
    if len(args) == 1 and len(known) > 1 and not known[0].keyed:
        ranks = [getattr(part, "ndim", None) for part in args[0]]
        if ranks == [i.type.rank for i in known]:
            return list(args[0])
    return [_rows(arg, known[i].type.rank if i < len(known) else 2) for i, arg in enumerate(args)]


def as_read(model: Any, args: Sequence[Any]) -> Sequence[Any]:
    """A call's arguments as its signature's numbers: data frames with their columns in the order they had in fit.
    DataError for other columns."""
    if all(type(arg) is np.ndarray for arg in args):
        return args
    signature = nn.signature_of(model)
    return args if signature is None else signature.read(args)


def check_column_order(model: Any, args: Sequence[Any]) -> None:
    """DataError for data frames whose columns are in another order than in fit: a gradient has its argument's order, so
    that they are not put in order here."""
    signature = nn.signature_of(model)
    for given, wanted in zip(args, args if signature is None else signature.in_order(args), strict=True):
        parts = [(given[k], wanted[k]) for k in given] if isinstance(given, Mapping) else [(given, wanted)]
        for held, fitted in parts:
            names = column_names(fitted)
            if names is not None and column_names(held) != names:
                mend = f"give frame[{list(names)}], whose order the gradient has too"
                raise DataError(f"the data frame's columns are in another order than in fit; {mend}")


def look_at_numbers(model: Any, args: Sequence[Any]) -> None:
    """Warn of rows of bytes for a model that was trained on scaled floats: for a form's first call, it takes time."""
    signature = None if is_inert() else nn.signature_of(model)
    for known, arg in zip(() if signature is None else signature.inputs, args, strict=False):
        if isinstance(arg, np.ndarray) and arg.ndim == 2:  # of images the trace tells
            known.look_at(arg)


def _rows(arg: Any, rank: int) -> Any:
    """A list of arrays that are rows of an array of this rank as that array; anything else as it is."""
    if not isinstance(arg, list) or not arg or not all(is_array(part) for part in arg):
        return arg
    shapes = {tuple(getattr(part, "shape", ())) for part in arg}
    return to_array(arg, "x") if len(shapes) == 1 and len(shapes.pop()) == rank - 1 > 0 else arg


def array_type(array: Array) -> TensorType:
    """The array's concrete type."""
    return TensorType(_NAMES[array.dtype], array.shape)


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """Names for the positional arguments: the function's own where it has them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = ()  # type: ignore[assignment]
    own = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [own[i] if i < len(own) else f"arg{i}" for i in range(count)]


def function_name(function: Callable[..., Any]) -> str:
    """What to call the function in messages."""
    if isinstance(function, Op):
        return function.name
    return getattr(function, "__name__", type(function).__name__)
