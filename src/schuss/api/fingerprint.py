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
from collections.abc import Hashable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.pytree import branches, is_leaf
from schuss.errors import UsageError
from schuss.nn.holding import input_key
from schuss.nn.walk import attributes
from schuss.trace import Tensor

Key = Hashable

_HASHED_BYTES = 1 << 20  # larger arrays that a model holds are compared by identity
_NOT_ENTERED = sys.stdlib_module_names | {"numpy"}  # as nn looks for parameters
_BY_IDENTITY = (FunctionType, BuiltinFunctionType, type, ModuleType)


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


def fingerprint(value: Any, seen: dict[int, int] | None = None) -> Key:
    """The settings and the structure of a model and all its parts."""
    seen = {} if seen is None else seen
    if value is None or isinstance(value, (bool, int, str, bytes)):
        return type(value), value
    if isinstance(value, float):
        return type(value), value.hex()
    if isinstance(value, (np.ndarray, np.generic)):
        return _array(np.asarray(value), value)
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        return "tensor"  # left there by a forward that notes its values
    if isinstance(value, _BY_IDENTITY):
        return Same(value)
    return _compound(value, seen)


def _compound(value: Any, seen: dict[int, int]) -> Key:
    """Of an object with parts; one met before is told by its number, so sharing is part of the structure."""
    if id(value) in seen:
        return "shared", seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, nn.Parameter):
        return "parameter", tuple(value.shape), str(value.dtype), input_key(value)
    if isinstance(value, dict):
        return dict, tuple((fingerprint(k, seen), fingerprint(v, seen)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(fingerprint(v, seen) for v in value)
    if isinstance(value, MethodType):
        return Same(value.__func__), fingerprint(value.__self__, seen)
    if isinstance(value, functools.partial):
        return tuple(fingerprint(v, seen) for v in (value.func, value.args, value.keywords))
    if type(value).__module__.partition(".")[0] in _NOT_ENTERED:
        return Same(value)
    return type(value), tuple((k, fingerprint(v, seen)) for k, v in attributes(value)), input_key(value)


def _array(array: np.ndarray[Any, Any], value: Any) -> Key:
    if array.nbytes > _HASHED_BYTES:
        return Same(value)
    return str(array.dtype), array.shape, array.tobytes()
