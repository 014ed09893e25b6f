"""What `fit` and `evaluate` are given as data: arrays, and what is known of them; and what becomes of the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from schuss import nn
from schuss.data import Dataset, labels_of, names_in
from schuss.data.dataset import IMAGES
from schuss.errors import DataError, SchussError, UsageError, warn
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.nn.forward import forward_graph, model_dtype
from schuss.signature import Input
from schuss.signature.indices import used_as_indices
from schuss.signature.inputs import as_inputs

OF_NUMBERS = (nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.SmoothL1Loss)  # losses that names of classes are nothing for


@dataclass(frozen=True)
class Source:
    """x, y    the arrays; names of classes are labels already
    scale   what the source says its bytes are multiplied by
    classes the names of the classes
    named   whether y held these names
    """

    x: Any
    y: Any
    scale: float | None = None
    classes: tuple[str, ...] | None = None
    named: bool = False

    @property
    def pair(self) -> tuple[Any, Any]:
        return self.x, self.y


def source_of(
    data: Any, part: str = "train", classes: Sequence[str] | None = None, what: str = "y", owner: str = "fit"
) -> Source:
    """Arrays of a Dataset's part ("train" or "test") or of a pair (x, y). `classes`: those that names must be among.

    UsageError for anything else.
    """
    if isinstance(data, Dataset):
        x, y = (data.x_train, data.y_train) if part == "train" else (data.x_test, data.y_test)
        names = names_in(y)
        if names is None:
            return Source(x, y, data.scale, data.class_names)
        labels, known = labels_of(names, data.class_names or classes, what)
        return Source(x, labels, data.scale, known, named=True)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise UsageError(f"{owner}: data must be a pair (x, y) or a schuss.data.Dataset, got {type(data).__name__}")
    x, y = data
    names = names_in(y)
    if names is None:
        return Source(x, y)
    labels, known = labels_of(names, classes, what)
    return Source(x, labels, None, known, named=True)


def fitting(source: Source, model: Any) -> Source:
    """Rows of numbers in place of images for a model that takes rows alone."""
    flat = source.x.reshape(len(source.x), -1)
    if source.x.ndim < 3 or _takes(model, source.x) or not _takes(model, flat):
        return source
    return replace(source, x=flat)


def _takes(model: Any, x: Array) -> bool:
    try:
        forward_graph(model, [TensorType(model_dtype(model), (N, *x.shape[1:]))])
    except SchussError:
        return False
    return True


def is_the_input(x: Any, y: Any) -> bool:
    """Whether the targets are the inputs: the same object, or the same memory."""
    if y is x:
        return True
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray) or x.dtype != y.dtype or x.size != y.size:
        return False
    return x.ctypes.data == y.ctypes.data and x.flags.c_contiguous and y.flags.c_contiguous


def inputs_of(
    model: Any, types: Sequence[TensorType], columns: Mapping[str, Array], scale: float | None, known: float | None
) -> tuple[Input, ...]:
    """What becomes of each input. scale: fit's; known: what the source says.

    Bytes are multiplied by the scale, and integers where no input has bytes; without one, bytes that are images (rank 3
    and more, the examples' axis included, not all of them 0 or 1) by 1/255. What the model uses as indices is never
    scaled.
    """
    inputs = list(as_inputs(types))
    chosen = scale if scale is not None else known
    bytes_ = [i for i, t in enumerate(types) if t.dtype == "uint8"]
    whole = [i for i, t in enumerate(types) if not t.is_float]
    if scale is not None and not whole:
        warn("fit: scale= is for integers, and x holds floats: they are taken as they are")
    wanted = (bytes_ or whole) if chosen is not None else bytes_
    indices = _indices(model, types, wanted) if wanted else set()
    if scale is not None and wanted and indices.issuperset(wanted):
        raise UsageError("fit: scale= has nothing to scale: the model uses the integers of x as indices; leave it out")
    for i in wanted:
        if i in indices:
            continue
        if chosen is not None:
            inputs[i] = replace(inputs[i], scale=float(chosen))
        elif columns[f"x{i}"].max(initial=0) <= 1:
            continue  # flags, one-hot columns or planes of them
        elif types[i].rank >= 3:
            inputs[i] = replace(inputs[i], scale=IMAGES)
        elif types[i].rank == 2:
            _warn_of_bytes(inputs[i].name, columns[f"x{i}"])
    return tuple(inputs)


def _warn_of_bytes(name: str, column: Array) -> None:
    warn(
        f"fit: {name} holds bytes up to {column.max()} in rows of {column.shape[1]}, taken as the numbers they are; "
        "for pixels give scale=1/255 (images [N, height, width] are scaled by themselves), else scale=1"
    )


def _indices(model: Any, types: Sequence[TensorType], wanted: Sequence[int]) -> set[int]:
    """Which of the inputs the model uses as indices, by its graph: of all as they are, or of one at a time."""
    dtype = model_dtype(model)

    def found(raw: Sequence[int]) -> set[int] | None:
        given = [TensorType(dtype, t.shape) if i in wanted and i not in raw else t for i, t in enumerate(types)]
        try:
            graph = forward_graph(model, given)
        except Exception:  # the model cannot take them so: as floats it can, or says why not when it is trained
            return None
        return {i for i in raw if f"x{i}" in used_as_indices(graph)}

    together = found(wanted)
    if together is not None:
        return together
    return set().union(*(found([i]) or set() for i in wanted))


def check_names(loss: Any, source: Source) -> None:
    """UsageError for names of classes with a loss that is for numbers."""
    if source.named and isinstance(loss, OF_NUMBERS):
        raise UsageError(
            f"fit: y holds names of {len(source.classes or ())} classes and {type(loss).__name__} is for numbers; "
            "use nn.CrossEntropyLoss() with one output a class"
        )


def by_label(weights: Any, classes: Sequence[str] | None) -> Any:
    """class_weight with labels in place of names. DataError for a name that is none of the classes."""
    if not isinstance(weights, Mapping) or not any(isinstance(k, str) for k in weights):
        return weights
    place = {name: i for i, name in enumerate(classes or ())}
    unknown = [k for k in weights if isinstance(k, str) and k not in place]
    if unknown:
        listed = ", ".join(classes) if classes else "the labels 0, 1, ..."
        raise DataError(f"class_weight: {unknown[0]!r} is none of the classes: {listed}")
    return {place.get(k, k): v for k, v in weights.items()}


__all__ = ["Source", "by_label", "check_names", "inputs_of", "is_the_input", "source_of"]
