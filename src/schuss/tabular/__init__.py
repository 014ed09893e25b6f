"""Tables: from the columns of a file or a data frame to a model.

    run = schuss.tabular.fit_table(schuss.tabular.read_table("houses.csv"), "price")
    print(run.report)
    run.model.predict(new_rows)
    print(schuss.tabular.evaluate_table(run.model, other_rows))

Reading (read, frame), kinds of columns (kinds, values), preparation of numbers (preparation, columns, encoding),
networks (layers, networks, presets), training and blending (learn, training, fit), and what is measured (report,
metrics, evaluate, importance, explain, beyond). Needs polars, narwhals and scipy: pip install '.[tables]'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schuss.tabular.beyond import Beyond
    from schuss.tabular.evaluate import Measured, beyond_training, evaluate_table
    from schuss.tabular.fit import TableRun, fit_table
    from schuss.tabular.frame import as_frame
    from schuss.tabular.kinds import find_kinds
    from schuss.tabular.read import read_table

_HOMES = {
    "Beyond": "beyond",
    "Measured": "evaluate",
    "TableRun": "fit",
    "as_frame": "frame",
    "beyond_training": "evaluate",
    "evaluate_table": "evaluate",
    "find_kinds": "kinds",
    "fit_table": "fit",
    "read_table": "read",
}


def __getattr__(name: str) -> Any:
    """Loaded when they are first used: polars takes longer to import than all of schuss."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "Beyond", "Measured", "TableRun", "as_frame", "beyond_training", "evaluate_table", "find_kinds", "fit_table",
    "read_table",
]  # fmt: skip
