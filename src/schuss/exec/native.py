"""The native executor: graphs to machine code for this CPU, whole epochs in one call.

See schuss.passes for how a graph becomes a plan and schuss.codegen for how a plan becomes code.
"""

from __future__ import annotations

from schuss.exec.function import NativeFunction
from schuss.exec.loop import NativeLoop
from schuss.exec.threads import available_cores
from schuss.ir.executor import Compiled, Step
from schuss.ir.graph import Graph


class NativeExecutor:
    """Compiles for the CPU it runs on.

    threads  None means the cores this process may use
    profile  loops count the cycles of each kernel (x86; see NativeLoop.cycles)
    """

    name = "native"

    def __init__(self, threads: int | None = None, profile: bool = False) -> None:
        self.threads = threads or available_cores()
        self.profile = profile

    def compile(self, graph: Graph) -> Compiled:
        return NativeFunction(graph, self.threads)

    def loop(self, step: Step, max_batch: int) -> NativeLoop:
        return NativeLoop(step, max_batch, self.threads, self.profile)
