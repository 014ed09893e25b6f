"""Which inputs an output depends on: its gradient with respect to the input.

Source: Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks (2013), arXiv 1312.6034.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss import nn
from schuss.analysis.forward import Forward, as_trained, weights_in
from schuss.api.outputs import is_classifier, single_result
from schuss.backprop import backprop
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.ir.executors import compiled
from schuss.ir.graph import Graph, input_node
from schuss.nn.holding import signature_of
from schuss.nn.walk import model_of, weights_of
from schuss.trace import Tensor


def saliency_data(model: Any, x: Any, of: int | None = None) -> Array:
    """d output / d x: for each row the gradient of one of the model's own outputs (a logit, not its probability).

    x   rows as in training, or one row
    of  which output; None: of a classifier each row's largest, of a model of one output that one

    Has x's shape, the columns of a data frame in the order of the training, in the model's dtype; for bytes it is the
    change per grey level. Rows stand alone. UsageError if `of` is out of range, or has to be given.
    """
    return gradients_of(model, x, of)[0]


def gradients_of(model: Any, x: Any, of: int | None) -> tuple[Array, Array]:
    """The gradient, and the output of each row it is of."""
    model = model_of(model)
    nn.initialize(model)
    forward = Forward(model)
    rows = forward.rows(x)
    graph = forward.of_numbers(rows)
    raw = single_result(model(rows), len(rows))
    which = _outputs(model, raw.reshape(len(raw), -1), of)
    chosen = np.zeros_like(raw)
    chosen.reshape(len(raw), -1)[np.arange(len(raw)), which] = 1
    row, result = graph.inputs[0], graph.outputs[0]
    seed = input_node("seed", result.type)
    (slope,) = backprop(Tensor(result), [Tensor(row)], Tensor(seed))
    weights = weights_in(graph, weights_of(model))
    found = compiled(Graph((*graph.inputs, seed), (slope.node,)))([rows.astype(row.type.dtype), *weights, chosen])[0]
    return np.asarray(found).reshape(as_trained(model, x).shape), which


def _outputs(model: Any, raw: Array, of: int | None) -> Array:
    """Which output of each row."""
    count = raw.shape[1]
    if of is not None:
        if not isinstance(of, (int, np.integer)) or not 0 <= of < count:
            raise UsageError(f"saliency: of must be an output from 0 to {count - 1}, got {of!r}")
        return np.full(len(raw), of, np.int64)
    if count > 1 and not is_classifier(signature_of(model)):
        raise UsageError(f"saliency: the model gives {count} numbers; say which with of=")
    return raw.argmax(axis=1)
