"""Digests: of arrays, of what a node computes, of a whole graph. Equal ones stand for equal computations."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from schuss.ir.graph import Graph, Node, topological

LONG, SHORT = 16, 8  # bytes: to find code by; to compare one thing with another


def array_digest(array: Any, size: int = LONG) -> str:
    """Type, shape and contents in a line."""
    contents = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return f"{array.dtype}{list(array.shape)} {hashlib.blake2b(contents, digest_size=size).hexdigest()}"


def attributes(node: Node, size: int = LONG) -> dict[str, str]:
    """A node's attributes as text, by name; arrays by their digest."""
    return {n: array_digest(v, size) if isinstance(v, np.ndarray) else repr(v) for n, v in sorted(node.attrs.items())}


def graph_digest(graph: Graph) -> str:
    """Of every operation, with the values of its constants, and of the outputs' names."""
    number: dict[Node, int] = {}
    found = hashlib.blake2b(digest_size=LONG)
    for node in topological([*graph.inputs, *graph.outputs]):
        found.update(f"{node.op} {[number[i] for i in node.inputs]} {node.type} {attributes(node, SHORT)}\n".encode())
        number[node] = len(number)
    outputs = zip(graph.output_names, graph.outputs, strict=True)
    found.update(str([(name, number[node]) for name, node in outputs]).encode())
    return found.hexdigest()


__all__ = ["SHORT", "array_digest", "attributes", "graph_digest"]
