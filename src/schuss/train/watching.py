"""The page beside a run of `fit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from schuss.dispatch import BEGIN_PAGE
from schuss.train.position import Progress
from schuss.train.progress import Bar
from schuss.train.trainer import Trainer


@contextmanager
def watched(trainer: Trainer, bar: Bar) -> Iterator[Callable[[Progress], Any] | None]:
    """What the trainer calls after each slice: the bar, and a note for the page where `watch` asks for one; None where
    nobody would see it.

    UsageError if what the page needs is not installed.
    """
    if not trainer.options.watch:
        yield bar if bar.shown else None
        return
    live = BEGIN_PAGE(trainer)

    def both(at: Progress) -> None:
        live.progress(at)
        bar(at)

    try:
        yield both
    finally:
        live.finish()


__all__ = ["watched"]
