"""The plan: the stages, and where each stored value lives."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schuss.compiler.schedule.cost import Cost, cost
from schuss.compiler.schedule.fuse import Group
from schuss.compiler.schedule.order import Stage
from schuss.compiler.schedule.partition import depth_of
from schuss.compiler.storage import ITEMSIZE, LINE, Storage
from schuss.compiler.structure import base_of, is_const, is_hyperparameter, is_noting, scratch_of
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.ir.graph import Graph, Node
from schuss.ir.types import Sym, static_size

FAULT = 16  # bytes that a check of indices notes a fault in


@dataclass(frozen=True)
class Place:
    """Byte offset within a slot of the pointer table; slot 0 is the arena."""

    slot: int
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that code generation needs to know beside the graph.

    slots   the pointer-table slot of each input, constant and output that has one of its own
    places  of every stored value
    workspaces  of the stages that pack, for panels, and of opaque operations, for their numbers (Op.scratch)
    tuning  by which it was chosen
    faults  where each check of indices notes (row + 1, index), int64: in the slot after all others
    costs   of each stage, with as many examples as there may be
    """

    graph: Graph
    storage: Storage
    slots: Mapping[Node, int]
    stages: tuple[Stage, ...]
    places: Mapping[Node, Place] = field(default_factory=dict)
    workspaces: Mapping[Group, Place] = field(default_factory=dict)
    faults: Mapping[Node, Place] = field(default_factory=dict)
    arena: int = 0
    tuning: Tuning = DEFAULT
    costs: tuple[Cost, ...] = ()

    @property
    def looks(self) -> bool:
        """Whether it is so large that its code looks, before each kernel, whether it is to be given up."""
        return sum(map(_load, self.costs)) >= self.tuning.looks

    def looks_in(self, number: int) -> bool:
        """Whether this stage's kernel is so large that it looks meanwhile."""
        return _load(self.costs[number]) >= self.tuning.looks

    @property
    def stop(self) -> int:
        """The last slot, of two int64: whether to give up, and 1 + the number of the step that was given up."""
        return 1 + len(self.slots) + bool(self.faults)


def _load(cost: Cost) -> float:
    """Operations or bytes, whichever are more."""
    return max(cost.flops, cost.bytes)


def place(
    graph: Graph,
    storage: Storage,
    stages: Sequence[Stage],
    cells: Mapping[Node, Node],
    unkept: Iterable[Node],
    tuning: Tuning,
) -> Plan:
    """The plan of the stages.

    cells: for each new state that is written in place of the old one, or copied there, the old one.
    unkept: outputs that need no place of the caller's.
    """
    slots = _slots(graph, set(unkept))
    checks = [n for n in graph.nodes if is_noting(n)]
    faults = {n: Place(1 + len(slots), FAULT * i) for i, n in enumerate(checks)}
    places = {n: Place(s) for n, s in slots.items()}
    places |= {new: places[old] for new, old in cells.items()}
    workspaces: dict[Group, Place] = {}
    arena, ends = _Arena(), _ends(graph, stages)
    for at, stage in enumerate(stages):
        if stage.barrier:
            arena.barrier()
        for node in reversed(stage.group.stores):
            host = _host_of_sums(node, stage, places)
            if host is not None:
                places[node] = places[host]
            elif node not in places:
                places[node] = Place(0, arena.take(node, storage.bytes(node)))
        size = _packing_bytes(stage.group, tuning.column_unit) if stage.packs else _scratch_bytes(stage.group, storage)
        if size:
            workspaces[stage.group] = Place(0, arena.take(stage.group, size))
            arena.give(stage.group)
        for node in ends.get(at, ()):
            arena.give(node)
    costs = tuple(cost(stage.group, storage.capacity) for stage in stages)
    return Plan(graph, storage, slots, tuple(stages), places, workspaces, faults, arena.size, tuning, costs)


def _slots(graph: Graph, unkept: set[Node]) -> dict[Node, int]:
    """Inputs, what is read where it lies, and outputs of the caller's each have one; slot 0 is the arena."""
    owned = [*graph.inputs, *(n for n in graph.nodes if is_given(n)), *(o for o in graph.outputs if o not in unkept)]
    return {node: i for i, node in enumerate(owned, start=1)}


def is_given(node: Node) -> bool:
    """Whether the code reads the node's value where it lies when it runs, whatever it is."""
    return is_hyperparameter(node) or (is_const(node) and node.attrs["value"].size != 1)


def _host_of_sums(node: Node, stage: Stage, places: Mapping[Node, Place]) -> Node | None:
    """A result of the kernel in whose place a k-blocked product's sums can wait, if this node is these sums."""
    if not stage.k_blocked or node is not stage.group.anchor:
        return None
    others = [n for n in stage.group.stores if n is not node and n.type == node.type]
    return next((n for n in others if places[n].slot == 0), None)


def _packing_bytes(group: Group, unit: int) -> int:
    """Bytes for panels of the right operand: as many as the whole of it, so that each thread has its columns' part."""
    assert group.anchor is not None
    depth, columns = static_size(depth_of(group)), static_size(group.space[1:])
    size = depth * -(-columns // unit) * unit * ITEMSIZE[group.anchor.type.dtype]
    return -(-size // LINE) * LINE


def _scratch_bytes(group: Group, storage: Storage) -> int:
    """Bytes for the numbers that an opaque operation works with."""
    shapes = () if group.anchor is None else scratch_of(group.anchor)
    size = sum(ITEMSIZE["int64"] * math.prod(storage.capacity if isinstance(d, Sym) else d for d in s) for s in shapes)
    return -(-size // LINE) * LINE


def _ends(graph: Graph, stages: Sequence[Stage]) -> dict[int, list[Node]]:
    """The values that no stage after this one needs, by its number. Outputs live on."""
    outputs, ends = set(graph.outputs), dict[int, list[Node]]()
    for node, use in last_uses(stages).items():
        if node not in outputs:
            ends.setdefault(use, []).append(node)
    return ends


def last_uses(stages: Sequence[Stage]) -> dict[Node, int]:
    """The last stage that reads each stored value (its own if none does)."""
    uses: dict[Node, int] = {}
    for at, stage in enumerate(stages):
        for node in stage.group.stores:
            uses[node] = at
        for _, _, operand in stage.group.operands:
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
        self._free: list[tuple[int, int, int]] = []  # size, how many were freed before, offset; ascending
        self._freed = 0

    def take(self, owner: Node | Group, size: int) -> int:
        """The smallest free place that is large enough, and not twice as large; else a new one."""
        at = bisect_left(self._free, (size,))
        if at < len(self._free) and self._free[at][0] <= 2 * size:
            room, _, offset = self._free.pop(at)
        else:
            room, offset = size, self.size
            self.size += size
        self._held[owner] = (offset, room)
        return offset

    def give(self, owner: Node | Group) -> None:
        """Its place may be used again after the next barrier, if it has one of its own."""
        if owner in self._held:
            self._resting.append(self._held.pop(owner))

    def barrier(self) -> None:
        for offset, size in self._resting:
            insort(self._free, (size, self._freed, offset))
            self._freed += 1
        self._resting = []
