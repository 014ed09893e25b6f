"""Which rows come when: the epoch's shuffle and the validation split, both functions of a key alone."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

import numpy as np
import numpy.typing as npt

from schuss.errors import UsageError
from schuss.ops.philox import FOLD_STREAM, UInt32, random_bits, random_bits_of_steps

Indices = npt.NDArray[np.int64]

# The streams just below fold_in's; a graph's own random ops count theirs from 0.
SHUFFLE_STREAM = FOLD_STREAM - 1
SPLIT_STREAM = FOLD_STREAM - 2
WORTH_A_THREAD = 4096  # rows below which their order takes less time than starting a thread
ROWS_AT_ONCE = 1 << 13  # of small tables, whose orders are made together
ROWS_AHEAD = 1 << 18  # whose order is made in advance at most, if one epoch has no more: 2 MB


def epoch_order(n: int, key: UInt32, epoch: int) -> Indices:
    """The order int64 (n,) in which an epoch visits its n rows: the stable sort by 32 random bits a row.

    Row i's bits are word i of random_bits(key, SHUFFLE_STREAM, epoch, n): equal on every machine. Two rows that
    draw the same bits, some n^2 / 2^33 pairs, keep their order.
    """
    return _shuffled(n, key, SHUFFLE_STREAM, epoch)


def epoch_orders(n: int, key: UInt32, first: int, count: int) -> npt.NDArray[np.int64]:
    """epoch_order of so many epochs from the first on, int64 [count, n]: of few rows they take less time together."""
    return _sorted(random_bits_of_steps(key, SHUFFLE_STREAM, first, count, n))


class Orders:
    """The epochs' orders one after the other, the next ones made by a thread of its own while an epoch is trained on.

    Sorting 20,000 rows takes a quarter of the time of an epoch whose steps take 4 us. Short epochs' orders are made
    many at a time: beside a busy neighbour a thread waits a time slice for its core, longer than such an epoch. Those
    of a few thousand rows are made without a thread, many at once.

    beside  False: no thread makes them ahead, as where every core has work
    """

    def __init__(self, n: int, key: UInt32, epochs: int, beside: bool = True) -> None:
        self._n, self._key, self._epochs, self._beside = n, key, epochs, beside and n >= WORTH_A_THREAD
        self._ahead = max(1, ROWS_AHEAD // n)
        self._made: dict[int, Indices] = {}
        self._thread: Thread | None = None

    def __call__(self, epoch: int) -> Indices:
        """epoch_order of the epoch. The next ones are begun when half of those made ahead are used up."""
        if epoch not in self._made and self._thread is not None:
            self._thread.join()  # at once after a fork, where the thread is not
        order = self._made.pop(epoch, None)
        if order is None and self._n < WORTH_A_THREAD:
            some = max(1, min(ROWS_AT_ONCE // self._n, self._epochs - epoch))
            order, *others = epoch_orders(self._n, self._key, epoch, some)
            self._made = dict(enumerate(others, epoch + 1))
        elif order is None:
            order = epoch_order(self._n, self._key, epoch)
        if self._beside and (self._thread is None or not self._thread.is_alive()):
            self._made = {e: made for e, made in self._made.items() if e > epoch}
            wanted = range(epoch + 1, min(epoch + 1 + self._ahead, self._epochs))
            missing = [e for e in wanted if e not in self._made]
            if 2 * len(missing) > len(wanted):
                thread = Thread(target=self._make, args=(missing,), name="schuss-order", daemon=True)
                with suppress(RuntimeError):  # no more threads to be had: each order is made when it is asked for
                    thread.start()
                    self._thread = thread
        return order

    def _make(self, epochs: list[int]) -> None:
        for epoch in epochs:
            self._made[epoch] = epoch_order(self._n, self._key, epoch)


def split_validation(n: int, fraction: float, key: UInt32) -> tuple[Indices, Indices]:
    """(training rows, validation rows) of n, each ascending: round(n * fraction) rows, but at least one if
    fraction > 0, are drawn without replacement for validation.

    Raises UsageError for a fraction outside [0, 1) and where no row would be left to train on.
    """
    if not 0 <= fraction < 1:
        raise UsageError(f"validation fraction must be in [0, 1), got {fraction}")
    held = max(1, round(n * fraction)) if fraction > 0 else 0
    if held >= n:
        raise UsageError(f"validation fraction {fraction} of {n} rows leaves none to train on")
    order = _shuffled(n, key, SPLIT_STREAM, 0)
    return np.sort(order[held:]), np.sort(order[:held])


def _shuffled(n: int, key: UInt32, stream: int, step: int) -> Indices:
    # A row's bits with its number below them: no two are equal, so that any sort will do, and numpy has a fast one.
    return _sorted(random_bits(key, stream, step, n))


def _sorted(bits: UInt32) -> Indices:
    """The order in which the last axis is sorted, stably."""
    keys = bits.astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= np.arange(bits.shape[-1], dtype=np.uint64)
    keys.sort(axis=-1)
    keys &= np.uint64(0xFFFFFFFF)
    return keys.view(np.int64)
