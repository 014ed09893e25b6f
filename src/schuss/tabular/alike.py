"""Levels and classes that differ only in case or blanks: most likely one name written in two ways, and told as such."""

from __future__ import annotations

from collections.abc import Iterable

from schuss.errors import warn
from schuss.frames import listed

SHOWN = 3  # groups that a message names


def alike(names: Iterable[str]) -> list[list[str]]:
    """The names that are the same but for case and blanks, in groups, each sorted; none of those that have no other."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault("".join(name.casefold().split()), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def warn_of_alike(what: str, names: Iterable[str]) -> None:
    """A warning where some are alike. what: they are of."""
    if found := alike(names):
        told = "; ".join(map(listed, found[:SHOWN])) + (
            f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        )
        warn(f"{what} that differ only in case or blanks: {told}; write them in one way if they are one")


__all__ = ["alike", "warn_of_alike"]
