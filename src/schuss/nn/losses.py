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
from schuss.constraints import NOT_NEGATIVE, POSITIVE, Choice, Constraints, Flag, Kind, Number
from schuss.errors import UsageError
from schuss.ir.types import TensorType
from schuss.nn.admits import Admits
from schuss.nn.formula import Formula, described
from schuss.nn.layers import shape_error
from schuss.nn.loss import (
    REDUCTIONS,
    ElementLoss,
    Loss,
    both,
    reshaped,
    type_of,
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


def _one_or_several(one: Number, said: str) -> Kind:
    """A number, or a list of them; said: what several must be."""

    def of(given: Any) -> str | None:
        if isinstance(given, (tuple, list)):
            return None if given and all(one(each) is None for each in given) else said
        return one(given)

    return of


_QUANTILES = _one_or_several(Number(0, 1, open="low high"), "must be numbers between 0 and 1, each above 0 and below 1")

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

    Integer classes [N] with pred [N, K] become one-hot. delta: a number, or several: one for each of the last axis of
    pred and target, as of targets in different units. UsageError unless delta > 0; ShapeError for another number of
    them. Source: Huber (1964).
    """

    admits: ClassVar[Admits] = NUMBERS
    label: ClassVar[str] = "Huber loss"

    delta: float | tuple[float, ...] = 1.0
    reduction: str = "mean"

    constraints: ClassVar[Constraints] = {**REDUCTION, "delta": _one_or_several(POSITIVE, "must be positive numbers")}

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.delta, (tuple, list)):
            object.__setattr__(self, "delta", tuple(float(d) for d in self.delta))

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        pred, target = super().prepared(pred, target)
        if isinstance(self.delta, tuple) and tuple(pred.shape)[-1:] != (len(self.delta),):
            raise shape_error(f"HuberLoss: {len(self.delta)} deltas need as many numbers a row, got {type_of(pred)}")
        return pred, target

    def elements(self, pred: Any, target: Any) -> Any:
        error = pred - target
        if isinstance(self.delta, tuple):
            delta: Any = np.asarray(self.delta, str(error.dtype))
        else:
            delta = hyper("delta", self.delta, error)
        return ops.huber(error, delta=delta)


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


@dataclass(frozen=True)
class QuantileLoss(ElementLoss):
    """q * e where e >= 0, else (q - 1) * e, e = target - pred; the mean of all elements. Also called pinball loss: the
    constant with the least is the q-quantile of the targets.

    q: a number, or several: then pred is [N, K], the quantiles q_1 ... q_K of one target [N] or [N, 1]. The slope
    where e = 0 is that of e > 0. UsageError unless 0 < q < 1; ShapeError for another number of predictions.
    Source: Koenker and Bassett, Regression quantiles (1978).
    """

    admits: ClassVar[Admits] = NUMBERS
    label: ClassVar[str] = "quantile loss"

    q: float | tuple[float, ...] = 0.5
    reduction: str = "mean"

    constraints: ClassVar[Constraints] = {**REDUCTION, "q": _QUANTILES}

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.q, (tuple, list)):
            object.__setattr__(self, "q", tuple(float(q) for q in self.q))

    def takes_labels(self, pred: TensorType, target: TensorType) -> bool:
        return False if isinstance(self.q, tuple) else super().takes_labels(pred, target)

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        if not isinstance(self.q, tuple):
            return super().prepared(pred, target)
        pred, target = both("QuantileLoss", pred, target)
        p, t = tuple(pred.shape), tuple(target.shape)
        if len(p) != 2 or p[1] != len(self.q) or t not in (p[:1], (p[0], 1)):
            raise shape_error(
                f"QuantileLoss: {len(self.q)} quantiles need pred [N,{len(self.q)}] and a target [N], got "
                f"{type_of(pred)} and {type_of(target)}"
            )
        target = target if target.dtype == pred.dtype else ops.cast(target, dtype=str(pred.dtype))
        return pred, reshaped(target, (p[0], 1))

    def elements(self, pred: Any, target: Any) -> Any:
        error = target - pred
        if isinstance(self.q, tuple):
            q: Any = np.asarray(self.q, str(error.dtype))
        else:
            q = hyper("q", self.q, error)
        return ops.where(ops.greater_equal(error, 0.0), q * error, (q - 1.0) * error)


COUNTS = Admits("numbers", "numbers", low=0.0, mend="counts and rates are not negative; use nn.MSELoss() for others")
AMOUNTS = Admits(
    "numbers", "numbers", low=float(np.finfo(np.float32).tiny), mend="amounts are above 0; use nn.MSELoss() for others"
)


@dataclass(frozen=True)
class PoissonNLLLoss(ElementLoss):
    """exp(z) - t z for counts t and the logarithm z of their expectation; the mean of all elements.

    log_input=False: the predictions m are the expectations: m - t log(m + eps). full: with Stirling's
    t log t - t + log(2 pi t) / 2 where t > 1, which changes no gradient. Where numbers are known (arrays, fit)
    DataError for negative targets. PyTorch's names and defaults.
    """

    admits: ClassVar[Admits] = COUNTS
    label: ClassVar[str] = "Poisson negative log likelihood"

    log_input: bool = True
    full: bool = False
    eps: float = 1e-8
    reduction: str = "mean"

    constraints: ClassVar[Constraints] = {**REDUCTION, "log_input": Flag(), "full": Flag(), "eps": NOT_NEGATIVE}

    def elements(self, pred: Any, target: Any) -> Any:
        each = ops.exp(pred) - target * pred if self.log_input else pred - target * ops.log(pred + self.eps)
        if not self.full:
            return each
        many = ops.greater(target, 1.0)
        t = ops.where(many, target, 1.0)
        return each + ops.where(many, t * ops.log(t) - t + 0.5 * ops.log(2.0 * math.pi * t), 0.0)


@dataclass(frozen=True)
class GammaNLLLoss(ElementLoss):
    """z + t exp(-z) for amounts t > 0 and the logarithm z of their expectation; the mean of all elements.

    Half the deviance of the gamma distribution, but for 1 + log t, which no prediction changes. log_input=False: the
    predictions m are the expectations: log(m + eps) + t / (m + eps). Where numbers are known (arrays, fit) DataError
    for targets that are not above 0. Source: McCullagh and Nelder, Generalized linear models (1989), chapter 8.
    """

    admits: ClassVar[Admits] = AMOUNTS
    label: ClassVar[str] = "gamma negative log likelihood"

    log_input: bool = True
    eps: float = 1e-8
    reduction: str = "mean"

    constraints: ClassVar[Constraints] = {**REDUCTION, "log_input": Flag(), "eps": NOT_NEGATIVE}

    def elements(self, pred: Any, target: Any) -> Any:
        if self.log_input:
            return pred + target * ops.exp(ops.neg(pred))
        mean = pred + self.eps
        return ops.log(mean) + target / mean


__all__ = [
    "GammaNLLLoss",
    "HuberLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "PoissonNLLLoss",
    "QuantileLoss",
    "SmoothL1Loss",
    "weighted",
]
