"""SIGINT and SIGTERM until a command has its own way to stop: none is lost, wherever the command is."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

LOOK = 0.1  # seconds between two looks whether a signal's exception is still on its way


class Terminated(BaseException):
    """SIGTERM, before the command could say what is to be kept."""


class Signals:
    """Handlers that end the command where it is, by KeyboardInterrupt and Terminated.

    Python raises what a handler raises wherever the main thread is. In a `__del__`, in a weakref's callback (the import
    system has one for each module), in a library's bare `except`, or where `compile` folds constants, it is swallowed.
    So a thread looks after it: once it is no longer on its way, though the command goes on, the signal is sent again,
    to whatever handler there is by then.
    """

    def __init__(self) -> None:
        self._raised: BaseException | None = None
        self._looking, self._over = False, False

    def begin(self) -> None:
        """Set the handlers; called in the main thread. A SIGINT that is ignored, as that of a shell's job, stays so."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)
        sys.unraisablehook = self._unraisable

    def end(self) -> None:
        """The command has ended, by a signal or otherwise: none is sent again."""
        self._over = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._raised = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        if not self._looking:
            self._looking = True
            _thread.start_new_thread(
                self._look_after, (number,)
            )  # threading's locks may be held where the handler runs
        raise self._raised

    def _look_after(self, number: int) -> None:
        main = threading.main_thread().ident or 0
        while True:
            time.sleep(LOOK)
            handled: Any = sys._current_exceptions().get(main)
            error = handled[1] if isinstance(handled, tuple) else handled  # a tuple up to Python 3.11
            if self._over or not self._is_behind(error):
                break
        self._looking = False
        if not self._over:
            _thread.interrupt_main(signal.Signals(number))

    def _is_behind(self, error: BaseException | None) -> bool:
        """Whether an exception that is being handled is the signal's, or came of it."""
        ahead, seen = [error], set[int]()  # chains may be circles
        while ahead:
            error = ahead.pop()
            if error is None or id(error) in seen:
                continue
            if error is self._raised:
                return True
            seen.add(id(error))
            ahead += [error.__cause__, error.__context__]
        return False

    def _unraisable(self, found: Any) -> None:
        """What Python swallows is told on stderr; nobody need hear of a signal, which comes again."""
        if not isinstance(found.exc_value, (KeyboardInterrupt, Terminated)):
            sys.__unraisablehook__(found)
