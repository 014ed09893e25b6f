"""schuss train --watch: the page of a run, beside its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schuss.cli.pages import show, stay
from schuss.train.position import Progress
from schuss.train.trainer import Trainer
from schuss.web.live import Live
from schuss.web.server import Page


class Watched:
    """The page of a trainer's run, open from now on.

    name  of the data; test: their test rows, as the trainer's columns. UsageError if the port is taken
    """

    def __init__(
        self, trainer: Trainer, name: str, test: Mapping[str, Any], port: int = 0, opened: bool | None = None
    ) -> None:
        assert trainer.control is not None
        self._live = Live(trainer, trainer.control, name, test)
        self._page = Page(self._live, port, calm=not trainer.loop.by_numpy).start()
        self._live.start()
        show(self._page, opened)

    def beside(self, bar: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """What the trainer calls after each slice: the bar, and a note for the page."""
        note = self._live.progress

        def both(at: Progress) -> None:
            note(at)
            bar(at)

        return both

    def finish(self) -> None:
        """The run has ended, well or not."""
        self._live.finish()

    def stop(self) -> None:
        """Close the page."""
        self._page.stop()

    def stay(self, leave: bool) -> int:
        """Keep the page until Ctrl-C, unless that came already; the exit code."""
        return stay(self._page, "training has ended, the page stays", leave)
