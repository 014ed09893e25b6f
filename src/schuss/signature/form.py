"""How several arrays are handed over: one alone, a tuple of them, or a dict by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schuss.errors import DataError


@dataclass(frozen=True)
class Form:
    """names   of a dict's entries, in order; None: the parts have none
    alone   without names: there is one part, and it stands for itself
    """

    names: tuple[str, ...] | None = None
    alone: bool = True

    def packed(self, parts: Sequence[Any]) -> Any:
        """The parts as they are handed over."""
        if self.names is not None:
            return dict(zip(self.names, parts, strict=True))
        return parts[0] if self.alone else tuple(parts)

    def labels(self, what: str, count: int) -> list[str]:
        """What messages call the parts."""
        if self.names is not None:
            return [f"{what}[{name!r}]" for name in self.names]
        return [what] if count == 1 else [f"{what}[{i}]" for i in range(count)]


ALONE = Form()
SEVERAL = Form(alone=False)


def taken_apart(value: Any, what: str, rows: int | None = None) -> tuple[Form, list[Any]]:
    """The form of what may be several arrays, and its parts.

    A tuple or a dict is several. A list is one array, its elements are rows; but a list of arrays with a row for each
    of the `rows` examples, of another number than there are examples, is several, as a tuple. DataError for none, and
    for a dict of anything but arrays by text.
    """
    if isinstance(value, list) and value and len(value) != rows and all(map(_has_rows, value)):
        value = tuple(value) if all(len(part) == rows for part in value) else value
    if not isinstance(value, (tuple, Mapping)):
        return ALONE, [value]
    if not value:
        raise DataError(f"{what} is an empty {type(value).__name__}")
    if isinstance(value, tuple):
        return SEVERAL, list(value)
    for key, part in value.items():
        if not isinstance(key, str) or isinstance(part, (Mapping, tuple)):
            raise DataError(f"{what}[{key!r}]: a dict has arrays by their names (text), one level deep")
    return Form(tuple(value)), list(value.values())


def _has_rows(part: Any) -> bool:
    return bool(getattr(part, "shape", ()))


def are_several(parts: Sequence[Any], rows: int | None) -> bool:
    """Whether a tuple of targets is several, and not one array of numbers: arrays, or lists of one for each example."""
    if all(map(_has_rows, parts)):
        return True
    return len(parts) != rows and all(_has_rows(p) or (isinstance(p, (list, tuple)) and len(p) == rows) for p in parts)


def rows_of(value: Any) -> int | None:
    """The number of rows of an array, or of the first of several."""
    if isinstance(value, Mapping):
        value = next(iter(value.values()), None)
    elif (
        isinstance(value, (tuple, list)) and value and all(map(_has_rows, value)) and len({len(p) for p in value}) == 1
    ):
        value = value[0] if len(value[0]) != len(value) and isinstance(value, tuple) else value
    try:
        return len(value)
    except TypeError:
        return None


__all__ = ["ALONE", "SEVERAL", "Form", "are_several", "rows_of", "taken_apart"]
