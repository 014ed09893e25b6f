"""From a plan to a callable: object code from the disk cache, or made now."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from schuss.codegen import cache
from schuss.codegen.jit import Library, compile_object
from schuss.codegen.program import Program, emit_module
from schuss.codegen.target import host_target
from schuss.ir.graph import Node
from schuss.passes.memory import Plan

SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 7, ctypes.c_void_p)


def link(
    plan: Plan, columns: frozenset[str], counter: str | None, watch: Node | None, threads: int
) -> Callable[..., int]:
    """The plan's `run` function (see schuss.codegen.program). It releases the GIL while it runs."""
    target = host_target()
    program = Program(plan, target, columns, counter, watch, threads)
    text = str(emit_module(program))
    key = cache.key(text, target)
    code = cache.get(key)
    if code is None:
        code = compile_object(text, target)
        cache.put(key, code)
    library = Library(code, target)
    run = SIGNATURE(library.address("run"))
    run.library = library  # type: ignore[attr-defined]  # keeps the code alive as long as the function
    return run
