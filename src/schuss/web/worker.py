"""One thread for what requests ask to be computed: one job at a time, few waiting, behind the training in priority."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from schuss.errors import UsageError

WAITING = 8
NICENESS = 10


class Busy(UsageError):
    """Too much has been asked for at once."""


class Worker:
    """Runs jobs in a daemon thread, so that a long one never holds up the end of the process."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._work, name="schuss-page-work", daemon=True).start()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """The job's result to come. Busy if too many wait already, or the page is being closed."""
        future: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise Busy("the page is being closed")
            if len(self._jobs) >= WAITING:
                raise Busy("too many pictures are being computed; ask again in a moment")
            self._jobs.append((future, job))
            self._changed.notify()
        return future

    def close(self) -> None:
        """End the thread after the job it is at; those that wait are told so."""
        with self._changed:
            self._closed = True
            waiting = list(self._jobs)
            self._jobs.clear()
            self._changed.notify()
        for future, _ in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(Busy("the page is being closed"))

    def _work(self) -> None:
        behind()
        while self._one():
            pass

    def _one(self) -> bool:
        """Do the next job; whether there may be another one. Nothing of a job is held on to after it."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if self._closed:
                return False
            future, job = self._jobs.popleft()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(job())
            except BaseException as error:  # it belongs to whoever asked
                future.set_exception(error)
        return True


def behind() -> None:
    """Let this thread give way to the training's threads where both want a core (Linux has priorities of threads)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
