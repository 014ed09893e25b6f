"""Code that is compiled and let go leaves nothing behind."""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path

import numpy as np
import pytest

from schuss.exec.native.executor import NativeExecutor
from schuss.ir import TensorType
from schuss.trace import trace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
X = np.arange(4, dtype=np.float32)


def resident() -> int:
    """Bytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def cycle(number: int) -> None:
    """Compile a function like no other, call it, and let it go."""
    graph = trace(lambda x: x * 2.0 + float(number), [TensorType("float32", (4,))])
    (result,) = NativeExecutor(1).compile(graph)([X])
    assert result[1] == 2.0 + number


def grown(warm: int, cycles: int) -> int:
    """Bytes gained by so many cycles, after some in which the allocators take what they keep."""
    for number in range(warm):
        cycle(number)
    gc.collect()
    before = resident()
    for number in range(warm, warm + cycles):
        cycle(number)
    gc.collect()
    return resident() - before


@pytest.fixture(autouse=True)
def uncached(monkeypatch):
    monkeypatch.setenv("SCHUSS_NO_CACHE", "1")


def test_compiled_code_is_freed():
    assert grown(50, 150) < 1 << 19  # LLVM's pass managers alone lose 1 MiB here if each compilation makes its own


@pytest.mark.slow
def test_twenty_thousand_cycles_leave_memory_flat():
    assert grown(2_000, 20_000) < 8 << 20  # the machine code of a cycle alone is 4 KiB or more: 80 MiB in all
