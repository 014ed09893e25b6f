"""A model's outputs for data as they are, with any weights, in native code: what pictures of a model are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from schuss.analysis.runs import signature_kept
from schuss.api.outputs import read
from schuss.data import as_array, check_finite
from schuss.errors import SchussError, UsageError
from schuss.ir.executor import Array
from schuss.ir.graph import Graph, Node, input_node
from schuss.ir.types import DTYPES, N, TensorType
from schuss.nn.forward import forward_graph, model_dtype
from schuss.nn.holding import graph_signature, signature_of
from schuss.nn.walk import model_of
from schuss.ops.registry import lookup
from schuss.signature import Input, Signature
from schuss.signature.indices import reaching_an_index
from schuss.trace.build import apply, made_for


class Forward:
    """A model of one input as it answers a call with raw rows [n, *row], dropout off.

    Who scales integers is who does so in a call: the model's own signature, or those of its parts, each where it is
    called; or the inputs of the task of a run, whatever the model was fitted to since. Floats are taken as they are.
    """

    def __init__(
        self, model: object, inputs: Sequence[Input] | None = None, acting: bool = False, known: Signature | None = None
    ) -> None:
        model = model_of(model)
        signature, acts = graph_signature(model)
        self.model, self.signature = model, known or signature_of(model) or Signature()
        self._inputs, self._acting = (signature.inputs, acts) if inputs is None else (tuple(inputs), acting)
        self._dtype = model_dtype(model)

    @classmethod
    def of_run(cls, run: Any) -> Forward:
        """As the run's task says, and its signature where the run has kept it."""
        return cls(run.model, run.task.inputs, run.task.acting, signature_kept(run))

    def rows(self, x: Any) -> Array:
        """Rows in the shape of the model's input, floats in the model's dtype. A single row gets the examples' axis.

        DataError for rows that do not fit, and for NaN or infinity.
        """
        known = Signature(self._inputs)
        (x,) = known.read((x,))
        given: Any = x if isinstance(x, Mapping) else as_array(x, "x")  # a dict is refused there
        rows = known.rows(given)
        if not self._inputs and rows.ndim < 2:
            rows = rows[np.newaxis]
        check_finite(rows, "x", x)
        integers = str(rows.dtype) if str(rows.dtype) in DTYPES else "int64"
        return np.ascontiguousarray(rows, self._dtype if rows.dtype.kind == "f" else integers)

    def graph(self, rows: Array) -> Graph:
        """From such rows, x0, and the weights, param/NAME, to the outputs."""
        type = TensorType(str(rows.dtype), (N, *rows.shape[1:]))
        return forward_graph(self.model, (type,), acting=self._acting, raw=self._inputs)

    def of_numbers(self, rows: Array) -> Graph:
        """The graph with integers in the rows as numbers of the model's dtype, for a function and its slope.

        UsageError for integers that are indices.
        """
        return _of_numbers(self.graph(rows), self._dtype)

    def shown(self, raw: Array) -> tuple[str, Array]:
        """What is shown of raw outputs [n, k]: probabilities, scores or values, and these (schuss.api.outputs)."""
        return read(self.signature, raw)


def as_trained(model: object, x: Any) -> Array:
    """Rows as an array; of a data frame with the columns in the order of the training."""
    signature = signature_of(model) or Signature()
    return as_array(signature.read((x,))[0], "x")


def weights_in(graph: Graph, weights: Mapping[str, Array]) -> list[Array]:
    """The weights, by name, in the order of the graph's inputs behind its first."""
    return [weights[name.removeprefix("param/")] for name in graph.input_names[1:]]


def _of_numbers(graph: Graph, dtype: str) -> Graph:
    """The graph with its integers x0 as floats of a dtype: what moves or computes with them does so with floats."""
    first, *others = graph.inputs
    if first.type.is_float:
        return graph
    new: dict[Node, Node] = {first: input_node("x0", TensorType(dtype, first.type.shape))}
    if first in reaching_an_index([first], graph.outputs):
        raise UsageError("the model's input holds integers that stand for no numbers (indices)")
    for node in graph.nodes:
        if node not in new:
            try:
                new[node] = _again(node, [new[i] for i in node.inputs])
            except SchussError as error:
                raise UsageError(
                    f"the model's input holds integers with which it does what no floats can: {error}"
                ) from None
    return Graph((new[first], *others), tuple(new[o] for o in graph.outputs), graph.output_names)


def _again(node: Node, inputs: Sequence[Node]) -> Node:
    """The node's operation on inputs of which some are floats that were integers; these stay floats."""
    if all(a is b for a, b in zip(node.inputs, inputs, strict=True)):
        return node
    if node.op == "cast" and not node.inputs[0].type.is_float and node.type.dtype not in ("bool", "float32", "float64"):
        return inputs[0]
    with made_for(node):
        return apply(lookup(node.op), inputs, dict(node.attrs))
