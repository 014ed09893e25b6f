"""What comes back to a value that was cut into parts: its gradient is a sum with one term a part, padded to the whole.

    x + pad(a) + pad(b) + .., the parts side by side  ->  x + concatenate(a + 0, b + 0, ..), padded around them

Each element of the sum is one of a part and zeros. + 0 keeps the bits: it makes 0 of -0, as the zeros beside it do. So
the work is that of one pass over the value, where it was that of one for each part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby, pairwise

from schuss.compiler.passes.nodes import literal, make
from schuss.ir.graph import Graph, Node
from schuss.ir.rewrite import rewrite


def join_pads(graph: Graph) -> Graph:
    """The graph with such sums replaced; the same graph if there are none."""
    if not any(node.op == "pad" for node in graph.nodes):
        return graph
    sums, made, nodes = dict(_sums(graph)), dict[Node, Node](), iter(graph.nodes)

    def rule(rebuilt: Node) -> Node | None:
        node = next(nodes)
        made[node] = _sum_of(rebuilt, sums[node], made) if node in sums else rebuilt
        return made[node]

    return rewrite(graph, rule) if sums else graph


def _sums(graph: Graph) -> Iterator[tuple[Node, list[list[Node]]]]:
    """The sums that change, and their terms in order, pads that are to be joined together."""
    uses = Counter(i for node in graph.nodes for i in node.inputs)
    uses.update(graph.outputs)
    adds = [node for node in graph.nodes if node.op == "add"]
    inner = {node.inputs[0] for node in adds if node.inputs[0].type == node.type and uses[node.inputs[0]] == 1}
    for node in adds:
        if node not in inner:
            terms = [run for by, found in groupby(_terms(node, inner), _axis) for run in _runs(by, list(found))]
            if any(len(run) > 1 for run in terms):
                yield node, terms


def _terms(node: Node, inner: set[Node]) -> list[Node]:
    """a, b, c of (a + b) + c."""
    terms = [node.inputs[1]]
    while node.inputs[0] in inner and node.inputs[0].op == "add":
        node = node.inputs[0]
        terms.append(node.inputs[1])
    return [node.inputs[0], *reversed(terms)]


def _axis(term: Node) -> int | None:
    """The axis along which a term has zeros around it; None of any other term."""
    if term.op != "pad" or term.attrs["between"] or term.attrs["value"] != 0:
        return None
    axis: int = term.attrs["axis"]
    return axis


def _runs(axis: int | None, terms: list[Node]) -> list[list[Node]]:
    """The terms, in one run if they lie side by side, in their order along the axis."""
    apart = [[term] for term in terms]
    if axis is None or len({term.type for term in terms}) > 1:
        return apart
    placed = sorted(terms, key=lambda term: (term.attrs["before"], _end(term, axis)))
    fits = all(_end(one, axis) == other.attrs["before"] for one, other in pairwise(placed))
    return [placed] if fits else apart


def _end(term: Node, axis: int) -> int:
    """The place behind the last entry of the part."""
    length = term.type.shape[axis]
    assert isinstance(length, int)
    after: int = term.attrs["after"]
    return length - after


def _sum_of(node: Node, terms: Sequence[Sequence[Node]], made: Mapping[Node, Node]) -> Node:
    joined = [_joined(node, [made[t] for t in run]) if len(run) > 1 else made[run[0]] for run in terms]
    return reduce(lambda x, y: make("add", x, y, like=node), joined)


def _joined(like: Node, pads: Sequence[Node]) -> Node:
    axis, zero = pads[0].attrs["axis"], literal(0, like.type.dtype)
    parts = [make("add", pad.inputs[0], zero, like=like) for pad in pads]
    whole = make("concatenate", *parts, like=like, axis=axis)
    before, after = pads[0].attrs["before"], pads[-1].attrs["after"]
    if not (before or after):
        return whole
    return make("pad", whole, like=like, axis=axis, before=before, after=after, between=0, value=0.0)
