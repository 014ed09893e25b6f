"""schuss.fit: arguments checked and converted, then the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Real
from os import PathLike
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.data import as_array, check_finite, check_labels, split_validation
from schuss.data.columns import columns
from schuss.errors import DataError, ShapeError, UsageError
from schuss.exec import executor
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.nn.forward import forward_graph, prepared_types
from schuss.nn.walk import frozen_names
from schuss.ops.philox import key_from_seed
from schuss.signature import CLASSIFICATION, REGRESSION, Output, Signature
from schuss.signature.inputs import by_scale
from schuss.train.callbacks import Run
from schuss.train.conduct import conduct
from schuss.train.control import Control
from schuss.train.early_stop import EarlyStop
from schuss.train.loop import Trainer
from schuss.train.options import Data, Options, options
from schuss.train.resume import take_up, with_total
from schuss.train.step import Metric, Task

COLUMNS = ("epoch", "count", "loss", "lr", "seconds")  # names no metric may have
OF_NUMBERS = (
    nn.MSELoss,
    nn.L1Loss,
    nn.HuberLoss,
    nn.SmoothL1Loss,
)  # with one output, integer targets are numbers to them


def fit(
    model: Any,
    data: Data,
    *,
    loss: Any,
    optimizer: Any,
    epochs: int = 1,
    batch_size: int = 64,
    validation: Data | float | None = None,
    seed: int = 0,
    metrics: Mapping[str, Metric] | Iterable[Metric] = (),
    callbacks: Iterable[Any] = (),
    sample_weight: Any = None,
    class_weight: Any = None,
    clip_norm: float | None = None,
    early_stop: EarlyStop | int | None = None,
    shuffle: bool = True,
    scale: float | None = None,
    threads: int | None = None,
    backend: str = "native",
    record: bool | float = False,
    control: Control | None = None,
    checkpoint: str | PathLike[str] | None = None,
    resume: Run | str | PathLike[str] | None = None,
    progress: bool = True,
) -> Run:
    """Train the model on data, and return the run with its history.

    model         a Module, or any object with `__call__` whose attributes hold layers and Parameters
    data          (x, y): arrays of N examples (numpy, DLPack, lists); x may be a tuple of inputs
    loss          called with (pred, target), gives a scalar tensor; schuss.nn's, or a function of yours
    optimizer     schuss.optim's, or any object with init and update
    epochs        how often each example is seen
    batch_size    examples a step; the last step of an epoch has what is left
    validation    (x, y) to measure on after each epoch, or the share of the data to hold out
    seed          of fresh weights, the shuffle and dropout; the same seed gives the same bits
    metrics       functions of (pred, target) that give one value an example or a scalar; accuracy is built in
    callbacks     objects with begin, epoch, end; or functions called after each epoch; True, numpy's too, stops
    sample_weight [N] weights of the examples: the loss is their weighted mean
    class_weight  a weight for each class: a mapping, a sequence, or "balanced" (N / (classes * count))
    clip_norm     limit on the norm of all gradients together
    early_stop    stop after so many epochs without a better validation loss (the training loss without
                  validation data), or as a schuss.EarlyStop says; the best weights are restored
    shuffle       a new order of the examples each epoch; False: as they come
    scale         bytes of x are multiplied by it, and integers where no input has bytes; None: bytes by 1/255
    threads       None: the cores this process may use
    backend       native or reference
    record        True: keep the weights and means of moments of the run in `run.path`, for pictures of it, each 0.02 s
                  or as many seconds as given; the first and the last always; where more than 200 moments or 256 MB
                  would be held, every other one is dropped. Changes no bit of the weights
    control       a schuss.Control, with which another thread pauses, steps or stops the run or sets its rate
    checkpoint    a file that holds the run, replaced every few seconds, after each epoch and at the end; Ctrl-C and
                  SIGTERM write it before they take their course
    resume        a run: train `epochs` more from its last state, as `run.resume` does. Or a checkpoint: go on where it
                  is until there are `epochs` in total, with the bits of a run that was never stopped; with
                  checkpoint= the same file a run begins where there is none. Settings and data must be the same
    progress      a line of where the run is, on stderr if that is a terminal, and in notebooks; False: none

    The model's parameters are float32 unless it was converted (nn.to_dtype); data of another floating dtype is
    converted once, bytes and integers stay as they are in memory. Parameters that have numbers keep them, so
    that a second call goes on from the weights of the first; all else begins anew: the optimizer's state, its
    schedule, the order of the examples. `run.resume` goes on with these, too. seed stays 0 unless it is given: the
    models of an ensemble need a seed each.

    Ctrl-C raises KeyboardInterrupt after the slice that is being computed; the model then has the weights, and the
    exception's `run` is the run so far.

    Raises UsageError, DataError or ShapeError for arguments that do not fit, NonFiniteError as soon as the loss
    is not finite (the model then has the last good weights).
    """
    return conduct(prepare(**locals()))  # all arguments by name; schuss.train.options holds the same list


def prepare(model: Any, data: Data, **given: Any) -> Trainer:
    """The Trainer fit runs. The arguments are fit's."""
    asked = with_total(options(given))
    parameters = nn.named_parameters(model)
    if not parameters:
        raise UsageError("fit: the model has no parameters to learn")
    nn.initialize(model, asked.seed)
    key = key_from_seed(asked.seed)
    dtype = next(iter(parameters.values())).dtype
    train = _columns(data, dtype, "x", "y")
    if isinstance(asked.validation, (int, float, Real)):  # mypy does not take a float for a Real
        train, held = _split(train, float(asked.validation), key)
    elif asked.validation is not None:
        like = {name: _row_type(array) for name, array in train.items()}
        held = _columns(asked.validation, dtype, "validation x", "validation y", like)
    else:
        held = None
    weights = _example_weights(asked.sample_weight, asked.class_weight, data, train, dtype)
    if weights is not None:
        train["w"] = weights
        if held is not None:
            held["w"] = np.ones(len(held["y"]), dtype)
    task = _task(model, asked, train)
    _check_fit(task, train, held)
    what = CLASSIFICATION if "accuracy" in task.metrics else REGRESSION
    nn.set_signature(model, Signature(task.inputs, Output(task.target, what), asked.loss, asked.optimizer))
    trainer = Trainer(task, executor(asked.backend, asked.threads), asked, key, train, held)
    take_up(trainer)
    return trainer


def _columns(
    data: Data, dtype: str, x_name: str, y_name: str, like: Mapping[str, TensorType] | None = None
) -> dict[str, Array]:
    """x0, x1, ... and y as contiguous arrays of one length; like: the types they are to have, if known."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        what = "data must be a pair (x, y)" if x_name == "x" else "validation must be a pair (x, y) or a share"
        raise UsageError(f"fit: {what}, got {type(data).__name__}")
    xs = data[0] if isinstance(data[0], tuple) else (data[0],)
    return columns(xs, data[1], dtype, (x_name, y_name), like)


def _split(columns: dict[str, Array], fraction: float, key: Array) -> tuple[dict[str, Array], dict[str, Array] | None]:
    if fraction == 0:
        return columns, None
    train, held = split_validation(len(columns["y"]), fraction, key)
    return {n: a[train] for n, a in columns.items()}, {n: a[held] for n, a in columns.items()}


def _example_weights(sample: Any, classes: Any, data: Data, columns: dict[str, Array], dtype: str) -> Array | None:
    """One weight an example from both kinds of weights."""
    if sample is None and classes is None:
        return None
    y = columns["y"]
    weight = np.ones(len(y), dtype)
    if sample is not None:
        given = as_array(sample, "sample_weight").astype(dtype)
        if given.shape != (len(as_array(data[1], "y")),):
            raise ShapeError(f"sample_weight: needs one number an example, got shape {list(given.shape)}")
        if len(given) != len(y):
            raise UsageError("fit: sample_weight goes with validation data of its own, not with a share held out")
        check_finite(given, "sample_weight")
        if (given < 0).any() or not given.any():
            raise DataError("sample_weight: weights must not be negative, nor all zero")
        weight *= given
    if classes is not None:
        weight *= _class_weights(classes, y)[y.astype(np.int64)].astype(dtype)
    return weight


def _class_weights(given: Any, y: Array) -> Array:
    """A weight for each class up to the largest label."""
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise UsageError("fit: class_weight needs integer labels [N]")
    counts = np.bincount(y.astype(np.int64))
    if isinstance(given, str):
        if given != "balanced":
            raise UsageError(f"fit: class_weight must be a mapping, a sequence or 'balanced', got {given!r}")
        seen = np.maximum(counts, 1)
        balanced: Array = len(y) / (np.count_nonzero(counts) * seen)
        return balanced
    if isinstance(given, Mapping):
        table = np.ones(len(counts))
        for label, value in given.items():
            if not isinstance(label, (int, np.integer)) or label < 0:
                raise UsageError(f"fit: class_weight must map labels, from 0 on, to weights; {label!r} is none")
            if label < len(table):
                table[label] = float(value)
    else:
        table = as_array(given, "class_weight").astype(np.float64)
    if table.ndim != 1 or len(table) < len(counts):
        raise UsageError(f"fit: class_weight has {table.size} weights for labels up to {len(counts) - 1}")
    if not np.isfinite(table).all() or (table < 0).any() or not table[y.astype(np.int64)].any():
        raise DataError("class_weight: weights must be finite and not negative, nor zero for all labels there are")
    return table


def _task(model: Any, asked: Options, columns: dict[str, Array]) -> Task:
    types = [_row_type(a) for n, a in columns.items() if n.startswith("x")]
    usual = 1 / 255 if any(t.dtype == "uint8" for t in types) else None
    inputs = by_scale(types, usual if asked.scale is None else asked.scale)
    named = _metrics(asked.metrics)
    target = _row_type(columns["y"])
    frozen = frozenset(frozen_names(model))
    task = Task(model, asked.loss, asked.optimizer, inputs, target, "w" in columns, asked.clip_norm, named, frozen)
    if target.is_float or target.rank != 1 or not _are_labels(task.loss, columns["y"], _classes(task)):
        return task
    return replace(task, metrics={"accuracy": accuracy, **named})


def _are_labels(loss: Any, y: Array, classes: int | None) -> bool:
    """Whether integers [N] are classes: not to a regression of one output; to a loss of the user's if they fit."""
    if isinstance(loss, nn.Loss):
        return not isinstance(loss, OF_NUMBERS) or classes is not None
    return bool(y.min() >= 0 and y.max() < (classes or 2))


def _classes(task: Task) -> int | None:
    """How many outputs the model gives a row, if more than one."""
    pred = forward_graph(task.model, prepared_types(task.model, task.inputs)).outputs[0].type
    return pred.shape[1] if pred.rank == 2 and isinstance(pred.shape[1], int) and pred.shape[1] > 1 else None


def _metrics(given: Any) -> dict[str, Metric]:
    """The metrics by name. UsageError for what cannot be called, and for names that are taken."""
    mapped = given.items() if isinstance(given, Mapping) else [(_name(m), m) for m in given]
    named: dict[str, Metric] = {}
    for name, metric in mapped:
        if not callable(metric):
            raise UsageError(f"fit: metrics must be functions of (pred, target), got {name} = {metric!r}")
        if name in named or name in COLUMNS or str(name).startswith("val_"):
            raise UsageError(f"fit: metrics need names of their own, {name} is taken; give them as {{name: function}}")
        named[str(name)] = metric
    return named


def _name(metric: Any) -> str:
    return str(getattr(metric, "__name__", type(metric).__name__))


def _row_type(array: Array) -> TensorType:
    return TensorType(str(array.dtype), (N, *array.shape[1:]))


def accuracy(pred: Any, target: Any) -> Any:
    """1 for each example whose largest output (or, with one output, whose sign) is its label's, else 0. [N]"""
    if pred.ndim == 2 and pred.shape[1] > 1:
        chosen = ops.argmax(pred, axis=1)
    else:
        chosen = ops.cast(ops.reshape(pred, shape=target.shape) > 0.0, dtype="int64")
    return ops.cast(ops.equal(chosen, ops.cast(target, dtype="int64")), dtype=pred.dtype)


def _check_fit(task: Task, columns: Mapping[str, Array], held: Mapping[str, Array] | None) -> None:
    """Labels within the model's outputs; validation rows shaped as training rows."""
    classes = _classes(task)
    for name, data in (("y", columns), ("validation y", held)):
        if data is None:
            continue
        if "accuracy" in task.metrics:
            check_labels(data["y"], name, classes or 2)
        if data.keys() != columns.keys():
            raise ShapeError(f"validation x: {len(data)} columns, training has {len(columns)}; give the same inputs")
        for column, array in data.items():
            if array.shape[1:] != columns[column].shape[1:] or array.dtype != columns[column].dtype:
                raise ShapeError(
                    f"validation {column}: rows are {array.dtype}{list(array.shape[1:])}, "
                    f"training rows {columns[column].dtype}{list(columns[column].shape[1:])}"
                )


__all__ = ["accuracy", "fit", "prepare"]
