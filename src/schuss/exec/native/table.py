"""The table of pointers through which machine code reaches memory, and the code run on it.

Inputs, outputs, constants, state and resident data are read and written where they lie; what lies between them is in
one arena, made before the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np

from schuss.compiler.llvm.waiting import wait_function_address
from schuss.compiler.structure import is_const, is_hyperparameter
from schuss.exec.checks import out_of_range
from schuss.exec.native.blocks import ALIGN, aligned
from schuss.exec.native.code import Code
from schuss.exec.native.stop import Stop
from schuss.exec.native.threads import run_beside, run_team
from schuss.ir.executor import Array
from schuss.ir.graph import Node

SYNC = 256  # bytes for the barriers of a run


class Table:
    """The pointers a program is given: the arena and one place for each input, constant and output.

    values  of the hyperparameters, where they are others than those of the step that the code was made for
    """

    def __init__(self, code: Code, counts: int = 0, values: Mapping[Node, Array] | None = None) -> None:
        self._code = code
        self._pointers = np.zeros(code.slot_count, np.uintp)
        self._kept: dict[int, Array] = {}
        self.set(0, aligned(code.plan.arena + ALIGN, np.uint8))
        for node, slot in code.plan.slots.items():
            if is_const(node) or is_hyperparameter(node):
                value = values[node] if values is not None and is_hyperparameter(node) else node.attrs["value"]
                self.set(slot, np.ascontiguousarray(value))
        self._checks = list(code.plan.faults)
        self._faults = np.zeros((len(self._checks), 2), np.int64)
        if self._checks:
            self.set(1 + len(code.plan.slots), self._faults)
        self.stop = Stop()
        self.obey(self.stop)
        self._sync = aligned(SYNC + counts * 8, np.uint8)
        self._addresses = (self._pointers.ctypes.data, self._sync.ctypes.data, wait_function_address())

    @property
    def counts(self) -> Array:
        """What a profiling program counted."""
        return self._sync[SYNC:].view(np.int64)

    def set(self, slot: int, array: Array) -> None:
        """Point a slot at an array, which is kept alive."""
        self._kept[slot] = array
        self._pointers[slot] = array.__array_interface__["data"][0]  # twice as fast as array.ctypes.data

    def release(self, slots: Iterable[int]) -> None:
        """Keep the arrays of these slots no longer: whoever runs this next sets others first."""
        for slot in slots:
            self._kept.pop(slot, None)

    def obey(self, stop: Stop) -> None:
        """By which the next runs are given up."""
        self.stop = stop
        self.set(self._code.plan.stop, stop.words)

    def look(self, first: int = 0) -> None:
        """IndexRangeError if the last run met an index out of range. first: the number of the run's first row."""
        if not len(self._faults) or not self._faults.any():
            return
        at = int(np.flatnonzero(self._faults[:, 0])[0])
        row, value = (int(v) for v in self._faults[at])
        raise out_of_range(self._checks[at], first + row - 1, value)

    def bound(self, n: int) -> Callable[[], int]:
        """One step of n rows on this thread, everything else fixed; keeps this table alive."""
        numbers = (n, n, 0, 1, 0, 0, 1)
        arguments = [self._addresses[0], 0, self._addresses[1], *numbers, self._addresses[2]]
        prepared = [kind(a) for kind, a in zip(self._code.run.argtypes, arguments, strict=True)]  # type: ignore[attr-defined]
        held = partial(self._code.run, *prepared)
        held.table = self  # type: ignore[attr-defined]
        return held

    def run(
        self,
        order: Array | None,
        batch: int,
        total: int,
        first: int,
        steps: int,
        counter: int,
        threads: int,
        beside: bool = False,
    ) -> int:
        """Every thread through the program; returns the steps done. Where it is given up, what is made is not whole.

        beside: all of them beside the caller's thread, see schuss.exec.native.stop.
        """
        run, addresses = self._code.run, self._addresses
        if self._checks:  # of a run that was given up, or whose caller was interrupted before he looked
            self._faults[...] = 0
        rows = 0 if order is None else order.ctypes.data
        if threads == 1 and not beside:
            return run(addresses[0], rows, addresses[1], batch, total, first, steps, counter, 0, 1, addresses[2])
        self._sync[:SYNC] = 0
        results = [0] * threads

        def one(thread: int) -> None:
            results[thread] = run(
                addresses[0], rows, addresses[1], batch, total, first, steps, counter, thread, threads, addresses[2]
            )

        def alone() -> None:
            results[0] = self.run(order, batch, total, first, steps, counter, 1)

        if not beside:
            run_team(threads, one, alone)
            return results[0]
        run_beside(threads, one, self.stop, alone)
        return results[0]
