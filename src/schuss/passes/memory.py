"""The plan: where each stored value lives, how each group is shared among threads, where threads meet.

Threads divide elements of a group's result, never a sum, so a thread count changes no bits:

    rows    the example axis: thread t takes rows n*t/T .. n*(t+1)/T of each such group, so a row's values
            stay with one thread from the gather to the loss and back, and no barrier lies between
    columns the last axis of a product whose right operand is large beside the rows of its left one: each thread
            reads its own part of the weights, where by rows each would read them all, but meets the others for it;
            and the last axis of the gradient of these weights, if the thread that changes them is to read them forward;
            and of a product that turns its right operand, so that each column is turned once
    split   the first axis, of static length: other weight gradients with the update in their epilogue
    one     thread 0: scalars and small things

A barrier is put before a group that touches what another group touched under a different division
since the last barrier (one of the two writing). The state is updated in place where no later group
reads the old value; elsewhere the new one is made beside it and copied over at the end of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from heapq import heappop, heappush
from operator import or_

from schuss.ir.graph import Graph, Node
from schuss.ir.types import Shape, Sym, static_size
from schuss.passes.build import make
from schuss.passes.fusion import Form, Group, base_of, is_free, is_rowwise
from schuss.passes.materialize import FEW_ROWS
from schuss.passes.storage import DEEP, ITEMSIZE, LARGE, LINE, Storage
from schuss.passes.views import is_view, view_of

SPLIT_MAP = 4096  # elements: below this a map or copy is not worth sharing
LARGER = 16  # times the left operand is a LARGE right one, from which on their product is divided by columns
PAIR = 32  # columns: a thread's part of those is a multiple of two vectors of the widest kind

Division = tuple[str, int]
ONE: Division = ("one", 0)
ROWS: Division = ("rows", 0)


@dataclass(frozen=True)
class Place:
    """Byte offset within a slot of the pointer table; slot 0 is the arena."""

    slot: int
    offset: int = 0


@dataclass(frozen=True)
class Stage:
    """A group, its division among threads and whether the threads meet before it.

    deep: a product's sums go in blocks, and its store holds what they are so far
    packs: a product turns its right operand, which lies transposed, a panel of columns at a time into its room
    """

    group: Group
    division: Division
    barrier: bool
    deep: bool = False
    packs: bool = False


@dataclass
class Plan:
    """Everything codegen needs to know beside the graph."""

    graph: Graph
    storage: Storage
    stages: list[Stage] = field(default_factory=list)
    places: dict[Node, Place] = field(default_factory=dict)
    rooms: dict[Group, Place] = field(default_factory=dict)  # of the stages that pack
    arena: int = 0


def plan(
    graph: Graph,
    groups: list[Group],
    storage: Storage,
    slots: Mapping[Node, int],
    state: Mapping[Node, Node],
    threads: int,
) -> Plan:
    """Places and barriers for the groups.

    slots: the pointer-table slot of each input, constant and output that has one of its own.
    state: for each state input its new value, an output.
    threads: how many are expected; any number may run the plan.
    """
    result = Plan(graph, storage, places={n: Place(s) for n, s in slots.items()})
    groups = _readers_first(groups, state)
    cells, copies = _update_in_place(groups, state)
    result.places.update({new: result.places[old] for new, old in cells.items()})
    stages = _in_order(groups + copies, cells, storage, threads)
    stages = [_deep(stage, storage.capacity) for stage in stages]
    last_use = _last_uses([stage.group for stage in stages])
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
        for node in [n for n, use in last_use.items() if use == at and n not in graph.outputs]:
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


def _deep(stage: Stage, capacity: int) -> Stage:
    """Long sums for a large batch go block by block, those so far in memory, where the result or the right operand is

    a large matrix: then what a block reads of the operands stays in a core's cache.
    """
    group = stage.group
    if group.form is not Form.CONTRACT or capacity <= DEEP or len(group.space) != 2:
        return stage
    assert group.anchor is not None
    (depth,), (rows, columns) = _depth(group), group.space
    if isinstance(columns, Sym) or columns == 1 or group.anchor in group.stores:
        return stage
    if stage.division[0] == "split" and isinstance(depth, Sym):
        large = static_size((rows, columns))
    elif stage.division == ROWS and not isinstance(depth, Sym) and depth >= DEEP:
        large = depth * columns
    else:
        return stage
    if large * ITEMSIZE[group.anchor.type.dtype] < LARGE:
        return stage
    group.stores.insert(0, group.anchor)
    return replace(stage, deep=True)


def _depth(group: Group) -> Shape:
    assert group.anchor is not None
    return group.anchor.inputs[0].type.shape[-1:]


def _room(group: Group) -> int:
    """Bytes for panels of the right operand: as many as the whole of it, so that each thread has its columns' part."""
    assert group.anchor is not None
    depth, columns = static_size(_depth(group)), static_size(group.space[1:])
    size = depth * -(-columns // PAIR) * PAIR * ITEMSIZE[group.anchor.type.dtype]
    return -(-size // LINE) * LINE


def _in_order(groups: list[Group], cells: Mapping[Node, Node], storage: Storage, threads: int) -> list[Stage]:
    """Each group after those it depends on, those first that need no meeting of the threads.

    So everything that goes by rows is done before the threads meet, and all that waits for it comes after.
    """
    packs = {g for g in groups if _packs(g, storage)}
    by_columns = _by_columns(groups, cells, storage.capacity, threads) | packs
    divisions = {g: _division(g, by_columns) for g in groups}
    accesses = {g: _accesses(g, divisions[g], cells) for g in groups}
    waits = _dependencies(groups, accesses)
    stages: list[Stage] = []
    touched = _Touched()
    waiting = list(groups)
    while waiting:
        ready = [g for g in waiting if not waits[g]]
        chosen = next((g for g in ready if not touched.conflict(accesses[g])), None)
        barrier = chosen is None
        if chosen is None:
            chosen = ready[0]
            touched.clear()
        touched.add(accesses[chosen])
        stages.append(Stage(chosen, divisions[chosen], barrier, packs=chosen in packs))
        waiting.remove(chosen)
        for others in waits.values():
            others.discard(chosen)
    return stages


def _dependencies(groups: list[Group], accesses: Mapping[Group, list[Access]]) -> dict[Group, set[Group]]:
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


def _readers_first(groups: list[Group], state: Mapping[Node, Node]) -> list[Group]:
    """The groups, those that read an old state before the one that makes its new value, unless they need that one.

    Then the state can be updated in place.
    """
    home = {node: at for at, g in enumerate(groups) for node in g.nodes}
    readers = _readers(groups, set(state))
    late = [(r, home[new]) for old, new in state.items() for r in readers[old] if r > home[new]]
    if not late:
        return groups
    direct = [{home[base_of(o)] for _, o in _operands(g) if base_of(o) in home} for g in groups]
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
        for base in {base_of(o) for _, o in _operands(group)} & values:
            found[base].append(at)
    return found


def _update_in_place(groups: list[Group], state: Mapping[Node, Node]) -> tuple[dict[Node, Node], list[Group]]:
    """(which value is written where an old state was, groups that copy the others there at the end)."""
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
    return cells, copies


def _operands(group: Group) -> list[tuple[Node, Node]]:
    """(reader, operand) for everything the group reads from memory."""
    inside = set(group.nodes)
    return [(n, o) for n in group.nodes for o in n.inputs if o not in inside]


def _reads(group: Group, value: Node) -> bool:
    return any(base_of(o) is value for _, o in _operands(group))


def _reads_in_step(group: Group, value: Node) -> bool:
    """Whether the group reads the value only at the very place it is about to write."""
    if group.form not in (Form.MAP, Form.CONTRACT):
        return False
    readers = [(n, o) for n, o in _operands(group) if base_of(o) is value]
    return all(n is not group.anchor and o is value and o.type.shape == group.space for n, o in readers)


def _last_uses(groups: list[Group]) -> dict[Node, int]:
    """The last group that reads each stored value (its own group if none does)."""
    uses: dict[Node, int] = {}
    for at, group in enumerate(groups):
        for node in group.stores:
            uses[node] = at
        for _, operand in _operands(group):
            base = base_of(operand)
            if base in uses:
                uses[base] = at
    return uses


def _division(group: Group, by_columns: set[Group]) -> Division:
    """How threads share the group: see the module's text."""
    shape = group.space
    if group in by_columns:
        return ("columns", static_size(shape[1:]))
    if group.anchor is not None and (group.form is Form.REDUCE or group.anchor.op == "argmax"):
        return ROWS if is_rowwise(shape) and 0 not in group.anchor.attrs["axis"] else ONE
    if group.form is Form.SINGLE:
        return ONE
    if is_rowwise(shape):
        return ONE if any(0 in f.attrs["axis"] for f in group.folds) else ROWS
    big = group.form is Form.CONTRACT or static_size(shape) >= SPLIT_MAP
    if (
        shape
        and big
        and isinstance(shape[0], int)
        and shape[0] > 1
        and not any(0 in f.attrs["axis"] for f in group.folds)
    ):
        return ("split", shape[0])
    return ONE


def _by_columns(groups: list[Group], cells: Mapping[Node, Node], capacity: int, threads: int) -> set[Group]:
    """Products of rows by a matrix that read much more of it than of the rows.

    Where the step changes the matrix, more is enough: the gradient goes by columns too, and what a thread reads of
    the matrix no other has written.
    """
    products = {g: g.anchor.inputs[1] for g in groups if g.anchor is not None and _rows_by_matrix(g)}
    updates = {cells[n]: g for g in groups if g.form is Form.CONTRACT for n in g.stores if n in cells}
    kept = {y for y in products.values() if y in updates and _kept(y, updates[y], capacity, threads)}
    large = {g for g, y in products.items() if _much_larger(g, y, capacity)}
    return large | {g for g, y in products.items() if y in kept} | {updates[y] for y in kept}


def _rows_by_matrix(group: Group) -> bool:
    """Whether it is a product of examples' rows by a matrix that is the same for all."""
    if group.form is not Form.CONTRACT or len(group.space) != 2 or not is_rowwise(group.space):
        return False
    assert group.anchor is not None
    x, y = group.anchor.inputs
    return not y.type.symbolic and is_rowwise(x.type.shape) and isinstance(group.space[1], int)


def _packs(group: Group, storage: Storage) -> bool:
    """Whether the product turns its right operand by panels; for few rows it does so in registers (materialize)."""
    if not _rows_by_matrix(group) or storage.capacity <= FEW_ROWS:
        return False
    assert group.anchor is not None
    matrix = group.anchor.inputs[1]
    view = view_of(matrix, storage)
    return view is not None and view.strides[-1] != 1 and matrix.type.shape[-1] != 1


def _kept(matrix: Node, update: Group, capacity: int, threads: int) -> bool:
    """Whether forward a thread reads less of what others wrote by columns (rows and results) than by rows (weights).

    Sums over more than DEEP examples go by rows, in blocks.
    """
    shape = matrix.type.shape
    if threads == 1 or capacity > DEEP or update.space != shape:
        return False
    rows, columns = static_size(shape[:-1]), static_size(shape[-1:])
    return columns % (threads * PAIR) == 0 and rows * columns >= capacity * (rows + columns)


def _much_larger(group: Group, matrix: Node, capacity: int) -> bool:
    assert group.anchor is not None
    left, right = capacity * static_size(group.anchor.inputs[0].type.shape), static_size(matrix.type.shape)
    return right * ITEMSIZE[matrix.type.dtype] >= LARGE and right >= LARGER * left


def _aligned(reader: Node, operand: Node, group: Group, division: Division) -> bool:
    """Whether a thread reads of the operand only what lies in its own share."""
    if division == ONE:
        return True
    if operand.type.rank + (reader.op == "one_hot") != len(group.space) or not operand.type.shape:
        return False
    if division[0] == "columns" and reader is group.anchor and _rows_by_matrix(group) and operand is reader.inputs[1]:
        return operand is base_of(operand)
    if (
        group.form is Form.CONTRACT
        and reader is group.anchor
        and operand in reader.inputs[1:]  # read whole, x @ x too
        and operand.type.rank == 2
    ):
        return False
    if division == ROWS:
        return is_rowwise(operand.type.shape) and not _may_turn_rows(operand)
    if division[0] == "columns":
        return operand is base_of(operand) and operand.type.shape == group.space and reader is not group.anchor
    return operand is base_of(operand) and operand.type.shape[0] == division[1] and reader is not group.anchor


def _may_turn_rows(operand: Node) -> bool:
    """Whether the operand is a view in which rows may be another axis of the value: one of pairs of examples."""
    if not is_view(operand):
        return False
    return sum(isinstance(d, Sym) for d in operand.type.shape) > 1 or _may_turn_rows(operand.inputs[0])


Access = tuple[Node, Division | None, bool]


def _accesses(group: Group, division: Division, cells: Mapping[Node, Node]) -> list[Access]:
    """(value, division or None if it crosses shares, whether written). A new state is its old one's cell."""
    found: list[Access] = []
    for reader, operand in _operands(group):
        base = base_of(operand)
        if base.op != "const" and not is_free(base):
            share = division if _aligned(reader, operand, group, division) else None
            found.append((cells.get(base, base), share, False))
    return found + [(cells.get(n, n), division, True) for n in group.stores]


def crossing(stage: Stage) -> list[Node]:
    """The values of which a thread reads what lies outside its own share."""
    accesses = _accesses(stage.group, stage.division, {})
    return list(dict.fromkeys(cell for cell, share, writes in accesses if share is None and not writes))


class _Touched:
    """What was touched since the last barrier."""

    def __init__(self) -> None:
        self._seen: dict[Node, list[tuple[Division | None, bool]]] = {}

    def conflict(self, accesses: list[Access]) -> bool:
        for cell, division, writes in accesses:
            for before, wrote in self._seen.get(cell, ()):
                if (writes or wrote) and (division is None or before != division):
                    return True
        return False

    def add(self, accesses: list[Access]) -> None:
        for cell, division, writes in accesses:
            self._seen.setdefault(cell, []).append((division, writes))

    def clear(self) -> None:
        self._seen.clear()


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
