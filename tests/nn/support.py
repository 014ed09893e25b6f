"""What the tests of layers and losses share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from schuss import nn
from schuss.backprop import backprop
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.graph import Graph
from schuss.ir.types import N, TensorType
from schuss.trace import trace


def types_of(arrays: Any, symbolic: bool = False) -> list[TensorType]:
    return [
        TensorType(str(a.dtype), (N, *a.shape[1:]) if symbolic and a.shape else a.shape)
        for a in map(np.asarray, arrays)
    ]


def run(function: Callable[..., Any], *arrays: Any, symbolic: bool = False) -> Any:
    """function traced and computed by the reference executor; symbolic: the first axis is N."""
    arrays = tuple(np.asarray(a) for a in arrays)
    graph = trace(function, types_of(arrays, symbolic))
    results = ReferenceExecutor().compile(graph)(list(arrays))
    return results[0] if len(results) == 1 else results


def gradient(function: Callable[..., Any], *arrays: Any) -> np.ndarray:
    """The gradient of a scalar function with respect to its first argument."""
    return np.asarray(run(lambda x, *rest: backprop(function(x, *rest), [x])[0], *arrays))


def finite_difference(function: Callable[..., Any], x: np.ndarray, *rest: Any, h: float = 1e-6) -> np.ndarray:
    """The same by central differences, in float64."""
    result = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        result[i] = (run(function, up, *rest) - run(function, down, *rest)) / (2 * h)
    return result


def graph_of(model: Any, *types: TensorType, **mode: Any) -> Graph:
    """The model's forward graph, its parameters inlined."""

    def call(*xs: Any) -> Any:
        with nn.bind_scopes(model), nn.mode(**mode):
            return model(*xs)

    return trace(call, types)
