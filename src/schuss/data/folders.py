"""Folders of pictures, a folder for each class: train/CLASS/*.png and test/CLASS/*.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from schuss.data.dataset import Dataset, checked_dataset
from schuss.data.pictures import ENDINGS, read_pixels
from schuss.data.source import DataSource
from schuss.errors import DataError, one_line, warn
from schuss.ir.executor import Array

LAYOUT = "pictures lie in train/CLASS/ and test/CLASS/, a folder for each class"
_Listed = list[tuple[Path, str]]  # pictures and the names of their classes


class PictureFolder(DataSource):
    """A folder of pictures: train/CLASS/ and test/CLASS/ with a folder for each class, in which are PNG, JPEG or other
    files of one size. Classes have their folders' names, sorted. x is uint8 [N, height, width] where all pictures are
    gray, else [N, 3, height, width] (gray ones in three equal colours), what is transparent on white; scale is 1/255.
    """

    def recognises(self, place: str) -> bool:
        """By a folder train or test, or folders with pictures in them."""
        folder = Path(place)
        return folder.is_dir() and (
            any((folder / part).is_dir() for part in ("train", "test"))
            or any(_is_picture(p) for f in _folders(folder) for p in f.iterdir())
        )

    def load(self, place: str) -> Dataset:
        return load_pictures(Path(place))


def load_pictures(folder: Path) -> Dataset:
    """The Dataset of a folder of pictures: bytes with the scale 1/255, classes named as their folders, sorted.

    x is [N, height, width] where all pictures are gray, else [N, 3, height, width]. All have one size. Raises DataError
    that names the file or folder: another layout, no pictures, classes to test on that are not trained on, another
    size, whatever read_pixels refuses.
    """
    listed = {part: _listed(folder, part) for part in ("train", "test")}
    known = {name for _, name in listed["train"]}
    for path, name in listed["test"]:
        if name not in known:
            raise DataError(f"{path.parent}: there is no class {one_line(name)!r} in {folder / 'train'}; add it there")
    read = _read([path for part in listed.values() for path, _ in part])
    rows = len(listed["train"])
    arrays = {
        "x_train": read[:rows],
        "y_train": np.array([name for _, name in listed["train"]]),
        "x_test": read[rows:],
        "y_test": np.array([name for _, name in listed["test"]]),
    }
    labels = {name: str(folder / name[2:]) for name in arrays}
    return checked_dataset(arrays, labels, folder.resolve().name)


def _listed(folder: Path, part: str) -> _Listed:
    """The pictures of train or test, by class and name. What is no picture is told of and left out."""
    if not (folder / part).is_dir():
        raise DataError(f"{folder}: has no folder {part}; {LAYOUT}")
    found: _Listed = []
    others: list[Path] = []
    for place in _folders(folder / part):
        files = sorted(p for p in place.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(place)))
        pictures = [p for p in files if _is_picture(p)]
        others += [p for p in files if not _is_picture(p)]
        if not pictures:
            raise DataError(f"{place}: holds no pictures ({', '.join(ENDINGS)}); add some, or remove the folder")
        found += [(p, place.name) for p in pictures]
    if not found:
        raise DataError(f"{folder / part}: holds no folders of classes; {LAYOUT}")
    if others:
        warn(f"{folder / part}: {len(others)} files are left out, as they are no pictures: {others[0].name}, ...")
    return found


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not _is_hidden(Path(p.name)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not _is_hidden(Path(path.name))


def _read(paths: list[Path]) -> Array:
    """All pictures, [N, height, width] or [N, 3, height, width]. Gray ones among others are coloured gray."""
    first = _pixels(paths[0])
    size = first.shape[-2:]
    gray = np.empty((len(paths), *size), np.uint8) if first.ndim == 2 else None
    coloured: Array | None = None if gray is not None else np.empty((len(paths), 3, *size), np.uint8)
    for i, path in enumerate(paths):
        picture = first if i == 0 else _pixels(path)
        if picture.shape[-2:] != size:
            raise DataError(
                f"{path}: is {_size(picture)}, and {paths[0]} is {_size(first)} (width x height); "
                "make all pictures one size"
            )
        if gray is not None and picture.ndim == 3:
            coloured = np.repeat(gray[:, None], 3, axis=1)
            gray = None
        if gray is not None:
            gray[i] = picture
        elif coloured is not None:
            coloured[i] = picture
    found = gray if gray is not None else coloured
    assert found is not None
    return found


def _pixels(path: Path) -> Array:
    try:
        return read_pixels(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _size(picture: Array) -> str:
    height, width = picture.shape[-2:]
    return f"{width} x {height}"
