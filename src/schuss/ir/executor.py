"""What an executor offers: the one seam between the model side and the machine side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from schuss.ir.graph import Graph

Array = NDArray[Any]
Compiled = Callable[[Sequence[Array]], list[Array]]


@dataclass(frozen=True)
class Step:
    """A graph to be run many times in a row, as training and evaluation do.

    graph    inputs are the state, the columns and (if named) the counter
    state    names of inputs; the output of the same name replaces each after a step (a state without
             such an output stays as it is)
    columns  names of inputs of shape [N, ...]: their rows are picked from resident arrays
    counter  name of an int64 scalar input: the number of the step, counted from 0 over the whole run
    watch    name of a scalar output that must stay finite; the loop stops after a step where it is not
    """

    graph: Graph
    state: tuple[str, ...]
    columns: tuple[str, ...]
    counter: str | None = None
    watch: str | None = None


class GivenUp(Exception):
    """A loop's steps were given up before they were done, as `hurry` asked: its state is lost, load another one."""


class Loop(Protocol):
    """A compiled Step with its state in place.

    by_numpy: whether numpy computes, whose threads nobody should take from it
    """

    by_numpy: bool

    def load(self, state: Mapping[str, Array]) -> None:
        """Copy the arrays in as the state; what is not named stays. ShapeError for another dtype or shape."""

    def state(self) -> dict[str, Array]:
        """Copies of the state as it is now."""

    def peek(self, name: str) -> Array:
        """A copy of one array of the state."""

    def bind(self, columns: Mapping[str, Array]) -> None:
        """Name the resident arrays rows are picked from. They are read in place, not copied unless they have gaps.

        ShapeError for one that is missing or of another dtype, row or length than the step and the others have.
        """

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        first: int,
        steps: int,
        counter: int,
        hurry: Callable[[], bool] | None = None,
    ) -> int:
        """Run `steps` steps; step i uses rows order[(first+i)*batch : (first+i+1)*batch] and counter+i.

        The last batch may be short. Returns how many steps ran: fewer only if the watched output was
        not finite, and then the last one counted is the one that was not. UsageError for rows that are not there.

        hurry: asked a few times a second while large steps are done; where it says True they are given up. What a
        handler of a signal raises is raised within a moment, too; the state is lost then.
        """


class Executor(Protocol):
    """Turns graphs into functions of numpy arrays. Called with threads=; None means the cores this process may use."""

    name: str

    def compile(self, graph: Graph) -> Compiled:
        """A function from arrays for graph.inputs to arrays for graph.outputs; safe to call from many threads."""

    def loop(self, step: Step, max_batch: int) -> Loop:
        """A loop over batches of at most max_batch rows."""
