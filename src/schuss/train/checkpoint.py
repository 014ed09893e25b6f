"""Checkpoints: a run on disk, so that it can go on bit for bit after anything, a kill included.

The file holds every array of the run (weights, optimizer state, metric sums, random key, best
weights) and its position (epoch, step, history, changes made by hand, early stopping), with a checksum; it is
replaced whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from schuss.errors import ModelFileError, UsageError
from schuss.io.tensors import read_sealed, read_tensors, write_tensors
from schuss.ir.digest import graph_digest
from schuss.ir.executor import Array, Step
from schuss.optim.base import STEERING, counted_apart
from schuss.paths import check_writable
from schuss.train.position import Position
from schuss.train.settings import check_settings
from schuss.train.trainer import Trainer
from schuss.train.weights import DATA
from schuss.version import __version__

EVERY = 5.0  # seconds between two writes within an epoch


class Checkpoint:
    """A run on disk.

    path      the file; it is replaced whole
    settings  what the run was asked for, resolved; a run can only be resumed with the same ones
    mend      what to do about others, for the message
    """

    def __init__(
        self, path: str | os.PathLike[str], settings: Mapping[str, Any], mend: str = "use the same settings"
    ) -> None:
        self.path = Path(path)
        self.settings = dict(settings)
        self._mend = mend
        self._written = 0.0
        self._known: tuple[Step | None, str] = (None, "")

    def save(self, trainer: Trainer, ended: bool = False) -> None:
        """Write the trainer's last snapshot. OSError if it cannot be written; an old checkpoint stays.

        ended  the run is at its end: another may take the file's place
        """
        position, curve = asdict(trainer.position), trainer.recording.curve.columns()
        meta = {"schuss": __version__, "settings": self.settings, "position": position, "curve": curve,
                "computes": self._computed(trainer), "ended": ended}  # fmt: skip
        write_tensors(self.path, trainer.snapshot(), meta)
        self._written = time.monotonic()

    def save_blown_up(self, trainer: Trainer, begun: bool) -> None:
        """Write that the run has ended, if the file is its own: it would blow up each time that it goes on, so another
        may take its place. OSErrors are left out: the reason why it ended is what is to be told.

        begun  the run went on from a checkpoint or a run
        """
        if begun or self._written:
            with contextlib.suppress(OSError):
                self.save(trainer, ended=True)

    def _computed(self, trainer: Trainer) -> str:
        """A checksum of the step's graph."""
        if self._known[0] is not trainer.step:
            self._known = (trainer.step, graph_digest(trainer.step.graph))
        return self._known[1]

    def hook(self, trainer: Trainer) -> Callable[[bool], None]:
        """To be called with whether an epoch has ended: saves then, and every few seconds."""

        def saved(epoch_ended: bool) -> None:
            if epoch_ended or time.monotonic() - self._written > EVERY:
                self.save(trainer)

        return saved

    def written(self) -> Any:
        """The settings in the file; None if there is no file. ModelFileError for a damaged one."""
        return read_tensors(self.path)[1].get("settings") if self.path.exists() else None

    def resume(
        self,
        trainer: Trainer,
        comparable: Callable[[Any], Any] = lambda held: held,
        check: Callable[[Any], None] = lambda held: None,
    ) -> bool:
        """Put the trainer where the checkpoint is; False if there is none.

        comparable  gives the settings in the file as this version would have written them
        check       raises for what these must not be, beside what differs

        Raises UsageError naming settings that differ, ModelFileError for a damaged file.
        """
        if not self.path.exists():
            return False
        arrays, meta = read_tensors(self.path)
        if "position" not in meta:
            raise ModelFileError(
                f"{self.path}: is a model, not a checkpoint; schuss.load reads it, and fit goes on from its weights"
            )
        held = comparable(meta.get("settings"))
        check_settings(self.settings, held, str(self.path), self._mend)
        check(held)
        if "schuss" not in meta and trainer.task.weighted and trainer.task.weighting == DATA:
            raise UsageError(
                f"{self.path}: is of version 0.1.0, which normalised the weights of examples in each batch; "
                'give weighting="batch" to go on with it'
            )
        _meet(trainer, arrays, meta)
        name = misfit(trainer, arrays)
        if name:
            since = "the network or the optimizer is another than when it was written"
            raise ModelFileError(
                f"{self.path}: does not fit this run ({name} differs): {since}; remove it to start afresh"
            )
        # Functions of the user's own are compared by what they compute. Another version may compute the same otherwise.
        same = meta.get("schuss") == __version__ and "computes" in meta
        if same and meta["computes"] != self._computed(trainer):
            raise UsageError(
                f"cannot resume {self.path}: the model, the loss, a metric, the optimizer or its schedule computes "
                f"something else than in the run that was stopped; {self._mend}"
            )
        position = _position(meta.get("position"))
        if position is None or position.step > trainer.steps:
            raise ModelFileError(f"{self.path}: has no sound position; remove it to start afresh")
        trainer.restore(arrays, position)
        trainer.recording.curve.restore(meta.get("curve"))
        return True

    def check_replaceable(self, resume: str, place: str, caller: str = "", own: bool = False) -> None:
        """UsageError if another kind of file is in its place, or a run that has not ended and would be lost.

        resume  what goes on with such a run, place: the option that names the file, for the message
        own     it is the run that is gone on with
        """
        if not self.path.exists():
            return
        try:
            meta = read_sealed(self.path)[1]
        except ModelFileError:
            meta = {}
        if "position" not in meta:
            raise UsageError(
                f"{caller}{self.path} is there and is no checkpoint, or a damaged one; remove the file, or give "
                f"{place} another name"
            )
        at = None if own else _where_it_stopped(meta)
        if at is not None:
            raise UsageError(
                f"{caller}{self.path} holds a run that has not ended ({at}): {resume} goes on with it; remove the "
                f"file, or give {place} another name, to begin another run"
            )

    def remove(self) -> None:
        """The run ended well."""
        self.path.unlink(missing_ok=True)


def _meet(trainer: Trainer, arrays: dict[str, Array], meta: Mapping[str, Any]) -> None:
    """What a run with these arrays had and this version's has not, and the other way round."""
    for scalar, first in STEERING.items():  # files written before the rate could be changed, or held, have none
        if f"opt/{scalar}" in trainer.arrays:
            arrays.setdefault(f"opt/{scalar}", np.full((), first))
    trainer.count_apart(counted_apart(arrays))
    if "schuss" not in meta:  # version 0.1.0 measured no accuracy of targets 0 and 1 that are floats
        trainer.measure_only(n.removeprefix("sum/") for n in arrays if n.startswith("sum/"))


def _where_it_stopped(meta: Mapping[str, Any]) -> str | None:
    """How far a run came that has not ended; None for one that has, or has not begun."""
    position, settings = _position(meta["position"]), meta.get("settings")
    epochs = settings.get("epochs") if isinstance(settings, dict) else None
    if position is None or not position.counter:
        return None
    ended = meta.get("ended", isinstance(epochs, int) and position.epoch >= epochs)  # files of before do not say
    return None if ended else f"{position.epoch} of {epochs} epochs done"


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


def misfit(trainer: Trainer, arrays: Mapping[str, Any]) -> str | None:
    """The first array whose name, shape or dtype is not the trainer's; None if all fit."""
    wanted = {name: (v.shape, v.dtype) for name, v in trainer.arrays.items()}
    found = {name: (v.shape, v.dtype) for name, v in arrays.items() if not name.startswith("best/")}
    return next((n for n in {**wanted, **found} if wanted.get(n) != found.get(n)), None)


def beside(out: str | os.PathLike[str]) -> Path:
    """The checkpoint that belongs to a model file."""
    return Path(f"{os.fspath(out)}.ckpt")


def check_place(path: str | os.PathLike[str], what: str) -> None:
    """Before hours of training: a file can be written there. OSError otherwise."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"the folder for {what} does not exist", str(folder))
    check_writable(path)


__all__ = ["Checkpoint", "beside", "check_place", "misfit"]
