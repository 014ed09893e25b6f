"""A run of this process that goes on: from the last state, for so many more epochs."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from schuss.dispatch import RESUME
from schuss.errors import UsageError, warn
from schuss.ir.executor import Array
from schuss.ir.executors import executor
from schuss.nn.walk import Trained, frozen_names
from schuss.optim import Optimizer
from schuss.optim.base import MISSED, counted_apart, counts_own_steps
from schuss.train.checkpoint import misfit
from schuss.train.conduct import checkpoint_of, conduct, ready
from schuss.train.early_stop import EarlyStop
from schuss.train.edits import check_resumable, edited
from schuss.train.options import FREE, Options
from schuss.train.run import Run, State
from schuss.train.settings import check_settings, settings, settings_of
from schuss.train.trainer import Trainer

REPLACEABLE = (FREE - {"epochs", "resume"}) | {"optimizer", "early_stop"}


@RESUME.fill
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
    check_resumable(run.model, state.arrays)
    task = replace(run.task, optimizer=asked.optimizer, frozen=frozenset(frozen_names(run.model)))
    on, columns = executor(asked.backend, asked.threads), (run.data, run.validation)
    trainer = Trainer(task, on, asked, state.key, *columns, run, state.signature)
    _take_up(trainer, state, run.model)
    ready(trainer, state.options.checkpoint)
    run.stopped = None
    return conduct(trainer)


def more(state: State, epochs: Any) -> int:
    """The total for so many more epochs. UsageError unless it is a whole number of at least 1."""
    replace(state.options, epochs=epochs)
    return state.position.epoch + int(epochs)


def with_total(asked: Options) -> Options:
    """The options of a fit that goes on from a run: epochs as the total."""
    if not isinstance(asked.resume, Run):
        return asked
    return replace(asked, epochs=more(_state(asked.resume), asked.epochs))


def take_up(trainer: Trainer) -> str | os.PathLike[str] | None:
    """Put a new trainer where its `resume` says: at the end of a run, or at a checkpoint. Gives the checkpoint of the
    run that it goes on with, if that has one.

    UsageError for settings or data that are not those of the run; ModelFileError for a damaged checkpoint.
    """
    source = trainer.options.resume
    if source is None:
        return None
    if isinstance(source, Trained):
        assert isinstance(source, Run)
        return _take_up_run(trainer, source)
    checkpoint = checkpoint_of(trainer, source)
    if not checkpoint.resume(trainer) and not _is_same(trainer.options.checkpoint, checkpoint.path):
        raise UsageError(f"fit: resume={os.fspath(source)!r} is not there; with the same checkpoint= a run begins it")
    return checkpoint.path


def _is_same(path: Any, other: Path) -> bool:
    return path is not None and Path(path).resolve() == other.resolve()


def _take_up_run(trainer: Trainer, run: Run) -> str | os.PathLike[str] | None:
    state = _state(run)
    assert run.task is not None
    assert run.data is not None
    found = settings_of(run.task, state.options, run.data, run.validation)
    check_settings(
        settings(trainer), found, "the run", "use the same, or leave resume out", REPLACEABLE | {"epochs", "frozen"}
    )
    check_resumable(trainer.task.model, state.arrays)
    _take_up(trainer, state, run.model)
    trainer.run.path[:] = run.path
    return state.options.checkpoint


def _take_up(trainer: Trainer, state: State, model: Any) -> None:
    arrays = _with_frozen(trainer, state)
    changed = edited(trainer.parameters, _left(state), "resume: somebody") if trainer.task.model is model else {}
    if changed:  # by hand or by another training: the weights in the model are what is trained
        arrays |= {f"param/{name}": p.data.copy() for name, p in trainer.parameters.items()}
    name = misfit(trainer, arrays)
    if name:
        raise UsageError(
            f"resume: the run's state is not one of {type(trainer.task.optimizer).__name__} ({name} differs); give the "
            "optimizer it had, perhaps with other settings, or begin a new run by fit"
        )
    position = copy.deepcopy(state.position)
    if changed or _measure(state.options.early_stop) != _measure(trainer.options.early_stop):  # the best is not known
        arrays = {n: v for n, v in arrays.items() if not n.startswith("best/")}
        position.best_loss, position.best_epoch, position.waited = math.inf, None, 0
    trainer.restore(arrays, position)
    ended = trainer.ended_early()
    if ended:
        warn(f"resume: the run had ended ({ended}); resume(epochs, early_stop=None) goes on")


def _left(state: State) -> dict[str, Array]:
    """The weights that a run left in its model: the last ones, or the best where early_stop restored them."""
    best = state.options.early_stop is not None and any(name.startswith("best/") for name in state.arrays)
    kind = "best/" if best else "param/"
    return {name.removeprefix(kind): value for name, value in state.arrays.items() if name.startswith(kind)}


def _with_frozen(trainer: Trainer, state: State) -> dict[str, Array]:
    """The arrays without the optimizer's state of parameters that are frozen since, and with a first state of those
    that are not any more, whose steps the optimizer counts apart from then on."""
    arrays, steps = dict(state.arrays), state.position.counter
    had, has = _by_parameter(trainer, arrays), _by_parameter(trainer, trainer.arrays)
    if not had or not has:  # an optimizer without a state for each parameter
        return arrays
    for name in (n for parameter in had.keys() - has.keys() for n in had[parameter]):
        del arrays[name]
    fresh = has.keys() - had.keys()
    trainer.count_apart({*counted_apart(arrays), *(fresh if steps else ())})
    has = _by_parameter(trainer, trainer.arrays)
    arrays |= {name: trainer.arrays[name] for parameter in fresh for name in has[parameter]}
    arrays |= {n: np.full((), float(steps)) for n in (f"opt/{MISSED}/{p}" for p in fresh) if n in arrays}
    if steps and fresh and not counts_own_steps(trainer.task.optimizer):
        warn(
            f"resume: to {', '.join(sorted(fresh))}, unfrozen since, {type(trainer.task.optimizer).__name__} gives the "
            "step of the whole run; the update of schuss.optim.Optimizer counts their own"
        )
    return arrays


def _by_parameter(trainer: Trainer, arrays: Iterable[str]) -> dict[str, list[str]]:
    """The names of the optimizer's state for each parameter that has some; scalars of groups are none, whatever the
    group's name is."""
    found: dict[str, list[str]] = {}
    optimizer = trainer.task.optimizer
    scalars = set(optimizer.init({})) if isinstance(optimizer, Optimizer) else set()
    for name in (n for n in arrays if n.startswith("opt/") and n.removeprefix("opt/") not in scalars):
        owner = next((p for p in trainer.parameters if name.endswith(f"/{p}")), None)
        if owner is not None:
            found.setdefault(owner, []).append(name)
    return found


def _measure(stop: EarlyStop | int | None) -> tuple[str | None, str | None]:
    return (stop.metric, stop.mode) if isinstance(stop, EarlyStop) else ("val_loss", "min")


def _state(run: Run) -> State:
    if run.state is None:
        raise UsageError("resume: the run has no state to go on from; only one that fit returned in this process has")
    return run.state


__all__ = ["go_on", "take_up", "with_total"]
