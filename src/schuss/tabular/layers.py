"""Layers for the numbers of a table: embeddings of a number, and networks of several members at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from schuss import nn, ops
from schuss.ir.executor import Array
from schuss.nn.init import Normal, Uniform, Zeros
from schuss.trace import Tensor

STEPS = 4096.0  # of a random number's 24 bits a half
BLOCK = 16  # rows of a table that are summed up at once
COARSE = 32  # bins up to which a table's steps start with the whole deviation; finer ones add up to as much
Members = tuple[int, ...]  # () of one network, (K,) of K at once


class PiecewiseLinear(nn.Module):
    """Each number as an interpolated row of a table: y = C[i] + (u - i) weight[i], i = floor(u).

    u [N, F] is a number's place among its bins (schuss.tabular.preparation). C [bins, F, dim] is the sum of the rows of
    weight [bins, F, dim] before each, so that this is the product of the number's piecewise-linear encoding with the
    weight, for the cost of a row of two tables. The weight has whole blocks of rows. y [N, F * dim].
    Source: Gorishniy et al., On embeddings for numerical features (NeurIPS 2022).
    """

    def __init__(self, features: int, bins: int, dim: int = 4, deviation: float = 0.3, members: Members = ()) -> None:
        self.features, self.dim, self.members = features, dim, members
        self.blocks = -(-bins // BLOCK)
        deviation *= math.sqrt(min(1, COARSE / bins))
        self.weight = nn.Parameter((*members, self.blocks * BLOCK, features, dim), Normal(0.0, deviation))

    def forward(self, u: Any) -> Tensor:
        k, f, d, b = math.prod(self.members), self.features, self.dim, self.blocks * BLOCK
        low = ops.clip(ops.floor(u), 0.0, b - 1.0)
        start = (np.arange(k, dtype=np.int32) * (b * f))[:, None] + np.arange(f, dtype=np.int32)
        at = low.astype("int32") * f + start.reshape(*self.members, *[1] * len(self.members), f)
        edge, slope = (ops.take(t.reshape(k * b * f, d), at, axis=0, mode="clip") for t in (self._edges(), self.weight))
        return _flat(edge + ops.unsqueeze(u - low, -1) * slope, f * d)

    def _edges(self) -> Tensor:
        """[K, blocks, BLOCK, F * dim]: of each row of the weight the sum of those before it, by products with
        triangles, within blocks and of the blocks. All at once would be a product of bins x bins."""
        blocks = self.weight.reshape(*self.members, self.blocks, BLOCK, self.features * self.dim)
        starts = _before(self.blocks) @ ops.sum(blocks, axis=-2)
        edges: Tensor = _before(BLOCK) @ blocks + ops.unsqueeze(starts, -2)
        return edges


def _before(n: int) -> Array:
    """[i, j]: 1 where j < i."""
    return np.tri(n, n, -1, np.float32)


class Periodic(nn.Module):
    """Each number as waves: y = cos(2 pi (z w1 + b1)) w2 + b2, with 16 frequencies a number to `dim` outputs.

    z [N, F]; w1 [F, 16] starts normal with the deviation given, b1 uniform. y [N, F * dim].
    Source: Holzmueller et al., Better by default (NeurIPS 2024), there named PBLD; Gorishniy et al. (2022).
    """

    def __init__(
        self, features: int, waves: int = 16, dim: int = 3, deviation: float = 0.3, members: Members = ()
    ) -> None:
        self.features, self.waves, self.dim, self.members = features, waves, dim, members
        self.frequency = nn.Parameter((*members, features, waves), Normal(0.0, deviation))
        self.phase = nn.Parameter((*members, features, waves), Uniform(-0.5, 0.5))
        k = 1.0 / math.sqrt(waves)
        self.weight = nn.Parameter((*members, features, waves, dim), Uniform(-k, k))
        self.bias = nn.Parameter((*members, features, dim), Uniform(-k, k))

    def forward(self, z: Any) -> Tensor:
        lift = _lifted if self.members else _as_is
        wave = ops.cospi((ops.unsqueeze(z, -1) * lift(self.frequency) + lift(self.phase)) * 2.0)
        y = ops.einsum("knfw,kfwd->knfd" if self.members else "nfw,fwd->nfd", wave, self.weight)
        return _flat(y + lift(self.bias), self.features * self.dim)


def _lifted(x: Any) -> Any:
    """[K, F, w] as [K, 1, F, w]: beside rows [K, N, F, w] or [N, F, w]."""
    return ops.unsqueeze(x, 1)


def _as_is(x: Any) -> Any:
    return x


def _flat(y: Any, width: int) -> Any:
    """[..., a, b] as [..., a * b]."""
    return y.reshape(*y.shape[:-2], width)


class PairedDropout(nn.Dropout):
    """nn.Dropout of layer after layer, two of one width by the same random numbers, which take longer than a product:
    the first goes by their upper 12 bits, the second by the lower 12. So p counts in steps of 1 / 4096.

        h, rest = dropout(h, rest)

    rest  what is left of the random numbers for the next layer; None at first
    """

    def forward(self, x: Any, rest: Any = None) -> Any:
        if not self._acts():
            return x, None
        if rest is not None and rest.shape == x.shape:
            return self._kept(x, rest), None
        both = self._uniform(x) * STEPS
        upper = ops.floor(both)
        return self._kept(x, upper * (1 / STEPS)), both - upper


class Dense(nn.Module):
    """y = x W' + b: x [N, in], W [out, in]; of K networks at once W [K, out, in], x [N, in] or
    [K, N, in], y [K, N, out]."""

    def __init__(self, inputs: int, outputs: int, weight: Any, bias: Any = None, members: Members = ()) -> None:
        self.members = members
        self.weight = nn.Parameter((*members, outputs, inputs), weight)
        self.bias = nn.Parameter((*members, outputs), bias or Zeros())

    def forward(self, x: Any) -> Any:
        return x @ self.weight.mT + (ops.unsqueeze(self.bias, -2) if self.members else self.bias)
