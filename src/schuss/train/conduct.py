"""A trainer's run from its begin to its end, as `fit` shows it: the progress line, Ctrl-C, the checkpoint."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schuss import nn
from schuss.errors import NonFiniteError
from schuss.train.checkpoint import Checkpoint, check_place
from schuss.train.control import BY_HAND
from schuss.train.interrupts import Interrupts
from schuss.train.position import Progress
from schuss.train.progress import Bar
from schuss.train.run import Run
from schuss.train.schedules import check_schedules
from schuss.train.settings import settings
from schuss.train.trainer import Trainer
from schuss.train.watching import watched

DEFAULTS = (signal.default_int_handler, signal.SIG_DFL)  # a caller's own handlers of signals stay


def checkpoint_of(trainer: Trainer, path: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint of a run of fit."""
    own = trainer.options.checkpoint
    same = own is not None and Path(own).resolve() == Path(path).resolve()  # where there is none a run begins
    other = "give another file or folder for the checkpoint" if same else "leave resume out, with another checkpoint"
    return Checkpoint(path, settings(trainer), f"use the same settings and data, or {other}")


def ready(trainer: Trainer, before: str | os.PathLike[str] | None = None) -> Trainer:
    """The trainer, after the last checks of its run. Only then the model gets the run's signature: one that is refused
    changes nothing.

    before  the checkpoint of the run that it goes on with, which may be replaced
    """
    if trainer.options.checkpoint is not None:
        kept = checkpoint_of(trainer, trainer.options.checkpoint)
        check_place(kept.path, "the checkpoint")
        own = before is not None and Path(before).resolve() == kept.path.resolve()
        kept.check_replaceable(f"resume={str(kept.path)!r}", "checkpoint=", "fit: ", own)
    steps = trainer.options.epochs * trainer.steps
    check_schedules(trainer.task, trainer.options, steps, trainer.graphs.looked)
    trainer.rates.check_sign(trainer.position.counter, steps, trainer.arrays)
    _ = trainer.loop  # compiled, and its data looked at
    if trainer.signature is not None:
        nn.set_signature(trainer.task.model, trainer.signature)
    return trainer


def conduct(trainer: Trainer) -> Run:
    """The run, ready, to its end.

    Ctrl-C stops it after the slice that is being computed, or gives that up (train/hurry.py): the model then has its
    weights, and the KeyboardInterrupt that is raised has the run so far as `run`. With a checkpoint SIGTERM does, too,
    before it takes its course.
    """
    signals = (signal.SIGINT, signal.SIGTERM) if trainer.options.checkpoint is not None else (signal.SIGINT,)
    with (
        Interrupts(signals, DEFAULTS) as interrupts,
        Bar(trainer.options.progress) as bar,
        watched(trainer, bar) as look,
    ):
        run = to_end(trainer, look, interrupts.reason)
    if interrupts.caught == signal.SIGTERM:
        signal.raise_signal(signal.SIGTERM)
    if interrupts.caught is not None:
        raise _interrupted(trainer)
    return run


def to_end(trainer: Trainer, look: Callable[[Progress], Any] | None, stop: Callable[[], str | None]) -> Run:
    """The run to its end, with its checkpoint. A run that was told to stop may go on from there."""
    place, begun = trainer.options.checkpoint, trainer.position.counter > 0
    kept = None if place is None else checkpoint_of(trainer, place)
    try:
        run = trainer.train(look, stop, kept.hook(trainer) if kept else lambda ended: None)
    except NonFiniteError:
        if kept:
            kept.save_blown_up(trainer, begun)
        raise
    if kept:
        done = run.epochs >= trainer.options.epochs
        kept.save(trainer, ended=done or (stop() is None and run.stopped != BY_HAND))
    return run


def _interrupted(trainer: Trainer) -> KeyboardInterrupt:
    at = trainer.position
    error = KeyboardInterrupt(
        f"fit was stopped at epoch {at.epoch + 1}, step {at.step} of {trainer.steps}; the model has the weights, and "
        "this exception's `run` the history (run.resume() goes on)"
    )
    error.run = trainer.run  # type: ignore[attr-defined]
    return error


__all__ = ["DEFAULTS", "checkpoint_of", "conduct", "ready", "to_end"]
