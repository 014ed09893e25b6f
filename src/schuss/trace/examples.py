"""Two example axes made from one: predictions [N,1] against targets [N] broadcast to every pair of examples, [N,N]."""

from __future__ import annotations

import contextlib
import contextvars
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schuss.errors import ShapeError
from schuss.ir.graph import LEAVES, Node, Site
from schuss.ir.types import N, TensorType
from schuss.ops.infer import show


@dataclass(frozen=True)
class _Watched:
    what: str
    given: frozenset[Node]


_watched: contextvars.ContextVar[_Watched | None] = contextvars.ContextVar("watched", default=None)
RESHAPES = ("reshape", "cast", "identity")
PARTS = (*RESHAPES, "slice", "transpose")
_told: set[Site] = set()  # the lines that were warned of
_predicted: weakref.WeakSet[Node] = weakref.WeakSet()
MEND = "bring them to one shape first, as pred[:, 0] or target[:, None]; for pairs write x[:, None] and y[None, :]"


@contextlib.contextmanager
def one_example_axis(what: str, *given: Any) -> Iterator[None]:
    """Inside, operations must not make a second example axis out of two values that have one each.

    what   is traced, for the message: "the loss"
    given  the values it gets: tensors, or tuples, lists and dicts of them

    [N,1] against [N] is a ShapeError; a warning, once a line, where the axis of length 1 was written there, as x[:,
    None] or x.sum(axis=1, keepdims=True), and might be meant. Pairs that are written out, x[:, None] - y[None, :]
    or x[:, None] - x, are fine.
    """
    token = _watched.set(_Watched(what, frozenset(_nodes(given))))
    try:
        yield
    finally:
        _watched.reset(token)


def note_predictions(result: Any) -> None:
    """Note what a model gives that is called in a traced function: tensors, or tuples, lists and dicts of them.

    Where such a function is traced for its arguments' shapes (jit, grad), nothing but these tells predictions [32,1]
    against targets [32] from 32 examples by 32 numbers: a warning, once a line.
    """
    _predicted.update(_nodes(result))


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, (tuple, list, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _nodes(part)
    elif hasattr(value, "__schuss_node__"):
        yield value.__schuss_node__()


def check_example_axes(
    name: str, nodes: Sequence[Node], result: TensorType, user_site: Callable[[], Site | None]
) -> None:
    """Look at an operation that broadcasts its operands; see one_example_axis."""
    watched = _watched.get()
    if watched is None or result.shape.count(N) < 2:
        if result.rank == 2 and result.shape[0] == result.shape[1] not in (1, N) and len(_predicted):
            _check_predictions(name, nodes, result, user_site)
        return
    of_examples = [n for n in nodes if N in n.type.shape]
    places = {n.type.rank - n.type.shape.index(N) for n in of_examples}
    implied = any(n.type.rank < result.rank for n in of_examples)
    if any(n.type.shape.count(N) > 1 for n in of_examples) or len(places) < 2 or not implied:
        return
    if len({_origin(n, frozenset(), PARTS) for n in of_examples}) == 1:
        return  # a value against itself, written x[:, None] - x
    shapes = " against ".join(show(n.type.shape) for n in of_examples)
    text = f"{name}: {shapes} in {watched.what} is {show(result.shape)}, every example with every other"
    if any(_is_written(n, watched.given) for n in of_examples if n.type.rank == result.rank):
        _tell(text, user_site)
        return
    raise ShapeError(f"{text}; {MEND}")


def _tell(text: str, user_site: Callable[[], Site | None]) -> None:
    site = user_site() or Site("", 0)
    if site not in _told:  # a function is traced several times
        _told.add(site)
        warnings.warn_explicit(f"{text}; if that is not meant, {MEND}", UserWarning, site.file, site.line)


def _check_predictions(
    name: str, nodes: Sequence[Node], result: TensorType, user_site: Callable[[], Site | None]
) -> None:
    """Look at an operation that makes a square of numbers; see note_predictions."""
    n = result.shape[0]
    columns, rows = ([x for x in nodes if x.type.shape == shape] for shape in ((n, 1), (n,)))
    if not columns or not rows or any(x.type.shape == result.shape for x in nodes):
        return
    if len({_origin(x, frozenset(), PARTS) for x in (*columns, *rows)}) == 1:
        return
    of_columns, of_rows = (frozenset().union(*map(_sources, some)) for some in (columns, rows))
    given = any(s in _predicted or s.op in LEAVES for s in of_columns)  # and their axis of 1 not written
    if given and any(s in _predicted for s in of_columns | of_rows):
        shapes = " against ".join(show(x.type.shape) for x in nodes if x.type.rank)
        _tell(f"{name}: {shapes} is {show(result.shape)}, every example with every other", user_site)


def _sources(node: Node) -> frozenset[Node]:
    """What a value was computed from, example by example: predictions, data and results of other operations."""
    found, seen, left = set(), {node}, [node]
    while left:
        node = left.pop()
        parts = [] if node in _predicted or node.attrs.get("keepdims") else node.inputs
        before = [x for x in parts if x.type.shape == node.type.shape]
        if not before and node.type.rank == 1 and node.op in PARTS:
            before = [x for x in parts if x.type.shape[:1] == node.type.shape]
        left += [x for x in before if x not in seen]
        seen.update(before)
        if not before:
            found.add(node)
    return frozenset(found)


def _is_written(node: Node, given: frozenset[Node]) -> bool:
    """Whether the shape was written there: by a reshape, or by keepdims=True of a reduction, mapped since or not."""
    if _origin(node, given) is not node:
        return True
    shape = node.type.shape
    while node not in given and node.type.shape == shape:
        if node.attrs.get("keepdims"):
            return True
        if len(node.inputs) != 1:
            return False
        node = node.inputs[0]
    return False


def _origin(node: Node, given: frozenset[Node], passed: tuple[str, ...] = RESHAPES) -> Node:
    """What a value was before these operations, back to those given."""
    while node.op in passed and node not in given:
        node = node.inputs[0]
    return node


__all__ = ["check_example_axes", "note_predictions", "one_example_axis"]
