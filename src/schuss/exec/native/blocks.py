"""Memory that native code works in: where it starts, its pages, and its use again."""

from __future__ import annotations

import contextlib
import math
import mmap
import weakref
from collections.abc import Collection, Mapping

import numpy as np

from schuss.compiler.storage import ITEMSIZE, PANEL, panel_apart, row_major, spaced_row
from schuss.ir.executor import Array
from schuss.ir.types import Sym, TensorType, bind

ALIGN = 64
HUGE_PAGE = 2 << 20
_NO_SYMBOLS: Mapping[Sym, int] = {}


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


def packed(array: Array) -> Array:
    """A matrix seen as its panels, [columns / 16, rows, 16]."""
    return array.reshape(len(array), -1, PANEL).swapaxes(0, 1)


def unpacked(panels: Array) -> Array:
    """A copy of the matrix that has these panels."""
    return np.array(panels.swapaxes(0, 1)).reshape(panels.shape[1], -1)  # of one panel the reshaped is no copy


class StateBlock:
    """Where arrays of these types lie, as Storage with this spacing says, in one piece of memory.

    panels: names of those that lie in panels. They are arrays of their panels, [columns / 16, rows, 16]; packed and
    unpacked lead from a matrix there and back.
    """

    def __init__(self, types: Mapping[str, TensorType], spacing: int, panels: Collection[str] = ()) -> None:
        self._places: dict[str, tuple[tuple[int, ...], str, int, tuple[int, ...]]] = {}
        self._size = 0
        for name, t in types.items():
            shape, row, item = bind(t.shape, _NO_SYMBOLS), spaced_row(t.shape, t.dtype, spacing), ITEMSIZE[t.dtype]
            strides = tuple(item * s for s in row_major(shape, 0, row))
            whole = math.prod(shape if row is None else (*shape[:-1], row))
            if name in panels:
                count, apart = shape[1] // PANEL, panel_apart(shape)
                shape, strides, whole = (count, shape[0], PANEL), (item * apart, item * PANEL, item), count * apart
            self._places[name] = shape, t.dtype, self._size, strides
            self._size += -(-whole * item // ALIGN) * ALIGN

    def make(self, spare: list[mmap.mmap] | None = None) -> tuple[Array, dict[str, Array]]:
        """The memory, and the arrays in it: zeros, or what spare memory holds."""
        memory = aligned(self._size, np.uint8, spare)
        return memory, {
            name: np.ndarray(shape, dtype, memory, offset, strides)
            for name, (shape, dtype, offset, strides) in self._places.items()
        }
