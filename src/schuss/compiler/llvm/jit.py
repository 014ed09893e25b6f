"""LLVM IR to object code, and object code to addresses."""

from __future__ import annotations

import itertools
import threading
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from schuss.compiler.llvm.target import Target
from schuss.errors import GraphError
from schuss.forks import keep_whole

_names = itertools.count()
_lock = threading.RLock()
keep_whole(_lock)


# What our code needs: stack places to registers, addresses folded, loops in the form the back end expects. The
# standard O2 pipeline took half as long again and made nothing faster; it would also bring in LLVM's own loop and
# SLP vectorisers, which we leave off: the vectors are emitted.
PASSES = (
    "sroa",
    "simplify_cfg",
    "loop_rotate",
    "loop_simplify",
    "instruction_combine",
    "new_gvn",
    "simplify_cfg",
)


@cache
def _optimizer(target: Target) -> tuple[Any, Any, Any]:
    """The target machine, LLVM's pass builder and the passes. Kept: llvmlite loses 7 KiB with each that it frees."""
    machine = target.machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes = llvm.newpassmanagers.create_new_function_pass_manager()
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    return machine, builder, passes


def _optimized(text: str, target: Target) -> tuple[Any, Any]:
    """The module after LLVM's passes, and the target machine."""
    machine, builder, passes = _optimizer(target)
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        # no LoweringError: what runs by itself would go on by numpy and nobody would hear of it
        raise GraphError(f"LLVM does not take the code that was made, please report it: {error}") from None
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return module, machine


def compile_object(text: str, target: Target) -> bytes:
    """Object code of a module given as LLVM IR."""
    with _lock:
        module, machine = _optimized(text, target)
        code: bytes = machine.emit_object(module)
        return code


def assembly(text: str, target: Target) -> str:
    """The same as assembly language, to read."""
    with _lock:
        module, machine = _optimized(text, target)
        lines: str = machine.emit_assembly(module)
        return lines


class Library:
    """Object code made callable. The code is freed with the object."""

    def __init__(self, code: bytes, target: Target, symbol: str = "run") -> None:
        with _lock:
            self._jit = llvm.create_lljit_compiler(target.machine())
            builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            self._tracker = builder.export_symbol(symbol).link(self._jit, f"schuss{next(_names)}")

    def address(self, symbol: str) -> int:
        found: int = self._tracker[symbol]
        return found
