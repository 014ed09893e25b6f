"""Checkpoints: a run on disk, so that it can go on bit for bit after anything, a kill included.

The file beside the model holds every array of the run (weights, optimizer state, metric sums, random key, best
weights) and its position (epoch, step, history, changes made by hand, early stopping), with a checksum; it is
replaced whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from schuss.errors import ModelFileError, UsageError
from schuss.io.tensors import read_tensors, write_tensors
from schuss.train.loop import FACTOR, Position, Trainer
from schuss.train.options import BEFORE, FREE

EVERY = 5.0  # seconds between two writes within an epoch


class Checkpoint:
    """The checkpoint that belongs to a model file.

    settings: what the run was asked for; a run can only be resumed with the same ones.
    """

    def __init__(self, out: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(f"{os.fspath(out)}.ckpt")
        self.settings = dict(settings)
        self._written = 0.0

    def save(self, trainer: Trainer) -> None:
        """Write the trainer's last snapshot. OSError if it cannot be written; an old checkpoint stays."""
        meta = {"settings": self.settings, "position": asdict(trainer.position)}
        write_tensors(self.path, trainer.snapshot(), meta)
        self._written = time.monotonic()

    def hook(self, trainer: Trainer) -> Callable[[bool], None]:
        """To be called with whether an epoch has ended: saves then, and every few seconds."""

        def saved(epoch_ended: bool) -> None:
            if epoch_ended or time.monotonic() - self._written > EVERY:
                self.save(trainer)

        return saved

    def resume(self, trainer: Trainer) -> bool:
        """Put the trainer where the checkpoint is; False if there is none.

        Raises UsageError naming settings that differ, ModelFileError for a damaged file.
        """
        if not self.path.exists():
            return False
        arrays, meta = read_tensors(self.path)
        check_settings(self.settings, meta.get("settings"), str(self.path))
        if FACTOR in trainer.arrays:  # files written before the rate could be changed have none
            arrays.setdefault(FACTOR, np.ones(()))
        wanted = {name: (v.shape, v.dtype) for name, v in trainer.arrays.items()}
        found = {name: (v.shape, v.dtype) for name, v in arrays.items() if not name.startswith("best/")}
        if wanted != found:
            name = next(n for n in {**wanted, **found} if wanted.get(n) != found.get(n))
            raise ModelFileError(f"{self.path}: does not fit this run ({name} differs); remove it to start afresh")
        position = _position(meta.get("position"))
        if position is None or position.step > trainer.steps:
            raise ModelFileError(f"{self.path}: has no sound position; remove it to start afresh")
        trainer.restore(arrays, position)
        return True

    def remove(self) -> None:
        """The run ended well."""
        self.path.unlink(missing_ok=True)


def _position(written: Any) -> Position | None:
    """The position in a file, None if it is not sound."""
    try:
        position = Position(**written)
    except TypeError:
        return None
    counts = (position.epoch, position.step, position.counter, position.waited)
    times = (position.best_loss, position.epoch_seconds)
    sound = all(type(v) is int and v >= 0 for v in counts) and all(isinstance(v, (int, float)) for v in times)
    sound = sound and isinstance(position.changes, list) and all(isinstance(c, dict) for c in position.changes)
    sound = sound and isinstance(position.history, dict)
    return position if sound and all(isinstance(v, list) for v in position.history.values()) else None


def check_settings(wanted: Mapping[str, Any], found: Any, where: str) -> None:
    """UsageError naming the settings of a run that differ from those it was begun with."""
    old = {**BEFORE, **found} if isinstance(found, dict) else {}
    differ = [k for k in {**old, **wanted} if k not in FREE and old.get(k) != wanted.get(k)]
    if differ:
        listed = ", ".join(f"{k} was {old.get(k)!r} and is now {wanted.get(k)!r}" for k in differ)
        raise UsageError(f"cannot resume {where}: {listed}; use the same settings, or start without --resume")
