"""What is minimised, and what outputs mean: one Objective for each way of taking a target.

name       loss of the networks                              a member's outputs, and what is averaged over members
classes    cross entropy, of two classes binary; or focal    logits; their log probabilities
values     squared, absolute or Huber's error                standardised values; these
counts     Poisson                                           logarithms of expectations over the targets' mean; these
amounts    gamma                                             the same
quantiles  quantile (pinball) loss                           standardised quantiles; these, sorted in the answer

An answer is what `TableModel` blends: probabilities, standardised values or quantiles, or expectations over the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.calling import did_you_mean
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.signature.outputs import CLASSIFICATION, REGRESSION, Output
from schuss.tabular.algebra import moments
from schuss.tabular.kind import Where, rows_of
from schuss.tabular.linear import LinearModel, fit_linear
from schuss.tabular.metrics import Metric, metrics_for
from schuss.tabular.targets import Target

LOSSES = {
    "cross_entropy": (CLASSIFICATION, nn.CrossEntropyLoss),
    "focal": (CLASSIFICATION, nn.FocalLoss),
    "mse": (REGRESSION, nn.MSELoss),
    "mae": (REGRESSION, nn.L1Loss),
    "huber": (REGRESSION, nn.HuberLoss),
    "poisson": (REGRESSION, nn.PoissonNLLLoss),
    "gamma": (REGRESSION, nn.GammaNLLLoss),
    "quantile": (REGRESSION, nn.QuantileLoss),
}
QUANTILES = (0.1, 0.5, 0.9)
MAIN = {"classification": "log_loss", "regression": "rmse", "counts": "poisson_deviance", "quantiles": "pinball"}
FURTHEST = 20.0  # logarithms of an expectation over the mean lie within -20 and 20


@dataclass(frozen=True)
class Objective:
    """loss: a name of LOSSES. outputs: of a network. classes: 0 for numbers. quantiles: of "quantile" alone.
    center, scale: a value is center + scale * answer, one each a target; low, high: of answers that are values."""

    loss: str
    outputs: int
    classes: int = 0
    quantiles: tuple[float, ...] = ()
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def task(self) -> str:
        """As schuss.tabular.metrics and linear models have it."""
        if self.classes:
            return "classification"
        return {"quantile": "quantiles", "poisson": "counts", "gamma": "counts"}.get(self.loss, "regression")

    @property
    def logarithmic(self) -> bool:
        """Whether outputs are logarithms of expectations."""
        return self.task == "counts"

    @property
    def main(self) -> str:
        """The metric by which it is judged and blended."""
        return "mae" if self.loss == "mae" else MAIN[self.task]

    @property
    def metric(self) -> Metric:
        """That metric."""
        return next(m for m in metrics_for(self.task, self.quantiles or None) if m.name == self.main)

    # -- training --------------------------------------------------------------------------------------------

    def standardised(self, y: Array) -> Array:
        """Targets as networks and linear models learn them: labels int [N], or float64 [N, targets]."""
        return y if self.classes else (y - np.array(self.center)) / np.array(self.scale)

    def encoded(self, y: Array) -> Array:
        """float64 [N, outputs]: of standardised targets, what target encodings are the means of: classes, or the second
        of two, or the values."""
        if not self.classes:
            return y.reshape(len(y), -1).astype(np.float64)
        hot = np.eye(self.classes)[y]
        return hot[:, 1:] if self.classes == 2 else hot

    def truth(self, y: Array) -> Array:
        """Of standardised targets, what the networks' loss takes."""
        if self.classes == 2 and self.loss == "cross_entropy":
            return self.encoded(y).astype(np.float32)
        return y if self.classes else y.astype(np.float32)

    def network_loss(self) -> Any:
        """The loss of the networks."""
        if self.classes == 2 and self.loss == "cross_entropy":
            return nn.BCEWithLogitsLoss()
        return nn.QuantileLoss(q=self.quantiles) if self.quantiles else LOSSES[self.loss][1]()

    def linear(self, x: Array, y: Array, weights: Array | None, start: LinearModel | None) -> LinearModel:
        """The linear model of prepared columns x and standardised targets."""
        flat = y[:, 0] if self.logarithmic or self.quantiles else y
        known: dict[str, Any] = {"classes": self.classes or None, "quantiles": self.quantiles or None}
        return fit_linear(x, flat, self.task, weights, start=start, **known)

    # -- graph code ------------------------------------------------------------------------------------------

    def averaged(self, out: Any) -> Any:
        """Of outputs [..., outputs] what is averaged over members: log probabilities [..., classes], or the outputs."""
        if not self.classes:
            return out
        if self.outputs == 1:  # of the second of two classes against the first
            return ops.concatenate([ops.log_sigmoid(ops.neg(out)), ops.log_sigmoid(out)], axis=-1)
        return ops.log_softmax(out, axis=-1)

    def answer(self, mean: Any, temperature: float = 1.0) -> Any:
        """Of averages the answer: probabilities, values within low and high, or expectations."""
        if self.classes:
            return ops.exp(ops.log_softmax(mean / temperature, axis=-1))
        if self.logarithmic:
            return ops.exp(ops.clip(mean, -FURTHEST, FURTHEST))
        return ops.clip(mean, np.array(self.low, np.float32), np.array(self.high, np.float32))

    def result(self, answer: Any) -> Any:
        """Of blended answers what the model says: log probabilities, or values in the target's own units, float64 as
        they may lie far from 0."""
        if self.classes:
            return ops.log(answer)
        value = self.own_units(answer)
        return value.reshape(-1) if len(self.scale) == 1 and not self.quantiles else value

    def own_units(self, answer: Any) -> Any:
        """Answers, tensors or arrays, as float64 predictions in the target's own units, quantiles in order, so that
        they never cross; of classes probabilities."""
        if self.classes:
            return answer
        value = ops.cast(answer, dtype="float64") * np.array(self.scale) + np.array(self.center)
        return ops.sort(value, axis=-1) if self.quantiles else value

    # -- what people see -------------------------------------------------------------------------------------

    def output(self, target: Target) -> Output:
        """What a model says, for its signature."""
        if not self.quantiles:
            return target.output()
        names = tuple(f"{target.names[0]}_{q:g}" for q in self.quantiles)
        return Output(TensorType("float64", (N, len(names))), REGRESSION, columns=names)

    def signature_loss(self) -> Any:
        """By which outputs of the model are read."""
        return nn.CrossEntropyLoss() if self.classes else nn.MSELoss()


def objective_of(
    target: Target,
    loss: str | None,
    quantiles: Sequence[float] | None,
    where: Where | None = None,
    weights: Array | None = None,
) -> Objective:
    """The objective of a target. UsageError for a loss that is none or does not fit; DataError for targets it
    refuses. where: what messages call a row; weights: [N] of the rows."""
    if quantiles is not None:
        if loss not in (None, "quantile"):
            raise UsageError(f"quantiles go with loss 'quantile', not {loss!r}: leave one of them out")
        loss = "quantile"
    loss = loss or ("cross_entropy" if target.classes else "mse")
    if loss not in LOSSES:
        raise UsageError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}{did_you_mean(loss, LOSSES)}")
    if (task := LOSSES[loss][0]) != target.task:
        raise UsageError(f"loss {loss!r} is for {task}, and the target was taken as {target.task} ({target.reason})")
    if target.classes:
        return Objective(loss, 1 if target.classes == 2 and loss == "cross_entropy" else target.classes, target.classes)
    return _of_numbers(target, loss, quantiles, where or rows_of("the table"), weights)


def _of_numbers(
    target: Target, loss: str, quantiles: Sequence[float] | None, where: Where, weights: Array | None
) -> Objective:
    y, count = target.y, target.y.shape[1]
    if count > 1 and loss in ("poisson", "gamma", "quantile"):
        raise UsageError(f"loss {loss!r} is of one target: train a model for each")
    name = ", ".join(map(repr, target.names))
    center, scale = moments(y, weights)
    if loss in ("poisson", "gamma"):
        row = int(np.argmin(y.min(1)))
        if y.min() < 0 or (loss == "gamma" and y.min() == 0):
            least = "at least 0" if loss == "poisson" else "above 0"
            raise DataError(f"target {name}: is {y[row].min():g} in {where(row)}; loss {loss!r} takes numbers {least}")
        return Objective(loss, count, center=(0.0,) * count, scale=_list(center))
    if loss != "quantile":
        low, high = ((f(0) - center) / scale for f in (y.min, y.max))
        return Objective(loss, count, center=_list(center), scale=_list(scale), low=_list(low), high=_list(high))
    q = tuple(sorted(map(float, quantiles or QUANTILES)))
    if len(set(q)) < len(q) or not all(0 < v < 1 for v in q):
        raise UsageError(f"quantiles must lie between 0 and 1, each once, got {', '.join(map(str, q))}")
    low, high = ((f(0) - center) / scale for f in (y.min, y.max))
    return Objective(loss, len(q), 0, q, _list(center), _list(scale), _list(low) * len(q), _list(high) * len(q))


def _list(a: Array) -> tuple[float, ...]:
    return tuple(a.tolist())
