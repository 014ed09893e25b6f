"""idx files, the format of MNIST: two zero bytes, a dtype code, the number of axes, each axis as a big-endian
uint32, then the values, big-endian. Plain or gzipped (told by content, not by name).

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section on file formats.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from schuss.data.dataset import IMAGES, Dataset, checked_dataset
from schuss.data.source import DataSource, reading
from schuss.errors import DataError, no_such_file
from schuss.ir.executor import Array

# Deflate packs at best 258 bytes into two bits: no stream becomes more than this many times longer.
MAX_INFLATION = 1032

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_AXES = 8
_GZIP_MAGIC = b"\x1f\x8b"


_NAMES = ("x_train", "y_train", "x_test", "y_test")
_STEMS = {
    "x_train": ("train-images", 3),
    "y_train": ("train-labels", 1),
    "x_test": ("t10k-images", 3),
    "y_test": ("t10k-labels", 1),
}


class IdxFolder(DataSource):
    """A folder of four idx files by MNIST's names: train-images-idx3-ubyte, train-labels-idx1-ubyte,
    t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each with or without .gz, also spelled train-images.idx3-ubyte.
    Bytes are images.
    """

    def recognises(self, place: str) -> bool:
        return any((Path(place) / name).is_file() for stem in _STEMS.values() for name in _spellings(*stem))

    def load(self, place: str) -> Dataset:
        folder = Path(place)
        paths = {name: _find(folder, *_STEMS[name]) for name in _NAMES}
        arrays = {name: read_idx(path) for name, path in paths.items()}
        for name, array in arrays.items():
            path = paths[name]
            if name.startswith("x") and array.ndim < 2:
                raise DataError(f"{path}: wrong magic number for images: {array.ndim} axis at byte 3, needs 2")
            if name.startswith("y") and (array.ndim != 1 or array.dtype.kind == "f"):
                raise DataError(
                    f"{path}: wrong magic number for labels: {array.ndim} axes of {array.dtype} at byte 2, "
                    "needs 1 axis of integers"
                )
        found = checked_dataset(arrays, {name: str(path) for name, path in paths.items()}, folder.resolve().name)
        return replace(found, scale=IMAGES if found.x_train.dtype == np.uint8 else None)


def _spellings(stem: str, rank: int) -> list[str]:
    return [f"{stem}{dot}idx{rank}-ubyte{end}" for dot in "-." for end in ("", ".gz")]


def _find(folder: Path, stem: str, rank: int) -> Path:
    """The first of the file's spellings that is there."""
    for spelling in _spellings(stem, rank):
        if (folder / spelling).is_file():
            return folder / spelling
    first = folder / _spellings(stem, rank)[0]
    raise DataError(f"{no_such_file(first)} (nor with .gz); the folder needs all four idx files")


def read_idx(path: Path) -> Array:
    """The array of an idx file, in native byte order.

    Sizes are checked against the file's length before memory is taken. Raises DataError, with the byte
    offset: missing, truncated, over-long or damaged file, wrong magic number, unknown dtype code, no values.
    """
    with reading(path) as file:
        length = file.seek(0, 2)
        file.seek(0)
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        return _read_gzipped(file, length, path) if packed else _read_plain(file, length, path)


def _read_plain(file: IO[bytes], length: int, path: Path) -> Array:
    dtype, shape, offset = _read_header(file, path)
    expected = offset + math.prod(shape) * dtype.itemsize
    _check_length(length, expected, path)
    return _decode(file.read(expected - offset), dtype, shape)


def _read_gzipped(file: IO[bytes], length: int, path: Path) -> Array:
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            dtype, shape, offset = _read_header(stream, path)
            expected = offset + math.prod(shape) * dtype.itemsize
            if expected > length * MAX_INFLATION:
                raise DataError(
                    f"{path}: promises {expected} bytes, more than {length} gzipped bytes can hold; get the file again"
                )
            # One byte more than there should be shows an over-long file; its absence verifies the checksum.
            values = stream.read(expected - offset + 1)
    except EOFError:
        raise DataError(f"{path}: gzip stream truncated at byte {length}; get the file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: corrupt gzip at or before byte {file.tell()} ({error}); get it again") from None
    _check_length(offset + len(values), expected, path)
    return _decode(values, dtype, shape)


def _read_header(file: IO[bytes] | gzip.GzipFile, path: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    """dtype, shape and the offset of the first value, where the file is left."""
    start = file.read(4)
    if len(start) < 4:
        raise DataError(f"{path}: truncated at byte {len(start)}, in the magic number; get the file again")
    zero, code, rank = struct.unpack(">HBB", start)
    if zero != 0:
        raise DataError(f"{path}: wrong magic number 0x{start.hex()} at byte 0; this is not an idx file")
    if code not in _DTYPES:
        known = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        raise DataError(f"{path}: unsupported dtype code 0x{code:02x} at byte 2; idx knows {known}")
    if not 1 <= rank <= _MAX_AXES:
        raise DataError(f"{path}: {rank} axes at byte 3; between 1 and {_MAX_AXES} are supported")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"{path}: truncated at byte {4 + len(sizes)}, among its sizes; get the file again")
    shape = struct.unpack(f">{rank}I", sizes)
    if 0 in shape:
        raise DataError(f"{path}: size 0 at byte {4 + 4 * shape.index(0)} (shape {shape}); it holds no values")
    return np.dtype(_DTYPES[code]), shape, 4 + 4 * rank


def _check_length(length: int, expected: int, path: Path) -> None:
    if length < expected:
        raise DataError(f"{path}: truncated at byte {length}, its header promises {expected}; get the file again")
    if length > expected:
        raise DataError(f"{path}: over-long, goes on at byte {expected} where its header ends it; get it again")


def _decode(values: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> Array:
    array = np.frombuffer(values, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
