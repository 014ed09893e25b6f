"""A bounded cache of compiled functions, safe to use from many threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from schuss.forks import renew
from schuss.nn.walk import Aside

T = TypeVar("T")


class CacheInfo(NamedTuple):
    """What a cache has done, as functools.lru_cache tells it."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class _Slot(Generic[T]):
    """One entry; its lock lets one thread make the value while the others that need it wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: T | None = None


class Cache(Aside, Generic[T]):
    """Keeps the `maxsize` values used last; a value is made once, however many threads ask for it."""

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._misses = 0
        renew(self)

    def renew_locks(self) -> None:
        """In a forked child: what a thread was making at the fork is made anew there."""
        self._lock = threading.Lock()
        for slot in list(self._slots.values()):
            slot.lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value for the key, made if it is not there. If make raises, nothing is kept."""
        slot = self._slot(key)
        if slot.value is None:
            with slot.lock:
                if slot.value is None:
                    slot.value = make()
        return slot.value

    def _slot(self, key: Hashable) -> _Slot[T]:
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            if slot.value is None:
                self._misses += 1
            else:
                self._hits += 1
            while len(self._slots) > self.maxsize:
                self._slots.popitem(last=False)
            return slot

    def info(self) -> CacheInfo:
        """Hits, misses, bound and size."""
        with self._lock:
            size = sum(slot.value is not None for slot in self._slots.values())
            return CacheInfo(self._hits, self._misses, self.maxsize, size)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._slots.clear()
            self._hits = self._misses = 0
