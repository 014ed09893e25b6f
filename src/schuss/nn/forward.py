"""A model as a graph by itself, and what is known of the data it was trained on."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schuss import ops
from schuss.ir.graph import Graph, Node, input_node
from schuss.ir.types import TensorType
from schuss.nn.module import bind_scopes, mode
from schuss.nn.parameter import bind
from schuss.nn.walk import named_parameters
from schuss.trace import Tensor, as_tensor, scope


@dataclass(frozen=True)
class Seen:
    """What a model was last fitted to, for whoever saves or studies it.

    inputs, target  types of one batch's columns; scale: what integers among the inputs are multiplied by (None: not)
    loss, optimizer the objects, or their settings as a file holds them
    record          what is known of the training, fit for JSON
    left_out        what a file's record says that no run could have written, in a line; "" for nothing
    track           the run's path in a plane (schuss.train.record.Track), if the file keeps it
    """

    inputs: tuple[TensorType, ...]
    scale: float | None = None
    target: TensorType | None = None
    loss: Any = None
    optimizer: Any = None
    record: Mapping[str, Any] = field(default_factory=dict)
    left_out: str = ""
    track: Any = None


_seen: weakref.WeakKeyDictionary[Any, Seen] = weakref.WeakKeyDictionary()


def remember(model: Any, seen: Seen) -> None:
    """Note what a model was fitted to."""
    with contextlib.suppress(TypeError):  # an object without weak references is not noted
        _seen[model] = seen


def seen_by(model: Any) -> Seen | None:
    """What was noted last."""
    try:
        return _seen.get(model)
    except TypeError:
        return None


def are_scaled(types: Sequence[TensorType], scale: float | None) -> list[bool]:
    """Which inputs the scale is for: the bytes, beside which integers are indices; without bytes all integers."""
    narrow = [t.dtype == "uint8" for t in types]
    chosen = narrow if any(narrow) else [not t.is_float for t in types]
    return [c and scale is not None for c in chosen]


def scaled(x: Any, scale: float | None, dtype: str) -> Any:
    """Integers times the scale, as floats."""
    with scope("input"):
        return ops.cast(x, dtype=dtype) * scale


def as_trained(model: Any, xs: Sequence[Any]) -> list[Any]:
    """Inputs of a model that was fitted, treated as in its fit: where it saw scaled integers, integers are scaled."""
    seen = seen_by(model)
    if seen is None or len(seen.inputs) != len(xs):
        return list(xs)
    chosen = zip(xs, are_scaled(seen.inputs, seen.scale), strict=True)
    dtype = model_dtype(model)
    return [scaled(x, seen.scale, dtype) if c and isinstance(x, Tensor) and not x.is_float else x for x, c in chosen]


def scaled_types(model: Any, types: Sequence[TensorType], scale: float | None) -> tuple[TensorType, ...]:
    """The types of the inputs as the model sees them."""
    dtype = model_dtype(model)
    return tuple(TensorType(dtype, t.shape) if c else t for t, c in zip(types, are_scaled(types, scale), strict=True))


def model_dtype(model: Any) -> str:
    """The dtype of the model's first parameter."""
    return next((p.dtype for p in named_parameters(model).values()), "float32")


def forward_graph(model: Any, inputs: Sequence[TensorType]) -> Graph:
    """The graph from x0, x1, ... and param/NAME to the model's results y0, ..., in evaluation mode."""
    named = named_parameters(model)
    params = {name: Tensor(input_node(f"param/{name}", p.type)) for name, p in named.items()}
    xs = [Tensor(input_node(f"x{i}", t)) for i, t in enumerate(inputs)]
    with bind({named[n]: t for n, t in params.items()}), bind_scopes(model), mode():
        result = model(*xs)
    outputs: list[Node] = [as_tensor(o).node for o in (result if isinstance(result, (tuple, list)) else (result,))]
    nodes = tuple(t.node for t in (*xs, *params.values()))
    return Graph(nodes, tuple(outputs), tuple(f"y{i}" for i in range(len(outputs))))
