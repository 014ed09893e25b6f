"""What a file may ask for: limits no model comes near, beyond which a small file would keep a machine busy without end.

what                                      at most
values of JSON                            what takes 64 MB, or 4 times the text's own length
nodes of a graph                          20,000
outputs of a graph, inputs of a node      1,024
numbers that a node makes or works with   2**28, or 16 times those of the file's tensors
operations of one example                 2**40, or 1,024 for each number of the file's tensors
"""

from __future__ import annotations

import re

from schuss.compiler.structure import scratch_of
from schuss.compiler.work import work
from schuss.errors import GraphError
from schuss.ir.graph import Graph
from schuss.ir.types import reach
from schuss.ir.verify import where
from schuss.ops.check import parse_graph

NODES = 20_000
WIDTH = 1024
ELEMENTS, ELEMENTS_EACH = 1 << 28, 16
WORK, WORK_EACH = 1 << 40, 1024
ROOM, ROOM_EACH = 64 << 20, 4

_SMALL = 1 << 20  # characters of JSON that are parsed unseen
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# What Python takes for a list or dict with its place, a string with its place, and any other value with its place.
_BRANCH, _TEXT, _VALUE = 72, 58, 32


def check_json(text: str) -> str:
    """What is wrong with a text whose values would take much more memory than itself; "" for any other."""
    if len(text) < _SMALL:
        return ""
    allowed, needed = max(ROOM, ROOM_EACH * len(text)), 0
    for match in _STRING.finditer(text):
        needed += _TEXT - _weight(text, *match.span())  # what stands in a string is no value
        if needed > allowed:
            break
    needed += _weight(text, 0, len(text))
    if needed <= allowed:
        return ""
    return f"its values would take {needed >> 20} MB of memory, out of proportion to {len(text) >> 20} MB of text"


def _weight(text: str, start: int, end: int) -> int:
    """What the values take whose marks stand in this part of the text."""
    branches = text.count("[", start, end) + text.count("{", start, end)
    return branches * _BRANCH + text.count(",", start, end) * _VALUE


def read_graph(text: str, held: int) -> Graph:
    """The graph of a text, within the limits. held: the numbers of the file's tensors.

    GraphError for a text that is no graph (see schuss.ir.parse), and for one beyond a limit, which it names.
    """
    nodes = text.count("\n")
    if nodes > NODES + WIDTH:
        raise GraphError(f"has {nodes:,} lines; a file may have {NODES:,} nodes")
    graph = parse_graph(text)
    check_graph(graph, held)
    return graph


def check_graph(graph: Graph, held: int) -> None:
    """GraphError if the graph is beyond a limit, which it names."""
    if len(graph.outputs) > WIDTH:
        raise GraphError(f"has {len(graph.outputs):,} outputs; a file may have {WIDTH:,}")
    if len(graph.nodes) > NODES:
        raise GraphError(f"has {len(graph.nodes):,} nodes; a file may have {NODES:,}")
    most = max(ELEMENTS, ELEMENTS_EACH * held)
    for node in graph.nodes:
        if len(node.inputs) > WIDTH:
            raise GraphError(f"{where(node)}: reads {len(node.inputs):,} values; a node of a file may read {WIDTH:,}")
        if any(reach(shape) > most for shape in (node.type.shape, *scratch_of(node))):
            raise GraphError(f"{where(node)}: a value of this file may have {most:,} numbers an example")
    needed, allowed = work(graph, 1), max(WORK, WORK_EACH * held)
    if needed > allowed:
        raise GraphError(f"takes {needed:.2g} operations an example; this file's may take {allowed:.2g}")
