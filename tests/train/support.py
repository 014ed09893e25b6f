"""Small data, small models and ways to compare runs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import schuss
from schuss import nn, optim

Weights = dict[str, np.ndarray]


def xor() -> tuple[np.ndarray, np.ndarray]:
    return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4"), np.array([0, 1, 1, 0])


def blobs(n: int = 120, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Round clouds of points around corners far from each other."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (3.0 * np.eye(4)[y] + rng.standard_normal((n, 4))).astype("f4"), y


def line(n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """y = 2 a - 3 b + 1."""
    x = np.random.default_rng(seed).standard_normal((n, 2)).astype("f4")
    return x, x @ np.array([[2.0], [-3.0]], "f4") + np.float32(1)


def mlp(*sizes: int, dropout: float = 0.0) -> Any:
    """Linear layers with tanh between them."""
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b), nn.Tanh()] + [nn.Dropout(dropout)] * bool(dropout)
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


def fit(model: Any, data: Any, **options: Any) -> Any:
    """schuss.fit with defaults that suit the tests."""
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=1e-2), "epochs": 2, "batch_size": 32}
    return schuss.fit(model, data, **{**given, **options})


def weights(model: Any) -> Weights:
    return {name: p.data.copy() for name, p in nn.named_parameters(model).items()}


def same_bits(a: Weights, b: Weights) -> bool:
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and a[n].tobytes() == b[n].tobytes() for n in a)


def close(a: Weights, b: Weights, tolerance: float = 1e-5) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=tolerance, atol=tolerance, err_msg=name)
