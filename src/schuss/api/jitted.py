"""jit: a function of arrays as machine code, compiled for the shapes and dtypes it is called with."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial, update_wrapper
from types import MethodType
from typing import Any

from schuss import nn
from schuss.api.arguments import argument_names, array_type, as_read, to_arrays
from schuss.api.cache import Cache, CacheInfo
from schuss.api.fingerprint import static, take_apart
from schuss.api.program import Call, Function, Program, apply_model, compile_call, in_mode
from schuss.api.pytree import Named
from schuss.ir.executors import executor
from schuss.nn.holding import Shown
from schuss.nn.parameter import noting_frozen
from schuss.nn.walk import Aside, model_of
from schuss.portable import global_name
from schuss.tables import EXECUTORS
from schuss.trace import tracing

MAXSIZE = 64
Traced = tuple[Program, tuple[bool, ...] | None]
"""A program and, where its trace asked for requires_grad, which parameters were frozen."""


def jit(f: Function, *, static_argnums: int | Iterable[int] = (), backend: str = "native") -> Jitted:
    """f compiled: traced once for each form of its arguments, then run natively.

    Arguments are arrays, Python numbers, lists, tuples and dicts of them, and models (their parameters
    are inputs, so changed weights count). What decides the form: shapes, dtypes, the structure and
    settings of containers and models, and every other value (text, functions, settings), which must be
    hashable. Python numbers are traced scalars: a new number needs no new compilation, and cannot steer
    Python code; name their positions in static_argnums to hand them through as numbers. Bools are traced
    like other numbers. What f reads from outside is read when it is traced, and its side effects happen
    only then; it is traced twice, and TraceError is raised if a random number or the clock made another graph.
    Results are new arrays.

    The 64 forms used last are kept (`.cache_info()`, `.cache_clear()`). Safe to call from many threads.
    Inside another traced function f is simply traced with it, so jit, grad and jacobian nest in any order.
    Models in f are called in evaluation mode, or in the mode that nn.mode sets around the call.

    backend  an executor: "native", or "reference" (numpy)

    Raises TraceError for Python control flow on a traced value (names the line), LoweringError for an op
    without a lowering (names the op), UsageError for an argument that is neither array nor hashable.
    """
    return Jitted(f, static_argnums, backend)


class _Names(Aside, dict[int, list[str]]):
    """The names of a function's arguments in errors, by how many there are."""


class Jitted:
    """A function under jit; see schuss.jit. Copies, and another process, get the function and compile anew."""

    signature = Shown()

    def __init__(self, f: Function, static_argnums: int | Iterable[int], backend: str) -> None:
        self.__wrapped__ = f = model_of(f)
        self._static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
        self._backend = EXECUTORS.known(backend)
        self._cache: Cache[Traced] = Cache(MAXSIZE)
        self._names = _Names()
        self._of_model = bool(nn.named_parameters(f))
        if not self._of_model:
            update_wrapper(self, f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        f = self.__wrapped__
        if tracing():
            return f(*args, **kwargs)
        fixed = {i % len(args) for i in self._static if -len(args) <= i < len(args)}
        front: tuple[Any, ...] = ()
        if self._of_model:  # its parameters are inputs like any argument's
            args = tuple(as_read(f, args))
            f, front = apply_model, (f,)
        names = self._argument_names(f, len(front) + len(args))
        now = nn.chosen_mode()
        if now is not None:  # its key and step are inputs too
            f, front = partial(in_mode, f, now.training), (now.key, now.step_of_call(), *front)
            names = ["key", "step", *names]
        call = Call((*front, *args), kwargs, static={i + len(front) for i in fixed})
        return self._run(f, call, names, None if now is None else now.training)

    def _argument_names(self, f: Function, count: int) -> list[str]:
        """Names for the arguments in errors; looking at a signature takes longer than many a call."""
        if count not in self._names:
            self._names[count] = argument_names(f, count)
        return self._names[count]

    def _run(self, f: Function, call: Call, names: list[str], training: bool | None) -> Any:
        leaves: list[Named] = []
        form = _form(call, names, leaves)
        arrays = to_arrays(leaves)
        key = (training, form, tuple([(a.dtype, a.shape) for a in arrays]))

        def make() -> Traced:
            types = [array_type(a) for a in arrays]
            with noting_frozen() as asked:
                program = compile_call(f, call, types, [path for path, _ in leaves], executor(self._backend), kept=True)
                return program, _frozen(leaves) if asked() else None

        program, frozen = self._cache.get(key, make)
        if frozen is not None and frozen != (now := _frozen(leaves)):
            program, _ = self._cache.get((key, now), make)
        return program(arrays)

    def __reduce__(self) -> str | tuple[Any, ...]:
        return global_name(self) or (Jitted, (self.__wrapped__, self._static, self._backend))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def cache_info(self) -> CacheInfo:
        """Hits, misses, bound and size of the cache of compiled forms."""
        return self._cache.info()

    def cache_clear(self) -> None:
        """Forget the compiled forms."""
        self._cache.clear()


def _frozen(leaves: list[Named]) -> tuple[bool, ...]:
    """Which of the parameters among the leaves are frozen."""
    return tuple(not leaf.requires_grad for _, leaf in leaves if isinstance(leaf, nn.Parameter))


def _form(call: Call, names: list[str], leaves: list[Named]) -> Hashable:
    """What a trace of the call depends on; the leaves are added to the list, as call.named gives them."""
    parts = [
        static(arg, name) if i in call.static else take_apart(arg, name, leaves)
        for i, (name, arg) in enumerate(zip(names, call.args, strict=True))
    ]
    return tuple(parts), tuple([(k, take_apart(v, k, leaves)) for k, v in call.kwargs.items()])


__all__ = ["CacheInfo", "Jitted", "jit"]
