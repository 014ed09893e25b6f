"""Finding the parameters and layers of any object, and reading and setting them by name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from itertools import chain
from operator import is_
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from schuss.errors import ShapeError, UsageError
from schuss.ir.executor import Array
from schuss.nn.parameter import Parameter
from schuss.signature import Signature
from schuss.trace import Tensor

Key = Hashable

_SCALARS = frozenset((type(None), bool, int, float, str, bytes))
_CONTAINERS = frozenset((list, tuple, dict))
_LARGE = 200  # entries from which on a container of plain values is compared as a whole
_KEPT = 64
_Level = tuple[list[Any], list[int], tuple[Any, ...]]
_Levels = list[_Level]
_plain: dict[int, tuple[Any, _Levels, Key]] = {}  # of containers by id: itself, what it held, the key; in order of age
_walked: ContextVar[dict[int, tuple[Any, dict[str, Parameter]]] | None] = ContextVar("_walked", default=None)
_slots_of: WeakKeyDictionary[type, tuple[str, ...]] = WeakKeyDictionary()

HELD, CALLED = "_schuss_signature", "_schuss_call"  # attributes of a model that schuss.nn.holding sets
NOTE = "note"  # in what a parameter holds: where its numbers come from
LOADED = "came by load_state_dict, which brings arrays alone"


class Aside:
    """Base of what lies on a model and is no part of it, as what is compiled for it: nothing is looked for in there."""


class Trained:
    """Base of what holds a trained model as `model`: of the run that fit returns."""

    model: Any


def model_of(given: Any) -> Any:
    """The model itself, where a run of fit is given in its place."""
    return given.model if isinstance(given, Trained) else given


def callable_model(given: Any, owner: str) -> Any:
    """model_of. UsageError for what cannot be called, as a list of layers."""
    model = model_of(given)
    if not callable(model):
        mend = "give an nn.Module or another object with __call__(self, x)"
        parts = model if isinstance(model, (list, tuple)) else (model,)
        if any(isinstance(part, np.ndarray) for part in parts):
            mend = "the model comes first, then the data"
        elif isinstance(model, (list, tuple)):
            mend = "chain layers by nn.Sequential(*layers)"
        elif isinstance(model, (str, os.PathLike)):
            mend = "schuss.load(path) gives the model of a file"
        raise UsageError(f"{owner}: the model cannot be called, it is a {type(model).__name__}; {mend}")
    return model


def children(value: Any) -> Iterator[tuple[str, Any]]:
    """The named parts of a layer, list, tuple, dict or any other object of a user's class."""
    if hasattr(type(value), "named_children"):
        return iter(value.named_children())
    if isinstance(value, (list, tuple)):
        return ((str(i), v) for i, v in enumerate(value))
    if isinstance(value, Mapping):
        return ((str(k), v) for k, v in value.items())
    return iter(attributes(value))


def attributes(value: Any) -> list[tuple[str, Any]]:
    """An object's attributes in the order in which they were set, but for its signature, which is no part of it."""
    held = getattr(value, "__dict__", {}).items()
    parts = [(k, v) for k, v in held if k != HELD and k != CALLED and type(v) is not Signature]
    if hasattr(type(value), "__slots__"):
        parts += [(name, getattr(value, name)) for name in _slots(type(value)) if hasattr(value, name)]
    return parts


def _slots(cls: type) -> tuple[str, ...]:
    """The names in a class's slots, looked up once: a model is looked through at each call."""
    known = _slots_of.get(cls)
    if known is None:
        slots = [c.__dict__.get("__slots__", ()) for c in cls.__mro__]
        names = [name for part in slots for name in ((part,) if isinstance(part, str) else tuple(part))]
        known = _slots_of[cls] = tuple(name for name in names if not name.startswith("__"))
    return known


def worth_entering(value: Any) -> bool:
    """Containers, and objects of classes that are neither Python's own nor numpy's."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (type, Tensor, Aside)):
        return False
    if isinstance(value, Mapping):
        return True
    package = type(value).__module__.partition(".")[0]
    return package not in sys.stdlib_module_names and package != "numpy"


def plain_form(value: Any) -> Key | None:
    """What a large list, tuple or dict of numbers and text holds, as a key; None if it is small or holds anything else.

    A vocabulary or a history would be looked through at each call of its model, entry by entry: that takes a thousand
    times as long as the call. So its entries are kept and compared, at the speed of C, as objects: 1, 1.0 and True are
    equal, and so are 0.0 and -0.0, but a model can tell them apart.
    """
    kind = type(value)
    if kind not in _CONTAINERS or len(value) < _LARGE:
        return None
    known = _plain.get(id(value))
    if known is not None and known[0] is value and _same(known[1]):
        return known[2]
    _plain.pop(id(value), None)
    levels = _levels(value)
    if levels is None:
        return None
    while len(_plain) >= _KEPT:
        _plain.pop(next(iter(_plain)), None)
    form = repr(value), frozenset(type(e) for _, _, entries in levels for e in entries)  # one text, one type of number
    _plain[id(value)] = value, levels, form
    return form


def _levels(value: Any) -> _Levels | None:
    """Of each depth the containers, their lengths and all entries; None if some entries are neither numbers nor text
    nor containers of such, or if a container lies at two depths, as one that is inside itself.
    """
    levels: list[_Level] = []
    seen: set[int] = set()
    containers = [value]
    while containers:
        ids = set(map(id, containers))
        if not seen.isdisjoint(ids):
            return None
        seen |= ids
        entries = tuple(_entries(containers))
        if not all(t in _SCALARS or t in _CONTAINERS or issubclass(t, np.number) for t in set(map(type, entries))):
            return None
        levels.append((containers, list(map(len, containers)), entries))
        containers = [e for e in entries if type(e) in _CONTAINERS]
    return levels


def _entries(containers: list[Any]) -> Iterator[Any]:
    return chain.from_iterable([chain(c, c.values()) if type(c) is dict else c for c in containers])


def _same(levels: _Levels) -> bool:
    """Whether the entries of all depths are still the very same objects."""
    return all(
        list(map(len, containers)) == lengths and all(map(is_, entries, _entries(containers)))
        for containers, lengths, entries in levels
    )


def _walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Every part with its path, once per path; a part inside itself is left out. A loop: models can be deep."""
    yield "", model
    todo = [("", id(model), _parts(model, first=True) or iter(()))]
    open_ids = {id(model)}
    while todo:
        path, owner, rest = todo[-1]
        found = next(rest, None)
        if found is None:
            todo.pop()
            open_ids.discard(owner)
            continue
        name, part = found
        inner = f"{path}.{name}" if path else name
        yield inner, part
        if type(part) in _SCALARS or id(part) in open_ids:
            continue
        parts = _parts(part)
        if parts is not None:
            open_ids.add(id(part))
            todo.append((inner, id(part), parts))


def _parts(value: Any, first: bool = False) -> Iterator[tuple[str, Any]] | None:
    """What to look through in a part: nothing in a parameter, in data, or in an object that is not a model's."""
    if isinstance(value, Parameter) or not (first or worth_entering(value)) or plain_form(value) is not None:
        return None
    return children(value)


@contextlib.contextmanager
def walked_once() -> Iterator[None]:
    """Inside, an object is looked through when its parameters are first asked for, and not again.
    Copies of a network are made ready by a dozen looks at each."""
    token = _walked.set({})
    try:
        yield
    finally:
        _walked.reset(token)


@contextlib.contextmanager
def walked_anew() -> Iterator[None]:
    """Inside, an object is looked through each time, and afterwards as for the first time: where a user's code runs,
    which may make parts."""
    token = _walked.set(None)
    try:
        yield
    finally:
        _walked.reset(token)
        if (walked := _walked.get()) is not None:
            walked.clear()


def parameter_names(model: Any) -> dict[str, Parameter]:
    """Every name of every parameter: a shared one has several."""
    model, walked = model_of(model), _walked.get()
    if walked is None:
        return _named(model)
    if id(model) not in walked:
        walked[id(model)] = model, _named(model)  # with the object itself, or another could get its id
    return dict(walked[id(model)][1])


def _named(model: Any) -> dict[str, Parameter]:
    return {path: part for path, part in _walk(model) if isinstance(part, Parameter)}


def weights_of(model: Any) -> dict[str, Any]:
    """The arrays of a model's parameters, by name: no copies."""
    return {name: p.data for name, p in named_parameters(model).items()}


def named_parameters(model: Any) -> dict[str, Parameter]:
    """A model's parameters by name, as 0.weight; one that is shared appears once, under its first name.

    The model is any object. Parameters are found in its attributes, in lists, tuples and dicts of them, and
    in the objects those hold.
    """
    found: dict[str, Parameter] = {}
    seen: set[int] = set()
    for name, parameter in parameter_names(model).items():
        if id(parameter) not in seen:
            seen.add(id(parameter))
            found[name] = parameter
    return found


def initialize(model: Any, seed: int = 0) -> None:
    """Draw every fresh parameter, from a key made of the seed and the parameter's name.

    The same seed gives the same bits on every platform. Parameters that have numbers keep them.
    UsageError for a negative seed.
    """
    from schuss.ops.philox import fold_in, key_from_seed

    if seed < 0:
        raise UsageError(f"seed must not be negative, got {seed}")
    key = key_from_seed(seed)
    for name, parameter in named_parameters(model).items():
        if parameter.fresh:
            parameter.draw(fold_in(key, name_number(name)))


def model_dtype(model: Any) -> str:
    """The dtype of the model's first parameter."""
    return next((p.dtype for p in named_parameters(model).values()), "float32")


def name_number(name: str) -> int:
    """31 bits that stand for a name in a random key."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little") >> 1


def to_dtype(model: Any, dtype: str) -> Any:
    """The model with its parameters converted, in place, to float32 or float64."""
    for parameter in named_parameters(model).values():
        parameter.to_dtype(dtype)
    return model


def requires_grad_(model: Any, requires_grad: bool = True) -> Any:
    """The model with every parameter in it unfrozen or, with False, frozen, in place. See schuss.nn.Parameter.

    UsageError for anything but a bool.
    """
    for parameter in named_parameters(model).values():
        parameter.requires_grad = requires_grad
    return model


def frozen_names(model: Any) -> list[str]:
    """The names of the frozen parameters."""
    return [name for name, parameter in named_parameters(model).items() if not parameter.requires_grad]


def freeze_names(model: Any, names: Iterable[str]) -> None:
    """Freeze these parameters. UsageError for a name that the model does not have."""
    known = parameter_names(model)
    for name in names:
        if name not in known:
            raise UsageError(f"frozen parameter {name!r}: the model has {', '.join(known) or 'no parameters'}")
        known[name].requires_grad = False


def state_dict(model: Any) -> dict[str, Array]:
    """Copies of a model's parameters by name. Names and shapes are PyTorch's. Draws fresh ones (seed 0)."""
    initialize(model, 0)
    return {name: parameter.data.copy() for name, parameter in named_parameters(model).items()}


def load_state_dict(model: Any, state: Mapping[str, Any]) -> None:
    """Set a model's parameters from arrays by name, all or none of them.

    A shared parameter may be given under any or all of its names. UsageError for a missing or unknown
    name, ShapeError for a wrong shape.
    """
    names = parameter_names(model)
    unknown = [k for k in state if k not in names]
    given = {id(names[k]) for k in state if k in names}
    missing = [k for k, p in named_parameters(model).items() if id(p) not in given]
    if missing or unknown:
        parts = [f"missing {', '.join(missing)}"] * bool(missing)
        parts += [f"{', '.join(unknown)} not in the model"] * bool(unknown)
        raise UsageError(f"load_state_dict: {'; '.join(parts)}; the model has {', '.join(names) or 'no parameters'}")
    arrays = {k: _checked(k, names[k], v) for k, v in state.items()}
    first: dict[int, str] = {}
    for k, array in arrays.items():
        other = first.setdefault(id(names[k]), k)
        if not np.array_equal(array, arrays[other], equal_nan=True):
            raise UsageError(f"load_state_dict: {other} and {k} name one shared parameter but differ")
    for k, array in arrays.items():
        names[k].data = array
        names[k].held = {**names[k].held, NOTE: LOADED}


def _checked(name: str, parameter: Parameter, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise UsageError(f"load_state_dict: {name} must hold numbers, got dtype {array.dtype}")
    if array.shape != parameter.static_shape:
        want = list(parameter.static_shape)
        raise ShapeError(f"load_state_dict: {name} has shape {list(array.shape)}, the model needs {want}")
    return array
