"""Making nodes: an op applied to nodes, checked, with its dtypes promoted and the user's line noted."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from types import FrameType, MappingProxyType
from typing import Any

import numpy as np

from schuss.errors import DTypeError, SchussError, ShapeError
from schuss.ir.graph import Node, Site
from schuss.ir.types import DTYPES, FLOATS, TensorType
from schuss.lines import is_installed, is_passed
from schuss.ops.conversion import cast
from schuss.ops.infer import float_of, promote_dtypes
from schuss.ops.registry import Kind, Op, Promote
from schuss.trace.examples import check_example_axes

_scope: contextvars.ContextVar[str] = contextvars.ContextVar("scope", default="")
_site: contextvars.ContextVar[Site | None] = contextvars.ContextVar("site", default=None)
_noticed: contextvars.ContextVar[Noticed | None] = contextvars.ContextVar("noticed", default=None)
_made: contextvars.ContextVar[list[Node] | None] = contextvars.ContextVar("made", default=None)


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes made inside carry the name below the enclosing scope's, as 0.Linear."""
    outer = _scope.get()
    token = _scope.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        _scope.reset(token)


@contextlib.contextmanager
def made_for(node: Node) -> Iterator[None]:
    """Nodes made inside carry this node's line and scope: gradients belong to what they are gradients of."""
    tokens = _site.set(node.site), _scope.set(node.scope)
    try:
        yield
    finally:
        _site.reset(tokens[0])
        _scope.reset(tokens[1])


@contextlib.contextmanager
def noted() -> Iterator[list[Node]]:
    """The operations made inside, in the order in which the program made them, which the graph itself does not keep."""
    made: list[Node] = []
    token = _made.set(made)
    try:
        yield made
    finally:
        _made.reset(token)


class Noticed:
    """Whether code of the user's took part in a trace that began in a frame."""

    def __init__(self, frame: FrameType) -> None:
        self.frame: FrameType | None = frame
        self.user = False


@contextlib.contextmanager
def noticing(frame: FrameType) -> Iterator[Noticed]:
    """Notes whether a node made inside has a line of the user's above the frame, on which schuss's own code runs."""
    noticed = Noticed(frame)
    token = _noticed.set(noticed)
    try:
        yield noticed
    finally:
        _noticed.reset(token)
        noticed.frame = None


def notice(function: Any) -> None:
    """Note a function about to be called, if it is none of schuss's: it may decide much without making a node."""
    noticed = _noticed.get()
    if noticed is not None and not str(getattr(function, "__module__", "")).startswith("schuss."):
        noticed.user = True


def refused_at() -> str:
    """The user's line at the end of an error: not one inside an installed package that was given a tensor."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not is_passed(name) and not is_installed(name):
            return f" (line: {name}:{frame.f_lineno})"
        frame = frame.f_back
    return ""


def user_site() -> Site | None:
    """The innermost line on the stack that is not schuss's own; None where the command or its thread has begun it."""
    given = _site.get()
    if given is not None:
        return given
    noticed = _noticed.get()
    inside = noticed is not None and not noticed.user
    base = noticed.frame if noticed is not None else None
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame is base:
            inside = False
        name = frame.f_code.co_filename
        if not is_passed(name):
            if inside and noticed is not None:
                noticed.user = True
            return None if frame.f_globals.get("__name__", "").startswith("click.") else Site(name, frame.f_lineno)
        frame = frame.f_back
    return None


@cache
def _default_attrs(op: Op) -> dict[str, Any]:
    parameters = inspect.signature(op.body).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}


def constant(value: Any, dtype: str | None = None) -> Node:
    """A const node. Python floats are float32 and ints int64 unless a dtype is given; arrays keep theirs."""
    if dtype is None:
        dtype = {bool: "bool", int: "int64", float: "float32"}.get(type(value)) or str(np.asarray(value).dtype)
    if dtype not in DTYPES:
        raise DTypeError(f"constant: dtype {dtype} is none of {', '.join(DTYPES)}")
    array = np.array(value, dtype=dtype)
    array.flags.writeable = False
    return Node("const", (), TensorType(dtype, array.shape), MappingProxyType({"value": array}), None, _scope.get())


def hyperparameter(name: str, value: float, dtype: str) -> Node:
    """A hyperparameter's node; see schuss.trace.hyper."""
    array = np.array(value, dtype=dtype)
    array.flags.writeable = False
    attrs = MappingProxyType({"name": name, "value": array})
    return Node("hyperparameter", (), TensorType(dtype, ()), attrs, None, _scope.get())


def apply(op: Op, args: Sequence[Any], attrs: dict[str, Any]) -> Node:
    """The node of an op applied to nodes, arrays and Python numbers. Errors name the user's line."""
    try:
        unknown = set(attrs) - set(op.attrs)
        if unknown:
            known = ", ".join(op.attrs) or "none"
            raise ShapeError(f"{op.name}: unknown option {', '.join(sorted(unknown))}; it takes {known}")
        if op.tensors not in (None, len(args)):
            raise op.miscounted(args)
        nodes = _promoted(op, _as_nodes(op, args))
        types = [n.type for n in nodes]
        full = op.settle(op.name, *types, **{**_default_attrs(op), **attrs})
        full = {k: v for k, v in full.items() if k not in op.later or v != op.later[k]} if op.later else full
        result = op.infer(op.name, *types, **full)
        if op.kind is Kind.MAP and len(nodes) > 1:
            check_example_axes(op.name, nodes, result, user_site)
    except SchussError as error:
        raise _located(error) from None
    except TypeError as error:
        raise _located(ShapeError(f"{op.name}: {error}")) from None
    node = Node(op.name, tuple(nodes), result, MappingProxyType(full), user_site(), _scope.get())
    made = _made.get()
    if made is not None:
        made.append(node)
    return node


def _located(error: SchussError) -> SchussError:
    """The error with the user's line at its end, unless it names one already."""
    site = user_site()
    text = str(error)
    return type(error)(text if site is None or " (line: " in text else f"{text} (line: {site})")


def _as_nodes(op: Op, args: Sequence[Any]) -> list[Node]:
    """Nodes for all arguments; numbers and arrays become constants of the dtype they meet."""
    known = [node_of(a) for a in args]
    compared = known[1:] if op.promote is Promote.CHOICES else known
    dtypes = [n.type.dtype for n in compared if n is not None]
    meets = promote_dtypes(dtypes) if dtypes else None
    return [n if n is not None else _literal(a, meets, op) for a, n in zip(args, known, strict=True)]


def _literal(value: Any, meets: str | None, op: Op) -> Node:
    """A constant; a number takes the dtype it meets, an array beside floats too."""
    if isinstance(value, (bool, np.bool_)):
        return constant(bool(value), "bool")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # a torch tensor that requires grad, as one
        raise DTypeError(f"{op.name}: cannot take a {type(value).__name__}: {error}; give a numpy array") from None
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{op.name}: cannot take a {type(value).__name__} of dtype {array.dtype}")
    if meets is None or op.promote is Promote.NONE:
        return constant(value) if isinstance(value, (int, float)) else constant(array)
    if array.dtype.kind == "f":
        return constant(array, float_of(meets))
    adopts = array.dtype.kind != "b" and (array.ndim == 0 or meets in FLOATS)
    return constant(array, meets if adopts else None)


def _promoted(op: Op, nodes: list[Node]) -> list[Node]:
    """Inputs cast to one dtype, as the table in schuss.ops.infer says."""
    if op.promote is Promote.NONE or not nodes:
        return nodes
    if op.promote is Promote.CHOICES:
        return [nodes[0], *_to_dtype(nodes[1:], promote_dtypes([n.type.dtype for n in nodes[1:]]))]
    dtype = promote_dtypes([n.type.dtype for n in nodes])
    return _to_dtype(nodes, float_of(dtype) if op.promote is Promote.FLOAT else dtype)


def _to_dtype(nodes: list[Node], dtype: str) -> list[Node]:
    return [n if n.type.dtype == dtype else apply(cast, [n], {"dtype": dtype}) for n in nodes]


def node_of(value: Any) -> Node | None:
    """The node behind a traced value; None for a plain number or array."""
    if isinstance(value, Node):
        return value
    resolve = getattr(value, "__schuss_node__", None)
    return resolve() if resolve is not None else None
