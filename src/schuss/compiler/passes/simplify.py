"""Local rewrites that leave every value bit for bit as it was: what is removed computed nothing.

identity(x), stop_gradient(x)           -> x
transpose(transpose(x)), reshape twice  -> one
transpose, reshape, cast to the same    -> x
broadcast_to(x) read by a map           -> x (maps broadcast themselves)
sum(keepdims) then reshape              -> sum
sum, mean, max, min of one element each -> x
x * 1, x / 1, x - 0, x + (-0)           -> x
map(broadcast_to(s)) of a scalar s      -> broadcast_to(map(s))
a map or view of constants              -> its value
count of known axes                     -> its value
check_index of what is in range         -> its index
"""

from __future__ import annotations

import math

import numpy as np

from schuss.compiler.passes.nodes import is_ones, literal, make, scalar_value
from schuss.compiler.structure import is_map
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite, with_inputs
from schuss.ir.types import Dim, Sym, static_size
from schuss.ops.infer import broadcast_shapes
from schuss.ops.registry import lookup

MOST = {"uint8": 256}  # numbers that a dtype holds, from 0 on
FOLD_LIMIT = 4096  # elements; larger constant maps are computed at run time rather than stored


def simplify(graph: Graph) -> Graph:
    """The graph with every rule above applied bottom-up."""
    return rewrite(graph, _simpler)


def _simpler(node: Node) -> Node | None:
    if node.op in ("identity", "stop_gradient"):
        return node.inputs[0]
    if is_map(node):
        read = {i.op for i in node.inputs}
        if read <= {"const"} and (value := _fold(node)):
            return value
        if "const" in read and (simpler := _neutral(node)):
            return simpler
        if node.op == "cast" and node.inputs[0].type == node.type:
            return node.inputs[0]
        return _drop_broadcasts(node) or _on_scalars(node) if "broadcast_to" in read else None
    if node.op in ("transpose", "reshape") and node.inputs[0].op == "const":
        return literal(lookup(node.op).body(node.inputs[0].attrs["value"], **node.attrs), node.type.dtype)
    rule = _RULES.get(node.op)
    return rule(node) if rule else None


def _fold(node: Node) -> Node | None:
    """The value of a map of constants, if it is not large."""
    if node.type.symbolic or static_size(node.type.shape) > FOLD_LIMIT:
        return None
    with np.errstate(all="ignore"):
        value = lookup(node.op).body(*(i.attrs["value"] for i in node.inputs), **node.attrs)
    return literal(value, node.type.dtype)


_NEUTRAL = {"mul": 1.0, "div": 1.0, "sub": 0.0, "add": -0.0}


def _neutral(node: Node) -> Node | None:
    """x * 1 and its like; the other operand must already have the result's shape."""
    if node.op not in _NEUTRAL:
        return None
    x, y = node.inputs
    neutral = _NEUTRAL[node.op]

    def is_neutral(operand: Node) -> bool:
        value = scalar_value(operand)
        return value is not None and value == neutral and math.copysign(1, value) == math.copysign(1, neutral)

    if x.type == node.type and is_neutral(y):
        return x
    if node.op in ("mul", "add") and y.type == node.type and is_neutral(x):
        return y
    return None


def _drop_broadcasts(node: Node) -> Node | None:
    """Read the unstretched value where another operand already has the result's shape."""
    inputs = list(node.inputs)
    for at, operand in enumerate(inputs):
        if operand.op != "broadcast_to":
            continue
        shapes = [i.type.shape for i in inputs]
        shapes[at] = operand.inputs[0].type.shape
        if broadcast_shapes(node.op, shapes) == node.type.shape:
            inputs[at] = operand.inputs[0]
    return with_inputs(node, tuple(inputs)) if tuple(inputs) != node.inputs else None


def _on_scalars(node: Node) -> Node | None:
    """A map of nothing but stretched scalars is a stretched map of scalars."""
    if is_ones(node.type.shape):
        return None
    sources = [i.inputs[0] if i.op == "broadcast_to" else i for i in node.inputs]
    if not all(is_ones(s.type.shape) for s in sources):
        return None
    scalars = [s if s.type.shape == () else make("reshape", s, like=node, shape=()) for s in sources]
    inner = make(node.op, *scalars, like=node, **node.attrs)
    return make("broadcast_to", inner, like=node, shape=node.type.shape)


def _transpose(node: Node) -> Node | None:
    (x,) = node.inputs
    axes = node.attrs["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.op == "transpose":
        both = tuple(x.attrs["axes"][a] for a in axes)
        inner = x.inputs[0]
        return inner if both == tuple(range(len(both))) else make("transpose", inner, like=node, axes=both)
    return None


def _reshape(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.type == node.type:
        return x
    if x.op == "reshape":
        inner = x.inputs[0]
        return inner if inner.type == node.type else make("reshape", inner, like=node, shape=node.type.shape)
    if x.op == "sum" and x.attrs["keepdims"]:
        folded = make("sum", x.inputs[0], like=x, axis=x.attrs["axis"], keepdims=False)
        if folded.type == node.type:
            return folded
    return None


def _broadcast(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.type == node.type:
        return x
    if x.op == "broadcast_to":
        return make("broadcast_to", x.inputs[0], like=node, shape=node.type.shape)
    return None


def _fold_of_one(node: Node) -> Node | None:
    """A sum, mean or extremum over no axes, or over axes of length 1, is its one element."""
    (x,) = node.inputs
    if all(x.type.shape[a] == 1 for a in node.attrs["axis"]):
        return x if x.type == node.type else make("reshape", x, like=node, shape=node.type.shape)
    return None


def _count(node: Node) -> Node | None:
    shape = node.inputs[0].type.shape
    lengths = [shape[a] for a in node.attrs["axis"]]
    if any(isinstance(d, Sym) for d in lengths):
        return None
    return literal(math.prod(int(d) for d in lengths if not isinstance(d, Sym)), node.type.dtype)


def _check_index(node: Node) -> Node | None:
    """Bytes are below 256, an argmax below the axis' length, and what was checked need not be again."""
    (index,) = node.inputs
    source = index
    while source.op in ("cast", "reshape", "broadcast_to") and np.can_cast(
        source.inputs[0].type.dtype, source.type.dtype
    ):
        source = source.inputs[0]
    most: Dim = MOST.get(source.type.dtype, 2**63)
    if source.op == "argmax":
        most = source.inputs[0].type.shape[source.attrs["axis"][0]]
    elif source.op == "check_index":
        most = source.attrs["size"]
    if isinstance(most, Sym) or most > node.attrs["size"]:
        return None
    return index if index.type == node.type else make("cast", index, like=node, dtype=node.type.dtype)


_RULES = {
    "check_index": _check_index,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast,
    "sum": _fold_of_one,
    "mean": _fold_of_one,
    "max": _fold_of_one,
    "min": _fold_of_one,
    "count": _count,
}
