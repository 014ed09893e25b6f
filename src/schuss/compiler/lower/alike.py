"""Kernels of the same code, an unrolled loop's turns, equal layers: they share a function, which is told where to work.

Two stages are alike if all that code is made from is the same but where their values lie. What a kernel reads through
constants of its own, a free scalar, must be the very same node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schuss.compiler.schedule.buffers import Plan, is_given
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.text import own_attributes
from schuss.compiler.storage import ITEMSIZE
from schuss.compiler.structure import base_of, is_free
from schuss.compiler.views import view_of
from schuss.ir.graph import Node

Address = tuple[int, int]  # a slot of the pointer table, and bytes from where it points to


@dataclass(frozen=True)
class Shape:
    """A stage without its addresses, as text, and these by number, in the order in which the text speaks of them."""

    text: str
    addresses: Mapping[Address, int]


def shape_of(stage: Stage, plan: Plan) -> Shape:
    """What code is made from, and what it may be given instead."""
    group, known = stage.group, _Known(plan)
    inside = {node: f"n{i}" for i, node in enumerate(group.nodes)}
    lines = [f"{group.form.value} {group.space} {stage.partition} {stage.k_blocked} {stage.packs}"]
    for node in group.nodes:
        read = " ".join(inside.get(o) or known.operand(o) for o in node.inputs)
        lines.append(f"{node.op} {node.type} {own_attributes(node)} ({read})")
    for node in group.stores:
        place = plan.places[node]
        lines.append(f"{inside[node]} {known.address(place.slot, place.offset)} {plan.storage.panel(node)}")
    for place in [plan.workspaces[group]] if group in plan.workspaces else []:
        lines.append(known.address(place.slot, place.offset))
    for node in group.nodes:
        if node in plan.faults:
            lines.append(known.address(plan.faults[node].slot, plan.faults[node].offset))
    return Shape("\n".join(lines), known.addresses)


class _Known:
    """Addresses by number: equal ones have one, so that alike stages write over what they read in the same places."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.addresses: dict[Address, int] = {}

    def address(self, slot: int, offset: int) -> str:
        return f"p{self.addresses.setdefault((slot, offset), len(self.addresses))}"

    def operand(self, operand: Node) -> str:
        """An operand from outside: how it is read, and where."""
        base, storage = base_of(operand), self.plan.storage
        if is_free(base):
            given = " ".join(self.address(self.plan.places[n].slot, 0) for n in _given(base))
            return f"[{operand.op} {operand.type} of {id(base)} {given}]"
        if storage.is_counter(base):
            return f"[{operand.op} {operand.type} of the counter]"
        view, place = view_of(operand, storage), self.plan.places[base]
        assert view is not None, f"{operand} was not materialized"
        at = self.address(place.slot, place.offset + view.offset * ITEMSIZE[operand.type.dtype])
        return f"[{operand.op} {operand.type} of {base.type} {view.strides} {view.rows} {view.panel} {at}]"


def _given(scalar: Node) -> Iterator[Node]:
    """What a free scalar is made of that lies in memory."""
    seen, waiting = {scalar}, [scalar]
    while waiting:
        node = waiting.pop()
        if is_given(node):
            yield node
        fresh = [i for i in node.inputs if i not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
