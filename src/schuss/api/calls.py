"""Calling a model on arrays: traced once for each form of its inputs, compiled, and kept with the model."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from schuss import nn
from schuss.api.arguments import array_type, as_given_to_fit, to_arrays
from schuss.api.cache import Cache, CacheInfo
from schuss.api.fingerprint import fingerprint, structure
from schuss.api.pytree import Named, flatten, parameters_of
from schuss.api.run import Call, Function, Program, apply_model, backend, in_mode, settled_call
from schuss.errors import LoweringError
from schuss.forks import renew
from schuss.ir.types import N, TensorType
from schuss.nn.holding import is_inert

MAXSIZE = 16

_CONCRETE = Program(lambda arrays: [], None)  # kept for a form that has no trace with a symbolic length
NO_KWARGS: Mapping[str, Any] = MappingProxyType({})
_caches: dict[int, tuple[weakref.ref[Any], Cache[Program]]] = {}


class _Guard:
    """Of the table of caches."""

    def __init__(self) -> None:
        self.renew_locks()
        renew(self)

    def renew_locks(self) -> None:
        """In a forked child."""
        self.lock = threading.Lock()


_guard = _Guard()


def call_on_arrays(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any] = NO_KWARGS) -> Any:
    """model(*args, **kwargs) for arrays (numpy, DLPack, array interface, lists): new arrays.

    The leading axis of the inputs is the example axis, of any length: one compilation serves all. Where
    the model needs to know the length, or the inputs' lengths differ, it is compiled for each shape. The
    parameters are inputs of the compiled function, so changed weights count; a changed structure (layers,
    their settings, shapes) is noticed and compiled anew. Native, except for an op without a lowering.
    A list of arrays is what it is to fit: rows, or the inputs of a model that was fitted to several. Floating
    inputs take the model's dtype; integers are scaled where the model's signature says so; Python numbers and
    other settings reach the model as they are. In evaluation mode, or in the mode that nn.mode sets, whose key and
    step are inputs. At most 16 forms are kept for each model. Safe to call from many threads.
    """
    args = as_given_to_fit(model, args)
    now = nn.chosen_mode()
    key, step = (None, None) if now is None else (now.key, now.step_of_call())
    call = Call((key, step, model, *args), dict(kwargs), numbers=())
    leaves: list[Named] = [*flatten(key, "key"), *flatten(step, "step"), *parameters_of(model).items()]
    owned = len(leaves)
    given = [*((f"x{i}", arg) for i, arg in enumerate(args)), *kwargs.items()]
    for name, arg in given:
        leaves += flatten(arg, name, numbers=False)
    arrays = to_arrays(leaves)
    names = [path for path, _ in leaves]
    form = (
        fingerprint(model),
        is_inert(),
        now and (now.training, key is None),
        tuple((name, structure(arg, name, numbers=False)) for name, arg in given),
    )
    cache = _cache_of(model)
    function = partial(in_mode, apply_model, now is not None and now.training)

    def program(types: list[TensorType], concrete: bool) -> Program:
        key = form, tuple((t.dtype, t.shape) for t in types)
        return cache.get(key, lambda: _compile(function, call, types, names, concrete))

    types = [array_type(a) for a in arrays]
    symbolic = _symbolic(types, owned)
    found = _CONCRETE if symbolic is None else program(symbolic, concrete=False)
    return (program(types, concrete=True) if found is _CONCRETE else found)(arrays)


def cache_info(model: Any) -> CacheInfo:
    """What is kept for a model: hits, misses, bound and size."""
    return _cache_of(model).info()


def _symbolic(types: list[TensorType], owned: int) -> list[TensorType] | None:
    """The types with N for the inputs' leading axis (parameters come before them); None if lengths differ."""
    data = [t for t in types[owned:] if t.shape]
    if len({t.shape[0] for t in data}) != 1:
        return None
    return [TensorType(t.dtype, (N, *t.shape[1:])) if i >= owned and t.shape else t for i, t in enumerate(types)]


def _compile(function: Function, call: Call, types: list[TensorType], names: list[str], concrete: bool) -> Program:
    try:
        graph, template = settled_call(function, call, types, names)
    except Exception:
        if concrete:
            raise
        return _CONCRETE  # the concrete trace that follows works, or says with real numbers what is wrong
    try:
        return Program(backend("native").compile(graph), template)
    except LoweringError:
        return Program(backend("reference").compile(graph), template)


def _cache_of(model: Any) -> Cache[Program]:
    """The model's own cache, which is dropped with the model."""
    key = id(model)
    with _guard.lock:
        known = _caches.get(key)
        if known is None or known[0]() is not model:
            known = weakref.ref(model, lambda _: _caches.pop(key, None)), Cache(MAXSIZE)
            _caches[key] = known
        return known[1]
