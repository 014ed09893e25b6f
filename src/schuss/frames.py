"""The columns of data frames by name. A frame, pandas' or another's, is known by its form: no library is imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from schuss.errors import DataError

SHOWN = 10  # names of columns that a message lists


def is_frame(value: Any) -> bool:
    """Whether it is a data frame that holds its rows; a lazy one does not."""
    return not hasattr(value, "collect") and hasattr(value, "columns") and hasattr(value, "dtypes")


def column_names(value: Any) -> tuple[str, ...] | None:
    """The names of a data frame's columns; None for anything else, and for columns numbered 0, 1, ... in turn."""
    if not is_frame(value):
        return None
    labels = list(value.columns)
    return None if labels == list(range(len(labels))) else tuple(map(str, labels))


def in_order(value: Any, wanted: Sequence[str] | None, what: str) -> Any:
    """A data frame with its columns in the order of those that are wanted; what has no names as it is: by position.

    wanted  None: not known, any names are right

    DataError that names the columns that are missing, unknown or there twice.
    """
    names = column_names(value)
    if names is None or names == wanted:
        return value
    if wanted is None:  # trained on an array: only columns that are numbered can be out of order
        wanted = tuple(map(str, range(len(names))))
        if set(names) != set(wanted):
            return value
    _check(names, wanted, what)
    place = {name: i for i, name in enumerate(names)}
    places = [place[name] for name in wanted]
    return value.iloc[:, places] if hasattr(value, "iloc") else value[:, places]


def _check(names: Sequence[str], wanted: Sequence[str], what: str) -> None:
    """DataError unless these are the names wanted, each once, in any order."""
    held, known = Counter(names), Counter(wanted)
    faults = [f"lacks {listed(missing)}"] if (missing := [n for n in wanted if n not in held]) else []
    if unknown := [n for n in names if n not in known]:
        faults.append(f"has {listed(unknown)}, which the model was not trained on")
    if not faults and (twice := [n for n, count in (held | known).items() if count > 1]):
        faults.append(f"has {listed(twice)} more than once")
    if faults:
        mend = "give the columns of the training by name, in any order, or an array of them in its order"
        raise DataError(f"{what}: the data frame {' and '.join(faults)}; {mend}")


def listed(names: Sequence[str]) -> str:
    """'age', 'height', ..."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:SHOWN]) + ", ..." * (len(shown) > SHOWN)


def column_at(index: int, frame: Any) -> str:
    """What messages call a column: column 'age' of a data frame with names, else column 3."""
    names = column_names(frame)
    return f"column {index if names is None else repr(names[index])}"
