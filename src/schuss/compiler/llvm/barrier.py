"""The barrier of generated code, and the floating-point state of the threads that run it."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm.loops import entry_alloca
from schuss.compiler.llvm.target import Target
from schuss.compiler.llvm.waiting import FUTEX

I32, I64, POINTER, VOID = ir.IntType(32), ir.IntType(64), ir.PointerType(), ir.VoidType()
# Polls of a waiting thread before it sleeps: some 50 us where nobody disturbs. Beside busy neighbours the thread it
# waits for may not be running: once it has slept it polls for no longer than waking takes, and a little longer with
# each barrier at which it need not sleep.
SPINS, FEWEST_SPINS, MORE_SPINS = 4000, 250, 16
SLEEPERS = 8  # bytes from the barriers' counter to the number of threads that sleep
NO_TRAPS = 0x1F80  # MXCSR: all traps masked (bits 7 to 12), rounding to nearest (bits 13 and 14 are 0)
FLUSH_AND_ZERO = 0x8040  # MXCSR: results that are denormal become 0 (bit 15), operands too (bit 6)
FPCR_FLUSH = 1 << 24
YIELD_HINT = 1
# What a waiting thread calls: C's `syscall`, or a function without arguments that yields; it does not look at these.
WAIT_TYPE = ir.FunctionType(I64, [I64, POINTER, I64, I64, POINTER]).as_pointer()
FUTEX_WAIT, FUTEX_WAKE, EVERYONE = 128, 129, 2**31 - 1  # both for the threads of one process


def barrier(b: Any, counter: Any, ticket: Any, threads: Any, wait: Any, spins: Any) -> None:
    """Wait until every thread has arrived `ticket` times; a lone thread does not stop.

    counter: pointer to an int64 that only grows, and to the number of sleeping threads SLEEPERS bytes on; spins: to the
    thread's own int64, how often it polls. After that it sleeps until the last one wakes it, so that a busy neighbour
    slows a step by its share and not by a whole time slice for every barrier. wait: see schuss.compiler.llvm.waiting.
    """
    with b.if_then(b.icmp_signed(">", threads, I64(1))):
        sleepers = b.gep(counter, [I64(SLEEPERS)], source_etype=ir.IntType(8))
        wanted = b.mul(ticket, threads)
        arrived = b.add(b.atomic_rmw("add", counter, I64(1), "seq_cst"), I64(1))
        names = ("last", "wake", "early", "poll", "idle", "pause", "sleep", "after")
        last, wake, early, poll, idle, pause, sleep, after = (b.append_basic_block(name) for name in names)
        b.cbranch(b.icmp_signed("==", arrived, wanted), last, early)
        b.position_at_end(last)
        asleep = b.load_atomic(sleepers, "seq_cst", 8, typ=I64)
        b.cbranch(b.icmp_signed(">", asleep, I64(0)), wake, after)
        b.position_at_end(wake)
        _futex(b, wait, counter, FUTEX_WAKE, I64(EVERYONE))
        b.branch(after)
        b.position_at_end(early)
        limit = b.load(spins, typ=I64)
        more = b.add(limit, I64(MORE_SPINS))
        b.store(b.select(b.icmp_signed("<", more, I64(SPINS)), more, I64(SPINS)), spins)
        b.branch(poll)
        b.position_at_end(poll)
        spun = b.phi(I64)
        spun.add_incoming(I64(0), early)
        seen = b.load_atomic(counter, "acquire", 8, typ=I64)
        b.cbranch(b.icmp_signed(">=", seen, wanted), after, idle)
        b.position_at_end(idle)
        b.cbranch(b.icmp_signed("<", spun, limit), pause, sleep)
        b.position_at_end(pause)
        _pause(b)
        spun.add_incoming(b.add(spun, I64(1)), pause)
        b.branch(poll)
        b.position_at_end(sleep)
        b.store(I64(FEWEST_SPINS), spins)
        b.atomic_rmw("add", sleepers, I64(1), "seq_cst")
        _futex(b, wait, counter, FUTEX_WAIT, b.and_(seen, I64(0xFFFFFFFF)))
        b.atomic_rmw("sub", sleepers, I64(1), "seq_cst")
        spun.add_incoming(spun, sleep)
        b.branch(poll)
        b.position_at_end(after)


def _futex(b: Any, wait: Any, word: Any, operation: int, value: Any) -> None:
    """futex(word, operation, value, no time limit) on Linux. Elsewhere a thread that waits only yields."""
    number = FUTEX.get(b.module.triple.split("-")[0], 0) if "linux" in b.module.triple else 0
    if number or operation == FUTEX_WAIT:
        b.call(wait, [I64(number), word, I64(operation), value, ir.Constant(POINTER, None)])


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
    """Round to nearest, raise no traps and flush denormals to zero from here on (they slow arithmetic by multiples),
    whatever the caller has set; returns the caller's state to restore.
    """
    if _is_x86(target.triple):
        place = entry_alloca(b, I32)
        b.call(_intrinsic(b, "llvm.x86.sse.stmxcsr", VOID, POINTER), [place])
        saved = b.load(place, typ=I32)
        b.store(I32(NO_TRAPS | FLUSH_AND_ZERO), place)
        b.call(_intrinsic(b, "llvm.x86.sse.ldmxcsr", VOID, POINTER), [place])
        return place, saved
    saved = b.call(_intrinsic(b, "llvm.aarch64.get.fpcr", I64), [])
    b.call(_intrinsic(b, "llvm.aarch64.set.fpcr", VOID, I64), [I64(FPCR_FLUSH)])
    return None, saved


def restore_denormals(b: Any, target: Target, state: Any) -> None:
    """Put back what flush_denormals found."""
    place, saved = state
    if place is None:
        b.call(_intrinsic(b, "llvm.aarch64.set.fpcr", VOID, I64), [saved])
        return
    b.store(saved, place)
    b.call(_intrinsic(b, "llvm.x86.sse.ldmxcsr", VOID, POINTER), [place])
