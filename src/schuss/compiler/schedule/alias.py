"""Where a step's new state is written: in place of the old one where no later group reads that.

Elsewhere it is made beside it and copied over at the end of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

from schuss.compiler.passes.nodes import make
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.structure import base_of, reads, written_over
from schuss.ir.graph import Node


def update_in_place(groups: Sequence[Group], state: Mapping[Node, Node]) -> tuple[tuple[Group, ...], dict[Node, Node]]:
    """(the groups, with those that copy at the end, which value is written where an old state was).

    state: for each old state its new value.
    """
    groups = _readers_first(groups, state)
    home, readers = _homes(groups), _readers(groups, state)
    cells: dict[Node, Node] = {}
    copies: list[Group] = []
    for old, new in state.items():
        at = home[new]
        safe = all(r < at or (r == at and _reads_in_step(groups[r], old)) for r in readers[old])
        if safe and new in groups[at].stores:
            cells[new] = old
        else:
            copied = make("identity", new, like=new)
            cells[copied] = old
            copies.append(Group(Form.MAP, new.type.shape, maps=(copied,), stores=(copied,)))
    return (*groups, *copies), cells


def _readers_first(groups: Sequence[Group], state: Mapping[Node, Node]) -> Sequence[Group]:
    """The groups, those that read an old state before the one that makes its new value, unless they need that one.

    Then the state can be updated in place.
    """
    home, readers = _homes(groups), _readers(groups, state)
    late = [(r, home[new]) for old, new in state.items() for r in readers[old] if r > home[new]]
    if not late:
        return groups
    before = [{home[base_of(o)] for _, _, o in g.operands if base_of(o) in home} for g in groups]
    after: list[list[int]] = [[] for _ in groups]
    for at, earlier in enumerate(before):
        for b in earlier:
            after[b].append(at)
    for reader, update in late:
        if reader not in before[update] and not _leads(update, reader, after):
            before[update].add(reader)
            after[reader].append(update)
    return [groups[at] for at in _topological(before, after)]


def _leads(start: int, end: int, after: Sequence[Iterable[int]]) -> bool:
    """Whether the group at `end` follows the one at `start`. What follows an update is little."""
    seen, waiting = {start}, [start]
    while waiting:
        for at in after[waiting.pop()]:
            if at == end:
                return True
            if at not in seen:
                seen.add(at)
                waiting.append(at)
    return False


def _topological(before: Sequence[set[int]], after: Sequence[Iterable[int]]) -> list[int]:
    """Each number after those it follows, the least of those that can come next first."""
    left = [len(earlier) for earlier in before]
    ready = [at for at, count in enumerate(left) if not count]
    heapify(ready)
    order: list[int] = []
    while ready:
        order.append(heappop(ready))
        for at in after[order[-1]]:
            left[at] -= 1
            if not left[at]:
                heappush(ready, at)
    return order


def _homes(groups: Sequence[Group]) -> dict[Node, int]:
    """The number of the group that makes each value."""
    return {node: at for at, group in enumerate(groups) for node in group.nodes}


def _readers(groups: Sequence[Group], state: Mapping[Node, Node]) -> dict[Node, list[int]]:
    """The numbers of the groups that read each old state."""
    found: dict[Node, list[int]] = {old: [] for old in state}
    for at, group in enumerate(groups):
        for base in {base_of(o) for _, _, o in group.operands} & found.keys():
            found[base].append(at)
    return found


def _reads_in_step(group: Group, value: Node) -> bool:
    """Whether the group reads the value only at the very place it is about to write, or leaves it there."""
    readers = [(n, i, o) for n, i, o in group.operands if base_of(o) is value]
    if group.form not in (Form.MAP, Form.CONTRACT):
        return all(o is value and i == written_over(n) for n, i, o in readers)
    whole = any(a is not None and a.whole for a in (reads(n)[i] for n, i, _ in readers))
    return not whole and all(
        n is not group.anchor and o is value and o.type.shape == group.space for n, _, o in readers
    )
