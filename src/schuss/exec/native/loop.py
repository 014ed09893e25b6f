"""Steps of training in native code, an epoch a call, with the state in place."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from schuss.compiler.schedule.buffers import Plan, is_given
from schuss.compiler.storage import LATER
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.errors import UsageError
from schuss.exec.checks import check_columns
from schuss.exec.native.blocks import packed, unpacked
from schuss.exec.native.programs import Programs
from schuss.exec.native.table import Table
from schuss.exec.seams import check_span, fitting, resident
from schuss.ir.executor import Array, GivenUp, Step

if TYPE_CHECKING:
    from schuss.compiler.link import Listing


class NativeLoop:
    """Steps in native code with the state in place; see schuss.ir.executor.Loop."""

    by_numpy = False

    def __init__(
        self,
        step: Step,
        max_batch: int,
        threads: int,
        profile: bool = False,
        tuning: Tuning = DEFAULT,
        programs: Programs | None = None,
    ) -> None:
        """programs: those that loops of these threads, profile and tuning share."""
        program = (programs or Programs(threads, profile, tuning)).of(step, max_batch)
        self._step, self._code, self._checks, self._swapped = step, program.code, program.checks, program.swapped
        self._slots, self._types = program.slots, program.types
        self.panels = program.panels  # names of the state that lies in panels
        self._block, self._copies = program.block, program.copies
        self._memory, self._state = self._block.make()
        self._spare: list[mmap.mmap] = []  # memory of a snapshot that nobody holds any more
        self._wanted_threads, self.sharing = threads, program.sharing
        self._threads = threads if self.sharing.worth else 1
        counts = self._threads * (len(self._code.plan.stages) + 1) if profile else 0
        self._table = Table(self._code, counts, program.values(step))
        self._max_batch = max_batch
        self._columns: dict[str, Array] = {}
        self._rows: int | None = None
        self._order = np.zeros(0, np.int64)
        for name, array in self._state.items():
            self._table.set(self._slots[name], array)

    @property
    def plan(self) -> Plan:
        """The kernels and how they are shared."""
        return self._code.plan

    @property
    def threads(self) -> int:
        """How many threads share a step: one if sharing is estimated to cost more than it gains."""
        return self._threads

    @property
    def wanted_threads(self) -> int:
        """How many threads might share a step."""
        return self._wanted_threads

    @property
    def flops(self) -> float:
        """Floating-point operations of a step (schuss.compiler.work)."""
        return self._code.flops

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes held: state, arena, constants."""
        return {
            "state": sum(a.nbytes for a in self._state.values()),
            "arena": self._code.plan.arena,
            "constants": sum(n.attrs["value"].nbytes for n in self._code.plan.slots if is_given(n)),
        }

    def listing(self) -> Listing:
        """The program to read."""
        from schuss.compiler.link import listing

        return listing(replace(self._code.draft, profile=False))

    def cycles(self) -> Array:
        """[thread, kernel]: cycles counted so far by a profiling executor's loop; the last column is waiting."""
        return self._table.counts.reshape(self._threads, -1).copy()

    def load(self, state: Mapping[str, Array]) -> None:
        for name, value in state.items():
            if name not in self._state:
                continue
            given = fitting(name, value, self._types[name])
            given = given.mT if name in self._swapped else given
            np.copyto(self._state[name], packed(given) if name in self.panels else given, casting="no")

    def state(self) -> dict[str, Array]:
        # Copied as it lies and shown the right way round: to turn each matrix would take longer than many a step.
        # Panels are no matrix that numpy could show: with them array after array is copied.
        memory, copy = self._copies.make(self._spare)
        if self._copies is self._block:
            np.copyto(memory, self._memory)
        else:
            for name, array in copy.items():
                np.copyto(packed(array) if name in self.panels else array, self._state[name])
        return {name: a.mT if name in self._swapped else a for name, a in copy.items()}

    def peek(self, name: str) -> Array:
        array = self._state[name]
        array = unpacked(array) if name in self.panels else np.array(array)
        return array.mT if name in self._swapped else array  # as it lies, see state

    def bind(self, columns: Mapping[str, Array]) -> None:
        self._columns, self._rows = resident(self._step, columns)
        check_columns(self._checks, self._columns)
        for name, array in self._columns.items():
            self._table.set(self._slots[name], array)

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        first: int,
        steps: int,
        counter: int,
        hurry: Callable[[], bool] | None = None,
    ) -> int:
        if batch > self._max_batch:
            raise UsageError(f"run: batches of {batch} rows, the loop is made for {self._max_batch} at most")
        total = len(order)
        if len(self._order) != total + LATER:  # the last batch looks ahead, too
            self._order = np.zeros(total + LATER, np.int64)
        self._order[:total] = order
        check_span(self._step, self._rows, self._order[:total], batch, first, steps)
        large, stop = self._code.looks, self._table.stop
        if large:
            stop.begin(hurry)
        done = self._table.run(self._order, batch, total, first, steps, counter, self._threads, large)
        if large and stop.given_up:
            raise GivenUp
        self._table.look()
        return done
