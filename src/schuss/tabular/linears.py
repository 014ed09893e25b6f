"""The linear models of the members' rows, one for each member, and which of several kinds is the best.

Rows held out choose: whether it is one of the numbers as they are or of the squeezed ones; and, of few rows, by which
the penalty is felt, how strict it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.judge import Judge, Part
from schuss.tabular.linear import LinearModel
from schuss.tabular.model import Linear, stretched
from schuss.tabular.networks import Layout
from schuss.tabular.objectives import Objective

PENALTIES = (10.0, 1.0, 0.1)
FEW, VERY_FEW = 10_000, 1000  # rows
HOPELESS = 2.0  # times the loss of the best network: such a linear model had no weight with a milder penalty either


@dataclass(frozen=True)
class Linears:
    """x, y       prepared rows, and labels or standardised values
    own        the rows of each member
    encodings  of each member, where there are any
    """

    layout: Layout
    x: Array
    y: Array
    objective: Objective
    own: Sequence[Array]
    encodings: Sequence[Any]
    weights: Array | None
    judge: Judge

    @property
    def strict(self) -> Part:
        """The better of two, of the squeezed numbers and of the numbers as they are, with the strictest penalty."""
        return self._strict[0][0]

    def best(self, networks: Sequence[Part] = ()) -> Part:
        """Of few rows that one with a tenth of the penalty, again and again, as long as that is better, of very few the
        other one as well: where lines part the classes well, a strict one is far from sure enough. Of more than very
        few, where that takes a while, not where it is hopeless beside the networks."""
        rows, least = len(self.x), min((part.loss for part in networks), default=np.inf)
        if rows >= FEW or (rows >= VERY_FEW and self.strict.loss > HOPELESS * least):
            return self.strict
        begun = self._strict if rows < VERY_FEW else self._strict[:1]
        return min((self._milder(*found) for found in begun), key=lambda part: part.loss)

    def _milder(self, best: Part, models: list[LinearModel]) -> Part:
        assert isinstance(best.model, Linear)
        for penalty in PENALTIES[1:]:
            milder, models = self._judged(best.model.as_they_are, penalty, models)
            if not milder.loss < best.loss:
                break
            best = milder
        return best

    @cached_property
    def _strict(self) -> list[tuple[Part, list[LinearModel]]]:
        """Of the squeezed numbers, and of the numbers as they are, the better one first."""
        ways = (False, True) if self.layout.curves else (False,)
        return sorted((self._judged(way, PENALTIES[0]) for way in ways), key=lambda found: found[0].loss)

    def _judged(
        self, as_they_are: bool, penalty: float, starts: Sequence[LinearModel] = ()
    ) -> tuple[Part, list[LinearModel]]:
        """starts: a model for each member, of its own rows. Without them each begins at the last member's, which has
        seen the rows that it has not: of a strict penalty nothing is left of that, of a mild one there would be."""
        layout, start = self.layout, self.layout.plain + 2 * self.layout.curves
        linear = Linear(layout, len(self.own), as_they_are=as_they_are, penalty=penalty)
        plain = self.x[:, : layout.plain + layout.curves].astype(np.float64)
        if as_they_are:
            plain[:, layout.plain :] = stretched(plain[:, layout.plain :])
        codes = self.x[:, [start + i for i in linear.places]]
        levels = [layout.levels[i] + 1 for i in linear.places]
        models: list[LinearModel] = []
        before: LinearModel | None = None
        for i, rows in enumerate(self.own):
            if i and rows is self.own[i - 1]:  # members that differ by their seeds alone
                models.append(models[-1])
                continue
            encoded = [self.encodings[i].own] if self.encodings else []
            inputs = np.concatenate([part[rows] for part in (plain, *encoded)], 1)
            y, w = self.y[rows], None if self.weights is None else self.weights[rows]
            whole = not self.objective.classes or len(np.unique(y)) == self.objective.classes
            first = (starts[i] if starts else before) if whole else None
            models.append(self.objective.linear(inputs, y, w, first, codes[rows], levels, penalty))
            before = models[-1] if whole else None  # the intercept of a class without rows is no place to begin from
        _hold(linear, models, inputs.shape[1])
        return self.judge.of(linear), models


def _hold(linear: Linear, models: Sequence[LinearModel], width: int) -> None:
    """Put the coefficients of width columns, and of levels, into the linear model."""
    layout = linear.layout
    every = np.stack([_scores(m.coef, layout.outputs) for m in models]).astype(np.float32)
    biases = [_scores(m.intercept, layout.outputs) for m in models]
    linear.dense.weight.data = np.ascontiguousarray(every[:, :width].swapaxes(1, 2))
    linear.dense.bias.data = np.stack(biases).astype(np.float32)
    for table, place in zip(linear.tables, linear.places, strict=True):
        first, width = width, width + layout.levels[place] + 1
        table.data = np.ascontiguousarray(every[:, first:width])


def _scores(coef: Array, outputs: int) -> Array:
    """Of two classes the second's against the first, where that is the one output."""
    return coef[..., 1:] - coef[..., :1] if coef.shape[-1] == 2 and outputs == 1 else coef
