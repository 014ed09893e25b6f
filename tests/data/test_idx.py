from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from schuss.data.idx import read_idx
from schuss.errors import DataError

from .conftest import idx_bytes

GOOD = idx_bytes(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file-idx3-ubyte"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("packed", [False, True])
def test_reads_every_dtype(tmp_path: Path, dtype: str, packed: bool) -> None:
    array = (np.arange(24).reshape(2, 3, 4) * 5).astype(dtype)
    content = idx_bytes(array)
    read = read_idx(write(tmp_path, gzip.compress(content) if packed else content))
    assert read.dtype == dtype
    assert read.dtype.isnative
    assert np.array_equal(read, array)


def test_gzip_of_several_members(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(GOOD[:10]) + gzip.compress(GOOD[10:]))
    assert np.array_equal(read_idx(path).reshape(-1), np.arange(24))


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "truncated at byte 0, in the magic number"),
        (GOOD[:3], "truncated at byte 3, in the magic number"),
        (GOOD[:10], "truncated at byte 10, among its sizes"),
        (GOOD[:-1], "truncated at byte 39, its header promises 40"),
        (GOOD + b"\0", "over-long, goes on at byte 40"),
        (b"\x89PNG" + GOOD, "wrong magic number 0x89504e47 at byte 0"),
        (b"\0\0\x07\x03" + GOOD[4:], "unsupported dtype code 0x07 at byte 2"),
        (b"\0\0\x08\x00" + GOOD[4:], "0 axes at byte 3"),
        (b"\0\0\x08\xff" + GOOD[4:], "255 axes at byte 3"),
        (GOOD[:4] + struct.pack(">3I", 2, 0, 4), "size 0 at byte 8"),
        (
            GOOD[:4] + struct.pack(">3I", *[0xFFFFFFFF] * 3) + GOOD[16:],
            "truncated at byte 40, its header promises",
        ),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as plain:
        read_idx(path)
    assert message in str(plain.value)
    assert str(plain.value).startswith(f"{path}: ")
    assert "\n" not in str(plain.value)
    path.write_bytes(gzip.compress(content))
    with pytest.raises(DataError) as packed:
        read_idx(path)
    assert message in str(packed.value) or "gzipped bytes can hold" in str(packed.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such file"):
        read_idx(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


def test_truncated_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(GOOD)
    for cut in range(2, len(packed)):
        with pytest.raises(DataError, match=r"truncated|corrupt"):
            read_idx(write(tmp_path, packed[:cut]))
    with pytest.raises(DataError, match=f"gzip stream truncated at byte {len(packed) - 4}"):
        read_idx(write(tmp_path, packed[:-4]))


def test_gzip_checksum_is_verified(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(GOOD, compresslevel=0))
    packed[packed.index(GOOD[16:]) + 5] ^= 1
    with pytest.raises(DataError, match=r"corrupt gzip at or before byte .*CRC"):
        read_idx(write(tmp_path, bytes(packed)))


def test_junk_after_gzip(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="corrupt gzip"):
        read_idx(write(tmp_path, gzip.compress(GOOD) + b"junk"))


def test_no_memory_for_what_a_header_claims(tmp_path: Path) -> None:
    claim = GOOD[:4] + struct.pack(">3I", 60_000, 1_000, 1_000) + GOOD[16:]
    bomb = gzip.compress(GOOD + bytes(50_000_000))  # the header says 24 values
    small = gzip.compress(GOOD[:4] + struct.pack(">3I", 10, 10, 10) + GOOD[16:])
    for content in (claim, gzip.compress(claim), bomb, small):
        path = write(tmp_path, content)
        tracemalloc.start()
        with pytest.raises(DataError):
            read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000


def attacked(folder: Path, count: int, seed: int) -> list[str]:
    """What is said of so many mutants, plain and gzipped; the others are read."""
    rng = np.random.default_rng(seed)
    messages: list[str] = []
    for original in (GOOD, gzip.compress(GOOD)):
        for _ in range(count):
            content = bytearray(original)
            for _ in range(rng.integers(1, 4)):
                content[rng.integers(len(content))] = rng.integers(256)
            content = content[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else content
            try:
                read_idx(write(folder, bytes(content)))
            except DataError as error:
                messages.append(str(error))
    assert not any("\n" in message for message in messages)
    return messages


def test_mutants_never_crash(tmp_path: Path) -> None:
    assert len(attacked(tmp_path, 300, 1)) > 300


@pytest.mark.slow
def test_many_mutants_never_crash(tmp_path: Path) -> None:
    assert len(attacked(tmp_path, 10_000, 2)) > 10_000
