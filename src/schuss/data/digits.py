"""From a drawn digit to what a network trained on MNIST has seen.

MNIST's digits are light on dark, scaled into a 20 x 20 box and put into 28 x 28 with the centre of mass in the middle.
Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
NOISE = 0.2  # of the darkest ink: anything fainter is paper
INK = 20 / 28  # the share of the side that the digit fills


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
