"""What the values of parameters must be: a table for each class, kinds and ranges, one form of message.

    @dataclass(frozen=True)
    class Huber(Loss):
        delta: float = 1.0
        constraints = {"delta": POSITIVE}

Huber(delta=0) says "Huber: delta must be a positive number, got 0". Nothing of numpy is imported here: the command's
help needs the ranges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from schuss.errors import UsageError

Kind = Callable[[Any], str | None]
"""Called with a value it says what it must be ("must be ..."), None where it is."""
Constraints = Mapping[str, Kind]


@dataclass(frozen=True)
class Whole:
    """A whole number in a range; None where that means something."""

    low: int | None = 1
    high: int | None = None
    or_none: bool = False

    def __call__(self, value: Any) -> str | None:
        if value is None and self.or_none:
            return None
        if isinstance(value, Integral) and not isinstance(value, bool) and self._has(int(value)):
            return None
        return f"must be a whole number{self._range()}" + (" or None" if self.or_none and self.low is None else "")

    def _has(self, value: int) -> bool:
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def _range(self) -> str:
        if self.high is None:
            return "" if self.low is None else f" of at least {self.low}"
        return f" between {self.low} and {'2**64 - 1' if self.high == 2**64 - 1 else self.high}"


@dataclass(frozen=True)
class Number:
    """A finite number from low to high; the ends that are open are none of them. None where that means something."""

    low: float = -math.inf
    high: float = math.inf
    open: str = ""  # the ends that are left out: "low", "high" or "low high"
    or_none: bool = False

    def __call__(self, value: Any) -> str | None:
        if value is None and self.or_none:
            return None
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        return None if is_number and math.isfinite(value) and self._has(float(value)) else f"must be {self}"

    def _has(self, value: float) -> bool:
        above = value > self.low if "low" in self.open else value >= self.low
        return above and (value < self.high if "high" in self.open else value <= self.high)

    def __str__(self) -> str:
        if math.isinf(self.high):
            if math.isinf(self.low):
                return "a finite number"
            above = f"a number above {self.low:g}" if self.low else "a positive number"
            return above if "low" in self.open else f"a number of at least {self.low:g}"
        begin, end = "(" if "low" in self.open else "[", ")" if "high" in self.open else "]"
        return f"a number in {begin}{self.low:g}, {self.high:g}{end}"


@dataclass(frozen=True)
class Scheduled:
    """A number of a kind, or a schedule of it: a function of the step.

    at_zero  what to do in place of giving 0
    """

    kind: Number
    at_zero: str = ""

    def __call__(self, value: Any) -> str | None:
        if isinstance(value, type):
            return f"must be a schedule, not a class: write {value.__name__}(...) with its settings"
        if callable(value) or self.kind(value) is None:
            return None
        mend = f" ({self.at_zero})" if self.at_zero and value == 0 else ""
        return f"must be {self.kind} or a schedule{mend}"


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def __call__(self, value: Any) -> str | None:
        numpys = type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")
        return None if numpys or isinstance(value, bool) else "must be True or False"


@dataclass(frozen=True)
class Choice:
    """One of some names; None where that means something."""

    names: tuple[str, ...]
    or_none: bool = False

    def __call__(self, value: Any) -> str | None:
        if (value is None and self.or_none) or (isinstance(value, str) and value in self.names):
            return None
        return f"must be one of {', '.join(self.names)}"


@dataclass(frozen=True)
class Each:
    """A list of so many values, or of any number but 0. `check` looks at them by the kind of each."""

    kind: Kind
    count: int | None = None

    def __call__(self, value: Any) -> str | None:
        if isinstance(value, (tuple, list)) and value and len(value) == (self.count or len(value)):
            return None
        return f"must be a list of {self.count or 'one or more'} entries"


FINITE = Number()
POSITIVE, NOT_NEGATIVE = Number(0, open="low"), Number(0)
FRACTION = Number(0, 1, open="high")


def check(owner: str, constraints: Constraints, values: Mapping[str, Any]) -> None:
    """UsageError, which begins with the owner, for the first of the values that is not what its row says."""
    for name, kind in constraints.items():
        if name in values:
            _check(owner, name, kind, values[name])


def _check(owner: str, name: str, kind: Kind, value: Any) -> None:
    wrong = kind(value)
    if wrong:
        got = "" if isinstance(value, type) else f", got {shown(value)}"
        raise UsageError(f"{owner}: {name} {wrong}{got}")
    if isinstance(kind, Each):
        for i, entry in enumerate(value):
            _check(owner, f"{name}[{i}]", kind.kind, entry)


def shown(value: Any) -> str:
    """Numbers, texts and short lists as they are, anything else by its type."""
    plain = value is None or isinstance(value, (str, Real, tuple, list)) or type(value).__module__ == "numpy"
    text = repr(value) if plain else ""
    return text if plain and len(text) <= 60 else type(value).__name__


__all__ = ["FINITE", "FRACTION", "NOT_NEGATIVE", "POSITIVE", "Choice", "Constraints", "Each", "Flag", "Kind", "Number"]
__all__ += ["Scheduled", "Whole", "check", "shown"]
