"""Turning a Python function into a Graph."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from schuss.errors import TraceError
from schuss.ir.graph import Graph, input_node
from schuss.ir.types import TensorType
from schuss.trace.tensor import Tensor, as_tensor

_tracing: contextvars.ContextVar[bool] = contextvars.ContextVar("tracing", default=False)


def tracing() -> bool:
    """Whether a graph is being built here: models, jit and grad called now add to it and compute nothing."""
    return _tracing.get()


@contextlib.contextmanager
def building() -> Iterator[None]:
    """Inside, a graph is being built from tensors of the caller's own; trace() does it by itself."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


def trace(function: Callable[..., Any], types: Sequence[TensorType], names: Sequence[str] | None = None) -> Graph:
    """The graph of function(*tensors) for inputs of the given types.

    The function returns a tensor, or a tuple or list of them. Constants it returns become nodes.
    TraceError if it uses a tensor that was kept from another trace.
    """
    names = names or [f"x{i}" for i in range(len(types))]
    inputs = [input_node(name, t) for name, t in zip(names, types, strict=True)]
    with building():
        result = function(*(Tensor(i) for i in inputs))
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        graph = Graph(tuple(inputs), tuple(as_tensor(o).node for o in outputs))
    known = set(inputs)
    for node in graph.nodes:
        if node.op == "input" and node not in known:
            raise TraceError(
                f"{node.attrs['name']} ({node.type}) belongs to another trace and has no value here; "
                "return tensors from traced functions, do not store them"
            )
    return graph
