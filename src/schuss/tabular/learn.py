"""Learning a table: members on folds, kinds of networks, a linear model, and their blend by out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from schuss import nn, optim
from schuss.ir.executor import Array
from schuss.tabular.encoding import encode, inner_folds
from schuss.tabular.judge import Judge, Judged, Learned, Part
from schuss.tabular.linears import Linears
from schuss.tabular.model import Means
from schuss.tabular.networks import NOISE, SIGNAL, Layout, Recipe, TableNetwork, stacked
from schuss.tabular.objectives import Objective
from schuss.tabular.preparation import Preparation
from schuss.tabular.presets import batch_size
from schuss.tabular.scales import Scale
from schuss.train.many import fit_many

EMBEDDING_RATE, BETAS, WARM = 0.3, (0.9, 0.95), 0.05


def layout_of(preparation: Preparation, outputs: int, means: int) -> Layout:
    p = preparation
    return Layout(
        p.plain,
        len(p.curves),
        tuple(p.bins.tolist()),
        tuple(p.levels),
        tuple(p.embedded),
        tuple(p.encoded),
        outputs,
        means,
    )


def learn(
    preparation: Preparation,
    x: Array,
    y: Array,
    objective: Objective,
    held: Sequence[Array],
    kinds: list[Recipe],
    *,
    weights: Array | None = None,
    judged: Judged | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    how: Mapping[str, Any] = MappingProxyType({}),
) -> Learned:
    """x float32 [N, width] prepared rows; y labels int [N], or standardised values [N, targets].

    held        the rows of each fold: a member trains on all others
    kinds       are trained in this order; those that turn out not to be worth it are taken out of the list
    weights     [N] of the rows
    judged      other rows, by which the parts are weighed; then folds are empty, and members differ by their seeds
    checkpoint  a folder where members are kept while they train; those that are there go on
    how         threads, progress and backend, as fit_many has them
    """
    target = objective.encoded(y)
    layout = layout_of(preparation, objective.outputs, target.shape[1])
    every = np.arange(len(x))
    own = [np.setdiff1d(every, rows, assume_unique=True) if len(rows) else every for rows in held]
    encodings = _encodings(layout, x, target, own, seed, weights)

    def more(i: int) -> dict[str, Any]:
        files = None if checkpoint is None else [checkpoint / f"part{i}-member{k}.ckpt" for k in range(len(held))]
        kept = {} if files is None else {"checkpoint": files, "resume": files}
        return {"sample_weight": weights, **how, **kept}

    def trained(i: int, kind: Recipe) -> tuple[TableNetwork, Scale | None]:
        scale = Scale.of(kind.scale, y, weights) if kind.scale else None
        truth = objective.truth(y if scale is None else scale.forth(y))
        return _members(layout, kind, x, truth, objective, own, encodings, seed + 1000 * i, more(i)), scale

    means = _means(layout, encodings, len(held))
    judge = Judge(means, objective, judged or Judged(x, y, weights), None if judged else _folds(held, len(x)), len(x))
    linear = Linears(layout, x, y, objective, own, encodings, weights, judge)
    beside, parts, found = linear.strict, list[Part](), ""
    for i, kind in enumerate(list(kinds)):
        if kind.only and not found:
            found = NOISE if judge.finds_nothing(parts, beside) else SIGNAL
        if kind.only in ("", found):
            parts.append(judge.of(*trained(i, kind)))
        else:
            kinds.remove(kind)
    return judge.blend(parts, linear.best(parts))


def _encodings(
    layout: Layout, x: Array, target: Array, own: Sequence[Array], seed: int, weights: Array | None
) -> list[Any]:
    if not layout.encoded:
        return []
    start = layout.plain + 2 * layout.curves
    codes = x[:, [start + i for i in layout.encoded]].astype(np.int64)
    levels = [layout.levels[i] for i in layout.encoded]
    inner, w = inner_folds(len(x), seed), None if weights is None else weights / weights.mean()
    found: list[Any] = []
    for i, rows in enumerate(own):
        again = i and rows is own[i - 1]
        found.append(found[-1] if again else encode(codes, levels, target, rows, inner, w))
    return found


def _means(layout: Layout, encodings: Sequence[Any], members: int) -> Means:
    means = Means(layout, members)
    for i, table in enumerate(means.tables):
        table.data = np.stack([e.tables[i] for e in encodings])
    return means


def _members(
    layout: Layout,
    kind: Recipe,
    x: Array,
    truth: Array,
    objective: Objective,
    own: Sequence[Array],
    encodings: Sequence[Any],
    seed: int,
    more: Mapping[str, Any],
) -> TableNetwork:
    """The members of one kind, trained."""
    batch = batch_size(len(x))
    steps = kind.epochs * -(-max(map(len, own)) // batch)  # a member that has fewer ends just before its rate is 0
    network = TableNetwork(layout, kind, _flat(kind.dropout, steps))
    data: Any = [((x, encoding.own), truth) for encoding in encodings] or (x, truth)
    runs = fit_many(
        network, data, rows=list(own), loss=objective.network_loss(), optimizer=optimizer(network, kind, steps),
        epochs=kind.epochs, batch_size=batch, seeds=[seed * 100 + i for i in range(len(own))], **more,
    )  # fmt: skip
    return stacked([run.model for run in runs])


def optimizer(network: TableNetwork, kind: Recipe, steps: int) -> optim.Optimizer:
    """AdamW: embeddings slower, weights and embeddings with decay, all by schedules of the steps."""
    names = list(nn.named_parameters(network))
    biases = [n for n in names if n.endswith("bias") and not n.startswith("numbers")]
    waves = [n for n in names if n in ("numbers.phase", "numbers.bias")]
    embedded = [n for n in names if n.startswith(("numbers", "categories")) and n not in waves]
    slow = optim.OneCycle(kind.lr * EMBEDDING_RATE, steps, pct_start=WARM)
    groups = [optim.Group(biases, name="biases", weight_decay=0.0)]
    if embedded:
        groups.append(optim.Group(embedded, name="embeddings", lr=slow))
    if waves:
        groups.append(optim.Group(waves, name="waves", lr=slow, weight_decay=0.0))
    rate = optim.OneCycle(kind.lr, steps, pct_start=WARM)
    return optim.AdamW(rate, betas=BETAS, weight_decay=_flat(kind.weight_decay, steps), groups=tuple(groups))


def _flat(value: float, steps: int) -> Any:
    """A dropout or decay that is flat for half of the steps, then falls by a cosine to 0; without it 0."""
    return optim.FlatCosine(value, steps) if value else 0.0


def _folds(held: Sequence[Array], rows: int) -> Array:
    """[N]: the fold of each row."""
    fold = np.empty(rows, np.int64)
    for k, at in enumerate(held):
        fold[at] = k
    return fold
