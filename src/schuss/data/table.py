"""Tables as files: told by their names, and refused with the way round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schuss.data.dataset import Dataset
from schuss.data.source import DataSource
from schuss.errors import DataError
from schuss.ir.executor import Array

ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".feather", ".json")


class Table(DataSource):
    """A file that holds a table, which is read elsewhere and saved as arrays."""

    def recognises(self, place: str) -> bool:
        return place.lower().endswith(ENDINGS) and Path(place).exists()

    def load(self, place: str) -> Dataset:
        raise _refused(place, "x_train=..., y_train=..., x_test=..., y_test=...")

    def rows(self, place: str, wanted: Sequence[int] | None, floats: bool) -> Array:
        raise _refused(place, "x=...")


def _refused(place: str, arrays: str) -> DataError:
    return DataError(
        f"{place}: is a table, and no table is read here; save its columns, after pandas.read_csv, by "
        f"numpy.savez('{Path(place).stem}.npz', {arrays})"
    )
