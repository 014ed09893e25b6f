"""Rows of numbers as images."""

from __future__ import annotations

import math
from typing import Any

from schuss.errors import UsageError
from schuss.nn.holding import signature_of

SMALLEST = 16  # numbers: fewer make no image, even in a square


def image_shape(model: Any, size: int, shape: tuple[int, int] | None, picture: str) -> tuple[int, int]:
    """Rows and columns of an image of so many numbers: as given, as the model's input has them, or a square.

    UsageError if the numbers are no image.
    """
    if shape is not None:
        if len(shape) != 2 or math.prod(shape) != size:
            raise UsageError(f"{picture}: an image of shape {tuple(shape)} does not have {size} numbers")
        return int(shape[0]), int(shape[1])
    signature = signature_of(model)
    if signature is not None and signature.inputs:
        row = [d for d in signature.inputs[0].shape[1:] if isinstance(d, int) and d != 1]
        if len(row) == 2 and math.prod(row) == size:
            return row[0], row[1]
    side = math.isqrt(size)
    if size < SMALLEST or side * side != size:
        raise UsageError(f"{picture}: {size} inputs are no image; if they are one, give shape=(rows, columns)")
    return side, side


def is_image(model: Any, size: int, shape: tuple[int, int] | None) -> tuple[int, int] | None:
    """The image's shape, None if the numbers are none."""
    try:
        return image_shape(model, size, shape, "")
    except UsageError:
        if shape is not None:
            raise
        return None
