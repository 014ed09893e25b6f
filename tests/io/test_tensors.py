"""Tensors in a file: what goes in comes out, and whatever is wrong is named before memory is taken."""

from __future__ import annotations

import json
import os
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from schuss.errors import ModelFileError
from schuss.io import tensors
from schuss.io.tensors import DTYPES, parse_json, read_file, read_tensors, write_file, write_tensors


def raw(header, data=b"", length=None):
    """A file's bytes from a header (an object, or text) and data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def read_raw(path, content):
    path.write_bytes(content)
    return read_file(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.safetensors"


# -- round trips ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES.values())
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 4), (2, 0, 3), (2, 1, 3, 2)])
def test_every_dtype_and_shape(path, dtype, shape):
    value = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    write_tensors(path, {"a": value, "b": value[..., ::-1] if shape else value}, {"note": 1})
    arrays, meta = read_tensors(path)
    assert meta == {"note": 1}
    assert arrays["a"].dtype == value.dtype
    assert arrays["a"].shape == shape
    assert np.array_equal(arrays["a"], value)
    assert np.array_equal(arrays["b"], value[..., ::-1] if shape else value)


def test_every_bit_of_a_float(path):
    odd = np.array([np.nan, -0.0, np.inf, -np.inf, 1e-45, 3.4028235e38], "f4")
    odd = np.concatenate([odd, np.array([0x7FC12345, 0xFF812345], "u4").view("f4")])
    write_tensors(path, {"odd": odd}, {})
    assert read_tensors(path)[0]["odd"].tobytes() == odd.tobytes()


def test_order_of_memory_does_not_matter(path):
    value = np.arange(12.0).reshape(3, 4)
    write_tensors(path, {"t": value.T, "f": np.asfortranarray(value), "s": value[::2, 1:]}, {})
    arrays, _ = read_tensors(path)
    assert np.array_equal(arrays["t"], value.T)
    assert np.array_equal(arrays["f"], value)
    assert np.array_equal(arrays["s"], value[::2, 1:])


def test_names_and_metadata_of_any_letters(path):
    arrays = {"": np.ones(1), 'a"b\\\n': np.ones(2), "größe/重み": np.ones(3)}
    meta = {"text": 'ä"\n\0', "numbers": [1, 2.5, None, float("inf")], "deep": {"a": {"b": []}}}
    write_tensors(path, arrays, meta)
    found, back = read_tensors(path)
    assert {k: len(v) for k, v in found.items()} == {k: len(v) for k, v in arrays.items()}
    assert back == meta


def test_no_tensors_at_all(path):
    write_tensors(path, {}, {"a": 1})
    assert read_tensors(path) == ({}, {"a": 1})


def test_arrays_can_be_written_to(path):
    write_tensors(path, {"a": np.zeros(3), "b": np.ones(3)}, {})
    arrays, _ = read_tensors(path)
    arrays["a"][:] = 7
    assert arrays["b"].tolist() == [1, 1, 1]


def test_any_reader_opens_it_and_any_writers_file_is_read(path):
    value = np.arange(6, dtype="f4").reshape(2, 3)
    write_file(path, {"w": value}, {"k": "v"})
    assert np.array_equal(load_file(path)["w"], value)
    save_file({"w": value, "i": np.arange(3), "b": np.array([True, False])}, path, {"k": "v"})
    arrays, metadata = read_file(path)
    assert metadata == {"k": "v"}
    assert np.array_equal(arrays["w"], value)
    assert arrays["b"].tolist() == [True, False]
    save_file({"w": value}, path)
    assert read_file(path)[1] == {}


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, too few"),
        (b"1234567", "has 7 bytes, too few"),
        (raw({}, length=3), "header claims 3 bytes|the tensors need|not valid JSON"),
        (raw({}, length=2**64 - 1), "byte 0: the header claims 18446744073709551615 bytes in a file of 10"),
        (raw({}, length=2**63), "byte 0: the header claims"),
        (raw({}, length=50), "byte 0: the header claims 50 bytes in a file of 10"),
        (raw({}, length=0), "not valid JSON"),
        (raw(b"\xff\xfe{}"), "not valid JSON"),
        (raw(b"{"), r"the header \(byte 8 to 9\) is not valid JSON"),
        (raw(b"[]"), "not a JSON object"),
        (raw(b"null"), "not a JSON object"),
        (raw(b'{"a": 1}'), "tensor a: the header entry must have"),
        (raw(b"[" * 100_000), "not valid JSON"),
        (raw(b'{"a":' * 100_000), "not valid JSON"),
        (raw(b'{"a": ' + b"9" * 10_000 + b"}"), "not valid JSON"),
        (raw(b'{"a": {}, "a": {}}'), "a key stands twice"),
        (raw(b'{"a": {"dtype": "F32", "dtype": "F64", "shape": [], "data_offsets": [0, 4]}}'), "a key stands twice"),
        (raw({"__metadata__": 3}), "__metadata__ in the header must map names to strings"),
        (raw({"__metadata__": {"a": 1}}), "must map names to strings"),
        (raw({"a": entry("F16", (4,))}, bytes(8)), "tensor a: dtype 'F16' is none of F32"),
        (raw({"a": entry("object", (4,))}, bytes(8)), "dtype 'object' is none of"),
        (raw({"a": entry(["F32"])}, bytes(8)), r"dtype \['F32'\] is none of"),
        (raw({"a": entry({})}, bytes(8)), "is none of"),
        (raw({"a": entry(shape=(3,))}, bytes(8)), r"tensor a: F32\[3\] needs 12 bytes, data_offsets give 8"),
        (raw({"a": entry(end=12)}, bytes(12)), r"tensor a: F32\[2\] needs 8 bytes, data_offsets give 12"),
        (raw({"a": entry(shape=(-2,))}, bytes(8)), "shape and data_offsets must be lists of whole numbers"),
        (raw({"a": entry(shape=(2.0,))}, bytes(8)), "lists of whole numbers"),
        (raw({"a": entry(shape=(True,), end=4)}, bytes(4)), "lists of whole numbers"),
        (raw({"a": entry(shape=(2**63,))}, bytes(8)), "lists of whole numbers"),
        (raw({"a": entry(shape=(2**61, 2**61))}, bytes(8)), "larger than any memory"),
        (raw({"a": entry(shape=(1,) * 33, end=4)}, bytes(4)), "lists of whole numbers"),
        (raw({"a": entry(shape=(0, 2**61), end=0)}), "larger than any memory"),
        (raw({"a": {**entry(), "shape": "2"}}, bytes(8)), "lists of whole numbers"),
        (raw({"a": {**entry(), "data_offsets": [0]}}, bytes(8)), "lists of whole numbers"),
        (raw({"a": {**entry(), "data_offsets": [8, 0]}}, bytes(8)), "needs 8 bytes, data_offsets give -8"),
        (raw({"a": {**entry(), "more": 1}}, bytes(8)), "must have dtype, shape and data_offsets"),
        (raw({"a": entry(), "b": entry()}, bytes(8)), "tensor b: overlaps the tensor before it"),
        (raw({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12)), r"b: overlaps .* data byte 4, 8 was expected"),
        (raw({"a": entry(begin=4, end=12)}, bytes(12)), "tensor a: leaves a hole before it"),
        (raw({"a": entry(), "b": entry(begin=12, end=20)}, bytes(20)), "tensor b: leaves a hole"),
        (raw({"a": entry()}, bytes(7)), "the tensors need 8 bytes of data, the file has 7; it was cut or added to"),
        (raw({"a": entry()}, bytes(9)), "the file has 9"),
        (raw({"a": entry("F32", (2**40,), 0, 2**42)}, bytes(8)), "the tensors need 4398046511104 bytes"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_damage_is_named(path, content, message):
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=message) as caught:
            read_raw(path, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert peak < 20 * len(content) + (4 << 20)


def test_a_file_that_is_missing_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")
    with pytest.raises(OSError):
        read_file(tmp_path)


def test_a_file_that_is_cut_while_it_is_read(path, monkeypatch):
    path.write_bytes(raw({"a": entry()}, bytes(8))[:-4])
    whole = os.stat_result((0o100600, 0, 0, 1, 0, 0, path.stat().st_size + 4, 0, 0, 0))
    monkeypatch.setattr(tensors, "os", SimpleNamespace(fstat=lambda file: whole))
    with pytest.raises(ModelFileError, match="was cut while it was read"):
        read_file(path)


def test_a_header_longer_than_the_format_allows(path, monkeypatch):
    monkeypatch.setattr(tensors, "MAX_HEADER", 20)
    with pytest.raises(ModelFileError, match="the header claims"):
        read_raw(path, raw({"a": entry()}, bytes(8)))


def test_a_checksum_that_does_not_match(path):
    write_tensors(path, {"a": np.zeros(4, "f4")}, {"n": 1})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"is damaged \(its checksum does not match"):
        read_tensors(path)


def test_the_checksum_holds_names_dtypes_shapes_and_metadata(path):
    write_tensors(path, {"a": np.zeros((1, 4), "f4")}, {"n": 1})
    whole = path.read_bytes()
    for old, new in [(b'"a"', b'"b"'), (b'"F32"', b'"I32"'), (b"[1,4]", b"[4,1]"), (b'n\\":', b'm\\":')]:
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(ModelFileError, match="checksum"):
            read_tensors(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"a": 1, "a": 2}', "{" * 10**5, '{"a": 1} x'])
def test_json_that_is_none(text):
    with pytest.raises(ModelFileError, match=r"^here "):
        parse_json(text, "here")


def test_reading_takes_no_more_memory_than_the_file(path):
    write_file(path, {"a": np.ones(1 << 18), "b": np.ones((1 << 10, 1 << 9), "f4")}, {})
    size = path.stat().st_size
    tracemalloc.start()
    try:
        arrays, _ = read_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size <= peak < size + (1 << 20)
    assert len(arrays) == 2
