"""The parts of a table's model, as its file tells of them: kinds of networks and the linear model, and their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

Parts = Sequence[Mapping[str, Any]]
AGAIN = "other seeds"  # what a part is called that is the same as one before


def are_parts(written: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether JSON is the parts of a table's model, as a training writes them."""
    return isinstance(written, list) and all(
        isinstance(part, Mapping) and isinstance(part.get("kind"), str)
        and all(isinstance(part.get(n), (int, float)) for n in ("loss", "weight"))
        for part in written
    )  # fmt: skip


def names_beside(parts: Parts) -> list[str]:
    """What each is called where its hidden units and epochs stand beside: "piecewise relu"; one that is the same in all
    of these as one before: "piecewise relu, other seeds"."""
    return _told([_kind(part) for part in parts], [(_kind(part), _hidden(part), _epochs(part)) for part in parts])


def names_alone(parts: Parts) -> list[str]:
    """What each is called by itself: "periodic hardswish 64,64", with its epochs where another has the same name."""
    short = [f"{_kind(part)} {_hidden(part)}".strip() for part in parts]
    count = Counter(short)
    found = [n if count[n] < 2 else f"{n}, {_epochs(part)} epochs" for n, part in zip(short, parts, strict=True)]
    return _told(found, found)


def _told(names: Sequence[str], of: Sequence[Any]) -> list[str]:
    """The names, marked where the part is the same as one before."""
    before: Counter[Any] = Counter()
    found = []
    for name, key in zip(names, of, strict=True):
        before[key] += 1
        more = {1: "", 2: f", {AGAIN}"}.get(before[key], f", {AGAIN} ({before[key] - 1})")
        found.append(name + more)
    return found


def _kind(part: Mapping[str, Any]) -> str:
    return " ".join(str(part[n]) for n in ("kind", "activation", "scale") if part.get(n))


def _hidden(part: Mapping[str, Any]) -> str:
    hidden = part.get("hidden", ())
    return ",".join(map(str, hidden)) if isinstance(hidden, (list, tuple)) else ""


def _epochs(part: Mapping[str, Any]) -> str:
    return str(part.get("epochs", ""))


__all__ = ["are_parts", "names_alone", "names_beside"]
