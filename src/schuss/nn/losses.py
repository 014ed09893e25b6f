"""Losses with PyTorch's names and defaults, each in a form that does not overflow.

A loss is called with (pred, target) and gives a scalar. `per_example(pred, target)` gives the vector [N] of
the examples' losses; with reduction "mean" the scalar is its mean. The leading axis is the example axis.
Tensors give tensors, arrays give arrays. Any function of (pred, target) to a scalar can be a loss too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss import ops
from schuss.errors import DTypeError, UsageError
from schuss.ir.types import FLOATS, Shape, TensorType
from schuss.nn.config import Configured
from schuss.nn.layers import shape_error
from schuss.trace import Tensor, scope
from schuss.trace.build import user_site

Weights = tuple[float, ...] | None
REDUCTIONS = ("mean", "sum", "none")


def value_of(x: Any) -> Any:
    """A tensor, or an array for anything else."""
    return x if isinstance(x, Tensor) else np.asarray(x)


def type_of(x: Any) -> TensorType:
    """dtype and shape of a tensor or array."""
    return TensorType(str(x.dtype), tuple(x.shape))


def is_float(x: Any) -> bool:
    return str(x.dtype) in FLOATS


@dataclass(frozen=True)
class Loss(Configured):
    """Base of the losses: checks, reductions and scopes.

    A subclass defines `elements(pred, target)`, the loss of each element ([N, ...] or [N]).
    """

    def elements(self, pred: Any, target: Any) -> Any:
        raise NotImplementedError

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        """Tensors or arrays of fitting shapes and one floating dtype."""
        return match(type(self).__name__, pred, target)

    def per_example(self, pred: Any, target: Any) -> Any:
        """The loss of each example, [N]: its elements' mean."""
        with scope(type(self).__name__):
            return _over_features(self.elements(*self.prepared(pred, target)))

    def weight_of_examples(self, pred: Any, target: Any) -> Any:
        """What a weighted mean divides by the sum of, [N]; None for 1 each."""
        return None

    def __call__(self, pred: Any, target: Any) -> Any:
        reduction = getattr(self, "reduction", "mean")
        if reduction != "mean":
            with scope(type(self).__name__):
                each = self.elements(*self.prepared(pred, target))
                return ops.sum(each) if reduction == "sum" else each
        each = self.per_example(pred, target)
        with scope(type(self).__name__):
            weight = self.weight_of_examples(pred, target)
            return ops.mean(each) if weight is None else ops.sum(each) / ops.sum(weight)


def _over_features(each: Any) -> Any:
    rank = len(each.shape)
    return each if rank < 2 else ops.mean(each, axis=tuple(range(1, rank)))


def check_reduction(loss: str, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise UsageError(f"{loss}: reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")


def _float_pred(loss: str, pred: Any) -> Any:
    pred = value_of(pred)
    if not is_float(pred):
        raise DTypeError(f"{loss}: pred must be floating, got {type_of(pred)} (line: {user_site()})")
    return pred


def _reshaped(x: Any, shape: Shape) -> Any:
    return ops.reshape(x, shape=shape)


def match(loss: str, pred: Any, target: Any) -> tuple[Any, Any]:
    """pred and target of one shape and dtype.

    Integer targets [N] with pred [N, K] become one-hot rows; [N] and [N, 1] are brought together. ShapeError
    for any other difference: broadcasting [N, 1] against [N] would compare every example with every other.
    """
    pred, target = _float_pred(loss, pred), value_of(target)
    p, t = tuple(pred.shape), tuple(target.shape)
    if p != t and (p == (*t, 1) or t == (*p, 1)):
        target = _reshaped(target, p)
    elif len(p) == 2 and t == p[:1] and not is_float(target) and str(target.dtype) != "bool":
        return pred, ops.one_hot(target, classes=p[1], dtype=str(pred.dtype))
    elif p != t:
        raise shape_error(f"{loss}: pred {type_of(pred)} and target {type_of(target)} must have one shape")
    return pred, target if target.dtype == pred.dtype else ops.cast(target, dtype=str(pred.dtype))


# -- classes -------------------------------------------------------------------------------------------


def _class_weights(loss: str, weight: Any) -> Weights:
    if weight is None:
        return None
    values = tuple(float(w) for w in np.asarray(weight, np.float64).reshape(-1))
    if not values or not all(0.0 <= w < math.inf for w in values):
        raise UsageError(f"{loss}: class weights must be finite and not negative, got {list(values)}")
    return values


class _ClassLoss(Loss):
    """What losses over classes share: pred [N, C] (or [C]), target integer [N] or probabilities [N, C]."""

    weight: Weights

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        name = type(self).__name__
        pred, target = _float_pred(name, pred), value_of(target)
        p, t = tuple(pred.shape), tuple(target.shape)
        if len(p) not in (1, 2):
            raise shape_error(f"{name}: pred must be [N,C] (examples, classes), got {type_of(pred)}")
        if self.weight is not None and len(self.weight) != p[-1]:
            raise shape_error(f"{name}: {len(self.weight)} class weights for pred {type_of(pred)}")
        if t == p and p[-1:] != () and (is_float(target) or len(p) == 2):
            return pred, target if target.dtype == pred.dtype else ops.cast(target, dtype=str(pred.dtype))
        if is_float(target) or str(target.dtype) == "bool":
            want = f"integer class numbers {list(p[:-1])} or probabilities {list(p)}"
            raise DTypeError(f"{name}: target must be {want}, got {type_of(target)} (line: {user_site()})")
        if t == (*p[:-1], 1) and len(p) == 2:
            target = _reshaped(target, p[:-1])
        elif t != p[:-1]:
            raise shape_error(f"{name}: pred {type_of(pred)} needs a target [{p[0]}], got {type_of(target)}")
        return pred, target

    def _weights(self, pred: Any) -> Any:
        return np.asarray(self.weight, str(pred.dtype))

    def weight_of_examples(self, pred: Any, target: Any) -> Any:
        pred, target = self.prepared(pred, target)
        if self.weight is None or is_float(target):  # as in PyTorch, probabilities are averaged over N
            return None
        chosen = ops.one_hot(target, classes=pred.shape[-1], dtype=str(pred.dtype))
        return ops.sum(chosen * self._weights(pred), axis=-1)


@dataclass(frozen=True)
class CrossEntropyLoss(_ClassLoss):
    """-log softmax(z)[y] = logsumexp(z) - z[y] for logits z [N, C] and classes y [N] (any integer dtype).

    With probabilities t [N, C] as target: -sum(t * log softmax(z)). With label_smoothing e the target is
    (1 - e) * onehot(y) + e / C. With class weights w (PyTorch's rules) a class's term is multiplied by its
    weight, and the mean over integer targets divides by the sum of w[y].
    weight: one number a class; reduction: mean, sum or none. A class number out of range is not seen here
    (fit checks targets): z[y] counts as 0. ShapeError or DTypeError for a target that does not fit.
    """

    weight: Weights = None
    label_smoothing: float = 0.0
    reduction: str = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _class_weights("CrossEntropyLoss", self.weight))
        check_reduction("CrossEntropyLoss", self.reduction)
        if not 0.0 <= self.label_smoothing <= 1.0:
            raise UsageError(f"CrossEntropyLoss: label_smoothing must be in [0, 1], got {self.label_smoothing}")

    def elements(self, pred: Any, target: Any) -> Any:
        total = ops.logsumexp(pred, axis=-1)
        hard = not is_float(target)
        if hard and self.label_smoothing == 0.0:
            nll = total - ops.pick(pred, target)
            return nll if self.weight is None else nll * self.weight_of_examples(pred, target)
        classes = pred.shape[-1]
        smooth = self.label_smoothing
        if hard and self.weight is None:  # the smoothed target's sum is 1
            nll = total - ops.pick(pred, target)
            return nll * (1.0 - smooth) + (total - ops.mean(pred, axis=-1)) * smooth
        t = ops.one_hot(target, classes=classes, dtype=str(pred.dtype)) if hard else target
        if smooth:
            t = t * (1.0 - smooth) + smooth / classes
        if self.weight is not None:
            t = t * self._weights(pred)
        log_p = pred - ops.reshape(total, shape=(*pred.shape[:-1], 1))
        # A product 0 * -inf would be NaN: an impossible class that is not asked for costs nothing.
        return ops.neg(ops.sum(ops.where(ops.equal(t, 0.0), 0.0, t * log_p), axis=-1))


@dataclass(frozen=True)
class NLLLoss(_ClassLoss):
    """-z[y] for log-probabilities z [N, C] (of LogSoftmax) and classes y [N].

    Class weights as in CrossEntropyLoss. ShapeError or DTypeError for a target that does not fit.
    """

    weight: Weights = None
    reduction: str = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _class_weights("NLLLoss", self.weight))
        check_reduction("NLLLoss", self.reduction)

    def elements(self, pred: Any, target: Any) -> Any:
        if is_float(target):
            got = f"{type_of(target)} (line: {user_site()})"
            raise DTypeError(f"NLLLoss: target must be integer class numbers, got {got}")
        nll = ops.neg(ops.pick(pred, target))
        return nll if self.weight is None else nll * self.weight_of_examples(pred, target)


@dataclass(frozen=True)
class BCEWithLogitsLoss(Loss):
    """-t log p - (1 - t) log(1 - p), p = sigmoid(z); the mean of all elements.

    Computed as max(z, 0) - z*t + log1p(exp(-|z|)). z and t have one shape, t in [0, 1]; integer classes [N]
    with z [N, K] become one-hot. ShapeError for other differences.
    """

    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_reduction("BCEWithLogitsLoss", self.reduction)

    def elements(self, pred: Any, target: Any) -> Any:
        return ops.binary_cross_entropy_with_logits(pred, target)


# -- numbers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MSELoss(Loss):
    """(pred - target)**2, the mean of all elements. Integer classes [N] with pred [N, K] become one-hot."""

    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_reduction("MSELoss", self.reduction)

    def elements(self, pred: Any, target: Any) -> Any:
        return ops.square(pred - target)


@dataclass(frozen=True)
class L1Loss(Loss):
    """|pred - target|, the mean of all elements; slope 0 at 0. Integer classes [N] become one-hot."""

    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_reduction("L1Loss", self.reduction)

    def elements(self, pred: Any, target: Any) -> Any:
        return ops.abs(pred - target)


@dataclass(frozen=True)
class HuberLoss(Loss):
    """d**2/2 where |d| <= delta, else delta * (|d| - delta/2), d = pred - target; the mean of all elements.

    Integer classes [N] with pred [N, K] become one-hot. UsageError unless delta > 0. Source: Huber (1964).
    """

    delta: float = 1.0
    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_reduction("HuberLoss", self.reduction)
        if not 0.0 < self.delta < math.inf:
            raise UsageError(f"HuberLoss: delta must be positive, got {self.delta}")

    def elements(self, pred: Any, target: Any) -> Any:
        return ops.huber(pred - target, delta=self.delta)


@dataclass(frozen=True)
class SmoothL1Loss(Loss):
    """d**2 / (2 beta) where |d| < beta, else |d| - beta/2, d = pred - target: HuberLoss(beta) / beta.

    beta = 0 is L1Loss. UsageError for a negative beta. Source: Girshick, Fast R-CNN (2015).
    """

    beta: float = 1.0
    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_reduction("SmoothL1Loss", self.reduction)
        if not 0.0 <= self.beta < math.inf:
            raise UsageError(f"SmoothL1Loss: beta must not be negative, got {self.beta}")

    def elements(self, pred: Any, target: Any) -> Any:
        if self.beta == 0.0:
            return ops.abs(pred - target)
        each = ops.huber(pred - target, delta=self.beta)
        return each if self.beta == 1.0 else each * (1.0 / self.beta)


def weighted(loss: Any, pred: Any, target: Any, weight: Any) -> Any:
    """sum(w * l) / sum(w) for the examples' losses l [N] and weights w [N].

    With class weights the divisor is the sum of the products of both weights. Where all weights are 0, so is the
    loss. UsageError for a loss without
    per_example (a plain function), ShapeError if w is not [N].
    """
    per_example = getattr(loss, "per_example", None)
    if per_example is None:
        name = getattr(loss, "__name__", type(loss).__name__)
        raise UsageError(
            f"sample weights need the loss of each example, which {name} does not give; "
            f"add a method per_example(pred, target) that returns a vector [N]"
        )
    each = per_example(pred, target)
    weight = value_of(weight)
    if tuple(weight.shape) != tuple(each.shape):
        raise shape_error(f"weighted: weights {type_of(weight)} for losses {type_of(each)}")
    weight = ops.cast(weight, dtype=str(each.dtype))
    own: Callable[..., Any] | None = getattr(loss, "weight_of_examples", None)
    factor = None if own is None else own(pred, target)
    total = ops.sum(weight if factor is None else weight * factor)
    return ops.sum(weight * each) / ops.where(total > 0.0, total, 1.0)
