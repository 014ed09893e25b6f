"""Some rows of columns that several runs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from schuss.data.batching import Indices
from schuss.ir.executor import Array


class Rows(Mapping[str, Array]):
    """The columns of some rows of others. What is read of it are copies of these rows; the others are not copied.

    columns  the whole ones, by name
    at       the rows, in their order; one may come several times
    """

    def __init__(self, columns: Mapping[str, Array], at: Indices) -> None:
        self.columns, self.at = columns, at

    def __getitem__(self, name: str) -> Array:
        found: Array = self.columns[name][self.at]
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, or what another process gets, has these rows alone."""
        return dict, (dict(self),)


def with_column(data: Mapping[str, Array], name: str, values: Array) -> Mapping[str, Array]:
    """These columns and one more, of as many rows. It lies beside the whole ones; rows that come several times have one
    value."""
    if not isinstance(data, Rows):
        return {**data, name: values}
    spread = np.zeros((len(data.columns["y"]), *values.shape[1:]), values.dtype)
    spread[data.at] = values
    return Rows({**data.columns, name: spread}, data.at)


def count(data: Mapping[str, Array]) -> int:
    """How many rows they have."""
    return len(data.at if isinstance(data, Rows) else data["y"])


def whole(data: Mapping[str, Array]) -> Mapping[str, Array]:
    """The columns that lie in memory, of which these may be some rows."""
    return data.columns if isinstance(data, Rows) else data


def within(data: Mapping[str, Array], order: Indices) -> Indices:
    """Rows by their numbers in the columns that lie in memory."""
    return data.at[order] if isinstance(data, Rows) else order


__all__ = ["Rows", "count", "whole", "with_column", "within"]
