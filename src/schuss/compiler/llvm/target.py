"""The CPU code is made for: its name with its full list of features, and what follows from them.

A name alone is not enough: a hypervisor may mask features the name implies, and code that uses them
would die of an illegal instruction.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from schuss.errors import UsageError
from schuss.forks import keep_whole

_lock = threading.Lock()  # taken inside that of jit.py
keep_whole(_lock)
_ready = False
KINDS = ("avx512", "avx2", "sse2")


@dataclass(frozen=True)
class Target:
    """A CPU.

    vector_bytes  width of its vectors
    registers     how many of them
    fma           whether it multiplies and adds with one rounding (without, results agree to rounding only)
    rounding      whether it rounds to an integer in one instruction
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    fma: bool
    rounding: bool

    def lanes(self, dtype: str) -> int:
        """Lanes of one vector of float32 or float64."""
        return self.vector_bytes // (8 if dtype == "float64" else 4)

    def decorate(self, function: Any) -> None:
        """Attributes every function of ours carries: full-width vectors, and denormals are zero."""
        bits = self.vector_bytes * 8
        for text in (
            f'"prefer-vector-width"="{bits}"',
            f'"min-legal-vector-width"="{bits}"',
            '"denormal-fp-math"="preserve-sign,preserve-sign"',
        ):
            set.add(function.attributes, text)  # llvmlite's own add() knows only attributes without a value

    def machine(self) -> Any:
        """LLVM's target machine."""
        initialize()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=3, reloc="pic"
        )


def initialize() -> None:
    """Set LLVM up, once."""
    global _ready
    with _lock:
        if not _ready:
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            llvm.initialize_native_asmparser()
            _ready = True


def host_target() -> Target:
    """This machine's CPU. SCHUSS_TARGET=avx2 or sse2 masks what is above it."""
    return _host(os.environ.get("SCHUSS_TARGET", ""))


@cache
def _host(mask: str) -> Target:
    if mask and mask not in KINDS:
        raise UsageError(f"SCHUSS_TARGET={mask!r} is none of {', '.join(KINDS)}")
    initialize()
    triple = llvm.get_process_triple()
    has: dict[str, bool] = dict(llvm.get_host_cpu_features())
    has["sse4a"] = False  # AMD's insertq has no form for AVX: beside AVX code each one takes a thousand cycles
    cpu = llvm.get_host_cpu_name()
    if triple.startswith(("aarch64", "arm64")):
        return _arm(triple, cpu, _flat(has))
    if mask == "sse2" or not has.get("avx2"):
        return Target(triple, "x86-64", "+sse2", 16, 16, False, False)
    if mask == "avx2" or not (has.get("avx512f") and has.get("avx512vl") and has.get("avx512bw")):
        has = {n: on and not n.startswith(("avx512", "avx10", "evex512", "amx")) for n, on in has.items()}
        return Target(triple, cpu, _flat(has), 32, 16, has.get("fma", False), True)
    return Target(triple, cpu, _flat(has), 64, 32, True, True)


def _arm(triple: str, cpu: str, features: str) -> Target:
    return Target(triple, cpu, features, 16, 32, True, True)


def aarch64_target() -> Target:
    """A 64-bit Arm CPU with NEON, whatever this machine is."""
    return _arm("aarch64-unknown-linux-gnu", "generic", "+neon")


def _flat(features: dict[str, bool]) -> str:
    return ",".join(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
