"""schuss evaluate MODEL TABLE: the report's metrics on the rows of a table that has the target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.api.outputs import Outputs
from schuss.cli.say import say
from schuss.cli.tables.shown import say_beyond

if TYPE_CHECKING:
    from schuss.tabular.evaluate import Measured
    from schuss.tabular.read import Reading


def measured(
    network: Any, model: Path, place: str, reading: Reading, target_missing: str
) -> tuple[dict[str, Any], Outputs | None, Measured]:
    """The result for JSON, for classes the outputs, and what was measured."""
    from schuss.tabular.evaluate import evaluate_table

    found = evaluate_table(network, place, target_missing=target_missing, reading=reading)
    say_beyond(found.beyond, found.what)
    outputs = Outputs(found.p, found.p, "probabilities") if found.target.classes else None
    return {"model": str(model), **found.to_json()}, outputs, found


def show(model: Path, found: Measured) -> None:
    """The metrics, each with its spread over draws of the rows."""
    say(f"{model} {found}")
