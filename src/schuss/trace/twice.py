"""Whether a function builds the same graph each time: what it draws in Python would be drawn once and kept for ever.

A graph is built once and runs many times. Numbers from numpy's or Python's generators, from torch or from the clock
become constants of it, without a word. So a graph that is kept is built twice where code of the user's took part in
it, and both must be equal.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec, TypeVar

import numpy as np

from schuss.errors import TraceError
from schuss.ir.graph import LEAVES, Graph, Node
from schuss.trace.build import noticing

T = TypeVar("T")
P = ParamSpec("P")

DRAW = (
    "draw them in the graph, from a key: now = schuss.nn.current_mode(), then schuss.random_normal(now.key, now.step, "
    "shape=x.shape, stream=now.next_stream()) or random_uniform"
)


def settled(build: Callable[[], T], graph_of: Callable[[T], Graph]) -> T:
    """build(), and a second time if code of the user's took part, to see that it builds the same graph.

    TraceError, with the user's line, if it does not.
    """
    with noticing(sys._getframe()) as noticed:
        first = build()
    if noticed.user:
        _compare(graph_of(first), graph_of(build()))
    return first


def settles(graph_of: Callable[[Any], Graph]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Of a function that builds something with a graph in it: it is settled."""

    def wrap(build: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(build)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            return settled(lambda: build(*args, **kwargs), graph_of)

        return wrapper

    return wrap


def _compare(first: Graph, second: Graph) -> None:
    number: dict[Node, int] = {}
    again: dict[Node, int] = {}
    for i, (a, b) in enumerate(zip(first.nodes, second.nodes, strict=False)):
        number[a], again[b] = i, i
        valued = "value" in a.attrs and a.op == b.op and a.op in LEAVES
        if valued and a.type == b.type and not _same_bits(a.attrs["value"], b.attrs["value"]):
            _refuse_constant(first, a)
        if not _alike(a, b, number, again):
            _refuse_graph(a if a.site is not None else b)
    if len(first.nodes) != len(second.nodes):
        _refuse_graph(max(first, second, key=lambda g: len(g.nodes)).nodes[-1])


def _alike(a: Node, b: Node, number: dict[Node, int], again: dict[Node, int]) -> bool:
    """Whether two nodes are the same operation on the same operands."""
    if a.op != b.op or a.type != b.type or [number[i] for i in a.inputs] != [again[i] for i in b.inputs]:
        return False
    return a.op == "const" or a.attrs == b.attrs or repr(a.attrs) == repr(b.attrs)  # nan is not equal to nan


def _same_bits(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a is b or np.array_equal(np.ravel(a).view(np.uint8), np.ravel(b).view(np.uint8))


def _refuse_constant(graph: Graph, node: Node) -> NoReturn:
    line = next((u.site for u in graph.users[node] if u.site is not None), None)
    raise TraceError(
        f"a constant {node.type} is another each time the function is traced: numbers drawn by numpy, random or torch, "
        f"the clock, and layers made in forward become constants of the graph, the same in every step and call; {DRAW}"
        + (f" (line: {line})" if line else "")
    )


def _refuse_graph(node: Node) -> NoReturn:
    raise TraceError(
        f"the function builds another graph each time it is traced ({node.op} differs): what Python decides by random "
        "numbers, the clock or a counter is decided once, for every step and call; decide in the graph, with "
        "schuss.where and schuss.random_uniform of the mode's key" + (f" (line: {node.site})" if node.site else "")
    )
