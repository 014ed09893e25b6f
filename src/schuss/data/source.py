"""What a form in which data come is: how it is recognised, and how it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from schuss.errors import DataError, no_such_file
from schuss.ir.executor import Array
from schuss.paths import open_regular

if TYPE_CHECKING:
    from schuss.data.dataset import Dataset


@contextlib.contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """The file, open for reading. DataError, inside too, where there is none or it cannot be read."""
    try:
        with open_regular(path) as file:
            yield file
    except FileNotFoundError:
        raise DataError(no_such_file(path)) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


class DataSource:
    """Base of the forms in which data come, which have a row each in schuss.tables.SOURCES.

    A data set, for training and evaluating, says of itself what is in it (schuss.data.Dataset): the shape of a row,
    what its bytes are multiplied by, the names of its classes. schuss.data.checked_dataset makes one of four arrays,
    and looks at them. Rows, for predict, are an array.
    """

    def recognises(self, place: str) -> bool:
        """Whether what lies there has this form: by its name, or a look at its first bytes. Reads no more."""
        raise NotImplementedError

    def load(self, place: str) -> Dataset:
        """The data set. DataError, naming file and byte or array, for anything but a whole, fitting one."""
        raise DataError(f"{place}: holds rows to predict, and no data set to train or test on")

    def rows(self, place: str, wanted: Sequence[int] | None, floats: bool) -> Array:
        """Rows to predict, [N, ...].

        wanted  the shape of a row of the model's input; None: of several inputs, or not known
        floats  whether the model's input is floating: then a picture's bytes are divided by 255
        """
        raise DataError(f"{place}: is a data set, and no rows to predict; `schuss evaluate` takes it")


__all__ = ["DataSource"]
