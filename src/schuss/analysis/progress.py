"""A bar for work that takes seconds: on stderr, and only on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Report = Callable[[int, int], Any] | Literal[False] | None
QUIET = 0.5  # seconds before a bar is shown: quick work needs none
REDRAW = 0.1  # seconds


def counted(items: Iterable[T], total: int, progress: Report, what: str) -> Generator[T, None, None]:
    """The items as they are taken, with the work on them shown.

    progress  None: a bar on stderr if that is a terminal; a function: called with (done, total); False: nothing
    """
    report = _Bar(what) if progress is None and sys.stderr is not None and sys.stderr.isatty() else progress or None
    try:
        for done, item in enumerate(items):
            if report is not None and done:
                report(done, total)
            yield item
        if report is not None:
            report(total, total)
    finally:
        if isinstance(report, _Bar):
            report.close()


class _Bar:
    """A bar of rich's, drawn by time."""

    def __init__(self, what: str) -> None:
        self._what, self._bar = what, None
        self._start = self._drawn = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if now - self._start < QUIET or now - self._drawn < REDRAW:
            return
        if self._bar is None:
            self._open(total)
        self._drawn = now
        self._bar.update(self._task, completed=done)  # type: ignore[attr-defined]
        self._bar.refresh()  # type: ignore[attr-defined]

    def _open(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
        bar: Any = Progress(
            *columns,
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
        )
        bar.start()
        self._bar, self._task = bar, bar.add_task(self._what, total=total)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
