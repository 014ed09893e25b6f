"""What a kernel costs: floating-point operations, and bytes it reads and writes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from schuss.ir.graph import Node
from schuss.ir.types import Shape, Sym
from schuss.passes.fusion import Group, base_of, is_free
from schuss.passes.storage import ITEMSIZE


@dataclass(frozen=True)
class Cost:
    """flops: 2 m k n of a product, one an element of each map and fold. bytes: operands and results, each once."""

    label: str
    shape: str
    flops: float
    bytes: float


def cost(group: Group, n: int) -> Cost:
    """Of one run with n examples."""
    space = _size(group.space, n)
    flops = space * (len(group.maps) + len(group.folds))
    depth = ""
    if group.anchor is not None and group.anchor.op == "matmul":
        k = _size(group.anchor.inputs[0].type.shape[-1:], n)
        flops += 2 * space * k
        depth = f" over {_dims(group.anchor.inputs[0].type.shape[-1:])}"
    elif group.anchor is not None:
        flops += _size(group.anchor.inputs[0].type.shape, n)
    inside = set(group.nodes)
    read = {base_of(o): o for node in group.nodes for o in node.inputs if o not in inside and not is_free(base_of(o))}
    moved = sum(_bytes(o, n) for o in read.values()) + sum(_bytes(o, n) for o in group.stores)
    return Cost(_label(group), f"{_dims(group.space)}{depth}", flops, moved)


def _label(group: Group) -> str:
    """The kernel's main operation, and what is computed along with it."""
    names = [node.op for node in group.nodes]
    head = group.anchor.op if group.anchor else names[-1]
    more = len(names) - 1
    return head if not more else f"{head} + {more} more"


def _bytes(node: Node, n: int) -> float:
    return _size(node.type.shape, n) * ITEMSIZE[node.type.dtype]


def _size(shape: Shape, n: int) -> float:
    return math.prod(float(n) if isinstance(d, Sym) else d for d in shape)


def _dims(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"
