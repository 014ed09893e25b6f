"""What the compiler asks of a node: whether it is computed place by place, moves nothing, is a number of its own."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from schuss.compiler.views import is_view
from schuss.ir.graph import LEAVES, Node
from schuss.ir.types import Shape, Sym
from schuss.ops.registry import Kind, lookup


def kind(node: Node) -> Kind | None:
    """The kind of a node's op; None for inputs, constants and hyperparameters."""
    return None if node.op in LEAVES else lookup(node.op).kind


def is_map(node: Node) -> bool:
    return kind(node) is Kind.MAP


MAP_LIKE = (Kind.MAP, Kind.SHAPE, Kind.RANDOM)


def is_map_like(node: Node) -> bool:
    """Nodes whose element depends on its place alone: maps, counts, random numbers, one_hot."""
    return kind(node) in MAP_LIKE or node.op == "one_hot"


_free: WeakKeyDictionary[Node, bool] = WeakKeyDictionary()  # a node never changes


def is_free(node: Node) -> bool:
    """A scalar made of constants, hyperparameters and counts: each kernel that needs it makes it itself, no thread
    waits for it."""
    waiting = [node]
    while node not in _free:
        asked = waiting[-1]
        unknown = [i for i in asked.inputs if i not in _free] if _made_of_inputs(asked) else []
        if unknown:
            waiting.extend(unknown)
        else:
            _free[asked] = _is_free(asked)
            waiting.pop()
    return _free[node]


def _is_free(node: Node) -> bool:
    """is_free, where it is known of the inputs."""
    if node.op == "const":
        return bool(node.attrs["value"].size == 1)
    return node.op in ("count", "hyperparameter") or (_made_of_inputs(node) and all(_free[i] for i in node.inputs))


def _made_of_inputs(node: Node) -> bool:
    written = node.op == "identity"  # says that the value must be in memory, see schuss.compiler.passes.materialize
    return is_map(node) and not written and node.type.shape == ()


def base_of(node: Node) -> Node:
    """The value a chain of views reads."""
    while is_view(node):
        node = node.inputs[0]
    return node


def is_rowwise(shape: Shape) -> bool:
    """Whether the first axis is the example axis."""
    return bool(shape) and isinstance(shape[0], Sym)
