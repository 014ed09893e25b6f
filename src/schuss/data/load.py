"""Data by name or place: the first of the sources (schuss.tables.SOURCES) that recognises it reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schuss.data.arrays import check_finite
from schuss.data.dataset import Dataset
from schuss.data.source import DataSource
from schuss.errors import DataError, no_such_file
from schuss.ir.executor import Array
from schuss.tables import SOURCES


def load_dataset(spec: str | Path) -> Dataset:
    """A data set by name or place, in whichever form it is: "mnist" (the bundled one), a folder of four idx files by
    MNIST's names or of pictures, an .npz, or what else has been registered.

    The forms: schuss.data.bundled.Bundled, schuss.data.idx.IdxFolder, schuss.data.folders.PictureFolder,
    schuss.data.npz.Npz. Raises DataError, naming file and byte or array, for anything but a whole, fitting set.
    """
    return _source(str(spec), SOURCES.sets).load(str(spec))


def load_rows(spec: str | Path, wanted: Sequence[int] | None, floats: bool) -> Array:
    """Rows to predict for a model whose input has rows of the shape `wanted` (None: not known), floating or not.

    DataError for anything but such rows, and for NaN and infinity.
    """
    x = _source(str(spec), SOURCES.rows).rows(str(spec), wanted, floats)
    check_finite(x, str(spec))
    return x


def _source(place: str, described: dict[str, str]) -> DataSource:
    """The first source that recognises what is there; those described are what is asked for."""
    path = Path(place)
    for name, source in SOURCES.items():
        found: DataSource = source()
        if found.recognises(place) and (name in described or path.exists()):
            return found
    *some, last = described.values() if path.is_dir() else (said.partition(" (")[0] for said in described.values())
    if path.exists():
        folder = "a folder, and " if path.is_dir() else ""
        raise DataError(f"{path}: is {folder}neither {', '.join(some)} nor {last}")
    raise DataError(f"{no_such_file(path)} or folder; give {', '.join(some)} or {last}")
