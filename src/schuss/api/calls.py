"""Calling a model on arrays: traced once for each form of its inputs, compiled, and kept with the model."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from schuss import nn
from schuss.api.arguments import as_given_to_fit, look_at_numbers, to_arrays
from schuss.api.cache import Cache, CacheInfo
from schuss.api.fingerprint import look, take_apart
from schuss.api.program import Call, Function, Program, apply_model, in_mode, settled_call
from schuss.api.pytree import Named, flatten
from schuss.dispatch import CALL_ON_ARRAYS
from schuss.forks import renew
from schuss.ir.executor import Array
from schuss.ir.executors import compiled
from schuss.ir.types import N, Shape, TensorType
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


@CALL_ON_ARRAYS.fill
def call_on_arrays(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any] = NO_KWARGS) -> Any:
    """model(*args, **kwargs) for arrays (numpy, DLPack, array interface, lists): new arrays.

    The leading axis of the inputs is the example axis, of any length: one compilation serves all. Where
    the model needs to know the length, or the inputs' lengths differ, it is compiled for each shape. The
    parameters are inputs of the compiled function, so changed weights count; a changed structure (layers,
    their settings, shapes) is noticed and compiled anew. Native, except for an op without a lowering.
    A fitted model takes its rows flat, too, or with axes of length 1 more or fewer (schuss.signature.rows).
    A list of arrays is what it is to fit: rows, or the inputs of a model that was fitted to several. Floating
    inputs take the model's dtype; integers are scaled where the model's signature says so; Python numbers and
    other settings reach the model as they are. In evaluation mode, or in the mode that nn.mode sets, whose key and
    step are inputs. At most 16 forms are kept for each model. Safe to call from many threads.
    """
    args = as_given_to_fit(model, args)
    now = nn.chosen_mode()
    key, step = (None, None) if now is None else (now.key, now.step_of_call())
    leaves: list[Named] = [] if now is None else [*flatten(key, "key"), *flatten(step, "step")]
    form, found = look(model)
    leaves += found.items()
    owned = len(leaves)
    given = [*[(f"x{i}", arg) for i, arg in enumerate(args)], *kwargs.items()]
    forms = tuple([(name, take_apart(arg, name, leaves, numbers=False)) for name, arg in given])
    arrays = to_arrays(leaves)
    whole = form, is_inert(), now and (now.training, key is None), forms
    cache = _cache_of(model)

    def program(concrete: bool) -> Program:
        return cache.get((whole, _shapes(arrays, owned, concrete)), partial(make, concrete))

    def make(concrete: bool) -> Program:
        look_at_numbers(model, args)
        call = Call((key, step, model, *args), dict(kwargs), numbers=())
        function = partial(in_mode, apply_model, now is not None and now.training)
        types = [TensorType(str(dtype), shape) for dtype, shape in _shapes(arrays, owned, concrete)]
        return _compile(function, call, types, [path for path, _ in leaves], concrete)

    ready = program(concrete=False) if _of_one_length(arrays, owned) else _CONCRETE
    return (program(concrete=True) if ready is _CONCRETE else ready)(arrays)


def cache_info(model: Any) -> CacheInfo:
    """What is kept for a model: hits, misses, bound and size."""
    return _cache_of(model).info()


def _of_one_length(arrays: list[Array], owned: int) -> bool:
    """Whether the inputs' leading axes, which come after the parameters, have one length: then it is N."""
    return len({a.shape[0] for a in arrays[owned:] if a.ndim}) == 1


def _shapes(arrays: list[Array], owned: int, concrete: bool) -> tuple[tuple[Any, Shape], ...]:
    """dtypes and shapes, with N for the inputs' leading axis unless concrete."""
    return tuple(
        [(a.dtype, a.shape if concrete or i < owned or not a.ndim else (N, *a.shape[1:])) for i, a in enumerate(arrays)]
    )


def _compile(function: Function, call: Call, types: list[TensorType], names: list[str], concrete: bool) -> Program:
    try:
        graph, template = settled_call(function, call, types, names)
    except Exception:
        if concrete:
            raise
        return _CONCRETE  # the concrete trace that follows works, or says with real numbers what is wrong
    return Program(compiled(graph), template)


def _cache_of(model: Any) -> Cache[Program]:
    """The model's own cache, which is dropped with the model."""
    key = id(model)
    with _guard.lock:
        known = _caches.get(key)
        if known is None or known[0]() is not model:
            known = weakref.ref(model, lambda _: _caches.pop(key, None)), Cache(MAXSIZE)
            _caches[key] = known
        return known[1]
