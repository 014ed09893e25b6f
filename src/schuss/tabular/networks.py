"""The network of a table: embeddings of numbers and categories, then hidden layers; alone, or several at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from schuss import nn, ops
from schuss.nn.init import Normal, Uniform
from schuss.nn.walk import Aside
from schuss.tabular.layers import Dense, PairedDropout, Periodic, PiecewiseLinear

SIGNAL, NOISE = "signal", "noise"
EMBEDDING = 8  # outputs of a category's embedding
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": ops.relu, "hardswish": ops.hardswish}


class _Settled(Aside):
    """Base of what never changes and holds no parameters: copies of a network share it, and nobody looks through it."""

    def __deepcopy__(self, memo: Any) -> Self:
        return self


@dataclass(frozen=True)
class Layout(_Settled):
    """What a row x [N, width] holds (schuss.tabular.preparation), and what comes beside it.

    plain, curves  widths of the blocks `plain`, and `z` or `u`
    bins      of each number of z
    levels    of each column of codes
    embedded  which of these are embedded
    encoded   which of these are target-encoded
    outputs   of the network, and of each target encoding
    """

    plain: int
    curves: int
    bins: tuple[int, ...]
    levels: tuple[int, ...]
    embedded: tuple[int, ...]
    encoded: tuple[int, ...]
    outputs: int
    means: int  # columns of a target encoding: classes, or 1 of two


@dataclass(frozen=True)
class Recipe(_Settled):
    """One kind of network, and how it is trained; steps are counted over the whole training.

    embedding  "piecewise" or "periodic", of numbers
    lr         the peak: it rises over the first twentieth of the steps and falls by a cosine to 0
    dropout, weight_decay  flat for half of the steps, then by a cosine to 0
    scale      that numbers are learned on: "log" or "asinh" (schuss.tabular.scales), or "" for their own
    only       SIGNAL or NOISE: trained only where a network before it finds more than the linear model, or none does
    """

    embedding: str
    activation: str
    lr: float
    dropout: float
    epochs: int
    hidden: tuple[int, ...] = (64, 64)
    weight_decay: float = 0.3
    scale: str = ""
    only: str = ""


class TableNetwork(nn.Module):
    """Rows x [N, width], and target encodings [N, columns * outputs] beside them, to outputs [N, outputs].

    members  (K,) of K networks at once: parameters have one more axis in front, answers are [K, N, outputs]; of the
             same rows x, or each of its own [K, N, width]
    dropout  a number or a schedule
    """

    def __init__(self, layout: Layout, recipe: Recipe, dropout: Any = 0.0, members: tuple[int, ...] = ()) -> None:
        self.layout, self.recipe, self.members = layout, recipe, members
        width = layout.plain + layout.curves + len(layout.encoded) * layout.means
        self.numbers: Any = None
        if layout.curves and recipe.embedding == "piecewise":
            self.numbers = PiecewiseLinear(layout.curves, max(layout.bins), members=members)
        elif layout.curves:
            self.numbers = Periodic(layout.curves, members=members)
        width += 0 if self.numbers is None else layout.curves * self.numbers.dim
        self.categories = [
            nn.Parameter((*members, layout.levels[i] + 1, EMBEDDING), Normal(0.0, 0.3)) for i in layout.embedded
        ]
        width += EMBEDDING * len(self.categories)
        sizes = (width, *recipe.hidden)
        self.layers = [
            Dense(a, b, Normal(0.0, math.sqrt(2 / a)), Uniform(-0.5, 0.5), members=members)
            for a, b in itertools.pairwise(sizes)
        ]
        self.last = Dense(sizes[-1], layout.outputs, Normal(0.0, 0.3 / math.sqrt(sizes[-1])), members=members)
        self.dropout = PairedDropout(dropout)

    def forward(self, x: Any, encoded: Any = None) -> Any:
        h = self._inputs(x, encoded)
        activation, rest = ACTIVATIONS[self.recipe.activation], None
        for layer in self.layers:
            h, rest = self.dropout(activation(layer(h)), rest)
        return self.last(h)

    def _inputs(self, x: Any, encoded: Any) -> Any:
        """All that the first layer sees, [N, inputs] or [K, N, inputs]."""
        at = np.cumsum([0, self.layout.plain, self.layout.curves, self.layout.curves])
        parts = [x[..., : at[2]]]
        if encoded is not None:
            parts.append(encoded)
        if self.numbers is not None:
            of = 2 if self.recipe.embedding == "piecewise" else 1
            parts.append(self.numbers(x[..., at[of] : at[of + 1]]))
        for table, place in zip(self.categories, self.layout.embedded, strict=True):
            parts.append(rows_of(table, x[..., at[3] + place], self.members))
        if self.members:
            parts = [p if p.ndim == 3 else ops.broadcast_to(p, (*self.members, *p.shape)) for p in parts]
        return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]


def rows_of(table: Any, code: Any, members: tuple[int, ...]) -> Any:
    """Rows of table [levels, d], or [K, levels, d], for codes [N], or [K, N], held as floats: [N, d] or [K, N, d]."""
    at = code.astype("int32")
    if not members:
        return ops.take(table, at, axis=0, mode="clip")
    (k,), (_, levels, d) = members, table.shape
    start = (np.arange(k, dtype=np.int32) * levels)[:, None]
    return ops.take(table.reshape(k * levels, d), at + start, axis=0, mode="clip")


def stacked(networks: Sequence[TableNetwork]) -> TableNetwork:
    """Networks of one layout and recipe as the members of one."""
    first = networks[0]
    whole = TableNetwork(first.layout, first.recipe, members=(len(networks),))
    states = [nn.state_dict(network) for network in networks]
    nn.load_state_dict(whole, {name: np.stack([state[name] for state in states]) for name in states[0]})
    return whole
