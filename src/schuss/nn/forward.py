"""A model as a graph by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from schuss.ir.graph import Graph, Node, input_node, topological
from schuss.ir.types import TensorType
from schuss.nn.holding import inert
from schuss.nn.module import bind_scopes, mode
from schuss.nn.parameter import bind
from schuss.nn.walk import model_dtype, named_parameters
from schuss.signature import Input
from schuss.signature.form import Form, taken_apart
from schuss.signature.inputs import handed_over
from schuss.trace import Tensor, as_tensor

RANDOM = {"key": TensorType("uint32", (2,)), "step": TensorType("int64", ())}
"""What dropout's random bits are made from in training: inputs of a graph, by name."""


Types = Sequence[TensorType] | Mapping[str, TensorType]


def prepared_types(model: Any, inputs: Sequence[Input]) -> Types:
    """The types of the inputs as the model computes with them; by name where the model takes a dict."""
    dtype = model_dtype(model)
    types = tuple(i.prepared_type(dtype) for i in inputs)
    return handed_over(inputs, types)[0] if any(i.keyed for i in inputs) else types


def forward_graph(
    model: Any, inputs: Types, training: bool = False, acting: bool = False, raw: Sequence[Input] = ()
) -> Graph:
    """The graph from x0, x1, ... and param/NAME to the model's results y0, ..., in evaluation mode.

    Types by name are those of a model that takes one dict. The types are those of prepared data: no signature acts,
    unless those within the model are to. In training mode the random key and the step are inputs too, by these names,
    if the model draws numbers. raw: what prepares the inputs, where the types are those of data as they are.
    """
    return forward(model, inputs, training, acting, raw)[0]


def forward(
    model: Any, inputs: Types, training: bool = False, acting: bool = False, raw: Sequence[Input] = ()
) -> tuple[Graph, Form]:
    """forward_graph, and the form of the model's result."""
    named = named_parameters(model)
    params = {name: Tensor(input_node(f"param/{name}", p.type)) for name, p in named.items()}
    xs = [
        Tensor(input_node(f"x{i}", t)) for i, t in enumerate(inputs.values() if isinstance(inputs, Mapping) else inputs)
    ]
    ready = [i.prepared(x, model_dtype(model)) for i, x in zip(raw, xs, strict=True)] if raw else xs
    args: tuple[Any, ...] = (dict(zip(inputs, ready, strict=True)),) if isinstance(inputs, Mapping) else tuple(ready)
    key, step = (Tensor(input_node(name, type)) for name, type in RANDOM.items())
    chosen = mode(True, key, step) if training else mode()
    with (
        bind({named[n]: t for n, t in params.items()}),
        bind_scopes(model),
        chosen,
        nullcontext() if acting else inert(),
    ):
        result = model(*args)
    form, parts = results_of(result)
    outputs: list[Node] = [as_tensor(o).node for o in parts]
    nodes = [t.node for t in (*xs, *params.values())]
    reached = set(topological(outputs))
    nodes += [t.node for t in (key, step) if training and t.node in reached]
    return Graph(tuple(nodes), tuple(outputs), tuple(f"y{i}" for i in range(len(outputs)))), form


def results_of(result: Any) -> tuple[Form, list[Any]]:
    """The form of what a model gives, and its parts."""
    return taken_apart(tuple(result) if isinstance(result, list) else result, "the model's result")


__all__ = ["RANDOM", "Types", "forward", "forward_graph", "model_dtype", "prepared_types", "results_of"]
