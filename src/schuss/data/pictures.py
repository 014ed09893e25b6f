"""Pictures from files nobody vouches for. What a file claims to be is looked at before anything is decoded: 657 kB of
PNG can hold 12 GB of pixels.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.paths import open_regular

# Those that Pillow decodes by itself: for an EPS it would run a program.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "ICO")
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\1\0",
    *(b"P%d" % kind for kind in range(1, 7)),
)  # fmt: skip
MOST_PIXELS = 40_000_000
MOST_OF_JPEG = 160_000_000  # which is decoded smaller, unless its parts come one over the other
NEEDED = 2_000_000  # pixels beyond which a picture is made smaller: all that is drawn can be seen in it


def is_picture(path: str) -> bool:
    """Whether a file's name or its first bytes are a picture's."""
    if path.lower().endswith(ENDINGS) or not os.path.isfile(path):
        return path.lower().endswith(ENDINGS)
    with open_regular(path) as file:
        head = file.read(12)
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def read_gray(path: str | os.PathLike[str]) -> Array:
    """Brightness [height, width], 0 to 255, as float64; a transparent picture lies on white, white ink on black.

    More than 2 million pixels are averaged over squares of them. DataError for what is no picture, holds numbers that
    are not finite, or has more than 40 million pixels (160 million of a JPEG); OSError if it cannot be read.
    """
    return _decoded(path, lambda picture: _gray(picture, path), shrink=True)


def read_pixels(path: str | os.PathLike[str]) -> Array:
    """The picture's own bytes, uint8: brightness [height, width], or red, green and blue [3, height, width] in colour.

    What is transparent lies on white. DataError for what is no picture, has more than 8 bits, or more than 40 million
    pixels; OSError if it cannot be read.
    """
    return _decoded(path, lambda picture: _pixels(picture, path), shrink=False)


def _decoded(path: str | os.PathLike[str], taken: Callable[[Any], Array], shrink: bool) -> Array:
    """What `taken` makes of the picture, turned as its camera was. shrink: whether a large JPEG may be made smaller."""
    from PIL import Image, ImageOps

    with open_regular(path) as file:
        try:
            with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
                opened = Image.open(file, formats=FORMATS)
            with opened:
                _check_size(opened, path, shrink)
                picture: Any = ImageOps.exif_transpose(opened)
                return taken(picture)
        except (DataError, MemoryError):
            raise
        except Image.DecompressionBombError:  # Pillow's own limit, which is larger
            most = MOST_PIXELS // 10**6
            raise DataError(f"{path}: has more than {most} million pixels; make the picture smaller") from None
        except Exception as error:  # a damaged file makes a decoder fail in any way
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise DataError(f"{path}: is not a picture that Pillow can read ({reason})") from None


def _check_size(picture: Any, path: Any, shrink: bool) -> None:
    """By the header alone. A JPEG that may shrink is told to be decoded at half its size, a quarter or an eighth."""
    width, height = picture.size
    small = shrink and picture.format == "JPEG" and not picture.info.get("progressive")
    most = MOST_OF_JPEG if small else MOST_PIXELS
    if width * height > most:
        raise DataError(
            f"{path}: {width} x {height} are more than {most // 10**6} million pixels; make the picture smaller"
        )
    if small and width * height > NEEDED:
        factor = math.sqrt(NEEDED / (width * height))
        picture.draft(None, (max(1, int(width * factor)), max(1, int(height * factor))))


def _pixels(picture: Any, path: Any) -> Array:
    if picture.mode.startswith(("I", "F")):
        raise DataError(f"{path}: has more than 8 bits a pixel ({picture.mode}); save it as an 8-bit picture")
    gray = picture.mode in ("1", "L", "LA", "La")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        pixels = np.asarray(picture.convert("RGBA"), np.float64)
        alpha = pixels[..., 3:] / 255
        colours = np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    else:
        colours = np.asarray(picture.convert("L" if gray else "RGB"))
        if gray:
            return colours.copy()
    return np.ascontiguousarray(colours[..., 0] if gray else colours.transpose(2, 0, 1))


def _gray(picture: Any, path: Any) -> Array:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        return _flattened(np.asarray(_smaller(picture.convert("RGBA")), np.float64))
    if not picture.mode.startswith(("I", "F")):
        return np.asarray(_smaller(picture.convert("L")), np.float64)
    wide = _averaged(np.asarray(picture))  # 16 bits and more: by its own range
    if not np.isfinite(wide).all():
        raise DataError(f"{path}: holds NaN or infinite values; fill them first")
    span = float(wide.max() - wide.min()) or 1.0
    gray: Array = (wide - wide.min()) / span * 255
    return gray


def _factor(pixels: int) -> int:
    return math.ceil(math.sqrt(pixels / NEEDED))


def _smaller(picture: Any) -> Any:
    factor = _factor(picture.width * picture.height)
    return picture.reduce(factor) if factor > 1 else picture


def _averaged(wide: Array) -> Array:
    factor = _factor(wide.size)
    if factor <= 1:
        return wide.astype(np.float64)
    height, width = (max(1, n // factor) for n in wide.shape)
    rows, columns = (min(factor, n) for n in wide.shape)
    squares = wide[: height * rows, : width * columns].reshape(height, rows, width, columns)
    averaged: Array = squares.mean(axis=(1, 3), dtype=np.float64)
    return averaged


def _flattened(pixels: Array) -> Array:
    gray = pixels[..., :3] @ np.array([0.299, 0.587, 0.114])
    alpha = pixels[..., 3] / 255
    on_white = gray * alpha + 255 * (1 - alpha)
    return on_white if np.ptp(on_white) >= 8 else gray * alpha
