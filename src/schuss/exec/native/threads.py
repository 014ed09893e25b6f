"""Teams of threads that run one native call together.

Python threads, asleep between calls; the native call releases the GIL. After a fork the child starts
with none and makes its own.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

from schuss.exec.machine import told
from schuss.exec.native.stop import Stop

LOOK = 0.1  # seconds between two looks of a caller that only waits
_limit: ContextVar[int | None] = ContextVar("threads", default=None)


def available_cores() -> int:
    """Cores this process may use: its affinity, limited by its control group's quota."""
    known = told("cores")
    if known is not None:
        return known
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this platform
        cores = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cores, math.ceil(quota))) if quota else cores


@contextlib.contextmanager
def at_most(threads: int | None) -> Iterator[None]:
    """While it is entered, what this thread calls shares its work among no more than so many threads; None: among those
    it would. For what is called through many hands, and for functions that were compiled before."""
    if threads is None:
        yield
        return
    token = _limit.set(allowed(threads))
    try:
        yield
    finally:
        _limit.reset(token)


def allowed(threads: int) -> int:
    """So many threads, or as few as `at_most` allows here."""
    limit = _limit.get()
    return threads if limit is None else min(threads, limit)


CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def _cgroup_quota() -> float | None:
    """CPUs' worth of time the control groups grant this process, the least of its own and all above it; None if
    unlimited or unknown."""
    quotas = [q for folder in _cgroups() if (q := _quota_v2(folder) or _quota_v1(folder)) is not None]
    return min(quotas, default=None)


def _cgroups() -> list[Path]:
    """The folders of the control groups (v2, then v1) this process is in, and of those above them."""
    try:
        lines = [line.split(":", 2) for line in OWN_CGROUP.read_text().splitlines()]
    except OSError:
        lines = []
    found = [CGROUPS, CGROUPS / "cpu"]
    for line in lines:
        if len(line) == 3 and (not line[1] or "cpu" in line[1].split(",")):
            root = CGROUPS / "cpu" if line[1] else CGROUPS
            # Beyond a namespace the path begins with dots.
            own = Path(os.path.normpath("/" + line[2].lstrip("/"))).relative_to("/")
            found += [root / part for part in (own, *own.parents)]
    return list(dict.fromkeys(found))


def _quota_v2(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        limit, period = (folder / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    return None


def _quota_v1(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    return None


class Team:
    """`size` threads, the caller's among them as number 0."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._wake = [threading.Lock() for _ in range(size - 1)]
        self._done = [threading.Lock() for _ in range(size - 1)]
        self._finished = [0] * (size - 1)  # by each thread: the number of the last run it has done
        self._runs = 0
        self._task: Callable[[int], None] | None = None
        self._errors: list[BaseException] = []
        for number in range(size - 1):
            self._wake[number].acquire()
            self._done[number].acquire()
        try:
            for number in range(size - 1):
                threading.Thread(target=self._work, args=(number,), name=f"schuss-{number + 1}", daemon=True).start()
        except RuntimeError:
            self.close()
            raise

    def _work(self, number: int) -> None:
        while True:
            self._wake[number].acquire()
            if self._task is None:
                return
            if self._finished[number] == self._runs:  # roused more than once
                continue
            try:
                self._task(number + 1)
            except BaseException as error:
                self._errors.append(error)
            self._finished[number] = self._runs
            with contextlib.suppress(RuntimeError):  # a caller that saw the number above did not take the lock
                self._done[number].release()

    def run(self, task: Callable[[int], None], stop: Stop | None = None) -> None:
        """task(0) here and task(1) .. task(size-1) on the others; returns when all have. The first error is raised.

        stop: what the others look at; it is told when anything is raised here, and asks while they are waited for.
        """
        self._task = task
        self._errors = []
        self._runs += 1
        raised: BaseException | None = None
        begun = False
        # An interrupt may come anywhere, and is raised in the end: nobody may work on what others free, and where they
        # meet at barriers, who has not begun would be missed.
        while True:
            try:
                if raised is not None and stop is not None:
                    stop.tell()
                if not begun:
                    self._rouse()
                    begun = True
                    task(0)
                self._wait(stop)
                break
            except BaseException as error:
                raised = error
        if raised is not None:
            raise raised
        if self._errors:
            raise self._errors[0]

    def _rouse(self) -> None:
        """Wake all others; who has done this run sleeps on."""
        for wake in self._wake:
            with contextlib.suppress(RuntimeError):  # it was, and has not seen it yet
                wake.release()

    def _wait(self, stop: Stop | None) -> None:
        """Until all others are done."""
        for number, done in enumerate(self._done):
            while self._finished[number] != self._runs:
                if stop is not None:
                    stop.look()
                done.acquire(timeout=-1 if stop is None else LOOK)

    def close(self) -> None:
        """Let the threads end."""
        self._task = None
        self._rouse()


_idle: dict[tuple[int, int], list[Team]] = {}  # by size and the niceness their threads have
_lock = threading.Lock()


def run_beside(size: int, task: Callable[[int], None], stop: Stop, alone: Callable[[], None] | None = None) -> None:
    """run_team, on other threads than the caller's, which only waits and, where it is interrupted, tells `stop`."""

    def beside(thread: int) -> None:
        if thread:
            task(thread - 1)

    def all_here() -> None:
        for number in range(size):
            task(number)

    run_team(size + 1, beside, alone or all_here, stop)


def run_team(
    size: int, task: Callable[[int], None], alone: Callable[[], None] | None = None, stop: Stop | None = None
) -> None:
    """task(0) .. task(size-1) at once. Teams are kept for the next one who asks; callers never share one.

    alone  the same work by one thread, for tasks that wait for each other, where the system starts no more threads:
           others are done one after the other then
    stop   told as soon as the caller is interrupted
    """
    kind = (size, _niceness())
    with _lock:
        spare = _idle.setdefault(kind, [])
        team = spare.pop() if spare else None
    try:
        team = team or Team(size)
    except RuntimeError as error:  # can't start new thread
        warnings.warn(f"{error}: one thread does the work of {size}; raise the limit (ulimit -u)", RuntimeWarning, 2)
        if alone is not None:
            alone()
        else:
            for number in range(size):
                task(number)
        return
    try:
        team.run(task, stop)
    finally:
        with _lock:
            _idle.setdefault(kind, []).append(team)


def _niceness() -> int:
    """Of the calling thread: on Linux the threads it makes inherit it, and one that gives way must not serve others."""
    return os.getpriority(os.PRIO_PROCESS, 0) if sys.platform == "linux" else 0


def _after_fork() -> None:
    """Threads do not survive a fork, and the lock may have been held."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
