"""Where arrays meet machine code: it believes dtypes, shapes and lengths, so they are looked at here, always.

Both executors' loops ask these, so that what one takes the other takes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from schuss.compiler.storage import LATER
from schuss.errors import ShapeError, UsageError
from schuss.ir.executor import Array, Step
from schuss.ir.types import DTYPES, TensorType

_DTYPE = {name: np.dtype(name) for name in DTYPES}  # to compare with: the name of an array's dtype takes microseconds


def solid(array: Array) -> Array:
    """The array row after row without gaps, each number where its dtype may lie; itself where it is so already."""
    array = np.ascontiguousarray(array)
    return array if array.flags.aligned else array.copy()


def types_of(step: Step) -> dict[str, TensorType]:
    """The types of the step's inputs, by name."""
    return {str(node.attrs["name"]): node.type for node in step.graph.inputs}


def resident(step: Step, columns: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    """The columns rows are picked from, solid, and how many rows they have.

    ShapeError for one that is missing, of another dtype or shape of row than the step's, or of another length.
    """
    types, found, rows = types_of(step), dict[str, Array](), None
    for name in step.columns:
        if name not in columns:
            raise ShapeError(f"column {name} is missing: the step reads {', '.join(step.columns)}")
        array, want = np.asarray(columns[name]), types[name]
        if array.ndim == 0 or str(array.dtype) != want.dtype or array.shape[1:] != want.shape[1:]:
            raise ShapeError(f"column {name}: expected {want}, got {array.dtype}{list(array.shape)}")
        if rows is not None and len(array) != rows:
            raise ShapeError(f"column {name}: has {len(array)} rows, {next(iter(found))} has {rows}")
        rows = len(array)
        found[name] = solid(array)
    return found, rows or 0


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
