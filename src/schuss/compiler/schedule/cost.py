"""What a kernel costs: floating-point operations, and bytes it reads and writes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.structure import (
    base_of,
    contracted,
    is_contraction,
    is_copy,
    is_free,
    is_input,
    structure_of,
    written_over,
)
from schuss.compiler.work import elements
from schuss.ir.graph import Node
from schuss.ir.types import Shape


@dataclass(frozen=True)
class Cost:
    """flops: 2 m k n of a product, one an element of each map and fold. bytes: operands and results, each once."""

    label: str
    shape: str
    flops: float
    bytes: float


def cost(group: Group, n: int) -> Cost:
    """Of one run with n examples."""
    space = elements(group.space, n)
    flops = space * (len(group.maps) + len(group.folds))
    depth = ""
    if group.anchor is not None and is_contraction(group.anchor):
        k = contracted(group.anchor)
        flops += 2 * space * elements(k, n)
        depth = f" over {_dims(k)}"
    elif group.anchor is not None:
        found, axis = structure_of(group.anchor), group.anchor.attrs.get("axis")
        shape = group.anchor.inputs[0].type.shape if found is None else found.space
        along = isinstance(axis, int) and group.form is Form.OPAQUE  # it may sort along the axis
        flops += elements(shape, n) * (1 + (math.log2(max(elements(shape[axis:][:1], n), 1)) if along else 0))
    read = {base_of(o): _read(r, i, n) for r, i, o in group.operands if not is_free(base_of(o))}
    moved = sum(read.values()) + sum(_written(o, n) for o in group.stores)
    return Cost(_label(group), f"{_dims(group.space)}{depth}", flops, moved)


def _label(group: Group) -> str:
    """The kernel's main operation, and how many are fused with it; of mere copies what they copy."""
    if all(map(is_copy, group.nodes)):
        copied = [base_of(node.inputs[0]) for node in group.nodes]
        return "gather the batch" if all(is_input(c) and c.type.symbolic for c in copied) else "copy"
    names = [node.op for node in group.nodes]
    head = group.anchor.op if group.anchor else names[-1]
    more = len(names) - 1
    return head if not more else f"{head} + {more} fused"


def _read(reader: Node, number: int, n: int) -> float:
    """Bytes read of an operand: through an index what the places ask for; none of what is only written over."""
    operand, found = reader.inputs[number], structure_of(reader)
    access = None if found is None else found.reads[number]
    if number == written_over(reader):
        return 0
    if found is not None and access is not None and access.through is not None:
        return min(elements(found.space, n) * ITEMSIZE[operand.type.dtype], bytes_of(operand, n))
    return bytes_of(operand, n)


def _written(node: Node, n: int) -> float:
    """Bytes written of a result: of what is written over another value, where it is."""
    found = structure_of(node)
    if found is None or found.onto is None:
        return bytes_of(node, n)
    return min(elements(found.space, n) * ITEMSIZE[node.type.dtype], bytes_of(node, n))


def bytes_of(node: Node, n: int) -> float:
    """Of a value for n examples."""
    return elements(node.type.shape, n) * ITEMSIZE[node.type.dtype]


def _dims(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"
