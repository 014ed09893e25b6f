"""What each number of a prepared row is of."""

from __future__ import annotations

from schuss.tabular.preparation import LACKING, Number, Preparation

MISSING, PLACE, LEVEL = "whether it is missing", "u, its place among bins", "the number of its level"


def places_of(preparation: Preparation) -> dict[str, list[tuple[int, str]]]:
    """By column the places in a row x [width], each with what stands there: one of a date by the part of it."""
    p = preparation
    found: list[tuple[str, str]] = []
    found += [_of(n, MISSING) for n in p.numbers if n.missing is not None]
    found += [_of(n, "its value") for n in p.numbers if n.two]
    for category in (c for c in p.categories if c.one_hot):
        levels = [MISSING if level == LACKING else repr(level) for level in category.levels]
        found += [(category.source, of) for of in ([" or ".join(levels)] if len(levels) == 2 else levels)]
    curves = [p.numbers[i] for i in p.curves]
    found += [_of(n, "z, over its quartiles' distance") for n in curves] + [_of(n, PLACE) for n in curves]
    found += [_of(n, LEVEL) for n in p.numbers if n.levels]
    found += [(c.source, LEVEL) for c in p.categories if c.embedded or c.encoded]
    by_column: dict[str, list[tuple[int, str]]] = {name: [] for name in p.kinds}
    for place, (name, what) in enumerate(found):
        by_column[name].append((place, what))
    return by_column


def _of(number: Number, what: str) -> tuple[str, str]:
    name, part = number.source
    return name, f"{part}: {what}" if part else what
