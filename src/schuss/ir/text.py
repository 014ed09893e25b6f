"""The text form of a graph: one line per node, read back to the same graph, bit for bit.

    schuss graph 1
    input %0 x float32[N,784]
    input %1 0.weight float32[128,784]
    const %2 float32[] 0.5 @0.Linear
    hyperparameter %6 p float32[] 0.1 @1.Dropout
    %3 = transpose(%1, axes=(1, 0)) : float32[784,128] @0.Linear
    %4 = matmul(%0, %3) : float32[N,128] @0.Linear
    %5 = mul(%4, %2) : float32[N,128]  # train.py:12
    output y %5

After `@` stands the node's scope, after `#` a comment. A name of other characters than letters,
digits and _ . - / is a JSON string. Floats are the shortest decimals that read back to the same bits;
a NaN with unusual bits is written as nan:7fc00001. Lines of users' code are written only when asked
for, as comments, and are not read back.

The parser (schuss.ir.parse) evaluates nothing and takes no memory for what a text merely claims.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schuss.errors import GraphError
from schuss.ir.graph import Graph, Node
from schuss.ir.parse import from_text
from schuss.ir.types import Sym
from schuss.ir.verify import where

HEADER: Final = "schuss graph 1"
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_./\-]+")

__all__ = ["from_text", "to_text"]


def to_text(graph: Graph, sites: bool = False) -> str:
    """The graph as text; with `sites`, each node's user line as a comment. GraphError if it has no such form."""
    order = [*graph.inputs, *(n for n in graph.nodes if n.op != "input")]
    number = {node: i for i, node in enumerate(order)}
    lines = [HEADER]
    for node in order:
        tail = f" @{quoted(node.scope)}" if node.scope else ""
        if sites and node.site is not None:
            tail += "  # " + str(node.site).replace("\n", " ")
        lines.append(_body(node, number) + tail)
    named = zip(graph.output_names, graph.outputs, strict=True)
    lines.extend(f"output {quoted(name)} %{number[node]}" for name, node in named)
    return "\n".join(lines) + "\n"


def quoted(name: str) -> str:
    """The name as it is if it is plain, else as a JSON string."""
    return name if PLAIN_NAME.fullmatch(name) else json.dumps(name)


def _body(node: Node, number: Mapping[Node, int]) -> str:
    at = f"%{number[node]}"
    if node.op == "input":
        return f"input {at} {quoted(node.attrs['name'])} {node.type}"
    if node.op == "const":
        values = ", ".join(_elements(np.asarray(node.attrs["value"])))
        return f"const {at} {node.type} {values}".rstrip()
    if node.op == "hyperparameter":
        return f"hyperparameter {at} {quoted(node.attrs['name'])} {node.type} {_elements(node.attrs['value'])[0]}"
    try:
        attrs = [f"{name}={_attr(value)}" for name, value in node.attrs.items()]
    except GraphError as error:
        raise GraphError(f"{where(node)}: {error}") from None
    args = [f"%{number[i]}" for i in node.inputs]
    return f"{at} = {node.op}({', '.join(args + attrs)}) : {node.type}"


# -- values -------------------------------------------------------------------------------------


def _attr(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Sym)):
        return str(value)
    if isinstance(value, float):
        return _float64(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(_attr, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    raise GraphError(f"an attribute of type {type(value).__name__} has no text form")


def _elements(array: NDArray[Any]) -> list[str]:
    flat = array.reshape(-1)
    shows: dict[str, Callable[[Any], str]] = {"float32": _float32, "float64": _float64, "bool": _bool}
    show = shows.get(str(array.dtype), str)
    if array.dtype.kind != "f":
        return [show(v) for v in flat.tolist()]
    return [show(v) for v in flat]


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _float64(value: float) -> str:
    if value != value:
        return _nan(struct.pack(">d", value).hex(), "7ff8000000000000")
    return float.__repr__(float(value))


def _float32(value: np.float32) -> str:
    """The shortest decimal, unless reading it as float64 first would round twice to a neighbour."""
    if value != value:
        return _nan(value.tobytes()[:: 1 if np.little_endian is False else -1].hex(), "7fc00000")
    short = str(value)
    return short if np.float32(float(short)) == value else float.__repr__(float(value))


def _nan(bits: str, usual: str) -> str:
    return "nan" if bits == usual else f"nan:{bits}"
