"""The graph: immutable nodes, each one operation's result, and a Graph that names inputs and outputs.

A node holds the op's name, not its record, so that this module needs nothing but Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from schuss.ir.types import TensorType

T = TypeVar("T")
NO_ATTRS: Mapping[str, Any] = MappingProxyType({})
LEAVES = ("input", "const", "hyperparameter")
"""Kinds of node that are no operation. A hyperparameter is a scalar with a name and a value, like a constant's; but
machine code reads the value when it runs, so that programs which differ in such values alone are one."""


@dataclass(frozen=True, slots=True)
class Site:
    """The line of the user's code that made a node."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Node:
    """One operation applied to earlier nodes. Compared by identity; never changed once made."""

    op: str
    inputs: tuple[Node, ...]
    type: TensorType
    attrs: Mapping[str, Any] = field(default_factory=lambda: NO_ATTRS)
    site: Site | None = None
    scope: str = ""

    def __deepcopy__(self, memo: Any) -> Node:
        return self

    def __repr__(self) -> str:
        label = f" {self.attrs['name']}" if "name" in self.attrs else ""
        return f"<{self.op}{label} {self.type}>"


def input_node(name: str, type: TensorType, scope: str = "") -> Node:
    """A value that comes from outside."""
    return Node("input", (), type, MappingProxyType({"name": name}), None, scope)


def topological(outputs: Iterable[Node]) -> list[Node]:
    """Every node the outputs need, each after its inputs, without recursion (graphs can be deep)."""
    order: dict[Node, None] = {}
    begun: set[Node] = set()
    for root in outputs:
        waiting = [root]
        while waiting:
            node = waiting[-1]
            if node in begun:  # so are all its inputs, and done; or it was met elsewhere first
                order.setdefault(waiting.pop())
                continue
            begun.add(node)
            for each in node.inputs[::-1]:
                if each not in begun:  # always so in a cycle, which the verifier finds
                    waiting.append(each)
    return list(order)


class lazy(Generic[T]):
    """functools.cached_property without its lock, which a child process may find held (Python 3.11)."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self.make, self.name, self.__doc__ = make, make.__name__, make.__doc__

    def __get__(self, owner: Any, cls: type | None = None) -> T:
        value: T = self.make(owner)
        owner.__dict__[self.name] = value  # found there from now on
        return value


@dataclass(frozen=True, eq=False)
class Graph:
    """A function from named inputs to named outputs."""

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    output_names: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.output_names:
            names = tuple(f"out{i}" for i in range(len(self.outputs)))
            object.__setattr__(self, "output_names", names)

    @lazy
    def nodes(self) -> tuple[Node, ...]:
        """All nodes in an order in which each follows its inputs; unused inputs included."""
        used = topological(self.outputs)
        seen = set(used)
        return tuple([i for i in self.inputs if i not in seen] + used)

    @lazy
    def users(self) -> dict[Node, list[Node]]:
        """For each node the nodes that read it."""
        users: dict[Node, list[Node]] = {n: [] for n in self.nodes}
        for node in self.nodes:
            for child in dict.fromkeys(node.inputs):
                users[child].append(node)
        return users

    def __deepcopy__(self, memo: Any) -> Graph:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: the nodes as a list, since graphs can be deep."""
        number = {node: i for i, node in enumerate(self.nodes)}
        nodes = [(n.op, [number[i] for i in n.inputs], n.type, dict(n.attrs), n.site, n.scope) for n in self.nodes]
        ends = ([number[n] for n in some] for some in (self.inputs, self.outputs))
        return _from_list, (nodes, *ends, self.output_names)

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(str(i.attrs["name"]) for i in self.inputs)

    def output(self, name: str) -> Node:
        return self.outputs[self.output_names.index(name)]


def _from_list(nodes: list[Any], inputs: list[int], outputs: list[int], names: tuple[str, ...]) -> Graph:
    made: list[Node] = []
    for op, of, type, attrs, site, scope in nodes:
        made.append(Node(op, tuple(made[i] for i in of), type, MappingProxyType(attrs), site, scope))
    return Graph(tuple(made[i] for i in inputs), tuple(made[i] for i in outputs), names)
