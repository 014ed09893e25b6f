"""Small models the api's tests share."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import nn, ops


class Net(nn.Module):
    """Two layers with a setting of its own."""

    def __init__(self, slope: float = 0.1) -> None:
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)
        self.slope = slope

    def __call__(self, x):
        h = self.first(x)
        return self.second(ops.maximum(h, h * self.slope))


class Plain:
    """No Module: parameters and __call__ are enough."""

    def __init__(self) -> None:
        self.w = nn.Parameter(np.array([[1.0, 2.0]]))

    def __call__(self, x):
        return x @ self.w.T


@pytest.fixture
def net() -> Net:
    model = Net()
    nn.initialize(model, 0)
    return model


@pytest.fixture
def plain() -> Plain:
    return Plain()
