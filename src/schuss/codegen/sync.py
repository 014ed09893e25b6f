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
YIELD_HINT = 1
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


def _is_x86(triple: str) -> bool:
    return "86" in triple.split("-")[0]


def _intrinsic(b: Any, name: str, result: Any, *types: Any) -> Any:
    return b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(result, types), name)


def _pause(b: Any) -> None:
    """Tell the core that this is a waiting loop."""
    if _is_x86(b.module.triple):
        b.call(_intrinsic(b, "llvm.x86.sse2.pause", VOID), [])
    else:
        b.call(_intrinsic(b, "llvm.aarch64.hint", VOID, I32), [I32(YIELD_HINT)])


def flush_denormals(b: Any, target: Target) -> Any:
    """Flush denormals to zero from here on (they slow arithmetic by multiples); returns the state to restore."""
    if _is_x86(target.triple):
        place = entry_alloca(b, I32)
        b.call(_intrinsic(b, "llvm.x86.sse.stmxcsr", VOID, POINTER), [place])
        saved = b.load(place, typ=I32)
        b.store(b.or_(saved, I32(FLUSH_AND_ZERO)), place)
        b.call(_intrinsic(b, "llvm.x86.sse.ldmxcsr", VOID, POINTER), [place])
        return place, saved
    saved = b.call(_intrinsic(b, "llvm.aarch64.get.fpcr", I64), [])
    b.call(_intrinsic(b, "llvm.aarch64.set.fpcr", VOID, I64), [b.or_(saved, I64(FPCR_FLUSH))])
    return None, saved


def restore_denormals(b: Any, target: Target, state: Any) -> None:
    """Put back what flush_denormals found."""
    place, saved = state
    if place is None:
        b.call(_intrinsic(b, "llvm.aarch64.set.fpcr", VOID, I64), [saved])
        return
    b.store(saved, place)
    b.call(_intrinsic(b, "llvm.x86.sse.ldmxcsr", VOID, POINTER), [place])


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
