"""What a compiled function depends on besides its arrays: the structure of models, and static settings.

Two equal fingerprints mean the same traced graph. A layer's settings are compared by value, so that a
changed slope or a replaced layer is seen; functions are compared by identity. Parameters count by shape
and dtype only: their values are inputs. What a function reads from outside (globals, closures) is not
looked at. Of a signature counts what it does to the inputs.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import weakref
from collections.abc import Hashable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.pytree import Named, branches, is_leaf, may_be_model
from schuss.errors import UsageError
from schuss.ir.graph import Graph, Node
from schuss.nn.holding import input_key
from schuss.nn.walk import Aside, attributes, children, plain_form, worth_entering
from schuss.trace import Tensor

Key = Hashable

_HASHED_BYTES = 1 << 20  # larger arrays that a model holds are compared by identity
_NOT_ENTERED = sys.stdlib_module_names | {"numpy"}  # as nn looks for parameters
_BY_VALUE = frozenset((type(None), bool, int, str, bytes))
_BY_ATTRIBUTES = (None, nn.Module.named_children, nn.Sequential.named_children)  # children are found in the attributes
_BY_IDENTITY = (FunctionType, BuiltinFunctionType, type, ModuleType, Graph, Node, Aside)


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


class Form:
    """A fingerprint whose hash is computed once: it is the key of several tables."""

    __slots__ = ("_hash", "tokens")

    def __init__(self, tokens: tuple[Any, ...]) -> None:
        self.tokens, self._hash = tokens, hash(tokens)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.tokens == other.tokens


_Known = tuple[weakref.ref[Any], Form, list[tuple[str, int]]]
_known: dict[int, _Known] = {}  # by id: the model, its form, and its parameters' names with their numbers in the walk


def look(model: Any) -> tuple[Form, dict[str, nn.Parameter]]:
    """The form of a model and its parameters by name, fresh ones drawn (seed 0), in one walk.

    The walk meets every parameter. What each is called depends on the form alone, so the names are kept with it, and
    found anew when it changes.
    """
    tokens, met = _walk(model)
    known = _known.get(id(model))
    if known is not None and known[0]() is model and known[1].tokens == tokens:
        form, found = known[1], {name: met[i] for name, i in known[2]}
    else:
        form, found = Form(tokens), nn.named_parameters(model)
        _keep(model, form, found, met)
    for parameter in met:
        if parameter.fresh:
            nn.initialize(model, 0)
            break
    return form, found


def _keep(model: Any, form: Form, found: dict[str, nn.Parameter], met: list[nn.Parameter]) -> None:
    """Keep the names with the form. Not those in a function's attributes and the like, which the form does not tell."""
    key, number = id(model), {id(parameter): i for i, parameter in enumerate(met)}
    if worth_entering(model) and all(id(parameter) in number for parameter in found.values()):
        with contextlib.suppress(TypeError):  # an object without weak references
            names = [(name, number[id(parameter)]) for name, parameter in found.items()]
            _known[key] = weakref.ref(model, lambda _: _known.pop(key, None)), form, names


def take_apart(value: Any, path: str, leaves: list[Named], numbers: bool = True) -> Key:
    """The form of an argument: its branches, its models, its static values. Leaves count by place only; with their
    paths they are added to the list, as schuss.api.pytree.flatten gives them.
    """
    if is_leaf(value, numbers):
        leaves.append((path, value))
        return "*"
    if isinstance(value, (dict, list, tuple)):
        parts = branches(value) or ()
        return type(value), tuple([(name, take_apart(part, path + name, leaves, numbers)) for name, part in parts])
    if may_be_model(value):
        form, found = look(value)
        if found:
            leaves += [(f"{path}.{name}", parameter) for name, parameter in found.items()]
            return form
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

    A part met before is told by its number, so that sharing counts.
    """
    return _walk(value)[0]


def _walk(value: Any) -> tuple[tuple[Any, ...], list[nn.Parameter]]:
    """The tokens, and every parameter in the order in which they tell of it.

    A loop and not a recursion: a model may be nested as deep as it likes. It enters whatever nn looks through for
    parameters, and more.
    """
    tokens: list[Any] = []
    met: list[nn.Parameter] = []
    seen: dict[int, int] = {}
    todo = [value]
    while todo:
        part = todo.pop()
        kind = type(part)
        if kind in _BY_VALUE:
            tokens += (kind, part)
        elif kind is float:
            tokens += (kind, part.hex())
        elif kind is FunctionType:
            tokens.append(weakref.ref(part))
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
            if isinstance(part, nn.Parameter):
                met.append(part)
                form = part.type
                tokens.append(("parameter", form.shape, form.dtype, input_key(part) if part.held else None))
            else:
                token, inner = _compound(part)
                tokens.append(token)
                todo += reversed(inner)
    return tuple(tokens), met


def _compound(value: Any) -> tuple[Key, Sequence[Any]]:
    """Of an object with parts: its own token, which says how many parts follow, and these."""
    kind = type(value)
    if isinstance(value, (dict, list, tuple)) and not hasattr(kind, "named_children"):
        form = plain_form(value)
        if form is not None:
            return (kind, form), ()
        if isinstance(value, dict):
            return (dict, tuple(map(str, value))), [part for item in value.items() for part in item]
        return (kind, len(value)), value
    if isinstance(value, MethodType):
        return Same(value.__func__), (value.__self__,)
    if isinstance(value, functools.partial):
        return functools.partial, (value.func, value.args, value.keywords)
    parts: Any = ()
    if kind.__module__.partition(".")[0] not in _NOT_ENTERED:
        parts = attributes(value)
    elif not isinstance(value, Mapping):
        return Same(value), ()
    if getattr(kind, "named_children", None) not in _BY_ATTRIBUTES or isinstance(value, Mapping):
        parts = [*parts, *children(value)]  # what nn finds there may be no attribute
    names, inner = zip(*parts, strict=True) if parts else ((), ())
    return (kind, names, input_key(value)), inner


def _array(array: np.ndarray[Any, Any], value: Any) -> Key:
    if array.nbytes > _HASHED_BYTES:
        return Same(value)
    return str(array.dtype), array.shape, array.tobytes()
