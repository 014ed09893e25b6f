"""evaluate: how good a model is on data, by the loss it was trained with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss import nn
from schuss.api.outputs import outputs_of, task_in, width_of
from schuss.calling import explained
from schuss.data import as_array, check_labels
from schuss.data.columns import columns, numbers
from schuss.errors import DataError, UsageError, printable
from schuss.frames import in_order
from schuss.ir.executor import Array
from schuss.ir.executors import executor
from schuss.ir.types import N, TensorType
from schuss.nn.forward import model_dtype
from schuss.nn.holding import graph_signature, signature_of
from schuss.nn.loss import ElementLoss
from schuss.nn.walk import callable_model, weights_of
from schuss.signature import CLASSIFICATION, REGRESSION, Input, Signature
from schuss.signature.form import ALONE, SEVERAL, Form
from schuss.signature.inputs import as_inputs
from schuss.train.checks import Forward, accuracy_for
from schuss.train.evaluate import Evaluation
from schuss.train.fit import metrics_by_name
from schuss.train.source import columns_of, source_for
from schuss.train.step import Metric, Task

if TYPE_CHECKING:
    from schuss.data import Dataset


@explained("; write evaluate(model, (x, y))")
def evaluate(
    model: Any,
    data: tuple[Any, Any] | Dataset | Any,
    *,
    loss: Any = None,
    metrics: Mapping[str, Metric] | Iterable[Metric] = (),
    threads: int | None = None,
    backend: str = "native",
) -> dict[str, float]:
    """The mean loss and the metrics of a model on data, not in training.

    model    fitted or loaded, or fit's run; its signature says what becomes of the data
    data     (x, y) as for fit, names of classes included; of a schuss.data.Dataset the test rows; for a model of a
             table a data frame or a file with its target
    loss     called with (pred, target); None: the loss the model was trained with
    metrics  functions of (pred, target) that give one value an example or a scalar

    The result has "loss"; of a classifier "accuracy", a share; of a model that gives as many numbers as targets have
    "mean_absolute_error", "root_mean_squared_error" and, where the targets differ, "r2", integers and bools measured as
    floats; and the metrics by name. With several numbers an example these are of all numbers together: r2 is
    1 - sum (y - pred)^2 / sum (y - mean of y's column)^2, scikit-learn's r2_score(multioutput="variance_weighted").
    Of a table the result is the metrics of its report (schuss.tabular.evaluate_table).

        schuss.evaluate(model, (x_test, y_test))["accuracy"]

    Raises UsageError if the loss is not known, DataError or ShapeError for data that do not fit the model.
    """
    model = callable_model(model, "evaluate")
    nn.initialize(model)
    signature = signature_of(model) or Signature()
    if (of_table := _of_raw(model, signature, data, {"loss": loss, "metrics": metrics})) is not None:
        return of_table
    source = source_for(signature, data, "test", "evaluate")
    task, found = task_on(model, source.x, source.y, loss)
    labels = signature.output is not None and signature.output.task == CLASSIFICATION
    right = accuracy_for(task, Forward(task), found["y"]) if labels else None
    of_integers = signature.is_classifier and signature.target is not None and not signature.target.is_float
    if signature.is_classifier and (found["y"].dtype.kind in "iu" or (of_integers and right is None)):
        _check_labels(task, found["y"])
    named = metrics_by_name(metrics, owner="evaluate")
    task = replace(task, metrics=named if right is None else {"accuracy": right, **named})
    weights = weights_of(model)
    measured = Evaluation(task, executor(backend, threads), found)(weights)
    if labels or not _are_numbers(task, signature):
        return measured
    xs = tuple(found[f"x{i}"] for i in range(len(task.inputs)))
    y = Input("y", task.target, task.target_transform).prepared(found["y"], model_dtype(model))
    errors = errors_of(outputs_of(model, xs if len(xs) > 1 else xs[0]).raw, y)
    return {"loss": measured.pop("loss"), **errors, **measured}


def _of_raw(model: Any, signature: Signature, data: Any, own: Mapping[str, Any]) -> dict[str, float] | None:
    """Of a model of tables what is measured on a table with its target; None for other models and data."""
    from schuss.data import Dataset

    if len(signature.inputs) != 1 or signature.inputs[0].transform is None or isinstance(data, Dataset):
        return None
    found = signature.inputs[0].transform.measured(model, data)
    if found is not None and (given := [name for name, value in own.items() if value]):
        raise UsageError(f"evaluate: a table has the metrics of its report; leave out {given[0]}, or give (x, y)")
    return found


def _are_numbers(task: Task, signature: Signature) -> bool:
    """Whether outputs and targets are numbers of one meaning. Integers are if the loss compares numbers, or the model
    was trained on such."""
    if task.form != ALONE or any(i.keyed for i in task.inputs):
        return False
    of = task.loss.admits.task if isinstance(task.loss, nn.Loss) else "anything"
    if of not in ("numbers", "anything"):
        return False
    trained = signature.output is not None and signature.output.task == REGRESSION
    known = task.target.is_float or of == "numbers" or trained
    return known and _comparable(task)  # to a loss of one's own they may be anything


def _comparable(task: Task) -> bool:
    """Whether the model gives as many numbers for an example as the target has."""
    if isinstance(task.loss, ElementLoss) and task.target.is_float:  # it has compared them
        return True
    pred = Forward(task).predictions
    return pred is not None and pred.rank > 0 and _size(pred) == _size(task.target)


def _size(type: TensorType) -> int:
    return math.prod(d for d in type.shape[1:] if isinstance(d, int))


def _check_labels(task: Task, y: Array) -> None:
    """DataError for labels that are none of the model's classes, nor the one its loss leaves out."""
    ignored = getattr(task.loss, "ignore_index", None)
    kept = y if ignored is None else np.where(y == ignored, 0, y)
    check_labels(kept.reshape(-1) if kept.shape[1:] == (1,) else kept, "y", max(width_of(task), 2))


def errors_of(raw: Array, y: Array) -> dict[str, float]:
    """The errors of outputs [N, k] that are numbers. DataError if the targets are not as many."""
    target = np.asarray(y, np.float64).reshape(len(y), -1)
    if target.shape != raw.shape:
        raise DataError(f"the model gives {raw.shape[1]} numbers a row, the targets have {target.shape[1]}")
    error = raw - target
    spread, squares = float(((target - target.mean(axis=0)) ** 2).sum()), float((error**2).sum())
    found = {
        "mean_absolute_error": float(np.abs(error).mean()),
        "root_mean_squared_error": float(np.sqrt((error**2).mean())),
    }
    return {**found, "r2": 1.0 - squares / spread} if spread else found


def task_on(
    model: Any, x: Any, y: Any, loss: Any = None, known: Signature | None = None
) -> tuple[Task, dict[str, Array]]:
    """The model's task on data of these types, and the data's columns x0, x1, ... and y.

    known: the signature of the run whose task it is; None: the model's.

    UsageError if the loss is not known, DataError for x and y of different lengths or without numbers.
    """
    signature, acting = graph_signature(model) if known is None else (known, False)
    if signature.targets or any(i.keyed for i in signature.inputs):
        task, found = _several_on(model, signature, x, y, loss)
        return replace(task, acting=acting), found
    xs = signature.read(x if isinstance(x, tuple) else (x,))
    y = in_order(y, None if signature.output is None else signature.output.columns, "y")
    inputs = [numbers(a, "x") for a in xs]
    for known_input, a in zip(signature.inputs, inputs, strict=False):
        known_input.look_at(a)
    if len(inputs) == 1 == len(signature.inputs):
        inputs = [signature.rows(inputs[0])]
    _check_rows(signature, y)
    found = columns(inputs, y, model_dtype(model), like=_types(signature, [*inputs, as_array(y, "y")]))
    types = {name: TensorType(str(a.dtype), (N, *a.shape[1:])) for name, a in found.items()}
    target = types.pop("y")
    parts = signature.inputs if len(signature.inputs) == len(types) else as_inputs(list(types.values()))
    given = tuple(replace(i, type=t) for i, t in zip(parts, types.values(), strict=True))
    transform = signature.target_transform
    return Task(model, loss_of(model, loss), None, given, target, target_transform=transform, acting=acting), found


def _check_rows(signature: Signature, y: Any) -> None:
    """DataError for labels where a model of classes was trained on rows of probabilities."""
    known, given = signature.target, as_array(y, "y")
    of_classes = task_in(signature) == "classes"
    if of_classes and known is not None and known.is_float and given.dtype.kind in "iub" and given.ndim < known.rank:
        labels = "y.astype(int)" if given.dtype.kind == "b" else "y"
        raise DataError(
            f"y: holds labels, and the model was trained on probabilities {known}: give rows of them, as "
            f"np.eye({known.shape[-1]})[{labels}]"
        )


def _several_on(model: Any, signature: Signature, x: Any, y: Any, loss: Any) -> tuple[Task, dict[str, Array]]:
    """task_on for a model that takes a dict, or was trained on several targets."""
    output = signature.output
    targets = signature.targets or (() if output is None else (Input("y", output.type, columns=output.columns),))
    if not targets:
        raise UsageError("the model's signature has no targets: fit it first")
    parts = {f"x{i}": part for i, part in enumerate(signature.inputs)}
    parts |= {f"y{i}" if i else "y": part for i, part in enumerate(targets)}
    known, names = {n: p.type for n, p in parts.items()}, {n: p.columns for n, p in parts.items()}
    forms = (form_of(signature.inputs), form_of(targets))
    transforms = tuple(i.transform for i in signature.inputs)
    given = columns_of(x, y, model_dtype(model), like=known, forms=forms, order=names, transforms=transforms)
    if given.found.keys() != known.keys():
        counts = f"{len(signature.inputs)} inputs and {len(targets)} targets"
        raise DataError(f"the model was trained on {counts}; give as many")
    first, *others = targets
    transform = signature.target_transform
    task = Task(model, loss_of(model, loss), None, signature.inputs, first.type, target_transform=transform)
    form = forms[1] if signature.targets else ALONE
    return replace(task, others=tuple(t.type for t in others), form=form), given.found


def form_of(parts: Sequence[Input]) -> Form:
    """How several inputs or targets are handed over: as a dict by their names, or a tuple."""
    return Form(tuple(p.name for p in parts)) if any(p.keyed for p in parts) else SEVERAL


def _types(signature: Signature, given: Sequence[Array]) -> dict[str, TensorType]:
    """What the model was trained on, for the columns given; but floats where it saw integers stay what they are."""
    if signature.target is None or len(signature.inputs) + 1 != len(given):
        return {}
    known = {**{f"x{i}": known.type for i, known in enumerate(signature.inputs)}, "y": signature.target}
    fits = zip(known.items(), given, strict=True)
    return {name: t for (name, t), array in fits if t.is_float or array.dtype.kind != "f"}


def loss_of(model: Any, loss: Any = None) -> Any:
    """The loss given, or the one the model was trained with. UsageError if there is none."""
    signature = signature_of(model)
    known = loss if loss is not None else signature and signature.loss
    if known is None:
        raise UsageError("the loss the model was trained with is not known: give loss=")
    if isinstance(known, dict) and known.get("type") not in nn.LOSSES:
        name = printable(str(known.get("type")))
        raise UsageError(f"the model was trained with {name}, a loss of your own that is not kept: give loss=")
    return nn.loss_from_config(known) if isinstance(known, dict) else known


__all__ = ["errors_of", "evaluate", "form_of", "loss_of", "task_on"]
