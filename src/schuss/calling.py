"""What is said of a call with wrong arguments: which, and what the call looks like."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from inspect import Parameter
from typing import Any, TypeVar

from schuss.errors import SchussError, UsageError

F = TypeVar("F", bound=Callable[..., Any])

ELSEWHERE = {
    "lr": "give it to the optimizer, as optim.Adam(lr=1e-3)",
    "learning_rate": "the learning rate is lr",
    "device": "leave it out, as schuss computes on the CPU",
    "inplace": "leave it out, as tensors never change",
}
"""Arguments that others have in these places, and what to do here."""


class ArgumentError(UsageError, TypeError):
    """Arguments that a function or class does not take."""


def explained(example: str = "", owner: str = "") -> Callable[[F], F]:
    """A decorator of a function or an `__init__`: ArgumentError for arguments that it does not take, with the names of
    those it does, and the example of a call."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                if isinstance(error, SchussError) or error.__traceback__ is None or error.__traceback__.tb_next:
                    raise  # of its body
                name = owner or (type(args[0]).__name__ if function.__name__ == "__init__" else function.__name__)
                raise ArgumentError(f"{name}: {_wrong(function, args, kwargs) or error}{example}") from None

        return call  # type: ignore[return-value]

    return decorate


@functools.lru_cache(maxsize=512)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Kept, as to find it takes as long as all else of making an optimizer."""
    return inspect.signature(function)


def check_call(name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """ArgumentError, as of `explained`, for arguments that a function or an `__init__` does not take."""
    if args[1:] or kwargs:
        try:
            _signature(function).bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(f"{name}: {_wrong(function, args, kwargs) or error}") from None


def _wrong(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parameters = inspect.signature(function).parameters
    kinds = {p.kind for p in parameters.values()}
    names = [n for n, p in parameters.items() if n != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    unknown = [] if Parameter.VAR_KEYWORD in kinds else [name for name in kwargs if name not in names]
    if unknown:
        mend = ELSEWHERE.get(unknown[0])
        told = f"; {mend}" if mend and unknown[0] not in names else did_you_mean(unknown[0], names)
        listed = [f"*{n}" if p.kind is p.VAR_POSITIONAL else n for n, p in parameters.items() if n != "self"]
        return f"there is no argument {unknown[0]!r}{told}; it takes {', '.join(listed) or 'none'}"
    placed = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(args) > len(placed) and Parameter.VAR_POSITIONAL not in kinds:
        own = [name for name in placed if name != "self"]
        others = f" and {'the others' if own else 'its arguments'} by name" if len(names) > len(own) else ""
        return f"takes {', '.join(own) or 'nothing'} by position{others}"
    given = {*placed[: len(args)], *kwargs}
    missing = [n for n, p in parameters.items() if n in names and p.default is p.empty and n not in given]
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing" if missing else ""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """; did you mean 'train'?, or nothing where no name is near."""
    from difflib import get_close_matches

    by_lower = {k.lower(): k for k in known}
    near = get_close_matches(str(name).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


__all__ = ["ArgumentError", "check_call", "did_you_mean", "explained"]
