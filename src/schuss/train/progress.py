"""The live line of a run: on stderr where that is a terminal, and in notebooks; redrawn by time."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from schuss.train.position import Progress

REDRAW = 0.1  # seconds; a run that is over before shows nothing


class Bar:
    """A progress bar with loss, accuracy, examples a second and time left; silent where it would be noise.

    Called with where the run is, after each slice of steps.

    unit  what the run is told in
    """

    def __init__(self, shown: bool = True, unit: str = "epoch") -> None:
        self._line = _line() if shown else None
        self._unit = unit
        self._start = self._drawn = 0.0
        self._first: int | None = None

    @property
    def shown(self) -> bool:
        """Whether anybody sees it."""
        return self._line is not None

    def __enter__(self) -> Bar:
        self._drawn = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        if self._line is not None:
            self._line.stop()

    def __call__(self, at: Progress) -> None:
        """Show where the run is, unless it was shown a moment ago."""
        now = time.perf_counter()
        done = at.epoch * at.steps + at.step
        if self._first is None:
            self._first, self._start = done, now
        if self._line is None or now - self._drawn < REDRAW:
            return
        self._drawn = now
        rows = (done - self._first) * at.examples / max(at.step, 1)
        accuracy = at.means.get("accuracy")
        self._line.show(
            done,
            at.epochs * at.steps,
            place=f"{self._unit} {min(at.epoch + 1, at.epochs)}/{at.epochs}",
            loss=f"{at.means.get('loss', float('nan')):.4f}",
            accuracy="" if accuracy is None else f"  accuracy {accuracy * 100:.2f} %",
            speed=f"{rows / max(now - self._start, 1e-9):,.0f}",
            rates=_rates(at.rates),
        )


def _rates(rates: Mapping[str, float | None]) -> str:
    """The learning rates, where there are several."""
    if len(rates) < 2:
        return ""
    return "  " + "  ".join(f"{name} {rate:.3g}" for name, rate in rates.items() if rate is not None)


class _Terminal:
    """rich's bar, gone when the run is over."""

    def __init__(self) -> None:
        self._bar: Any = None

    def show(self, done: int, total: int, **fields: str) -> None:
        if self._bar is None:
            self._begin(total, fields)
        self._bar.update(self._task, completed=done, **fields)
        self._bar.refresh()

    def _begin(self, total: int, fields: dict[str, str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        columns = (
            TextColumn("{task.fields[place]}"),
            BarColumn(bar_width=24),
            TextColumn("loss {task.fields[loss]}{task.fields[accuracy]}{task.fields[rates]}"),
            TextColumn("{task.fields[speed]} examples/s"),
            TimeRemainingColumn(compact=True),
        )
        # What callbacks print to a terminal goes above the bar; what they print to a file must go on into it.
        self._bar = Rich(
            *columns,
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
            redirect_stdout=_is_tty(sys.stdout),
        )
        self._task = self._bar.add_task("", total=total, **fields)
        self._bar.start()

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


class _Notebook:
    """A line of text that is updated in place and stays."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, done: int, total: int, **fields: str) -> None:
        line = "{place}  loss {loss}{accuracy}{rates}  {speed} examples/s".format(**fields)
        shown = {"text/plain": f"{done / total:4.0%}  {line}"}
        if self._handle is None:
            from IPython.display import display

            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def stop(self) -> None:
        pass


def _line() -> _Terminal | _Notebook | None:
    if _in_notebook():
        return _Notebook()
    return _Terminal() if _is_tty(sys.stderr) else None


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _is_tty(stream: Any) -> bool:
    """Streams may be None, closed, or a replacement with no isatty."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


__all__ = ["Bar"]
