"""Memory between pages that no one may touch, for native code to run in: a read or write outside ends the process.

    with separate(): compiled = NativeExecutor(1).compile(graph)    values do not lie side by side in an arena
    with guarded("end"): compiled(arrays)                           each ends where a forbidden page begins
    with guarded("begin"): compiled(arrays)                         each begins where one ends

It holds for everything native code is given: inputs, outputs, constants, state, data, the order of the examples. For
processes of their own; `tests/guard_cases.py` is such a one.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar
from unittest import mock

import numpy as np

from schuss.compiler import pipeline
from schuss.compiler.schedule import buffers as memory
from schuss.compiler.schedule.buffers import Place
from schuss.compiler.storage import ITEMSIZE, Storage
from schuss.exec.native import table
from schuss.ir.types import Sym

PAGE = mmap.PAGESIZE
SIDES = ("end", "begin")
SIZES: dict[memory.Plan, dict[int, int]] = {}  # of a plan, bytes of each slot behind the others
_protect = ctypes.CDLL(None).mprotect


def room(size: int, side: str) -> np.ndarray:
    """Bytes between forbidden pages, at the one of this side."""
    whole = -(-size // PAGE) * PAGE
    block = np.frombuffer(mmap.mmap(-1, whole + 2 * PAGE), np.uint8)
    for page in (0, PAGE + whole):
        assert _protect(ctypes.c_void_p(block.ctypes.data + page), PAGE, 0) == 0
    start = PAGE + (whole - size if side == "end" else 0)
    return block[start : start + size]


def at_the(side: str, array: np.ndarray) -> np.ndarray:
    """A copy that lies as the array does, at a forbidden page."""
    memory = room(_extent(array), side)
    copy = np.ndarray(array.shape, array.dtype, memory, 0, array.strides)
    copy[...] = array
    return copy


def _extent(array: np.ndarray) -> int:
    """Bytes from the first element to the end of the last."""
    return (
        sum((d - 1) * s for d, s in zip(array.shape, array.strides, strict=True)) + array.itemsize if array.size else 0
    )


class _Arena(memory._Arena):
    """Each value has a place of its own for good, as far from the others as it likes: they are told apart by it."""

    made: ClassVar[list[_Arena]] = []

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.made.append(self)

    def take(self, owner: Any, size: int) -> int:
        at = len(self.sizes)
        self.sizes[at] = size
        return at

    def give(self, owner: Any) -> None:
        pass


def _exact(self: Storage, node: Any) -> int:
    """Bytes of a value up to the end of its last element."""
    shape = tuple(self.capacity if isinstance(d, Sym) else d for d in node.type.shape)
    last = sum((d - 1) * s for d, s in zip(shape, self.strides(node), strict=True)) + 1
    return (last if math.prod(shape) else 0) * ITEMSIZE[node.type.dtype]


def _planned(*arguments: Any) -> memory.Plan:
    """The plan, each value of the arena in a slot of its own, behind all others."""
    made = memory.place(*arguments)
    first = 1 + len(made.slots) + bool(made.faults)

    def own(place: Place) -> Place:
        return replace(place, slot=first + place.offset, offset=0) if place.slot == 0 else place

    places = {node: own(place) for node, place in made.places.items()}
    workspaces = {group: own(place) for group, place in made.workspaces.items()}
    made = replace(made, places=places, workspaces=workspaces)
    SIZES[made] = {first + at: size for at, size in _Arena.made.pop().sizes.items()}
    return made


@contextlib.contextmanager
def separate() -> Iterator[None]:
    """Programs made inside may be run guarded."""
    with (
        mock.patch.object(memory, "_Arena", _Arena),
        mock.patch.object(Storage, "bytes", _exact),
        mock.patch.object(pipeline, "place", _planned),
    ):
        yield


@contextlib.contextmanager
def guarded(side: str) -> Iterator[None]:
    """Programs run inside are guarded on this side of every value. They must have been made by `separate`."""
    plain = table.Table.run

    def run(self: table.Table, order: Any, *rest: Any) -> int:
        sizes = SIZES[self._code.plan]
        places = {slot: room(size, side) for slot, size in sizes.items()}
        copies = {slot: at_the(side, array) for slot, array in self._kept.items() if slot}
        pointers = np.zeros(1 + max([*copies, *places, 0]), np.uintp)
        for slot, array in (copies | places).items():
            pointers[slot] = array.ctypes.data
        before, self._addresses = self._addresses, (pointers.ctypes.data, *self._addresses[1:])
        try:
            done = plain(self, None if order is None else at_the(side, order), *rest)
        finally:
            self._addresses = before
        for slot, copy in copies.items():
            if self._kept[slot].flags.writeable:
                self._kept[slot][...] = copy
        return done

    with mock.patch.object(table.Table, "run", run):
        yield
