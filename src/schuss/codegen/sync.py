"""Threads meeting in generated code, and the floating-point state of the threads that run it."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import llvmlite.ir as ir

from schuss.codegen.loops import entry_alloca
from schuss.codegen.target import Target

I32, I64, POINTER, VOID = ir.IntType(32), ir.IntType(64), ir.PointerType(), ir.VoidType()
SPINS = 4000  # polls, some 50 us, before a waiting thread offers its core to another
FLUSH_AND_ZERO = 0x8040  # MXCSR: results that are denormal become 0 (bit 15), operands too (bit 6)
FPCR_FLUSH = 1 << 24
WAIT_TYPE = ir.FunctionType(VOID, []).as_pointer()


def barrier(b: Any, counter: Any, ticket: Any, threads: Any, wait: Any) -> None:
    """Wait until every thread has arrived `ticket` times; a lone thread does not stop.

    counter: pointer to an int64 that only grows. wait: function (of WAIT_TYPE) that yields the core, so that
    a busy neighbour slows a step by its share and not by a whole time slice for every barrier.
    """
    with b.if_then(b.icmp_signed(">", threads, I64(1))):
        b.atomic_rmw("add", counter, I64(1), "acq_rel")
        wanted = b.mul(ticket, threads)
        before = b.block
        poll, idle, pause, give, after = (
            b.append_basic_block(name) for name in ("poll", "idle", "pause", "give", "after")
        )
        b.branch(poll)
        b.position_at_end(poll)
        spun = b.phi(I64)
        spun.add_incoming(I64(0), before)
        seen = b.load_atomic(counter, "acquire", 8, typ=I64)
        b.cbranch(b.icmp_signed(">=", seen, wanted), after, idle)
        b.position_at_end(idle)
        b.cbranch(b.icmp_signed("<", spun, I64(SPINS)), pause, give)
        b.position_at_end(pause)
        _pause(b)
        spun.add_incoming(b.add(spun, I64(1)), pause)
        b.branch(poll)
        b.position_at_end(give)
        b.call(wait, [])
        spun.add_incoming(spun, give)
        b.branch(poll)
        b.position_at_end(after)


def _pause(b: Any) -> None:
    """Tell the core that this is a waiting loop."""
    text = "pause" if "86" in b.module.triple.split("-")[0] else "yield"
    b.call(ir.InlineAsm(ir.FunctionType(VOID, []), text, "", side_effect=True), [])


def flush_denormals(b: Any, target: Target) -> Any:
    """Flush denormals to zero from here on (they slow arithmetic by multiples); returns the state to restore."""
    if "86" in target.triple.split("-")[0]:
        place = entry_alloca(b, I32)
        b.call(_x86(b, "stmxcsr"), [place])
        saved = b.load(place, typ=I32)
        b.store(b.or_(saved, I32(FLUSH_AND_ZERO)), place)
        b.call(_x86(b, "ldmxcsr"), [place])
        return place, saved
    read = ir.InlineAsm(ir.FunctionType(I64, []), "mrs $0, fpcr", "=r", side_effect=True)
    saved = b.call(read, [])
    _write_fpcr(b, b.or_(saved, I64(FPCR_FLUSH)))
    return None, saved


def restore_denormals(b: Any, target: Target, state: Any) -> None:
    """Put back what flush_denormals found."""
    place, saved = state
    if place is None:
        _write_fpcr(b, saved)
        return
    b.store(saved, place)
    b.call(_x86(b, "ldmxcsr"), [place])


def _x86(b: Any, name: str) -> Any:
    full = f"llvm.x86.sse.{name}"
    return b.module.globals.get(full) or ir.Function(b.module, ir.FunctionType(VOID, [POINTER]), full)


def _write_fpcr(b: Any, value: Any) -> None:
    write = ir.InlineAsm(ir.FunctionType(VOID, [I64]), "msr fpcr, $0", "r", side_effect=True)
    b.call(write, [value])


_IDLE = ctypes.CFUNCTYPE(None)(lambda: None)


@cache
def yield_function_address() -> int:
    """Address of the platform's function that gives the core to another thread."""
    try:
        if sys.platform == "win32":
            function: Any = ctypes.WinDLL("kernel32").SwitchToThread
        else:
            function = ctypes.CDLL(None).sched_yield
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    except (OSError, AttributeError):
        return ctypes.cast(_IDLE, ctypes.c_void_p).value or 0
