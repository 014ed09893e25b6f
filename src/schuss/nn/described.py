"""A model in a few words, for titles and tables."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from schuss.nn.convolution import Conv1d, Conv2d
from schuss.nn.layers import Linear, Sequential
from schuss.nn.module import named_modules


def describe(model: Any) -> str:
    """784-256-10 for dense layers in a row; Conv2d 1-6-16, Linear 400-10 with convolutions; else the class's name."""
    found = [m for m in named_modules(model).values() if isinstance(m, (Linear, Conv1d, Conv2d))]
    if not isinstance(model, Sequential) or not found:
        return type(model).__name__
    runs = [(kind.__name__, list(layers)) for kind, layers in groupby(found, type)]
    parts = [(name, "-".join(map(str, (_sizes(some[0])[0], *(_sizes(m)[1] for m in some))))) for name, some in runs]
    return parts[0][1] if [name for name, _ in parts] == ["Linear"] else ", ".join(f"{n} {sizes}" for n, sizes in parts)


def _sizes(layer: Any) -> tuple[int, int]:
    if isinstance(layer, Linear):
        return layer.in_features, layer.out_features
    return layer.in_channels, layer.out_channels
