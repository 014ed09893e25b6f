"""A model as a graph by itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from schuss.ir.graph import Graph, Node, input_node, topological
from schuss.ir.types import TensorType
from schuss.nn.holding import inert
from schuss.nn.module import bind_scopes, mode
from schuss.nn.parameter import bind
from schuss.nn.walk import model_dtype, named_parameters
from schuss.signature import Input
from schuss.trace import Tensor, as_tensor

RANDOM = {"key": TensorType("uint32", (2,)), "step": TensorType("int64", ())}
"""What dropout's random bits are made from in training: inputs of a graph, by name."""


def prepared_types(model: Any, inputs: Sequence[Input]) -> tuple[TensorType, ...]:
    """The types of the inputs as the model computes with them."""
    dtype = model_dtype(model)
    return tuple(i.prepared_type(dtype) for i in inputs)


def forward_graph(model: Any, inputs: Sequence[TensorType], training: bool = False, acting: bool = False) -> Graph:
    """The graph from x0, x1, ... and param/NAME to the model's results y0, ..., in evaluation mode.

    The types are those of prepared data: no signature acts, unless those within the model are to. In training mode the
    random key and the step are inputs too, by these names, if the model draws numbers.
    """
    named = named_parameters(model)
    params = {name: Tensor(input_node(f"param/{name}", p.type)) for name, p in named.items()}
    xs = [Tensor(input_node(f"x{i}", t)) for i, t in enumerate(inputs)]
    key, step = (Tensor(input_node(name, type)) for name, type in RANDOM.items())
    chosen = mode(True, key, step) if training else mode()
    with (
        bind({named[n]: t for n, t in params.items()}),
        bind_scopes(model),
        chosen,
        nullcontext() if acting else inert(),
    ):
        result = model(*xs)
    outputs: list[Node] = [as_tensor(o).node for o in (result if isinstance(result, (tuple, list)) else (result,))]
    nodes = [t.node for t in (*xs, *params.values())]
    reached = set(topological(outputs))
    nodes += [t.node for t in (key, step) if training and t.node in reached]
    return Graph(tuple(nodes), tuple(outputs), tuple(f"y{i}" for i in range(len(outputs))))


__all__ = ["RANDOM", "forward_graph", "model_dtype", "prepared_types"]
