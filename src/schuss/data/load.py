"""Data sets by name or place: the bundled MNIST, a folder of idx files or of pictures, an .npz file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from schuss.data.bundled import load_mnist
from schuss.data.dataset import IMAGES, Dataset, checked_dataset
from schuss.errors import DataError, no_such_file

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_IDX_STEMS = {
    "x_train": ("train-images", 3),
    "y_train": ("train-labels", 1),
    "x_test": ("t10k-images", 3),
    "y_test": ("t10k-labels", 1),
}
_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".feather", ".json")
_FOLDERS = "a folder of idx files, a folder of pictures"


def load_dataset(spec: str | Path) -> Dataset:
    """A data set: "mnist" (the bundled one), a folder of four idx files by MNIST's names or of pictures, or an .npz.

    The folder of pictures: train/CLASS/ and test/CLASS/ with a folder for each class, in which are PNG, JPEG or other
    files of one size. Classes have their folders' names, sorted. x is uint8 [N, height, width] where all pictures are
    gray, else [N, 3, height, width] (gray ones in three equal colours), what is transparent on white; scale is 1/255.
    The folder of idx files: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, each with or without .gz, also spelled train-images.idx3-ubyte. The .npz:
    x_train, y_train, x_test, y_test; integer y (N,) are classes, text (N,) names of classes, floating y (N,) or
    (N, k) regression.
    Raises DataError, naming file and byte or array, for anything but a whole, fitting set.
    """
    if spec == "mnist":
        return load_mnist()
    path = Path(spec)
    if path.is_dir():
        return _load_folder(path)
    if path.suffix.lower() == ".npz":
        return _load_npz(path)
    refuse_table(path, "x_train=..., y_train=..., x_test=..., y_test=...")
    if path.exists():
        raise DataError(f"{path}: is neither mnist, {_FOLDERS} nor an .npz file (numpy.savez makes one)")
    raise DataError(f"{path}: no such file or folder; give mnist, {_FOLDERS} or an .npz file")


def refuse_table(path: Path, arrays: str) -> None:
    """DataError for a table, which is read elsewhere and saved as these arrays."""
    if path.suffix.lower() in _TABLES and path.exists():
        raise DataError(
            f"{path}: is a table, and no table is read here; save its columns, after pandas.read_csv, by "
            f"numpy.savez('{path.stem}.npz', {arrays})"
        )


def _load_folder(folder: Path) -> Dataset:
    from schuss.data.folders import has_pictures, load_pictures
    from schuss.data.idx import read_idx

    if has_pictures(folder):
        return load_pictures(folder)
    paths = {name: _find_idx(folder, *_IDX_STEMS[name]) for name in _NAMES}
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


def _find_idx(folder: Path, stem: str, rank: int) -> Path:
    """The first of the file's spellings that is there."""
    spellings = [f"{stem}{dot}idx{rank}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise DataError(
        f"{no_such_file(folder / spellings[0])} (nor with .gz); the folder needs all four idx files, "
        "or pictures in train/CLASS/ and test/CLASS/"
    )


def _load_npz(path: Path) -> Dataset:
    from schuss.data.npz import read_npz

    return checked_dataset(
        read_npz(path, _NAMES, text=("y_train", "y_test")), {name: f"{path}: {name}" for name in _NAMES}, path.stem
    )
