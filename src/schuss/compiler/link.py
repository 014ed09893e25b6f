"""From a plan to a callable: object code from the disk cache, or made now."""

from __future__ import annotations

import ctypes
import gc
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as cache_once
from pathlib import Path

from schuss.compiler.llvm import cache
from schuss.compiler.llvm.jit import Library, assembly, compile_object
from schuss.compiler.llvm.target import Target, host_target
from schuss.compiler.lower.program import Program, emit_module
from schuss.compiler.schedule.buffers import Plan
from schuss.compiler.schedule.text import signature
from schuss.ir.graph import Node

SIGNATURE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 7, ctypes.c_void_p)


@dataclass(frozen=True)
class Listing:
    """A program to read: LLVM's form as emitted, and how the code of each kernel was chosen."""

    llvm: str
    notes: tuple[str, ...]
    target: Target

    def assembly(self) -> str:
        """The machine's form."""
        return assembly(self.llvm, self.target)


def listing(plan: Plan, counter: str | None, watch: Node | None, threads: int) -> Listing:
    """The program that `link` would make."""
    target, notes = host_target(), list[str]()
    module = emit_module(Program(plan, target, counter, watch, threads), notes)
    return Listing(str(module), tuple(notes), target)


def link(
    plan: Plan, counter: str | None, watch: Node | None, threads: int, profile: bool = False
) -> Callable[..., int]:
    """The plan's `run` function (see schuss.compiler.lower.program). It releases the GIL while it runs."""
    target = host_target()
    program = Program(plan, target, counter, watch, threads, profile)
    text = _text(program)
    key = cache.key(text or _written(program), target)
    code = cache.get(key)
    run = None if code is None else _cached(key, code, target)
    if run is None:
        code = compile_object(_written(program), target)
        cache.put(key, code)
        run = _callable(code, target)
    return run


def _callable(code: bytes, target: Target) -> Callable[..., int]:
    library = Library(code, target)
    run = SIGNATURE(library.address("run"))
    run.library = library  # type: ignore[attr-defined]  # keeps the code alive as long as the function
    return run


def _cached(key: str, code: bytes, target: Target) -> Callable[..., int] | None:
    """The function of an entry; None, and the entry is dropped, where the linker does not take it."""
    try:
        return _callable(code, target)
    except Exception:  # llvmlite raises many kinds
        cache.drop(key)
        return None


def _written(program: Program) -> str:
    """The program in LLVM's form.

    Python's search for cycles waits: all objects made here are needed to the end, and to look through them again and
    again was a fifth of the time.
    """
    searching = gc.isenabled()
    gc.disable()
    try:
        return str(emit_module(program))
    finally:
        if searching:
            gc.enable()


def _text(program: Program) -> str | None:
    """All that the program's code depends on, beside the target: much quicker to make than the code's own text."""
    plan = signature(program.plan)
    if plan is None:
        return None
    watched = [i for i, o in enumerate(program.plan.graph.outputs) if o is program.watch]
    rest = f"{program.counter} {watched} {program.threads} {program.profile}"
    return f"{_sources()}\n{rest}\n{plan}"


@cache_once
def _sources() -> str:
    """A hash of the code that makes code, so that a changed compiler trusts nothing an older one made."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for folder in ("compiler", "ir", "ops"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
