"""A plan's machine code, and the table of pointers through which it reaches memory.

Inputs, state and resident data are read where they lie; everything else is in one arena, made before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from schuss.exec.blocks import ALIGN, aligned
from schuss.exec.threads import run_team
from schuss.ir.executor import Array
from schuss.ir.graph import Graph, Node
from schuss.passes.fusion import group
from schuss.passes.materialize import materialize
from schuss.passes.memory import Plan, plan
from schuss.passes.storage import Storage
from schuss.passes.work import work

SYNC = 256  # bytes in which the threads of a run meet


@dataclass(frozen=True)
class Code:
    """A plan and its machine code."""

    plan: Plan
    slots: Mapping[Node, int]
    constants: tuple[Array, ...]
    run: Callable[..., int]
    flops: float

    @property
    def slot_count(self) -> int:
        return 1 + len(self.slots)


def build(
    graph: Graph,
    state: Mapping[str, str],
    storage: Storage,
    counter: str | None,
    watch: str | None,
    threads: int,
    profile: bool = False,
) -> Code:
    """Plan and compile a graph. state: input name -> output name that replaces it; other outputs get slots
    of their own, but the watched one."""
    from schuss.codegen.build import link

    graph = materialize(graph, storage)
    groups = group(graph)
    inputs = dict(zip(graph.input_names, graph.inputs, strict=True))
    outputs = dict(zip(graph.output_names, graph.outputs, strict=True))
    constants = [n for n in graph.nodes if n.op == "const" and n.attrs["value"].size != 1]
    kept = set(state.values()) | ({watch} if watch else set())
    owned = [*graph.inputs, *constants, *(o for name, o in outputs.items() if name not in kept)]
    slots = {node: i for i, node in enumerate(owned, start=1)}
    updates = {inputs[old]: outputs[new] for old, new in state.items()}
    planned = plan(graph, groups, storage, slots, updates, threads)
    run = link(planned, counter, outputs[watch] if watch else None, threads, profile)
    arrays = tuple(np.ascontiguousarray(c.attrs["value"]) for c in constants)
    return Code(planned, slots, arrays, run, work(graph, storage.capacity))


class Table:
    """The pointers a program is given: the arena and one place for each input, constant and output."""

    def __init__(self, code: Code, counts: int = 0) -> None:
        self._code = code
        self._pointers = np.zeros(code.slot_count, np.uintp)
        self._kept: dict[int, Array] = {}
        self.set(0, aligned(code.plan.arena + ALIGN, np.uint8))
        for node, slot in code.slots.items():
            if node.op == "const":
                self.set(slot, np.ascontiguousarray(node.attrs["value"]))
        self._sync = aligned(SYNC + counts * 8, np.uint8)
        from schuss.codegen.sync import wait_function_address

        self._addresses = (self._pointers.ctypes.data, self._sync.ctypes.data, wait_function_address())

    @property
    def counts(self) -> Array:
        """What a profiling program counted."""
        return self._sync[SYNC:].view(np.int64)

    def set(self, slot: int, array: Array) -> None:
        """Point a slot at an array, which is kept alive."""
        self._kept[slot] = array
        self._pointers[slot] = array.__array_interface__["data"][0]  # twice as fast as array.ctypes.data

    def bound(self, n: int) -> Callable[[], int]:
        """One step of n rows on this thread, everything else fixed; keeps this table alive."""
        numbers = (n, n, 0, 1, 0, 0, 1)
        arguments = [self._addresses[0], 0, self._addresses[1], *numbers, self._addresses[2]]
        prepared = [kind(a) for kind, a in zip(self._code.run.argtypes, arguments, strict=True)]  # type: ignore[attr-defined]
        held = partial(self._code.run, *prepared)
        held.table = self  # type: ignore[attr-defined]
        return held

    def run(
        self, order: Array | None, batch: int, total: int, first: int, steps: int, counter: int, threads: int
    ) -> int:
        """Every thread through the program; returns the steps done."""
        run, addresses = self._code.run, self._addresses
        rows = 0 if order is None else order.ctypes.data
        if threads == 1:
            return run(addresses[0], rows, addresses[1], batch, total, first, steps, counter, 0, 1, addresses[2])
        self._sync[:SYNC] = 0
        results = [0] * threads

        def one(thread: int) -> None:
            results[thread] = run(
                addresses[0], rows, addresses[1], batch, total, first, steps, counter, thread, threads, addresses[2]
            )

        run_team(threads, one)
        return results[0]
