"""The MNIST digits that come with schuss: 60,000 to train on, 10,000 to test on.

They are by Y. LeCun, C. Cortes and C. Burges, under CC BY-SA 3.0; see mnist/LICENSE.md.

In the package they are an .npz of three arrays (made by tools/bundle_mnist.py). Four pixels of five are
zero, so the pixels are taken in pairs: `occupied` has a bit for each pair, set where it is not zero, `pairs`
has those that are not, and `labels` the digits. That is smaller than all the pixels and inflates faster.

Decoded, they are one run of bytes, checked by checksum and kept in the cache folder for the next load.
"""

from __future__ import annotations

import contextlib
import mmap
import zlib
from pathlib import Path

import numpy as np

from schuss.data.dataset import IMAGES, Dataset
from schuss.data.source import DataSource
from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.paths import atomic_write, cache_dir, open_regular, private_folder

BUNDLE = Path(__file__).parent / "mnist" / "mnist.npz"
TRAIN, TEST, SIDE = 60_000, 10_000, 28
PIXELS = (TRAIN + TEST) * SIDE * SIDE
LENGTH = PIXELS + TRAIN + TEST
# CRC-32 of the decoded bytes: training images, test images, training labels, test labels.
CHECKSUM = 0x34A89C1D
CACHE_NAME = "mnist-v1.bin"


class Bundled(DataSource):
    """mnist."""

    def recognises(self, place: str) -> bool:
        return place == "mnist"

    def load(self, place: str) -> Dataset:
        return load_mnist()


def load_mnist(cache_dir: Path | None = None) -> Dataset:
    """MNIST: x uint8 (60000 and 10000, 28, 28), read-only; y int64 (60000 and 10000,), ten classes.

    The first load decodes it into the cache folder (`schuss.paths.cache_dir()` unless given), later ones map
    that file into memory and verify its checksum. A damaged copy is made again; without a cache folder that
    can be written to, the digits are decoded in memory. Raises DataError if the installed package is damaged.
    """
    path = _cache_path(cache_dir)
    values = _mapped(path) if path else None
    if values is None:
        values = decode(BUNDLE)
        if path:
            _store(path, values)
    return _dataset(values)


def _cache_path(folder: Path | None) -> Path | None:
    with contextlib.suppress(OSError):
        return (folder if folder is not None else cache_dir()) / CACHE_NAME
    return None


def _mapped(path: Path) -> Array | None:
    """The cached copy mapped read-only, or None if there is none that is whole."""
    try:
        with open_regular(path) as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    if len(content) == LENGTH and zlib.crc32(content) == CHECKSUM:
        return np.frombuffer(content, np.uint8)
    content.close()  # Windows does not replace a mapped file
    return None


def _store(path: Path, values: Array) -> None:
    """Keep the decoded copy for the next load. It can be made again, so no failure to keep it is an error."""
    with contextlib.suppress(OSError):
        private_folder(path.parent)
        atomic_write(path, values.data)


def decode(bundle: Path) -> Array:
    """The decoded bytes of a bundle, read-only. Raises DataError if it is damaged."""
    from schuss.data.npz import read_npz  # a load from the cache does not need the zip machinery

    arrays = read_npz(bundle, ("occupied", "pairs", "labels"))
    occupied = np.unpackbits(arrays["occupied"]).view(bool)
    if len(occupied) != PIXELS // 2 or np.count_nonzero(occupied) != arrays["pairs"].size:
        raise DataError(f"{bundle}: damaged; install schuss again")
    result = np.zeros(LENGTH, np.uint8)
    result[:PIXELS].view("<u2")[occupied] = arrays["pairs"]
    result[PIXELS:] = arrays["labels"]
    if zlib.crc32(result.data) != CHECKSUM:
        raise DataError(f"{bundle}: damaged (wrong checksum); install schuss again")
    result.flags.writeable = False
    return result


def encode(values: Array) -> dict[str, Array]:
    """The arrays of a bundle for decoded bytes; the inverse of `decode`."""
    pairs = values[:PIXELS].view("<u2")
    occupied = pairs != 0
    return {"occupied": np.packbits(occupied), "pairs": pairs[occupied], "labels": values[PIXELS:]}


def _dataset(values: Array) -> Dataset:
    images = values[:PIXELS].reshape(-1, SIDE, SIDE)
    labels = values[PIXELS:].astype(np.int64)
    x_train, x_test, y_train, y_test = images[:TRAIN], images[TRAIN:], labels[:TRAIN], labels[TRAIN:]
    return Dataset(x_train, y_train, x_test, y_test, "mnist", 10, (SIDE, SIDE), IMAGES, tuple("0123456789"))
