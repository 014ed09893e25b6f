"""The verifier and the parser, joined to the ops' own rules of type, arity and attributes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

from schuss.errors import GraphError
from schuss.ir.graph import Graph, Node
from schuss.ir.text import from_text
from schuss.ir.types import DTYPES, Sym, TensorType
from schuss.ir.verify import verify
from schuss.ops.infer import normalize_axes, normalize_axis
from schuss.ops.registry import Kind, Op, lookup


def verify_graph(graph: Graph) -> None:
    """GraphError if the graph breaks a rule of structure (schuss.ir.verify) or of an op's types."""
    verify(graph, infer_type)


def parse_graph(text: str) -> Graph:
    """The graph of a text (schuss.ir.text), each op known and each type checked. GraphError with the line."""
    return from_text(text, infer_type)


def infer_type(node: Node) -> TensorType:
    """The type the node's op makes of its inputs and attributes. SchussError if they do not fit it."""
    op = lookup(node.op)
    types = [i.type for i in node.inputs]
    _check_arity(op, len(types))
    _check_attrs(op, node.attrs)
    result = op.infer(op.name, *types, **node.attrs)
    _check_settled(op, node.attrs, types, result)
    return result


@cache
def _signature(op: Op) -> tuple[int, bool, tuple[tuple[str, str], ...]]:
    """Number of tensors, whether more may follow, and each attribute with its annotation."""
    parameters = list(inspect.signature(op.body).parameters.values())
    tensors = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return tensors, variadic, tuple((p.name, str(p.annotation)) for p in parameters if p.kind is p.KEYWORD_ONLY)


def _check_arity(op: Op, given: int) -> None:
    wanted, variadic, _ = _signature(op)
    if given < wanted or (given > wanted and not variadic):
        raise GraphError(f"{op.name}: takes {wanted}{' or more' if variadic else ''} inputs, got {given}")


def _check_attrs(op: Op, attrs: Mapping[str, Any]) -> None:
    wanted = [(name, kind) for name, kind in _signature(op)[2] if name not in op.later or name in attrs]
    if attrs.keys() != {name for name, _ in wanted}:
        names = ", ".join(name for name, _ in wanted) or "none"
        raise GraphError(f"{op.name}: has the attributes {', '.join(sorted(attrs)) or 'none'}; it takes {names}")
    for name, annotation in wanted:
        if not _fits(attrs[name], name, annotation):
            raise GraphError(f"{op.name}: attribute {name} cannot be {attrs[name]!r}")


def _fits(value: Any, name: str, annotation: str) -> bool:
    """Whether a value is of the annotated kind; kinds not listed here are left to the op's type rule."""
    if name == "dtype":
        return value in DTYPES
    match annotation:
        case "int":
            return _is_int(value)
        case "float":
            return _is_int(value) or isinstance(value, float)
        case "bool":
            return isinstance(value, bool)
        case "Axis":
            return value is None or _is_int(value) or _all_ints(value)
        case "Sequence[int]" | "Sequence[int] | None":
            return _all_ints(value)
        case "Sequence[Dim]":
            return isinstance(value, tuple) and all(isinstance(d, Sym) or _is_int(d) for d in value)
        case _:
            return True


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _all_ints(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_int, value))


def _check_settled(op: Op, attrs: Mapping[str, Any], types: list[TensorType], result: TensorType) -> None:
    """Attributes in a node are in their final form, so that no executor needs to work them out again."""
    if "shape" in attrs and attrs["shape"] != result.shape:
        raise GraphError(f"{op.name}: attribute shape {attrs['shape']} is not the result's, {result.shape}")
    for name, default in op.later.items():
        if name in attrs and attrs[name] == default:
            raise GraphError(f"{op.name}: {name} has its default, which a node leaves out")
    if op.kind is Kind.CONTRACT and attrs and op.settle(op.name, *types, **attrs) != dict(attrs):
        raise GraphError(f"{op.name}: its axes {dict(attrs)} are not counted from the front")
    if "axis" not in attrs:
        return
    axis = attrs["axis"]
    if op.kind in (Kind.REDUCE, Kind.SHAPE):
        settled = axis == normalize_axes(op.name, axis, types[0].rank)
    elif op.name == "scatter_add":
        settled = axis == normalize_axis(op.name, axis, types[0].rank - types[1].rank + 1)
    else:
        settled = not _is_int(axis) or axis == normalize_axis(op.name, axis, types[0].rank)
    if not settled:
        raise GraphError(f"{op.name}: attribute axis {axis} is not sorted and counted from the front")
