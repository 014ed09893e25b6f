"""npy files: one array. Read as the members of an npz archive are (schuss.data.npz)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schuss.data.npz import read_array
from schuss.data.source import DataSource, reading
from schuss.ir.executor import Array


class Npy(DataSource):
    """An .npy of rows to predict."""

    def recognises(self, place: str) -> bool:
        return place.lower().endswith(".npy")

    def rows(self, place: str, wanted: Sequence[int] | None, floats: bool) -> Array:
        return read_npy(Path(place))


def read_npy(path: Path) -> Array:
    """The array of an .npy file, in C order and native byte order. DataError as for read_npz."""
    with reading(path) as file:
        length = file.seek(0, 2)
        file.seek(0)
        return read_array(file, length, str(path))
