"""From a drawn digit to what a network trained on MNIST has seen.

MNIST's digits are light on dark, scaled into a 20 x 20 box and put into 28 x 28 with the centre of mass in the middle.
Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from schuss.data.pictures import is_picture, read_gray
from schuss.data.source import DataSource
from schuss.errors import DataError
from schuss.ir.executor import Array

NOISE = 0.2  # of the darkest ink: anything fainter is paper
INK = 20 / 28  # the share of the side that the digit fills


class DigitPicture(DataSource):
    """A picture of a digit to predict: any size, dark on light or light on dark."""

    def recognises(self, place: str) -> bool:
        return is_picture(place)

    def rows(self, place: str, wanted: Sequence[int] | None, floats: bool) -> Array:
        size = math.prod(wanted) if wanted else 0
        side = math.isqrt(size)
        if wanted is None or side * side != size or side < 8:
            raise DataError(
                f"{place}: the model takes rows of {size or '?'} numbers, not a square picture; give an .npy"
            )
        picture = read_digit(Path(place), side)
        return (picture / np.float32(255) if floats else picture).reshape(1, *wanted)


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


def normalised(ink: Array, side: int) -> Array:
    """Ink of any shape, 0 for paper, scaled and placed as MNIST's digits are: uint8 [side, side]. Needs some ink."""
    ink = ink / float(ink.max())
    ink[ink < NOISE] = 0
    return _placed(_scaled(_cropped(ink), round(side * INK)), side)


def _cropped(ink: Array) -> Array:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(ink: Array, longest: int) -> Array:
    """The digit with its longer side that long, its brightest point 1."""
    from PIL import Image

    height, width = ink.shape
    scale = longest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BOX if scale < 1 else 2)
    small = np.clip(np.asarray(picture, np.float64), 0, 1)
    return small / max(float(small.max()), 1e-9)


def _placed(ink: Array, side: int) -> Array:
    """The digit in the middle of the square, by its centre of mass, but whole."""
    height, width = ink.shape
    total = ink.sum()
    y = (ink.sum(axis=1) @ np.arange(height)) / total
    x = (ink.sum(axis=0) @ np.arange(width)) / total
    top = int(np.clip(round(side / 2 - 0.5 - y), 0, side - height))
    left = int(np.clip(round(side / 2 - 0.5 - x), 0, side - width))
    square = np.zeros((side, side))
    square[top : top + height, left : left + width] = ink
    return np.rint(square * 255).astype(np.uint8)
