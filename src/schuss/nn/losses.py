"""Losses with PyTorch's names and defaults, each in a form that does not overflow.

A loss is called with (pred, target) and gives a scalar. `per_example(pred, target)` gives the vector [N] of
the examples' losses; with reduction "mean" the scalar is its mean. The leading axis is the example axis.
Tensors give tensors, arrays give arrays. `admits` says what predictions and targets a loss takes: types are checked
always, numbers where they are known (arrays; the data of fit). Any function of (pred, target) to a scalar can be a
loss too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from schuss import ops
from schuss.constraints import NOT_NEGATIVE, POSITIVE, Choice, Constraints
from schuss.errors import UsageError
from schuss.nn.admits import Admits
from schuss.nn.formula import Formula, described
from schuss.nn.loss import (
    REDUCTIONS,
    ElementLoss,
    Loss,
    weighted,
)
from schuss.trace import hyper

Weights = tuple[float, ...] | None
NUMBERS = Admits("numbers", "numbers")
REDUCTION: Constraints = {"reduction": Choice(REDUCTIONS)}


def positive_weights(loss: str, weight: Any, what: str = "class weights") -> Weights:
    if weight is None:
        return None
    values = tuple(float(w) for w in np.asarray(weight, np.float64).reshape(-1))
    if not values or not all(0.0 <= w < math.inf for w in values):
        raise UsageError(f"{loss}: {what} must be finite and not negative, got {list(values)}")
    return values


# -- numbers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MSELoss(ElementLoss):
    """(pred - target)**2, the mean of all elements. Integer classes [N] with pred [N, K] become one-hot."""

    admits: ClassVar[Admits] = NUMBERS
    label: ClassVar[str] = "mean squared error"
    formula: ClassVar[Formula] = described("mean of (pred − target)²", "2 · (pred − target) / count", "mean mul sub")

    reduction: str = "mean"

    constraints: ClassVar[Constraints] = REDUCTION

    def elements(self, pred: Any, target: Any) -> Any:
        return ops.square(pred - target)


@dataclass(frozen=True)
class L1Loss(ElementLoss):
    """|pred - target|, the mean of all elements; slope 0 at 0. Integer classes [N] become one-hot."""

    admits: ClassVar[Admits] = NUMBERS
    label: ClassVar[str] = "mean absolute error"
    formula: ClassVar[Formula] = described("mean of |pred − target|", "sign(pred − target) / count", "abs mean sub")

    reduction: str = "mean"

    constraints: ClassVar[Constraints] = REDUCTION

    def elements(self, pred: Any, target: Any) -> Any:
        return ops.abs(pred - target)


@dataclass(frozen=True)
class HuberLoss(ElementLoss):
    """d**2/2 where |d| <= delta, else delta * (|d| - delta/2), d = pred - target; the mean of all elements.

    Integer classes [N] with pred [N, K] become one-hot. UsageError unless delta > 0. Source: Huber (1964).
    """

    admits: ClassVar[Admits] = NUMBERS
    label: ClassVar[str] = "Huber loss"

    delta: float = 1.0
    reduction: str = "mean"

    constraints: ClassVar[Constraints] = {**REDUCTION, "delta": POSITIVE}

    def elements(self, pred: Any, target: Any) -> Any:
        error = pred - target
        return ops.huber(error, delta=hyper("delta", self.delta, error))


@dataclass(frozen=True)
class SmoothL1Loss(ElementLoss):
    """d**2 / (2 beta) where |d| < beta, else |d| - beta/2, d = pred - target: HuberLoss(beta) / beta.

    beta = 0 is L1Loss. UsageError for a negative beta. Source: Girshick, Fast R-CNN (2015).
    """

    admits: ClassVar[Admits] = NUMBERS
    label: ClassVar[str] = "smooth L1 loss"

    beta: float = 1.0
    reduction: str = "mean"

    constraints: ClassVar[Constraints] = {**REDUCTION, "beta": NOT_NEGATIVE}

    def elements(self, pred: Any, target: Any) -> Any:
        if self.beta == 0.0:
            return ops.abs(pred - target)
        error = pred - target
        each = ops.huber(error, delta=hyper("beta", self.beta, error))
        return each if self.beta == 1.0 else each * hyper("1/beta", 1.0 / self.beta, each)


__all__ = [
    "HuberLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "SmoothL1Loss",
    "weighted",
]
