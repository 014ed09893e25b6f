"""A model's outputs with any weights, in native code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schuss.api.outputs import fitted, read
from schuss.data import as_array, check_finite
from schuss.errors import LoweringError
from schuss.exec import executor
from schuss.ir.executor import Array, Compiled
from schuss.ir.graph import Graph
from schuss.ir.types import DTYPES, N, TensorType
from schuss.nn.forward import forward_graph, model_dtype
from schuss.nn.holding import signature_of
from schuss.signature import Signature


class Forward:
    """The outputs of a model of one input for floating rows [n, *row] in the data's own units, dropout off.

    Called with weights by name; gives what is shown for the raw outputs [n, k], and `kind` says what that is:
    probabilities, scores or values (schuss.api.outputs).
    """

    def __init__(self, model: object, row: tuple[int, ...]) -> None:
        self._signature = signature_of(model) or Signature()
        self._dtype = model_dtype(model)
        self.scale = (self._signature.inputs[0].scale or 1.0) if self._signature.inputs else 1.0
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
        self.kind, shown = read(self._signature, self.raw(weights, x))
        return shown


def as_trained(model: object, x: Any) -> Array:
    """Rows as an array; of a data frame with the columns in the order of the training."""
    signature = signature_of(model) or Signature()
    return as_array(signature.in_order((x,))[0], "x")


def prepared(model: object, x: Any) -> Array:
    """Rows as the model computes with them: in the shape and dtype of its input, integers scaled as in its training.

    A single row without the axis of examples gets one. DataError for rows that do not fit, and for NaN or infinity.
    """
    signature, dtype = signature_of(model) or Signature(), model_dtype(model)
    (x,) = signature.in_order((x,))
    rows = fitted(signature, as_array(x, "x"))
    if not signature.inputs and rows.ndim < 2:
        rows = rows[np.newaxis]
    check_finite(rows, "x", x)
    if rows.dtype.kind == "f":
        return np.ascontiguousarray(rows, dtype)
    if signature.inputs and signature.inputs[0].scale is not None:
        return np.ascontiguousarray(signature.inputs[0].prepared(rows, dtype))
    return np.ascontiguousarray(rows if str(rows.dtype) in DTYPES else rows.astype(np.int64))


def input_scale(model: object, x: Array) -> float:
    """What `prepared` multiplied x by."""
    signature = signature_of(model) or Signature()
    scaled = signature.inputs and np.asarray(x).dtype.kind in "iub"
    return (signature.inputs[0].scale or 1.0) if scaled else 1.0


def native(graph: Graph, threads: int | None = None) -> Compiled:
    """The graph as machine code, or by numpy for an operation without a lowering."""
    try:
        return executor("native", threads).compile(graph)
    except LoweringError:
        return executor("reference").compile(graph)
