"""schuss.fit: arguments checked and converted, then the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from numbers import Real
from os import PathLike
from typing import Any

import numpy as np

from schuss import nn
from schuss.calling import explained
from schuss.data import Dataset, as_array, split_validation
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.ir.executors import executor
from schuss.ir.types import N, TensorType
from schuss.nn.holding import signature_of
from schuss.nn.walk import Trained, callable_model, frozen_names
from schuss.ops.philox import key_from_seed
from schuss.optim.base import Rate
from schuss.signature import CLASSIFICATION, REGRESSION, Input, Output, Signature, Transform
from schuss.signature.form import ALONE, rows_of, taken_apart
from schuss.train.checks import Forward, accuracy, accuracy_for, are_several_labels, check_fit, one_hot_in_words
from schuss.train.conduct import conduct, ready
from schuss.train.control import Control
from schuss.train.early_stop import EarlyStop
from schuss.train.options import Data, Options, options
from schuss.train.resume import take_up, with_total
from schuss.train.run import Run
from schuss.train.source import (
    Columns,
    Names,
    Source,
    annotated,
    as_before,
    by_label,
    check_are_names,
    check_arguments,
    check_names,
    columns_of,
    fitting,
    inputs_of,
    is_the_input,
    source_of,
    transforms_of,
    with_symbols,
)
from schuss.train.step import Metric, Task
from schuss.train.trainer import Trainer
from schuss.train.weights import sample_weights, weigh

COLUMNS = ("epoch", "count", "loss", "lr", "seconds")  # names no metric may have


@explained("; write fit(model, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.Adam())")
def fit(
    model: Any,
    data: Data | Dataset,
    *,
    loss: Any,
    optimizer: Any,
    epochs: int = 1,
    batch_size: int = 64,
    validation: Data | tuple[Any, Any, Any] | float | None = None,
    seed: int = 0,
    metrics: Mapping[str, Metric] | Iterable[Metric] = (),
    callbacks: Iterable[Any] = (),
    sample_weight: Any = None,
    class_weight: Any = None,
    weighting: str = "data",
    clip_norm: Rate | None = None,
    early_stop: EarlyStop | int | None = None,
    shuffle: bool = True,
    scale: float | Transform | Mapping[str, Any] | tuple[Any, ...] | None = None,
    threads: int | None = None,
    backend: str = "native",
    record: bool | float = False,
    control: Control | None = None,
    checkpoint: str | PathLike[str] | None = None,
    resume: Run | str | PathLike[str] | None = None,
    progress: bool = True,
    watch: bool = False,
) -> Run:
    """Train the model on data, and return the run with its history.

    model         a Module, or any object with `__call__` whose attributes hold layers and Parameters
    data          (x, y): arrays of N examples (numpy, DLPack, lists, data frames); x may be a tuple or dict of
                  inputs, y labels, names of classes, numbers, or a tuple or dict of several targets. The columns of a
                  data frame are known by name from then on: the model takes frames with them in any order. Or a
                  schuss.data.Dataset: its training rows, flat if the model takes rows alone
    loss          called with (pred, target), gives a scalar tensor; schuss.nn's, or a function of yours
    optimizer     schuss.optim's, or any object with init and update
    epochs        how often each example is seen
    batch_size    examples a step; the last step of an epoch has what is left
    validation    (x, y) or (x, y, weights) to measure on after each epoch, or the share of the data to hold out, with
                  its part of sample_weight; class_weight has no part in it
    seed          of fresh weights, the shuffle and dropout; the same seed gives the same bits
    metrics       functions of (pred, target) that give one value an example or a scalar; accuracy is built in
    callbacks     objects with begin, epoch, end; or functions called after each epoch; True, numpy's too, stops
    sample_weight [N] weights of the examples
    class_weight  a weight for each class: a mapping, a sequence, or "balanced" (N / (classes * count)). What is
                  minimised is sum(w * l) / sum(w) over all examples, w the product of both weights, as in scikit-learn.
                  (A loss's own `weight` divides by its sum in each batch, as in PyTorch.)
    weighting     "data": w is divided by its mean over the data, and a batch's loss is the mean of w * l. "batch": a
                  batch's loss is sum(w * l) / sum(w) of its examples, as in version 0.1.0
    clip_norm     limit on the norm of all gradients together, a number or a schedule
    early_stop    stop after so many epochs without a better validation loss (the training loss without
                  validation data), or as a schuss.EarlyStop says; the best weights are restored
    shuffle       a new order of the examples each epoch; False: as they come
    scale         bytes of x are multiplied by it, and integers where no input has bytes; None: as a Dataset says, else
                  images (bytes [N, height, width] and more axes, with values above 1) by 1/255. What the model uses as
                  indices is never scaled; targets that are the input itself (y is x, or the same memory) are scaled
                  alike. Or a schuss.signature.Transform, as Standardize.of(x) for columns of numbers, which the model
                  keeps; for several inputs a tuple or dict of them
    threads       None: the cores this process may use
    backend       native or reference
    record        True: keep the weights and means of moments of the run in `run.path`, for pictures of it, each 0.02 s
                  (a shorter run by steps, 100 of them) or as many seconds as given; the first and the last always;
                  where more than 200 moments or 256 MB would be held, every other one is dropped. Changes no bit of
                  the weights
    control       a schuss.Control, with which another thread pauses, steps or stops the run or sets its rate
    checkpoint    a file that holds the run, replaced every few seconds, after each epoch and at the end; Ctrl-C and
                  SIGTERM write it before they take their course. One of another run that has not ended is an error
    resume        a run: train `epochs` more from its last state, as `run.resume` does. Or a checkpoint: go on where it
                  is until there are `epochs` in total, with the bits of a run that was never stopped; with
                  checkpoint= the same file a run begins where there is none. Settings and data must be the same
    watch         open a page of the run on this machine, as `schuss train --watch` does: live, and until the process
                  ends or `schuss.watch(run).close()`; in a notebook a frame. Keeps a record, too. Needs schuss[web]
    progress      a line of where the run is, on stderr if that is a terminal, and in notebooks; False: none

    The model's parameters are float32 unless it was converted (nn.to_dtype); data of another floating dtype is
    converted once, bytes and integers stay as they are in memory. Parameters that have numbers keep them, so
    that a second call goes on from the weights of the first; all else begins anew: the optimizer's state, its
    schedule, the order of the examples. `run.resume` goes on with these, too. seed stays 0 unless it is given: the
    models of an ensemble need a seed each.

    Ctrl-C raises KeyboardInterrupt after the slice that is being computed. A step that takes about a second longer is
    given up, and the run is where its last snapshot is, a step or a few before. The model then has the weights, and the
    exception's `run` (at the prompt sys.last_value.run) is the run so far, and run.resume() finishes it. Any other
    error out of a run has it, too.

    Raises UsageError, DataError or ShapeError for arguments that do not fit, NonFiniteError as soon as the loss
    is not finite (the model then has the last good weights).
    """
    return conduct(prepare(**locals()))  # all arguments by name; schuss.train.options holds the same list


def prepare(model: Any, data: Data | Dataset, **keywords: Any) -> Trainer:
    """The Trainer fit runs. The arguments are fit's."""
    asked = with_total(options(keywords))
    dtype_of(model)
    nn.initialize(model, asked.seed)
    key = key_from_seed(asked.seed)
    found = read(model, data, asked)
    train, held = _parts(found, asked, key)
    learnt = lesson(model, asked, found, train, held)
    on = executor(asked.backend, asked.threads)
    trainer = learnt.of(Trainer(learnt.task, on, asked, key, train, held, signature=learnt.signature))
    return ready(trainer, take_up(trainer))


@dataclass(frozen=True)
class Read:
    """Data as columns for a model.

    given   all of them
    dtype   of the model's parameters
    before  what the model was trained on until now
    """

    source: Source
    given: Columns
    dtype: str
    before: Signature


def read(model: Any, data: Data | Dataset, asked: Options) -> Read:
    """Data as a model takes them."""
    dtype = dtype_of(model)
    source = fitting(source_of(data), model) if isinstance(data, Dataset) else source_of(data)
    check_names(asked.loss, source)
    before = signature_of(model) or Signature()
    transforms = transforms_of(asked.scale, source.x, source.y, before)
    given = columns_of(*as_before(before, source.x, source.y), dtype, transforms=transforms)
    return Read(source, given, dtype, before)


def _parts(found: Read, asked: Options, key: Array) -> tuple[dict[str, Array], dict[str, Array] | None]:
    """The columns to train on, and to validate on, with the weights of examples."""
    train = found.given.found
    if asked.sample_weight is not None:
        train["w"] = sample_weights(asked.sample_weight, len(train["x0"]))
    if isinstance(asked.validation, (int, float, Real)):  # mypy does not take a float for a Real
        train, held = _split(train, float(asked.validation), key)
    else:
        held = held_out(asked.validation, found)
    class_weight = by_label(asked.class_weight, found.source.classes)
    weigh(train, held, class_weight, found.dtype, asked.weighting, ignored(asked.loss))
    return train, held


def ignored(loss: Any) -> int | None:
    """The label of examples that the loss leaves out."""
    label: int | None = getattr(loss, "ignore_index", None)
    return label


@dataclass(frozen=True)
class Lesson:
    """What a model is to learn, the signature it is given for it, and what else is said of its targets."""

    task: Task
    signature: Signature
    told: str

    def of(self, trainer: Trainer) -> Trainer:
        """The trainer, whose run has all that is said of the data."""
        if self.told:
            trainer.run.prepared["target"] += self.told
        return trainer


def lesson(
    model: Any, asked: Options, found: Read, train: Mapping[str, Array], held: Mapping[str, Array] | None
) -> Lesson:
    """What a model is to learn from these columns. UsageError, DataError or ShapeError where they do not fit."""
    source, before = found.source, found.before
    given = replace(found.given, found=dict(train))
    check_arguments(model, given.x, sum(name.startswith("x") for name in train))
    task = _task(model, asked, given, source)
    ys = (train["y"], None if held is None else held["y"])
    forward = Forward(task)
    right = accuracy_for(task, forward, *ys)
    if right is not None:
        task = replace(task, metrics={"accuracy": right, **task.metrics})
    check_fit(task, forward, train, held)
    labels = right is not None or (are_several_labels(task, forward, *ys) and not _has_the_input(train))
    signature = Signature(with_symbols(task.inputs, before, train), None, asked.loss, task.optimizer)
    if task.form != ALONE:
        signature = replace(signature, targets=_named(task, given.names))
    else:
        columns = given.names["y"] or before.target_columns(task.target)
        signature = replace(signature, output=_output(task, source, labels, columns))
    return Lesson(task, signature, one_hot_in_words(task, forward))


def dtype_of(model: Any) -> str:
    """The dtype of the model's parameters. UsageError for what is no model, or has nothing to learn."""
    if isinstance(model, type):
        raise UsageError(f"fit: the model must be an object, not a class: write {model.__name__}(...)")
    if isinstance(model, Trained):
        raise UsageError(
            "fit: got a run in place of a model: run.resume(epochs) goes on with it, fit(run.model, ...) begins another"
        )
    parameters = nn.named_parameters(callable_model(model, "fit"))
    if not parameters:
        raise UsageError("fit: the model has no parameters to learn")
    return next(iter(parameters.values())).dtype


def _output(task: Task, source: Source, labels: bool, columns: tuple[str, ...] | None) -> Output:
    """What a model with one target learns to say."""
    if not labels:
        return Output(task.target, REGRESSION, transform=task.target_transform, columns=columns)
    kind = None if source.named else str(as_array(source.y, "y").dtype)
    return Output(task.target, CLASSIFICATION, source.classes, task.target_transform, source.named, columns, kind)


def _has_the_input(columns: Mapping[str, Array]) -> bool:
    """Whether the targets are one of the inputs, by value: a copy is the input, too."""
    y = columns["y"]
    return any(a.dtype == y.dtype and np.array_equal(a, y) for name, a in columns.items() if name.startswith("x"))


def _named(task: Task, columns: Names) -> tuple[Input, ...]:
    """Several targets with their names, or places."""
    keyed = task.form.names is not None
    names = task.form.names or tuple(map(str, range(len(task.targets))))
    parts = zip(names, task.targets.items(), strict=True)
    return tuple(Input(name, type, keyed=keyed, columns=columns.get(at)) for name, (at, type) in parts)


def held_out(given: Any, read: Read) -> dict[str, Array] | None:
    """The columns of validation data that are given: (x, y) or (x, y, weights)."""
    if given is None:
        return None
    train, source, dtype = read.given, read.source, read.dtype
    like = {name: _row_type(array) for name, array in train.found.items()}
    found = source_of(tuple(given[:2]), classes=source.classes, what="validation y")
    if found.named and source.classes is None:
        raise DataError("validation y holds names of classes, and the training labels without names: give both alike")
    if source.named and not found.named:
        check_are_names(found.y, source.classes or (), "validation y")
    x, y = found.pair
    names = ("validation x", "validation y")
    held = columns_of(
        x, y, dtype, names, like, (train.x, train.y), order=train.names, transforms=train.transforms
    ).found
    _check_bytes(x, y, train, like)
    if len(given) == 3:
        held["w"] = sample_weights(given[2], len(held["x0"]), "validation weights")
    return held


def _check_bytes(x: Any, y: Any, train: Columns, like: Mapping[str, TensorType]) -> None:
    """DataError for bytes above 1 where the training has floats, whose scale nobody knows: those of x, and images."""
    for what, value, beside, form in (("x", x, y, train.x), ("y", y, x, train.y)):
        types = [t for name, t in like.items() if name.startswith(what)]
        known = dict(zip(form.names or range(len(types)), types, strict=True))
        if what == "x":  # what has a transform is read by it, validation as training
            known = {n: t for (n, t), own in zip_longest(known.items(), train.transforms) if own is None}
        found, parts = taken_apart(value, what, rows_of(beside))
        for name, part in zip(found.names or range(len(parts)), parts, strict=True):
            if name not in known or not known[name].is_float:
                continue
            array = as_array(part, f"validation {what}")
            if array.dtype != np.uint8:
                continue
            if array.max(initial=0) > 1 and (what == "x" or array.ndim >= 3):
                dtype = known[name].dtype
                raise DataError(
                    f"validation {what}: holds bytes, and the training {dtype}; scale and convert both alike, "
                    f"as with ({what} / 255).astype('{dtype}')"
                )


def _split(columns: dict[str, Array], fraction: float, key: Array) -> tuple[dict[str, Array], dict[str, Array] | None]:
    if fraction == 0:
        return columns, None
    train, held = split_validation(len(columns["y"]), fraction, key)
    return {n: a[train] for n, a in columns.items()}, {n: a[held] for n, a in columns.items()}


def _task(model: Any, asked: Options, given: Columns, source: Source) -> Task:
    columns = given.found
    types = [_row_type(a) for n, a in columns.items() if n.startswith("x")]
    scale = float(asked.scale) if isinstance(asked.scale, Real) else None
    inputs = inputs_of(model, types, columns, scale, source.scale, given.x.names, given.transforms)
    inputs = annotated(inputs, given, signature_of(model) or Signature())
    named = metrics_by_name(asked.metrics)
    target = _row_type(columns[given.targets[0]])
    frozen = frozenset(frozen_names(model))
    task = Task(model, asked.loss, asked.optimizer, inputs, target, "w" in columns, asked.clip_norm, named, frozen)
    xs = taken_apart(source.x, "x", rows_of(source.y))[1]
    more = tuple(_row_type(columns[name]) for name in given.targets[1:])
    task = replace(task, others=more, form=given.y)
    scales = [i.transform for i, x in zip(inputs, xs, strict=True) if is_the_input(x, source.y)]
    return replace(task, weighting=asked.weighting, target_transform=next(iter(scales), None))


def metrics_by_name(given: Any, owner: str = "fit") -> dict[str, Metric]:
    """The metrics by name. UsageError for what cannot be called, and for names that are taken."""
    mapped = given.items() if isinstance(given, Mapping) else [(_name(m), m) for m in given]
    named: dict[str, Metric] = {}
    for name, metric in mapped:
        if isinstance(metric, type):
            raise UsageError(f"fit: metrics must be functions or objects, not classes: write {metric.__name__}()")
        if not callable(metric):
            raise UsageError(f"{owner}: metrics must be functions of (pred, target), got {name} = {metric!r}")
        if name in named or name in COLUMNS or str(name).startswith(("val_", "lr/")):
            raise UsageError(
                f"{owner}: metrics need names of their own, {name} is taken; give them as {{name: function}}"
            )
        named[str(name)] = metric
    return named


def _name(metric: Any) -> str:
    return str(getattr(metric, "__name__", type(metric).__name__))


def _row_type(array: Array) -> TensorType:
    return TensorType(str(array.dtype), (N, *array.shape[1:]))


__all__ = ["Lesson", "Read", "accuracy", "dtype_of", "fit", "held_out", "ignored", "lesson", "prepare", "read"]
