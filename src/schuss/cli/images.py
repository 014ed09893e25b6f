"""From a picture file of a digit to what a network trained on MNIST has seen (see schuss.data.digits)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from schuss.data.digits import normalised
from schuss.data.pictures import read_gray
from schuss.errors import DataError

Array = Any


def read_digit(path: Path, side: int) -> Array:
    """A picture of any size as uint8 [side, side], light on dark.

    A picture of exactly side x side pixels keeps its place and its grays. DataError for what is no picture, or blank.
    """
    gray = read_gray(path)
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    paper = float(np.median(border))
    ink = gray - paper if paper < 128 else paper - gray
    top = float(ink.max())
    if top < 8:
        raise DataError(f"{path}: the picture is blank (no ink that differs from its border)")
    ink = np.clip(ink, 0, None)
    if gray.shape == (side, side):
        return np.rint(np.clip(ink, 0, 255)).astype(np.uint8)
    return normalised(ink, side)
