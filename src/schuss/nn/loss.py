"""What all losses share: the base class, its checks of types and of known numbers, and the weighted mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from schuss import ops
from schuss.configured import Configured
from schuss.errors import DTypeError, UsageError
from schuss.ir.executor import Array
from schuss.ir.types import FLOATS, N, Shape, TensorType
from schuss.nn.admits import (
    Admits,
    check_classes,
    check_range,
    single,
)
from schuss.nn.formula import Formula
from schuss.nn.layers import shape_error
from schuss.ops.index import one_hot_or_zeros
from schuss.trace import Tensor, scope
from schuss.trace.build import user_site

REDUCTIONS = ("mean", "sum", "none")
COMPUTED = "a tensor computed from pred and target by operators and functions of schuss"


def value_of(x: Any) -> Any:
    """A tensor, or an array for anything else."""
    return x if isinstance(x, Tensor) else np.asarray(x)


def shown(value: Any) -> str:
    """What messages call a result that is no tensor."""
    return "None: is a return missing?" if value is None else f"a {type(value).__name__}"


def as_given(x: Any) -> Any:
    """value_of one, several as they are."""
    return x if isinstance(x, (tuple, Mapping)) else value_of(x)


def type_of(x: Any) -> TensorType:
    """dtype and shape of a tensor or array."""
    return TensorType(str(x.dtype), tuple(x.shape))


def type_beside(pred: TensorType, target: Any) -> TensorType:
    """The type of a known target beside predictions: of N examples, where these have N."""
    known = type_of(target)
    if pred.shape[:1] == (N,) and known.shape:
        return TensorType(known.dtype, (N, *known.shape[1:]))
    return known


def is_float(x: Any) -> bool:
    return str(x.dtype) in FLOATS


def several_outputs(pred: TensorType) -> bool:
    """Whether an example has more than one prediction."""
    return any(d != 1 for d in pred.shape[1:])


@dataclass(frozen=True)
class Loss(Configured):
    """Base of the losses: reductions, sample weights and scopes.

    A loss of one's own defines `elements`. What else is asked about a loss, it says itself, where it can:

    admits           its task and what its predictions and targets may be
    probabilities()  how outputs are read
    label            what an axis of it is called, with the unit
    formula          for the picture of its graph

    It is called as a function is:

        class Quantile(nn.Loss):
            def elements(self, pred, target):
                error = target - pred[:, 0]
                return schuss.maximum(0.9 * error, -0.1 * error)

        schuss.fit(model, (x, y), loss=Quantile(), sample_weight=w, ...)
    """

    admits: ClassVar[Admits] = Admits("anything", "anything")
    label: ClassVar[str] = "loss"
    formula: ClassVar[Formula | None] = None

    def elements(self, pred: Any, target: Any) -> Any:
        """The loss of each element, to be defined: a floating tensor or array [N], or [N, ...], of which an example's
        loss is the mean.

        pred    what the model gives, as a function used as a loss gets it: [N, 1] of a model that ends with one output
        target  y, in its own shape and dtype: [N] for y of N numbers, floats of the model's dtype, integers as they are

        Where a model gives several, or y holds several, it is a tuple or a dict of them. Predictions [N, 1] and targets
        [N] would make every example with every other, and fit refuses that: write pred[:, 0] or target[:, None].
        """
        name = type(self).__name__
        raise UsageError(
            f"{name}: has no elements: define elements(self, pred, target), which returns each example's loss, [N]"
        )

    def _each(self, prepared: tuple[Any, Any]) -> Any:
        each = self.elements(*prepared)
        if not hasattr(each, "shape"):
            raise UsageError(f"{type(self).__name__}: elements must return {COMPUTED}, got {shown(each)}")
        return each

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        """What `elements` gets: both as they are; lists and numbers as arrays."""
        return as_given(pred), as_given(target)

    def takes_labels(self, pred: TensorType, target: TensorType) -> bool:
        """Whether a target of this type numbers one of an example's outputs, or, with one output, is no or yes."""
        return False

    def probabilities(self, outputs: Array, axis: int = 1) -> Array | None:
        """The probabilities that a model's outputs stand for, along the axis of the classes; None: for none."""
        return None

    def check(self, pred: TensorType, target: Any, what: str = "target") -> None:
        """DataError if numbers of a target are none that the loss is made for, beside predictions of a type."""
        check_range(type(self).__name__, self.admits, np.asarray(target), what)

    def _check_known(self, pred: Any, target: Any) -> None:
        """The numbers of arrays, which are known at the call."""
        if not isinstance(target, (Tensor, tuple, Mapping)):
            self.check(type_of(value_of(pred)), target)

    def per_example(self, pred: Any, target: Any) -> Any:
        """The loss of each example, [N]: its elements' mean."""
        with scope(type(self).__name__):
            prepared = self.prepared(pred, target)
            self._check_known(pred, target)
            return over_features(self._each(prepared))

    def sum_of_example(self, pred: Any, target: Any) -> Any:
        """The sum of each example's elements, [N]."""
        with scope(type(self).__name__):
            prepared = self.prepared(pred, target)
            self._check_known(pred, target)
            return over_features(self._each(prepared), ops.sum)

    def weight_of_examples(self, pred: Any, target: Any) -> Any:
        """What a weighted mean divides by the sum of, [N]; None for 1 each."""
        return None

    def __call__(self, pred: Any, target: Any) -> Any:
        reduction = getattr(self, "reduction", "mean")
        if reduction != "mean":
            with scope(type(self).__name__):
                prepared = self.prepared(pred, target)
                self._check_known(pred, target)
                each = self._each(prepared)
                return ops.sum(each) if reduction == "sum" else each
        each = self.per_example(pred, target)
        with scope(type(self).__name__):
            weight = self.weight_of_examples(pred, target)
            return ops.mean(each) if weight is None else _ratio(self, ops.sum(each), ops.sum(weight))


class ElementLoss(Loss):
    """Base of the losses that compare each number of the predictions with one of the target: these are brought to one
    shape and one floating dtype, and integer classes [N] beside pred [N, K] become one-hot rows."""

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        return match(type(self).__name__, pred, target)

    def takes_labels(self, pred: TensorType, target: TensorType) -> bool:
        if target.is_float or target.dtype == "bool" or target.shape != pred.shape[:1]:
            return False
        return pred.rank == 2 if several_outputs(pred) else self.admits.task == "yes or no"

    def check(self, pred: TensorType, target: Any, what: str = "target") -> None:
        name, target = type(self).__name__, np.asarray(target)
        if several_outputs(pred) and self.takes_labels(pred, type_beside(pred, target)):
            check_classes(name, target, pred.shape[1], what)  # type: ignore[arg-type]
        else:
            check_range(name, self.admits, target, what)


def _ratio(loss: Loss, total: Any, weight: Any) -> Any:
    """total / weight; 0 where every target of the batch is ignored."""
    if getattr(loss, "ignore_index", None) is None:
        return total / weight
    return total / ops.where(weight > 0.0, weight, 1.0)


def over_features(each: Any, reduce: Callable[..., Any] = ops.mean) -> Any:
    rank = len(each.shape)
    return each if rank < 2 else reduce(each, axis=tuple(range(1, rank)))


def both(loss: str, pred: Any, target: Any) -> tuple[Any, Any]:
    """Tensors or arrays, the predictions floating."""
    single(loss, pred, "prediction")
    single(loss, target, "target")
    pred = value_of(pred)
    if not is_float(pred):
        raise DTypeError(f"{loss}: pred must be floating, got {type_of(pred)} (line: {user_site()})")
    return pred, value_of(target)


def reshaped(x: Any, shape: Shape) -> Any:
    return ops.reshape(x, shape=shape)


def match(loss: str, pred: Any, target: Any) -> tuple[Any, Any]:
    """pred and target of one shape and dtype.

    Integer targets [N] with pred [N, K] become one-hot rows; [N] and [N, 1] are brought together. ShapeError
    for any other difference: broadcasting [N, 1] against [N] would compare every example with every other.
    """
    pred, target = both(loss, pred, target)
    p, t = tuple(pred.shape), tuple(target.shape)
    if p != t and (p == (*t, 1) or t == (*p, 1)):
        target = reshaped(target, p)
    elif len(p) == 2 and t == p[:1] and not is_float(target) and str(target.dtype) != "bool":
        # Known labels are checked by the loss (check), which says more than the operation would.
        rows = ops.one_hot if isinstance(target, Tensor) else one_hot_or_zeros
        return pred, rows(target, classes=p[1], dtype=str(pred.dtype))
    elif p != t:
        raise shape_error(f"{loss}: pred {type_of(pred)} and target {type_of(target)} must have one shape")
    return pred, target if target.dtype == pred.dtype else ops.cast(target, dtype=str(pred.dtype))


def weighted(loss: Any, pred: Any, target: Any, weight: Any, *, normalised: bool = False) -> Any:
    """sum(w * l) / sum(w) for the examples' losses l [N] and weights w [N], which may be one batch of many.

    normalised: the weights have the mean 1 over all data, so that a batch is divided by its number of examples in
    place of its sum of weights: batches with more weight count more, and the mean of all batches is that of all data.
    fit weights so.

    A loss with reduction="sum" is sum(w * l), with l the sum of the example's elements.

    With class weights of the loss's own the divisor is the sum of the products of both weights (normalised: of the
    loss's own). Where all weights are 0, so is the loss. UsageError for a plain function, ShapeError
    if w is not [N].
    """
    per_example = getattr(loss, "per_example", None)
    if per_example is None:
        name = getattr(loss, "__name__", type(loss).__name__)
        raise UsageError(
            f"sample weights need the loss of each example, and {name} gives one number; write it as a class: class "
            "Own(nn.Loss) with a method elements(self, pred, target) that returns it before its mean, and loss=Own()"
        )
    summed = isinstance(loss, Loss) and getattr(loss, "reduction", "mean") == "sum"
    each = loss.sum_of_example(pred, target) if summed else per_example(pred, target)
    weight = value_of(weight)
    if tuple(weight.shape) != tuple(each.shape):
        raise shape_error(f"weighted: weights {type_of(weight)} for losses {type_of(each)}")
    weight = ops.cast(weight, dtype=str(each.dtype))
    if summed:
        return ops.sum(weight * each)
    own: Callable[..., Any] | None = getattr(loss, "weight_of_examples", None)
    factor = None if own is None else own(pred, target)
    if normalised and factor is None:
        return ops.mean(weight * each)
    total = ops.sum(weight if factor is None else factor if normalised else weight * factor)
    return ops.sum(weight * each) / ops.where(total > 0.0, total, 1.0)
