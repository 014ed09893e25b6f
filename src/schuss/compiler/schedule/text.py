"""A plan as text: all that code is made from. Equal texts are compiled to equal code."""

from __future__ import annotations

from collections.abc import Iterable

from schuss.compiler.schedule.buffers import Plan, is_given
from schuss.compiler.structure import record
from schuss.ir.digest import attributes
from schuss.ir.graph import Node, topological


def plan_text(plan: Plan) -> str | None:
    """The text, or None where an operation is not schuss's own: its emit rule can change without a trace here."""
    stages = plan.stages
    number: dict[Node, int] = {}
    storage = plan.storage
    how = f"{storage.capacity} {sorted(storage.columns)} {storage.spacing} {sorted(storage.panels)}"
    lines = [f"{how} arena {plan.arena} {plan.tuning}"]
    for node in topological([*plan.graph.inputs, *plan.graph.outputs, *(n for s in stages for n in s.group.nodes)]):
        op = record(node)
        if op is not None and not op.own:
            return None
        number[node] = len(number)
        place = plan.places.get(node)
        where = "" if place is None else f" at {place.slot}+{place.offset}"
        where += " in panels" if node in storage.copies else ""
        where += f" notes at {plan.faults[node]}" if node in plan.faults else ""
        lines.append(f"{node.op} {_numbers(node.inputs, number)} {node.type} {own_attributes(node)}{where}")
    lines.append(f"in {_numbers(plan.graph.inputs, number)} out {_numbers(plan.graph.outputs, number)}")
    for stage in stages:
        group = stage.group
        parts = ([group.anchor] if group.anchor else [], group.maps, group.folds, group.stores)
        listed = " | ".join(_numbers(part, number) for part in parts)
        how = f"{stage.partition} {stage.barrier} {stage.k_blocked} {stage.packs} {plan.workspaces.get(group)}"
        lines.append(f"{group.form.value} {group.space} {how} {listed}")
    return "\n".join(lines)


def own_attributes(node: Node) -> str:
    """All of a node's attributes that code is made from."""
    return (
        ""
        if not node.attrs or is_given(node)
        else " ".join(f"{name}={value}" for name, value in attributes(node).items())
    )


def _numbers(nodes: Iterable[Node], number: dict[Node, int]) -> str:
    return " ".join(str(number[n]) for n in nodes)
