"""One weight an example, of fit's sample_weight and class_weight together, normalised once over the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from schuss.data import as_array, check_finite, labels_among
from schuss.errors import DataError, ShapeError, UsageError
from schuss.ir.executor import Array

DATA, BATCH = "data", "batch"  # what the weights are normalised over


def sample_weights(given: Any, rows: int, what: str = "sample_weight") -> Array:
    """The weights of so many examples as they are given, float64. DataError or ShapeError for what are none."""
    weight = as_array(given, what).astype(np.float64)
    weight = weight[:, 0] if weight.ndim == 2 and weight.shape[1] == 1 else weight
    if weight.shape != (rows,):
        raise ShapeError(f"{what}: needs one number an example, {rows} in all, got shape {list(weight.shape)}")
    check_finite(weight, what)
    if (weight < 0).any() or not weight.any():
        raise DataError(f"{what}: weights must not be negative, nor all zero")
    return weight


def weigh(
    train: dict[str, Array],
    held: dict[str, Array] | None,
    classes: Any,
    dtype: str,
    rule: str,
    ignored: int | None = None,
) -> None:
    """Turn the columns w, the examples' own weights where there are any, into what the loss takes: with the weights of
    classes, normalised by the rule, in the model's dtype. Weights of classes are for training alone, as in Keras.

    rule     "data": the weights' mean over the data is 1, and a batch's loss is the mean of w * l over its examples.
             "batch", as version 0.1.0: the weights as they are, a batch's loss is sum(w * l) / sum(w)
    ignored  the label of examples that the loss leaves out
    """
    if held is not None and "w" not in held and ("w" in train or classes is not None):
        held["w"] = np.ones(len(held["y"]))
    if "w" in train or classes is not None:
        train["w"] = _example_weights(train, classes, dtype, rule, ignored, "sample_weight and class_weight together")
    if held is not None and "w" in held:
        held["w"] = _example_weights(held, None, dtype, rule, ignored, "the weights of the validation data")


def _example_weights(
    columns: Mapping[str, Array], classes: Any, dtype: str, rule: str, ignored: int | None, what: str
) -> Array:
    labels = labels_among(columns["y"])
    y = columns["y"] if labels is None else labels
    kept = np.ones(len(y), bool) if ignored is None or y.dtype.kind not in "iu" or y.ndim > 1 else y != ignored
    weight = np.ones(len(y), np.float64 if rule == DATA else dtype)
    if "w" in columns:
        weight *= columns["w"].astype(weight.dtype)
    if classes is not None:
        if "y1" in columns:
            raise UsageError(
                "fit: class_weight is for one target; with several give sample_weight, or weigh in the loss"
            )
        labels = np.where(kept, y, y[kept][0] if kept.any() else 0)
        weight *= class_table(classes, labels, kept)[labels.astype(np.int64)].astype(weight.dtype)
    mean = weight[kept].mean() if kept.any() else 0.0
    if not mean > 0 and (rule == DATA or not weight.any()):
        raise DataError(f"fit: {what} leave every example without weight")
    if rule == DATA:
        weight /= mean
    return weight.astype(dtype)


def class_table(given: Any, y: Array, kept: Array) -> Array:
    """A weight for each class up to the largest label."""
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise UsageError("fit: class_weight needs labels, one an example: integers, or floats of 0 and 1 alone")
    if y.min() < 0:
        raise DataError(f"y: label {y.min()} at row {y.argmin()} is negative; labels count from 0")
    counts = np.bincount(y[kept].astype(np.int64), minlength=int(y.max()) + 1)
    if isinstance(given, str):
        if given != "balanced":
            raise UsageError(f"fit: class_weight must be a mapping, a sequence or 'balanced', got {given!r}")
        seen = np.maximum(counts, 1)
        balanced: Array = counts.sum() / (np.count_nonzero(counts) * seen)
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


__all__ = ["BATCH", "DATA", "class_table", "sample_weights", "weigh"]
