"""What each layer makes of an example."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schuss import nn
from schuss.analysis.forward import Forward, weights_in
from schuss.ir.executor import Array
from schuss.ir.executors import compiled
from schuss.ir.graph import LEAVES, Graph, Node
from schuss.nn.walk import weights_of
from schuss.signature.transforms import PREPARING, SCALING


class Activation(NamedTuple):
    """A layer's name, as 0.Linear, and its values [examples, ...]."""

    name: str
    values: Array


def activations_data(model: Any, x: Any) -> list[Activation]:
    """Each layer's output for rows of x, in the order in which they are computed; the last is the model's.

    x  rows as in training, or one row; dropout is off. Native code.

    A layer that is called several times is there with its last call; a model without layers has its output alone.
    DataError for rows that do not fit the model.
    """
    nn.initialize(model)
    forward = Forward(model)
    rows = forward.rows(x)
    graph = forward.graph(rows)
    last: dict[str, Node] = {}
    for node in graph.nodes:
        if node.op not in LEAVES and _layer(node.scope) and node.type.symbolic:
            last.pop(node.scope, None)
            last[node.scope] = node
    for i, result in enumerate(graph.outputs):
        if result not in last.values():
            last["output" if len(graph.outputs) == 1 else f"output {i}"] = result
    outputs = tuple(last.values())
    weights = weights_in(graph, weights_of(model))
    found = compiled(Graph(graph.inputs, outputs))([rows, *weights])
    return [Activation(name, np.asarray(v)) for name, v in zip(last, found, strict=True)]


def _layer(scope: str) -> bool:
    """Whether the scope is a layer's: not that of preparing an input."""
    return scope.rpartition("/")[2] not in ("", SCALING, PREPARING)
