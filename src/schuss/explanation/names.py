"""Names for the nodes of a graph that a reader knows: the user's variables, the layers, else t1, t2, ..."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache

import numpy as np

from schuss.ir.graph import Graph, Node, Site
from schuss.ops.registry import Op, lookup

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@"}
COMPARE = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}
_OPERATORS = {**INFIX, **COMPARE}


def name_nodes(
    graph: Graph, result: Node, called: str | None = None, order: Sequence[Node] | None = None
) -> dict[Node, str]:
    """A name for each node, all different; a small constant is named by its value.

    called: the result's name; order: of the nodes, in which t1, t2, ... are counted.
    """
    names: dict[Node, str] = {i: str(i.attrs["name"]) for i in graph.inputs}
    taken = set(names.values())
    if called is not None and result not in names:
        names[result] = _different(called, taken)
        taken.add(names[result])
    temporaries = 0
    for node in graph.nodes if order is None else order:
        if node in names:
            continue
        if node.op == "const" and node.attrs["value"].size == 1 and node.attrs["value"].ndim == 0:
            names[node] = f"{node.attrs['value'].item():.6g}"
            continue
        if node.op == "hyperparameter":
            names[node] = named_with_layer(node, taken)
            taken.add(names[node])
            continue
        name = _own_name(graph, node) or ("loss" if node is result else None)
        if name is None:
            temporaries += 1
            name = f"t{temporaries}"
        names[node] = _different(name, taken)
        taken.add(names[node])
    return names


def named_with_layer(node: Node, taken: Collection[str]) -> str:
    """A hyperparameter's name; with its layer, where another has that name: p, 3.Dropout.p."""
    name = str(node.attrs["name"])
    return name if name not in taken else _different(f"{node.scope.rpartition('/')[2]}.{name}", taken)


def _different(name: str, taken: Collection[str]) -> str:
    count = 2
    new = name
    while new in taken:
        new, count = f"{name}_{count}", count + 1
    return new


def _own_name(graph: Graph, node: Node) -> str | None:
    """The variable the node's line assigns, or the layer whose result it is: for the last node of either."""
    users = graph.users[node]
    if node.site is not None and not any(u.site == node.site for u in users):
        variable = assigned(node.site)
        if variable:
            return variable
    if node.scope and not any(u.scope == node.scope for u in users):
        return node.scope
    return None


@lru_cache(maxsize=8)
def _assignments(file: str) -> tuple[tuple[int, int, str], ...]:
    """First line, last line and variable of each assignment to one name."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    found = []
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
            target = statement.target
        else:
            continue
        inner = any(isinstance(part, ast.Lambda) for part in ast.walk(statement))
        if isinstance(target, ast.Name) and not inner:
            found.append((statement.lineno, statement.end_lineno or statement.lineno, target.id))
    return tuple(found)


def assigned(site: Site) -> str | None:
    """The variable that the statement at this line assigns, if it is one."""
    inside = [(last - first, name) for first, last, name in _assignments(site.file) if first <= site.line <= last]
    return min(inside)[1] if inside else None


def expression(node: Node, names: Mapping[Node, str]) -> str:
    """The node's operation written as a reader would: x @ W1, sigmoid(L1), sum(t2, axis=0)."""
    parts = [names[i] for i in node.inputs]
    if node.op in _OPERATORS and len(parts) == 2:
        return f"{parts[0]} {_OPERATORS[node.op]} {parts[1]}"
    if node.op == "neg":
        return f"-{parts[0]}"
    if node.op == "transpose" and len(node.attrs["axes"]) == 2:
        return f"{parts[0]}ᵀ"
    return f"{node.op}({', '.join([*parts, *_options(node)])})"


def _options(node: Node) -> Sequence[str]:
    """The attributes that say something: axes unless all are meant, no defaults."""
    shown = []
    for key, value in node.attrs.items():
        if key == "axis" and isinstance(value, tuple):
            if value == tuple(range(node.inputs[0].type.rank)):
                continue
            value = value[0] if len(value) == 1 else value
        if value is False or isinstance(value, np.ndarray) or (key == "step" and value == 1):
            continue
        shown.append(f"{key}={value}")
    return shown


def rules_of(node: Node, names: Mapping[Node, str]) -> list[str]:
    """What the node's operation hands back to each input, with this node's names in it: "incoming * y * (1 - y)".

    Empty for an input that cannot be differentiated. A record's rule is written with g for the incoming gradient, the
    name that its grad function has for the result, and those of the inputs.
    """
    if not node.type.is_float:
        return [""] * len(node.inputs)
    record = lookup(node.op)
    result, inputs = _letters(record)
    known = list(zip([*inputs, *inputs[-1:] * len(node.inputs)], node.inputs, strict=False))
    words = {"g": "incoming", result: names[node], **{letter: names[other] for letter, other in known}}
    unnamed = f"incoming, by the gradient rule of {node.op}"
    return [_worded(record.rule.get(letter, unnamed), words) if i.type.is_float else "" for letter, i in known]


def _worded(rule: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\b([a-z]+)\b('?)", lambda word: words.get(word[1], word[1]) + ("ᵀ" if word[2] else ""), rule)


def equation(result: str, name: str, rule: str) -> str:
    """d loss/d x = incoming * y"""
    return f"d {result}/d {name} = {rule}"


@cache
def _letters(record: Op) -> tuple[str, list[str]]:
    """The letters a record's rule uses for the result, as its grad function does, and for the inputs."""
    own = list(inspect.signature(record.grad).parameters) if record.grad is not None else []
    return own[1] if own else "", list(record.operands)
