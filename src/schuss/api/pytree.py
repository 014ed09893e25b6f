"""Pytrees: the arrays inside lists, tuples, dicts and models, taken out in order and put back.

A *leaf* is an array (numpy, DLPack, array interface), a traced tensor, a Python number or a rectangular
nested list of Python numbers (one array, as numpy reads it). A *branch* is a dict, a tuple, a named tuple,
any other list, or a model (any object that holds parameters), whose leaves are its parameters. Anything
else (None, text, functions, settings) is *static*: it is handed through as it is.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from schuss import nn
from schuss.trace import Tensor

Named = tuple[str, Any]

# The last two are of sparse matrices and lazy data frames: they hold arrays, and reading them says what to do.
_ARRAY_METHODS = ("__dlpack__", "__array_interface__", "__array__", "toarray", "collect_schema")
_PLAIN = (type(None), str, bytes, type, ModuleType)


class Hole:
    """What stands where a leaf was taken out."""


def is_number(value: Any) -> bool:
    """A Python number: it adopts a dtype where numpy's scalars bring their own."""
    return isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)


def is_number_list(value: Any) -> bool:
    """A rectangular nested list of numbers."""
    if not isinstance(value, list) or not value:
        return False
    if not isinstance(value[0], list):
        return all(isinstance(v, (bool, int, float, np.generic)) for v in value)
    return all(is_number_list(v) and len(v) == len(value[0]) for v in value)


def is_array(value: Any) -> bool:
    """An array or something that can be read as one."""
    if isinstance(value, (np.ndarray, np.generic)):
        return True
    return not isinstance(value, type) and any(hasattr(value, method) for method in _ARRAY_METHODS)


def is_leaf(value: Any, numbers: bool) -> bool:
    """Whether value is a leaf; Python numbers count only if `numbers`."""
    if is_number(value):
        return numbers
    return isinstance(value, (Tensor, Hole)) or is_array(value) or is_number_list(value)


def may_be_model(value: Any) -> bool:
    """Whether an object can hold parameters: it has attributes of a user's, and is no number, text or tensor."""
    if isinstance(value, (Tensor, *_PLAIN)) or is_number(value):
        return False
    return hasattr(value, "__dict__") or hasattr(type(value), "__slots__")


def parameters_of(value: Any) -> dict[str, nn.Parameter]:
    """The parameters of a model by name, fresh ones drawn (seed 0); empty for anything else."""
    if not may_be_model(value):
        return {}
    found = nn.named_parameters(value)
    if any(parameter.fresh for parameter in found.values()):
        nn.initialize(value, 0)
    return found


def branches(value: Any) -> list[Named] | None:
    """The named parts of a branch, in order; None for a leaf or a static value."""
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f".{field}", part) for field, part in zip(value._fields, value, strict=True)]
    if isinstance(value, tuple) or (isinstance(value, list) and not is_number_list(value)):
        return [(f"[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, Hole) or is_leaf(value, numbers=True):
        return None
    return [(f".{name}", parameter) for name, parameter in parameters_of(value).items()] or None


def flatten(value: Any, path: str = "", numbers: bool = True) -> list[Named]:
    """The leaves with their paths, as params['w'][0] or model.0.weight."""
    parts = branches(value)
    if parts is None:
        return [(path, value)] if is_leaf(value, numbers) else []
    return [leaf for name, part in parts for leaf in flatten(part, path + name, numbers)]


def statics(value: Any, path: str = "") -> list[Named]:
    """The static values that are not None, with their paths."""
    parts = branches(value)
    if parts is None:
        return [] if value is None or is_leaf(value, numbers=True) else [(path, value)]
    return [leaf for name, part in parts for leaf in statics(part, path + name)]


class Binding:
    """Models met while arguments are rebuilt, and what their parameters stand for."""

    def __init__(self) -> None:
        self.models: list[Any] = []
        self.tensors: dict[nn.Parameter, Tensor] = {}

    def frozen(self, parameter: nn.Parameter, tensor: Tensor) -> nn.Parameter:
        """A frozen Parameter that stands for the tensor: each leaf has its own, where one is given twice, too."""
        own = copy.copy(parameter)
        self.tensors[own] = tensor
        return own

    def call(self, function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
        """function(*args, **kwargs) with the parameters standing for their tensors."""
        with contextlib.ExitStack() as stack:
            if self.tensors:
                stack.enter_context(nn.bind(self.tensors))
            if len(self.models) == 1:
                stack.enter_context(nn.bind_scopes(self.models[0]))
            return _unbound(function(*args, **kwargs))


def _unbound(result: Any) -> Any:
    """The result with the tensors that its Parameters stand for now: later they would be constants."""
    leaves = [leaf for _, leaf in flatten(result)]
    if not any(isinstance(leaf, nn.Parameter) for leaf in leaves):
        return result
    return rebuild(result, iter([Tensor(leaf.node) if isinstance(leaf, nn.Parameter) else leaf for leaf in leaves]))


def rebuild(value: Any, leaves: Iterator[Any], numbers: bool = True, binding: Binding | None = None) -> Any:
    """value with its leaves replaced, in order.

    A model becomes a dict by parameter name, unless a binding is given: then it stays itself, and what
    its parameters stand for is noted there; a frozen Parameter outside a model stays a frozen one.
    """
    parts = branches(value)
    if parts is None:
        if not is_leaf(value, numbers):
            return value
        leaf = next(leaves)
        if binding is None or not isinstance(value, nn.Parameter) or value.requires_grad:
            return leaf
        return binding.frozen(value, leaf)
    new = [rebuild(part, leaves, numbers, binding) for _, part in parts]
    if isinstance(value, dict):
        return dict(zip(value, new, strict=True))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*new)
    if isinstance(value, (list, tuple)):
        return new if isinstance(value, list) else tuple(new)
    if binding is None:
        return {name[1:]: part for (name, _), part in zip(parts, new, strict=True)}
    binding.models.append(value)
    binding.tensors.update(zip((parameter for _, parameter in parts), new, strict=True))
    return value


def split(value: Any) -> tuple[Any, list[Any]]:
    """value with holes in place of its leaves, and the leaves."""
    leaves = [leaf for _, leaf in flatten(value)]
    return rebuild(value, iter([Hole()] * len(leaves))), leaves


def fill(template: Any, leaves: Iterable[Any]) -> Any:
    """The template's holes filled, in order."""
    return rebuild(template, iter(leaves), numbers=False)
