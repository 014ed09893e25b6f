"""The record of a training as it stands in a file. Anything may stand there: what no run writes is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

LARGEST = 1 << 63  # a whole number beyond is no count


def sound(record: Any) -> tuple[dict[str, Any], str]:
    """The record without the entries of a run that are not of their form, and what is wrong with these ("" for none).

    history: columns of one length, with a number or None for each epoch; curve: likewise. epochs, batch_size: whole
    numbers. seconds, examples_per_second, test_loss, test_accuracy: numbers. changes: of the form of `Run.changes`.
    settings: a mapping. Whatever else is in a record is the user's own, and stays.
    """
    if not isinstance(record, Mapping):
        return {}, "the record of its training is left out (no mapping)"
    wrong = {name: check(record[name]) for name, check in _CHECKS.items() if record.get(name) is not None}
    said = ", ".join(f"{name} ({why})" for name, why in wrong.items() if why)
    kept = {name: value for name, value in record.items() if not wrong.get(name)}
    return kept, said and f"left out of the record of its training: {said}"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return not isinstance(value, Integral) or abs(int(value)) < LARGEST


def _number(value: Any) -> str:
    return "" if _is_number(value) else "no number"


def _count(value: Any) -> str:
    return "" if _is_number(value) and isinstance(value, Integral) and int(value) >= 0 else "no whole number"


def _mapping(value: Any) -> str:
    return "" if isinstance(value, Mapping) else "no mapping"


def _history(value: Any) -> str:
    if not isinstance(value, Mapping):
        return "no mapping of columns"
    for name, column in value.items():
        if not isinstance(column, list) or not all(v is None or _is_number(v) for v in column):
            return f"its column {str(name)[:40]!r} is no list of numbers"
    lengths = sorted({len(column) for column in value.values()})
    return f"columns of {lengths[0]} to {lengths[-1]} entries" if len(lengths) > 1 else ""


def _changes(value: Any) -> str:
    return "" if isinstance(value, list) and all(map(_is_change, value)) else "no list of changes made by hand"


def _is_change(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("what"), str):
        return False
    places = all(_is_number(value.get(name)) for name in ("step", "epoch"))
    return places and all(value.get(name) is None or _is_number(value[name]) for name in ("from", "to"))


_CHECKS: dict[str, Callable[[Any], str]] = {
    "history": _history,
    "curve": _history,
    "epochs": _count,
    "batch_size": _count,
    "changes": _changes,
    "settings": _mapping,
    **dict.fromkeys(("seconds", "examples_per_second", "test_loss", "test_accuracy"), _number),
}
