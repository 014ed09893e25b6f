"""Which arrays are rows of an input: the one rule of predict, evaluate, the command, the page and a model's call.

For a model that was trained on rows of shape [1, 28, 28]:

array                                    model(x), jit, freeze      predict, evaluate, command, page
[N, 1, 28, 28]                           N examples                 N examples
[N, 28, 28], [N, 28, 28, 1], [N, 784]    N examples                 N examples
[1, 28, 28]                              1 example, as N is 1       1 example
[28, 28], [784]                          the model gets it so       1 example
any other                                the model gets it so       DataError

The first axis is that of the examples. Rows have the numbers of those of the training in the same order: flat, as one
axis for all, or with axes of length 1 more or fewer. Rows with other axes of one size are other rows, as [28, 28, 3]
where the training had [3, 28, 28], and no rule can tell: predict refuses them.

An array of one example, without the examples' axis, is told by its size; so it can never be taken for several. A call
does not add the axis, since its result would have one, too: layers take such arrays as PyTorch's do, as Linear
[features]. Nor does it take out axes in front of whole rows, [N, 1, features]: Linear takes those, too.
"""

from __future__ import annotations

import math

from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.ir.types import Shape, Sym


def in_call(given: Shape, row: Shape) -> Shape | None:
    """The shape in which an argument of a call is rows; None where the model gets it as it is."""
    whole = len(given) > len(row) and given[-len(row) :] == row
    return None if whole or not row or len(given) < 2 else _as_rows(given, row)


def fitted(x: Array, row: Shape, otherwise: str = "") -> Array:
    """x as rows of this shape, one example with the examples' axis. DataError for any other array, with what to give in
    its place, where that is no array."""
    if x.ndim and is_row(x.shape[1:], row):
        return x
    rows = _as_rows(x.shape, row) or _as_one(x.shape, row)
    if rows is None:
        trained = f"the model takes rows of shape {list(row)}, the data has the shape {list(x.shape)}"
        raise DataError(f"{trained}; {otherwise or mend(x.shape, row)}")
    return x.reshape(rows)


def mend(given: Shape, row: Shape) -> str:
    """How an array of this shape can be given as rows of that one."""
    if is_row(given, row) or in_call((1, *given), row) is not None:
        return "it is one example without the examples' axis: give x[None]"
    if len(row) == 3 and given[1:] == (*row[1:], row[0]):
        return "channels come first: give x.transpose(0, 3, 1, 2)"
    return "give rows as in training" + ", or flat" * (len(_whole(row)) == len(row))


def is_row(given: Shape, row: Shape) -> bool:
    """Whether a shape is the row's, where a symbol of the row's is any length."""
    return len(given) == len(row) and all(a == b or isinstance(b, Sym) for a, b in zip(given, row, strict=True))


def _as_rows(given: Shape, row: Shape) -> Shape | None:
    """given with the row's axes, where its own hold the same numbers in their order. None for rows of any length:
    nothing says how long flat ones would be."""
    return (given[0], *row) if given and _alike(given[1:], row) else None


def _as_one(given: Shape, row: Shape) -> Shape | None:
    """The shape of one example for an array of its numbers."""
    if is_row(given, row):
        return (1, *given)
    return (1, *row) if _alike(given, row) else None


def _alike(given: Shape, row: Shape) -> bool:
    """Whether rows of two shapes hold their numbers in one order: one is flat, or only axes of length 1 differ."""
    a, b = _whole(given), _whole(row)
    if len(a) < len(given) or len(b) < len(row) or math.prod(a) != math.prod(b):
        return False
    return min(len(a), len(b)) <= 1 or [d for d in a if d != 1] == [d for d in b if d != 1]


def _whole(shape: Shape) -> list[int]:
    return [d for d in shape if isinstance(d, int)]


__all__ = ["fitted", "in_call", "is_row", "mend"]
