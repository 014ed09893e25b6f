"""The native executor: graphs to machine code for this CPU, whole epochs in one call.

See schuss.compiler for how a graph becomes machine code.
"""

from __future__ import annotations

import os
from functools import cache, partial

import numpy as np

from schuss.compiler.structure import is_const
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.errors import UsageError
from schuss.exec.native.function import NativeFunction
from schuss.exec.native.lengths import FunctionOfLengths, beside_n
from schuss.exec.native.loop import NativeLoop
from schuss.exec.native.programs import Programs
from schuss.exec.native.threads import available_cores
from schuss.ir.executor import Compiled, Step
from schuss.ir.graph import Graph

MOST_THREADS = 1024
SHARED_CONSTANTS = 1 << 20  # bytes of a step's constants up to which its program is kept as long as the process
MACHINE = ("SCHUSS_TARGET", "SCHUSS_MACHINE")  # what the machine is taken to be (schuss.exec.machine)


class NativeExecutor:
    """Compiles for the CPU it runs on.

    threads  None means the cores this process may use; UsageError above MOST_THREADS
    tuning   by which ways are chosen that give the same bits (schuss.compiler.tuning)
    profile  loops count the cycles of each kernel (x86; see NativeLoop.cycles)
    """

    name = "native"

    def __init__(self, threads: int | None = None, profile: bool = False, tuning: Tuning = DEFAULT) -> None:
        self.threads = threads or min(available_cores(), MOST_THREADS)
        if self.threads > MOST_THREADS:
            raise UsageError(f"threads: {self.threads} are more than the {MOST_THREADS} that may share a step")
        self.profile = profile
        self.tuning = tuning
        self._own = Programs(self.threads, profile, tuning)

    def compile(self, graph: Graph) -> Compiled:
        make = partial(NativeFunction, threads=self.threads, tuning=self.tuning)
        return make(graph) if beside_n(graph) is None else FunctionOfLengths(graph, make)

    def loop(self, step: Step, max_batch: int) -> NativeLoop:
        """Loops of steps that differ in the values of hyperparameters alone share one program, planned once in a
        process; of steps with large constants, and of a profile, once in this executor."""
        own = self.profile or _constants(step) > SHARED_CONSTANTS
        programs = self._own if own else _shared(self.threads, self.tuning, *map(os.environ.get, MACHINE))
        return NativeLoop(step, max_batch, self.threads, self.profile, self.tuning, programs)


@cache
def _shared(threads: int, tuning: Tuning, *machine: str | None) -> Programs:
    """Those of all executors that make the same code. They are never freed."""
    return Programs(threads, False, tuning)


def _constants(step: Step) -> int:
    """Bytes of a step's constants, which its program holds."""
    return sum(np.asarray(node.attrs["value"]).nbytes for node in step.graph.nodes if is_const(node))
