"""A model of a table with rows to look at it by, for the commands with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.cli.say import say
from schuss.ir.executor import Array

if TYPE_CHECKING:
    from schuss.tabular.explainer import Explainer
    from schuss.tabular.read import Reading

MOST = 200_000  # rows that are read


def explained(network: Any, place: str | None, reading: Reading) -> tuple[Explainer, Array | None]:
    """The model with the rows of the table at a place, or with rows drawn from what its file holds; and the targets of
    the rows, None where the table has none."""
    from schuss.nn.holding import signature_of
    from schuss.tabular.explainer import Explainer
    from schuss.tabular.read import first_rows, reading_for

    if place is None:
        return Explainer(network), None
    name = "standard input" if place == "-" else place
    if (signature := signature_of(network)) is not None:
        reading = reading_for(signature.record, reading)
    frame, where, more = first_rows(place, MOST, reading)
    if more:
        say(f"{name}: has more rows than {MOST:,}; the first {MOST:,} are shown", err=True)
    made = Explainer(network, frame, what=name, where=where)
    return made, made.targets_or_none(frame, name, where)


def source_of(place: str | None) -> str:
    """What the rows are called; "" where they are drawn."""
    return "" if place is None else "standard input" if place == "-" else Path(place).name


__all__ = ["explained", "source_of"]
