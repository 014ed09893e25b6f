"""schuss info of a model of a table: its columns, parts and report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schuss.cli.say import say
from schuss.cli.tables import shown
from schuss.tabular.columns import TableColumns
from schuss.tabular.metrics import METRICS
from schuss.tabular.report import table_of_each


def show(result: Mapping[str, Any], columns: TableColumns) -> None:
    """What the file tells beside its size."""
    record = result["record"]
    targets = ", ".join(_mapping(record.get("targets"))) or "not told"
    facts = [("target", f"{targets}: {record.get('task', '')}"), ("classes", ", ".join(result["classes"] or ()))]
    known = ("loss", "data", "rows", "preset", "folds", "seed", "weight")
    facts += [(name, str(record[name])) for name in known if record.get(name) is not None]
    facts.append(("parameters", f"{result['parameters']:,}"))
    say("\n" + "\n".join(shown.aligned([fact for fact in facts if fact[1]])))
    say("\n" + "\n".join(shown.columns(_columns(record, columns))))
    parts = record.get("parts")
    if isinstance(parts, list) and parts and all(_is_part(part) for part in parts):
        say("\n" + "\n".join(shown.parts(parts)))
    if lines := _report(_mapping(record.get("report"))):
        say("\n" + "\n".join(lines))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_part(part: Any) -> bool:
    return isinstance(part, Mapping) and "kind" in part and all(_is_number(part.get(n)) for n in ("loss", "weight"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _columns(record: Mapping[str, Any], columns: TableColumns) -> dict[str, tuple[str, str, bool]]:
    """Those that the model reads, and those that the record knows as left out."""
    read = {name: (kind.name, kind.reason, True) for name, kind in columns.prepared_by.kinds.items()}
    left = {name: _mapping(told) for name, told in _mapping(record.get("columns")).items() if name not in read}
    return read | {n: (str(told.get("kind", "")), str(told.get("reason", "")), False) for n, told in left.items()}


def _report(report: Mapping[str, Any]) -> list[str]:
    """The metrics that the training measured."""
    rows = [("", "model", "linear", "trivial")]
    for name, line in _mapping(report.get("metrics")).items():
        line = _mapping(line)
        if name in METRICS and all(v is None or _is_number(v) for v in line.values()):
            own = shown.spread(line.get("value"), line.get("error"))
            linear, trivial = (shown.spread(line.get(of), None) for of in ("linear", "trivial"))
            rows.append((METRICS[name].title, own, linear, trivial))
    if len(rows) == 1:
        return []
    each = _mapping(report.get("targets"))
    each = each if all(all(v is None or _is_number(v) for v in _mapping(own).values()) for own in each.values()) else {}
    lines = [*shown.aligned(rows, right=(1, 2, 3)), *table_of_each(each)]
    return [f"on {report.get('on', '')}:", *lines, str(report.get("verdict", ""))]
