"""How long whoever wants a run to stop waits for the step that is being computed."""

from __future__ import annotations

import time
from collections.abc import Callable

from schuss.train.control import Control

PATIENCE = 0.75  # seconds: steps that end sooner lose nothing


class Hurry:
    """Asked while large steps are computed (schuss.ir.executor.Loop.run): they are to be given up when a reason to
    stop, or to stand still, has been there for PATIENCE seconds.
    """

    def __init__(self, stop: Callable[[], str | None], control: Control) -> None:
        self._stop, self._control = stop, control
        self._since: float | None = None

    def __call__(self) -> bool:
        if self._since is None:
            if not (self._control.urgent or self._stop()):
                return False
            self._since = time.monotonic()
        return time.monotonic() - self._since >= PATIENCE


__all__ = ["Hurry"]
