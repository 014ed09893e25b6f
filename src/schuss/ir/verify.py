"""The verifier: what every graph must be. Run after each pass, so it is one loop over the nodes.

Rules of structure, checked here:

    inputs      exactly the `input` nodes in use and declared, each once, names distinct; N, where an
                input has it, is the first axis; other symbols may stand on any
    constants   an array of the node's own dtype and shape, which is known; a hyperparameter's is a scalar with a name
    order       each node follows its inputs (no cycles)
    types       dtypes are known, lengths are whole numbers >= 0 or symbols, and the sizes fit an address
    symbols     each is the length of an input's axis: a run knows it by that
    outputs     one distinct name each

Inside the graph N, too, may stand on any axis: the gradient of x @ W transposes x to [784,N].

Types are checked if a rule is given: `infer(node)` works a node's type out anew from its inputs and
attributes. schuss.ops.check joins this to the ops' own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from weakref import WeakSet

import numpy as np

from schuss.errors import GraphError, SchussError
from schuss.ir.graph import LEAVES, Graph, Node
from schuss.ir.types import DTYPES, Dim, N, Sym, TensorType, reach, symbols_in

Infer = Callable[[Node], TensorType]

# Nodes that were checked with their operations' rules: they never change, and passes hand most of them on.
_sound: WeakSet[Node] = WeakSet()
MAX_ELEMENTS = 2**48  # what an address can reach: index arithmetic in 64 bits cannot overflow


def verify(graph: Graph, infer: Infer | None = None) -> None:
    """GraphError, naming node, op, scope and line, if the graph breaks a rule of the module's text."""
    _check_inputs(graph)
    _check_outputs(graph)
    declared = set(graph.inputs)
    lengths = {symbol for node in graph.inputs for symbol in symbols_in(node.type.shape)}
    done: set[Node] = set()
    for node in graph.nodes:
        for child in node.inputs:
            if child not in done:
                raise GraphError(f"{where(node)}: reads {child.op} before it is computed; the graph has a cycle")
        done.add(node)
        if node.op == "input" and node not in declared:
            raise GraphError(f"{where(node)}: is not among the graph's inputs")
        if node not in _sound:
            _check_node(node, infer)
        if "shape" in node.attrs:  # all others have their symbols from what they read
            _check_symbols(node, lengths)


def _check_node(node: Node, infer: Infer | None) -> None:
    """What hangs on the node and its operands alone."""
    check_type(node)
    if node.op in LEAVES:
        if node.op != "input":
            _check_const(node)
    elif infer is None:
        return
    else:
        check_inferred(node, infer)
    _sound.add(node)


def where(node: Node) -> str:
    """How a node is named in a message: op, type, scope and line."""
    name = f" {node.attrs['name']!r}" if node.op in LEAVES and "name" in node.attrs else ""
    scope = f" in {node.scope}" if node.scope else ""
    site = f" (line: {node.site})" if node.site is not None else ""
    return f"{node.op}{name} {node.type}{scope}{site}"


def check_inferred(node: Node, infer: Infer) -> None:
    """GraphError if the node's type is not what its op makes of its inputs."""
    try:
        type = infer(node)
    except (SchussError, TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise GraphError(f"{where(node)}: {error}") from None
    if type != node.type:
        given = ", ".join(str(i.type) for i in node.inputs)
        raise GraphError(f"{where(node)}: the op's rule makes {type} of ({given})")


def check_type(node: Node) -> None:
    """GraphError if the node's type is none a value can have."""
    type = node.type
    if type.dtype not in DTYPES:
        raise GraphError(f"{where(node)}: unknown dtype {type.dtype!r}; one of {', '.join(DTYPES)}")
    if not all(_is_length(d) for d in type.shape):
        raise GraphError(f"{where(node)}: a length must be a whole number >= 0, or a symbol as N")
    if reach(type.shape) > MAX_ELEMENTS:
        raise GraphError(f"{where(node)}: more than 2**48 elements")


def _is_length(dim: Dim) -> bool:
    return isinstance(dim, Sym) or (type(dim) is int and dim >= 0)


def _check_symbols(node: Node, lengths: Container[Sym]) -> None:
    for symbol in symbols_in(node.type.shape):
        if symbol not in lengths:
            raise GraphError(f"{where(node)}: {symbol} is the length of no input")


def _check_inputs(graph: Graph) -> None:
    for node in graph.inputs:
        if node.op != "input" or node.inputs:
            raise GraphError(f"{where(node)}: stands among the graph's inputs but is computed")
        if set(node.attrs) != {"name"} or not isinstance(node.attrs["name"], str):
            raise GraphError(f"{where(node)}: an input has one attribute, its name, a string")
        if N in node.type.shape[1:]:
            raise GraphError(f"{where(node)}: N must be the first axis of an input")
    _check_distinct("input", graph.input_names)
    if len(set(graph.inputs)) != len(graph.inputs):
        raise GraphError("the graph lists an input twice")


def _check_outputs(graph: Graph) -> None:
    if len(graph.outputs) != len(graph.output_names):
        raise GraphError(f"the graph has {len(graph.outputs)} outputs but {len(graph.output_names)} output names")
    _check_distinct("output", graph.output_names)


def _check_distinct(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise GraphError(f"the graph has two {kind}s named {name!r}; rename one")
        seen.add(name)


def _check_const(node: Node) -> None:
    named = node.op == "hyperparameter"
    if node.inputs or set(node.attrs) != ({"name", "value"} if named else {"value"}):
        has = "a name and a value" if named else "one attribute, its value"
        raise GraphError(f"{where(node)}: a {node.op} has {has}, and no inputs")
    if named and (not isinstance(node.attrs["name"], str) or not node.type.is_float or node.type.shape):
        raise GraphError(f"{where(node)}: a hyperparameter is a floating scalar, and its name a string")
    value = node.attrs["value"]
    if not isinstance(value, np.ndarray):
        raise GraphError(f"{where(node)}: the value is a {type(value).__name__}, not an array")
    if str(value.dtype) != node.type.dtype or value.shape != node.type.shape:
        raise GraphError(f"{where(node)}: the value is {value.dtype}{list(value.shape)}")
