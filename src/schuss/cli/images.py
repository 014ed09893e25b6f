"""From a picture file of a digit to what a network trained on MNIST has seen (see schuss.data.digits)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from schuss.data.digits import normalised
from schuss.errors import DataError

Array = Any


def read_digit(path: Path, side: int) -> Array:
    """A picture of any size as uint8 [side, side], light on dark.

    A picture of exactly side x side pixels keeps its place and its grays. DataError for what is no picture, or blank.
    """
    gray = _gray(path)
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


def _gray(path: Path) -> Array:
    """Brightness [height, width], 0 to 255; a transparent picture lies on white, white ink on black."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            picture: Any = ImageOps.exif_transpose(file)
            if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
                return _flattened(picture.convert("RGBA"))
            if picture.mode.startswith(("I", "F")):  # 16 bits and more: by its own range
                wide = np.asarray(picture, np.float64)
                span = float(wide.max() - wide.min()) or 1.0
                return (wide - wide.min()) / span * 255
            return np.asarray(picture.convert("L"), np.float64)
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{path}: is not a picture that Pillow can read ({_short(error)})") from None
    except (Image.DecompressionBombError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(f"{path}: is not a picture that Pillow can read ({_short(error)})") from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _flattened(picture: Any) -> Array:
    pixels = np.asarray(picture, np.float64)
    gray = pixels[..., :3] @ np.array([0.299, 0.587, 0.114])
    alpha = pixels[..., 3] / 255
    on_white = gray * alpha + 255 * (1 - alpha)
    return on_white if np.ptp(on_white) >= 8 else gray * alpha
