from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from schuss.data import load_dataset
from schuss.errors import DataError

from .conftest import IDX_NAMES, idx_bytes

Arrays = dict[str, np.ndarray]


def save(tmp_path: Path, arrays: Arrays, **changed: object) -> Path:
    np.savez(tmp_path / "d.npz", **(arrays | changed))  # type: ignore[arg-type]
    return tmp_path / "d.npz"


def spell_plain(name: str) -> str:
    return name


def spell_dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


@pytest.mark.parametrize("spell", [spell_plain, spell_dotted])
@pytest.mark.parametrize("packed", [False, True])
def test_folder(tmp_path: Path, arrays: Arrays, spell: object, packed: bool) -> None:
    for name, array in arrays.items():
        content = idx_bytes(array)
        path = tmp_path / (spell(IDX_NAMES[name]) + (".gz" if packed else ""))  # type: ignore[operator]
        path.write_bytes(gzip.compress(content) if packed else content)
    data = load_dataset(str(tmp_path))
    assert data.name == tmp_path.name
    assert data.classes == 3
    assert data.feature_shape == (4, 3)
    assert data.x_train.dtype == np.uint8
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert all(np.array_equal(getattr(data, name), array) for name, array in arrays.items())
    assert data.x_train_flat.shape == (12, 12)
    assert data.x_test_flat.shape == (5, 12)
    assert np.shares_memory(data.x_train_flat, data.x_train)


def test_npz_classes(tmp_path: Path, arrays: Arrays) -> None:
    data = load_dataset(save(tmp_path, arrays, x_train=np.ones((12, 2)), x_test=np.ones((5, 2))))
    assert (data.name, data.classes, data.feature_shape) == ("d", 3, (2,))
    assert data.x_train.dtype == np.float64


def test_npz_gaps_in_labels_are_fine(tmp_path: Path, arrays: Arrays) -> None:
    y = np.array([0, 7] * 6)
    assert load_dataset(save(tmp_path, arrays, y_train=y, y_test=np.full(5, 3))).classes == 8


@pytest.mark.parametrize("shape", [(), (2,)])
def test_npz_regression(tmp_path: Path, arrays: Arrays, shape: tuple[int, ...]) -> None:
    y_train, y_test = np.ones((12, *shape), np.float32), np.ones((5, *shape), np.float32)
    data = load_dataset(save(tmp_path, arrays, y_train=y_train, y_test=y_test))
    assert data.classes is None
    assert data.y_train.shape == (12, *shape)
    assert data.y_train.dtype == np.float32


def with_value(shape: tuple[int, ...], at: tuple[int, ...], value: float) -> np.ndarray:
    array = np.zeros(shape, np.float32)
    array[at] = value
    return array


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"y_train": np.zeros(11, int)}, "y_train: 11 rows for the 12 rows of .*x_train"),
        ({"y_test": np.array([0, 1, 2, 3, 0])}, "y_test: label 3 at row 3 is not below the 3 classes"),
        ({"y_train": np.array([0] * 11 + [-2])}, "y_train: label -2 at row 11 is negative"),
        ({"y_test": np.array([0, -1, 0, 0, 0])}, "y_test: label -1 at row 1 is negative"),
        ({"y_train": np.array([2**40] * 12)}, "y_train: label 1099511627776 at row 0 would make"),
        ({"y_train": np.zeros((12, 1), int)}, r"y_train: labels must have the shape \(N,\)"),
        ({"y_train": np.zeros(12)}, "y_test: dtype uint8 does not go with float64"),
        (
            {"y_train": np.zeros((12, 2)), "y_test": np.zeros(5)},
            r"y_test: shape \(5,\) does not go with \(12, 2\)",
        ),
        ({"y_train": np.zeros((12, 2, 2)), "y_test": np.zeros(5)}, "y_train: targets must have the shape"),
        (
            {"y_train": with_value((12, 2), (3, 1), np.nan), "y_test": np.zeros((5, 2))},
            "y_train: nan at row 3, column 1",
        ),
        ({"x_train": with_value((12, 4, 3), (7, 2, 1), np.nan)}, "x_train: nan at row 7, column 7"),
        ({"x_test": with_value((5, 4, 3), (4, 0, 2), -np.inf)}, "x_test: -inf at row 4, column 2"),
        ({"x_test": np.zeros((5, 3, 4), np.uint8)}, r"x_test: feature shape \(3, 4\) differs from \(4, 3\)"),
        ({"x_test": np.zeros((5, 4, 3), np.float32)}, "x_test: dtype float32 differs from uint8"),
        ({"x_train": np.zeros((0, 4, 3), np.uint8)}, r"x_train: shape \(0, 4, 3\) holds no rows"),
        ({"x_train": np.zeros((12, 0), np.uint8)}, r"x_train: shape \(12, 0\) holds no"),
        ({"y_test": np.int64(3)}, r"y_test: shape \(\) holds no rows"),
        ({"x_train": np.zeros(12, np.uint8)}, r"x_train: shape \(12,\) has no features"),
        ({"y_train": np.array([None] * 12)}, "y_train: holds Python objects"),
    ],
)
def test_npz_that_does_not_fit(tmp_path: Path, arrays: Arrays, changed: Arrays, message: str) -> None:
    path = save(tmp_path, arrays, **changed)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_folder_lacks_a_file(folder: Path) -> None:
    (folder / IDX_NAMES["y_test"]).unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: no such file"):
        load_dataset(folder)


def test_folder_with_swapped_files(folder: Path) -> None:
    images, labels = folder / IDX_NAMES["x_train"], folder / IDX_NAMES["y_train"]
    content = images.read_bytes()
    labels_content = labels.read_bytes()
    labels.write_bytes(content)
    with pytest.raises(DataError, match=r"train-labels.*wrong magic number for labels"):
        load_dataset(folder)
    images.write_bytes(labels_content)
    with pytest.raises(DataError, match=r"train-images.*wrong magic number for images"):
        load_dataset(folder)


def test_folder_counts_must_match(folder: Path) -> None:
    (folder / IDX_NAMES["y_train"]).write_bytes(idx_bytes(np.zeros(13, np.uint8)))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: 13 rows for the 12 rows of .*train-images"):
        load_dataset(folder)


def test_folder_with_a_label_never_trained(folder: Path) -> None:
    (folder / IDX_NAMES["y_test"]).write_bytes(idx_bytes(np.array([0, 1, 9, 0, 0], np.uint8)))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: label 9 at row 2 is not below the 3 classes"):
        load_dataset(folder)


def test_neither_folder_nor_npz(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give mnist, a folder of idx files, a folder of pictures or an .npz"):
        load_dataset(tmp_path / "nothing")
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "nothing.npz")
    (tmp_path / "d.bin").write_text("1,2")
    with pytest.raises(DataError, match=r"d\.bin: is neither mnist, a folder of idx files"):
        load_dataset(tmp_path / "d.bin")
