"""Where arrays meet machine code: it believes dtypes, shapes and lengths, so they are looked at here, always.

Both executors' loops ask these, so that what one takes the other takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from schuss.compiler.storage import LATER
from schuss.errors import ShapeError, UsageError
from schuss.ir.executor import Array, Step
from schuss.ir.graph import LEAVES, Graph
from schuss.ir.types import DTYPES, N, Sym, TensorType, bind
from schuss.ops.registry import Kind, lookup

_DTYPE = {name: np.dtype(name) for name in DTYPES}  # to compare with: the name of an array's dtype takes microseconds


def solid(array: Array) -> Array:
    """The array row after row without gaps, each number where its dtype may lie; itself where it is so already."""
    array = np.ascontiguousarray(array)
    return array if array.flags.aligned else array.copy()


def types_of(step: Step) -> dict[str, TensorType]:
    """The types of the step's inputs, by name."""
    return {str(node.attrs["name"]): node.type for node in step.graph.inputs}


def lengths_of(graph: Graph, arrays: Sequence[Array]) -> dict[Sym, int]:
    """The lengths of the symbols, from the inputs' shapes.

    ShapeError for an array that is not of its input's type, for two lengths of one symbol, and where a reduction has no
    value because a length is 0.
    """
    known: _Known = {}
    for node, array in zip(graph.inputs, arrays, strict=True):
        _measure(f"input {node.attrs['name']}", array, node.type, known)
    lengths = {symbol: length for symbol, (length, _, _) in known.items()}
    if 0 in lengths.values():
        _check_empty_folds(graph, lengths)
    return lengths


_Known = dict[Sym, tuple[int, int, str]]  # a length, and of which axis of which array it is


def _measure(what: str, array: Array, want: TensorType, known: _Known) -> None:
    """Note the lengths of a type's symbols by an array. ShapeError if it does not fit the type, or what is known."""
    if array.ndim != want.rank or str(array.dtype) != want.dtype:
        raise _unlike(what, array, want)
    for axis, (dim, length) in enumerate(zip(want.shape, array.shape, strict=True)):
        if isinstance(dim, Sym):
            first, place, other = known.setdefault(dim, (length, axis, what))
            if length != first:
                text = f"axis {axis} is {length} long, and axis {place} of {other} is {first}; both lengths are {dim}"
                raise ShapeError(f"{what}: {text}")
        elif dim != length:
            raise _unlike(what, array, want)


def _unlike(what: str, array: Array, want: TensorType) -> ShapeError:
    return ShapeError(f"{what}: expected {want}, got {array.dtype}{list(array.shape)}")


def _check_empty_folds(graph: Graph, lengths: Mapping[Sym, int]) -> None:
    """ShapeError where a reduction has no value over nothing, as a maximum."""
    for node in graph.nodes:
        op = None if node.op in LEAVES else lookup(node.op)
        if op is not None and op.kind is Kind.REDUCE:
            types = [replace(i.type, shape=bind(i.type.shape, lengths)) for i in node.inputs]
            try:
                op.infer(node.op, *types, **node.attrs)
            except ShapeError as error:
                line = f" (line: {node.site})" if node.site is not None else ""
                none = [str(symbol) for symbol, length in lengths.items() if length == 0 and symbol != N]
                why = f"{' and '.join(none)} is 0" if none else "no examples were given"
                raise ShapeError(f"{why}: {error}{line}") from None


def resident(step: Step, columns: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    """The columns rows are picked from, solid, and how many rows they have.

    ShapeError for one that is missing, that is not of the step's type, or of another length than one of the others.
    """
    types, found, known = types_of(step), dict[str, Array](), _Known()
    for name in step.columns:
        if name not in columns:
            raise ShapeError(f"column {name} is missing: the step reads {', '.join(step.columns)}")
        array = np.asarray(columns[name])
        _measure(f"column {name}", array, types[name], known)
        found[name] = solid(array)
    return found, known[N][0] if N in known else 0


def fitting(name: str, value: Array, want: TensorType) -> Array:
    """An array of the state. ShapeError if it has not the type."""
    array = np.asarray(value)
    if array.dtype != _DTYPE[want.dtype] or array.shape != want.shape:
        raise ShapeError(f"state {name}: expected {want}, got {array.dtype}{list(array.shape)}")
    return array


def check_span(step: Step, bound: int | None, order: NDArray[np.int64], batch: int, first: int, steps: int) -> None:
    """UsageError unless all that these steps read, or look ahead to, is there. bound: how many rows are; None before
    bind. An order is run in slices, so that looking through all of it at each would take longer than many a step."""
    if step.columns and bound is None:
        raise UsageError("run: the step's columns are not bound yet")
    if batch < 1 or first < 0 or steps < 0 or (steps and (first + steps - 1) * batch >= len(order)):
        raise UsageError(f"run: {steps} steps of {batch} rows from step {first} on go beyond the order")
    order = order[first * batch : (first + steps) * batch + LATER]
    # As unsigned numbers, negative ones are the largest: one look finds both ends.
    if bound is not None and step.columns and len(order) and int(order.view(np.uint64).max()) >= bound:
        wrong = order[(order < 0) | (order >= bound)][0]
        raise UsageError(f"run: the order names row {wrong}, there are {bound}")
