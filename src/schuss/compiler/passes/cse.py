"""Common subexpressions: nodes of the same op, inputs and attributes become one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from schuss.compiler.structure import is_hyperparameter, is_input
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite


def common_subexpressions(graph: Graph) -> Graph:
    """The graph with each distinct expression computed once. Every op is pure, random ones too. Hyperparameters of two
    layers stay two: that they have one value today is no part of the program."""
    seen: dict[Hashable, Node] = {}

    def first_of_its_kind(node: Node) -> Node | None:
        if is_input(node):
            return None
        attrs = tuple(sorted([(k, _key(v)) for k, v in node.attrs.items()])) if node.attrs else ()
        place = node.scope if is_hyperparameter(node) else ""
        return seen.setdefault((node.op, tuple(map(id, node.inputs)), node.type, attrs, place), node)

    return rewrite(graph, first_of_its_kind)


def _key(value: Any) -> Hashable:
    """Attribute values by content; numbers by type and sign too, so that 1, 1.0 and True, 0.0 and -0.0 stay apart."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, (list, tuple)):
        return tuple(map(_key, value))
    return (type(value).__name__, repr(value))
