"""Making nodes in a pass: the op's own type rule gives the type."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from schuss.compiler.structure import is_const
from schuss.ir.graph import Node
from schuss.ir.types import TensorType
from schuss.ops.registry import lookup


def make(op: str, *inputs: Node, like: Node | None = None, **attrs: Any) -> Node:
    """A node of the op, standing for `like` (its line and scope)."""
    type = lookup(op).infer(op, *(i.type for i in inputs), **attrs)
    return Node(op, inputs, type, MappingProxyType(attrs), like.site if like else None, like.scope if like else "")


def literal(value: Any, dtype: str) -> Node:
    """A constant."""
    array = np.array(value, dtype=dtype)
    array.flags.writeable = False
    return Node("const", (), TensorType(dtype, array.shape), MappingProxyType({"value": array}))


def is_ones(shape: tuple[Any, ...]) -> bool:
    """Whether a shape holds one element."""
    return all(d == 1 for d in shape)


def scalar_value(node: Node) -> float | int | bool | None:
    """The number in a constant of one element, else None."""
    if not is_const(node) or node.attrs["value"].size != 1:
        return None
    number: float | int | bool = node.attrs["value"].item()
    return number
