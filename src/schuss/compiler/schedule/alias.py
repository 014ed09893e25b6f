"""Where a step's new state is written: in place of the old one where no later group reads that.

Elsewhere it is made beside it and copied over at the end of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from heapq import heappop, heappush
from operator import or_

from schuss.compiler.passes.nodes import make
from schuss.compiler.schedule.fuse import Form, Group
from schuss.compiler.structure import base_of
from schuss.ir.graph import Node


def update_in_place(groups: list[Group], state: Mapping[Node, Node]) -> tuple[list[Group], dict[Node, Node]]:
    """(the groups, with those that copy at the end, which value is written where an old state was).

    state: for each old state its new value.
    """
    groups = _readers_first(groups, state)
    cells: dict[Node, Node] = {}
    copies: list[Group] = []
    for old, new in state.items():
        home = next(i for i, g in enumerate(groups) if new in g.nodes)
        safe = all(i < home or (i == home and _reads_in_step(g, old)) for i, g in enumerate(groups) if _reads(g, old))
        if safe and new in groups[home].stores:
            cells[new] = old
        else:
            copied = make("identity", new, like=new)
            cells[copied] = old
            copies.append(Group(Form.MAP, new.type.shape, maps=[copied], stores=[copied]))
    return groups + copies, cells


def _readers_first(groups: list[Group], state: Mapping[Node, Node]) -> list[Group]:
    """The groups, those that read an old state before the one that makes its new value, unless they need that one.

    Then the state can be updated in place.
    """
    home = {node: at for at, g in enumerate(groups) for node in g.nodes}
    readers = _readers(groups, set(state))
    late = [(r, home[new]) for old, new in state.items() for r in readers[old] if r > home[new]]
    if not late:
        return groups
    direct = [{home[base_of(o)] for _, _, o in g.operands if base_of(o) in home} for g in groups]
    needs: list[int] = []  # of each group, all it follows, as bits
    for before in direct:
        needs.append(reduce(or_, (needs[b] | 1 << b for b in before), 0))
    for reader, update in late:
        if not needs[reader] >> update & 1:
            direct[update].add(reader)
            more = needs[reader] | 1 << reader
            needs = [n | more if at == update or n >> update & 1 else n for at, n in enumerate(needs)]
    order: list[int] = []
    followers: list[list[int]] = [[] for _ in groups]
    for at, before in enumerate(direct):
        for b in before:
            followers[b].append(at)
    left = [len(before) for before in direct]
    ready = [at for at, count in enumerate(left) if not count]
    while ready:
        order.append(heappop(ready))
        for at in followers[order[-1]]:
            left[at] -= 1
            if not left[at]:
                heappush(ready, at)
    return [groups[at] for at in order]


def _readers(groups: list[Group], values: set[Node]) -> dict[Node, list[int]]:
    """The numbers of the groups that read each value."""
    found: dict[Node, list[int]] = {value: [] for value in values}
    for at, group in enumerate(groups):
        for base in {base_of(o) for _, _, o in group.operands} & values:
            found[base].append(at)
    return found


def _reads(group: Group, value: Node) -> bool:
    return any(base_of(o) is value for _, _, o in group.operands)


def _reads_in_step(group: Group, value: Node) -> bool:
    """Whether the group reads the value only at the very place it is about to write."""
    if group.form not in (Form.MAP, Form.CONTRACT):
        return False
    readers = [(n, o) for n, _, o in group.operands if base_of(o) is value]
    return all(n is not group.anchor and o is value and o.type.shape == group.space for n, o in readers)
