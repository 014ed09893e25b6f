"""Slots: functions that a lower layer calls and a higher one defines.

A model computes on arrays though `nn` knows no compiler, and a run can go on or show its page though it lies below the
training loop and the page. The layer above fills the slot when it is loaded. `schuss/__init__.py`, which knows where
everything is, says what to load for a slot that is called before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Slot:
    """A function that is filled in from above.

    function  what a call does; at first it loads the module that fills the slot
    load      loads that module
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.function: Callable[..., Any] = self._first
        self.load: Callable[[], Any] = lambda: None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def fill(self, function: F) -> F:
        """The function is what the slot calls from now on. A decorator."""
        self.function = function
        return function

    def _first(self, *args: Any, **kwargs: Any) -> Any:
        self.load()
        if self.function == self._first:
            raise RuntimeError(f"nothing that was loaded fills the slot {self.name}")
        return self.function(*args, **kwargs)


CALL_ON_ARRAYS = Slot("call_on_arrays")
"""(model, args[, kwargs]): a model computed on arrays. kwargs are those that have no place among the positional ones"""
PREDICT, PREDICT_PROBA = Slot("predict"), Slot("predict_proba")
"""(model, x): see schuss.predict, schuss.predict_proba"""
EVALUATE_TABLE = Slot("evaluate_table")
"""(model, data): see schuss.tabular.evaluate_table"""
RESUME = Slot("resume")
"""(run, epochs, changes): what Run.resume does"""
BEGIN_PAGE = Slot("begin_page")
"""(trainer): the page beside a run, with `progress(at)` and `finish()`"""

__all__ = ["BEGIN_PAGE", "CALL_ON_ARRAYS", "EVALUATE_TABLE", "PREDICT", "PREDICT_PROBA", "RESUME", "Slot"]
