"""What pictures need to know of a run: its task, its data, its path; and a model that was loaded as a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from schuss import nn
from schuss.api.evaluation import task_on
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.forward import forward, prepared_types
from schuss.nn.holding import signature_of
from schuss.nn.walk import model_of, weights_of
from schuss.signature import Signature
from schuss.signature.form import ALONE
from schuss.train.run import Run
from schuss.train.source import source_for
from schuss.train.step import Task, evaluation_step


def as_run(model: Any, x: Any, y: Any, *, loss: Any = None) -> Run:
    """A trained model and data as a run: for a model that was loaded, or data it has not seen. Without the weights of a
    path, but with the track of it that the model's file may keep.

    x     an array of rows, or a tuple of them for several inputs
    loss  called with (pred, target); None: the loss the model was trained with

    UsageError if the loss is not known, DataError for x and y of different lengths or without numbers, or of another
    task than the model's.
    """
    model = model_of(model)
    signature = signature_of(model) or Signature()
    run = Run(model, dict(signature.record.get("history") or {}), signature.record.get("epochs") or 0)
    source = source_for(signature, (x, y), owner="as_run")
    run.task, run.data = task_on(model, source.x, source.y, loss)
    _check_targets(run.task, run.data["y"])
    evaluation_step(run.task)  # the loss takes targets of their shape
    run.track = signature.track
    return run


def _check_targets(task: Task, y: Array) -> None:
    """The error of schuss's own loss for targets it does not admit, as labels beyond the model's outputs."""
    if isinstance(task.loss, nn.Loss) and task.form == ALONE and task.target_transform is None:
        graph, form = forward(task.model, prepared_types(task.model, task.inputs), acting=task.acting)
        if form == ALONE:
            task.loss.check(graph.outputs[0].type, y, "y")


def signature_kept(run: Any) -> Signature | None:
    """The signature of a run of this process, whatever its model was fitted to since; None if the run has none."""
    state = getattr(run, "state", None)
    return None if state is None else state.signature


def with_data(run: Any, x: Any, y: Any) -> Run:
    """The run, with other data in the place of its own."""
    known = signature_kept(run)
    source = source_for(known, (x, y), owner="approximation")
    task, data = task_on(run.model, source.x, source.y, run.task.loss, known)
    return replace(run, task=task, data=data)


def loss_name(task: Task) -> str:
    """What an axis of the task's loss is called, with its unit if it has one."""
    return task.loss.label if isinstance(task.loss, nn.Loss) else "loss"


def moments_of(run: Any, picture: str) -> list[Any]:
    """The run's recorded moments. UsageError if it recorded none."""
    path: list[Any] = getattr(run, "path", None) or []
    if not path:
        raise UsageError(f"{picture}: the run recorded no path of weights; train it with fit(..., record=True)")
    return path


def task_of(run: Any, picture: str) -> tuple[Task, Mapping[str, Array]]:
    """The run's task and data. UsageError if the run does not know them."""
    task, data = getattr(run, "task", None), getattr(run, "data", None)
    if task is None or data is None:
        raise UsageError(f"{picture}: takes what fit returned; for a loaded model: viz.as_run(model, x, y)")
    return task, data


def several(task: Task) -> str:
    """What the task has several of, or by name, where pictures of functions and examples show one; "" for nothing."""
    if any(i.keyed for i in task.inputs):
        return f"takes a dict of {', '.join(i.name for i in task.inputs)}"
    if task.form != ALONE:
        return f"was trained on {len(task.targets)} targets"
    graph, form = forward(task.model, prepared_types(task.model, task.inputs), acting=task.acting)
    if form == ALONE:
        return ""
    return f"gives {len(graph.outputs)} results" if form.names is None else f"gives a dict of {', '.join(form.names)}"


def check_single(task: Task, picture: str) -> None:
    """UsageError unless the model's input, target and result are an array each, or the inputs a tuple."""
    what = several(task)
    if what:
        raise UsageError(f"{picture}: the model {what}; the function is drawn of one array to one")


def spread(count: int, most: int) -> list[int]:
    """Indices of at most so many things, evenly spaced, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))}) if count else []


def final_weights(run: Any) -> dict[str, Array]:
    """The weights the model has, which are those of the end of its run."""
    return weights_of(run.model)


def sample(data: Mapping[str, Array], rows: int | None, seed: int = 0) -> dict[str, Array]:
    """`rows` rows drawn once, in their order in the data; all of them for None, or where there are no more."""
    total = len(data["y"])
    if rows is None or rows >= total:
        return dict(data)
    chosen = np.sort(np.random.default_rng(seed).choice(total, rows, replace=False))
    return {name: np.ascontiguousarray(column[chosen]) for name, column in data.items()}
