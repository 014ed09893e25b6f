"""npz archives: a zip of npy arrays. Nothing in one can run code; no size it claims is believed unchecked."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from schuss.data.arrays import as_array
from schuss.data.dataset import Dataset, checked_dataset
from schuss.data.idx import MAX_INFLATION
from schuss.data.source import DataSource, reading
from schuss.errors import DataError, one_line
from schuss.ir.executor import Array

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error, OverflowError)


class Npz(DataSource):
    """An .npz of x_train, y_train, x_test, y_test: integer y (N,) are classes, text (N,) names of classes, floating y
    (N,) or (N, k) regression. To predict: of x (or x_test, or of one array alone).
    """

    def recognises(self, place: str) -> bool:
        return place.lower().endswith(".npz")

    def load(self, place: str) -> Dataset:
        path = Path(place)
        arrays = read_npz(path, _NAMES, text=("y_train", "y_test"))
        return checked_dataset(arrays, {name: f"{path}: {name}" for name in _NAMES}, path.stem)

    def rows(self, place: str, wanted: Sequence[int] | None, floats: bool) -> Array:
        path = Path(place)
        names = array_names(path)
        chosen = next((n for n in ("x", "x_test") if n in names), names[0] if len(names) == 1 else None)
        if chosen is None:
            raise DataError(f"{path}: has {', '.join(names) or 'nothing'}; name the rows to predict x")
        return read_npz(path, [chosen])[chosen]


def read_npz(path: Path, names: Sequence[str], text: Sequence[str] = ()) -> dict[str, Array]:
    """The named arrays of an .npz file, in C order and native byte order. text: those that may hold text.

    Raises DataError that names the file and the array: missing or damaged file, missing array, an array of
    objects or anything but real numbers, a header whose sizes do not fit the file.
    """
    try:
        with reading(path) as file, zipfile.ZipFile(file) as archive:
            length = os.fstat(file.fileno()).st_size
            held = set(archive.namelist())
            missing = [name for name in names if f"{name}.npy" not in held]
            if missing:
                found = one_line(", ".join(sorted(name.removesuffix(".npy") for name in held)[:10])) or "nothing"
                raise DataError(
                    f"{path}: lacks {', '.join(missing)} (it holds {found}); save all of {', '.join(names)}"
                )
            return {n: _read_member(archive, n, length, f"{path}: {n}", n in text) for n in names}
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged .npz ({one_line(error)}); save it again") from None


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an .npz file. DataError if it is none."""
    try:
        with reading(path) as file, zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except _DAMAGE as error:
        raise DataError(f"{path}: damaged .npz ({one_line(error)}); save it again") from None


def _read_member(archive: zipfile.ZipFile, name: str, length: int, what: str, text: bool) -> Array:
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise DataError(f"{what}: encrypted or oddly packed; save it with np.savez or np.savez_compressed")
    inflation = 1 if info.compress_type == zipfile.ZIP_STORED else MAX_INFLATION
    if info.compress_size > length or info.file_size > info.compress_size * inflation:
        raise DataError(f"{what}: claims {info.file_size} bytes, more than the file can hold; save it again")
    try:
        with archive.open(info) as file:
            return read_array(file, info.file_size, what, text)
    except _DAMAGE as error:
        raise DataError(f"{what}: damaged ({one_line(error)}); save the file again") from None


def read_array(file: IO[bytes], length: int, what: str, text: bool = False) -> Array:
    """The array of an npy stream of that many bytes."""
    shape, fortran, dtype = _read_header(file, what, text)
    expected = file.tell() + math.prod(shape) * dtype.itemsize
    if length != expected:
        raise DataError(f"{what}: holds {length} bytes, not the {expected} of {dtype} {shape}; save it again")
    values = _read_values(file, math.prod(shape), dtype, what)
    array = values.reshape(shape[::-1]).transpose() if fortran else values.reshape(shape)
    if dtype.kind == "U":
        return _as_text(np.ascontiguousarray(array), what)
    return as_array(np.ascontiguousarray(array) if fortran else array, what)


def _as_text(array: Array, what: str) -> Array:
    """Text in native byte order. DataError where the numbers are none of Unicode's."""
    array = array.astype(array.dtype.newbyteorder("="))
    codes = array.reshape(-1).view(np.uint32)
    if codes.size and int(codes.max()) > 0x10FFFF:
        raise DataError(f"{what}: damaged text; save the file again")
    return array


def _read_header(file: IO[bytes], what: str, text: bool) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether in Fortran order, and dtype of an npy stream, which is left at its first value."""
    try:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file)
    # The header is a Python literal: a damaged one can fail in any way its parser can.
    except Exception as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{what}: damaged npy header ({reason}); save the file again") from None
    if dtype.hasobject:
        names = "save names as text, with .astype(str), which is a dtype such as <U10, and" if text else "save"
        mend = f"{names} numbers with .astype('float32')"
        raise DataError(f"{what}: holds Python objects, which are never loaded; {mend}")
    if dtype.kind not in ("biufcU" if text else "biufc") or dtype.itemsize == 0:
        mend = "save it as float32 or integers"
        if dtype.kind in "SU":
            mend = "save names with .astype(str)" if text else "it is text: number its values, as np.unique does"
        raise DataError(f"{what}: dtype {dtype} is not supported; {mend}")
    if any(size < 0 for size in shape) or len(shape) > 8:
        raise DataError(f"{what}: impossible shape {shape}; save the file again")
    return shape, fortran, dtype


def _read_values(file: IO[bytes], count: int, dtype: np.dtype[np.generic], what: str) -> Array:
    """The values; reading to the end makes zipfile verify the archive's checksum."""
    values = np.empty(count, dtype)
    target = values.view(np.uint8).data
    filled = 0
    while piece := file.read(_CHUNK):
        if filled + len(piece) > len(target):
            raise DataError(f"{what}: longer than its header says; save the file again")
        target[filled : filled + len(piece)] = piece
        filled += len(piece)
    if filled != len(target):
        raise DataError(f"{what}: truncated after {filled} of {len(target)} bytes; save the file again")
    return values
