"""Lists of the reference that are read from schuss's tables: a line ``::: LOSSES`` stands for every row of that one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schuss import tables

LINE = re.compile(r"^::: (LAYERS|ACTIVATIONS|LOSSES|OPTIMIZERS|SCHEDULES|SOURCES)$", re.MULTILINE)
OPTIONS = "    options: { members: false }"


def with_lists(markdown: str) -> str:
    """The page with a line for each class in the place of a table's name."""
    return LINE.sub(lambda m: "\n\n".join(f"::: {place}\n{OPTIONS}" for place in places(m[1])), markdown)


def places(table: str) -> Iterator[str]:
    """Where the classes of a table are, as schuss.nn.losses.MSELoss. ACTIVATIONS are the layers of that file."""
    rows = tables.LAYERS if table == "ACTIVATIONS" else getattr(tables, table)
    for name, value in rows.items():
        place = f"{value.__module__}.{value.__qualname__}"
        apart = table in ("LAYERS", "ACTIVATIONS") and (value.__module__ == "schuss.nn.activations") != (
            table == "ACTIVATIONS"
        )
        if not apart and (table != "SOURCES" or name in {**rows.sets, **rows.rows}):
            yield place
