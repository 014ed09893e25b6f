"""schuss evaluate MODEL TABLE: the report's metrics on the rows of a table that has the target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schuss.api.outputs import Outputs
from schuss.cli.say import say
from schuss.cli.tables.models import answers, columns_of, target_of, task_of
from schuss.cli.tables.shown import aligned, spread
from schuss.signature import Signature

if TYPE_CHECKING:
    from schuss.tabular.read import Reading


def measured(network: Any, signature: Signature, model: Path, place: str, reading: Reading) -> tuple[Any, ...]:
    """The result for JSON, and for classes the outputs and the labels."""
    from schuss.tabular.metrics import metrics_for
    from schuss.tabular.read import lines_of, read_table
    from schuss.tabular.scoring import scores
    from schuss.tabular.scoring import spread as spread_of
    from schuss.tabular.targets import like

    columns, target = columns_of(signature), target_of(signature, model)
    assert columns is not None
    frame, where = read_table(place, reading), lines_of(place, reading)
    y = like(target, frame, list(target.kinds), place, where).y
    p = answers(network, signature, columns.read(frame, place, where))
    task, quantiles = task_of(signature, target)
    metrics = metrics_for(task, quantiles)
    y = y[:, 0] if quantiles else y
    values, errors = scores(metrics, y, p), spread_of(metrics, y, p)
    found = {m.name: {"value": _defined(values[m.name]), "error": _defined(errors[m.name])} for m in metrics}
    result = {"model": str(model), "data": place, "examples": len(y), "targets": list(target.kinds), "metrics": found}
    return result, Outputs(p, p, "probabilities") if target.classes else None, y


def show(result: dict[str, Any]) -> None:
    """The metrics, each with its spread over draws of the rows."""
    from schuss.tabular.metrics import METRICS

    say(
        f"{result['model']} on {result['examples']:,} rows of {result['data']}, target {', '.join(result['targets'])}\n"
    )
    rows = [(METRICS[name].title, spread(m["value"], m["error"])) for name, m in result["metrics"].items()]
    say("\n".join(aligned(rows, right=(1,))))


def _defined(x: float) -> float | None:
    return x if x == x else None
