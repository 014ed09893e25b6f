"""Ctrl-C and SIGTERM as something a run looks at between slices, so that it stops whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any


class Interrupts:
    """While it is entered the signals set `caught`, which the run sees at its next slice; a second one is a
    KeyboardInterrupt at once. Handlers can be set in the main thread only: elsewhere nothing happens.

    signals   the numbers
    replaces  handlers that may be replaced; None for any. Another handler, the caller's own, stays
    """

    def __init__(self, signals: Iterable[int], replaces: Iterable[Any] | None = None) -> None:
        self.caught: int | None = None
        self._signals = tuple(signals)
        self._replaces = None if replaces is None else list(replaces)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                if self._replaces is None or signal.getsignal(number) in self._replaces:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            raise KeyboardInterrupt
        self.caught = number

    def reason(self) -> str | None:
        """Why the run must stop, if it must."""
        return None if self.caught is None else f"signal {self.caught}"


__all__ = ["Interrupts"]
