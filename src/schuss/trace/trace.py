"""Turning a Python function into a Graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schuss.ir.graph import Graph, input_node
from schuss.ir.types import TensorType
from schuss.trace.tensor import Tensor, as_tensor


def trace(function: Callable[..., Any], types: Sequence[TensorType], names: Sequence[str] | None = None) -> Graph:
    """The graph of function(*tensors) for inputs of the given types.

    The function returns a tensor, or a tuple or list of them. Constants it returns become nodes.
    """
    names = names or [f"x{i}" for i in range(len(types))]
    inputs = [input_node(name, t) for name, t in zip(names, types, strict=True)]
    result = function(*(Tensor(i) for i in inputs))
    outputs = result if isinstance(result, (tuple, list)) else (result,)
    return Graph(tuple(inputs), tuple(as_tensor(o).node for o in outputs))
