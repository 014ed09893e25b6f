"""What the benchmarks train, and what it costs at least.

digits       784-128-64-10, ReLU, cross entropy, Adam at 1e-3, batch 64, the 60,000 MNIST digits
digits-512   the same in batches of 512
function     16-32-32-1, tanh, mean squared error, SGD with momentum 0.9 at 1e-2, batch 32, 20,000 rows
wide         784-1024-1024-10, otherwise as digits, batch 256
lenet        LeNet-5: two convolutions 5 x 5 of 6 and 16 channels with ReLU and max pooling, then 400-120-84-10, on
             [N, 1, 28, 28], otherwise as digits, batch 128; for the sides schuss and torch, and no part of "all"

All in float32; an epoch is every row of a new shuffle, the short last batch included.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """sizes: units of each layer, inputs first. classes: cross entropy and Adam; else squared error and momentum."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    classes: bool = True
    rows: int = 60_000
    channels: tuple[int, ...] = ()  # of convolutions 5 x 5, the first with padding 2, each before a pool of 2 x 2

    @property
    def activation(self) -> str:
        return "relu" if self.classes else "tanh"

    @property
    def rate(self) -> float:
        return 1e-3 if self.classes else 1e-2

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return -(-self.rows // self.batch)

    @property
    def parameters(self) -> int:
        own = sum(25 * a * b + b for a, b in itertools.pairwise((1, *self.channels)))
        return own * bool(self.channels) + sum(a * b + b for a, b in itertools.pairwise(self.sizes))

    @property
    def flops(self) -> float:
        """Of an epoch's matrix products: forward, weight gradients, and input gradients but of the first layer."""
        products = [a * b for a, b in itertools.pairwise(self.sizes)]
        sides = (28, 10)  # of the places of LeNet-5's convolutions
        pairs = itertools.pairwise((1, *self.channels))
        products = [25 * a * b * side**2 for (a, b), side in zip(pairs, sides, strict=False)] + products
        return 2.0 * self.rows * (3 * sum(products) - products[0])

    @property
    def bytes(self) -> float:
        """Least traffic with memory of an epoch, if neither weights nor activations fit a cache: each weight and
        its optimizer state read and written once a step, each row of data read once."""
        state = 3 if self.classes else 2
        item = 1 if self.classes else 4
        return 8.0 * state * self.parameters * self.steps + self.rows * self.sizes[0] * item

    def data(self) -> tuple[Any, Any, Any, Any]:
        """(x, y, x_test, y_test): digits as uint8 rows, or float32 columns and a smooth function of them."""
        if self.channels:
            from schuss.data import load_dataset

            digits = load_dataset("mnist").pictures
            return digits.x_train, digits.y_train, digits.x_test, digits.y_test
        if self.classes and self.sizes[0] == 784 and self.sizes[-1] == 10 and self.rows == 60_000:
            from schuss.data import load_dataset

            digits = load_dataset("mnist")
            flat = [a.reshape(len(a), -1) for a in (digits.x_train, digits.x_test)]
            return flat[0], digits.y_train, flat[1], digits.y_test
        rng = np.random.default_rng(123)
        x = rng.standard_normal((self.rows + 2000, self.sizes[0]), np.float32)
        if self.classes:
            y: Any = np.argmax(x @ rng.standard_normal((self.sizes[0], self.sizes[-1])), 1).astype(np.uint8)
        else:
            directions = rng.standard_normal((self.sizes[0], self.sizes[-1])) / np.sqrt(self.sizes[0])
            y = np.sin(x @ directions).astype(np.float32)
        return x[:-2000], y[:-2000], x[-2000:], y[-2000:]


WORKLOADS = {
    w.name: w
    for w in (
        Workload("digits", (784, 128, 64, 10), 64),
        Workload("digits-512", (784, 128, 64, 10), 512),
        Workload("function", (16, 32, 32, 1), 32, classes=False, rows=20_000),
        Workload("wide", (784, 1024, 1024, 10), 256),
    )
}


LENET = Workload("lenet", (400, 120, 84, 10), 128, channels=(6, 16))


def named(text: str) -> Workload:
    """A workload by name, or sizes:batch:rows such as 64,256,256,10:128:20000 (classes)."""
    if text == LENET.name:
        return LENET
    if text in WORKLOADS:
        return WORKLOADS[text]
    sizes, batch, rows = text.split(":")
    return Workload(text, tuple(map(int, sizes.split(","))), int(batch), rows=int(rows))
