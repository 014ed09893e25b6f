"""One thread for what requests ask to be computed: one job at a time, few waiting, behind the training in priority."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
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
        self._jobs: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue(WAITING)
        threading.Thread(target=self._work, name="schuss-page-work", daemon=True).start()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """The job's result to come. Busy if too many wait already."""
        future: Future[Any] = Future()
        try:
            self._jobs.put_nowait((future, job))
        except queue.Full:
            raise Busy("too many pictures are being computed; ask again in a moment") from None
        return future

    def _work(self) -> None:
        behind()
        while True:
            future, job = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # it belongs to whoever asked
                future.set_exception(error)


def behind() -> None:
    """Let this thread give way to the training's threads where both want a core (Linux has priorities of threads)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
