"""Executors by name, and the one rule for what one of them cannot do.

Who names a backend (fit, jit, evaluate, Updater) gets it: what it cannot do is a LoweringError. What runs by itself (a
model that is called or frozen, pictures) runs natively, or on the reference, which can do everything, where there is no
native code for an operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from schuss.errors import LoweringError
from schuss.tables import EXECUTORS

if TYPE_CHECKING:
    from schuss.ir.executor import Compiled, Executor
    from schuss.ir.graph import Graph, Site

T = TypeVar("T")
DEFAULT, COMPLETE = "native", "reference"


def executor(name: str = DEFAULT, threads: int | None = None) -> Executor:
    """The executor of that name; threads None means the cores this process may use. UsageError for another name."""
    made: Executor = EXECUTORS.find(name)(threads=threads)
    return made


def on_able(make: Callable[[Executor], T], threads: int | None = None) -> T:
    """What `make` makes on the native executor; on the reference where that cannot carry out an operation."""
    try:
        return make(executor(DEFAULT, threads))
    except LoweringError:
        return make(executor(COMPLETE, threads))


def compiled(graph: Graph, threads: int | None = None) -> Compiled:
    """The graph as a function of arrays, natively if that can be."""
    return on_able(lambda on: on.compile(graph), threads)


def cannot(executor: str, operation: str, site: Site | None, mend: str = "use") -> LoweringError:
    """The error of an executor that has no code for an operation. mend: begins with another way, where there is one."""
    where = "" if site is None else f" (line: {site})"
    mend = f"{mend} backend={COMPLETE!r}, which carries out all"
    return LoweringError(f"the {executor} executor has no code for {operation}{where}; {mend}")


__all__ = ["COMPLETE", "DEFAULT", "EXECUTORS", "cannot", "compiled", "executor", "on_able"]
