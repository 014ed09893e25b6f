from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schuss.data.npz import read_npz
from schuss.errors import DataError


def npy(array: np.ndarray, **keywords: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **keywords)
    return file.getvalue()


def zipped(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", content)
    return path


def header(text: str, version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", ">i4", "float32", ">f8"])
def test_round_trip(tmp_path: Path, save: object, dtype: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 7).astype(dtype)
    save(tmp_path / "d.npz", a=array, b=np.asfortranarray(array[0]), c=np.float32(3))  # type: ignore[operator]
    read = read_npz(tmp_path / "d.npz", ("a", "b", "c"))
    assert np.array_equal(read["a"], array)
    assert read["a"].dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(read["b"], array[0])
    assert read["b"].flags.c_contiguous
    assert read["c"] == 3


def test_float16_becomes_float32(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=np.ones(3, np.float16))
    assert read_npz(tmp_path / "d.npz", ("a",))["a"].dtype == np.float32


def test_missing_file_and_keys(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_npz(tmp_path / "none.npz", ("a",))
    np.savez(tmp_path / "d.npz", a=np.ones(3), z=np.ones(1))
    with pytest.raises(DataError, match=r"d\.npz: lacks b, c \(it holds a, z\)|d\.npz: lacks b, c, it holds a, z"):
        read_npz(tmp_path / "d.npz", ("a", "b", "c"))


@pytest.mark.parametrize(
    "array, message",
    [
        (np.array([None, "x"], dtype=object), "a: holds Python objects, which are never loaded"),
        (np.array(["x"]), "a: dtype <U1 is not supported"),
        (np.array(["2020-01-01"], "M8[D]"), "a: dtype .* is not supported"),
        (np.array([(1, 2.0)], [("p", "i4"), ("q", "f4")]), "a: dtype .* is not supported"),
        (np.array([1j]), "a: complex"),
    ],
)
def test_not_numbers(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = zipped(tmp_path / "d.npz", npy(array, allow_pickle=True))
    with pytest.raises(DataError, match=message):
        read_npz(path, ("a",))


@pytest.mark.parametrize("dtype, message", [(object, "save names as text, with .astype"), ("S3", "save names with")])
def test_names_that_are_no_text(tmp_path: Path, dtype: Any, message: str) -> None:
    path = zipped(tmp_path / "d.npz", npy(np.array(["cat", "dog"], dtype), allow_pickle=True))
    with pytest.raises(DataError, match=message):
        read_npz(path, ("a",), text=("a",))


@pytest.mark.parametrize(
    "content, message",
    [
        (header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"), "bytes, not the"),
        (
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }\n") + bytes(4),
            "impossible shape",
        ),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n") + bytes(8), "Python objects"),
        (header("__import__('os').getcwd()\n"), "damaged npy header"),
        (header("(" * 5000), "damaged npy header"),
        (header("{}\n", b"\x09\x00"), "damaged npy header"),
        (b"", "damaged npy header"),
        (npy(np.ones(5))[:-1], "holds 167 bytes, not the 168"),
        (npy(np.ones(5)) + b"x", "holds 169 bytes, not the 168"),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_members(tmp_path: Path, content: bytes, message: str, method: int) -> None:
    path = zipped(tmp_path / "d.npz", content, method)
    with pytest.raises(DataError, match=message) as caught:
        read_npz(path, ("a",))
    assert str(caught.value).startswith(f"{path}: a: ")
    assert "\n" not in str(caught.value)


def test_unusual_compression(tmp_path: Path) -> None:
    path = zipped(tmp_path / "d.npz", npy(np.ones(5)), zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="oddly packed"):
        read_npz(path, ("a",))


def test_encrypted(tmp_path: Path) -> None:
    path = zipped(tmp_path / "d.npz", npy(np.ones(5)))
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="a: encrypted"):
        read_npz(path, ("a",))


def test_corrupt_zip(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"damaged \.npz"):
        read_npz(path, ("a",))
    zipped(path, npy(np.arange(50.0)), zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(np.float64(30).tobytes()) + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        read_npz(path, ("a",))


def test_no_memory_for_a_claimed_size(tmp_path: Path) -> None:
    """The zip's directory is made to claim four gigabytes."""
    path = zipped(tmp_path / "d.npz", npy(np.zeros(1000)), zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (4_000_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match="claims 4000000000 bytes, more than the file can hold"):
        read_npz(path, ("a",))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def attacked(path: Path, count: int, seed: int) -> list[str]:
    """What is said of so many mutants of each kind of archive; the others are read."""
    rng = np.random.default_rng(seed)
    messages: list[str] = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        original = zipped(path, npy(np.arange(10.0)), method).read_bytes()
        for _ in range(count):
            content = bytearray(original)
            for _ in range(rng.integers(1, 4)):
                content[rng.integers(len(content))] = rng.integers(256)
            path.write_bytes(content[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else content)
            try:
                read_npz(path, ("a",))
            except DataError as error:
                messages.append(str(error))
    assert not any("\n" in message for message in messages)
    return messages


def test_mutants_never_crash(tmp_path: Path) -> None:
    assert len(attacked(tmp_path / "d.npz", 300, 1)) > 300


@pytest.mark.slow
def test_many_mutants_never_crash(tmp_path: Path) -> None:
    assert len(attacked(tmp_path / "d.npz", 10_000, 2)) > 10_000
