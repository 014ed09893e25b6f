"""Target encoding: a level's mean of the target, drawn towards the mean of all.

Of a level with c rows whose targets sum to s:   v = (s + 10 m) / (c + 10),   m the mean over all rows.

The rows a network trains on must not see their own target in it: they get the means out of inner folds. All other rows,
new ones above all, get those of all rows of training. Source: Micci-Barreca (SIGKDD Explorations 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schuss.ir.executor import Array
from schuss.tabular.algebra import moments

PRIOR, INNER = 10.0, 8
SQUEEZE, FAR = 3.0, 1e100  # squares of what is beyond would overflow
LOOKED, OUTPUTS = 65_536, 64  # rows and outputs at most, by which keys are found
SHOWN = 2.0  # of r^2 n: levels whose means are known no better say less by an embedding than by their encoding
KEY_BINS, KEY_RATIO, KEY_GAIN, KEY_DOUBT = 32, 1.2, 0.02, 2.0  # a correlation of noise is about 1 / sqrt(N)


@dataclass(frozen=True)
class Encoding:
    """Of one member of an ensemble.

    own    float32 [N, columns * outputs]: every row as training wants it: its own out of inner folds
    tables float32 [levels + 1, outputs] for each column: what any other row gets; the last row is of unseen levels
    """

    own: Array
    tables: list[Array]


def inner_folds(rows: int, seed: int) -> Array:
    """[N] the inner fold of each row."""
    return np.random.default_rng([seed, 11]).permutation(rows) % INNER


def encode(
    codes: Array, levels: list[int], target: Array, rows: Array, inner: Array, weights: Array | None = None
) -> Encoding:
    """Codes int [N, columns], targets float64 [N, outputs]; the means are of `rows`, a member's own rows.

    weights  [N], of mean 1, as the prior is so many rows
    """
    y, fold, own_weights = target[rows], inner[rows], None if weights is None else weights[rows]
    mean, _ = moments(y, own_weights)
    own, tables = [], []
    for column, count in enumerate(levels):
        code = codes[rows, column]
        sums, counts = _sums(code, fold, y, count + 1, own_weights)
        table = (sums.sum(0) + PRIOR * mean) / (counts.sum(0) + PRIOR)[:, None]
        out = _leave_out(sums, counts, PRIOR * mean)[fold, code]
        center, deviation = moments(out, own_weights)
        table, out = (squeezed((v - center) / np.maximum(deviation, 1e-6)) for v in (table, out))
        values = table[codes[:, column]]
        values[rows] = out
        own.append(values)
        tables.append(table.astype(np.float32))
    return Encoding(np.concatenate(own, 1).astype(np.float32), tables)


def _sums(code: Array, fold: Array, y: Array, levels: int, weights: Array | None) -> tuple[Array, Array]:
    """Sums of the targets [INNER, levels, outputs], and of weights [INNER, levels], of each inner fold."""
    at, size = fold * levels + code, INNER * levels
    weighted = y if weights is None else y * weights[:, None]
    sums = np.stack([np.bincount(at, column, size) for column in weighted.T], 1)
    return sums.reshape(INNER, levels, -1), np.bincount(at, weights, size).reshape(INNER, levels)


def _leave_out(sums: Array, counts: Array, prior: Array) -> Array:
    """[INNER, levels, outputs]: the level's mean over all other folds; prior: the mean times its weight."""
    return (sums.sum(0) - sums + prior) / (counts.sum(0) - counts + PRIOR)[..., None]


def squeezed(z: Array) -> Array:
    """z / sqrt(1 + (z / 3)**2): z near 0, within (-3, 3) far away."""
    z = np.clip(z, -FAR, FAR)
    return z / np.sqrt(1 + np.square(z / SQUEEZE))


def shows_levels(code: Array, target: Array, weights: Array | None = None) -> bool:
    """Whether the rows tell the means of a category's levels apart from noise, so that embeddings of them can be
    learned: r^2 n is at least 2, n the rows a level has, r the correlation of out-of-fold means with the target."""
    found, target, weights, fold = _looked_at(code, target, weights)
    levels, place = np.unique(found, return_inverse=True)
    r = max(_gain(place, fold, y[:, None], weights) for y in target.T)
    return bool(max(r, 0.0) ** 2 * len(code) / len(levels) >= SHOWN)


def is_key(x: Array, target: Array, weights: Array | None = None) -> bool:
    """Whether a number's exact values say more of the target than their neighbourhood does, as those of a code do.

    Compared are the correlations of out-of-fold means with the target: of each value alone, and of 32 quantile bins.
    Of more than 65,536 rows it looks at as many as that, evenly spaced; of more than 64 outputs at those that vary
    most, the classes with most rows.
    """
    x, y, weights, fold = _looked_at(x, target, weights)
    exact = _gain(np.unique(x, return_inverse=True)[1], fold, y, weights)
    inner_edges = np.unique(np.quantile(x, np.linspace(0, 1, KEY_BINS + 1)))[1:-1]
    binned = _gain(np.searchsorted(inner_edges, x), fold, y, weights)
    binned = max(binned, 0.0)
    return bool(exact > KEY_RATIO * binned and exact - binned > KEY_GAIN + KEY_DOUBT / np.sqrt(len(x)))


def _looked_at(x: Array, target: Array, weights: Array | None) -> tuple[Array, Array, Array | None, Array]:
    """Of as many rows and outputs as are looked at: x, standardised targets, weights of mean 1, and inner folds."""
    step = -(-len(x) // LOOKED)
    x, target, weights = x[::step], target[::step], None if weights is None else weights[::step] / weights.mean()
    center, deviation = moments(target, weights)
    if len(deviation) > OUTPUTS:
        most = np.sort(np.argsort(-deviation, kind="stable")[:OUTPUTS])
        target, center, deviation = target[:, most], center[most], deviation[most]
    fold = np.random.default_rng(3).permutation(len(x)) % INNER
    return x, (target - center) / np.maximum(deviation, 1e-9), weights, fold


def _gain(code: Array, fold: Array, y: Array, weights: Array | None) -> float:
    """The mean correlation of each level's mean over the other folds with the target."""
    sums, counts = _sums(code, fold, y, int(code.max()) + 1, weights)
    v = _leave_out(sums, counts, np.zeros(y.shape[1]))[fold, code]
    v, u = v - moments(v, weights)[0], y - moments(y, weights)[0]
    root = 1.0 if weights is None else np.sqrt(weights)[:, None]
    v, u = v * root, u * root
    spread = np.sqrt(np.square(v).sum(0) * np.square(u).sum(0))
    return float(np.mean(np.divide((v * u).sum(0), spread, out=np.zeros(len(spread)), where=spread > 0)))
