"""The page beside a run of `fit`. It lies above this package, and is loaded by its name when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from schuss.train.loop import Trainer
from schuss.train.position import Progress
from schuss.train.progress import Bar


@contextmanager
def watched(trainer: Trainer, bar: Bar) -> Iterator[Callable[[Progress], Any] | None]:
    """What the trainer calls after each slice: the bar, and a note for the page where `watch` asks for one; None where
    nobody would see it.

    UsageError if what the page needs is not installed.
    """
    if not trainer.options.watch:
        yield bar if bar.shown else None
        return
    live = import_module("schuss.web.watch").begin(trainer)

    def both(at: Progress) -> None:
        live.progress(at)
        bar(at)

    try:
        yield both
    finally:
        live.finish()


__all__ = ["watched"]
