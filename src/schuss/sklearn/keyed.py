"""Objects of the user's as parts of a key: by which compiled code is found again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Keyed:
    """An object, compared by its key. It is kept, so that another one cannot have its id meanwhile."""

    key: Hashable
    given: Any = field(compare=False)


def keyed(given: Any) -> Keyed:
    """By its value where it has one that can be hashed, as schuss's losses and optimizers; else by itself."""
    try:
        hash(given)
    except TypeError:
        return Keyed((type(given), id(given)), given)
    return Keyed(given, given)


__all__ = ["Keyed", "keyed"]
