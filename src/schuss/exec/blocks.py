"""Memory that native code works in: where it starts, its pages, and its use again."""

from __future__ import annotations

import contextlib
import math
import mmap
import weakref
from collections.abc import Mapping

import numpy as np

from schuss.ir.executor import Array
from schuss.ir.types import TensorType, bind
from schuss.passes.storage import ITEMSIZE, spaced_row

ALIGN = 64
HUGE_PAGE = 2 << 20


def aligned(size: int, dtype: type | str, spare: list[mmap.mmap] | None = None) -> Array:
    """Zeros whose address is a multiple of a cache line; large ones lie in huge pages where the system has them.

    spare: memory of that size, to be used again, zeros or not; it comes back there when nobody holds the array.
    """
    item = np.dtype(dtype).itemsize
    if size * item >= HUGE_PAGE // 2 and hasattr(mmap, "MADV_HUGEPAGE"):
        raw, align = _mapped(size * item + HUGE_PAGE, spare), HUGE_PAGE
    else:
        raw, align = np.zeros(size * item + ALIGN, np.uint8), ALIGN
    start = -raw.ctypes.data % align
    result: Array = raw[start : start + size * item].view(dtype)
    return result


def _mapped(size: int, spare: list[mmap.mmap] | None) -> Array:
    """Memory from the system; MemoryError if it has not so much.

    Fresh pages take longer than a copy into them, so spare ones are worth keeping.
    """
    if spare:
        memory = spare.pop()
    else:
        try:
            memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError):
            raise MemoryError(f"{size / 1e9:,.1f} GB are wanted at once; a smaller batch takes less") from None
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(memory, np.uint8)  # every view of it keeps it alive
    if spare is not None:
        weakref.finalize(raw, _keep, memory, spare).atexit = False
    return raw


def _keep(memory: mmap.mmap, spare: list[mmap.mmap]) -> None:
    if not spare:
        spare.append(memory)


def state_block(types: Mapping[str, TensorType], spare: list[mmap.mmap] | None = None) -> dict[str, Array]:
    """Arrays laid out as Storage says, in one block of memory: zeros, or what spare memory holds."""
    rows = {name: spaced_row(t.shape, t.dtype) for name, t in types.items()}
    starts, size = {}, 0
    for name, t in types.items():
        starts[name] = size
        shape = bind(t.shape, 0)
        elements = math.prod(shape) if rows[name] is None else math.prod(shape[:-1]) * (rows[name] or 0)
        size += -(-elements * ITEMSIZE[t.dtype] // ALIGN) * ALIGN
    block, result = aligned(size, np.uint8, spare), {}
    for name, t in types.items():
        shape, row = bind(t.shape, 0), rows[name]
        whole = shape if row is None else (*shape[:-1], row)
        flat = block[starts[name] :][: math.prod(whole) * ITEMSIZE[t.dtype]].view(t.dtype).reshape(whole)
        result[name] = flat if row is None else flat[..., : shape[-1]]
    return result
