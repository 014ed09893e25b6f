"""The chain rule, read backwards through the graph.

Each node of the graph is a function of its inputs. Walking from the result to the inputs, every
node multiplies the gradient that reaches it by its own local gradient (its op's rule) and hands the
product to each input; a value used in several places adds up what comes back from all of them.
The result is more graph, so gradients can be differentiated again.

Source: Rumelhart, Hinton, Williams, Learning representations by back-propagating errors (1986).
"""

from __future__ import annotations

from collections.abc import Container, MutableMapping, Sequence
from typing import Any

from schuss import ops
from schuss.errors import GradientError
from schuss.ir.graph import Node, topological
from schuss.ir.types import Shape
from schuss.ops.registry import lookup
from schuss.trace import Tensor, as_tensor, made_for

Handed = MutableMapping[Node, Sequence[Tensor | None]]


def backprop(
    y: Tensor, wrt: Sequence[Tensor], seed: Tensor | None = None, handed: Handed | None = None
) -> list[Tensor]:
    """Gradients of y with respect to each of wrt, as tensors of their shapes.

    y must be a floating scalar, unless `seed`, the gradient that flows into y, is given (of y's
    shape). A tensor that y does not depend on has gradient zero. GradientError if an op on the way
    has no rule. handed: is filled with what each node on the way hands to each of its inputs.
    """
    found = reached(y, wrt, seed, handed)
    return [_zeros_like(t) if g is None else g for t, g in zip(wrt, found, strict=True)]


def reached(
    y: Tensor, wrt: Sequence[Tensor], seed: Tensor | None = None, handed: Handed | None = None
) -> list[Tensor | None]:
    """backprop, with None for a tensor that no gradient reaches (y does not use it, or past a stop_gradient only)."""
    targets = {t.node for t in wrt}
    path = between(targets, y.node)
    incoming: dict[Node, Tensor] = {y.node: seed if seed is not None else _one_like(y)}
    for node in reversed(path):
        if node not in incoming or not node.inputs or (node in targets and not _leads_on(node, path)):
            continue
        with made_for(node):
            parts = products(node, incoming[node], path)
            if handed is not None:
                handed[node] = parts
            for child, product in zip(node.inputs, parts, strict=True):
                if product is not None:
                    incoming[child] = incoming[child] + product if child in incoming else product
    return [incoming.get(t.node) for t in wrt]


def products(node: Node, g: Tensor, path: Container[Node]) -> list[Tensor | None]:
    """What a node hands to each input: incoming gradient times local gradient, in the input's shape.

    None for an input that is not on the path, is not floating or has no part in the rule.
    """
    return [
        _sum_to(as_tensor(gradient, child.type.dtype), child.type.shape)
        if gradient is not None and child in path and child.type.is_float
        else None
        for child, gradient in zip(node.inputs, _apply_rule(node, g), strict=True)
    ]


def _apply_rule(node: Node, g: Tensor) -> Sequence[Any]:
    op = lookup(node.op)
    if op.grad is None:
        raise GradientError(f"{op.name} has no gradient rule (line: {node.site}); wrap it in stop_gradient")
    return op.grad(g, Tensor(node), *(Tensor(i) for i in node.inputs), **node.attrs)


def between(targets: set[Node], y: Node) -> dict[Node, None]:
    """The nodes on some path from a target to y, in topological order."""
    found: dict[Node, None] = {}
    for node in topological([y]):
        if node in targets or any(i in found for i in node.inputs):
            found[node] = None
    return found


def _leads_on(node: Node, path: dict[Node, None]) -> bool:
    """Whether another target lies below this one."""
    return any(i in path for i in node.inputs)


def _one_like(y: Tensor) -> Tensor:
    if y.shape != () or not y.is_float:
        raise GradientError(
            f"the result to differentiate must be a floating scalar, got {y.type}; reduce it with mean() or sum()"
        )
    return as_tensor(1.0, y.dtype)


def _zeros_like(t: Tensor) -> Tensor:
    return as_tensor(0.0, t.dtype).broadcast_to(t.shape)


def _sum_to(g: Tensor, shape: Shape) -> Tensor:
    """Undo broadcasting: sum over the axes an input was stretched along. A gradient of less than the input's shape
    is the same along what is missing."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)  # below 0 if a rule returned a number
    stretched = [i for i, d in enumerate(shape, extra) if i >= 0 and d == 1 and g.shape[i] != 1]
    axes = (*range(extra), *stretched)
    if axes:
        g = ops.sum(g, axis=axes, keepdims=True)
    if extra > 0:
        g = g.reshape(g.shape[extra:])
    return g if g.shape == shape else g.broadcast_to(shape)
