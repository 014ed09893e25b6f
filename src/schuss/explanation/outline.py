"""A training step as a reader sees it: which part each operation belongs to, its name, its gradient rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schuss.explanation.names import equation, expression, name_nodes, named_with_layer, rules_of
from schuss.ir.graph import LEAVES, Graph, Node, topological
from schuss.ops.registry import lookup

PARTS = ("forward", "backward", "optimizer", "metrics")


@dataclass(frozen=True)
class Item:
    """One operation.

    part        forward, backward, optimizer or metrics
    layer       the scope that made it, as 0.Linear; in the backward part that of what it is the gradient of
    text        the operation with the names of its inputs
    rules       in the forward part, what it hands back to each input on the way to a parameter
    gradient_of the name of the value this is the loss's gradient of, else ""
    """

    node: Node
    name: str
    part: str
    layer: str
    text: str
    rules: tuple[str, ...]
    gradient_of: str


def outline(graph: Graph, loss: Node | None, gradients: dict[Node, Node]) -> list[Item]:
    """The graph's operations part by part, layer by layer, named. gradients: of each forward node, in the graph.

    Without a loss everything is forward.
    """
    forward = set(topological([loss] if loss else graph.outputs))
    parts: dict[str, list[Node]] = {part: [] for part in PARTS}
    for node in graph.nodes:
        if node.op not in LEAVES:
            parts[_part(node, forward)].append(node)
    last = {node.scope: i for i, node in enumerate(parts["forward"])}
    parts["forward"] = _by_layer(parts["forward"], last)
    parts["backward"] = _by_layer(parts["backward"], {layer: -i for layer, i in last.items()})
    names = _names(graph, parts, loss, gradients)
    of = {g: names[node] for node, g in gradients.items() if node in names}
    return [_item(node, part, names, of, gradients, loss) for part in PARTS for node in parts[part]]


def _part(node: Node, forward: set[Node]) -> str:
    first = node.scope.partition("/")[0]
    if first in ("optimizer", "metrics"):
        return first
    return "forward" if node in forward else "backward"


def _by_layer(nodes: list[Node], rank: Mapping[str, int]) -> list[Node]:
    """The nodes with those of a layer together, where each still follows its inputs; else as they are."""
    arranged = sorted(nodes, key=lambda node: rank.get(node.scope, len(rank)))
    place = {node: i for i, node in enumerate(arranged)}
    sound = all(place.get(i, -1) < place[node] for node in arranged for i in node.inputs)
    return arranged if sound else nodes


def _names(
    graph: Graph, parts: Mapping[str, list[Node]], loss: Node | None, gradients: dict[Node, Node]
) -> dict[Node, str]:
    """Forward nodes by layer or t1, t2, ...; gradients as d loss/d x; whatever is between as u1, u2, ..."""
    sources = sorted((n for n in graph.nodes if n.op in LEAVES), key=_depth)
    forward = Graph(graph.inputs, tuple(parts["forward"]) or graph.inputs)
    names = {node: name.removeprefix("param/") for node, name in name_nodes(forward, graph.outputs[0]).items()}
    if loss is not None:
        names[loss] = "loss"
    # Some gradients pass on unchanged: they are named after an input, else after the last value they belong to.
    order = [n for n in gradients if n.op == "input"] + [n for n in reversed(gradients) if n.op != "input"]
    for of in order:
        gradient = gradients[of]
        if of in names and gradient not in names and gradient.op not in LEAVES:
            names[gradient] = f"d loss/d {names[of]}"
    between = 0
    for node in [*sources, *(n for part in PARTS for n in parts[part])]:
        if node in names:
            continue
        if node.op == "const" and node.attrs["value"].ndim == 0:
            names[node] = f"{node.attrs['value'].item():.6g}"
        elif node.op == "hyperparameter":
            names[node] = named_with_layer(node, set(names.values()))
        else:
            between += 1
            names[node] = f"u{between}"
    return names


def _depth(node: Node) -> int:
    """How deep in others a hyperparameter's layer is: the optimizer's lr keeps its name beside that of a schedule."""
    return node.scope.count("/") if node.op == "hyperparameter" else 0


def _item(
    node: Node,
    part: str,
    names: Mapping[Node, str],
    of: Mapping[Node, str],
    gradients: Mapping[Node, Node],
    loss: Node | None,
) -> Item:
    rules: list[str] = []
    if part == "forward" and lookup(node.op).grad is not None and (loss is None or node in gradients):
        told = zip(node.inputs, rules_of(node, names), strict=True)
        rules = [
            equation("loss", names[i], rule)
            for i, rule in told
            if rule and (i in gradients if loss is not None else i.op not in LEAVES[1:])
        ]
    gradient_of = of.get(node, "") if part == "backward" else ""
    return Item(node, names[node], part, node.scope, expression(node, names), tuple(rules), gradient_of)
