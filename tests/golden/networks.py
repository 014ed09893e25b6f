"""Trainings of networks that are no chain of dense layers: the second half of the golden record.

Embeddings, several inputs, joins, slices, products with batch axes, derivatives within the loss, and what else a graph
can hold; and sizes at which products are computed in blocks. No training hangs on how a tie's gradient is shared.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import schuss
from schuss import nn, ops, optim

from .data import classes, numbers, pixels, uniform, whole

LEVELS = (5, 9, 30)  # of the categories below


def categories(n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    index = np.stack([whole(10 + i, size, n) for i, size in enumerate(LEVELS)], axis=1)
    return index, (index.sum(axis=1) % 3).astype(np.int64)


def table(n: int = 150) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Categories of several integer types and numbers, by name."""
    index, y = categories(n)
    columns = {"colour": index[:, 0].astype(np.uint8), "size": index[:, 1].astype(np.int32), "place": index[:, 2]}
    return columns | {"numbers": uniform(20, n, 4)}, y


def curve(dtype: str = "f4") -> tuple[np.ndarray, np.ndarray]:
    t = uniform(21, 96, 1, dtype=dtype)
    return t, t * t - t


def dense(*sizes: int, activation: Callable[[Any], Any] = ops.tanh) -> nn.Sequential:
    layers = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), activation)]
    return nn.Sequential(*layers[:-1])


def drawn(*shape: int) -> nn.Parameter:
    return nn.Parameter(shape, nn.init.Normal(0.0, 0.5))


class Table(nn.Module):
    """Embeddings of several columns beside numbers, joined."""

    def __init__(self, width: int = 6) -> None:
        names = ("colour", "size", "place")
        self.columns = {name: nn.Embedding(size, width) for name, size in zip(names, LEVELS, strict=True)}
        self.dropout = nn.Dropout(0.2)
        self.net = dense(3 * width + 4, 24, 3)

    def forward(self, x: Any) -> Any:
        parts = [self.dropout(column(x[name])) for name, column in self.columns.items()]
        return self.net(ops.concatenate([*parts, x["numbers"]], axis=1))


class Rows(nn.Module):
    """One table of which two columns take rows, and another; only the rows taken are updated."""

    def __init__(self) -> None:
        self.table, self.other = nn.Embedding(30, 7, sparse=True), nn.Embedding(LEVELS[0], 7, sparse=True)
        self.net = dense(7, 16, 3)

    def forward(self, x: Any) -> Any:
        return self.net(self.table(x[:, 1:]).sum(axis=1) + self.table(x[:, 2]) * self.other(x[:, 0]))


class Columns(nn.Module):
    """Ten narrow joins: each number gets a line of its own, as a table's columns do."""

    def __init__(self) -> None:
        self.lines = [nn.Linear(1, width) for width in (1, 2, 3, 4, 5, 8, 3, 1, 7, 2)]
        self.net = dense(36, 16, 3)

    def forward(self, x: Any) -> Any:
        parts = [ops.tanh(line(x[:, i % 6 : i % 6 + 1])) for i, line in enumerate(self.lines)]
        return self.net(ops.concatenate(parts, axis=1))


class Growing(nn.Module):
    """Each layer sees all before it."""

    def __init__(self) -> None:
        self.layers = [nn.Linear(6, 5), nn.Linear(11, 7), nn.Linear(18, 9)]
        self.last = nn.Linear(27, 3)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = ops.concatenate([x, ops.tanh(layer(x))], axis=1)
        return self.last(x)


class Pair(nn.Module):
    """Two inputs of different kinds."""

    def __init__(self) -> None:
        self.left, self.right, self.both = nn.Linear(6, 12), nn.Linear(25, 12), nn.Linear(12, 3)

    def forward(self, a: Any, b: Any) -> Any:
        return self.both(ops.tanh(self.left(a)) * ops.sigmoid(self.right(b)))


class Derivatives(nn.Module):
    """A net of one number and its first derivatives."""

    def __init__(self, order: int) -> None:
        self.order, self.net = order, dense(1, 12, 12, 1)

    def forward(self, t: Any) -> Any:
        found, function = [self.net(t)], self.net
        for _ in range(self.order):
            function = _derivative(function)
            found.append(function(t))
        return tuple(found)


def _derivative(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return schuss.grad(lambda z: f(z).sum())


def oscillator(pred: Any, target: Any) -> Any:
    """u'' + 0.5 u' + 2 u is the target."""
    u, slope, bend = pred
    return ops.square(bend + 0.5 * slope + 2.0 * u - target).mean()


def third(pred: Any, target: Any) -> Any:
    return sum(ops.square(0.3**k * d).mean() for k, d in enumerate(pred)) - (pred[0] * target).mean()


class Slopes(nn.Module):
    """Classes, and how fast their scores change with the input."""

    def __init__(self) -> None:
        self.net = dense(6, 16, 3)

    def forward(self, x: Any) -> Any:
        return self.net(x), schuss.grad(lambda z: ops.logsumexp(self.net(z), axis=1).sum())(x)


def penalised(pred: Any, target: Any) -> Any:
    scores, slopes = pred
    return nn.CrossEntropyLoss()(scores, target) + 0.1 * ops.square(slopes).sum(axis=1).mean()


class Shifted(nn.Module):
    """Convolutions along the features written as shifted slices, padded, and every second one kept."""

    def __init__(self) -> None:
        self.taps, self.more, self.last = drawn(3, 8), drawn(3), nn.Linear(24, 3)

    def forward(self, x: Any) -> Any:
        padded = ops.pad(x, axis=1, before=1, after=1)
        h = sum(padded[:, i : i + 6, None] * self.taps[i] for i in range(3))  # [N, 6, 8]
        h = ops.pad(ops.tanh(h), axis=1, before=2, between=1, value=0.5)[:, ::2]  # [N, 7, 8]
        h = sum(h[:, i : i + 5] * self.more[i] for i in range(3))[:, ::2]
        return self.last(h.reshape((-1, 24)))


class Scattered(nn.Module):
    """Features picked and gathered by fixed numbers, and added up by groups."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(9, 12), nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.first(ops.take(x, np.array([5, 0, 0, 3, 2, 5, 1, 4, 4]), axis=1)))
        return self.last(ops.scatter_add(h, np.array([0, 1, 4, 0, 3, 3, 1, 0, 4, 4, 2, 1]), axis=1, size=5))


class Segments(nn.Module):
    """Examples added up by a group each has, and what is found given back to them."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(6, 8), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        group = (x[:, 0] > 0.0).astype("int64") + (x[:, 1] > 0.25).astype("int64")
        h = ops.tanh(self.first(x))
        sums = ops.scatter_add(h, group, axis=0, size=3)
        counts = ops.scatter_add(ops.ones_like(h[:, 0]), group, axis=0, size=3)
        means = sums / ops.expand_dims(counts + 1.0, 1)
        return self.last(ops.concatenate([h, ops.take(means, group, axis=0)], axis=1))


class Winner(nn.Module):
    """The largest of each group of features goes on, and nothing else."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(6, 20), nn.Linear(20, 3)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.first(x)).reshape((-1, 4, 5))
        mask = ops.one_hot(ops.argmax(h, axis=2), classes=5, dtype=h.dtype)
        return self.last((h * mask).reshape((-1, 20)))


class Folded(nn.Module):
    """Reductions over several axes, apart from each other and beside each other."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(6, 60), nn.Linear(27, 3)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.first(x)).reshape((-1, 4, 5, 3))
        folds = [
            h.mean(axis=(1, 3)),  # 5
            ops.max(h, axis=(1, 2)),  # 3
            ops.min(h, axis=2).sum(axis=1),  # 3
            ops.var(h, axis=(2, 3)),  # 4
            ops.logsumexp(h, axis=(1, 3)),  # 5
            ops.norm(h, axis=(2, 3)),  # 4
            ops.sum(h * h[:, ::-1], axis=(1, 2)),  # 3
        ]
        return self.last(ops.concatenate(folds, axis=1))


class Attention(nn.Module):
    """Features look at each other: products with one batch axis or, in heads, two; then a norm of the sum."""

    def __init__(self, heads: int = 1, width: int = 8, dropout: float = 0.0) -> None:
        self.heads, self.width = heads, width
        self.embed, self.place = nn.Linear(1, width), drawn(6, width)
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.dropout, self.norm, self.last = nn.Dropout(dropout), nn.LayerNorm(width), nn.Linear(width, 3)

    def forward(self, x: Any) -> Any:
        h = self.embed(ops.expand_dims(x, 2)) + self.place  # [N, 6, width]
        q, k, v = (self._split(layer(h)) for layer in (self.q, self.k, self.v))
        weights = self.dropout(ops.softmax(q @ ops.swap_last(k) / self.width**0.5, axis=-1))
        found = weights @ v
        if self.heads > 1:
            found = ops.transpose(found, axes=(0, 2, 1, 3)).reshape((-1, 6, self.width))
        return self.last(self.norm(h + self.dropout(found)).mean(axis=1))

    def _split(self, h: Any) -> Any:
        if self.heads == 1:
            return h
        apart = h.reshape((-1, 6, self.heads, self.width // self.heads))
        return ops.transpose(apart, axes=(0, 2, 1, 3))  # [N, heads, 6, each]


class Dropped(nn.Module):
    """Dropout of the input, of sequences, of single rows of them, and at several rates."""

    def __init__(self) -> None:
        self.few, self.half, self.most = nn.Dropout(0.1), nn.Dropout(0.5), nn.Dropout(0.7)
        self.first, self.last = nn.Linear(6, 24), nn.Linear(24, 3)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.first(self.few(x))).reshape((-1, 3, 8))
        h = self.half(h) + h * self.most(h.mean(axis=2, keepdims=True))
        return self.last(self.few(h.reshape((-1, 24))))


class Bilinear(nn.Module):
    """Sums of products of three things."""

    def __init__(self) -> None:
        self.weight, self.bias = drawn(3, 6, 6), nn.Parameter(np.zeros(3, np.float32))

    def forward(self, x: Any) -> Any:
        return ops.einsum("ni,oij,nj->no", x, self.weight, x) + self.bias


class Recurrent(nn.Module):
    """A gated state that goes over the features: one layer, used six times."""

    def __init__(self) -> None:
        self.gate, self.new, self.last = nn.Linear(9, 8), nn.Linear(9, 8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        state = ops.zeros_like(x[:, :1]) + np.zeros(8, np.float32)
        for i in range(6):
            seen = ops.concatenate([x[:, i : i + 1], state], axis=1)
            gate = ops.sigmoid(self.gate(seen))
            state = gate * state + (1.0 - gate) * ops.tanh(self.new(seen))
        return self.last(state)


class Largest(nn.Module):
    """The three largest features in their order, and how they add up from the left."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(6, 10), nn.Linear(13, 3)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.first(x))
        top, _ = ops.topk(h, 3, axis=1)
        return self.last(ops.concatenate([top, ops.cumsum(ops.flip(h, axis=1), axis=1)], axis=1))


class Batch(nn.Module):
    """Each feature less its mean over the batch, by its deviation there."""

    def __init__(self) -> None:
        self.first, self.scale, self.last = nn.Linear(6, 16), drawn(16), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        h = self.first(x)
        h = (h - h.mean(axis=0)) * ops.rsqrt(ops.var(h, axis=0) + 1e-5)
        return self.last(ops.tanh(h * self.scale))


class Alike(nn.Module):
    """How alike the examples of a batch are: products of examples with examples."""

    def __init__(self) -> None:
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.first(x))
        return self.last(ops.softmax(h @ h.T, axis=1) @ h)


class Mirrored(nn.Module):
    """An autoencoder of one matrix, there and back."""

    def __init__(self) -> None:
        self.weight, self.there, self.back = drawn(4, 6), drawn(4), drawn(6)

    def forward(self, x: Any) -> Any:
        return ops.tanh(x @ self.weight.T + self.there) @ self.weight + self.back


class Pooled(nn.Module):
    """Pictures: means and largest of squares of pixels, with a border."""

    def __init__(self) -> None:
        self.mix, self.last = nn.Linear(4, 6), nn.Linear(54, 4)

    def forward(self, x: Any) -> Any:
        x = ops.pad(ops.pad(x.astype("float32") * (1 / 255), axis=1, after=1), axis=2, after=1)  # [N, 6, 6]
        squares = ops.transpose(x.reshape((-1, 3, 2, 3, 2)), axes=(0, 1, 3, 2, 4))
        h = ops.tanh(self.mix(squares.reshape((-1, 9, 4)))) + squares.mean(axis=(3, 4)).reshape((-1, 9, 1))
        return self.last(h.reshape((-1, 54)))


class Long(nn.Module):
    """Sums, norms and largest values of rows longer than a vector, of an odd length."""

    def __init__(self) -> None:
        self.first, self.norm, self.last = nn.Linear(45, 77), nn.LayerNorm(77), nn.Linear(77, 45)

    def forward(self, x: Any) -> Any:
        h = ops.tanh(self.norm(self.first(x)))
        return self.last(h * ops.softmax(h, axis=1)) * ops.max(h, axis=1, keepdims=True) + h.sum(axis=1, keepdims=True)


def both() -> Any:
    """Two inputs, the second of bytes."""
    x, y = classes()
    return (x, pixels(150)[0]), y


def cases(case: Callable[..., Any]) -> dict[str, Any]:
    """case(model, data, loss, optimizer, **options of fit) makes an entry."""
    ce, mse = nn.CrossEntropyLoss(), nn.MSELoss()
    sgd = optim.SGD(0.05, momentum=0.9)

    def words(width: int = 7, dtype: str = "float32", mode: str = "raise") -> Any:
        net = nn.Sequential(nn.Embedding(30, width, mode=mode), nn.Flatten(), nn.Tanh(), nn.Linear(3 * width, 3))
        return nn.to_dtype(net, dtype)

    def outside() -> Any:
        index, y = categories()
        return index - 2, y

    return {
        "an embedding": case(words, categories, ce),
        "an embedding, clipped": case(lambda: words(16, mode="clip"), outside, ce, sgd),
        "an embedding of float64": case(lambda: words(dtype="float64"), categories, ce, optim.AdamW()),
        "an embedding by rows": case(Rows, categories, ce, optim.AdamW(0.01), clip_norm=0.5),
        "a table": case(Table, table, ce),
        "ten columns": case(Columns, classes, ce),
        "concatenations": case(Growing, classes, ce, sgd),
        "several inputs": case(Pair, both, ce, scale=1 / 255),
        "a gradient penalty": case(Slopes, classes, penalised),
        "a differential equation": case(lambda: Derivatives(2), curve, oscillator),
        "third derivatives": case(lambda: nn.to_dtype(Derivatives(3), "float64"), lambda: curve("f8"), third),
        "pads and slices": case(Shifted, classes, ce),
        "take and scatter": case(Scattered, classes, ce),
        "segments": case(Segments, classes, ce),
        "the largest of a group": case(Winner, classes, ce),
        "reductions over several axes": case(Folded, classes, ce),
        "long rows": case(Long, lambda: classes(count=45, features=45), ce),
        "large matrices": case(lambda: dense(6, 400, 400, 3), classes, ce, batch_size=8, epochs=1),
        "long sums": case(lambda: dense(600, 16, 3), lambda: classes(1300, 600), ce, batch_size=1100, epochs=1),
        "attention": case(Attention, classes, ce),
        "attention, in heads, with dropout": case(lambda: Attention(2, 8, 0.1), classes, ce),
        "dropouts": case(Dropped, classes, ce, epochs=3),
        "bilinear": case(Bilinear, classes, ce, sgd),
        "recurrent": case(Recurrent, classes, ce, clip_norm=1.0),
        "the largest three": case(Largest, classes, ce),
        "normalised over the batch": case(Batch, classes, ce),
        "examples with examples": case(Alike, classes, ce),
        "mirrored": case(Mirrored, lambda: (numbers()[0], numbers()[0]), mse),
        "pictures": case(Pooled, lambda: (pixels()[0].reshape(-1, 5, 5), pixels()[1]), ce),
    }
