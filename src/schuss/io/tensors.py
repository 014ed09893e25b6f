"""Named arrays with metadata in one file, in the safetensors format: no code, every size checked first.

Layout: 8 bytes header length, a JSON header {name: {dtype, shape, data_offsets}, __metadata__: {str: str}}, the data.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from schuss.errors import ModelFileError
from schuss.io.budget import check_json
from schuss.ir.executor import Array
from schuss.paths import atomic_write, open_regular

DTYPES = {
    "F32": "float32",
    "F64": "float64",
    "I64": "int64",
    "I32": "int32",
    "U32": "uint32",
    "U8": "uint8",
    "BOOL": "bool",
}
MAX_HEADER = 100 << 20  # bytes; the format's own limit
KEY = "schuss"


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Array], content: Mapping[str, Any]) -> None:
    """Write arrays and JSON content, whole or not at all, with a checksum of both inside. OSError if it cannot be.

    The metadata have one entry, so that the same contents give the same bytes: the writer of the package puts several
    in an order of chance.
    """
    text = json.dumps(content)
    sealed = f'{{"sha256": "{_checksum(tensors, text)}", "content": {text}}}'
    write_file(path, tensors, {KEY: sealed})


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """What write_tensors wrote. ModelFileError if anything is damaged."""
    tensors, content, checksum = read_sealed(path)
    check_sum(path, tensors, content, checksum)
    return tensors, content


def read_sealed(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any], Any]:
    """Arrays, content and the checksum, not yet compared. ModelFileError if the file is not one of schuss's."""
    tensors, metadata = read_file(path)
    if KEY not in metadata:
        raise ModelFileError(f"{path}: is not one of schuss's files (its header has no {KEY!r})")
    sealed = parse_json(metadata[KEY], f"{path}: its description")
    content = sealed.get("content")
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: its description has no content")
    return tensors, content, sealed.get("sha256")


def check_sum(path: Any, tensors: Mapping[str, Array], content: Mapping[str, Any], checksum: Any) -> None:
    """ModelFileError unless the checksum is that of the tensors and the content."""
    if checksum != _checksum(tensors, json.dumps(content)):
        raise ModelFileError(f"{path}: is damaged (its checksum does not match); go back to another copy")


def _checksum(tensors: Mapping[str, Array], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        digest.update(f"{name} {array.dtype} {array.shape}".encode("utf-8", "surrogatepass"))
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def write_file(path: str | os.PathLike[str], tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """A plain safetensors file, atomically."""
    from safetensors.numpy import save

    arrays = {name: np.array(value, order="C") for name, value in tensors.items()}
    atomic_write(path, save(arrays, dict(metadata)))


def read_file(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays and metadata of any safetensors file.

    Header and offsets are checked against the file's length before memory is taken; then the data is read once and the
    arrays are views of it. ModelFileError names the file and the byte or tensor that is wrong, OSError passes.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        header, start = _header(Path(path), file.read(8), size, file)
        metadata = _metadata(Path(path), header.pop("__metadata__", {}))
        places = _places(Path(path), header, size - start)
        data = bytearray(size - start)
        if file.readinto(data) != len(data):
            raise ModelFileError(f"{path}: was cut while it was read")
    arrays = {}
    for name, (dtype, shape, begin, end) in places.items():
        arrays[name] = np.frombuffer(
            data, dtype, count=(end - begin) // np.dtype(dtype).itemsize, offset=begin
        ).reshape(shape)
    return arrays, metadata


def parse_json(text: str | bytes, what: str) -> dict[str, Any]:
    """A JSON object without duplicate keys. ModelFileError otherwise."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key stands twice")
        return result

    try:
        text = text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")
        beyond = check_json(text)
        if beyond:
            raise ModelFileError(f"{what}: {beyond}")
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{what} is not valid JSON: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} is not a JSON object")
    return value


def _header(path: Path, prefix: bytes, size: int, file: Any) -> tuple[dict[str, Any], int]:
    if len(prefix) < 8:
        raise ModelFileError(f"{path}: has {size} bytes, too few for a model file; it was cut or is something else")
    length = int.from_bytes(prefix, "little")
    if length > min(MAX_HEADER, size - 8):
        raise ModelFileError(
            f"{path}: is no model file, or was cut (byte 0: the header claims {length} bytes in a file of {size}); "
            "schuss.save and schuss train --out make model files"
        )
    return parse_json(file.read(length), f"{path}: the header (byte 8 to {8 + length})"), 8 + length


def _metadata(path: Path, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ModelFileError(f"{path}: __metadata__ in the header must map names to strings")
    return value


def _places(path: Path, header: Mapping[str, Any], size: int) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """(dtype, shape, first byte, last byte) of each tensor; together they cover the data without hole or overlap."""
    places = {name: _place(path, name, entry) for name, entry in header.items()}
    at = 0
    for name, (_, _, begin, end) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != at:
            kind = "overlaps the tensor before it" if begin < at else "leaves a hole before it"
            raise ModelFileError(f"{path}: tensor {name}: {kind} (it begins at data byte {begin}, {at} was expected)")
        at = end
    if at != size:
        raise ModelFileError(
            f"{path}: the tensors need {at} bytes of data, the file has {size}; it was cut or added to"
        )
    return places


def _place(path: Path, name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ModelFileError(f"{path}: tensor {name}: the header entry must have dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ModelFileError(f"{path}: tensor {name}: dtype {dtype!r} is none of {', '.join(DTYPES)}")
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2 or len(shape) > 32:
        raise ModelFileError(f"{path}: tensor {name}: shape and data_offsets must be lists of whole numbers")
    if math.prod(max(d, 1) for d in shape) >= 2**60:  # too big for numpy even if another axis has length 0
        raise ModelFileError(f"{path}: tensor {name}: shape {shape} is larger than any memory")
    begin, end = offsets
    needed = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if end - begin != needed:
        raise ModelFileError(
            f"{path}: tensor {name}: {dtype}{shape} needs {needed} bytes, data_offsets give {end - begin}"
        )
    return DTYPES[dtype], tuple(shape), begin, end


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int and 0 <= v < 2**62 for v in value)
