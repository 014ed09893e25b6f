"""Tables as files: told by their names. schuss.tabular reads them; where arrays are wanted they are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schuss.data.dataset import Dataset
from schuss.data.source import DataSource
from schuss.errors import DataError
from schuss.ir.executor import Array
from schuss.tables import SOURCES

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xls", ".parquet", ".pq", ".feather", ".arrow", ".ipc", ".json")
PACKED = (".gz", ".bz2", ".xz", ".zst")
STDIN = "-"


class Table(DataSource):
    """A file that holds a table."""

    def recognises(self, place: str) -> bool:
        return _ends_so(place) and Path(place).exists()

    def load(self, place: str) -> Dataset:
        raise _refused(place, "x_train=..., y_train=..., x_test=..., y_test=...")

    def rows(self, place: str, wanted: Sequence[int] | None, floats: bool) -> Array:
        raise _refused(place, "x=...")


def is_table(place: str, asked: bool) -> bool:
    """Whether what lies there is read as a table: standard input, a file of such a name that no other source takes.

    asked  whether the user says so: then any file that no source takes is one
    """
    if place == STDIN:
        return True
    source = next((source for source in (known() for _, known in SOURCES.items()) if source.recognises(place)), None)
    if source is not None:
        return isinstance(source, Table)
    return _ends_so(place) or (asked and Path(place).is_file())


def _ends_so(place: str) -> bool:
    name = place.lower()
    return any(name.removesuffix(packed).endswith(ENDINGS) for packed in ("", *PACKED))


def _refused(place: str, arrays: str) -> DataError:
    return DataError(
        f"{place}: is a table, which `schuss train {place} --target COLUMN` learns, and models of that take; for "
        f"others save its columns as arrays, after pandas.read_csv, by numpy.savez('{Path(place).stem}.npz', {arrays})"
    )
