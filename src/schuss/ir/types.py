"""Types of graph values: a dtype and a shape, whose lengths are numbers or symbols.

A symbol is a length that is known when a graph runs, and may be another at each run. There may be several, each with a
name: two axes of one symbol are of one length, two of different symbols must not meet. N is that of the examples: the
first axis of data that come in batches, which executors cut into rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import index
from typing import Final, TypeVar

from schuss.errors import ShapeError, UsageError

DTYPES: Final = ("float32", "float64", "int64", "int32", "uint32", "uint8", "bool")
FLOATS: Final = ("float32", "float64")
INTEGERS: Final = ("int64", "int32", "uint32", "uint8")
SYMBOL: Final = re.compile(r"[A-Z][A-Za-z0-9_]*")
"""How a symbol is written in the text of a graph, where true, none and nan are other things."""


@dataclass(frozen=True)
class Sym:
    """A run-time length, known by its name: Sym("T"). UsageError for a name that is none."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not SYMBOL.fullmatch(self.name):
            raise UsageError(f"the name of a length is a capital letter, then letters, digits and _, got {self.name!r}")

    def __repr__(self) -> str:
        return self.name

    def __index__(self) -> int:
        mend = "reduce with mean() or sum(), or divide a tensor by it"
        raise TypeError(f"the length of {self.axis} is not known while tracing; {mend}")

    @property
    def axis(self) -> str:
        """What messages call an axis of this length."""
        return "the example axis N" if self == N else f"the symbolic axis {self}"


N: Final = Sym("N")
Dim = int | Sym
Shape = tuple[Dim, ...]
D = TypeVar("D", bound=Dim)


@dataclass(frozen=True)
class TensorType:
    """dtype and shape, printed as float32[N,784]."""

    dtype: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def symbolic(self) -> bool:
        """Whether a length is a symbol."""
        return any(isinstance(d, Sym) for d in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def of_an_input(given: TensorType, what: str) -> TensorType:
    """The type as one of an input's, its lengths ints and symbols. UsageError, with what it is for, for none."""
    dtype = str(getattr(given.dtype, "__name__", given.dtype))  # numpy's own go, too
    if dtype not in DTYPES:
        raise UsageError(f"{what}: {given.dtype!r} is no dtype of an input; one of {', '.join(DTYPES)}")
    if not isinstance(given.shape, (tuple, list)):
        raise UsageError(f"{what}: the shape of an input is a tuple, as (N, 784), got {given.shape!r}")
    shape = tuple(_length(d, what) for d in given.shape)
    if N in shape[1:] or (symbols_in(shape) and shape[0] != N):
        raise UsageError(
            f"{what}: the first axis, and no other, is that of the examples, N: write (N, Sym('T'), 8), got "
            f"({', '.join(map(str, shape))})"
        )
    return TensorType(dtype, shape)


def _length(d: object, what: str) -> Dim:
    if isinstance(d, Sym):
        return d
    with suppress(TypeError):  # of arrays, which have the method and are no index
        if not isinstance(d, (bool, type)) and index(d) >= 0:  # type: ignore[arg-type]  # that is asked here
            return index(d)  # type: ignore[arg-type]
    mend = "Sym is a class: write Sym('T')" if d is Sym else "a length that is open is a symbol, as Sym('T')"
    raise UsageError(f"{what}: a length is N, for the examples, or a whole number, got {d!r}; {mend}")


def symbols_in(shape: Iterable[object]) -> list[Sym]:
    """The symbols among the lengths, in order, each as often as it stands there."""
    return [d for d in shape if isinstance(d, Sym)]


def static_size(shape: Shape) -> int:
    """Number of elements of all the static axes (a symbol counts as one)."""
    size = 1
    for d in shape:
        size *= 1 if isinstance(d, Sym) else d
    return size


def reach(shape: Shape) -> int:
    """What addresses into the shape may grow to: static_size where an axis of length 0 hides no other."""
    size = 1
    for d in shape:
        size *= 1 if isinstance(d, Sym) else max(d, 1)
    return size


def bind(shape: Shape, lengths: Mapping[Sym, D]) -> tuple[int | D, ...]:
    """The shape with these lengths in place of its symbols. ShapeError for one that has none."""
    try:
        return tuple([lengths[d] if isinstance(d, Sym) else d for d in shape])
    except KeyError as error:
        raise ShapeError(f"the length {error.args[0]} is that of no input") from None
