"""Steering a run while it goes on: pause, resume, single steps, stop, another learning rate."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from schuss.errors import UsageError

Request = tuple[str, float | None]
"""What was asked for, and with it the rate for "lr"."""


class Control:
    """What `fit(..., control=control)` obeys. Its methods may be called from any thread, at any time.

    The run looks at it between slices of steps, about 12 times a second; what is asked for happens then and is recorded
    in `run.changes`. What is asked for before a run begins waits for it. A control steers one run at a time, and is as
    new when that has ended. Raises UsageError for arguments out of range.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._no_rate: str | None = None  # why the running optimizer's rate cannot be changed
        self._clear()

    def _clear(self) -> None:
        self._paused = False
        self._granted = 0  # steps that may be done although the run is paused
        self._reason: str | None = None
        self._requests: list[Request] = []

    # -- for whoever steers --------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether the run is, or is about to be, paused; also while single steps are done."""
        return self._paused

    def pause(self) -> None:
        """Wait after the slice that is being computed, until `resume`, `step` or `stop`."""
        with self._changed:
            if not self._paused:
                self._ask("pause")
            self._paused, self._granted = True, 0

    def resume(self) -> None:
        """Go on after a pause."""
        with self._changed:
            if self._paused:
                self._ask("resume")
            self._paused, self._granted = False, 0

    def step(self, count: int = 1) -> None:
        """Do so many steps (of one batch each), then be paused."""
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise UsageError(f"step: count must be a whole number of at least 1, got {count!r}")
        with self._changed:
            self._paused, self._granted = True, self._granted + int(count)
            self._ask("step")

    def stop(self, reason: str = "stopped by hand") -> None:
        """End the run after the slice that is being computed; `run.stopped` will be the reason."""
        if not isinstance(reason, str) or not reason:
            raise UsageError(f"stop: the reason must be a text, got {reason!r}")
        with self._changed:
            if self._reason is None:
                self._ask("stop")
            self._reason = self._reason or reason

    def set_rate(self, lr: float) -> None:
        """Use this learning rate from the next slice on. A schedule goes on in proportion: it is multiplied by a factor
        that makes its value at that step `lr`.

        UsageError if the optimizer that runs is one of the user's own without the state "lr_factor".
        """
        if isinstance(lr, bool) or not isinstance(lr, (int, float, np.number)) or not 0.0 <= float(lr) < math.inf:
            raise UsageError(f"set_rate: the learning rate must be a number of at least 0, got {lr!r}")
        with self._changed:
            if self._no_rate is not None:
                raise UsageError(f"set_rate: {self._no_rate}")
            if self._requests and self._requests[-1][0] == "lr":  # a slider that is dragged: only its last place counts
                self._requests.pop()
            self._ask("lr", float(lr))

    def _ask(self, what: str, value: float | None = None) -> None:
        self._requests.append((what, value))
        self._changed.notify_all()

    # -- for the run -----------------------------------------------------------------------------------

    def attach(self, no_rate: str | None) -> None:
        """A run is about to use it. no_rate: why `set_rate` is impossible, None if it is not.

        UsageError if a rate was asked for already that is impossible.
        """
        with self._changed:
            self._no_rate = no_rate
            if no_rate is not None and any(what == "lr" for what, _ in self._requests):
                self._requests = [r for r in self._requests if r[0] != "lr"]
                raise UsageError(f"set_rate: {no_rate}")

    def detach(self) -> None:
        """The run has ended."""
        with self._changed:
            self._no_rate = None
            self._clear()

    def take(self) -> list[Request]:
        """What was asked for since the last look, in order."""
        with self._changed:
            taken, self._requests = self._requests, []
        return taken

    @property
    def reason(self) -> str | None:
        """Why to stop, if that was asked for."""
        return self._reason

    @property
    def holds(self) -> bool:
        """Whether the run must wait."""
        return self._paused and self._granted == 0 and self._reason is None

    def limit(self, count: int) -> int:
        """How many of so many steps may be done now."""
        with self._changed:
            return min(count, self._granted) if self._paused and self._granted else count

    def did(self, count: int) -> None:
        """So many steps were done."""
        with self._changed:
            self._granted = max(0, self._granted - count)

    def wait(self, seconds: float) -> None:
        """Until something is asked for, or the time is up."""
        with self._changed:
            if self.holds and not self._requests:
                self._changed.wait(seconds)


def check_control(given: Any) -> Control | None:
    """UsageError for anything but a Control or None."""
    if given is not None and not isinstance(given, Control):
        raise UsageError(f"fit: control must be a schuss.Control, got {type(given).__name__}")
    return given


__all__ = ["Control"]
