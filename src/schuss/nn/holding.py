"""Where a model keeps its signature, and how the signature acts when the model is called.

A signature lies on the model itself, so that whatever copies the model carries it: in the object's `__dict__`, under a
name of schuss's own; of an object that has none (`__slots__`) on its first parameter. `model.signature` shows it,
unless the model uses that name itself. Assigned to a plain object it acts once something of schuss's has looked at the
object; a call before that takes bytes as they are, and says so. `set_signature` acts at once.

It acts once: at the outermost model with a signature that is called, on arrays or in a traced function alike. Whatever
that model calls gets data that are prepared already; there signatures are inert, and so they are in `fit`, which
prepares the data by the signature it is about to give.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import weakref
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Any

from schuss.errors import ShapeError, UsageError, warn
from schuss.nn.parameter import Parameter
from schuss.nn.walk import CALLED, HELD, NOTE, children, model_dtype, model_of, named_parameters
from schuss.signature import Signature
from schuss.signature.indices import reaching_an_index
from schuss.trace import Tensor

SCALED = "were trained in a model that scales integers"
_acted: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar("acted", default=None)
_inert: contextvars.ContextVar[bool] = contextvars.ContextVar("inert", default=False)
OWNER = "owner"  # in what a model's first parameter holds
ACTS = "_schuss_acts"  # of a class or a `__call__` whose calls let signatures act


# -- where it lies -----------------------------------------------------------------------------------------


def unwrapped(model: Any) -> Any:
    """The model itself, where it is under jit or freeze, or that of a run."""
    model = model_of(model)
    while (inner := getattr(model, "__dict__", {}).get("__wrapped__")) is not None:
        model = inner
    return model


def own_signature(model: Any) -> Signature | None:
    """The signature the model itself keeps; of a model under jit or freeze, that model's."""
    model = unwrapped(model)
    attributes = getattr(model, "__dict__", None)
    if isinstance(attributes, dict):
        shown = attributes.get("signature")
        if type(shown) is not Signature:
            return attributes.get(HELD)
        _let_act(model, shown)  # it may have been assigned, and nothing of it act yet
        return shown
    place = _place(model)
    return None if place is None else place[0].held.get(place[1])


def signature_of(model: Any) -> Signature | None:
    """The model's signature; of one without, the inputs of the first of its parts that has parameters."""
    model = unwrapped(model)
    own = own_signature(model)
    if own is not None or isinstance(model, Parameter):
        return own
    for _, part in children(model):
        if named_parameters(part):
            found = signature_of(part)
            return None if found is None else found.of_inputs()
    return None


def graph_signature(model: Any) -> tuple[Signature, bool]:
    """What to prepare data by for the model's graph, and whether signatures act within that graph.

    A model with a signature of its own gets prepared data, and nothing acts within. One without gets data as they are:
    its parts prepare them where it calls these, which need not be at its inputs, nor alike in all of them.
    """
    signature = signature_of(model) or Signature()
    if own_signature(model) is not None:
        return signature, False
    inputs = tuple(replace(i, transform=None, within=i.within or i.transform is not None) for i in signature.inputs)
    return replace(signature, inputs=inputs), True


def set_signature(model: Any, signature: Signature | None) -> None:
    """Give the model, or the one under jit or freeze, a signature in place of its own; None takes it away."""
    model = unwrapped(model)
    if signature is not None:
        note(model, SCALED if signature.transforms else None)
        note_owner(model)
    attributes = getattr(model, "__dict__", None)
    if not isinstance(attributes, dict):
        _hold_on_parameter(model, signature)
    elif signature is None:
        attributes.pop(HELD, None)
        if type(attributes.get("signature")) is Signature:
            del attributes["signature"]
    else:
        _let_act(model, signature)
        attributes[HELD] = signature  # past a __setattr__ that forbids it, as frozen dataclasses have
        if type(attributes.get("signature")) is Signature or not hasattr(model, "signature"):
            attributes["signature"] = signature


def _let_act(model: Any, signature: Signature) -> None:
    """See to it that the signature in the object's `__dict__` acts when the object is called."""
    if signature.inputs and not getattr(model, ACTS, False) and CALLED not in model.__dict__:
        model.__dict__[CALLED] = Intercepted(type(model))


def _place(model: Any) -> tuple[Parameter, str] | None:
    """The parameter that keeps the signature of an object without attributes of its own, and the name there."""
    for name, parameter in named_parameters(model).items():
        return parameter, f"{type(model).__module__}.{type(model).__qualname__}:{name}"
    return None


def _hold_on_parameter(model: Any, signature: Signature | None) -> None:
    place = _place(model)
    if place is None:
        raise UsageError(f"a {type(model).__name__} has no place for a signature: it has no parameters")
    parameter, name = place
    held = {k: v for k, v in parameter.held.items() if k != name}
    if signature is not None:
        held[name] = signature
        held[CALLED] = Intercepted(type(model))
    parameter.held = held


def note_owner(model: Any) -> None:
    """Note on the model's first parameter whose it is, weakly; not of an object without weak references."""
    first = next(iter(named_parameters(model).values()), None)
    if first is not None and type(model).__weakrefoffset__:
        first.held = {**first.held, OWNER: weakref.ref(model)}


def owner(model: Any) -> Any:
    """The model whose first parameter the model's first is noted to be, if it is still there."""
    first = next(iter(named_parameters(model).values()), None)
    noted = None if first is None else first.held.get(OWNER)
    return None if noted is None else noted()


class Shown:
    """`signature` of modules: what signature_of finds. An attribute or method of that name of the user's goes first."""

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        return self if model is None else signature_of(model)


def note(model: Any, text: str | None) -> None:
    """Note on a model's parameters where they come from; None takes the note away."""
    for parameter in named_parameters(model).values():
        if parameter.held.get(NOTE) != text:
            held = {k: v for k, v in parameter.held.items() if k != NOTE}
            parameter.held = held if text is None else {**held, NOTE: text}


# -- how it acts -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def inert() -> Iterator[None]:
    """Inside, no signature acts: the data are prepared."""
    token = _inert.set(True)
    try:
        yield
    finally:
        _inert.reset(token)


def is_inert() -> bool:
    """Whether no signature acts here."""
    return _inert.get()


def acting(model: Any) -> Signature | None:
    """The model's signature, if it is to act on a call now."""
    signature = None if _inert.get() else own_signature(model)
    acted = _acted.get()
    if signature is not None and acted is not None:
        acted.append(signature)
    return signature


@contextlib.contextmanager
def prepared(model: Any, signature: Signature, args: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Around a call of the model: its arguments as the signature prepares them, and nothing acts within.

    A ShapeError says how the arguments' rows differ from those of the training.
    """
    with inert():
        try:
            yield signature.prepared(args, model_dtype(model) if signature.transforms else "")
        except ShapeError as error:
            misfit = signature.misfit(args)
            if not misfit:
                raise
            raise type(error)(f"{error.bare or error}; {misfit}").with_traceback(error.__traceback__) from None


@contextlib.contextmanager
def looking_for_bytes(model: Any, args: Any) -> Iterator[Callable[[Any], None]]:
    """Around a call of a model without a signature. To be called with the result: warns, once, of bytes that are taken
    as they are by weights that came from somewhere where they may have been scaled.
    """
    given = [a.node for a in args if isinstance(a, Tensor) and a.dtype == "uint8"]
    notes = [p.held[NOTE] for p in named_parameters(model).values() if NOTE in p.held] if given else []
    token = _acted.set([] if notes else None)

    def look(result: Any) -> None:
        if not notes or _acted.get():
            return
        outputs = [
            t.node for t in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(t, Tensor)
        ]
        if reaching_an_index(given, outputs) != set(given):
            note(model, None)
            warn(
                f"{type(model).__name__}: it has no signature and takes bytes as they are, but its weights "
                f"{notes[0]}; if they were trained on scaled bytes, give it that model's: "
                "nn.set_signature(new, nn.signature_of(old))"
            )

    try:
        yield look
    finally:
        _acted.reset(token)


def input_key(part: Any) -> Hashable:
    """What a compiled call depends on of the signature that lies on this very object."""
    if isinstance(part, Parameter):
        held = part.held
        return (held.get(NOTE), *(s.key for s in held.values() if type(s) is Signature)) if held else None
    attributes = getattr(part, "__dict__", None)
    if not attributes or (HELD not in attributes and type(attributes.get("signature")) is not Signature):
        return None
    own = own_signature(part)
    return None if own is None else own.key


class Intercepted:
    """Lets the signatures of a class act that is no Module: its `__call__` prepares the data first. Of a class whose
    objects have no attributes of their own, it also shows them.

    Kept with the model, so that another process that gets the model does the same to the class.
    """

    def __init__(self, cls: type) -> None:
        self.cls = cls
        _intercept(cls)
        if not cls.__dictoffset__ and not hasattr(cls, "signature"):
            cls.signature = Shown()  # type: ignore[attr-defined]

    def __reduce__(self) -> tuple[Any, ...]:
        return Intercepted, (self.cls,)


def positional(
    call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Keyword arguments put in their positions where they have one."""
    if not kwargs:
        return args, kwargs
    given = inspect.signature(call).bind(*args, **kwargs)
    return given.args, given.kwargs


def _intercept(cls: Any) -> None:
    call = cls.__call__
    if getattr(call, ACTS, False):
        return

    @functools.wraps(call)
    def outermost(self: Any, *args: Any, **kwargs: Any) -> Any:
        signature = acting(self)
        if signature is None:
            return call(self, *args, **kwargs)
        args, kwargs = positional(functools.partial(call, self), args, kwargs)
        with prepared(self, signature, args) as args:
            return call(self, *args, **kwargs)

    setattr(outermost, ACTS, True)
    cls.__call__ = outermost
