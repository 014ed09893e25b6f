"""What a model's outputs mean, by the loss it was trained with: probabilities, scores or values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.nn.holding import signature_of
from schuss.signature import Signature

Array = Any
ROWS = 4096  # computed at once, so that memory stays small


@dataclass(frozen=True)
class Outputs:
    """raw: the model's outputs [N, k]; values: what is shown; kind: probabilities, scores or values (of a regression).

    Probabilities are the softmax of logits (cross entropy), the exponential of log-probabilities (NLL) or the
    logits' sigmoids (binary cross entropy). A model trained to one-hot targets by another loss gives scores.
    """

    raw: Array
    values: Array
    kind: str

    @property
    def classes(self) -> Array:
        """The chosen class of each row."""
        return self.values.argmax(axis=1) if self.values.shape[1] > 1 else (self.raw[:, 0] > 0).astype(np.int64)


def outputs_of(model: Any, x: Array) -> Outputs:
    """The model's outputs for rows of x, in pieces. DataError if the rows do not fit the model or there are none, or
    the model does not give each row one.
    """
    signature = signature_of(model)
    x = fitted(signature, x)
    if not len(x):
        raise DataError("there are no rows: give at least one example")
    parts = [_rows_of(model(x[i : i + ROWS]), len(x[i : i + ROWS])) for i in range(0, len(x), ROWS)]
    raw = np.concatenate(parts).reshape(len(x), -1).astype(np.float64)
    kind, values = read(signature, raw)
    return Outputs(raw, values, kind)


def _rows_of(result: Any, count: int) -> Array:
    """A model's result as one array with a row for each of `count` examples. DataError for any other."""
    mend = "call the model from Python"
    if isinstance(result, (tuple, list, dict)):
        raise DataError(f"the model gives {len(result)} results for each row, where one is read; {mend}")
    array = np.asarray(result)
    if array.ndim == 0 or len(array) != count:
        raise DataError(f"the model gives {list(array.shape)} for {count} rows, not a row for each; {mend}")
    return array


def is_classifier(signature: Signature | None) -> bool:
    """Whether the model was trained on labels."""
    return signature is not None and signature.is_classifier


def fitted(signature: Signature | None, x: Array) -> Array:
    """x with the shape of the model's input: rows flattened or unflattened where the sizes allow it."""
    if signature is None or not signature.inputs:
        return x
    if len(signature.inputs) > 1:
        raise DataError(f"the model takes {len(signature.inputs)} inputs and only one is given; call it from Python")
    row = signature.inputs[0].shape[1:]
    whole = [d for d in row if isinstance(d, int)]
    size = math.prod(whole)
    if x.ndim and x.shape[1:] != row and math.prod(x.shape[1:]) == size:
        x = x.reshape(len(x), *whole)
    elif x.size == size and x.shape[1:] != row:  # one row, without the axis of examples
        x = x.reshape(1, *whole)
    if x.ndim == 0 or x.shape[1:] != row:
        raise DataError(f"the model takes rows of shape {list(row)}, the data has the shape {list(x.shape)}")
    if signature.inputs[0].dtype == "uint8" and x.dtype.kind in "iu" and x.dtype != np.uint8:
        if x.size and (x.min() < 0 or x.max() > 255):
            raise DataError("the model was trained on bytes; integers must lie between 0 and 255")
        x = x.astype(np.uint8)
    return x


def read(signature: Signature | None, raw: Array) -> tuple[str, Array]:
    """The kind of raw outputs [N, k] and the values to show for them; see Outputs."""
    loss = (signature.loss or {}) if signature is not None else {}
    name = loss.get("type") if isinstance(loss, dict) else type(loss).__name__
    if not is_classifier(signature):
        return "values", raw
    if name == "CrossEntropyLoss":
        e = np.exp(raw - raw.max(axis=1, keepdims=True))
        return "probabilities", e / e.sum(axis=1, keepdims=True)
    if name == "NLLLoss":
        return "probabilities", np.exp(raw)
    if name == "BCEWithLogitsLoss":
        return "probabilities", 0.5 * (1.0 + np.tanh(0.5 * raw))
    return "scores", raw
