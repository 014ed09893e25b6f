"""What an operation does, place by place: the one thing that the compiler asks of it.

An operation runs over a *space* of axes, of which some may be *folded* away; the result's axes are the others, in
order. At each place of the space it reads one element of each operand (its *access*), computes its body of them, and
folds the results along the folded axes, always in the same order.

    operation        space                folded          reads
    a + b            the result's axes                    each operand broadcast
    sum, max         the operand's axes   the ones named  the operand at the place
    dot_general      batch, left, right   the contracted  each operand its own axes
    take             the result's axes                    x along one axis where an index says
    concatenate      the result's axes                    each operand in its part of one axis
    one_hot          the result's axes                    the label; and the place itself, along the classes
    set_rows         the rows' axes                       each row, written where an index says over another operand

A *view* computes nothing: it says for each axis of what it reads at which position an element of it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from schuss.ir.types import Shape, TensorType


class Fold(Enum):
    """How the folded axes are joined: by the sum, the largest, the smallest, or the position of the first largest."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"
    ARGMAX = "argmax"


@dataclass(frozen=True)
class Part:
    """An operand that is read in a part of the space only: its position i lies at start + i * step along the axis."""

    axis: int
    start: int
    step: int = 1


@dataclass(frozen=True)
class Access:
    """How an operand is read at a place of the space.

    axes     for each axis of the operand the axis of the space along which it is read; None: it stays at 0
    through  (axis, number): along this axis of the operand the position is what operand `number` holds there
    part     the part of the space in which it is read at all
    whole    each place reads all of it
    """

    axes: tuple[int | None, ...] = ()
    through: tuple[int, int] | None = None
    part: Part | None = None
    whole: bool = False


@dataclass(frozen=True)
class Structure:
    """See the module's text.

    reads        of each operand; None where only its shape is asked
    averaged     the fold's result is divided by the number of elements folded
    coordinates  the axes whose position the body takes, before the operands' values
    place        the body takes the row-major number of the place, before the operands' values
    writes       how the result is written, where not at the place: through an index
    onto         the operand over which it is written, which the result is everywhere else; None: it is added to zeros
    outside      the value where no operand is read
    """

    space: Shape
    reads: tuple[Access | None, ...]
    folded: tuple[int, ...] = ()
    fold: Fold | None = None
    averaged: bool = False
    coordinates: tuple[int, ...] = ()
    place: bool = False
    writes: Access | None = None
    onto: int | None = None
    outside: float = 0.0

    @property
    def elementwise(self) -> bool:
        """Whether each element of the result is computed of one place, wherever its operands are read there."""
        direct = all(a is None or (a.through is None and a.part is None) for a in self.reads)
        return self.fold is None and self.writes is None and direct

    @property
    def placeless(self) -> bool:
        """Whether a result depends on the values read alone, not on where it lies."""
        return not self.coordinates and not self.place and all(a is not None and not a.whole for a in self.reads)

    @property
    def contraction(self) -> bool:
        """Whether it is a sum of products of two operands."""
        return self.fold is Fold.SUM and len(self.reads) == 2

    @property
    def matrix_product(self) -> bool:
        """Whether it is z[.., i, j] = the sum over k of x[.., i, k] * y[.., k, j], leading axes broadcast."""
        k = len(self.space) - 1
        if not self.contraction or self.folded != (k,) or k < 2:
            return False
        return all(
            _ends_with(access, last, k) for access, last in zip(self.reads, ((k - 2, k), (k, k - 1)), strict=True)
        )

    @property
    def reduction(self) -> bool:
        """Whether it folds one operand."""
        return self.fold is not None and len(self.reads) == 1

    @property
    def index(self) -> int | None:
        """The operand whose values are positions: another is read or written through it, or the place is compared
        with it; None where there is none."""
        accesses = [a for a in (*self.reads, self.writes) if a is not None]
        through = next((a.through for a in accesses if a.through is not None), None)
        return through[1] if through is not None else 0 if self.coordinates else None

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that are not folded."""
        return tuple(a for a in range(len(self.space)) if a not in self.folded)


def _ends_with(access: Access | None, last: tuple[int, int], rank: int) -> bool:
    """Whether the last two axes are these, and those before them lie right-aligned in a space of `rank` kept axes."""
    if access is None or access.axes[-2:] != last:
        return False
    first = rank - len(access.axes)
    return all(a in (None, at) for at, a in enumerate(access.axes[:-2], start=first))


Declared = Callable[..., Structure]  # (result, *operands, **attrs): types, as of a node


def elementwise(result: TensorType, *operands: TensorType, **_: Any) -> Structure:
    """Each operand broadcast to the result by numpy's rule."""
    return Structure(result.shape, tuple(broadcast(t.shape, result.shape) for t in operands))


def broadcast(shape: Shape, space: Shape) -> Access:
    """The access of an operand that is stretched along axes of length 1 and new leading axes."""
    first = len(space) - len(shape)
    return Access(tuple(a if d == space[a] else None for a, d in enumerate(shape, start=first)))


def reduction(fold: Fold, averaged: bool = False) -> Declared:
    """An operation that folds the axes in its attribute `axis`."""

    def declared(result: TensorType, x: TensorType, *, axis: tuple[int, ...], **_: Any) -> Structure:
        return Structure(x.shape, (Access(tuple(range(x.rank))),), tuple(axis), fold, averaged)

    return declared


def of_shapes(result: TensorType, *operands: TensorType, **_: Any) -> Structure:
    """A number that is known from the operands' shapes."""
    return Structure(result.shape, (None,) * len(operands))


# -- views ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Along:
    """A position along one axis of what a view reads: offset + the sum of step * position along axes of the view."""

    steps: tuple[tuple[int, int], ...] = ()  # (axis of the view, step)
    offset: int = 0


@dataclass(frozen=True)
class ViewMap:
    """An Along for each axis of what a view reads; None: its elements in row-major order, in another shape."""

    axes: tuple[Along, ...] | None


DeclaredView = Callable[..., ViewMap]  # (result, operand, **attrs)
