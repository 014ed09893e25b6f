"""The order of the groups, and where barriers lie.

A barrier is put before a group that touches what another group touched under a different partition
since the last barrier (one of the two writing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from schuss.compiler.schedule.fuse import Group
from schuss.compiler.schedule.partition import ONE, ROWS, Partition, is_k_blocked, rows_by_matrix
from schuss.compiler.structure import base_of, is_const, is_free, is_rowwise, is_view, reads, written_over
from schuss.compiler.tuning import Tuning
from schuss.ir.graph import Node
from schuss.ir.types import Sym

Access = tuple[Node, Partition | None, bool]


@dataclass(frozen=True)
class Stage:
    """A group, its partition among threads and whether a barrier lies before it.

    k_blocked: a product's sums go in blocks of its k axis, and its store holds what they are so far
    packs: a product packs its right operand, which lies transposed, a panel at a time into its packing buffer
    """

    group: Group
    partition: Partition
    barrier: bool
    k_blocked: bool = False
    packs: bool = False


def in_order(
    groups: Sequence[Group],
    cells: Mapping[Node, Node],
    partitions: Mapping[Group, Partition],
    packs: AbstractSet[Group],
    capacity: int,
    tuning: Tuning,
) -> tuple[Stage, ...]:
    """Each group after those it depends on, those first that need no barrier.

    So everything that goes by rows is done before a barrier, and all that waits for it comes after.
    """
    accesses = {g: _accesses(g, partitions[g], cells) for g in groups}
    waits = _dependencies(groups, accesses)
    number = {g: i for i, g in enumerate(groups)}
    followers: dict[Group, list[int]] = {g: [] for g in groups}
    for group, earlier in waits.items():
        for g in earlier:
            followers[g].append(number[group])
    left = [len(waits[g]) for g in groups]
    ready = [i for i, count in enumerate(left) if not count]  # a heap
    waiting: list[int] = []  # those of them that wait for a barrier; more that is touched frees none of them
    stages: list[Stage] = []
    touched = _Touched()
    while ready or waiting:
        barrier = not ready
        if barrier:
            touched.clear()
            ready, waiting = sorted(waiting), []
        at = heappop(ready)
        chosen = groups[at]
        if touched.conflict(accesses[chosen]):
            waiting.append(at)
            continue
        touched.add(accesses[chosen])
        k_blocked = is_k_blocked(chosen, partitions[chosen], capacity, tuning)
        stages.append(_stage(chosen, partitions[chosen], barrier, k_blocked, chosen in packs))
        for follower in followers[chosen]:
            left[follower] -= 1
            if not left[follower]:
                heappush(ready, follower)
    return tuple(stages)


def _stage(group: Group, partition: Partition, barrier: bool, k_blocked: bool, packs: bool) -> Stage:
    if k_blocked:
        assert group.anchor is not None
        group = replace(group, stores=(group.anchor, *group.stores))
    return Stage(group, partition, barrier, k_blocked, packs)


def _dependencies(groups: Sequence[Group], accesses: Mapping[Group, list[Access]]) -> dict[Group, set[Group]]:
    """The earlier groups each must follow: one of the two writes what the other touches."""
    waits: dict[Group, set[Group]] = {g: set() for g in groups}
    writers: dict[Node, list[Group]] = {}
    readers: dict[Node, list[Group]] = {}
    for group in groups:
        for cell, _, writes in accesses[group]:
            waits[group].update(writers.get(cell, ()))
            if writes:
                waits[group].update(readers.get(cell, ()))
        for cell, _, writes in accesses[group]:
            (writers if writes else readers).setdefault(cell, []).append(group)
        waits[group].discard(group)
    return waits


def _accesses(group: Group, partition: Partition, cells: Mapping[Node, Node]) -> list[Access]:
    """(value, partition or None if it crosses shares, whether written). A new state is its old one's cell."""
    found: list[Access] = []
    for reader, number, operand in group.operands:
        base = base_of(operand)
        if not is_const(base) and not is_free(base):
            share = partition if _aligned(reader, number, group, partition) else None
            found.append((cells.get(base, base), share, False))
    return found + [(cells.get(n, n), partition, True) for n in group.stores]


def accesses_of(stage: Stage, cells: Mapping[Node, Node]) -> list[Access]:
    """What the stage touches, and how. cells: which old state each new one is written over."""
    return _accesses(stage.group, stage.partition, cells)


def crossing(stage: Stage) -> list[Node]:
    """The values of which a thread reads what lies outside its own share."""
    accesses = accesses_of(stage, {})
    return list(dict.fromkeys(cell for cell, share, writes in accesses if share is None and not writes))


def _aligned(reader: Node, number: int, group: Group, partition: Partition) -> bool:
    """Whether a thread reads of the operand only what lies in its own share."""
    if partition == ONE:
        return True
    operand, access = reader.inputs[number], reads(reader)[number]
    if number == written_over(reader):  # each thread its own part of the result
        return operand is base_of(operand)
    if access is None or access.whole or access.through is not None or not access.axes:
        return False
    anchor = reader is group.anchor
    unmoved = operand is base_of(operand)
    if partition == ROWS:
        return access.axes[0] == 0 and is_rowwise(operand.type.shape) and not _may_turn_rows(operand)
    if partition[0] == "columns":
        if anchor:  # the matrix, of which each thread reads its own columns
            return unmoved and number == 1 and rows_by_matrix(group)
        return unmoved and operand.type.shape == group.space
    if partition[1] != group.space[0]:  # several axes are shared as one
        return unmoved and not anchor and operand.type.shape == group.space
    return unmoved and not anchor and access.axes[0] == 0 and operand.type.rank == len(group.space)


def _may_turn_rows(operand: Node) -> bool:
    """Whether the operand is a view in which rows may be another axis of the value: one of pairs of examples."""
    while is_view(operand):
        if sum(isinstance(d, Sym) for d in operand.type.shape) > 1:
            return True
        operand = operand.inputs[0]
    return False


class _Touched:
    """What was touched since the last barrier."""

    def __init__(self) -> None:
        self._seen: dict[Node, set[tuple[Partition | None, bool]]] = {}

    def conflict(self, accesses: list[Access]) -> bool:
        for cell, partition, writes in accesses:
            for before, wrote in self._seen.get(cell, ()):
                if (writes or wrote) and (partition is None or before != partition):
                    return True
        return False

    def add(self, accesses: list[Access]) -> None:
        for cell, partition, writes in accesses:
            self._seen.setdefault(cell, set()).add((partition, writes))

    def clear(self) -> None:
        self._seen.clear()
