"""Counter-based randomness: a pure function of key, stream, step and position (Philox-4x32-10).

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss.errors import DTypeError, ShapeError, UsageError
from schuss.ir.structure import Access, Structure
from schuss.ir.types import FLOATS, Dim, Sym, TensorType
from schuss.ops.infer import show
from schuss.ops.philox import FOLD_STREAM, emit_word
from schuss.ops.philox import random_bits as bits
from schuss.ops.registry import Kind, op


def _bits_type(name: str, key: TensorType, step: TensorType, *, shape: Sequence[Dim], stream: int) -> TensorType:
    if key != TensorType("uint32", (2,)):
        raise ShapeError(f"{name}: the key must be uint32[2], got {key}")
    if step.shape != () or step.dtype != "int64":
        raise ShapeError(f"{name}: the step must be an int64 scalar, got {step}")
    if any(not isinstance(d, Sym) and d < 0 for d in shape):
        raise ShapeError(f"{name}: a length must be 0 or more, got {show(tuple(shape))}")
    if not 0 <= stream < FOLD_STREAM:
        raise UsageError(f"{name}: stream {stream} is outside [0, 2**32 - 1)")
    return TensorType("uint32", tuple(shape))


def _structure(y: TensorType, key: TensorType, step: TensorType, **_: Any) -> Structure:
    return Structure(y.shape, (Access(whole=True), Access()), place=True)


def _emit_bits(b: Any, place: Any, key0: Any, key1: Any, step: Any, shape: Any, stream: int) -> Any:
    return emit_word(b, key0, key1, place, step, stream)


@op(
    "random_bits",
    kind=Kind.RANDOM,
    structure=_structure,
    emit=_emit_bits,
    infer=_bits_type,
    grad=lambda g, y, k, s, shape, stream: (None, None),
)
def random_bits(key: Any, step: Any, *, shape: Sequence[Dim], stream: int = 0) -> Any:
    """32 random bits an element; element i (row-major) is word i % 4 of the block of counter (i // 4, step, stream)"""

    sizes = tuple(int(d) for d in shape)
    return bits(np.asarray(key), stream, int(step), int(np.prod(sizes))).reshape(sizes)


def _uniform_type(
    name: str, key: TensorType, step: TensorType, *, shape: Sequence[Dim], stream: int, dtype: str
) -> TensorType:
    if dtype not in FLOATS:
        raise DTypeError(f"{name}: needs a floating dtype, got {dtype!r}")
    return TensorType(dtype, _bits_type(name, key, step, shape=shape, stream=stream).shape)


def _emit_uniform(b: Any, place: Any, key0: Any, key1: Any, step: Any, shape: Any, stream: int, dtype: str) -> Any:
    upper = b.shift_right(emit_word(b, key0, key1, place, step, stream), 8)
    return b.mul(b.cast(upper, dtype), b.constant(2.0**-24, dtype))


@op(
    "random_uniform",
    kind=Kind.RANDOM,
    structure=_structure,
    emit=_emit_uniform,
    infer=_uniform_type,
    grad=lambda g, y, k, s, shape, stream, dtype: (None, None),
)
def random_uniform(key: Any, step: Any, *, shape: Sequence[Dim], stream: int = 0, dtype: str = "float32") -> Any:
    """Uniform on [0, 1): the upper 24 of random_bits' 32 bits times 2**-24, exact in either dtype"""
    bits = random_bits.body(key, step, shape=shape, stream=stream)
    return (bits >> np.uint32(8)).astype(dtype) * np.asarray(2.0**-24, dtype)
