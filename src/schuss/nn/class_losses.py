"""Losses of classification: over classes, and for yes or no. See schuss.nn.losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from schuss import ops
from schuss.constraints import NOT_NEGATIVE, Constraints, Number, Whole
from schuss.errors import DTypeError
from schuss.ir.executor import Array
from schuss.ir.types import N, Sym, TensorType
from schuss.nn.admits import Admits, check_classes, check_log_probabilities, check_range, check_sums, located
from schuss.nn.formula import Formula, described
from schuss.nn.layers import shape_error
from schuss.nn.loss import (
    ElementLoss,
    Loss,
    both,
    is_float,
    over_features,
    reshaped,
    type_beside,
    type_of,
    value_of,
)
from schuss.nn.losses import REDUCTION, Weights, positive_weights
from schuss.ops.infer import normalize_axis
from schuss.trace import Tensor, hyper


class ClassLoss(Loss):
    """What losses over classes share: pred [N, C], [N, C, ...] or [C]; target integers without the axis of the classes,
    or probabilities of pred's shape."""

    weight: Weights
    ignore_index: int | None
    axis: int | None
    constraints: ClassVar[Constraints] = {
        **REDUCTION,
        "ignore_index": Whole(None, or_none=True),
        "axis": Whole(None, or_none=True),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weight", positive_weights(type(self).__name__, self.weight))
        for name in ("ignore_index", "axis"):
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else int(given))

    def axis_of(self, pred: TensorType, target: TensorType) -> int:
        """The axis of the classes. ShapeError where it is not the one the target leaves out, or could be two."""
        name, p, t = type(self).__name__, pred.shape, target.shape
        if self.axis is not None:
            return normalize_axis(name, self.axis, len(p))
        if len(p) < 3 or t == p:
            return min(1, len(p) - 1)
        first, last = (p[0], *p[2:]), p[:-1]
        if t == last == first:
            raise shape_error(
                f"{name}: the classes of pred {pred} may be in axis 1 or in the last for a target {target}; say which: "
                f"{name}(axis=1), as PyTorch has them, or {name}(axis=-1)"
            )
        if t == last:
            raise shape_error(
                f"{name}: pred {pred} has its classes in the last axis for a target {target}; PyTorch's [N,C,...] is "
                f"meant unless {name}(axis=-1) says so"
            )
        return 1

    def _check_types(self, pred: TensorType, target: TensorType, axis: int) -> None:
        name, p, t = type(self).__name__, pred.shape, target.shape
        outputs = p[axis]
        if isinstance(outputs, Sym) and outputs != N:
            raise shape_error(f"{name}: axis {axis} of pred {pred} has the classes, and {outputs} is no known number")
        if isinstance(outputs, Sym) or (outputs < self.admits.outputs and len(p) > 1):
            raise shape_error(
                f"{name}: needs an output for each class, and pred {pred} has one an example; for two classes end the "
                "model with 2 outputs or use nn.BCEWithLogitsLoss(), for numbers nn.MSELoss()"
            )
        if self.weight is not None and len(self.weight) != outputs:
            raise shape_error(f"{name}: {len(self.weight)} class weights for pred {pred}")
        if t == p and (target.is_float or (len(p) > 1 and target.dtype != "bool")):
            return
        want = [d for i, d in enumerate(p) if i != axis]
        if target.is_float or target.dtype == "bool":
            mend = "; cast labels with .astype(int), and use nn.MSELoss() for numbers"
            raise located(
                DTypeError,
                f"{name}: target must be integer class numbers {want} or probabilities {list(p)}, got {target}{mend}",
            )
        if list(t) != want and not (len(p) == 2 and t == (p[0], 1)):
            one = len(t) == 1 and len(p) > 2
            mend = "; for one label an example put nn.Flatten() before the model's last Linear" * one
            raise shape_error(f"{name}: pred {pred} needs a target [{','.join(map(str, want))}], got {target}{mend}")

    def prepared(self, pred: Any, target: Any) -> tuple[Any, Any]:
        """The classes last; class numbers, or probabilities in pred's dtype."""
        name = type(self).__name__
        pred, target = both(name, pred, target)
        if len(pred.shape) == 0:
            raise shape_error(f"{name}: pred must be [N,C] (examples, classes), got {type_of(pred)}")
        axis = self.axis_of(type_of(pred), type_of(target))
        self._check_types(type_of(pred), type_of(target), axis)
        p, t = tuple(pred.shape), tuple(target.shape)
        order = (*(i for i in range(len(p)) if i != axis), axis)
        if order != tuple(range(len(p))):
            pred = ops.transpose(pred, axes=order)
            target = ops.transpose(target, axes=order) if t == p else target
        if t == p:
            return pred, target if target.dtype == pred.dtype else ops.cast(target, dtype=str(pred.dtype))
        return pred, target if len(t) == len(p) - 1 else reshaped(target, p[:-1])

    def takes_labels(self, pred: TensorType, target: TensorType) -> bool:
        return not target.is_float and target.dtype != "bool" and target.shape != pred.shape

    def check(self, pred: TensorType, target: Any, what: str = "target") -> None:
        name, target = type(self).__name__, np.asarray(target)
        known = type_beside(pred, target)
        axis = self.axis_of(pred, known)
        self._check_types(pred, known, axis)
        if self.takes_labels(pred, known):
            check_classes(name, target, pred.shape[axis], what, self.ignore_index, ignores=True)  # type: ignore[arg-type]
        else:
            check_range(name, self.admits, target, what)
            if self.admits.sums_to_one:
                check_sums(name, target, axis, what)

    def _check_known(self, pred: Any, target: Any) -> None:
        if not isinstance(target, Tensor):
            self.check(type_of(value_of(pred)), target)
        if not isinstance(pred, Tensor):
            self.check_predictions(np.asarray(pred), type_of(value_of(target)))

    def check_predictions(self, pred: Any, target: TensorType) -> None:
        """DataError for known predictions that are none that the loss is made for."""
        if self.admits.predictions == "log-probabilities":
            check_log_probabilities(type(self).__name__, pred, self.axis_of(type_of(pred), target))

    def are_probabilities(self, pred: Any, target: TensorType) -> bool:
        """Whether known predictions sum to 1, as a softmax's."""
        total = np.sum(pred, axis=self.axis_of(type_of(pred), target), dtype=np.float64)
        return bool((pred >= 0.0).all() and (np.abs(total - 1.0) < 1e-4).all())

    def accuracy(self, pred: Any, target: Any) -> Any:
        """The share of targets, those to be ignored left out, whose class has the largest output: a scalar."""
        pred, target = self.prepared(pred, target)
        right = ops.cast(ops.equal(ops.argmax(pred, axis=-1), ops.cast(target, dtype="int64")), dtype=str(pred.dtype))
        kept = self._kept(target)
        if kept is None:
            return ops.mean(right)
        kept = ops.cast(kept, dtype=str(pred.dtype))
        total = ops.sum(kept)
        return ops.sum(right * kept) / ops.where(total > 0.0, total, 1.0)

    def _kept(self, target: Any) -> Any:
        """Which class numbers are not to be ignored; None for all."""
        ignore = self.ignore_index
        if ignore is None or is_float(target):
            return None
        bounds = np.iinfo(str(target.dtype))
        return ops.not_equal(target, ignore) if bounds.min <= ignore <= bounds.max else None

    def _weights(self, pred: Any) -> Any:
        return np.asarray(self.weight, str(pred.dtype))

    def _kept_only(self, target: Any, of: Callable[[Any], Any]) -> Any:
        """of(class numbers) for each target; 0 for those to be ignored, whatever their predictions."""
        kept = self._kept(target)
        if kept is None:
            return of(target)
        return ops.where(kept, of(ops.where(kept, target, np.zeros((), str(target.dtype)))), 0.0)

    def _class_weight(self, pred: Any, target: Any) -> Any:
        chosen = ops.one_hot(target, classes=pred.shape[-1], dtype=str(pred.dtype))
        return ops.sum(chosen * self._weights(pred), axis=-1)

    def _factors(self, pred: Any, target: Any) -> Any:
        """What each class number's term is multiplied by: its class's weight, 0 where it is ignored. None for 1 each,
        and for probabilities, which as in PyTorch are averaged over N."""
        if is_float(target):
            return None
        if self.weight is not None:
            return self._kept_only(target, lambda y: self._class_weight(pred, y))
        kept = self._kept(target)
        return None if kept is None else ops.cast(kept, dtype=str(pred.dtype))

    def weight_of_examples(self, pred: Any, target: Any) -> Any:
        factors = self._factors(*self.prepared(pred, target))
        return None if factors is None else over_features(factors)


@dataclass(frozen=True)
class CrossEntropyLoss(ClassLoss):
    """-log softmax(z)[y] = logsumexp(z) - z[y] for logits z [N, C] and classes y [N] (any integer dtype).

    Sequences and images: z [N, C, ...] and y [N, ...], as in PyTorch; `axis` names another axis of the classes: with
    axis=-1 z is [N, ..., C], as layers give it. It must be named where both would fit. With probabilities t of z's
    shape as target: -sum(t * log softmax(z)). With label_smoothing e the target is (1 - e) * onehot(y) + e / C.
    With class weights w (PyTorch's rules) a class's term is multiplied by its weight, and the mean over integer targets
    divides by the batch's sum of w[y]. Where y is ignore_index the target is left out: the mean is over the others, and
    0 without any.

    weight: one number a class; ignore_index: None, or a number that need not be a class; reduction: mean, sum or none.
    C is at least 2. ShapeError or DTypeError for a target that does not fit; where targets are known (arrays, fit)
    DataError for a class that is none of the C, and for probabilities that are negative or do not sum to 1.
    """

    admits: ClassVar[Admits] = Admits(
        "classes", "logits", 2, 0.0, 1.0, True,
        "targets of pred's shape are probabilities; use nn.MSELoss() for other numbers",
    )  # fmt: skip
    label: ClassVar[str] = "cross entropy (nats)"
    formula: ClassVar[Formula] = described(
        "mean of −log softmax(pred)[target]",
        "(softmax(pred) − one-hot target) / N",
        "add clip equal exp log max mean stop_gradient sub sum where",
    )

    weight: Weights = None
    label_smoothing: float = 0.0
    reduction: str = "mean"
    ignore_index: int | None = None
    axis: int | None = None

    constraints: ClassVar[Constraints] = {**ClassLoss.constraints, "label_smoothing": Number(0, 1)}

    def probabilities(self, outputs: Array, axis: int = 1) -> Array:
        e: Array = np.exp(outputs - outputs.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    def elements(self, pred: Any, target: Any) -> Any:
        total = ops.logsumexp(pred, axis=-1)
        if is_float(target):
            return self._soft(pred, total, target)
        return self._kept_only(target, lambda y: self._hard(pred, total, y))

    def _hard(self, pred: Any, total: Any, y: Any) -> Any:
        """For class numbers as targets."""
        smooth = self.label_smoothing
        if smooth == 0.0:
            nll = total - ops.pick(pred, y)
            return nll if self.weight is None else nll * self._class_weight(pred, y)
        if self.weight is None:  # the smoothed target's sum is 1
            nll = total - ops.pick(pred, y)
            kept = hyper("1-label_smoothing", 1.0 - smooth, nll)
            return nll * kept + (total - ops.mean(pred, axis=-1)) * hyper("label_smoothing", smooth, nll)
        return self._soft(pred, total, ops.one_hot(y, classes=pred.shape[-1], dtype=str(pred.dtype)))

    def _soft(self, pred: Any, total: Any, t: Any) -> Any:
        """For probabilities as targets."""
        if self.label_smoothing:
            kept, each = 1.0 - self.label_smoothing, self.label_smoothing / pred.shape[-1]
            t = t * hyper("1-label_smoothing", kept, t) + hyper("label_smoothing/classes", each, t)
        if self.weight is not None:
            t = t * self._weights(pred)
        log_p = pred - ops.reshape(total, shape=(*pred.shape[:-1], 1))
        # A product 0 * -inf would be NaN: an impossible class that is not asked for costs nothing.
        return ops.neg(ops.sum(ops.where(ops.equal(t, 0.0), 0.0, t * log_p), axis=-1))


@dataclass(frozen=True)
class NLLLoss(ClassLoss):
    """-z[y] for log-probabilities z [N, C] (of LogSoftmax) and classes y [N].

    Sequences, class weights, ignore_index and axis as in CrossEntropyLoss. ShapeError or DTypeError for a target that
    does not fit; where numbers are known DataError for a class that is none of the C, and (arrays; in fit the model's
    first outputs) for predictions that are no log-probabilities.
    """

    admits: ClassVar[Admits] = Admits("classes", "log-probabilities", 2)
    label: ClassVar[str] = "negative log likelihood (nats)"
    formula: ClassVar[Formula] = described("mean of −pred[target]", "−1/N at the target", "mean neg sum where")

    weight: Weights = None
    reduction: str = "mean"
    ignore_index: int | None = None
    axis: int | None = None

    def _check_types(self, pred: TensorType, target: TensorType, axis: int) -> None:
        super()._check_types(pred, target, axis)
        if target.shape == pred.shape:
            raise located(DTypeError, f"NLLLoss: target must be integer class numbers, got {target}")

    def probabilities(self, outputs: Array, axis: int = 1) -> Array:
        return np.exp(outputs)

    def elements(self, pred: Any, target: Any) -> Any:
        return self._kept_only(target, lambda y: self._hard(pred, y))

    def _hard(self, pred: Any, y: Any) -> Any:
        nll = ops.neg(ops.pick(pred, y))
        return nll if self.weight is None else nll * self._class_weight(pred, y)


@dataclass(frozen=True)
class FocalLoss(ClassLoss):
    """-(1 - p)**gamma log p with p = softmax(z)[y], for logits z [N, C] and classes y [N]: examples that are right
    already count less.

    gamma = 0 is CrossEntropyLoss. Sequences, class weights, ignore_index and axis as in CrossEntropyLoss.
    UsageError for a negative gamma; ShapeError or DTypeError for a target that does not fit; where targets are known
    DataError for a class that is none of the C. Source: Lin et al., Focal loss for dense object detection (ICCV 2017).
    """

    admits: ClassVar[Admits] = Admits("classes", "logits", 2)
    label: ClassVar[str] = "focal loss (nats)"

    gamma: float = 2.0
    weight: Weights = None
    reduction: str = "mean"
    ignore_index: int | None = None
    axis: int | None = None

    constraints: ClassVar[Constraints] = {**ClassLoss.constraints, "gamma": NOT_NEGATIVE}

    def _check_types(self, pred: TensorType, target: TensorType, axis: int) -> None:
        super()._check_types(pred, target, axis)
        if target.shape == pred.shape:
            raise located(DTypeError, f"FocalLoss: target must be integer class numbers, got {target}")

    def probabilities(self, outputs: Array, axis: int = 1) -> Array:
        e: Array = np.exp(outputs - outputs.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    def elements(self, pred: Any, target: Any) -> Any:
        return self._kept_only(target, lambda y: self._hard(pred, y))

    def _hard(self, pred: Any, y: Any) -> Any:
        nll = ops.logsumexp(pred, axis=-1) - ops.pick(pred, y)
        if self.gamma:
            # 1 - p without rounding; above 0, where the slope of a power below 1 is infinite
            missed = ops.maximum(ops.neg(ops.expm1(ops.neg(nll))), 1e-30)
            nll = ops.pow(missed, hyper("gamma", self.gamma, nll)) * nll
        return nll if self.weight is None else nll * self._class_weight(pred, y)


@dataclass(frozen=True)
class BCEWithLogitsLoss(ElementLoss):
    """-t log p - (1 - t) log(1 - p), p = sigmoid(z); the mean of all elements.

    Computed as max(z, 0) - z*t + log1p(exp(-|z|)). z and t have one shape, t in [0, 1]; integer classes [N]
    with z [N, K] become one-hot. With pos_weight w (one number, or one for each of the last axis) the first term is
    multiplied by it: -w t log p - (1 - t) log(1 - p), computed as (1 - t) z + (1 + (w - 1) t) log(1 + exp(-z)).
    ShapeError for other differences of shape; where targets are known (arrays, fit) DataError outside [0, 1].
    """

    admits: ClassVar[Admits] = Admits(
        "yes or no", "logits", 1, 0.0, 1.0,
        mend="targets are 0 for no and 1 for yes: (y > 0) of -1 and 1, y / 255 of bytes",
    )  # fmt: skip
    label: ClassVar[str] = "binary cross entropy (nats)"
    formula: ClassVar[Formula] = described(
        "mean of binary cross entropy",
        "(σ(pred) − target) / count",
        "add exp greater log1p mean mul neg sub where",
    )

    reduction: str = "mean"
    pos_weight: Weights = None

    constraints: ClassVar[Constraints] = REDUCTION

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = positive_weights("BCEWithLogitsLoss", self.pos_weight, "pos_weight")
        object.__setattr__(self, "pos_weight", weights)

    def probabilities(self, outputs: Array, axis: int = 1) -> Array:
        return 0.5 * (1.0 + np.tanh(0.5 * outputs))

    def elements(self, pred: Any, target: Any) -> Any:
        if self.pos_weight is None:
            return ops.binary_cross_entropy_with_logits(pred, target)
        count = len(self.pos_weight)
        if count > 1 and (len(pred.shape) < 2 or pred.shape[-1] != count):
            raise shape_error(f"BCEWithLogitsLoss: {count} numbers in pos_weight for pred {type_of(pred)}")
        weight: Any = np.asarray(self.pos_weight if count > 1 else self.pos_weight[0], str(pred.dtype))
        weight = weight if count > 1 else hyper("pos_weight", weight, pred)
        return (1.0 - target) * pred + ((weight - 1.0) * target + 1.0) * ops.softplus(ops.neg(pred))


__all__ = ["BCEWithLogitsLoss", "ClassLoss", "CrossEntropyLoss", "FocalLoss", "NLLLoss"]
