"""The plan: the stages, and where each stored value lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schuss.compiler.schedule.alias import update_in_place
from schuss.compiler.schedule.fuse import Group
from schuss.compiler.schedule.order import Stage, in_order
from schuss.compiler.schedule.partition import PAIR, depth_of
from schuss.compiler.storage import ITEMSIZE, LINE, Storage
from schuss.compiler.structure import base_of
from schuss.ir.graph import Graph, Node
from schuss.ir.types import static_size

FAULT = 16  # bytes that a check of indices notes a fault in


@dataclass(frozen=True)
class Place:
    """Byte offset within a slot of the pointer table; slot 0 is the arena."""

    slot: int
    offset: int = 0


@dataclass
class Plan:
    """Everything that code generation needs to know beside the graph."""

    graph: Graph
    storage: Storage
    stages: list[Stage] = field(default_factory=list)
    places: dict[Node, Place] = field(default_factory=dict)
    rooms: dict[Group, Place] = field(default_factory=dict)  # of the stages that pack
    faults: dict[Node, Place] = field(default_factory=dict)  # where each check_index notes (row + 1, index), int64
    arena: int = 0


def plan(
    graph: Graph,
    groups: list[Group],
    storage: Storage,
    slots: Mapping[Node, int],
    checks: Sequence[Node],
    state: Mapping[Node, Node],
    threads: int,
) -> Plan:
    """Places and barriers for the groups.

    slots: the pointer-table slot of each input, constant and output that has one of its own.
    checks: the nodes that look whether indices are in range; what they note has the slot after the others.
    state: for each state input its new value, an output.
    threads: how many are expected; any number may run the plan.
    """
    result = Plan(graph, storage, places={n: Place(s) for n, s in slots.items()})
    result.faults = {n: Place(1 + len(slots), FAULT * i) for i, n in enumerate(checks)}
    groups, cells = update_in_place(groups, state)
    result.places.update({new: result.places[old] for new, old in cells.items()})
    stages = in_order(groups, cells, storage, threads)
    outputs, ends = set(graph.outputs), dict[int, list[Node]]()
    for node, use in _last_uses([stage.group for stage in stages]).items():
        if node not in outputs:
            ends.setdefault(use, []).append(node)
    arena = _Arena()
    for at, stage in enumerate(stages):
        if stage.barrier:
            arena.barrier()
        for node in reversed(stage.group.stores):
            host = _host_of_sums(node, stage, result.places)
            if host is not None:
                result.places[node] = result.places[host]
            elif node not in result.places:
                result.places[node] = Place(0, arena.take(node, storage.bytes(node)))
        if stage.packs:
            result.rooms[stage.group] = Place(0, arena.take(stage.group, _room(stage.group)))
            arena.give(stage.group)
        for node in ends.get(at, ()):
            arena.give(node)
    result.stages = stages
    result.arena = arena.size
    return result


def _host_of_sums(node: Node, stage: Stage, places: Mapping[Node, Place]) -> Node | None:
    """A result of the kernel in whose place a deep product's sums can wait, if this node is these sums."""
    if not stage.deep or node is not stage.group.anchor:
        return None
    others = [n for n in stage.group.stores if n is not node and n.type == node.type]
    return next((n for n in others if places[n].slot == 0), None)


def _room(group: Group) -> int:
    """Bytes for panels of the right operand: as many as the whole of it, so that each thread has its columns' part."""
    assert group.anchor is not None
    depth, columns = static_size(depth_of(group)), static_size(group.space[1:])
    size = depth * -(-columns // PAIR) * PAIR * ITEMSIZE[group.anchor.type.dtype]
    return -(-size // LINE) * LINE


def _last_uses(groups: list[Group]) -> dict[Node, int]:
    """The last group that reads each stored value (its own group if none does)."""
    uses: dict[Node, int] = {}
    for at, group in enumerate(groups):
        for node in group.stores:
            uses[node] = at
        for _, _, operand in group.operands:
            base = base_of(operand)
            if base in uses:
                uses[base] = at
    return uses


class _Arena:
    """Offsets in one block of memory; a place is used again once its value is dead and a barrier has passed."""

    def __init__(self) -> None:
        self.size = 0
        self._held: dict[Node | Group, tuple[int, int]] = {}
        self._resting: list[tuple[int, int]] = []
        self._free: list[tuple[int, int]] = []

    def take(self, owner: Node | Group, size: int) -> int:
        fits = [f for f in self._free if size <= f[1] <= 2 * size]
        if fits:
            best = min(fits, key=lambda f: f[1])
            self._free.remove(best)
        else:
            best = (self.size, size)
            self.size += size
        self._held[owner] = best
        return best[0]

    def give(self, owner: Node | Group) -> None:
        """Its place may be used again after the next barrier, if it has one of its own."""
        if owner in self._held:
            self._resting.append(self._held.pop(owner))

    def barrier(self) -> None:
        self._free += self._resting
        self._resting = []
