"""What a compiled function depends on besides its arrays: the structure of models, and static settings.

Two equal fingerprints mean the same traced graph. A layer's settings are compared by value, so that a
changed slope or a replaced layer is seen; functions are compared by identity. Parameters count by shape
and dtype only: their values are inputs. What a function reads from outside (globals, closures) is not
looked at. Of a signature counts what it does to the inputs.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Hashable, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.cache import Cache
from schuss.api.pytree import branches, is_leaf
from schuss.errors import UsageError
from schuss.ir.graph import Graph, Node
from schuss.nn.holding import input_key
from schuss.nn.walk import attributes, plain_form
from schuss.trace import Tensor

Key = Hashable

_HASHED_BYTES = 1 << 20  # larger arrays that a model holds are compared by identity
_NOT_ENTERED = sys.stdlib_module_names | {"numpy"}  # as nn looks for parameters
_BY_VALUE = frozenset((type(None), bool, int, str, bytes))
_BY_IDENTITY = (FunctionType, BuiltinFunctionType, type, ModuleType, Graph, Node, Cache)


class Same:
    """Equal to another of the same living object; keeps the object alive only if it must."""

    def __init__(self, value: Any) -> None:
        self.id = id(value)
        try:
            self.get = weakref.ref(value)
        except TypeError:
            self.get = lambda: value  # type: ignore[assignment]

    def __hash__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same):
            return NotImplemented
        mine = self.get()
        return mine is not None and mine is other.get()


def structure(value: Any, path: str, numbers: bool = True) -> Key:
    """The form of an argument: its branches, its models, its static values. Leaves count by place only."""
    if is_leaf(value, numbers):
        return "*"
    parts = branches(value)
    if parts is not None and not isinstance(value, (dict, list, tuple)):
        return fingerprint(value)
    if parts is not None:
        return type(value), tuple((name, structure(part, path + name, numbers)) for name, part in parts)
    return static(value, path)


def static(value: Any, path: str) -> Key:
    """A static value as part of a key. UsageError if it cannot be one."""
    if isinstance(value, nn.Module):
        return fingerprint(value)
    if isinstance(value, float):
        return float, value.hex()  # 0.0 and -0.0 differ
    try:
        hash(value)
    except TypeError:
        raise UsageError(
            f"jit: {path} is neither an array nor hashable ({type(value).__name__}); pass an array or a tuple"
        ) from None
    return type(value), value


def fingerprint(value: Any) -> Key:
    """The settings and the structure of a model and all its parts: one row of tokens, parts after their owner.

    A part met before is told by its number, so that sharing counts. A loop and not a recursion: a model may be nested
    as deep as it likes.
    """
    tokens: list[Any] = []
    seen: dict[int, int] = {}
    todo = [value]
    while todo:
        part = todo.pop()
        kind = type(part)
        if kind in _BY_VALUE:
            tokens += (kind, part)
        elif kind is float:
            tokens += (kind, part.hex())
        elif isinstance(part, (np.ndarray, np.generic)):
            tokens.append(_array(np.asarray(part), part))
        elif isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
            tokens.append("tensor")  # left there by a forward that notes its values
        elif isinstance(part, _BY_IDENTITY):
            tokens.append(Same(part))
        elif id(part) in seen:
            tokens += ("shared", seen[id(part)])
        else:
            seen[id(part)] = len(seen)
            token, inner = _compound(part)
            tokens.append(token)
            todo += reversed(inner)
    return tuple(tokens)


def _compound(value: Any) -> tuple[Key, Sequence[Any]]:
    """Of an object with parts: its own token, which says how many parts follow, and these."""
    if isinstance(value, nn.Parameter):
        return ("parameter", tuple(value.shape), str(value.dtype), input_key(value)), ()
    form = plain_form(value)
    if form is not None:
        return (type(value), form), ()
    if isinstance(value, dict):
        return (dict, len(value)), [part for item in value.items() for part in item]
    if isinstance(value, (list, tuple)):
        return (type(value), len(value)), value
    if isinstance(value, MethodType):
        return Same(value.__func__), (value.__self__,)
    if isinstance(value, functools.partial):
        return functools.partial, (value.func, value.args, value.keywords)
    if type(value).__module__.partition(".")[0] in _NOT_ENTERED:
        return Same(value), ()
    parts = list(attributes(value))
    return (type(value), tuple(name for name, _ in parts), input_key(value)), [part for _, part in parts]


def _array(array: np.ndarray[Any, Any], value: Any) -> Key:
    if array.nbytes > _HASHED_BYTES:
        return Same(value)
    return str(array.dtype), array.shape, array.tobytes()
