"""What fit checks before it trains: data and model against what the loss admits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.data import are_yes_or_no, check_labels
from schuss.errors import ShapeError, warn
from schuss.exec.reference import run_graph
from schuss.ir.executor import Array
from schuss.ir.graph import Graph
from schuss.ir.types import TensorType
from schuss.nn.forward import forward_graph, model_dtype, prepared_types
from schuss.nn.loss import ElementLoss
from schuss.signature import Input
from schuss.signature.form import ALONE
from schuss.train.step import Task

LOOKED_AT = 8  # examples whose predictions are looked at


class Forward:
    """A model's forward pass on a task's inputs, traced when it is asked for, and once."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @cached_property
    def graph(self) -> Graph:
        task = self._task
        return forward_graph(task.model, prepared_types(task.model, task.inputs), acting=task.acting)

    @property
    def predictions(self) -> TensorType | None:
        """The type of the model's predictions; None where it gives several."""
        return self.graph.outputs[0].type if len(self.graph.outputs) == 1 else None


def accuracy(pred: Any, target: Any) -> Any:
    """1 for each example whose largest output (or, with one output, whose sign) is its label's, else 0. [N]

    target  labels [N], or [N, 1], integers or floats that are
    """
    if target.ndim > 1:
        target = ops.reshape(target, shape=target.shape[:1])
    if pred.ndim == 2 and pred.shape[1] > 1:
        chosen = ops.argmax(pred, axis=1)
    else:
        chosen = ops.cast(ops.reshape(pred, shape=target.shape) > 0.0, dtype="int64")
    return ops.cast(ops.equal(chosen, ops.cast(target, dtype="int64")), dtype=pred.dtype)


def accuracy_for(task: Task, forward: Forward, y: Array, held: Array | None = None) -> Any:
    """The accuracy that goes with the task on targets y, and those held out; None where they are no labels.

    Labels are what the loss takes for labels: for one that asks yes or no, numbers that are all 0 or 1, one an example;
    to a loss of the user's, integers [N] that lie within the outputs.
    """
    loss, target = task.loss, task.target
    if task.form != ALONE or target.rank == 0 or (target.is_float and not _asks_yes_or_no(loss)):
        return None
    pred = forward.predictions
    if pred is None:
        return None
    if not _says_what_it_takes(loss):
        within = target.rank == 1 and y.min() >= 0 and y.max() < (outputs(pred) or 2)
        return accuracy if within else None
    if not loss.takes_labels(pred, target):
        one = target.rank <= 2 and all(d == 1 for t in (pred, target) for d in t.shape[1:])
        return accuracy if one and _are_yes_or_no(task, y, held) else None
    simple = target.rank == 1 and getattr(loss, "ignore_index", None) is None
    return accuracy if simple else getattr(loss, "accuracy", None)


def _says_what_it_takes(loss: Any) -> bool:
    return isinstance(loss, nn.Loss) and loss.admits.task != "anything"


def _asks_yes_or_no(loss: Any) -> bool:
    return isinstance(loss, nn.Loss) and loss.admits.task == "yes or no"


def _are_yes_or_no(task: Task, y: Array, held: Array | None) -> bool:
    """Whether all targets are 0 or 1, to a loss that asks this; not those that are the input, scaled with it."""
    if not _asks_yes_or_no(task.loss) or task.target_transform is not None:
        return False
    return all(are_yes_or_no(each) for each in (y, held) if each is not None)


def are_several_labels(task: Task, forward: Forward, y: Array, held: Array | None = None) -> bool:
    """Whether targets are several yes or no an example, one for each output. They have no accuracy_for: one could count
    examples or answers."""
    if task.form != ALONE or not _are_yes_or_no(task, y, held):
        return False
    pred = forward.predictions
    return pred is not None and pred.shape == task.target.shape


def one_hot_in_words(task: Task, forward: Forward) -> str:
    """What is said of labels that a loss of numbers takes as rows of 0 and 1; "" where there are none."""
    if task.form != ALONE or not isinstance(task.loss, ElementLoss):
        return ""
    pred = forward.predictions
    if pred is None or outputs(pred) is None or not task.loss.takes_labels(pred, task.target):
        return ""
    return f", compared as one-hot rows with the {outputs(pred)} outputs by {type(task.loss).__name__}"


def outputs(pred: TensorType) -> int | None:
    """How many outputs a row has, if more than one."""
    return pred.shape[1] if pred.rank == 2 and isinstance(pred.shape[1], int) and pred.shape[1] > 1 else None


def check_fit(task: Task, forward: Forward, data: Mapping[str, Array], held: Mapping[str, Array] | None) -> None:
    """Targets and first predictions against what the loss admits; validation rows shaped as training rows."""
    pred = forward.predictions if task.form == ALONE else None
    for what, rows in (("y", data), ("validation y", held)):
        if rows is None:
            continue
        if rows.keys() - {"w"} != data.keys() - {"w"}:
            raise ShapeError(f"validation x: {len(rows)} columns, training has {len(data)}; give the same inputs")
        for name, array in rows.items():
            if name == "w":
                continue
            if array.shape[1:] != data[name].shape[1:] or array.dtype != data[name].dtype:
                raise ShapeError(
                    f"validation {name}: rows are {array.dtype}{list(array.shape[1:])}, "
                    f"training rows {data[name].dtype}{list(data[name].shape[1:])}"
                )
        if pred is not None:
            target = Input("y", task.target, task.target_transform).prepared(rows["y"], model_dtype(task.model))
            _check_targets(task, pred, target, what)
    if pred is not None:
        _check_predictions(task, forward.graph, data)


def _check_targets(task: Task, pred: TensorType, y: Array, what: str) -> None:
    if isinstance(task.loss, nn.Loss):
        if pred.rank == 0:
            raise ShapeError("fit: the model gives one number for all examples; return a row for each, [N, ...]")
        task.loss.check(pred, y, what)
    if task.metrics.get("accuracy") is accuracy and not _says_what_it_takes(task.loss):
        check_labels(y, what, outputs(pred) or 2)


def _check_predictions(task: Task, graph: Graph, data: Mapping[str, Array]) -> None:
    """What the model makes of the first examples: log-probabilities where they are wanted, no probabilities where
    logits are."""
    loss = task.loss
    if hasattr(loss, "check_predictions"):
        first = _first_predictions(task, graph, data)
        target = TensorType(str(data["y"].dtype), (len(first), *data["y"].shape[1:]))
        loss.check_predictions(first, target)
        if loss.admits.predictions == "logits" and loss.are_probabilities(first, target):
            _warn_of_probabilities(loss, "softmax", "Softmax")
    elif _asks_yes_or_no(loss) and loss.admits.predictions == "logits" and _last_operation(graph) == "sigmoid":
        _warn_of_probabilities(loss, "sigmoid", "Sigmoid")


def _warn_of_probabilities(loss: Any, function: str, layer: str) -> None:
    warn(
        f"fit: the model's outputs are probabilities, as of a {function}, and {type(loss).__name__} takes logits and "
        f"computes their {function} itself: leave the last nn.{layer}() out"
    )


def _last_operation(graph: Graph) -> str:
    node = graph.outputs[0]
    while node.op in ("reshape", "cast", "identity", "slice") and node.inputs:
        node = node.inputs[0]
    return node.op


def _first_predictions(task: Task, graph: Graph, data: Mapping[str, Array]) -> Array:
    dtype = model_dtype(task.model)
    given: dict[str, Any] = {f"param/{n}": p.data for n, p in nn.named_parameters(task.model).items()}
    for i, part in enumerate(task.inputs):
        given[f"x{i}"] = np.asarray(part.prepared(data[f"x{i}"][:LOOKED_AT], dtype))
    values = run_graph(graph, [given[name] for name in graph.input_names])
    return np.asarray(values[graph.outputs[0]])


__all__ = ["Forward", "accuracy", "accuracy_for", "are_several_labels", "check_fit", "one_hot_in_words", "outputs"]
