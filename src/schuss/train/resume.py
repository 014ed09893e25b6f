"""A run of this process that goes on: from the last state, for so many more epochs."""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from schuss.errors import UsageError
from schuss.exec import executor
from schuss.ir.executor import Array
from schuss.nn.walk import frozen_names
from schuss.train.callbacks import Run, State
from schuss.train.checkpoint import misfit
from schuss.train.conduct import checkpoint_of, conduct, ready
from schuss.train.early_stop import EarlyStop
from schuss.train.loop import Trainer
from schuss.train.options import FREE, Options
from schuss.train.settings import check_settings, settings, settings_of

REPLACEABLE = (FREE - {"epochs", "resume"}) | {"optimizer", "early_stop"}


def go_on(run: Run, epochs: int | None, changes: Mapping[str, Any]) -> Run:
    """What Run.resume does."""
    state = _state(run)
    unknown = [name for name in changes if name not in REPLACEABLE]
    if unknown:
        names = ", ".join(sorted(REPLACEABLE))
        raise UsageError(f"resume: {unknown[0]} cannot be another for the same run; what can: {names}")
    asked = replace(state.options, resume=None, **changes)
    asked = replace(asked, epochs=asked.epochs if epochs is None else more(state, epochs))
    assert run.task is not None
    assert run.data is not None
    task = replace(run.task, optimizer=asked.optimizer, frozen=frozenset(frozen_names(run.model)))
    on, columns = executor(asked.backend, asked.threads), (run.data, run.validation)
    trainer = Trainer(task, on, asked, state.key, *columns, run, state.signature)
    _take_up(trainer, state)
    run.stopped = None
    return conduct(ready(trainer))


def more(state: State, epochs: Any) -> int:
    """The total for so many more epochs. UsageError unless it is a whole number of at least 1."""
    replace(state.options, epochs=epochs)
    return state.position.epoch + int(epochs)


def with_total(asked: Options) -> Options:
    """The options of a fit that goes on from a run: epochs as the total."""
    if not isinstance(asked.resume, Run):
        return asked
    return replace(asked, epochs=more(_state(asked.resume), asked.epochs))


def take_up(trainer: Trainer) -> None:
    """Put a new trainer where its `resume` says: at the end of a run, or at a checkpoint.

    UsageError for settings or data that are not those of the run; ModelFileError for a damaged checkpoint.
    """
    source = trainer.options.resume
    if source is None:
        return
    if isinstance(source, Run):
        _take_up_run(trainer, source)
        return
    checkpoint = checkpoint_of(trainer, source)
    if not checkpoint.resume(trainer) and not _is_same(trainer.options.checkpoint, checkpoint.path):
        raise UsageError(f"fit: resume={os.fspath(source)!r} is not there; with the same checkpoint= a run begins it")


def _is_same(path: Any, other: Path) -> bool:
    return path is not None and Path(path).resolve() == other.resolve()


def _take_up_run(trainer: Trainer, run: Run) -> None:
    state = _state(run)
    assert run.task is not None
    assert run.data is not None
    found = settings_of(run.task, state.options, run.data, run.validation)
    check_settings(
        settings(trainer), found, "the run", "use the same, or leave resume out", REPLACEABLE | {"epochs", "frozen"}
    )
    _take_up(trainer, state)
    trainer.run.path[:] = run.path


def _take_up(trainer: Trainer, state: State) -> None:
    arrays = _with_frozen(trainer, state.arrays)
    name = misfit(trainer, arrays)
    if name:
        raise UsageError(
            f"resume: the run's state is not one of {type(trainer.task.optimizer).__name__} ({name} differs); give the "
            "optimizer it had, perhaps with other settings, or begin a new run by fit"
        )
    position = copy.deepcopy(state.position)
    if _measure(state.options.early_stop) != _measure(trainer.options.early_stop):  # the best by it is not known yet
        arrays = {n: v for n, v in arrays.items() if not n.startswith("best/")}
        position.best_loss, position.best_epoch, position.waited = math.inf, None, 0
    trainer.restore(arrays, position)
    ended = trainer.ended_early()
    if ended:
        warnings.warn(f"resume: the run had ended ({ended}); resume(epochs, early_stop=None) goes on", stacklevel=5)


def _with_frozen(trainer: Trainer, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays without the optimizer's state of parameters that are frozen since, and with a first state of those
    that are not any more."""

    def learned(names: Iterable[str]) -> set[str]:
        return {p for p in trainer.parameters if any(n.startswith("opt/") and n.endswith(f"/{p}") for n in names)}

    before, now = learned(arrays), learned(trainer.arrays)
    if not before or not now:  # an optimizer without a state for each parameter
        return dict(arrays)
    gone = tuple(f"/{name}" for name in before - now)
    fresh = tuple(f"/{name}" for name in now - before)
    kept = {n: v for n, v in arrays.items() if not (n.startswith("opt/") and n.endswith(gone))}
    return kept | {n: v for n, v in trainer.arrays.items() if n.startswith("opt/") and n.endswith(fresh)}


def _measure(stop: EarlyStop | int | None) -> tuple[str | None, str | None]:
    return (stop.metric, stop.mode) if isinstance(stop, EarlyStop) else ("val_loss", "min")


def _state(run: Run) -> State:
    if run.state is None:
        raise UsageError("resume: the run has no state to go on from; only one that fit returned in this process has")
    return run.state


__all__ = ["go_on", "take_up", "with_total"]
