"""What is minimised: scikit-learn's losses by their conventions, and any loss of schuss.nn.

For a batch with losses l_i, weights w_i (1 without sample_weight) and matrices W of the layers

    L = (sum_i w_i l_i + alpha / 2 sum W**2) / sum_i w_i

so that the penalty is divided by the batch's size, and intercepts are not penalised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.sklearn.keyed import Keyed
from schuss.trace import notice

Each = Callable[[Any, Any], Any]
"""(outputs z [N, K], targets) -> the examples' losses [N]"""


def _sum(each: Any) -> Any:
    return ops.sum(each, axis=1)


def _half_squares(z: Any, y: Any) -> Any:
    return _sum(0.5 * ops.square(z - y))


def _mean_half_squares(z: Any, y: Any) -> Any:
    return ops.mean(0.5 * ops.square(z - y), axis=1)


def _poisson(z: Any, y: Any) -> Any:
    return _sum(ops.exp(z) - y * z)


def _poisson_deviance(z: Any, y: Any) -> Any:
    """Half of it: y log(y / exp z) - y + exp z."""
    some = ops.greater(y, 0.0)
    own = ops.where(some, y * ops.log(ops.where(some, y, 1.0)), 0.0)
    return _sum(own - y * z - y + ops.exp(z))


def _binary(z: Any, y: Any) -> Any:
    return _sum(ops.binary_cross_entropy_with_logits(z, y))


def _binary_shown(z: Any, y: Any) -> Any:
    return _sum(_limited(ops.binary_cross_entropy_with_logits(z, y)))


def _classes(z: Any, y: Any) -> Any:
    return ops.logsumexp(z, axis=1) - ops.pick(z, y)


def _classes_shown(z: Any, y: Any) -> Any:
    return _limited(_classes(z, y))


def _limited(each: Any) -> Any:
    """-log p with p limited to [eps, 1 - eps], as scikit-learn shows it; its gradients are those of -log p."""
    eps = float(np.finfo(str(each.dtype)).eps)
    return ops.clip(each, -math.log1p(-eps), -math.log(eps))


OWN: dict[str, tuple[Each, Each]] = {
    "squared_error": (_half_squares, _mean_half_squares),
    "poisson": (_poisson, _poisson_deviance),
    "binary_log_loss": (_binary, _binary_shown),
    "log_loss": (_classes, _classes_shown),
}
"""scikit-learn's losses: what gradients are taken of, and what loss_curve_ shows. They differ where there are several
targets (the sum and the mean of the squares), and in constants."""


@dataclass(frozen=True)
class Objective:
    """loss  a name of OWN, or a loss of schuss.nn
    link  how outputs are read: identity, exp, logistic or softmax
    """

    loss: Keyed
    link: str

    @property
    def whole(self) -> bool:
        """Whether targets are the numbers of classes."""
        return self.link == "softmax"

    def targets(self, outputs: int) -> int:
        """How many numbers an example's target has."""
        several = isinstance(self.loss.given, nn.QuantileLoss) and isinstance(self.loss.given.q, tuple)
        return 1 if several else outputs

    def each(self, shown: bool) -> Each:
        """The examples' losses: what gradients are taken of, or what is shown."""
        given = self.loss.given
        if isinstance(given, str):
            return OWN[given][shown]

        def own(z: Any, y: Any) -> Any:
            notice(given)
            return given.per_example(z, y)

        return own


class Penalised:
    """L, as a loss of (outputs, targets) or of (outputs, (targets, weights))."""

    def __init__(self, objective: Objective, matrices: Sequence[nn.Parameter], alpha: nn.Parameter | None) -> None:
        self._objective, self._matrices, self._alpha = objective, matrices, alpha

    def __call__(self, pred: Any, target: Any) -> Any:
        return self._whole(pred, target, shown=False)

    def shown(self, pred: Any, target: Any) -> Any:
        """As loss_curve_ has it."""
        return self._whole(pred, target, shown=True)

    def _whole(self, pred: Any, target: Any, shown: bool) -> Any:
        y, weight = target if isinstance(target, tuple) else (target, None)
        each = self._objective.each(shown)(pred, y)
        if weight is None:
            total, size = ops.sum(each), ops.count(each, axis=0, dtype=str(each.dtype))
        else:
            total, size = ops.sum(each * weight), ops.sum(weight)
            size = ops.where(size > 0.0, size, 1.0)
        if self._alpha is not None:
            squares = [ops.sum(ops.square(w)) for w in self._matrices]
            total = total + 0.5 * self._alpha * sum(squares[1:], squares[0])
        return total / size


class Summed:
    """sum_i w_i l_i, for gradients that are added up over batches."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def __call__(self, pred: Any, target: Any) -> Any:
        return ops.sum(self._each(pred, target, shown=False))

    def shown(self, pred: Any, target: Any) -> Any:
        """The terms, [N], as loss_ has them."""
        return self._each(pred, target, shown=True)

    def _each(self, pred: Any, target: Any, shown: bool) -> Any:
        y, weight = target if isinstance(target, tuple) else (target, None)
        each = self._objective.each(shown)(pred, y)
        return each if weight is None else each * weight


__all__ = ["OWN", "Objective", "Penalised", "Summed"]
