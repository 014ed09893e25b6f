"""From a plan to one module: a function for each kernel, and `run`, which does whole epochs.

    run(table, order, sync, batch, total, first, steps, counter, thread, threads, wait) -> steps done

Every thread calls `run` with its number. For each step it computes its share of each stage and waits
for the others at the plan's barriers and at the step's end, where all see whether the watched number is finite.
A large program can be given up (Plan.stop): threads that see it leave out what they have not begun, kernels at work end
at their next look, all barriers are passed, and what the step has made is not to be used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from schuss.compiler.draft import Draft
from schuss.compiler.llvm.barrier import SPINS, WAIT_TYPE, barrier, flush_denormals, restore_denormals
from schuss.compiler.llvm.builder import Builder
from schuss.compiler.llvm.loops import entry_alloca, for_range, if_then
from schuss.compiler.llvm.simd import I8, I64, POINTER
from schuss.compiler.llvm.target import Target, host_target
from schuss.compiler.lower.alike import Address, shape_of
from schuss.compiler.lower.elementwise import emit_map_group
from schuss.compiler.lower.gather import emit_gather
from schuss.compiler.lower.gemm.gemm import Contraction
from schuss.compiler.lower.gemm.general import AxesContraction
from schuss.compiler.lower.kernel import VIRTUAL_LANES, Kernel, going_on, stop_word
from schuss.compiler.lower.opaque import emit_opaque
from schuss.compiler.lower.reduction import emit_reduce_group
from schuss.compiler.lower.transpose import emit_transpose, is_transpose
from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.cost import looks
from schuss.compiler.schedule.fuse import Form
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.partition import ONE
from schuss.compiler.structure import is_matrix_product
from schuss.ir.graph import Node
from schuss.ir.types import Sym

KERNEL_TYPE = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, I64, I64, I64])
TOLD_TYPE = ir.FunctionType(ir.VoidType(), [*KERNEL_TYPE.args, POINTER])
Call = tuple[ir.Function, list[Any]]  # a kernel, and what it is told beside its usual arguments
RUN_TYPE = ir.FunctionType(I64, [POINTER, POINTER, POINTER, *[I64] * 7, WAIT_TYPE])
PROFILE_START = 256  # bytes of `sync` before the cycle counts
FEW_BARRIERS = 32  # in one place each; more of them are calls
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


@dataclass(frozen=True)
class Program:
    """What `emit_module` is given."""

    plan: Plan
    target: Target
    watch: Node | None
    threads: int  # as the plan expects; any number may run the program
    profile: bool = False  # count the cycles of each stage, see `_Clock`

    @classmethod
    def of(cls, draft: Draft) -> Program:
        """The program of a draft that has a plan."""
        assert draft.plan is not None
        target = draft.target or host_target()
        return cls(draft.plan, target, draft.watched, draft.threads, draft.profile)


def emit_module(program: Program, notes: list[str] | None = None) -> ir.Module:
    """The module of a plan. notes: takes a line on the code of each kernel, in order."""
    module = ir.Module("schuss")
    module.triple = program.target.triple
    shapes = [shape_of(stage, program.plan) for stage in program.plan.stages]
    count, made = Counter(shape.text for shape in shapes), dict[str, tuple[ir.Function, str]]()
    calls: list[Call] = []
    for number, (stage, shape) in enumerate(zip(program.plan.stages, shapes, strict=True)):
        several = count[shape.text] > 1
        if shape.text not in made:
            made[shape.text] = _kernel(module, program, number, stage, shape.addresses if several else None)
        function, note = made[shape.text]
        calls.append((function, [_told(module, number, shape.addresses)] if several else []))
        if notes is not None:
            notes.append(note)
    _run(module, program, calls)
    return module


def _told(module: ir.Module, number: int, addresses: Sequence[Address]) -> Any:
    """A constant with the addresses of a stage."""
    numbers = [n for address in addresses for n in address]
    type = ir.ArrayType(I64, len(numbers))
    told = ir.GlobalVariable(module, type, f"where{number}")
    told.initializer = ir.Constant(type, numbers)
    told.linkage, told.global_constant = "internal", True
    return told


def _kernel(
    module: ir.Module, program: Program, number: int, stage: Stage, addresses: Sequence[Address] | None
) -> tuple[ir.Function, str]:
    """One stage's function of (table, order, low, high, n, step), and how its code was chosen.

    addresses: of the stage, where others are alike; then the function is told them, too.
    """
    group = stage.group
    label = (group.anchor or (group.maps or group.folds)[-1]).op
    function = ir.Function(module, KERNEL_TYPE if addresses is None else TOLD_TYPE, f"k{number}_{label}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    program.target.decorate(function)
    b = Builder(function.append_basic_block("entry"))
    kernel = Kernel(b, program.plan, program.target, *function.args)
    kernel.looks = looks(program.plan, group)
    kernel.addresses = addresses or ()
    if is_transpose(kernel, group):
        kernel.notes.append("transposed in blocks, for the products that read their rows")
        emit_transpose(kernel, group)
    elif group.form is Form.MAP:
        emit_map_group(kernel, group)
    elif group.form is Form.CONTRACT:
        assert group.anchor is not None
        made = Contraction if is_matrix_product(group.anchor) else AxesContraction
        made(kernel, stage, program.threads).emit()
    elif group.anchor is not None:
        _ANCHORED[group.form](kernel, group.anchor)
    kernel.b.ret_void()
    return function, "; ".join(kernel.notes)


_ANCHORED = {Form.REDUCE: emit_reduce_group, Form.GATHER: emit_gather, Form.OPAQUE: emit_opaque}


def _run(module: ir.Module, program: Program, kernels: Sequence[Call]) -> None:
    function = ir.Function(module, RUN_TYPE, "run")
    program.target.decorate(function)
    named = dict(zip(RUN_ARGUMENTS, function.args, strict=True))
    b = Builder(function.append_basic_block("entry"))
    saved = flush_denormals(b, program.target)
    barriers = _Barriers(b, program, named)
    clock = _Clock(b, program, named)
    done = entry_alloca(b, I64)
    going = entry_alloca(b, ir.IntType(1))
    b.store(I64(0), done)
    b.store(ir.Constant(ir.IntType(1), 1), going)
    with for_range(b, I64(0), named["steps"]) as step, if_then(b, b.load(going, typ=ir.IntType(1))):
        start = b.mul(b.add(named["first"], step), named["batch"])
        left = b.sub(named["total"], start)
        n = b.select(b.icmp_signed("<", left, named["batch"]), left, named["batch"])
        order = b.gep(named["order"], [start], source_etype=I64)
        counter = b.add(named["counter"], step)
        for number, (stage, kernel) in enumerate(zip(program.plan.stages, kernels, strict=True)):
            if stage.barrier:
                barriers.all()
                clock.waited()
            with if_then(b, going_on(b, named["table"], program.plan)) if barriers.looks else nullcontext():
                _share(b, program, stage, kernel, named, (order, n, counter))
            clock.worked(number)
        b.store(barriers.at_end(step, counter, program.watch), going)
        clock.waited()
        b.store(b.add(step, I64(1)), done)
    restore_denormals(b, program.target, saved)
    b.ret(b.load(done, typ=I64))


def _share(
    b: Any, program: Program, stage: Stage, call: Call, named: dict[str, Any], step: tuple[Any, Any, Any]
) -> None:
    """Call the kernel on this thread's share of axis 0, or of the columns."""
    order, n, counter = step
    kernel, told = call
    space = stage.group.space
    if stage.partition[0] == "columns":
        length, unit = I64(-(-stage.partition[1] // VIRTUAL_LANES)), VIRTUAL_LANES  # whole vectors to each thread
    else:
        length, unit = I64(1) if not space else n if isinstance(space[0], Sym) else I64(space[0]), 1
        if stage.partition[0] == "split":
            length = I64(stage.partition[1])
    if stage.partition == ONE:
        with if_then(b, b.icmp_signed("==", named["thread"], I64(0))):
            b.call(kernel, [named["table"], order, I64(0), length, n, counter, *told])
        return
    low = b.sdiv(b.mul(length, named["thread"]), named["threads"])
    high = b.sdiv(b.mul(length, b.add(named["thread"], I64(1))), named["threads"])
    if unit > 1:
        low, high = b.mul(low, I64(unit)), b.mul(high, I64(unit))
        most = I64(stage.partition[1])
        high = b.select(b.icmp_signed("<", high, most), high, most)
    b.call(kernel, [named["table"], order, low, high, n, counter, *told])


class _Barriers:
    """Barriers: a counter that only grows, so that each has its own ticket."""

    def __init__(self, b: Any, program: Program, named: dict[str, Any]) -> None:
        self.b = b
        self.program = program
        self.named = named
        self.looks = looks(program.plan)
        self.ticket = entry_alloca(b, I64)
        b.store(I64(0), self.ticket)
        self.spins = entry_alloca(b, I64)
        b.store(I64(SPINS), self.spins)
        many = sum(stage.barrier for stage in program.plan.stages) > FEW_BARRIERS
        self.far = _barrier_function(b.module, program.target) if many else None

    def all(self) -> None:
        """Wait until every thread is here."""
        b = self.b
        ticket = b.add(b.load(self.ticket, typ=I64), I64(1))
        b.store(ticket, self.ticket)
        given = [self.named["sync"], ticket, self.named["threads"], self.named["wait"], self.spins]
        if self.far is None:
            barrier(b, *given)
        else:
            b.call(self.far, given)

    def at_end(self, step: Any, counter: Any, watch: Node | None) -> Any:
        """The step's last barrier; returns whether to go on."""
        if not self.looks:
            return self._at_end(step, watch)
        b = self.b
        told, given_up = (stop_word(b, self.named["table"], self.program.plan, number) for number in range(2))
        mark = b.add(counter, I64(1))  # of this step: a thread that is ahead cannot stop those that are behind
        with if_then(b, b.icmp_unsigned("!=", b.load_atomic(told, "monotonic", 8, typ=I64), I64(0))):
            b.atomic_rmw("xchg", given_up, mark, "monotonic")
        fine = self._at_end(step, watch)
        return b.and_(fine, b.icmp_unsigned("!=", b.load_atomic(given_up, "monotonic", 8, typ=I64), mark))

    def _at_end(self, step: Any, watch: Node | None) -> Any:
        """Whether the watched number is finite. Thread 0 says so, in turn in one of two places, so that it cannot
        overwrite what a slower thread has yet to read.
        """
        b = self.b
        if watch is None:
            self.all()
            return ir.Constant(ir.IntType(1), 1)
        place = b.add(I64(64), b.and_(step, I64(1)))
        flag = b.gep(self.named["sync"], [place], source_etype=I8)
        with if_then(b, b.icmp_signed("==", self.named["thread"], I64(0))):
            b.store(b.zext(self._finite(watch), I8), flag)
        self.all()
        return b.icmp_unsigned("!=", b.load(flag, typ=I8), ir.Constant(I8, 0))

    def _finite(self, watch: Node) -> Any:
        """x - x is 0 for a finite number and NaN for any other."""
        b, plan = self.b, self.program.plan
        place = plan.places[watch]
        slot = b.load(b.gep(self.named["table"], [I64(place.slot)], source_etype=POINTER), typ=POINTER)
        type = ir.FloatType() if watch.type.dtype == "float32" else ir.DoubleType()
        value = b.load(b.gep(slot, [I64(place.offset)], source_etype=I8), typ=type)
        return b.fcmp_ordered("ord", b.fsub(value, value), value)


def _barrier_function(module: ir.Module, target: Target) -> ir.Function:
    """The barrier as a function of its own: the code of a thousand of them would take seconds to compile."""
    type = ir.FunctionType(ir.VoidType(), [POINTER, I64, I64, WAIT_TYPE, POINTER])
    function = ir.Function(module, type, "barrier")
    function.linkage = "internal"
    function.attributes.add("noinline")
    target.decorate(function)
    b = Builder(function.append_basic_block("entry"))
    barrier(b, *function.args)
    b.ret_void()
    return function


class _Clock:
    """Cycles of each stage and of waiting, added up in int64 numbers of each thread's own, if asked for."""

    def __init__(self, b: Any, program: Program, named: dict[str, Any]) -> None:
        self.b = b
        self.on = program.profile
        self.stages = len(program.plan.stages)
        if self.on:
            name = "llvm.readcyclecounter"
            self.read = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(I64, []), name)
            first = b.add(I64(PROFILE_START // 8), b.mul(named["thread"], I64(self.stages + 1)))
            self.counts = b.gep(named["sync"], [first], source_etype=I64)
            self.since = entry_alloca(b, I64)
            b.store(b.call(self.read, []), self.since)

    def worked(self, stage: int) -> None:
        """Up to here it was this stage."""
        if self.on:
            b = self.b
            now = b.call(self.read, [])
            place = b.gep(self.counts, [I64(stage)], source_etype=I64)
            spent = b.sub(now, b.load(self.since, typ=I64))
            b.store(b.add(b.load(place, typ=I64), spent), place)
            b.store(now, self.since)

    def waited(self) -> None:
        """Up to here the thread waited for the others."""
        self.worked(self.stages)
