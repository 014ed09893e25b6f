"""Locks in a child process: one that a thread held at the fork stays held there, by a thread that the child has not.

What has locks of its own is named to `renew`, and gets new ones in each child. A lock that guards what must be whole,
as LLVM's state, is held across the fork instead (`keep_whole`): the fork waits for the thread that has it.
"""

from __future__ import annotations

import os
import weakref
from typing import Any, Protocol


class _Owner(Protocol):
    def renew_locks(self) -> None: ...


_owners: weakref.WeakSet[Any] = weakref.WeakSet()


def renew(owner: _Owner) -> None:
    """owner.renew_locks() is called in each forked child, as long as the owner lives."""
    _owners.add(owner)


def keep_whole(lock: Any) -> None:
    """A fork waits for this lock and frees it on both sides. Of two, the one taken last in code is named first."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


def _in_child() -> None:
    for owner in list(_owners):
        owner.renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
