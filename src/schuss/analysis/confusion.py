"""What a classifier takes for what."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss.api.outputs import outputs_of
from schuss.data import as_array, check_labels, labels_among
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.nn.holding import signature_of
from schuss.train.source import source_for


def predicted(model: Any, x: Any, y: Any, picture: str) -> tuple[Any, Array]:
    """The model's outputs and the labels, checked. UsageError without classes, DataError if they do not fit."""
    y = source_for(signature_of(model), (x, y), owner=picture).y
    given = as_array(y, "y")
    labels = labels_among(given)
    if labels is None:
        mend = "integers [N] or [N, 1], or floats that are 0 or 1"
        raise UsageError(f"{picture}: y must be labels, {mend}; got {given.dtype}{list(given.shape)}")
    outputs = outputs_of(model, x)
    if len(outputs.raw) != len(labels):
        raise DataError(f"{picture}: x has {len(outputs.raw)} rows, y has {len(labels)}")
    check_labels(labels, "y", max(outputs.raw.shape[1], 2))
    return outputs, labels


def confusion_data(model: Any, x: Any, y: Any) -> Array:
    """int64 [C, C]: row i, column j counts the examples of class i that the model takes for class j.

    UsageError if y holds no labels; DataError if rows do not fit the model or labels its outputs.
    """
    outputs, labels = predicted(model, x, y, "confusion")
    count = max(outputs.values.shape[1], 2)
    found: Array = np.bincount(labels * count + outputs.classes, minlength=count * count)
    return found.reshape(count, count).astype(np.int64)
