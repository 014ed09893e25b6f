"""What this machine can do at most: multiply-adds a second, and bytes read a second.

    python benchmarks/machine.py [THREADS]
    SCHUSS_TARGET=avx2 python benchmarks/machine.py       of the vectors that code is made for, where some are masked

The floor of a workload is max(flops / peak, bytes / bandwidth). Both are measured with code made by schuss's own
tools: as many independent vector multiply-adds as hide their latency, and the sum of an array far larger than the
caches. Each thread has its own core if the system gives it one. The figure is the best of some runs: other work on the
machine only slows one.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.ir as ir
import numpy as np
from arguments import count

from schuss.compiler.llvm.jit import Library, compile_object
from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.target import host_target

I64, POINTER = ir.IntType(64), ir.PointerType()
CHAINS = 12  # independent sums: two units of four cycles' latency need eight
STREAM = 512 << 20  # bytes each thread reads


def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def hardware(threads: int) -> str:
    """One line for the head of a table."""
    return f"{cpu_name()}, {threads} of {os.cpu_count()} cores, Python {platform.python_version()}"


def _function(name: str, body: Callable[[Any, Any, Any, Any], None]) -> Any:
    """Machine code of a function of (pointer, count) -> None, its loop made by body."""
    target = host_target()
    module = ir.Module(name)
    module.triple = target.triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, I64]), "run")
    target.decorate(function)
    b = ir.IRBuilder(function.append_basic_block())
    vector = ir.VectorType(ir.FloatType(), target.lanes("float32"))
    places = [b.alloca(vector) for _ in range(CHAINS)]
    for number, place in enumerate(places):  # different ones, or the compiler joins them
        b.store(ir.Constant(vector, [1.0 + number] * vector.count), place)
    body(b, vector, places, function.args)
    for number, place in enumerate(places):  # all are stored, or the compiler leaves them out
        at = b.gep(function.args[0], [I64(number * vector.count)], source_etype=ir.FloatType())
        b.store(b.load(place, typ=vector), at).align = 4
    b.ret_void()
    library = Library(compile_object(str(module), target), target)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(library.address("run"))
    call.library = library
    return call


@cache
def _multiply_adds() -> Any:
    def body(b: Any, vector: Any, places: Any, args: Any) -> None:
        name = f"llvm.{'fma' if host_target().fma else 'fmuladd'}.v{vector.count}f32"
        fma = ir.Function(b.module, ir.FunctionType(vector, [vector] * 3), name)
        near_one, little = (ir.Constant(vector, [c] * vector.count) for c in (0.999999, 1e-6))
        with for_range(b, I64(0), args[1]):
            for place in places:
                b.store(b.call(fma, [b.load(place, typ=vector), near_one, little]), place)

    return _function("peak", body)


@cache
def _stream() -> Any:
    def body(b: Any, vector: Any, places: Any, args: Any) -> None:
        with for_range(b, I64(0), args[1], CHAINS * vector.count) as i:
            for number, place in enumerate(places):
                at = b.gep(args[0], [b.add(i, I64(number * vector.count))], source_etype=ir.FloatType())
                value = b.load(at, typ=vector)
                value.align = 4
                b.store(b.fadd(b.load(place, typ=vector), value), place)

    return _function("stream", body)


def _together(threads: int, work: Callable[[int], None]) -> float:
    """Seconds from the first thread's start to the last one's end."""
    start = threading.Barrier(threads)
    spans: list[tuple[float, float]] = []

    def run(number: int) -> None:
        start.wait()
        began = time.perf_counter()
        work(number)
        spans.append((began, time.perf_counter()))

    team = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    return max(end for _, end in spans) - min(began for began, _ in spans)


def peak(threads: int, runs: int = 7) -> float:
    """Floating-point operations a second, all threads together; a multiply-add counts two."""
    call, lanes = _multiply_adds(), host_target().lanes("float32")
    count = 40_000_000
    sinks = [np.zeros(CHAINS * lanes, np.float32) for _ in range(threads)]
    flops = 2.0 * CHAINS * lanes * count * threads
    times = [_together(threads, lambda i: call(sinks[i].ctypes.data, count)) for _ in range(runs)]
    return flops / min(times)


def bandwidth(threads: int, runs: int = 7) -> float:
    """Bytes a second read from memory, all threads together."""
    call, lanes = _stream(), host_target().lanes("float32")
    whole = STREAM // 4 // (CHAINS * lanes) * CHAINS * lanes
    arrays = [np.ones(whole + 64, np.float32) for _ in range(threads)]
    times = [_together(threads, lambda i: call(arrays[i].ctypes.data, whole)) for _ in range(runs)]
    return 4.0 * whole * threads / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("threads", type=count, nargs="?", default=len(os.sched_getaffinity(0)))
    threads = parser.parse_args().threads
    print(hardware(threads))
    bits = 8 * host_target().vector_bytes
    print(f"peak        {peak(threads) / 1e9:.0f} Gflop/s, vectors of {bits} bits")
    print(f"bandwidth   {bandwidth(threads) / 1e9:.1f} GB/s")


if __name__ == "__main__":
    main()
