"""What is minimised, and what outputs mean: one Objective for each way of taking a target.

name       loss of the networks                              a member's outputs, and what is averaged over members
classes    cross entropy, of two classes binary; or focal    logits; their log probabilities
labels     binary cross entropy of each                      logits; these
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
from schuss.asking import asked
from schuss.calling import did_you_mean
from schuss.constraints import shown
from schuss.errors import DataError, UsageError
from schuss.ir.executor import Array
from schuss.ir.types import N, TensorType
from schuss.signature.outputs import CLASSIFICATION, REGRESSION, Output
from schuss.tabular.algebra import moments
from schuss.tabular.blend import temperature, with_uniform
from schuss.tabular.kind import Where
from schuss.tabular.linear import LinearModel, fit_linear
from schuss.tabular.metrics import SCALED, Metric, metrics_for
from schuss.tabular.targets import COUNTS, LABELS, Target

LOSSES = {
    "cross_entropy": ((CLASSIFICATION,), nn.CrossEntropyLoss),
    "binary_cross_entropy": ((CLASSIFICATION, LABELS), nn.BCEWithLogitsLoss),
    "focal": ((CLASSIFICATION,), nn.FocalLoss),
    "mse": ((REGRESSION,), nn.MSELoss),
    "mae": ((REGRESSION,), nn.L1Loss),
    "huber": ((REGRESSION,), nn.HuberLoss),
    "poisson": ((REGRESSION,), nn.PoissonNLLLoss),
    "gamma": ((REGRESSION,), nn.GammaNLLLoss),
    "quantile": ((REGRESSION,), nn.QuantileLoss),
}
DEFAULT = {CLASSIFICATION: "cross_entropy", LABELS: "binary_cross_entropy", REGRESSION: "mse"}
ALIASES = {"bce": "binary_cross_entropy"}  # as networks have it
QUANTILES = (0.1, 0.5, 0.9)
MAIN = {
    "classification": "log_loss", "labels": "log_loss", "regression": "rmse", "counts": "poisson_deviance",
    "amounts": "gamma_deviance", "quantiles": "pinball",
}  # fmt: skip
TASKS = {"quantile": "quantiles", "poisson": "counts", "gamma": "amounts"}  # other losses of numbers: regression
FURTHEST = 20.0  # logarithms of an expectation over the mean lie within -20 and 20


@dataclass(frozen=True)
class Objective:
    """loss: a name of LOSSES. outputs: of a network. classes, labels: how many; 0 of others. quantiles: of "quantile"
    alone. center, scale: a value is center + scale * answer, one each a target; low, high: of answers that are values.
    """

    loss: str
    outputs: int
    classes: int = 0
    labels: int = 0
    quantiles: tuple[float, ...] = ()
    center: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def task(self) -> str:
        """As schuss.tabular.metrics has it."""
        if self.levels:
            return "classification" if self.classes else "labels"
        return TASKS.get(self.loss, "regression")

    @property
    def levels(self) -> int:
        """Of how many the answer has probabilities: the classes; 2 of labels, each there or not; 0 of numbers."""
        return self.classes or (2 if self.labels else 0)

    @property
    def logarithmic(self) -> bool:
        """Whether outputs are logarithms of expectations."""
        return self.task in ("counts", "amounts")

    @property
    def binary(self) -> bool:
        """Whether the one output is a logit: of the second of two classes."""
        return self.classes == 2 and self.outputs == 1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of a report, of predictions in the target's own units."""
        return metrics_for(self.task, self.quantiles or None, self.scale if self.loss == "huber" else None, self.scale)

    @property
    def main(self) -> str:
        """The metric by which it is judged and blended: of several targets of numbers one of scaled errors."""
        own = self.loss if self.loss in ("mae", "huber") else MAIN[self.task]
        return SCALED.get(own, own) if len(self.scale) > 1 else own

    @property
    def reported(self) -> Metric:
        """That metric, of predictions in the target's own units."""
        return next(m for m in self.metrics if m.name == self.main)

    @property
    def metric(self) -> Metric:
        """That metric, of answers: Huber's error has no scale of its own there."""
        ones = (1.0,) * len(self.scale)
        metrics = metrics_for(self.task, self.quantiles or None, ones if self.loss == "huber" else None, ones)
        return next(m for m in metrics if m.name == self.main)

    def in_own_units(self, loss: float) -> float:
        """What `metric` gives of answers, as `reported` gives it of predictions."""
        return loss * self.scale[0] if self.main in ("rmse", "mae", "pinball", "poisson_deviance") else loss

    # -- training --------------------------------------------------------------------------------------------

    def standardised(self, y: Array) -> Array:
        """Targets as networks and linear models learn them: classes int [N], or float64 [N, targets]."""
        return y if self.levels else (y - np.array(self.center)) / np.array(self.scale)

    def encoded(self, y: Array) -> Array:
        """float64 [N, outputs]: of standardised targets, what target encodings are the means of: classes, or the second
        of two, or the values."""
        if not self.classes:
            return y.reshape(len(y), -1).astype(np.float64)
        hot = np.eye(self.classes)[y]
        return hot[:, 1:] if self.classes == 2 else hot

    def truth(self, y: Array) -> Array:
        """Of standardised targets, what the networks' loss takes."""
        if self.binary:
            return self.encoded(y).astype(np.float32)
        return y if self.classes else y.astype(np.float32)

    def network_loss(self) -> Any:
        """The loss of the networks."""
        if self.binary:
            return nn.BCEWithLogitsLoss()
        return nn.QuantileLoss(q=self.quantiles) if self.quantiles else LOSSES[self.loss][1]()

    def linear(
        self,
        x: Array,
        y: Array,
        weights: Array | None,
        start: LinearModel | None,
        codes: Array,
        levels: Sequence[int],
        penalty: float,
    ) -> LinearModel:
        """The linear model of prepared columns x, the levels of codes, and standardised targets."""
        flat = y[:, 0] if self.logarithmic or self.quantiles else y
        known: dict[str, Any] = {"classes": self.classes or None, "quantiles": self.quantiles or None}
        return fit_linear(
            x, flat, self.task, weights, start=start, codes=codes, levels=levels, penalty=penalty, **known
        )

    def temperature(self, averages: Array, y: Array, weights: Array | None) -> float:
        """By which averages of members are divided (schuss.tabular.blend); 1 of numbers."""
        if not self.levels:
            return 1.0
        if self.classes:
            return temperature(averages, y, weights)
        flat = averages.reshape(-1)
        each = None if weights is None else np.repeat(weights, self.labels)
        return temperature(np.stack([np.zeros_like(flat), flat], 1), y.reshape(-1).astype(np.int64), each)

    def levelled(self, answer: Array, rows: int) -> Array:
        """Probabilities with a share of the uniform distribution of 1 / rows; numbers as they are."""
        return with_uniform(answer, rows, self.levels) if self.levels else answer

    # -- graph code ------------------------------------------------------------------------------------------

    def averaged(self, out: Any) -> Any:
        """Of outputs [..., outputs] what is averaged over members: log probabilities [..., classes], or the outputs."""
        if not self.classes:
            return out
        if self.outputs == 1:  # of the second of two classes against the first
            return ops.concatenate([ops.log_sigmoid(ops.neg(out)), ops.log_sigmoid(out)], axis=-1)
        return ops.log_softmax(out, axis=-1)

    def answer(self, mean: Any, temperature: float = 1.0, further: float = 0.0) -> Any:
        """Of averages the answer: probabilities, values within low and high and a share of that range beyond, or
        expectations."""
        if self.classes:
            return ops.exp(ops.log_softmax(mean / temperature, axis=-1))
        if self.labels:
            return ops.sigmoid(mean / temperature)
        if self.logarithmic:
            return ops.exp(ops.clip(mean, -FURTHEST, FURTHEST))
        low, high = self._limits(further)
        return ops.clip(mean, low.astype(np.float32), high.astype(np.float32))

    def _limits(self, further: float) -> tuple[Array, Array]:
        """The range of the training targets, and as large a share of it beyond, though not across 0 where none of them
        is on the other side."""
        low, high, zero = np.array(self.low), np.array(self.high), -np.array(self.center) / np.array(self.scale)
        room = further * (high - low)
        below, above = np.where(low >= zero, np.maximum(low - room, zero), low - room), high + room
        return np.minimum(below, low), np.where(high <= zero, np.maximum(np.minimum(above, zero), high), above)

    def result(self, answer: Any) -> Any:
        """Of blended answers what the model says: log probabilities, logits of labels, or values in the target's own
        units, float64 as they may lie far from 0."""
        if self.classes:
            return ops.log(answer)
        if self.labels:
            return ops.log(answer) - ops.log(1.0 - answer)
        value = self.own_units(answer)
        return value.reshape(-1) if len(self.scale) == 1 and not self.quantiles else value

    def own_units(self, answer: Any) -> Any:
        """Answers, tensors or arrays, as float64 predictions in the target's own units, quantiles in order, so that
        they never cross; of classes and labels probabilities."""
        if self.levels:
            return answer
        value = ops.cast(answer, dtype="float64") * np.array(self.scale) + np.array(self.center)
        return ops.sort(value, axis=-1) if self.quantiles else value

    def predictions(self, result: Array) -> Array:
        """Of results float64: probabilities [N, classes] or [N, labels], or values [N, ...] in the target's units."""
        if self.classes:
            return np.exp(result)
        found: Array = result.reshape(len(result), -1)
        return nn.BCEWithLogitsLoss().probabilities(found) if self.labels else found

    # -- what people see -------------------------------------------------------------------------------------

    def output(self, target: Target) -> Output:
        """What a model says, for its signature."""
        if not self.quantiles:
            return target.output()
        names = tuple(f"{target.names[0]}_{q:g}" for q in self.quantiles)
        return Output(TensorType("float64", (N, len(names))), REGRESSION, columns=names)

    def signature_loss(self) -> Any:
        """The loss of the model's own outputs, by which they are read: of log probabilities, which are logits, too, of
        expectations and values in the target's units."""
        if self.classes:
            return nn.FocalLoss() if self.loss == "focal" else nn.CrossEntropyLoss()
        if self.loss == "huber":
            return nn.HuberLoss(delta=self.scale if len(self.scale) > 1 else self.scale[0])
        if self.logarithmic:
            return LOSSES[self.loss][1](log_input=False)
        return self.network_loss()

    def record(self) -> dict[str, Any]:
        """What a model file keeps of it, by which other rows are measured."""
        return {"task": self.task, "loss": self.loss, "quantiles": list(self.quantiles), "scale": list(self.scale)}


def asked_for(task: str | None, loss: str | None, quantiles: Sequence[float] | None) -> tuple[str | None, str | None]:
    """Task and loss, each told by what is asked for where it is left open. UsageError for what do not go together."""
    if quantiles is not None:
        if loss not in (None, "quantile"):
            raise UsageError(f"quantiles go with loss 'quantile', not {loss!r}: leave one of them out")
        _quantiles(quantiles)
        loss = "quantile"
    loss = ALIASES.get(loss or "", loss)
    if loss is not None and loss not in LOSSES:
        raise UsageError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}{did_you_mean(loss, LOSSES)}")
    if task == COUNTS:
        if loss not in (None, "poisson"):
            raise UsageError(f"task 'counts' is learned by loss 'poisson', not {loss!r}: leave one of them out")
        return task, "poisson"
    if task is None and loss is not None and LOSSES[loss][0] == (REGRESSION,):
        return REGRESSION, loss
    return task, loss


def check_amounts(target: Target, loss: str | None, where: Where) -> None:
    """DataError for a target that the loss does not take: below 0 for "poisson", or 0 for "gamma"."""
    if loss not in ("poisson", "gamma") or target.task != REGRESSION:
        return
    y = target.y.min(1)
    wrong, least = (y < 0, "at least 0") if loss == "poisson" else (y <= 0, "above 0")
    if wrong.any():
        row = int(np.argmax(wrong))
        name = ", ".join(map(repr, target.names))
        raise DataError(
            f"target {name}: is {y[row]:g} in {where(row)}; loss {loss!r} takes numbers {least}: mend or drop it, or "
            "take another loss"
        )


def objective_of(
    target: Target,
    loss: str | None,
    quantiles: Sequence[float] | None,
    where: Where | None = None,
    weights: Array | None = None,
) -> Objective:
    """The objective of a target, whose loss is one of LOSSES. UsageError for one that does not fit.

    where: what messages call a row; weights: [N] of the rows
    """
    loss = loss or DEFAULT[target.task]
    if target.task not in LOSSES[loss][0]:
        raise UsageError(_unfit(target, loss, where))
    if target.task == LABELS:
        return Objective(loss, len(target.names), labels=len(target.names))
    if not target.classes:
        return _of_numbers(target, loss, quantiles, weights)
    if loss == "binary_cross_entropy" and target.classes > 2:
        raise UsageError(f"loss {loss!r} is of two classes, and there are {target.classes}: take cross_entropy")
    return Objective(loss, 1 if target.classes == 2 and loss != "focal" else target.classes, target.classes)


def _unfit(target: Target, loss: str, where: Where | None) -> str:
    """The error of a loss for another task."""
    told = f"loss {loss!r} is for {' or '.join(LOSSES[loss][0])}, and the target was taken as {target.task}"
    reason = target.reason.partition("; ")[0]
    *some, last = (name for name, (tasks, _) in LOSSES.items() if target.task in tasks)
    take = f"take {', '.join(some)}{' or ' * bool(some)}{last}"
    if target.task != REGRESSION:
        return f"{told} ({reason}): {take}"
    first = "" if where is None else f"; {where(0)} is {target.y[0, 0]:g}"
    named = "" if target.y.shape[1] > 1 else f", or say {asked('task', CLASSIFICATION)} if they are names"
    return f"{told} ({reason}{first}): {take}{named}"


def _of_numbers(target: Target, loss: str, quantiles: Sequence[float] | None, weights: Array | None) -> Objective:
    y, count = target.y, target.y.shape[1]
    if count > 1 and loss in ("poisson", "gamma", "quantile"):
        raise UsageError(f"loss {loss!r} is of one target: train a model for each")
    center, scale = moments(y, weights)
    if loss in ("poisson", "gamma"):
        return Objective(loss, count, center=(0.0,) * count, scale=_list(center))
    low, high = ((f(0) - center) / scale for f in (y.min, y.max))
    if loss != "quantile":
        return Objective(loss, count, center=_list(center), scale=_list(scale), low=_list(low), high=_list(high))
    q = QUANTILES if quantiles is None else _quantiles(quantiles)
    ends = _list(low) * len(q), _list(high) * len(q)
    return Objective(loss, len(q), 0, 0, q, _list(center), _list(scale), *ends)


def _quantiles(given: Any) -> tuple[float, ...]:
    """In order. UsageError for what are none."""
    try:
        q = tuple(sorted(map(float, given)))
    except (TypeError, ValueError, OverflowError):
        q = ()
    if not q or len(set(q)) < len(q) or not all(0 < v < 1 for v in q):
        raise UsageError(f"quantiles must lie between 0 and 1, each once, as (0.1, 0.5, 0.9); got {shown(given)}")
    return q


def _list(a: Array) -> tuple[float, ...]:
    return tuple(a.tolist())
