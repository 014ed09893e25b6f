"""The finished model of a table: kinds of networks and a linear model, several members each, blended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.ir.executor import Array
from schuss.nn.holding import signature_of
from schuss.nn.init import Zeros
from schuss.tabular.encoding import SQUEEZE
from schuss.tabular.layers import Dense
from schuss.tabular.networks import Layout, TableNetwork, rows_of
from schuss.tabular.objectives import Objective
from schuss.tabular.scales import Scale

ROWS = 8192  # of a call
FURTHEST = 100.0  # quartile distances from the median that a linear model follows a number
WIDEST = 128  # levels of a category that the linear model has a column each for


class Means(nn.Module):
    """Target encodings of K members: a fixed table [K, levels + 1, outputs] for each encoded column of codes."""

    def __init__(self, layout: Layout, members: int) -> None:
        self.layout, self.members = layout, (members,)
        self.tables = [
            nn.Parameter((members, layout.levels[i] + 1, layout.means), Zeros(), requires_grad=False)
            for i in layout.encoded
        ]

    def forward(self, x: Any) -> Any:
        """[K, N, columns * outputs] of rows x [N, width], or of each member's own [K, N, width]; None without any."""
        start = self.layout.plain + 2 * self.layout.curves
        found = [
            rows_of(table, x[..., start + place], self.members)
            for table, place in zip(self.tables, self.layout.encoded, strict=True)
        ]
        return ops.concatenate(found, axis=-1) if len(found) > 1 else found[0] if found else None


class Linear(nn.Module):
    """K linear models of the plain columns, the numbers, the target encodings and the levels of embedded categories.

    as_they_are  whether of the numbers (x - median) / IQR within -100 and 100, not of the squeezed ones
    penalty      of their training (schuss.tabular.linear)
    """

    def __init__(self, layout: Layout, members: int, *, as_they_are: bool, penalty: float) -> None:
        self.layout, self.members, self.as_they_are, self.penalty = layout, (members,), as_they_are, penalty
        inputs = layout.plain + layout.curves + len(layout.encoded) * layout.means
        self.dense = Dense(max(inputs, 1), layout.outputs, Zeros(), members=self.members)
        self.places = wide(layout)
        self.tables = [nn.Parameter((members, layout.levels[i] + 1, layout.outputs), Zeros()) for i in self.places]

    def forward(self, x: Any, encoded: Any) -> Any:
        own = x[..., : self.layout.plain + self.layout.curves]
        if self.as_they_are and self.layout.curves:
            numbers = stretched(x[..., self.layout.plain : self.layout.plain + self.layout.curves])
            own = ops.concatenate([x[..., : self.layout.plain], numbers], axis=-1)
        if encoded is not None:
            own = own if own.ndim == 3 else ops.broadcast_to(own, (*self.members, *own.shape))
            own = ops.concatenate([own, encoded], axis=-1)
        y = self.dense(own)
        start = self.layout.plain + 2 * self.layout.curves
        for table, place in zip(self.tables, self.places, strict=True):
            y = y + rows_of(table, x[..., start + place], self.members)
        return y


def wide(layout: Layout) -> list[int]:
    """The embedded columns of codes that the linear model has a column a level for."""
    return [i for i in layout.embedded if layout.levels[i] <= WIDEST]


def stretched(squeezed: Any) -> Any:
    """The numbers of squeezed ones (schuss.tabular.encoding.squeezed): s / sqrt(1 - (s / 3)**2), within -100 and 100.
    float32 tells them to 1e-7 near 0, and to 1e-4 there."""
    share = ops.maximum(1.0 - ops.square(squeezed / SQUEEZE), 1 / (1 + (FURTHEST / SQUEEZE) ** 2))
    return squeezed / ops.sqrt(share)


class TableModel(nn.Module):
    """Rows x [N, width] to the logarithms of probabilities [N, classes], logits of labels [N, labels], values [N] or
    [N, targets], or quantiles.

    parts    networks of K members each; of each part the members' log probabilities (values) are averaged
    weights  of the parts and, last, of the linear model, whose answers are averaged; their sum is 1
    temperatures  of the parts: averaged log probabilities are divided by them
    scales   that the parts' outputs are on; None: the objective's own
    share    of the uniform distribution in the answer
    further  how far beyond the training targets the linear model may go, in their range
    """

    def __init__(self, parts: Sequence[TableNetwork], means: Means, linear: Linear, objective: Objective) -> None:
        self.parts, self.means, self.linear, self.objective = list(parts), means, linear, objective
        self.weights: Array = np.full(len(parts) + 1, 1 / (len(parts) + 1))
        self.temperatures: Array = np.ones(len(parts))
        self.scales: list[Scale | None] = [None] * len(parts)
        self.share = self.further = 0.0

    def __repr__(self) -> str:
        signature, count = signature_of(self), sum(p.data.size for p in nn.named_parameters(self).values())
        told = f"{len(self.parts)} kinds of networks and a linear model"
        if signature is not None and (transform := signature.inputs[0].transform) is not None:
            told = transform.model_in_words(signature.output, signature.record)
        return f"TableModel({told}; {count:,} numbers in parameters)"

    def keep_weighted(self) -> None:
        """Leave out the networks whose weight is 0; the linear model stays, to compare with."""
        kept = [i for i in range(len(self.parts)) if self.weights[i] > 0]
        self.parts, self.temperatures = [self.parts[i] for i in kept], self.temperatures[kept]
        self.scales = [self.scales[i] for i in kept]
        self.weights = self.weights[[*kept, -1]]

    def forward(self, x: Any) -> Any:
        encoded = self.means(x)
        answers = [self.part(i, x, encoded) for i, w in enumerate(self.weights) if w > 0]
        weights = [float(w) for w in self.weights if w > 0]
        total = answers[0] * weights[0]
        for answer, weight in zip(answers[1:], weights[1:], strict=True):
            total = total + answer * weight
        if self.share:
            total = total * (1 - self.share) + self.share / self.objective.levels
        return self.objective.result(total)

    def part(self, i: int, x: Any, encoded: Any) -> Any:
        """The answer of one part; the last is the linear model."""
        of = self.objective
        if i == len(self.parts):
            return ops.mean(of.answer(of.averaged(self.linear(x, encoded)), further=self.further), axis=0)
        mean, scale = ops.mean(of.averaged(self.parts[i](x, encoded)), axis=0), self.scales[i]
        return of.answer(mean if scale is None else scale.back(mean), float(self.temperatures[i]))

    def answers(self, x: Array, part: int | None = None, frozen: Any = None) -> Array:
        """float64: probabilities, or values in the target's own units, of prepared rows x, by the blend or one part.

        frozen  this model, frozen, in its place
        """
        of = (frozen or self) if part is None else _Part(self, part)
        found = np.concatenate([np.asarray(of(x[i : i + ROWS])) for i in range(0, len(x), ROWS)]).astype(np.float64)
        if part is not None:
            return self.objective.own_units(found)
        return self.objective.predictions(found)


class _Part(nn.Module):
    """One part of a model by itself."""

    def __init__(self, model: TableModel, part: int) -> None:
        self.model, self.at = model, part

    def forward(self, x: Any) -> Any:
        return self.model.part(self.at, x, self.model.means(x))
