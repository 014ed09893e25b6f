"""Kernels of the same code, an unrolled loop's turns, equal layers: they share a function, which is told where to work.

Two stages are alike if all that code is made from is the same but where their values lie. What a kernel reads through
constants of its own, a free scalar, must be the very same node.

Maps of values that lie without a gap are one loop, however long, and whatever the shapes: where there are many such, as
the updates of many parameters, they are *flat*, and alike whatever their shapes. Which part of the values is to be done
is told to every kernel anyway, here in elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schuss.compiler.schedule.buffers import Plan, is_given
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.text import own_attributes
from schuss.compiler.storage import ITEMSIZE, Storage, row_major
from schuss.compiler.structure import base_of, is_free, is_map
from schuss.compiler.views import view_of
from schuss.ir.graph import Node
from schuss.ir.types import Shape as Space
from schuss.ir.types import static_size

Address = tuple[int, int]  # a slot of the pointer table, and bytes from where it points to


@dataclass(frozen=True)
class Shape:
    """A stage without its addresses, as text, and these by number, in the order in which the text speaks of them."""

    text: str
    addresses: Mapping[Address, int]
    flat: bool = False


def shapes_of(plan: Plan) -> list[Shape]:
    """Of each stage what code is made from, and what it may be given instead."""
    flat = {stage: shape_of(stage, plan, True) for stage in plan.stages if is_flat(stage.group, plan.storage)}
    count = Counter(shape.text for shape in flat.values())
    many = {stage: shape for stage, shape in flat.items() if count[shape.text] >= plan.tuning.alike_flat}
    return [many.get(stage) or shape_of(stage, plan) for stage in plan.stages]


def shape_of(stage: Stage, plan: Plan, flat: bool = False) -> Shape:
    """What code is made from, and what it may be given instead. flat: whether it is to work so."""
    group, known = stage.group, _Known(plan, flat)
    inside = {node: f"n{i}" for i, node in enumerate(group.nodes)}
    how = "flat" if flat else f"{group.space} {stage.partition} {stage.k_blocked} {stage.packs}"
    lines = [f"{group.form.value} {how}"]
    for node in group.nodes:
        read = " ".join(inside.get(o) or known.operand(o) for o in node.inputs)
        lines.append(f"{node.op} {known.type(node)} {own_attributes(node)} ({read})")
    for node in group.stores:
        place = plan.places[node]
        lines.append(f"{inside[node]} {known.address(place.slot, place.offset)} {plan.storage.panel(node)}")
    for place in [plan.workspaces[group]] if group in plan.workspaces else []:
        lines.append(known.address(place.slot, place.offset))
    for node in group.nodes:
        if node in plan.faults:
            lines.append(known.address(plan.faults[node].slot, plan.faults[node].offset))
    return Shape("\n".join(lines), known.addresses, flat)


def is_flat(group: Group, storage: Storage) -> bool:
    """Whether a kernel of maps goes through all its values from end to end, but for scalars."""
    space = group.space
    if group.form is not Form.MAP or group.folds or group.maps[0].type.symbolic or static_size(space) <= 1:
        return False
    values = [*(o for _, _, o in group.operands), *group.stores]
    return all(map(is_map, group.maps)) and all(_goes_along(value, space, storage) for value in values)


def _goes_along(value: Node, space: Space, storage: Storage) -> bool:
    if is_free(base_of(value)) or storage.is_counter(base_of(value)):
        return True
    view = view_of(value, storage)
    if view is None or view.rows is not None or view.panel is not None:
        return False
    if value.type.symbolic or static_size(value.type.shape) == 1:
        return not value.type.symbolic
    ends = zip(space, view.strides, row_major(space, 1), strict=False)
    return value.type.shape == space and all(d == 1 or found == close for d, found, close in ends)


class _Known:
    """Addresses by number: equal ones have one, so that alike stages write over what they read in the same places."""

    def __init__(self, plan: Plan, flat: bool) -> None:
        self.plan, self.flat = plan, flat
        self.addresses: dict[Address, int] = {}

    def address(self, slot: int, offset: int) -> str:
        return f"p{self.addresses.setdefault((slot, offset), len(self.addresses))}"

    def type(self, node: Node) -> str:
        """All of a node's type that code is made from."""
        if not self.flat:
            return str(node.type)
        return node.type.dtype if static_size(node.type.shape) > 1 else f"one {node.type.dtype}"

    def operand(self, operand: Node) -> str:
        """An operand from outside: how it is read, and where."""
        base, storage = base_of(operand), self.plan.storage
        if is_free(base):
            given = " ".join(self.address(self.plan.places[n].slot, 0) for n in _given(base))
            return f"[{operand.op} {self.type(operand)} of {id(base)} {given}]"
        if storage.is_counter(base):
            return f"[{operand.op} {self.type(operand)} of the counter]"
        view, place = view_of(operand, storage), self.plan.places[base]
        assert view is not None, f"{operand} was not materialized"
        at = self.address(place.slot, place.offset + view.offset * ITEMSIZE[operand.type.dtype])
        if self.flat:
            return f"[{self.type(operand)} {at}]"
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
