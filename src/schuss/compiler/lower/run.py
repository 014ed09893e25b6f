"""`run`, the function of a program that is called: the stages of each step, one after the other.

Up to a few of them it calls in turn. Of more there is a table, which says of each which kernel it is and how threads
share it, and `run` walks through that: LLVM takes the square of a function's length. A walk costs 30 cycles a stage,
as a core does not foresee where each goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm.barrier import SPINS, WAIT_TYPE, barrier, flush_denormals, restore_denormals
from schuss.compiler.llvm.builder import Builder
from schuss.compiler.llvm.loops import entry_alloca, for_range, if_then
from schuss.compiler.llvm.simd import I1, I8, I32, I64, POINTER
from schuss.compiler.llvm.target import Target
from schuss.compiler.lower.kernel import VIRTUAL_LANES, going_on, stop_word
from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.partition import ONE
from schuss.ir.graph import Node
from schuss.ir.types import Sym, static_size

KERNEL_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64, I64, POINTER])
RUN_TYPE = ir.FunctionType(I64, [POINTER, POINTER, POINTER, *[I64] * 7, WAIT_TYPE])
PROFILE_START = 256  # bytes of `sync` before the cycle counts
RUN_ARGUMENTS = (
    "table",
    "order",
    "sync",
    "batch",
    "total",
    "first",
    "steps",
    "counter",
    "thread",
    "threads",
    "wait",
)
FIELDS = ("kernel", "told", "barrier", "alone", "length", "unit", "most")
"""Of a stage: its kernel and what that is told beside its usual arguments; whether a barrier lies before it; whether
one thread does it all; the length that threads share, -1 for N, in units of so many elements; the end of all shares."""
ROW = ir.LiteralStructType([KERNEL_TYPE.as_pointer(), POINTER, *[I64] * 5])


@dataclass(frozen=True)
class Call:
    """A stage's function, and a pointer to what it is told beside its usual arguments, which may be null."""

    kernel: ir.Function
    where: Any
    flat: bool = False  # whether the kernel is told its share in elements

    def row(self, stage: Stage) -> dict[str, Any]:
        """The stage, field by field."""
        numbers = (stage.barrier, stage.partition == ONE, *self._shared(stage))
        return dict(zip(FIELDS, [self.kernel, self.where, *(I64(int(n)) for n in numbers)], strict=True))

    def _shared(self, stage: Stage) -> tuple[int, int, int]:
        """(length, unit, end of the last share) of axis 0, or of the columns: whole vectors of these to each thread."""
        how, columns = stage.partition
        if how == "columns":
            return -(-columns // VIRTUAL_LANES), VIRTUAL_LANES, columns
        space = stage.group.space
        length = columns if how == "split" else 1 if not space else -1 if isinstance(space[0], Sym) else space[0]
        return length, static_size(space[1:]) if self.flat else 1, 2**63 - 1


def emit_run(
    module: ir.Module, plan: Plan, target: Target, watch: Node | None, calls: Sequence[Call], profile: bool
) -> None:
    """The function. watch: the number that must be finite for a next step; profile: count the cycles of each stage."""
    waits = _barrier_function(module, target)
    function = ir.Function(module, RUN_TYPE, "run")
    target.decorate(function)
    rows = [call.row(stage) for stage, call in zip(plan.stages, calls, strict=True)]
    _Run(function, waits, plan, watch, rows, profile).emit(target)


def _barrier_function(module: ir.Module, target: Target) -> ir.Function:
    """The barrier as a function of its own: its code is long."""
    type = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, WAIT_TYPE, POINTER])
    function = ir.Function(module, type, "barrier")
    function.linkage = "internal"
    function.attributes.add("noinline")
    target.decorate(function)
    b = Builder(function.append_basic_block("entry"))
    barrier(b, *function.args)
    b.ret_void()
    return function


class _Run:
    """The function under construction."""

    def __init__(
        self,
        function: ir.Function,
        waits: ir.Function,
        plan: Plan,
        watch: Node | None,
        rows: list[dict[str, Any]],
        profile: bool,
    ) -> None:
        self.b = Builder(function.append_basic_block("entry"))
        self.barrier = waits
        self.given = dict(zip(RUN_ARGUMENTS, function.args, strict=True))
        self.plan, self.watch, self.rows = plan, watch, rows
        self.looks = plan.looks  # whether the program can be given up
        self.first = self.b.icmp_signed("==", self.given["thread"], I64(0))
        self.ticket = self._number(0)  # of barriers: a counter that only grows, so that each has its own
        self.spins = self._number(SPINS)
        self.clock = _Clock(self.b, self.given, len(rows)) if profile else None

    def _number(self, value: int) -> Any:
        place = entry_alloca(self.b, I64)
        self.b.store(I64(value), place)
        return place

    def emit(self, target: Target) -> None:
        b = self.b
        saved = flush_denormals(b, target)
        done, going = self._number(0), entry_alloca(b, I1)
        b.store(I1(1), going)
        with for_range(b, I64(0), self.given["steps"]) as step, if_then(b, b.load(going, typ=I1)):
            counter = b.add(self.given["counter"], step)
            self._step(step, counter)
            b.store(self._at_end(step, counter), going)
            b.store(b.add(step, I64(1)), done)
        restore_denormals(b, target, saved)
        b.ret(b.load(done, typ=I64))

    def _step(self, step: Any, counter: Any) -> None:
        """Every stage's kernel on this thread's share."""
        b, given = self.b, self.given
        start = b.mul(b.add(given["first"], step), given["batch"])
        left = b.sub(given["total"], start)
        n = b.select(b.icmp_signed("<", left, given["batch"]), left, given["batch"])
        order = b.gep(given["order"], [start], source_etype=I64)
        if len(self.rows) <= self.plan.tuning.few_stages:
            for number, row in enumerate(self.rows):
                if row["barrier"].constant:
                    self._wait()
                self._call(row, I64(number), order, n, counter)
            return
        table = self._table()
        with for_range(b, I64(0), I64(len(self.rows))) as number:
            row = self._row(table, number)
            with if_then(b, b.icmp_signed("!=", row["barrier"], I64(0))):
                self._wait()
            self._call(row, number, order, n, counter)

    def _table(self) -> Any:
        """All stages, as a constant."""
        type = ir.ArrayType(ROW, len(self.rows))
        table = ir.GlobalVariable(self.b.module, type, "stages")
        table.initializer = ir.Constant(type, [ir.Constant(ROW, [*row.values()]) for row in self.rows])
        table.linkage, table.global_constant = "internal", True
        return table

    def _row(self, table: Any, number: Any) -> dict[str, Any]:
        """A stage's fields, from the table."""
        b = self.b
        row = b.gep(table, [number], source_etype=ROW)
        places = (b.gep(row, [I32(0), I32(field)], source_etype=ROW) for field in range(len(FIELDS)))
        return {name: b.load(place, typ=type) for name, place, type in zip(FIELDS, places, ROW.elements, strict=True)}

    def _call(self, row: Mapping[str, Any], number: Any, order: Any, n: Any, counter: Any) -> None:
        """The stage's kernel on this thread's share."""
        b, given = self.b, self.given
        alone = b.icmp_signed("!=", row["alone"], I64(0))
        mine = b.or_(self.first, b.not_(alone))
        with if_then(b, b.and_(mine, going_on(b, given["table"], self.plan)) if self.looks else mine):
            low, high = self._share(row, alone, n)
            b.call(row["kernel"], [given["table"], order, low, high, n, counter, row["told"]])
        if self.clock:
            self.clock.spent(number)

    def _share(self, row: Mapping[str, Any], alone: Any, n: Any) -> tuple[Any, Any]:
        """The first and the last element of this thread, of axis 0 or of the columns."""
        b, thread = self.b, self.given["thread"]
        length = b.select(b.icmp_signed("<", row["length"], I64(0)), n, row["length"])
        threads = b.select(alone, I64(1), self.given["threads"])
        ends = (b.sdiv(b.mul(length, at), threads) for at in (thread, b.add(thread, I64(1))))
        low, high = (b.mul(end, row["unit"]) for end in ends)
        return low, b.select(b.icmp_signed("<", high, row["most"]), high, row["most"])

    def _wait(self) -> None:
        """Wait until every thread is here."""
        b, given = self.b, self.given
        ticket = b.add(b.load(self.ticket, typ=I64), I64(1))
        b.store(ticket, self.ticket)
        b.call(self.barrier, [given["sync"], ticket, given["threads"], given["wait"], self.spins])
        if self.clock:
            self.clock.spent(I64(len(self.rows)))

    def _at_end(self, step: Any, counter: Any) -> Any:
        """The step's last barrier; returns whether to go on."""
        if not self.looks:
            return self._watched(step)
        b = self.b
        told, given_up = (stop_word(b, self.given["table"], self.plan, number) for number in range(2))
        mark = b.add(counter, I64(1))  # of this step: a thread that is ahead cannot stop those that are behind
        with if_then(b, b.icmp_unsigned("!=", b.load_atomic(told, "monotonic", 8, typ=I64), I64(0))):
            b.atomic_rmw("xchg", given_up, mark, "monotonic")
        fine = self._watched(step)
        return b.and_(fine, b.icmp_unsigned("!=", b.load_atomic(given_up, "monotonic", 8, typ=I64), mark))

    def _watched(self, step: Any) -> Any:
        """Whether the watched number is finite. Thread 0 says so, in turn in one of two places, so that it cannot
        overwrite what a slower thread has yet to read.
        """
        b = self.b
        if self.watch is None:
            self._wait()
            return I1(1)
        place = b.add(I64(64), b.and_(step, I64(1)))
        flag = b.gep(self.given["sync"], [place], source_etype=I8)
        with if_then(b, self.first):
            b.store(b.zext(self._finite(self.watch), I8), flag)
        self._wait()
        return b.icmp_unsigned("!=", b.load(flag, typ=I8), I8(0))

    def _finite(self, watch: Node) -> Any:
        """x - x is 0 for a finite number and NaN for any other."""
        b, place = self.b, self.plan.places[watch]
        slot = b.load(b.gep(self.given["table"], [I64(place.slot)], source_etype=POINTER), typ=POINTER)
        type = ir.FloatType() if watch.type.dtype == "float32" else ir.DoubleType()
        value = b.load(b.gep(slot, [I64(place.offset)], source_etype=I8), typ=type)
        return b.fcmp_ordered("ord", b.fsub(value, value), value)


class _Clock:
    """Cycles of each stage and of waiting, added up in int64 numbers of each thread's own."""

    def __init__(self, b: Any, given: dict[str, Any], stages: int) -> None:
        self.b = b
        self.read = ir.Function(b.module, ir.FunctionType(I64, []), "llvm.readcyclecounter")
        start = b.add(I64(PROFILE_START // 8), b.mul(given["thread"], I64(stages + 1)))
        self.counts = b.gep(given["sync"], [start], source_etype=I64)
        self.since = entry_alloca(b, I64)
        b.store(b.call(self.read, []), self.since)

    def spent(self, stage: Any) -> None:
        """Up to here it was this stage; the number behind the last is waiting."""
        b = self.b
        now = b.call(self.read, [])
        place = b.gep(self.counts, [stage], source_etype=I64)
        spent = b.sub(now, b.load(self.since, typ=I64))
        b.store(b.add(b.load(place, typ=I64), spent), place)
        b.store(now, self.since)
