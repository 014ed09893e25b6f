"""What a loss takes, stated once for each, and the checks of numbers that are known: arrays, at a call or in fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.trace.build import user_site

SUM_TOLERANCE = 0.0101  # probabilities rounded to two places still count as such


@dataclass(frozen=True)
class Admits:
    """What the predictions and targets of a loss may be.

    task         "classes", "yes or no" or "numbers"; "anything" of a loss that does not say
    predictions  "logits", "log-probabilities", "numbers" or "anything"
    outputs      how many outputs an example needs at least
    low, high    between which targets lie that are not class numbers
    sums_to_one  whether targets that are not class numbers are a distribution over an example's outputs
    mend         what to do about targets out of range
    """

    task: str
    predictions: str
    outputs: int = 1
    low: float = -math.inf
    high: float = math.inf
    sums_to_one: bool = False
    mend: str = ""


def located(error: type[Exception], message: str) -> Exception:
    """The error with the user's line at its end."""
    site = user_site()
    return error(message if site is None else f"{message} (line: {site})")


def _first(wrong: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _place(at: tuple[int, ...]) -> str:
    """at row 3, column 1"""
    if not at:
        return ""
    more = at[1] if len(at) == 2 else list(at[1:])
    return f" at row {at[0]}" + (f", column {more}" if len(at) > 1 else "")


def check_classes(
    loss: str, target: Array, outputs: int, what: str, ignore: int | None = None, ignores: bool = False
) -> None:
    """DataError unless every class number is one of the outputs', or the one to be ignored.

    ignores: whether the loss can be told of a number to ignore
    """
    wrong = (target < 0) | (target >= outputs)
    if ignore is not None:
        wrong &= target != ignore
    if not wrong.any():
        return
    low = int(target[wrong].min())
    label = low if low < 0 else int(target[wrong].max())
    at = _first(wrong & (target == label))
    if label < 0:
        mend = "labels count from 0: " + _counted_from_0(loss if ignores else "", target, label)
        raise located(DataError, f"{loss}: {what}: label {label}{_place(at)} is negative; {mend}")
    mend = f"end the model with {label + 1} outputs, or number the classes from 0: np.unique(y, return_inverse=True)"
    raise located(DataError, f"{loss}: {what}: label {label}{_place(at)} is not below the {outputs} classes; {mend}")


def _counted_from_0(ignoring: str, target: Array, label: int) -> str:
    """What to do about negative labels: the two of yes and no are classes, others are, or mark what has none.

    ignoring: the loss that can leave such out, if it can
    """
    if np.isin(target, (-1, 1)).all() and (target == 1).any():
        return "(y + 1) // 2 of -1 and 1"
    renumber = "number the classes by np.unique(y, return_inverse=True)[1]"
    if ignoring:
        return f"{renumber}, or leave rows of no class out by {ignoring}(ignore_index={label})"
    return f"{renumber}, or drop rows of no class"


def check_range(loss: str, admits: Admits, target: Array, what: str) -> None:
    """DataError unless every number lies where the loss's formula means something."""
    if admits.low == -math.inf and admits.high == math.inf:
        return
    inside = (target >= admits.low) & (target <= admits.high) if target.dtype != bool else np.ones_like(target)
    if not inside.all():
        at = _first(~inside)
        bounds = f"between {admits.low:g} and {admits.high:g}"
        raise located(DataError, f"{loss}: {what} {target[at]:g}{_place(at)} is not {bounds}; {admits.mend}")


def check_sums(loss: str, target: Array, axis: int, what: str) -> None:
    """DataError unless the numbers along the axis sum to 1."""
    total: Array = np.asarray(np.sum(target, axis=axis, dtype=np.float64))
    wrong = ~(np.abs(total - 1.0) <= SUM_TOLERANCE)
    if wrong.any():
        at = _first(wrong)
        mend = "divide each row by its sum; for several classes at once use nn.BCEWithLogitsLoss()"
        raise located(DataError, f"{loss}: {what}: probabilities sum to {total[at]:.4g}{_place(at)}, not to 1; {mend}")


def check_log_probabilities(loss: str, pred: Array, axis: int) -> None:
    """DataError unless exp of the predictions is a distribution along the axis."""
    total: Array = np.asarray(np.sum(np.exp(np.asarray(pred, np.float64)), axis=axis))
    wrong = ~((np.abs(total - 1.0) <= SUM_TOLERANCE) & (np.max(pred, axis=axis) <= SUM_TOLERANCE))
    if wrong.any():
        at = _first(wrong)
        raise located(
            DataError,
            f"{loss}: takes log-probabilities, and exp of the predictions sums to {total[at]:.4g}{_place(at)}, not "
            "to 1; end the model with nn.LogSoftmax(), or use nn.CrossEntropyLoss(), which takes logits",
        )


def single(loss: str, value: Any, what: str) -> None:
    """UsageError for several predictions or targets in one: a tuple or dict of arrays or tensors, or a list of them."""
    parts = list(value.values()) if isinstance(value, Mapping) else value
    several = isinstance(value, Mapping) or (
        isinstance(value, (tuple, list)) and any(hasattr(p, "shape") and len(p.shape) for p in parts)
    )
    if not several:
        return
    if isinstance(value, Mapping):
        form, keys = "dict", [repr(k) for k in value]
    else:
        form, keys = type(value).__name__, [str(i) for i in range(len(parts))]
    first, second = (*keys, "0", "1")[:2] if len(keys) > 1 else (keys[0] if keys else "0", "1")
    raise located(
        UsageError,
        f"{loss}: takes one {what} and got a {form} of {len(parts)}; write a loss of your own that combines several: "
        f"def loss(pred, target): return nn.{loss}()(pred[{first}], target[{first}]) + ... pred[{second}] ...",
    )
