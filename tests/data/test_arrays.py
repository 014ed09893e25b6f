from __future__ import annotations

import numpy as np
import pytest

from schuss.data import arrays as module
from schuss.data import as_array, check_finite, check_labels, labels_among
from schuss.errors import DataError


class Interface:
    def __init__(self, array: np.ndarray) -> None:
        self.__array_interface__ = array.__array_interface__
        self.array = array


class DLPack:
    def __init__(self, array: np.ndarray, refuses: bool = False) -> None:
        self.array, self.refuses = array, refuses

    def __dlpack__(self, **keywords: object) -> object:
        if self.refuses:
            raise BufferError("no")
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.array


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "uint64", "float32", "float64"])
def test_numbers_keep_their_dtype_and_memory(dtype: str) -> None:
    array = np.ones((2, 3), dtype)
    for value in (array, Interface(array), DLPack(array), DLPack(array, refuses=True), memoryview(array)):
        read = as_array(value, "x")
        assert type(read) is np.ndarray
        assert read.dtype == dtype
        assert np.shares_memory(read, array)


def test_lists_halves_and_byte_order() -> None:
    assert np.array_equal(as_array([[1, 2], [3, 4]], "x"), [[1, 2], [3, 4]])
    assert as_array(np.ones(2, np.float16), "x").dtype == np.float32
    swapped = as_array(np.array([1, 2], ">i4"), "x")
    assert swapped.dtype.isnative
    assert swapped.tolist() == [1, 2]


def test_bfloat16() -> None:
    dtype = pytest.importorskip("ml_dtypes", reason="comes with jax: pip install '.[test]'").bfloat16
    read = as_array(np.array([1.5, 2], dtype), "x")
    assert read.dtype == np.float32
    assert read.tolist() == [1.5, 2]


class Sparse:
    def toarray(self) -> None: ...


@pytest.mark.parametrize(
    "value, message",
    [
        ([[1, 2], [3]], "x: cannot be read as an array"),
        ([1, None], "x: holds Python objects"),
        (np.array([1, "a"], object), "x: holds Python objects"),
        (Sparse(), r"x: holds Python objects \(Sparse\), not numbers; .*toarray"),
        ([1j], "x: complex numbers"),
        (["a"], "x: dtype <U1 is not supported"),
        (np.array(["2020"], "M8[Y]"), "x: dtype datetime64"),
        (np.ma.array([1, 2], mask=[0, 1]), "x: has masked entries"),
    ],
)
def test_not_numbers(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        as_array(value, "x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shape, at, row, column", [((5,), (3,), 3, 0), ((4, 6), (2, 5), 2, 5), ((3, 2, 4), (1, 1, 0), 1, 4)]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_check_finite(
    shape: tuple[int, ...],
    at: tuple[int, ...],
    row: int,
    column: int,
    value: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for at_once in (1, 8, 1 << 20):
        monkeypatch.setattr(module, "_CHECKED_AT_ONCE", at_once)
        array = np.zeros(shape)
        check_finite(array, "x")
        array[at] = value
        with pytest.raises(DataError, match=f"^x: {value} at row {row}, column {column};"):
            check_finite(array, "x")


def test_check_finite_takes_anything_else() -> None:
    for array in (np.zeros((0, 3)), np.zeros((3, 0)), np.ones(3, int), np.float64(1).reshape(())):
        check_finite(array, "x")


def test_check_labels() -> None:
    assert check_labels(np.array([0, 4, 2], np.uint8), "y") == 5
    assert check_labels(np.array([False, True]), "y") == 2
    assert check_labels(np.array([0, 1]), "y", 7) == 7
    for labels, message in (
        (np.array([0.0]), "labels must be integers, got float64"),
        (np.zeros((2, 1), int), r"labels must have the shape \(N,\), got \(2, 1\)"),
        (np.zeros(0, int), "has no rows"),
        (np.array([1, -1]), "label -1 at row 1 is negative"),
        (np.array([0, 2**63], np.uint64), "label 9223372036854775808 at row 1 would make"),
    ):
        with pytest.raises(DataError, match=f"^y: {message}"):
            check_labels(labels, "y")
    with pytest.raises(DataError, match="label 7 at row 0 is not below the 7 classes"):
        check_labels(np.array([7]), "y", 7)


def test_labels_one_an_example_are_known_in_any_form():
    """For class_weight, the command and pictures alike; several an example and other numbers are none."""
    labels = np.array([0, 1, 1, 0])
    for y in (labels, labels == 1, labels.astype("u1"), labels.astype("f4"), labels[:, None], labels[:, None] * 1.0):
        found = labels_among(y)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, labels)
    for y in (labels * 0.5, labels[:, None] * [1, 0], labels.reshape(2, 2), labels[:, None, None]):
        assert labels_among(y) is None
