"""One entry for every primitive operation: samples, oracle, tolerances and bad inputs.

tests/ops/test_table.py makes the tests of all operations from this table. A new operation needs one
more entry here and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from schuss.errors import DTypeError, SchussError, ShapeError, UsageError
from schuss.ir.types import N, TensorType

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
FLOAT = "float"  # stands for float32 and float64 in turn


# -- how inputs are drawn ---------------------------------------------------------------------------


def real(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape) * 1.5


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 0.3 + rng.exponential(1.0, shape)


def above_minus_one(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return positive(rng, shape) - 0.9


def off_zero(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """0.25 or more away from 0."""
    return rng.choice([-1.0, 1.0], shape) * (0.25 + rng.exponential(1.0, shape))


def on_halves(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Near multiples of a half: apart from `on_quarters` and from integers plus a quarter."""
    return rng.integers(-4, 5, shape) / 2 + rng.uniform(-0.05, 0.05, shape)


def on_quarters(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return on_halves(rng, shape) + 0.25


def near_two(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No multiple of it is near `on_quarters`."""
    return 2 + rng.uniform(-0.01, 0.01, shape)


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """No two elements closer than 0.3."""
    size = int(np.prod(shape))
    return ((rng.permutation(size) - size / 2) * 0.35 + rng.uniform(0, 0.05, size)).reshape(shape)


def small_integers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-9, 10, shape)


def bytes_(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 256, shape)


def coins(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2, shape)


def places(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Indices, some of them out of range."""
    return rng.integers(-2, 8, shape)


def last_five(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Indices of an axis of 5, from either end."""
    return rng.integers(-5, 5, shape)


def first_five(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 5, shape)


def shuffled(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Indices from 0 on, no two the same."""
    size = int(np.prod(shape))
    return rng.permutation(size).reshape(shape)


def words(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 2**32, shape)


def long_step(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A counter that needs more than 32 bits."""
    return rng.integers(0, 2**40, shape)


@dataclass(frozen=True)
class Arg:
    """One input: its dtype, its shape and how its elements are drawn."""

    shape: tuple[int, ...]
    draw: Draw = real
    dtype: str = FLOAT

    def array(self, rng: np.random.Generator, floating: str) -> np.ndarray:
        dtype = floating if self.dtype == FLOAT else self.dtype
        return np.asarray(self.draw(rng, self.shape)).astype(dtype)


@dataclass(frozen=True)
class Sample:
    """Inputs and attributes of one call. symbolic: the leading axis of these inputs may be N."""

    args: tuple[Arg, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    symbolic: tuple[int, ...] = ()

    @property
    def floating(self) -> bool:
        return any(a.dtype == FLOAT for a in self.args)

    def arrays(self, seed: Sequence[int], floating: str = "float64") -> list[np.ndarray]:
        rng = np.random.default_rng(list(seed))
        return [a.array(rng, floating) for a in self.args]


@dataclass(frozen=True)
class Bad:
    """Inputs the operation must refuse."""

    types: tuple[TensorType, ...]
    error: type[SchussError]
    message: str
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpCase:
    """Everything the tests need to know about an operation.

    oracle          the same function by jax, or plainly written where jax has none
    differentiable  whether a gradient other than zero flows
    ulps            units of the last place the native executor may be off (0: the same bits)
    oracle_ulps     how far the oracle may be off in float64
    summed          errors are measured against the same operation on absolute values (sums cancel)
    specials        special values go through the native executor too
    zero_sign       whether the sign of a zero is defined
    """

    oracle: Callable[..., Any]
    samples: tuple[Sample, ...]
    bad: tuple[Bad, ...]
    differentiable: bool = True
    ulps: int = 0
    oracle_ulps: int = 16
    summed: bool = False
    specials: bool = True
    zero_sign: bool = True


# -- samples -----------------------------------------------------------------------------------------

UNARY_SHAPES = ((), (1,), (7,), (3, 17), (33, 1), (0, 5), (2, 3, 4))
BINARY_SHAPES = (
    ((), (3,)),
    ((7,), (7,)),
    ((3, 17), (17,)),
    ((3, 1), (1, 7)),
    ((0, 5), (1, 5)),
    ((2, 3, 4), (3, 1)),
    ((1, 33), (1, 33)),
)


def unary(draw: Draw, *extra: Sample, **attrs: Any) -> tuple[Sample, ...]:
    floats = tuple(Sample((Arg(shape, draw),), attrs, (0,) if len(shape) > 1 else ()) for shape in UNARY_SHAPES)
    return (*floats, *extra)


def binary(left: Draw, right: Draw, *extra: Sample) -> tuple[Sample, ...]:
    floats = tuple(Sample((Arg(a, left), Arg(b, right))) for a, b in BINARY_SHAPES)
    symbolic = (
        Sample((Arg((5, 7), left), Arg((5, 7), right)), symbolic=(0, 1)),
        Sample((Arg((5, 3), left), Arg((3,), right)), symbolic=(0,)),
        Sample((Arg((5, 1), left), Arg((1, 3), right)), symbolic=(0,)),
    )
    return (*floats, *symbolic, *extra)


def integers(count: int, *dtypes: str) -> tuple[Sample, ...]:
    """Whole numbers of each dtype, for an operation of `count` inputs."""
    shapes = ((5, 3), (3,))
    return tuple(
        Sample(tuple(Arg(s, bytes_ if d in ("uint8", "uint32") else small_integers, d) for s in shapes[:count]))
        for d in dtypes
    )


def bools(count: int) -> tuple[Sample, ...]:
    shapes = (((7,), (7,)), ((3, 1), (5,)), ((0, 2), (2,)), ((), (33,)))
    return tuple(Sample(tuple(Arg(s, coins, "bool") for s in pair[:count])) for pair in shapes)


def reductions(draw: Draw, empty: bool) -> tuple[Sample, ...]:
    whole = {"axis": None, "keepdims": False}
    given = [
        ((), whole, False),
        ((1,), whole, False),
        ((7, 5), whole, True),
        ((3, 17), {"axis": 0, "keepdims": False}, True),
        ((33, 7), {"axis": -1, "keepdims": True}, True),
        ((2, 3, 4), {"axis": (0, 2), "keepdims": False}, True),
        ((2, 3, 4), {"axis": (1,), "keepdims": True}, True),
        ((1, 33), {"axis": 1, "keepdims": False}, True),
        ((3, 4), {"axis": (), "keepdims": False}, True),
        ((5, 130), {"axis": 1, "keepdims": False}, True),
        ((0, 5), {"axis": 1, "keepdims": False}, True),
    ]
    if empty:
        given += [((0, 5), {"axis": 0, "keepdims": False}, True), ((3, 0), {"axis": 1, "keepdims": True}, True)]
    return tuple(Sample((Arg(s, draw),), attrs, (0,) if symbolic else ()) for s, attrs, symbolic in given)


def one(shape: tuple[int, ...], draw: Draw = real, of: str = FLOAT, /, *, rows: bool = True, **attrs: Any) -> Sample:
    return Sample((Arg(shape, draw, of),), attrs, (0,) if rows and len(shape) > 1 else ())


# -- bad inputs -----------------------------------------------------------------------------------------


def t(dtype: str, *shape: Any) -> TensorType:
    return TensorType(dtype, shape)


F3, B3, I3 = t("float32", 3), t("bool", 3), t("int64", 3)
X = t("float32", N, 4)
KEY, STEP = t("uint32", 2), t("int64")
NOT_BROADCAST = Bad((t("float32", 3, 4), t("float32", 3)), ShapeError, "shapes [3,4] and [3] do not broadcast")
NO_BOOLS = Bad((B3,), DTypeError, "needs numbers, got bool[3]; cast it first")
NO_TWO_BOOLS = Bad((B3, B3), DTypeError, "needs numbers, got bool[3] and bool[3]; cast it first")
FLOATS_ONLY = Bad((I3,), DTypeError, "needs a floating dtype, got int64[3]; cast it first")
BOOLS_ONLY = Bad((F3, B3), DTypeError, "needs bool inputs, got float32[3]")
WRONG_OPTION = Bad((F3,), ShapeError, "unknown option speed; it takes none", {"speed": 1})
NO_AXIS = Bad((F3,), ShapeError, "axis 1 is out of range for a tensor of 1 axes", {"axis": 1})
TWICE = Bad((X,), ShapeError, "an axis is named twice", {"axis": (1, -1)})
EMPTY = Bad((t("float32", 3, 0),), ShapeError, "axis 1 of float32[3,0] is empty", {"axis": 1})


def smooth(oracle: Callable[..., Any], draw: Draw, ulps: int) -> OpCase:
    """A smooth function of one floating input."""
    return OpCase(oracle, unary(draw), (FLOATS_ONLY,), ulps=ulps)


def compared(oracle: Callable[..., Any]) -> OpCase:
    whole = integers(2, "int64", "int32", "uint32", "uint8")
    same = Sample((Arg((9, 3), coins), Arg((3,), coins)), symbolic=(0,))
    bad = (NOT_BROADCAST,)
    return OpCase(oracle, binary(on_halves, on_quarters, same, *whole, *bools(2)), bad, differentiable=False)


def _picked(*args: Arg, rows: tuple[int, ...] = (), **attrs: Any) -> Sample:
    return Sample(args, attrs, rows)


def _index(*shape: int, dtype: str = "int64") -> Arg:
    return Arg(shape, places, dtype)


# -- oracles that are more than one of jax's functions --------------------------------------------------


def _clip(x: Any, *, low: float, high: float) -> Any:
    return jnp.clip(x, low, high)


def _cast(x: Any, *, dtype: str) -> Any:
    return jnp.asarray(x).astype(dtype)


def _sum(x: Any, *, axis: Any, keepdims: bool) -> Any:
    return jnp.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def _argmax(x: Any, *, axis: int, keepdims: bool) -> Any:
    return jnp.argmax(x, axis=axis, keepdims=keepdims).astype("int64")


def _argsort(x: Any, *, axis: int, descending: bool) -> Any:
    return jnp.argsort(x, axis=axis, descending=descending, stable=True).astype("int64")


def _whole_by_zero(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, of whole numbers 0 where the second is 0."""

    def oracle(x: Any, y: Any) -> Any:
        none = jnp.asarray(y == 0)
        return jnp.where(none, 0, function(x, jnp.where(none, 1, y))).astype(x.dtype)

    return oracle


def _count(x: Any, *, axis: Any, dtype: str) -> Any:
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    total = 1
    for a in axes:
        total *= x.shape[a]
    return np.asarray(total, dtype)


def _reshape(x: Any, *, shape: Any) -> Any:
    return jnp.reshape(x, shape)


def _transpose(x: Any, *, axes: Any) -> Any:
    return jnp.transpose(x, axes)


def _broadcast_to(x: Any, *, shape: Any) -> Any:
    return jnp.broadcast_to(x, shape)


def _concatenate(*xs: Any, axis: int) -> Any:
    return jnp.concatenate(xs, axis)


def _slice(x: Any, *, axis: int, start: int, stop: int, step: int) -> Any:
    return jax.lax.slice_in_dim(jnp.asarray(x), start, stop, step, axis)


def _reverse(x: Any, *, axis: int) -> Any:
    return jnp.flip(x, axis)


def _pad(x: Any, *, axis: int, before: int, after: int, between: int, value: float) -> Any:
    widths = [(0, 0, 0)] * x.ndim
    widths[axis] = (before, after, between)
    return jax.lax.pad(jnp.asarray(x), jnp.asarray(value, x.dtype), widths)


def _take(x: Any, index: Any, *, axis: int) -> Any:
    return jnp.take(x, jnp.asarray(index, "int64"), axis=axis, mode="clip")


def _scatter_add(x: Any, index: Any, *, axis: int, size: int) -> Any:
    flat = jnp.reshape(x, (*x.shape[:axis], index.size, *x.shape[axis + index.ndim :]))
    at = jnp.clip(jnp.asarray(index, "int64").reshape(-1), 0, size - 1)
    zeros = jnp.zeros((*x.shape[:axis], size, *x.shape[axis + index.ndim :]), x.dtype)
    return jnp.moveaxis(jnp.moveaxis(zeros, axis, 0).at[at].add(jnp.moveaxis(flat, axis, 0)), 0, axis)


def _coalesce(x: Any, index: Any, *, size: int) -> Any:
    at = jnp.clip(jnp.asarray(index, "int64"), 0, size - 1).reshape(-1)
    rows = jnp.reshape(x, (index.size, *x.shape[index.ndim :]))
    return jnp.reshape(jnp.tensordot((at[:, None] == at).astype(x.dtype), rows, 1), x.shape)


def _set_rows(x: Any, index: Any, rows: Any) -> Any:
    at = jnp.clip(jnp.asarray(index, "int64"), 0, len(x) - 1).reshape(-1)
    return jnp.asarray(x).at[at].set(jnp.reshape(rows, (index.size, *x.shape[1:])))


def _check_index(index: Any, *, size: int, negative: bool, by: str) -> Any:
    return jnp.where(index < 0, index + size, index).astype("int64" if negative else index.dtype)


def _one_hot(index: Any, *, classes: int, dtype: str) -> Any:
    return jax.nn.one_hot(index, classes, dtype=dtype)


def _philox(key: Any, counter: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Philox-4x32-10 on Python's integers, as its paper writes it."""
    low, high = int(key[0]), int(key[1])
    a, b, c, d = counter
    for _ in range(10):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = second >> 32 ^ b ^ low, second % 2**32, first >> 32 ^ d ^ high, first % 2**32
        low, high = (low + 0x9E3779B9) % 2**32, (high + 0xBB67AE85) % 2**32
    return a, b, c, d


def _random_bits(key: Any, step: Any, *, shape: tuple[int, ...], stream: int) -> Any:
    step = int(step)
    words = [_philox(key, (i // 4, 0, step % 2**32, stream))[i % 4] for i in range(int(np.prod(shape)))]
    return np.array(words, "uint32").reshape(shape)


def _random_uniform(key: Any, step: Any, *, shape: tuple[int, ...], stream: int, dtype: str = "float32") -> Any:
    return ((_random_bits(key, step, shape=shape, stream=stream) >> 8) / 2**24).astype(dtype)


def _dot_general(x: Any, y: Any, *, contract: Any, batch: Any) -> Any:
    def front(axes: Any, rank: int) -> list[int]:
        return [a % rank for a in axes]

    (cx, cy), (bx, by) = ((front(p[0], x.ndim), front(p[1], y.ndim)) for p in (contract, batch))
    return jax.lax.dot_general(x, y, ((cx, cy), (bx, by)))


def _windows(x: Any, *, axis: int, size: int, stride: int, dilation: int) -> Any:
    x = jnp.asarray(x)
    places = (x.shape[axis] - (size - 1) * dilation - 1) // stride + 1
    at = np.arange(places)[:, None] * stride + np.arange(size) * dilation
    return jnp.take(x, at, axis=axis)


def _overlap_add(x: Any, *, axis: int, length: int, stride: int, dilation: int) -> Any:
    axis %= x.ndim
    x = jnp.moveaxis(jnp.asarray(x), (axis, axis + 1), (0, 1))
    at = np.arange(x.shape[0])[:, None] * stride + np.arange(x.shape[1]) * dilation
    return jnp.moveaxis(jnp.zeros((length, *x.shape[2:]), x.dtype).at[at].add(x), 0, axis)


def _extremum(function: Callable[..., Any]) -> Callable[..., Any]:
    """jax's, which shares a tie's gradient; with ties="first" its sign apart, the function of argmax."""

    def oracle(x: Any, *, axis: Any, keepdims: bool, ties: str = "share") -> Any:
        if ties == "share":
            return function(x, axis=axis, keepdims=keepdims)
        places = (jnp.argmax if function is jnp.max else jnp.argmin)(x, axis=axis, keepdims=True)
        found = jnp.take_along_axis(x, places, axis=axis)
        return found if keepdims else jnp.squeeze(found, axis)

    return oracle


def dots(a: tuple[int, ...], b: tuple[int, ...], contract: Any, batch: Any = ((), ()), rows: Any = ()) -> Sample:
    return Sample((Arg(a), Arg(b)), {"contract": contract, "batch": batch}, rows)


# -- the table ------------------------------------------------------------------------------------------

KEY_ARG, STEP_ARG = Arg((2,), words, "uint32"), Arg((), long_step, "int64")

CASES: dict[str, OpCase] = {
    # arithmetic
    "add": OpCase(
        jnp.add, binary(real, real, *integers(2, "int64", "int32", "uint32", "uint8")), (NOT_BROADCAST, NO_TWO_BOOLS)
    ),
    "sub": OpCase(
        jnp.subtract,
        binary(real, real, *integers(2, "int64", "int32", "uint32", "uint8")),
        (NOT_BROADCAST, NO_TWO_BOOLS),
    ),
    "mul": OpCase(
        jnp.multiply,
        binary(real, real, *integers(2, "int64", "int32", "uint32", "uint8")),
        (NOT_BROADCAST, NO_TWO_BOOLS),
    ),
    "div": OpCase(jnp.divide, binary(real, off_zero), (NOT_BROADCAST,)),
    "remainder": OpCase(
        _whole_by_zero(jnp.remainder),
        binary(on_quarters, near_two, *integers(2, "int64", "int32", "uint32", "uint8")),
        (NOT_BROADCAST, NO_TWO_BOOLS),
        zero_sign=False,
    ),
    "floor_divide": OpCase(
        _whole_by_zero(jnp.floor_divide),
        binary(on_quarters, near_two, *integers(2, "int64", "int32", "uint32", "uint8")),
        (NOT_BROADCAST, NO_TWO_BOOLS),
        differentiable=False,
        zero_sign=False,
    ),
    "neg": OpCase(jnp.negative, unary(real, *integers(1, "int64", "int32", "uint8")), (NO_BOOLS,)),
    "pow": OpCase(
        jnp.power, binary(positive, real), (NOT_BROADCAST, Bad((I3, I3), DTypeError, "needs a floating dtype")), ulps=4
    ),
    # exponentials, roots, trigonometry
    "exp": smooth(jnp.exp, real, 2),
    "expm1": smooth(jnp.expm1, real, 4),
    "log": smooth(jnp.log, positive, 4),
    "log1p": OpCase(jnp.log1p, unary(above_minus_one), (FLOATS_ONLY,), ulps=4, oracle_ulps=256),
    "sqrt": smooth(jnp.sqrt, positive, 0),
    "rsqrt": smooth(jax.lax.rsqrt, positive, 1),
    "sin": smooth(jnp.sin, real, 4),
    "cos": smooth(jnp.cos, real, 4),
    "sinpi": OpCase(lambda x: jnp.sin(jnp.pi * x), unary(real), (FLOATS_ONLY,), ulps=4, oracle_ulps=1024),
    "cospi": OpCase(lambda x: jnp.cos(jnp.pi * x), unary(real), (FLOATS_ONLY,), ulps=4, oracle_ulps=1024),
    "tanh": smooth(jnp.tanh, real, 4),
    "sigmoid": smooth(jax.nn.sigmoid, real, 4),
    "erf": smooth(jax.scipy.special.erf, real, 4),
    # kinks
    "abs": OpCase(jnp.abs, unary(off_zero, *integers(1, "int64", "int32")), (NO_BOOLS,)),
    "sign": OpCase(
        jnp.sign, unary(off_zero, *integers(1, "int64", "int32")), (NO_BOOLS,), differentiable=False, zero_sign=False
    ),
    "floor": OpCase(jnp.floor, unary(on_quarters), (FLOATS_ONLY,), differentiable=False),
    "maximum": OpCase(
        jnp.maximum,
        binary(on_halves, on_quarters, *integers(2, "int64", "int32", "uint8")),
        (NOT_BROADCAST, NO_TWO_BOOLS),
        zero_sign=False,
    ),
    "minimum": OpCase(
        jnp.minimum,
        binary(on_halves, on_quarters, *integers(2, "int64", "int32", "uint8")),
        (NOT_BROADCAST, NO_TWO_BOOLS),
        zero_sign=False,
    ),
    "relu": OpCase(jax.nn.relu, unary(off_zero, *integers(1, "int64", "int32")), (NO_BOOLS,), zero_sign=False),
    "clip": OpCase(
        _clip,
        unary(on_halves, low=-0.7, high=0.8),
        (
            Bad((F3,), ShapeError, "low 1.0 is above high 0.0", {"low": 1.0, "high": 0.0}),
            Bad((I3,), DTypeError, "needs a floating dtype", {"low": 0.0, "high": 1.0}),
        ),
        zero_sign=False,
    ),
    # comparisons and choice
    "equal": compared(jnp.equal),
    "not_equal": compared(jnp.not_equal),
    "less": compared(jnp.less),
    "less_equal": compared(jnp.less_equal),
    "greater": compared(jnp.greater),
    "greater_equal": compared(jnp.greater_equal),
    "logical_and": OpCase(jnp.logical_and, bools(2), (BOOLS_ONLY,), differentiable=False),
    "logical_or": OpCase(jnp.logical_or, bools(2), (BOOLS_ONLY,), differentiable=False),
    "logical_not": OpCase(
        jnp.logical_not, bools(1), (Bad((F3,), DTypeError, "needs bool inputs"),), differentiable=False
    ),
    "where": OpCase(
        jnp.where,
        (
            *(
                Sample((Arg(a, coins, "bool"), Arg(b), Arg(c)))
                for a, b, c in (
                    ((), (3,), (3,)),
                    ((7,), (7,), (7,)),
                    ((3, 1), (3, 17), (17,)),
                    ((5,), (), (2, 1)),
                    ((0, 5), (5,), (1, 5)),
                )
            ),
            Sample((Arg((4, 3), coins, "bool"), Arg((4, 3)), Arg((3,))), symbolic=(0, 1)),
            Sample((Arg((4, 3), coins, "bool"), Arg((3,), bytes_, "uint8"), Arg((4, 1), bytes_, "uint8"))),
            Sample((Arg((4,), coins, "bool"), Arg((4,), coins, "bool"), Arg((), coins, "bool"))),
        ),
        (
            Bad((F3, F3, F3), DTypeError, "the condition must be bool, got float32[3]"),
            Bad((B3, t("float32", 2), F3), ShapeError, "do not broadcast"),
        ),
        specials=False,
    ),
    "cast": OpCase(
        _cast,
        (
            *(one((5, 3), on_quarters, dtype=d) for d in ("float64", "float32", "int32", "int64")),
            *(one((5, 3), small_integers, "int64", dtype=d) for d in ("float64", "float32", "int32")),
            *(one((5, 3), bytes_, "uint8", dtype=d) for d in ("float64", "float32", "int32", "uint32", "bool")),
            *(one((5, 3), coins, "bool", dtype=d) for d in ("float64", "float32", "int64", "uint8")),
            one((), dtype="float32"),
            one((0, 5), dtype="float64"),
            one((33,), on_quarters, "float32", dtype="float64"),
        ),
        (Bad((F3,), DTypeError, "unknown dtype 'float16'", {"dtype": "float16"}),),
    ),
    "stop_gradient": OpCase(jnp.asarray, unary(real, *integers(1, "int32")), (WRONG_OPTION,), differentiable=False),
    "identity": OpCase(jnp.asarray, unary(real, *integers(1, "int32"), *bools(1)), (WRONG_OPTION,)),
    # reductions
    "sum": OpCase(
        _sum,
        (
            *reductions(real, empty=True),
            one((5, 9), small_integers, "int64", axis=1, keepdims=False),
            one((5, 9), small_integers, "int32", axis=0, keepdims=False),
            one((5, 9), bytes_, "uint8", axis=1, keepdims=False),
        ),
        (NO_AXIS, TWICE, Bad((B3,), DTypeError, "needs numbers, got bool[3]; cast it first")),
        summed=True,
    ),
    "max": OpCase(
        _extremum(jnp.max),
        (
            *reductions(distinct, empty=False),
            one((9, 5), distinct, axis=1, keepdims=False, ties="first"),
            one((2, 3, 4), distinct, axis=1, keepdims=True, ties="first"),
            one((5, 9), small_integers, "int32", axis=1, keepdims=False),
        ),
        (EMPTY, NO_AXIS, Bad((B3,), DTypeError, "needs numbers")),
        zero_sign=False,
    ),
    "min": OpCase(
        _extremum(jnp.min),
        (
            *reductions(distinct, empty=False),
            one((9, 5), distinct, axis=1, keepdims=False, ties="first"),
            one((5, 9), small_integers, "int64", axis=0, keepdims=True),
        ),
        (
            EMPTY,
            NO_AXIS,
            Bad((B3,), DTypeError, "needs numbers"),
            Bad((X,), UsageError, "ties must be 'share' or 'first', got 'last'", {"ties": "last"}),
            Bad((X,), ShapeError, "ties='first' needs axes of known length", {"ties": "first"}),
        ),
        zero_sign=False,
    ),
    "mean": OpCase(jnp.mean, reductions(real, empty=True), (FLOATS_ONLY, NO_AXIS), summed=True),
    "argmax": OpCase(
        _argmax,
        (
            one((1,), distinct, axis=0, keepdims=False),
            one((3, 17), distinct, axis=1, keepdims=False),
            one((7, 5), distinct, axis=0, keepdims=True),
            one((2, 3, 4), distinct, axis=-2, keepdims=False),
            one((0, 5), distinct, axis=1, keepdims=False),
            one((9, 33), coins, axis=1, keepdims=False),  # ties
            one((5, 9), small_integers, "int32", axis=1, keepdims=False),
        ),
        (EMPTY, NO_AXIS, Bad((X,), ShapeError, "needs one axis, got (0, 1)", {"axis": None})),
        differentiable=False,
    ),
    "count": OpCase(
        _count,
        (
            one((), axis=None, dtype="float32"),
            one((3, 7), axis=0, dtype="float32"),
            one((3, 7), axis=(0, -1), dtype="float64"),
            one((0, 5), axis=0, dtype="int64"),
            one((3, 4), coins, "bool", axis=(), dtype="int32"),
        ),
        (NO_AXIS, Bad((F3,), DTypeError, "unknown dtype 'float16'", {"dtype": "float16"})),
        differentiable=False,
    ),
    # views
    "reshape": OpCase(
        _reshape,
        (
            one((), shape=(1, 1)),
            one((1,), shape=()),
            one((6, 4), rows=False, shape=(3, 8)),
            one((0, 5), rows=False, shape=(5, 0)),
            one((2, 3, 4), rows=False, shape=(-1,)),
            one((5, 6), shape=(-1, 2, 3)),
            one((5, 7), bytes_, "uint8", rows=False, shape=(35,)),
        ),
        (
            Bad((F3,), ShapeError, "[3] has not as many elements as [2,2]", {"shape": (2, 2)}),
            Bad((F3,), ShapeError, "more than one -1", {"shape": (-1, -1)}),
            Bad((t("float32", 6),), ShapeError, "a length must be 0 or more", {"shape": (-2, -3)}),
            Bad((X,), ShapeError, "the example axis N must stay an axis of its own", {"shape": (2, -1)}),
        ),
    ),
    "transpose": OpCase(
        _transpose,
        (
            one((), axes=()),
            one((7,), axes=(0,)),
            one((3, 17), axes=None),
            one((2, 3, 4), axes=(0, 2, 1)),
            one((2, 3, 4), axes=(1, 2, 0)),
            one((0, 5), axes=(1, 0)),
            one((3, 17), coins, "bool", axes=(-1, 0)),
        ),
        (
            Bad((X,), ShapeError, "axes (0, 0) are no order of the 2 axes of float32[N,4]", {"axes": (0, 0)}),
            Bad((X,), ShapeError, "are no order", {"axes": (0,)}),
        ),
    ),
    "broadcast_to": OpCase(
        _broadcast_to,
        (
            one((), shape=(3, 1)),
            one((1,), shape=(7,)),
            one((3, 1), rows=False, shape=(3, 17)),
            one((4,), shape=(2, 3, 4)),
            one((1, 5), rows=False, shape=(0, 5)),
            one((3, 1), bytes_, "uint8", rows=False, shape=(2, 3, 2)),
        ),
        (
            Bad((F3,), ShapeError, "float32[3] does not broadcast to [1]", {"shape": (1,)}),
            Bad((F3,), ShapeError, "do not broadcast", {"shape": (3, 4)}),
        ),
    ),
    "concatenate": OpCase(
        _concatenate,
        (
            Sample((Arg((3,)),), {"axis": 0}),
            Sample((Arg((3,)), Arg((1,)), Arg((0,))), {"axis": 0}),
            Sample((Arg((3, 7)), Arg((3, 17))), {"axis": 1}, (0, 1)),
            Sample((Arg((2, 3, 4)), Arg((2, 1, 4)), Arg((2, 3, 4))), {"axis": -2}, (0, 1, 2)),
            Sample((Arg((0, 5)), Arg((0, 2))), {"axis": 1}),
            Sample((Arg((3,), bytes_, "uint8"), Arg((33,), bytes_, "uint8")), {"axis": 0}),
        ),
        (
            Bad((X, X), ShapeError, "cannot join along the example axis N", {"axis": 0}),
            Bad((t("float32", 3, 4), t("float32", 2, 4)), ShapeError, "differ beside axis 1", {"axis": 1}),
            Bad((X, X), ShapeError, "axis 2 is out of range", {"axis": 2}),
        ),
    ),
    "slice": OpCase(
        _slice,
        (
            one((7,), axis=0, start=0, stop=7, step=1),
            one((7,), axis=0, start=2, stop=2, step=1),
            one((3, 17), axis=1, start=1, stop=16, step=3),
            one((3, 17), axis=-1, start=16, stop=17, step=5),
            one((4, 3), rows=False, axis=0, start=1, stop=4, step=2),
            one((0, 5), rows=False, axis=1, start=1, stop=3, step=1),
            one((3, 17), bytes_, "uint8", axis=1, start=3, stop=9, step=1),
        ),
        (
            Bad(
                (F3,), ShapeError, "1:5:1 is out of range for axis 0 of float32[3]", {"axis": 0, "start": 1, "stop": 5}
            ),
            Bad((F3,), ShapeError, "0:3:0 is out of range", {"axis": 0, "start": 0, "stop": 3, "step": 0}),
            Bad((X,), ShapeError, "cannot slice the example axis N", {"axis": 0, "start": 0, "stop": 1}),
        ),
    ),
    "reverse": OpCase(
        _reverse,
        (
            one((7,), axis=0),
            one((3, 17), axis=-1),
            one((2, 3, 4), axis=1),
            one((3, 1), axis=1),
            one((2, 0), rows=False, axis=1),
            one((3, 17), bytes_, "uint8", axis=1),
        ),
        (NO_AXIS, Bad((X,), ShapeError, "cannot turn round the example axis N", {"axis": 0})),
    ),
    "pad": OpCase(
        _pad,
        (
            one((7,), axis=0, before=1, after=2, between=0, value=0.0),
            one((3, 5), axis=1, before=0, after=0, between=2, value=-1.5),
            one((2, 3, 4), axis=-2, before=1, after=0, between=1, value=0.0),
            one((1, 33), axis=1, before=0, after=3, between=0, value=float("inf")),
            one((0, 5), rows=False, axis=0, before=2, after=1, between=4, value=1.0),
            one((3, 5), bytes_, "uint8", axis=1, before=1, after=1, between=0, value=7),
        ),
        (
            Bad((F3,), ShapeError, "negative padding -1, 0, 0 of float32[3]", {"axis": 0, "before": -1}),
            Bad(
                (I3,), DTypeError, "the value inf is none of int64[3]", {"axis": 0, "before": 1, "value": float("inf")}
            ),
            Bad((X,), ShapeError, "cannot pad the example axis N", {"axis": 0, "before": 1}),
        ),
    ),
    # products
    "matmul": OpCase(
        jnp.matmul,
        (
            *(
                Sample((Arg(a), Arg(b)))
                for a, b in (
                    ((1, 1), (1, 1)),
                    ((3, 17), (17, 7)),
                    ((33, 1), (1, 33)),
                    ((0, 5), (5, 3)),
                    ((3, 0), (0, 2)),
                    ((2, 3, 4), (4, 5)),
                    ((2, 1, 3, 4), (3, 4, 1)),
                    ((65, 40), (40, 33)),
                )
            ),
            Sample((Arg((5, 7)), Arg((7, 3))), symbolic=(0,)),
            Sample((Arg((5, 33)), Arg((33, 17))), symbolic=(0,)),
            Sample((Arg((5, 2, 3)), Arg((3, 4))), symbolic=(0,)),
        ),
        (
            Bad((t("float32", 3, 4), t("float32", 3, 4)), ShapeError, "inner axes 4 and 3 differ"),
            Bad((F3, t("float32", 3, 4)), ShapeError, "needs matrices"),
            Bad((t("int64", 3, 3), t("int64", 3, 3)), DTypeError, "needs one floating dtype"),
        ),
        summed=True,
        specials=False,
    ),
    "dot_general": OpCase(
        _dot_general,
        (
            dots((3, 17), (17, 7), ((1,), (0,))),
            dots((5,), (5,), ((0,), (0,))),
            dots((3,), (4,), ((), ())),
            dots((3, 17), (7, 17), ((-1,), (-1,))),
            dots((2, 3, 4), (4, 5, 2), ((2,), (0,)), ((0,), (2,))),
            dots((2, 3, 4, 5), (5, 3, 6), ((3, 1), (0, 1))),
            dots((2, 3, 4, 5), (5, 6, 3), ((1, 3), (2, 0))),
            dots((2, 3, 4), (3, 2, 4), ((), ()), ((0, 2), (1, 2))),
            dots((2, 3), (2, 3), ((), ()), ((0, 1), (0, 1))),
            dots((2, 3, 0), (0, 4), ((2,), (0,))),
            dots((4, 9, 3), (3, 5, 18), ((2,), (0,)), rows=(0,)),
            dots((6, 9, 3), (6, 18, 3), ((2,), (2,)), ((0,), (0,)), rows=(0, 1)),
            dots((6, 9, 3), (6, 9, 5), ((0, 1), (0, 1)), rows=(0, 1)),
            dots((6, 4), (6, 5), ((), ()), ((0,), (0,)), rows=(0, 1)),
        ),
        (
            Bad(
                (X, t("float32", 3, 4)),
                ShapeError,
                "axis 1 of float32[N,4] and axis 0 of float32[3,4] differ in length",
                {"contract": ((1,), (0,))},
            ),
            Bad((F3, F3), ShapeError, "contract must be a pair of lists of axes", {"contract": (0, 0)}),
            Bad((F3, F3), ShapeError, "contract names 1 axes of float32[3] and 0", {"contract": ((0,), ())}),
            Bad((F3, F3), ShapeError, "axis 1 is out of range", {"contract": ((1,), (0,))}),
            Bad(
                (X, X),
                ShapeError,
                "an axis of float32[N,4] is named twice",
                {"contract": ((1,), (1,)), "batch": ((1,), (1,))},
            ),
            Bad((I3, I3), DTypeError, "needs one floating dtype", {"contract": ((0,), (0,))}),
        ),
        summed=True,
        specials=False,
    ),
    # windows
    "window": OpCase(
        _windows,
        (
            one((7,), axis=0, size=3, stride=1, dilation=1),
            one((3, 17), axis=1, size=3, stride=2, dilation=1),
            one((3, 17), axis=-1, size=4, stride=3, dilation=2),
            one((2, 9, 4), axis=1, size=1, stride=4, dilation=5),
            one((2, 6, 4), axis=1, size=2, stride=2, dilation=1),
            one((0, 5), rows=False, axis=1, size=5, stride=1, dilation=1),
            one((3, 17), bytes_, "uint8", axis=1, size=2, stride=1, dilation=3),
        ),
        (
            Bad(
                (X,),
                ShapeError,
                "a window over 5 entries is longer than axis 1 of float32[N,4]",
                {"axis": 1, "size": 5},
            ),
            Bad((X,), ShapeError, "no window slides along the example axis N", {"axis": 0, "size": 1}),
            Bad(
                (F3,),
                ShapeError,
                "stride must be a whole number of at least 1, got 0",
                {"axis": 0, "size": 1, "stride": 0},
            ),
        ),
    ),
    "overlap_add": OpCase(
        _overlap_add,
        (
            one((5, 3), rows=False, axis=0, length=7, stride=1, dilation=1),
            one((3, 8, 3), axis=1, length=17, stride=2, dilation=1),
            one((3, 4, 4), axis=-2, length=17, stride=3, dilation=2),
            one((2, 3, 2, 4), axis=1, length=6, stride=2, dilation=1),
            one((2, 3, 1, 4), axis=1, length=9, stride=4, dilation=3),
            one((0, 1, 5), rows=False, axis=1, length=5, stride=1, dilation=1),
            one((3, 4, 2), small_integers, "int64", axis=1, length=9, stride=1, dilation=3),
        ),
        (
            Bad((X,), ShapeError, "needs two axes, places and entries of a window", {"axis": 1, "length": 5}),
            Bad((t("float32", N, 3, 3),), ShapeError, "length must be at least 5", {"axis": 1, "length": 4}),
            Bad((X,), ShapeError, "no window slides along the example axis", {"axis": 0, "length": 9}),
            Bad((t("float32", 0, 3),), ShapeError, "axis 0 of float32[0,3] is empty", {"axis": 0, "length": 3}),
        ),
        summed=True,
    ),
    # order
    "argsort": OpCase(
        _argsort,
        (
            one((1,), distinct, axis=0, descending=False),
            one((3, 17), distinct, axis=1, descending=False),
            one((7, 5), distinct, rows=False, axis=0, descending=True),
            one((2, 3, 4), coins, axis=-2, descending=True),
            one((9, 33), coins, axis=1, descending=False),  # ties
            one((3, 0), rows=False, axis=1, descending=False),
            one((5, 9), small_integers, "int32", axis=1, descending=False),
            one((5, 9), bytes_, "uint8", axis=1, descending=True),
        ),
        (
            NO_AXIS,
            Bad((X,), ShapeError, "cannot sort along the example axis N of float32[N,4]", {"axis": 0}),
            Bad((B3,), DTypeError, "needs numbers, got bool[3]; cast it first"),
        ),
        differentiable=False,
    ),
    # indices
    "check_index": OpCase(
        _check_index,
        (
            *(
                _picked(Arg(s, last_five, d), size=5, negative=True, by="take", rows=(0,) if s else ())
                for s, d in (((7,), "int64"), ((), "int32"), ((3, 5), "int32"), ((0,), "int64"), ((33, 1), "int64"))
            ),
            *(
                _picked(Arg(s, first_five, d), size=z, negative=False, by="one_hot", rows=(0,) if s else ())
                for s, d, z in (((7,), "int64", 5), ((2, 3), "uint8", 6), ((), "uint32", 2**40), ((0, 3), "int32", 5))
            ),
        ),
        (
            Bad((F3,), DTypeError, "indices must be integers, got float32[3]", {"size": 3}),
            Bad((I3,), ShapeError, "the number of entries must be 1 or more, got 0", {"size": 0}),
        ),
        differentiable=False,
        specials=False,
    ),
    "take": OpCase(
        _take,
        (
            _picked(Arg((6, 3)), _index(4), axis=0),
            _picked(Arg((6, 3)), _index(2, 3, dtype="int32"), axis=0),
            _picked(Arg((3, 6)), _index(dtype="uint8"), axis=1),
            _picked(Arg((1,)), _index(7), axis=0),
            _picked(Arg((6, 3)), _index(0), axis=0),
            _picked(Arg((5, 6)), _index(3), axis=1, rows=(0,)),
            _picked(Arg((6, 3)), _index(5, 2), axis=0, rows=(1,)),
            _picked(Arg((6, 3), bytes_, "uint8"), _index(4), axis=0),
        ),
        (
            Bad((F3, F3), DTypeError, "indices must be integers, got float32[3]"),
            Bad((t("float32", 0, 2), I3), ShapeError, "axis 0 of float32[0,2] is empty"),
            Bad((X, I3), ShapeError, "cannot take along the example axis", {"axis": 0}),
        ),
        specials=False,
    ),
    "scatter_add": OpCase(
        _scatter_add,
        (
            _picked(Arg((4, 3)), _index(4), axis=0, size=6),
            _picked(Arg((2, 3, 3)), _index(2, 3, dtype="int32"), axis=0, size=6),
            _picked(Arg((3,)), _index(dtype="uint8"), axis=0, size=5),
            _picked(Arg((3, 7)), _index(7), axis=1, size=4),
            _picked(Arg((0, 3)), _index(0), axis=0, size=2),
            _picked(Arg((9, 3)), _index(9), axis=0, size=6, rows=(0, 1)),
            _picked(Arg((4, 3), small_integers, "int64"), _index(4), axis=0, size=6),
        ),
        (
            Bad((F3, F3), DTypeError, "indices must be integers", {"size": 3}),
            Bad((F3, t("int64", 2)), ShapeError, "float32[3] has not the shape of the indices int64[2]", {"size": 3}),
            Bad((F3, I3), ShapeError, "size must be 1 or more, got 0", {"size": 0}),
        ),
        summed=True,
        specials=False,
    ),
    "coalesce": OpCase(
        _coalesce,
        (
            _picked(Arg((4, 3)), _index(4), size=6),
            _picked(Arg((9, 2, 17)), _index(9, 2, dtype="int32"), size=6, rows=(0, 1)),
            _picked(Arg((33,)), _index(33, dtype="uint8"), size=5, rows=(0, 1)),
            _picked(Arg((2, 3)), _index(), size=4),
            _picked(Arg((0, 3)), _index(0), size=2),
            _picked(Arg((5, 0)), _index(5), size=2),
            _picked(Arg((7, 1, 256)), _index(7, 1), size=3, rows=(0, 1)),
            _picked(Arg((4, 3), small_integers, "int64"), _index(4), size=6),
        ),
        (
            Bad((F3, F3), DTypeError, "indices must be integers, got float32[3]", {"size": 3}),
            Bad(
                (F3, t("int64", 2)),
                ShapeError,
                "float32[3] has not a row for each of the indices int64[2]",
                {"size": 3},
            ),
            Bad((F3, I3), ShapeError, "size must be 1 or more, got 0", {"size": 0}),
            Bad((B3, I3), DTypeError, "needs numbers, got bool[3]", {"size": 3}),
            Bad(
                (t("float32", 2, N), t("int64", 2, N)),
                ShapeError,
                "the example axis of the indices int64[2,N] must come first",
                {"size": 3},
            ),
        ),
        summed=True,
        specials=False,
    ),
    "set_rows": OpCase(
        _set_rows,
        (
            Sample((Arg((9, 3)), Arg((4,), shuffled, "int64"), Arg((4, 3)))),
            Sample((Arg((40, 17)), Arg((2, 3), shuffled, "int32"), Arg((2, 3, 17)))),
            Sample((Arg((7,)), Arg((5,), shuffled, "uint8"), Arg((5,)))),
            Sample((Arg((7, 2)), Arg((), shuffled, "int64"), Arg((2,)))),
            Sample((Arg((7, 2)), Arg((0,), shuffled, "int64"), Arg((0, 2)))),
            Sample((Arg((300, 2)), Arg((9, 2), shuffled, "int64"), Arg((9, 2, 2))), {}, (1, 2)),
            Sample((Arg((9, 3), bytes_, "uint8"), Arg((4,), shuffled, "int64"), Arg((4, 3), bytes_, "uint8"))),
        ),
        (
            Bad((F3, F3, F3), DTypeError, "indices must be integers, got float32[3]"),
            Bad((F3, t("int64", 2), F3), ShapeError, "float32[3] has not a row for each of the indices int64[2]"),
            Bad((X, I3, t("float32", 3, 4)), ShapeError, "needs a table of one row or more, got float32[N,4]"),
            Bad((t("float32", 0), I3, F3), ShapeError, "needs a table of one row or more, got float32[0]"),
            Bad((t("float32", 5, 2), I3, t("float32", 3, 3)), ShapeError, "float32[3,3] are no rows of float32[5,2]"),
            Bad((t("float64", 5), I3, F3), ShapeError, "float32[3] are no rows of float64[5]"),
        ),
        specials=False,
    ),
    "one_hot": OpCase(
        _one_hot,
        tuple(
            _picked(Arg(s, places, d), classes=c, dtype=r, rows=(0,) if s else ())
            for s, d, c, r in (
                ((7,), "int64", 6, "float32"),
                ((), "int32", 3, "float64"),
                ((3, 5), "uint8", 1, "bool"),
                ((0,), "int64", 4, "int32"),
                ((17,), "int64", 33, "float64"),
            )
        ),
        (
            Bad((F3,), DTypeError, "indices must be integers, got float32[3]", {"classes": 3}),
            Bad((I3,), ShapeError, "classes must be 1 or more, got -1", {"classes": -1}),
            Bad((I3,), DTypeError, "unknown dtype 'float16'", {"classes": 2, "dtype": "float16"}),
        ),
        differentiable=False,
        specials=False,
    ),
    # randomness
    "random_bits": OpCase(
        _random_bits,
        (
            Sample((KEY_ARG, STEP_ARG), {"shape": (7, 3), "stream": 5}),
            Sample((KEY_ARG, STEP_ARG), {"shape": (), "stream": 0}),
            Sample((KEY_ARG, STEP_ARG), {"shape": (0, 3), "stream": 0}),
            Sample((KEY_ARG, STEP_ARG), {"shape": (1, 33), "stream": 2**31}),
        ),
        (
            Bad((t("uint32", 3), STEP), ShapeError, "the key must be uint32[2], got uint32[3]", {"shape": (3,)}),
            Bad((KEY, t("int32")), ShapeError, "the step must be an int64 scalar", {"shape": (3,)}),
            Bad((KEY, STEP), ShapeError, "a length must be 0 or more, got [-3]", {"shape": (-3,)}),
            Bad((KEY, STEP), UsageError, "stream -1 is outside [0, 2**32 - 1)", {"shape": (3,), "stream": -1}),
        ),
        differentiable=False,
        specials=False,
    ),
    "random_uniform": OpCase(
        _random_uniform,
        (
            Sample((KEY_ARG, STEP_ARG), {"shape": (7, 3), "stream": 5}),
            Sample((KEY_ARG, STEP_ARG), {"shape": (), "stream": 0}),
            Sample((KEY_ARG, STEP_ARG), {"shape": (0, 3), "stream": 0}),
            Sample((KEY_ARG, STEP_ARG), {"shape": (1, 33), "stream": 2**31, "dtype": "float64"}),
        ),
        (
            Bad((KEY, STEP), DTypeError, "needs a floating dtype, got 'int64'", {"shape": (3,), "dtype": "int64"}),
            Bad((t("uint32", 3), STEP), ShapeError, "the key must be uint32[2]", {"shape": (3,)}),
        ),
        differentiable=False,
        specials=False,
    ),
}
