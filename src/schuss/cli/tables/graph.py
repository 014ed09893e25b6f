"""schuss graph of a model of a table: which columns the numbers of its input are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schuss.cli.tables.models import columns_of

Places = Mapping[str, Sequence[tuple[int, str]]]


def places_in(model: Any) -> Places:
    """Of a model of a table by column the places in a prepared row, with what stands there; nothing of another."""
    from schuss.nn.holding import signature_of

    if (columns := columns_of(signature_of(model))) is None:
        return {}
    from schuss.tabular.places import places_of

    return places_of(columns.prepared_by)


def text_of(columns: Places) -> Iterator[str]:
    """A line for each place, in order."""
    width = max(map(len, columns))
    found = sorted((place, name, what) for name, places in columns.items() for place, what in places)
    for place, name, what in found:
        yield f"    {place:>4}  {name:<{width}}  {what}"


__all__ = ["Places", "places_in", "text_of"]
