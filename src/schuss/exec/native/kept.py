"""What is made when it is first needed, by a key, and kept: the code of a function for each length."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from schuss.forks import renew

KEPT = 16  # values at once
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Entry(Generic[V]):
    """The place of one value, and the lock of who makes it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: list[V] = []


class Kept(Generic[K, V]):
    """Up to KEPT values, of which the one first asked for goes when another is needed.

    Of threads that need the same value one makes it and the others wait; who needs another one does not.
    """

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._entries: dict[K, _Entry[V]] = {}
        renew(self)
        self.renew_locks()

    def renew_locks(self) -> None:
        """Now, and in a forked child, in which nobody goes on making what was not made."""
        self._lock = threading.Lock()
        self._entries = {key: entry for key, entry in self._entries.items() if entry.made}
        for entry in self._entries.values():
            entry.lock = threading.Lock()

    def __getitem__(self, key: K) -> V:
        """The value of a key, made now if it is not there. What making raises is raised, and tried again next time."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entry(key)
        if not entry.made:
            with entry.lock:
                if not entry.made:
                    entry.made.append(self._make(key))
        return entry.made[0]

    def _entry(self, key: K) -> _Entry[V]:
        with self._lock:
            if key not in self._entries and len(self._entries) >= KEPT:
                del self._entries[next(iter(self._entries))]
            return self._entries.setdefault(key, _Entry())

    def items(self) -> list[tuple[K, V]]:
        """What there is, those first asked for first."""
        return [(key, value) for key, entry in self._entries.items() for value in entry.made]
