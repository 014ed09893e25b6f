"""From a plan to one module: a function for each kernel, and `run`, which does whole epochs.

    run(table, order, sync, batch, total, first, steps, counter, thread, threads, wait) -> steps done

Every thread calls `run` with its number. For each step it computes its share of each stage and waits
for the others at the plan's barriers and at the step's end, where all see whether the watched number is finite.
A large program can be given up (Plan.stop): threads that see it leave out what they have not begun, kernels at work end
at their next look, all barriers are passed, and what the step has made is not to be used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain

import llvmlite.ir as ir

from schuss.compiler.draft import Draft
from schuss.compiler.llvm.builder import Builder, numbers
from schuss.compiler.llvm.simd import POINTER
from schuss.compiler.llvm.target import Target, host_target
from schuss.compiler.lower.alike import Shape, shapes_of
from schuss.compiler.lower.elementwise import emit_map_group
from schuss.compiler.lower.gather import emit_gather
from schuss.compiler.lower.gemm.gemm import Contraction
from schuss.compiler.lower.gemm.general import AxesContraction
from schuss.compiler.lower.kernel import Kernel
from schuss.compiler.lower.opaque import emit_opaque
from schuss.compiler.lower.reduction import emit_reduce_group
from schuss.compiler.lower.run import KERNEL_TYPE, Call, emit_run
from schuss.compiler.lower.transpose import emit_transpose, is_transpose
from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.fuse import Form
from schuss.compiler.structure import is_matrix_product
from schuss.ir.graph import Node


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
    shapes = shapes_of(program.plan)
    count, made = Counter(shape.text for shape in shapes), dict[str, tuple[ir.Function, str]]()
    calls: list[Call] = []
    for number, shape in enumerate(shapes):
        several = count[shape.text] >= program.plan.tuning.alike
        if not several:
            function, note = _kernel(module, program, number, None)
        elif shape.text in made:
            function, note = made[shape.text]
        else:
            function, note = made[shape.text] = _kernel(module, program, number, shape)
        told = numbers(module, chain(*shape.addresses)) if several else ir.Constant(POINTER, None)
        calls.append(Call(function, told, shape.flat))
        if notes is not None:
            notes.append(note)
    emit_run(module, program.plan, program.target, program.watch, calls, program.profile)
    return module


def _kernel(module: ir.Module, program: Program, number: int, shape: Shape | None) -> tuple[ir.Function, str]:
    """One stage's function of (table, order, low, high, n, step, where), and how its code was chosen.

    shape: of the stage, where others are alike; then the function looks where it is told to find their addresses.
    """
    stage = program.plan.stages[number]
    group = stage.group
    label = (group.anchor or (group.maps or group.folds)[-1]).op
    function = ir.Function(module, KERNEL_TYPE, f"k{number}_{label}")
    function.linkage = "internal"
    function.attributes.add("noinline")
    program.target.decorate(function)
    b = Builder(function.append_basic_block("entry"))
    kernel = Kernel(b, program.plan, program.target, *function.args[:-1])
    kernel.looks = program.plan.looks_in(number)
    if shape is not None:
        kernel.where, kernel.addresses, kernel.flat = function.args[-1], shape.addresses, shape.flat
    kernel.workspace = program.plan.workspaces.get(group)
    if is_transpose(kernel, group):
        kernel.notes.append("transposed in tiles: the products that read it find contiguous rows")
        emit_transpose(kernel, group)
    elif group.form is Form.MAP:
        emit_map_group(kernel, group)
    elif group.form is Form.CONTRACT:
        assert group.anchor is not None
        made = Contraction if is_matrix_product(group.anchor) else AxesContraction
        made(kernel, stage, program.threads).emit()
    elif group.anchor is not None and group.form is Form.REDUCE:
        emit_reduce_group(kernel, group.anchor, by_columns=stage.partition[0] == "columns")
    elif group.anchor is not None:
        _ANCHORED[group.form](kernel, group.anchor)
    kernel.b.ret_void()
    return function, "; ".join(kernel.notes)


_ANCHORED = {Form.GATHER: emit_gather, Form.OPAQUE: emit_opaque}
