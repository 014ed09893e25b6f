"""The weights of a model's first layer as images: what each unit looks for."""

from __future__ import annotations

from typing import Any

import numpy as np

from schuss import nn
from schuss.analysis.images import image_shape
from schuss.errors import UsageError
from schuss.ir.executor import Array


def weights_data(model: Any, *, shape: tuple[int, int] | None = None) -> Array:
    """[units, rows, columns]: the first layer's weights.

    shape  of an image; None: as the model's input has it, or square. UsageError if the layer's inputs are no image.
    """
    nn.initialize(model)
    parameter = next((p for p in nn.named_parameters(model).values() if len(p.static_shape) >= 2), None)
    if parameter is None:
        raise UsageError("weights: the model has no layer with a matrix of weights")
    values = np.asarray(parameter.data)
    flat = values.reshape(len(values), -1)
    return flat.reshape(len(values), *image_shape(model, flat.shape[1], shape, "weights")).copy()
