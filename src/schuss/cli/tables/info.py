"""schuss info of a model of a table: its columns, parts and report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schuss.cli.say import say
from schuss.cli.tables import shown
from schuss.figures import aligned
from schuss.tabular.columns import TableColumns
from schuss.tabular.parts import are_parts
from schuss.tabular.report import is_report, table_of


def show(result: Mapping[str, Any], columns: TableColumns) -> None:
    """What the file tells beside its size."""
    record = result["record"]
    targets = ", ".join(_mapping(record.get("targets"))) or "not told"
    facts = [("target", f"{targets}: {record.get('task', '')}"), ("classes", ", ".join(result["classes"] or ()))]
    known = ("loss", "data", "rows", "preset", "folds", "seed", "weight")
    facts += [(name, str(record[name])) for name in known if record.get(name) is not None]
    facts.append(("parameters", f"{result['parameters']:,}"))
    say("\n" + "\n".join(aligned([fact for fact in facts if fact[1]])))
    say("\n" + "\n".join(shown.columns(_columns(record, columns))))
    parts = record.get("parts")
    if parts and are_parts(parts):
        say("\n" + "\n".join(shown.parts(parts, str(_mapping(record.get("report")).get("main", "")))))
    if lines := _report(_mapping(record.get("report"))):
        say("\n" + "\n".join(lines))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _columns(record: Mapping[str, Any], columns: TableColumns) -> dict[str, tuple[str, str, bool]]:
    """Those that the model reads, and those that the record knows as left out."""
    read = {name: (kind.name, kind.reason, True) for name, kind in columns.prepared_by.kinds.items()}
    left = {name: _mapping(told) for name, told in _mapping(record.get("columns")).items() if name not in read}
    return read | {n: (str(told.get("kind", "")), str(told.get("reason", "")), False) for n, told in left.items()}


def _report(report: Mapping[str, Any]) -> list[str]:
    """The metrics that the training measured."""
    return [*table_of(report), "", str(report["verdict"])] if is_report(report) else []
