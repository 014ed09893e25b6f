"""Module: the base of layers and models; what happens when one is called."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from schuss.dispatch import CALL_ON_ARRAYS, PREDICT, PREDICT_PROBA
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn import walk
from schuss.nn.holding import ACTS, Shown, acting, is_inert, looking_for_bytes, positional, prepared
from schuss.nn.parameter import Parameter
from schuss.trace import Tensor, node_of, note_predictions, notice, scope, tracing


class Module:
    """Base of layers and models.

    A subclass sets parameters and other modules as attributes (also in lists, tuples and dicts) and defines
    `forward` or `__call__`, which takes and returns tensors. Calling a module with tensors builds its part of
    the graph; calling it with arrays only computes and returns arrays.
    """

    has_scope: ClassVar[bool] = True  # whether its part of the graph is named after it
    signature = Shown()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        call = cls.__dict__.get("__call__")
        if call is not None:
            cls.__call__ = _wrapped(call)  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        forward = getattr(self, "forward", None)
        if forward is None:
            raise UsageError(f"{type(self).__name__}: define forward(self, x) or __call__(self, x)")
        return _run(self, forward, args, kwargs)

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """The parts a path goes through: the attributes."""
        return iter(walk.attributes(self))

    def named_parameters(self) -> dict[str, Parameter]:
        """See schuss.nn.named_parameters."""
        return walk.named_parameters(self)

    def parameters(self) -> list[Parameter]:
        """The parameters without their names."""
        return list(walk.named_parameters(self).values())

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (False) or unfreeze all its parameters; returns the module. See schuss.nn.Parameter."""
        walk.requires_grad_(self, requires_grad)
        return self

    @property
    def requires_grad(self) -> bool:
        """Whether any of its parameters is learned. Setting it sets all of them."""
        return any(parameter.requires_grad for parameter in walk.named_parameters(self).values())

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        walk.requires_grad_(self, value)

    def state_dict(self) -> dict[str, Array]:
        """See schuss.nn.state_dict."""
        return walk.state_dict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See schuss.nn.load_state_dict."""
        walk.load_state_dict(self, state)

    def predict(self, x: Any) -> Array:
        """See schuss.predict."""
        found: Array = PREDICT(self, x)
        return found

    def predict_proba(self, x: Any) -> Array:
        """See schuss.predict_proba."""
        found: Array = PREDICT_PROBA(self, x)
        return found

    def train(self, mode: bool = True) -> NoReturn:
        """There is no such switch, as PyTorch has it: raises UsageError that says how training mode is chosen."""
        raise UsageError(
            "train: a model has no mode of its own; schuss.fit trains in training mode by itself, and calls compute "
            "in it within `with nn.mode(training=True, key=0):`; leave the call out"
        )

    def eval(self) -> NoReturn:
        """There is no such switch, as PyTorch has it: raises UsageError that says so."""
        raise UsageError(
            "eval: a model has no mode of its own; calls compute in evaluation mode unless "
            "nn.mode(training=True) says otherwise; leave the call out"
        )

    def __repr__(self) -> str:
        parts = [f"({k}): {v!r}" for k, v in self.named_children() if isinstance(v, Module)]
        body = "".join(f"\n  {line}" for part in parts for line in part.split("\n"))
        return f"{type(self).__name__}({body}\n)" if parts else f"{type(self).__name__}()"


setattr(Module, ACTS, True)  # by _run


def named_modules(model: Any) -> dict[str, Any]:
    """The model itself under "" and every Module in it by path; a shared one once, under its first path."""
    found: dict[str, Any] = {"": model}
    seen = {id(model)}
    for path, part in walk._walk(model):
        if isinstance(part, Module) and id(part) not in seen:
            seen.add(id(part))
            found[path] = part
    return found


# -- calling -----------------------------------------------------------------------------------------


_running: contextvars.ContextVar[tuple[Module, str] | None] = contextvars.ContextVar("running", default=None)
_paths: contextvars.ContextVar[Mapping[int, str] | None] = contextvars.ContextVar("paths", default=None)


@contextlib.contextmanager
def bind_scopes(model: Any) -> Iterator[None]:
    """Inside, nodes made by a module of this model carry its path and class as scope, as 0.Linear."""
    token = _paths.set({id(module): path for path, module in named_modules(model).items()})
    try:
        yield
    finally:
        _paths.reset(token)


def _wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapper(self: Module, *args: Any, **kwargs: Any) -> Any:
        return _run(self, functools.partial(call, self), args, kwargs)

    return wrapper


def _run(module: Module, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Trace the call under the module's scope, or hand it on if there are only arrays and no trace."""
    running = _running.get()
    if running is not None and running[0] is module:  # super().__call__, or a call that calls itself
        return call(*args, **kwargs)
    if running is None and not tracing() and not (_any_traced(args) or (kwargs and _any_traced(kwargs))):
        args, kwargs = positional(call, args, kwargs)
        call_on_arrays = CALL_ON_ARRAYS.function
        return call_on_arrays(module, args, kwargs) if kwargs else call_on_arrays(module, args)
    notice(module)
    with contextlib.ExitStack() as stack:
        signature = acting(module)
        look = None
        if signature is None and running is None and not is_inert():
            look = stack.enter_context(looking_for_bytes(module, args))
        if signature is not None:
            args, kwargs = positional(call, args, kwargs)
            args = stack.enter_context(prepared(module, signature, args))
        if _paths.get() is None:
            stack.enter_context(bind_scopes(module))
        path = (_paths.get() or {}).get(id(module))
        label = _label(module, path, running[1] if running else "")
        if label:
            stack.enter_context(scope(label))
        token = _running.set((module, path or ""))
        stack.callback(_running.reset, token)
        result = call(*args, **kwargs)
        if look is not None:
            look(result)
        if running is None:
            note_predictions(result)
        return result


def _label(module: Module, path: str | None, outer: str) -> str:
    """A module's scope below its caller's: what its path adds, and its class; none for a whole model."""
    name = type(module).__name__
    if not module.has_scope:
        return ""
    if path:
        return f"{path.removeprefix(outer + '.') if outer else path}.{name}"
    whole = path == "" and any(isinstance(v, Module) for _, v in list(walk._walk(module))[1:])
    return "" if whole else name


def _any_traced(value: Any) -> bool:
    if type(value) is np.ndarray:
        return False
    if isinstance(value, Mapping):
        return any(_any_traced(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return any(_any_traced(v) for v in value)
    return isinstance(value, Tensor) or (not isinstance(value, type) and node_of(value) is not None)


# -- training or not -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mode:
    """What a trace is for: training or not; key (uint32[2]) and step (int64) feed dropout's random bits."""

    training: bool = False
    key: Any = None
    step: Any = None
    _streams: list[int] = field(default_factory=lambda: [0], compare=False, repr=False)  # the next stream's number
    _calls: Iterator[int] = field(default_factory=itertools.count, compare=False, repr=False)

    def next_stream(self, count: int = 1) -> int:
        """A number of its own for each use of randomness in one trace; with a count the first of so many."""
        first = self._streams[0]
        self._streams[0] = first + count
        return first

    def step_of_call(self) -> Any:
        """The step of a call on arrays: the mode's own, else the number of the call."""
        return np.int64(next(self._calls)) if self.step is None else self.step


_mode: contextvars.ContextVar[Mode | None] = contextvars.ContextVar("mode", default=None)


@contextlib.contextmanager
def mode(training: bool = False, key: Any = None, step: Any = None) -> Iterator[Mode]:
    """Inside, models are traced for this mode, and called on arrays or under jit in it. Without one: evaluation.

    key   uint32[2], or a seed: what dropout's random bits are made from
    step  counts the draws; calls of one step draw the same numbers. None: each call on arrays draws anew (it takes
          the next of 0, 1, 2, ...), and the same block of calls gives the same numbers again

    Key and step are inputs of what is compiled: a thousand draws (Monte Carlo dropout) compile once.

        with nn.mode(training=True, key=0):
            draws = [model(x) for _ in range(1000)]
    """
    if isinstance(key, (int, np.integer)):
        from schuss.ops.philox import key_from_seed

        key = key_from_seed(int(key))
    chosen = Mode(training, key, step if step is None or _any_traced(step) else np.int64(step))
    token = _mode.set(chosen)
    try:
        yield chosen
    finally:
        _mode.reset(token)


def current_mode() -> Mode:
    """The mode of the trace under way."""
    return _mode.get() or Mode()


chosen_mode: Callable[[], Mode | None] = _mode.get
"""The mode that nn.mode has set here; None outside of it."""
