"""Small runs for the pictures, made once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import schuss
from schuss import nn, optim

RECORD = 1e-5  # seconds: small runs last a millisecond


def blobs(n: int = 240, width: int = 24, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (np.eye(width)[y] + 0.6 * rng.standard_normal((n, width))).astype("f4"), y


def curve(x: Any) -> Any:
    return np.sin(3 * x)


def fitted(model: Any, data: Any, loss: Any, epochs: int = 6, **options: Any) -> Any:
    given = {"optimizer": optim.Adam(lr=1e-2), "batch_size": 24, "record": RECORD, **options}
    return schuss.fit(model, data, loss=loss, epochs=epochs, **given)


@cache
def class_run() -> Any:
    """24 inputs, three classes, with validation."""
    model = nn.Sequential(nn.Linear(24, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 3))
    return fitted(model, blobs(), nn.CrossEntropyLoss(), validation=0.2)


@cache
def curve_run() -> Any:
    """One input, one number."""
    x = np.linspace(-1, 1, 96, dtype="f4")[:, None]
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    return fitted(model, (x, curve(x)), nn.MSELoss(), epochs=20)


@cache
def plane_run() -> Any:
    """Two inputs, two classes by one output."""
    x = np.random.default_rng(0).uniform(-1, 1, (120, 2)).astype("f4")
    model = nn.Sequential(nn.Linear(2, 12), nn.Tanh(), nn.Linear(12, 1))
    return fitted(model, (x, (x[:, 0] * x[:, 1] > 0).astype("i8")), nn.BCEWithLogitsLoss(), epochs=20)


def stripes(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bytes [n, 6, 6]: a bright row, a bright column or neither, with noise."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.integers(0, 90, (n, 6, 6))
    for i, label in enumerate(y):
        at = rng.integers(1, 5)
        if label == 0:
            x[i, at] += 120
        elif label == 1:
            x[i, :, at] += 120
    return x.astype(np.uint8), y


@cache
def image_run() -> Any:
    """Images of bytes, three classes."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Linear(20, 3))
    return fitted(model, stripes(), nn.CrossEntropyLoss(), epochs=8)
