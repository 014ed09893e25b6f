"""What an explanation holds: one step for each operation, and what flows back through it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from schuss.ir.graph import Site

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Flow:
    """What one operation hands back to one of its inputs.

    to         the input's name
    local      the operation's local gradient, the rule applied to an incoming gradient of ones: an array to
               multiply the incoming gradient by, element by element. None for an operation that mixes or
               moves elements (a matrix product, a reshape)
    product    incoming times local, in the input's shape
    summed     axes of incoming times local that were summed, because the input was stretched along them
    how        the product in words, where it is not incoming times local
    position   which of the operation's inputs it is
    """

    to: str
    local: Array | None
    product: Array
    summed: tuple[int, ...] = ()
    how: str = ""
    position: int = 0


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of the function.

    name        the user's own variable where there is one, else the layer's path or t1, t2, ...
    expression  what it computes, as x @ W1
    rule        the gradient rule of its operation, with the names of this step in it
    value       its value
    incoming    the gradient of the result with respect to it; None if none comes here
    came_from   the steps whose products add up to the incoming gradient
    flows       what it hands back to its inputs
    site, scope the user's line and the layer
    inputs      the names of what it is computed from, in order; None for a constant written into the expression
    """

    name: str
    op: str
    expression: str
    rule: str
    value: Array
    incoming: Array | None
    came_from: tuple[str, ...]
    flows: tuple[Flow, ...]
    site: Site | None
    scope: str
    inputs: tuple[str | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Explanation:
    """A run of a function forwards and backwards. Its text is str(explanation); its numbers are here.

    title      the function called
    result     the name of the result
    inputs     the arguments' arrays by name
    constants  the constants too large to be written into an expression
    steps      in the order of computation
    gradients  the gradient of the result with respect to each floating input
    came_from  for each of these the steps whose products add up to it
    """

    title: str
    result: str
    inputs: Mapping[str, Array]
    constants: Mapping[str, Array]
    steps: tuple[Step, ...]
    gradients: Mapping[str, Array]
    came_from: Mapping[str, tuple[str, ...]]
    largest: int = 32

    @property
    def value(self) -> Array:
        """The function's result."""
        named = {step.name: step.value for step in self.steps}
        return named[self.result] if self.result in named else self.inputs[self.result]

    def __getitem__(self, name: str) -> Step:
        """The step of that name. KeyError lists the names."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(f"no step {name!r}; there are {', '.join(s.name for s in self.steps)}")

    def __str__(self) -> str:
        from schuss.explanation.text import render

        return render(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
