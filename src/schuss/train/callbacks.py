"""Hooks into fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from schuss.errors import UsageError
from schuss.train.run import Run


class Callback:
    """Base of callbacks: override what you need. Returning True (Python's or numpy's) from `epoch` stops the run."""

    def begin(self, run: Run) -> Any:
        """Before the first step."""

    def epoch(self, run: Run) -> Any:
        """After each epoch; the model has the weights of that moment, and those it has then are trained on.

        Numbers may be set (parameter.data = array), finite ones. UsageError out of fit for parameters that are frozen,
        converted, replaced, added or removed: these act when a run begins."""

    def end(self, run: Run) -> Any:
        """After the last step, also of a run that was stopped."""


class _Function(Callback):
    """A plain function is called after each epoch."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.epoch = function  # type: ignore[method-assign, assignment]


def as_callbacks(given: Iterable[Any]) -> list[Any]:
    """Callback objects as they are (any object with some of the hooks); functions as epoch hooks.

    UsageError for anything else.
    """
    result: list[Any] = []
    for callback in given:
        if isinstance(callback, type):
            raise UsageError(f"fit: callbacks must be objects, not classes: write {callback.__name__}()")
        hooked = any(hasattr(callback, hook) for hook in ("begin", "epoch", "end"))
        if not hooked and not callable(callback):
            raise UsageError(
                f"fit: callbacks must be functions or have begin, epoch or end, got {type(callback).__name__}"
            )
        result.append(callback if hooked else _Function(callback))
    return result


def call(callbacks: Iterable[Any], hook: str, run: Run) -> bool:
    """Call the hook of each; whether one of them asked to stop."""
    answers = [getattr(c, hook)(run) for c in callbacks if hasattr(c, hook)]
    return any(_is_true(answer) for answer in answers)


def name_of(callback: Any) -> str:
    """A callback as messages call it: the function's name, or the class's."""
    given = callback.epoch if isinstance(callback, _Function) else callback
    return str(getattr(given, "__name__", type(given).__name__))


def _is_true(answer: Any) -> bool:
    """True of Python or numpy, or a boolean array of one element. Other values are by-products, as of `list.pop`."""
    if isinstance(answer, (bool, np.bool_)):
        return bool(answer)
    boolean = getattr(answer, "shape", None) in ((), (1,)) and str(getattr(answer, "dtype", "")).endswith("bool")
    return boolean and bool(answer)
