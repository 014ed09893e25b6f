"""What a model's outputs mean, by the loss it was trained with: probabilities, scores or values."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from schuss import nn
from schuss.data import as_array, check_finite
from schuss.dispatch import PREDICT, PREDICT_PROBA
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.nn.class_losses import ClassLoss
from schuss.nn.forward import forward_graph, prepared_types
from schuss.nn.holding import signature_of
from schuss.nn.walk import callable_model
from schuss.signature import CLASSIFICATION, Input, Signature

if TYPE_CHECKING:
    from schuss.train.step import Task

ROWS = 4096  # computed at once, so that memory stays small


@dataclass(frozen=True)
class Outputs:
    """raw: the model's outputs [N, k]; values: what is shown; kind: probabilities, scores or values (of a regression);
    row: the shape of the model's outputs for one example, before they are laid flat.

    Probabilities are the softmax of logits (cross entropy), the exponential of log-probabilities (NLL) or the
    logits' sigmoids (binary cross entropy). A model trained to one-hot targets by another loss gives scores.
    """

    raw: Array
    values: Array
    kind: str
    row: tuple[int, ...] = ()

    @property
    def classes(self) -> Array:
        """The chosen class of each row."""
        return self.values.argmax(axis=1) if self.values.shape[1] > 1 else (self.raw[:, 0] > 0).astype(np.int64)

    @property
    def shares(self) -> Array:
        """The values; probabilities with a column for each class."""
        return by_class(self.values) if self.kind == "probabilities" else self.values


def by_class(values: Array) -> Array:
    """Values with an entry for each class in the last axis: p alone, which is that of class 1, becomes [1 - p, p]."""
    return np.concatenate([1 - values, values], axis=-1) if values.shape[-1] == 1 else values


def _check_keys(keys: Sequence[str], inputs: Sequence[Input]) -> None:
    """DataError for a dict where the model takes no dict, or one of other names."""
    wanted = [known.name for known in inputs if known.keyed]
    if inputs and not wanted:
        raise DataError("x is a dict, and the model takes none: give an array, or a tuple of arrays")
    if wanted and sorted(keys) != sorted(wanted):
        raise DataError(f"x is a dict of {', '.join(keys)}, and the model takes one of {', '.join(wanted)}")


def outputs_of(model: Any, x: Any, owner: str = "predict") -> Outputs:
    """The model's outputs for rows of x, in pieces. DataError if the rows do not fit the model, hold NaN or infinity or
    there are none, or the model does not give each row one.

    x  an array or a data frame, or a tuple or a dict of them for a model of several inputs
    """
    signature, model = signature_of(model), callable_model(model, owner)
    if isinstance(x, (str, os.PathLike)):
        place = os.fspath(x)
        raise UsageError(f"{owner}: takes rows, not the name of a file: schuss.data.load_rows({place!r}) reads them")
    given: tuple[Any, ...] = x if isinstance(x, tuple) else (x,)
    given = given if signature is None else signature.read(given)
    keys = tuple(given[0]) if len(given) == 1 and isinstance(given[0], Mapping) else ()
    if keys:
        _check_keys(keys, () if signature is None else signature.inputs)
        given = tuple(given[0][key] for key in keys)
    xs = tuple(as_array(a, "x") for a in given)
    xs = xs if keys or len(xs) > 1 else (xs[0] if signature is None else signature.rows(xs[0]),)
    if not len(xs[0]):
        raise DataError("there are no rows: give at least one example")
    for i, (array, frame) in enumerate(zip(xs, given, strict=True)):
        check_finite(array, "x" if len(xs) == 1 else f"x[{i}]", frame)
    parts = []
    for i in range(0, len(xs[0]), ROWS):
        rows = [a[i : i + ROWS] for a in xs]
        result = model(dict(zip(keys, rows, strict=True))) if keys else model(*rows)
        parts.append(single_result(result, len(rows[0])))
    found = np.concatenate(parts)
    raw = found.reshape(len(xs[0]), -1).astype(np.float64)
    kind, values = read(signature, raw)
    return Outputs(raw, values, kind, found.shape[1:])


def single_result(result: Any, count: int) -> Array:
    """A model's result as one array with a row for each of `count` examples. DataError for any other."""
    mend = "call the model from Python"
    if isinstance(result, (tuple, list, dict)):
        raise DataError(f"the model gives a {type(result).__name__} of {len(result)}, where one array is read; {mend}")
    array = np.asarray(result)
    if array.ndim == 0 or len(array) != count:
        raise DataError(f"the model gives {list(array.shape)} for {count} rows, not a row for each; {mend}")
    return array


@PREDICT.fill
def predict(model: Any, x: Any) -> Array:
    """What a model says of rows: of a classifier the class of each in the shape and dtype of the labels it was trained
    on, names as names: [N, T] of sequences, [N, k] of several yes or no an example, in their words. Of a model of
    numbers, and of one trained on probabilities, its outputs: [N] if it was trained on targets [N], else [N, k].

    model  fitted or loaded, or fit's run; its signature says what becomes of x
    x      rows as in training, flat or with axes of length 1 more or fewer (schuss.signature.rows), or one
           row alone. A tuple of arrays for a model of several inputs

        schuss.predict(model, x_test)  # array(['cat', 'dog', ...])

    DataError for rows that do not fit the model, and for NaN and infinity, by row and column; model(x) takes these.
    """
    signature, outputs = signature_of(model), outputs_of(model, x)
    chosen = None if signature is None else _chosen(signature, outputs)
    if chosen is not None and signature is not None and signature.output is not None:
        named, kind, words = signature.output.named, signature.output.kind, signature.output.words
        if words is not None:
            return np.where(chosen[0] != 0, *np.array(words).T[::-1])
        return names_of(signature, chosen[0]) if named else _in_kind(*chosen, kind)
    flat = signature is not None and signature.target is not None and signature.target.rank == 1
    return outputs.raw[:, 0] if flat and outputs.raw.shape[1] == 1 else outputs.raw


@PREDICT_PROBA.fill
def predict_proba(model: Any, x: Any) -> Array:
    """The probabilities of the classes for rows, [N, classes]: of labels in the order 0, 1, ..., of names in that of
    `model.signature.classes`, which is None for labels.

    Of a model of one output, trained with BCEWithLogitsLoss, [N, 2]: of class 0 and of class 1. Of sequences and images
    in the shape of the model's outputs, [N, classes, ...] or as the loss's axis says. Arguments of predict.

        schuss.predict_proba(model, x_test).argmax(axis=1)

    DataError as predict. UsageError for a model whose loss does not say what probabilities are: of numbers, or with a
    loss of one's own.
    """
    signature, outputs = signature_of(model), outputs_of(model, x, "predict_proba")
    if signature is None or signature.loss is None:
        raise UsageError(
            "predict_proba: the model does not know its loss, since it was not fitted; fit it, or apply "
            "schuss.softmax(model(x), axis=1) or schuss.sigmoid(model(x))"
        )
    loss = loss_in(signature)
    positions = loss is not None and len(outputs.row) > 1 and loss.admits.task == "classes"  # of sequences and images
    raw, axis = _along_classes(signature, outputs) if positions else (outputs.raw, 1)
    found = None if loss is None else loss.probabilities(raw, axis)
    if found is None:
        of = "of your own" if loss is None else type(loss).__name__
        name = f"nn.{of}" if hasattr(nn, of) else of
        mend = "apply schuss.softmax(model(x), axis=1) or schuss.sigmoid(model(x)), whichever its outputs are meant for"
        raise UsageError(f"predict_proba: the model was trained with a loss {name}, not for classes; {mend}")
    return by_class(found) if found.ndim == 2 else found


def _chosen(signature: Signature, outputs: Outputs) -> tuple[Array, int] | None:
    """The labels that a model chooses which was trained on labels, in their shape, and how many classes there are."""
    said = signature.output
    if said is None or said.task != CLASSIFICATION:
        return None
    if said.of_examples:
        classes = outputs.classes
        return classes[:, None] if said.type.rank == 2 else classes, outputs.values.shape[1]
    task = task_in(signature)
    if task == "classes":
        raw, axis = _along_classes(signature, outputs)
        return raw.argmax(axis=axis), raw.shape[axis]
    if task == "yes or no":
        return (outputs.raw > 0).reshape(-1, *outputs.row), 2
    return None


def _in_kind(classes: Array, count: int, kind: str | None) -> Array:
    """Labels in the dtype they were given in, if it has a number for each class."""
    dtype = np.dtype(kind or "int64")
    most = np.iinfo(dtype).max if dtype.kind in "iu" else {"b": 1, "f": 1 << 24}[dtype.kind]
    return classes.astype(dtype if count - 1 <= most else np.int64)


def _along_classes(signature: Signature | None, outputs: Outputs) -> tuple[Array, int]:
    """The outputs of sequences and images in their shape, and the axis of the classes. UsageError without a loss of
    classes."""
    target = None if signature is None else signature.target
    loss = loss_in(signature)
    if target is None or not isinstance(loss, ClassLoss):
        raise UsageError("predict: the axis of the classes is not known; apply np.argmax(model(x), axis=1)")
    axis = loss.axis_of(TensorType("float64", (N, *outputs.row)), target)
    return outputs.raw.reshape(-1, *outputs.row), axis


def names_of(signature: Signature | None, labels: Array) -> Array:
    """The classes' names for labels; their numbers as text where they have none."""
    names = (None if signature is None else signature.classes) or ()
    most = int(labels.max(initial=-1)) + 1
    return np.array([*names, *map(str, range(len(names), most))])[labels]


def width_of(task: Task) -> int:
    """How many numbers the model gives for an example, in its first output."""
    graph = forward_graph(task.model, prepared_types(task.model, task.inputs), acting=task.acting)
    return math.prod(d for d in graph.outputs[0].type.shape[1:] if isinstance(d, int))


def is_classifier(signature: Signature | None) -> bool:
    """Whether the model was trained on labels, one an example."""
    return signature is not None and signature.is_classifier


def read(signature: Signature | None, raw: Array) -> tuple[str, Array]:
    """The kind of raw outputs [N, k] and the values to show for them; see Outputs."""
    if not is_classifier(signature):
        return "values", raw
    loss = loss_in(signature)
    found = None if loss is None else loss.probabilities(raw)
    return ("scores", raw) if found is None else ("probabilities", found)


def loss_in(signature: Signature | None) -> nn.Loss | None:
    """The loss that the model was trained with; None for a function, and for one that is not known here."""
    return None if signature is None else nn.known_loss(signature.loss)


def task_in(signature: Signature | None) -> str:
    """What the model's loss is for: "classes", "yes or no", "numbers", "anything"."""
    loss = loss_in(signature)
    return "anything" if loss is None else loss.admits.task
