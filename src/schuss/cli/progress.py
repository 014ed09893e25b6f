"""The live line of a run, on stderr and only on a terminal, redrawn by time."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from schuss.train.loop import Progress

REDRAW = 0.1  # seconds


class Bar:
    """A progress bar with loss, accuracy, examples a second and time left; silent where it would be noise."""

    def __init__(self, quiet: bool) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._start = self._drawn = 0.0
        self._first: int | None = None

    def __enter__(self) -> Bar:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Rich

            columns = (
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(bar_width=24),
                TextColumn("loss {task.fields[loss]}{task.fields[accuracy]}"),
                TextColumn("{task.fields[speed]} examples/s"),
                TimeRemainingColumn(compact=True),
            )
            self._bar = Rich(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, at: Progress) -> None:
        """Show where the run is, unless it was shown a moment ago."""
        now = time.perf_counter()
        if self._bar is None or now - self._drawn < REDRAW:
            return
        done = at.epoch * at.steps + at.step
        if self._first is None:
            self._first, self._start = done, now
            self._task = self._bar.add_task("", total=at.epochs * at.steps, epoch="", loss="", accuracy="", speed="")
        self._drawn = now
        rows = (done - self._first) * at.examples / max(at.step, 1)
        accuracy = at.means.get("accuracy")
        self._bar.update(
            self._task,
            completed=done,
            epoch=f"{min(at.epoch + 1, at.epochs)}/{at.epochs}",
            loss=f"{at.means.get('loss', float('nan')):.4f}",
            accuracy="" if accuracy is None else f"  accuracy {accuracy * 100:.2f} %",
            speed=f"{rows / max(now - self._start, 1e-9):,.0f}",
        )
        self._bar.refresh()
