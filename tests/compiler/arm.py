"""Native code for 64-bit Arm, run on whatever machine this is: linked with a driver in C and emulated by QEMU.

`on_arm(patch, folder)` puts this in place of the executor's own code and its call of it; all else is as it always is.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schuss.compiler import link
from schuss.compiler.llvm.target import Target, aarch64_target
from schuss.exec.native.table import Table

DRIVER = Path(__file__).with_name("arm.c")
NOTHING = np.zeros(0, np.uint8)  # of a slot that nobody uses
MEND = "apt install qemu-user gcc-aarch64-linux-gnu (or pip install ziglang for the latter)"


@cache
def tools() -> tuple[str, list[str]] | None:
    """The emulator, and the command of a C compiler for what it emulates; None if one is missing."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    compiler = shutil.which("aarch64-linux-gnu-gcc")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"]
    command = [compiler] if compiler else zig if importlib.util.find_spec("ziglang") else None
    return (emulator, command) if emulator and command else None


def on_arm(patch: pytest.MonkeyPatch, folder: Path) -> list[int]:
    """From here on. Returns a list that gets the number of threads of each run."""
    found = tools()
    if found is None:
        pytest.skip(f"no emulator of 64-bit Arm or no compiler for it: {MEND}")
    emulator, compiler = found
    driver = folder / "driver.o"
    _call(*compiler, "-O1", "-c", str(DRIVER), "-o", str(driver))
    numbers, ran = itertools.count(), list[int]()

    def linked(code: bytes, target: Target) -> Path:
        """In place of the callable."""
        assert target == aarch64_target()
        program = folder / f"program{next(numbers)}"
        program.with_suffix(".o").write_bytes(code)
        _call(*compiler, "-static", "-pthread", str(driver), str(program.with_suffix(".o")), "-lm", "-o", str(program))
        return program

    def run(table: Table, order: Any, *numbers: int) -> int:
        """In place of Table.run: batch, total, first, steps, counter, threads; not whether beside the caller."""
        numbers = numbers[:6]
        arrays = [table._kept.get(slot, NOTHING) for slot in range(table._code.slot_count)]
        blocks = [_bytes_of(array) for array in arrays]
        rows = np.zeros(0, np.int64) if order is None else order
        head = np.array([len(blocks), len(rows), *numbers, *map(len, blocks)], np.int64)
        file = folder / "memory"
        file.write_bytes(b"".join([head.tobytes(), rows.tobytes(), *(block.tobytes() for block in blocks)]))
        _call(emulator, str(table._code.run), str(file))
        memory = np.frombuffer(file.read_bytes(), np.uint8)
        parts = np.split(memory[8:], np.cumsum([len(block) for block in blocks])[:-1])
        for array, block, part in zip(arrays, blocks, parts, strict=True):
            if array.flags.writeable:
                block[...] = part
            assert np.array_equal(block, part), "a program wrote where it may only read"
        ran.append(numbers[-1])
        return int(memory[:8].view(np.int64)[0])

    patch.setattr(link, "host_target", aarch64_target)
    patch.setattr(link, "_callable", linked)
    patch.setattr(Table, "run", run)
    return ran


def _call(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command[:3]}: {done.returncode} {done.stderr[-2000:]}"


def _bytes_of(array: Any) -> Any:
    """The memory from an array's first element to its last, what lies between its rows with it."""
    low, high = np.lib.array_utils.byte_bounds(array)
    return np.ctypeslib.as_array((ctypes.c_uint8 * (high - low)).from_address(low))
