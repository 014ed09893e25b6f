"""What the parts of a model say of rows they have not seen, and the blend that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.api.jitted import jit
from schuss.ir.executor import Array
from schuss.tabular.algebra import one_blas_thread
from schuss.tabular.blend import blend_weights, blended
from schuss.tabular.model import Linear, Means, TableModel
from schuss.tabular.networks import TableNetwork
from schuss.tabular.objectives import Objective
from schuss.tabular.scales import Scale

ENOUGH = 0.98  # of the linear model's loss: a network that is not below it has found nothing beside
HALF, FURTHER = 0.5, 0.5  # where the linear model has more weight, its line goes on by half of the targets' range
CHUNK = 8192  # rows of a call
COMPILED = 20_000_000  # numbers of all rows, those in networks as well, from which on predictions are worth code
BESIDE = 128  # numbers of a row in a network, beside those that it is given


@dataclass(frozen=True)
class Judged:
    """Rows that no member is trained on, prepared, and by which the parts are weighed in place of folds."""

    x: Array
    y: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Learned:
    """model       a TableModel
    out_of_fold  of each row what the members say that have not seen it: probabilities [N, classes], values
                 [N, targets]; of judged rows what all say
    candidates   the same of each part by itself; the last is the linear model
    parts        the recipe, loss and weight of each
    """

    model: TableModel
    out_of_fold: Array
    candidates: list[Array]
    parts: list[dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """The members of one kind of network, or the linear models, and what they say of the judged rows.

    answers      as the objective has them, at the temperature
    loss         of these, by the objective's metric
    """

    model: TableNetwork | Linear
    answers: Array
    loss: float
    temperature: float = 1.0
    scale: Scale | None = None

    def note(self, weight: float) -> dict[str, Any]:
        """For the record."""
        of = self.model
        if isinstance(of, TableNetwork):
            told = {**asdict(of.recipe), "kind": of.recipe.embedding, "temperature": self.temperature}
        else:
            told = {"kind": "linear", "as_they_are": of.as_they_are, "penalty": of.penalty}
        return {**told, "loss": self.loss, "weight": weight}


@dataclass(frozen=True)
class Judge:
    """Rows by which the parts are weighed: those of the training, each by the members that have not seen it, or others.

    fold  of each row; None where no member has seen any: then the mean of all members counts
    rows  of the training
    """

    means: Means
    objective: Objective
    judged: Judged
    fold: Array | None
    rows: int

    def finds_nothing(self, parts: Sequence[Part], linear: Part) -> bool:
        """Whether no network does better than the linear model by 2 %, though the best one has learned as much of the
        rows its members have seen: one that has not yet learned the lines cannot tell what there is beside them."""
        best = min(parts, key=lambda part: part.loss)
        if best.loss < ENOUGH * linear.loss:
            return False
        return self.fold is None or self._of_seen(best) < linear.loss

    def _of_seen(self, part: Part) -> float:
        """The loss of a network, of each row by a member that has seen it."""
        assert self.fold is not None
        out = self._outputs(part.model, (self.fold + 1) % part.model.members[0])
        return self._measured(out if part.scale is None else part.scale.back(out), part.temperature)[1]

    def of(self, model: TableNetwork | Linear, scale: Scale | None = None) -> Part:
        """A part, with its temperature. scale: that its outputs are on"""
        y, weights = self.judged.y, self.judged.weights
        out, hot = self._outputs(model, self.fold), 1.0
        if isinstance(model, TableNetwork):
            if scale is not None:
                scale = scale.smeared(out, y, weights)
                out = scale.back(out)
            hot = self.objective.temperature(out, y, weights)
        return Part(model, *self._measured(out, hot), hot, scale)

    def _outputs(self, model: TableNetwork | Linear, fold: Array | None) -> Array:
        return out_of_fold(Answers(self.means, model, self.objective), self.judged.x, fold)

    def _measured(self, out: Array, temperature: float) -> tuple[Array, float]:
        """The answers of outputs, and their loss."""
        of = self.objective
        answers = of.levelled(of.answer(out, temperature), self.rows)
        return answers, of.metric(self._truth(), answers, self.judged.weights)

    def blend(self, parts: Sequence[Part], linear: Part) -> Learned:
        """The model with the weights and temperatures that the answers ask for."""
        of, weights = self.objective, self.judged.weights
        networks = [part.model for part in parts if isinstance(part.model, TableNetwork)]
        assert isinstance(linear.model, Linear)
        model = TableModel(networks, self.means, linear.model, of)
        model.scales, model.temperatures = [p.scale for p in parts], np.array([p.temperature for p in parts])
        model.share = 1 / self.rows if of.levels else 0.0
        every = [*parts, linear]
        answers = [part.answers for part in every]
        by = None if of.loss == "mse" else of.metric
        quantiles = of.quantiles or None
        model.weights = blend_weights(answers, self._truth(), of.task, weights, quantiles=quantiles, by=by)
        if model.weights[-1] > HALF:
            model.further = FURTHER
            out = self._outputs(linear.model, self.fold)
            answers[-1] = of.levelled(of.answer(out, further=FURTHER), self.rows)
        notes = [part.note(float(weight)) for part, weight in zip(every, model.weights, strict=True)]
        whole = blended(answers, model.weights)
        model.keep_weighted()
        return Learned(model, whole, answers, notes)

    def _truth(self) -> Array:
        return self.judged.y[:, 0] if self.objective.quantiles else self.judged.y


class OutOfFold:
    """A finished model's answers for training rows, of each by the members that have not seen it.

    rows  of the training
    """

    def __init__(self, model: TableModel, rows: int) -> None:
        self.model, self.rows = model, rows
        self._parts = [Answers(model.means, part, model.objective) for part in (*model.parts, model.linear)]

    def __call__(self, x: Array, fold: Array) -> Array:
        """Answers as the objective has them, of rows x of these folds."""
        candidates = [self._one(i, x, fold) if w else np.zeros(()) for i, w in enumerate(self.model.weights)]
        return blended(candidates, self.model.weights)

    def _one(self, i: int, x: Array, fold: Array) -> Array:
        model, out = self.model, out_of_fold(self._parts[i], x, fold)
        if i == len(model.parts):
            answer = model.objective.answer(out, further=model.further)
        else:
            scale = model.scales[i]
            answer = model.objective.answer(out if scale is None else scale.back(out), float(model.temperatures[i]))
        return model.objective.levelled(answer, self.rows)


class Answers(nn.Module):
    """Rows x [M, K, width], of each member its own, to what is averaged of them, [K, M, ...]."""

    def __init__(self, means: Means, part: Any, objective: Objective) -> None:
        self.means, self.part, self.objective = means, part, objective

    def forward(self, x: Any) -> Any:
        x = ops.transpose(x, axes=(1, 0, 2))
        return self.objective.averaged(self.part(x, self.means(x)))


def out_of_fold(answers: Answers, x: Array, fold: Array | None) -> Array:
    """float64 [N, outputs]: of each row what the member says that has not seen it; the mean of all without folds.

    Of few rows by numpy: to compile code for one pass over them would take longer.
    """
    members = answers.part.members[0]
    of = [np.arange(len(x)) if fold is None else np.flatnonzero(fold == k) for k in range(members)]
    place = np.zeros((max(map(len, of)), members), np.int64)  # where a fold has fewer rows, row 0
    for k, rows in enumerate(of):
        place[: len(rows), k] = rows
    backend = "reference" if len(x) * (x.shape[1] + BESIDE) < COMPILED else "native"
    call, step, found = jit(answers, backend=backend), -(-CHUNK // members), []
    with one_blas_thread():  # or bits depend on how many there are
        for start in range(0, len(place), step):
            found.append(np.asarray(call(x[place[start : start + step]])))
    out = np.concatenate(found, axis=1)
    if fold is None:
        return out.astype(np.float64).mean(0)
    result = np.empty((len(x), *out.shape[2:]))
    for k, rows in enumerate(of):
        result[rows] = out[k, : len(rows)]
    return result
