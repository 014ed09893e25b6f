"""A model's outputs with any weights, in native code."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from schuss.api.outputs import fitted, read
from schuss.data import check_finite
from schuss.errors import LoweringError
from schuss.exec import executor
from schuss.ir.executor import Array, Compiled
from schuss.ir.graph import Graph
from schuss.ir.types import DTYPES, N, TensorType
from schuss.nn.forward import Seen, are_scaled, forward_graph, model_dtype, seen_by


class Forward:
    """The outputs of a model of one input for floating rows [n, *row] in the data's own units, dropout off.

    Called with weights by name; gives what is shown for the raw outputs [n, k], and `kind` says what that is:
    probabilities, scores or values (schuss.api.outputs).
    """

    def __init__(self, model: object, row: tuple[int, ...]) -> None:
        self._seen = seen_by(model) or Seen(())
        self._dtype = model_dtype(model)
        scaled = self._seen.inputs and are_scaled(self._seen.inputs, self._seen.scale)[0]
        self.scale = float(self._seen.scale or 1.0) if scaled else 1.0
        graph = forward_graph(model, (TensorType(self._dtype, (N, *row)),))
        self._names = [n.removeprefix("param/") for n in graph.input_names[1:]]
        self._run = native(graph)
        self.kind = "values"

    def raw(self, weights: Mapping[str, Array], x: Array) -> Array:
        """The model's own outputs [n, k], float64."""
        rows = np.ascontiguousarray((np.asarray(x) * self.scale).astype(self._dtype))
        found = self._run([rows, *(weights[n] for n in self._names)])[0]
        result: Array = np.asarray(found, np.float64).reshape(len(rows), -1)
        return result

    def __call__(self, weights: Mapping[str, Array], x: Array) -> Array:
        self.kind, shown = read(self._seen, self.raw(weights, x))
        return shown


def prepared(model: object, x: Array) -> Array:
    """Rows as the model computes with them: in the shape and dtype of its input, integers scaled as in its training.

    A single row without the axis of examples gets one. DataError for rows that do not fit, and for NaN or infinity.
    """
    seen, dtype = seen_by(model) or Seen(()), model_dtype(model)
    rows = fitted(seen, np.asarray(x))
    if not seen.inputs and rows.ndim < 2:
        rows = rows[np.newaxis]
    check_finite(rows, "x")
    if rows.dtype.kind == "f":
        return np.ascontiguousarray(rows, dtype)
    if seen.inputs and are_scaled(seen.inputs, seen.scale)[0]:
        return np.ascontiguousarray(rows.astype(dtype) * np.dtype(dtype).type(seen.scale or 1.0))
    return np.ascontiguousarray(rows if str(rows.dtype) in DTYPES else rows.astype(np.int64))


def input_scale(model: object, x: Array) -> float:
    """What `prepared` multiplied x by."""
    seen = seen_by(model) or Seen(())
    scaled = seen.inputs and are_scaled(seen.inputs, seen.scale)[0] and np.asarray(x).dtype.kind in "iu"
    return float(seen.scale or 1.0) if scaled else 1.0


def native(graph: Graph, threads: int | None = None) -> Compiled:
    """The graph as machine code, or by numpy for an operation without a lowering."""
    try:
        return executor("native", threads).compile(graph)
    except LoweringError:
        return executor("reference").compile(graph)
