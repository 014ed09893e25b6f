"""Models and functions whose graphs are drawn, in every form that a graph can take; and what is read from the SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import numpy as np

import schuss
from schuss import nn, viz

SVG = "{http://www.w3.org/2000/svg}"
X = np.array([[1, 2], [3, -1]], "f4")
Y = np.array([[1], [0]], "f4")
ARGUMENTS = tuple(map(np.array, ([[0.5, -0.5]], [0.0, 0.1], [[1.0], [2.0]], [0.0], [[2.0]], [[1.0]])))


def loss_of(W1, b1, W2, b2, x, y):
    L1 = x @ W1 + b1
    S = schuss.sigmoid(L1)
    L2 = S @ W2 + b2
    error = L2 - y
    return (error * error).mean()


class Block(nn.Module):
    def __init__(self, width: int = 2) -> None:
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, width)

    def forward(self, x):
        return x + schuss.tanh(self.inner(self.norm(x)))


class Deep(nn.Module):
    def __init__(self, blocks: int = 2) -> None:
        self.blocks = [Block() for _ in range(blocks)]
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Shared(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Linear(2, 2)
        self.out = nn.Linear(2, 1)

    def forward(self, x):
        return self.out(self.layer(self.layer(x)))


class Towers(nn.Module):
    def __init__(self) -> None:
        self.l, self.r, self.o = nn.Linear(2, 3), nn.Linear(4, 3), nn.Linear(6, 3)

    def forward(self, left, right):
        return self.o(schuss.concatenate(schuss.relu(self.l(left)), schuss.tanh(self.r(right)), axis=1))


class Recurrent(nn.Module):
    """A cell with two layers, called again and again."""

    def __init__(self, steps: int = 3) -> None:
        self.steps = steps
        self.cell = Cell()
        self.out = nn.Linear(2, 1)

    def forward(self, x):
        h = x
        for t in range(self.steps):
            h = self.cell(x * (0.5 + t), h)
        return self.out(h)


class Cell(nn.Module):
    def __init__(self) -> None:
        self.i, self.h = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x, h):
        return schuss.tanh(self.i(x) + self.h(h))


class Skips(nn.Module):
    """A value that is read in three places, and operations that only parameters reach."""

    def __init__(self) -> None:
        self.a, self.b, self.c = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1)
        self.scale = nn.Parameter(np.array([0.3, -0.2]))

    def forward(self, x):
        h = x + schuss.tanh(self.a(x))
        g = h * schuss.sigmoid(self.b(h)) * schuss.exp(self.scale)
        return self.c(g + x)


def made(model: Any, seed: int = 0) -> Any:
    nn.initialize(model, seed)
    return model


def two_layers() -> Any:
    return made(nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1)))


def digits(examples: int = 1, **options: Any) -> Any:
    rng = np.random.default_rng(0)
    model = made(nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 10)))
    x = rng.random((examples, 784)).astype("f4")
    return viz.graph(model, x, np.arange(examples) % 10, loss=nn.CrossEntropyLoss(), **options)


def regression(model: Any, **options: Any) -> Any:
    return viz.graph(made(model), X, Y, loss=nn.MSELoss(), **options)


def towers(**options: Any) -> Any:
    x = (X, np.ones((2, 4), "f4"))
    return viz.graph(made(Towers()), x, np.array([0, 2]), loss=nn.CrossEntropyLoss(), **options)


def random_function(seed: int) -> Callable[[Any, Any], Any]:
    """A function of two arrays with values used here and there."""

    def f(x, w):
        rng = np.random.default_rng(seed)
        values = [x, w]
        for _ in range(14):
            a, b = (values[int(i)] for i in rng.integers(0, len(values), 2))
            choice = [a * b, a + b, schuss.tanh(a), a - 0.5 * b, schuss.sin(b)]
            values.append(choice[int(rng.integers(0, 5))])
        return sum(v.mean() for v in values[-4:])

    return f


CASES: dict[str, Callable[..., Any]] = {
    "function": lambda **o: viz.graph(loss_of, *ARGUMENTS, **o),
    "two layers": lambda **o: regression(two_layers(), **o),
    "digit": digits,
    "digits": lambda **o: digits(5, **o),
    "blocks": lambda **o: regression(Deep(), **o),
    "shared layer": lambda **o: regression(Shared(), **o),
    "recurrent": lambda **o: regression(Recurrent(), **o),
    "two inputs": towers,
    "skips": lambda **o: regression(Skips(), **o),
    **{f"random {i}": lambda i=i, **o: viz.graph(random_function(i), X, X + 1, **o) for i in range(6)},
}


def parsed(picture):
    return ElementTree.fromstring(picture.svg)


def groups(root, kind):
    """The elements of a class."""
    return [e for e in root.iter(f"{SVG}g") if kind in (e.get("class") or "").split()]


def words(element):
    return ["".join(t.itertext()) for t in element.iter(f"{SVG}text")]
