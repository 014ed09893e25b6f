"""Types of graph values: a dtype and a shape whose leading axis may be the symbolic example axis N."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DTYPES: Final = ("float32", "float64", "int64", "int32", "uint32", "uint8", "bool")
FLOATS: Final = ("float32", "float64")
INTEGERS: Final = ("int64", "int32", "uint32", "uint8")


@dataclass(frozen=True)
class Sym:
    """A run-time length. There is one, N: the number of examples in a batch."""

    name: str

    def __repr__(self) -> str:
        return self.name

    def __index__(self) -> int:
        raise TypeError(
            f"the length of the example axis {self.name} is not known while tracing; "
            "reduce with mean() or sum(), or divide a tensor by it"
        )


N: Final = Sym("N")
Dim = int | Sym
Shape = tuple[Dim, ...]


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
        return any(isinstance(d, Sym) for d in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def static_size(shape: Shape) -> int:
    """Number of elements of all the static axes (N counts as one)."""
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


def bind(shape: Shape, n: int) -> tuple[int, ...]:
    """The shape with N replaced by a number."""
    return tuple(n if isinstance(d, Sym) else d for d in shape)
