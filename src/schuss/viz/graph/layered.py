"""A layered layout, after Sugiyama, Tagawa, Toda, Methods for visual understanding of hierarchical systems (1981).

Boxes stand in rows, each above what it reads; rows of boxes and rows of labels take turns, and a link that passes a row
has a place of its own there, so nothing overlaps. The main line is straight. We have our own because none of the pure
Python libraries reserves room for labels on both sides of a link, keeps a chosen line straight, or lets a link end at a
given point of a box, which the frames of layers need.

Three steps: rows by the longest path; the order within rows by barycentres; places by sweeps that move every row as
near to its neighbours as its order allows (a least-squares problem, solved exactly by pooling adjacent violators).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

GAP = 18.0  # between neighbours in a row
CHANNEL = 9.0  # between rows
TRACK = 16.0  # for each link that moves aside between two rows
PORT = 30.0  # between links that end at one box
SWEEPS = 8
_Point = tuple[float, float]


@dataclass(eq=False)
class Box:
    """left, right: extents around the point where its main link ends; body: half the width links may end on.

    foot: stands in the lowest row; head: in the highest. side: -1 or 1 where it may stand left or right of the main
    line. x, y: its place, y from the top to its middle.
    """

    left: float
    right: float
    height: float
    body: float = 0.0
    main: bool = False
    side: int = 0
    foot: bool = False
    head: bool = False
    x: float = 0.0
    y: float = 0.0
    rank: int = 0


@dataclass(eq=False)
class Link:
    """From a box to one above it. label: extents (left, right, height) to keep free around it once.

    source_x, target_x: where it ends, from the box's x; None: chosen here. points: its corners from below upwards.
    """

    source: Box
    target: Box
    main: bool = False
    side: int = 0
    label: tuple[float, float, float] = (0.0, 0.0, 0.0)
    source_x: float | None = None
    target_x: float | None = None
    points: list[_Point] = field(default_factory=list)
    label_at: _Point = (0.0, 0.0)


@dataclass(eq=False)
class _Slot:
    """A place in a row: a box, or a link that passes."""

    row: int
    left: float
    right: float
    height: float
    main: bool
    side: int
    box: Box | None = None
    x: float = 0.0
    line: float | None = None  # where the link that passes here runs, once it is straight
    below: list[tuple[_Slot, _End]] = field(default_factory=list)
    above: list[tuple[_Slot, _End]] = field(default_factory=list)


@dataclass(eq=False)
class _End:
    """A step of a link from a slot to the one above: where it ends on each, from their x."""

    link: Link
    low: float = 0.0
    high: float = 0.0


def place(boxes: Sequence[Box], links: Sequence[Link]) -> tuple[float, float, float]:
    """Set the places of boxes, given each after what it reads, and links. Returns (left, right, height) of all."""
    _rank(boxes, links)
    rows, chains = _slots(boxes, links)
    _order(rows)
    passing = [chain[1:-1] for chain in chains.values() if len(chain) > 3 and not chain[1].main]
    for _ in range(2):
        _ports(rows)
        _settle(rows)
        _straighten(rows, passing)
    _ports(rows)
    height = _heights(rows, chains)
    slots = [s for r in rows for s in r]
    return (
        max((s.left - s.x for s in slots), default=0.0),
        max((s.right + s.x for s in slots), default=0.0),
        height,
    )


# -- rows ----------------------------------------------------------------------------------------------


def _rank(boxes: Sequence[Box], links: Sequence[Link]) -> None:
    into: dict[Box, list[Link]] = {b: [] for b in boxes}
    out: dict[Box, list[Link]] = {b: [] for b in boxes}
    for link in links:
        into[link.target].append(link)
        out[link.source].append(link)
    low = 1 if any(b.foot for b in boxes) else 0
    for box in boxes:
        box.rank = 0 if box.foot else max([low, *(link.source.rank + 1 for link in into[box])])
    top = max((b.rank for b in boxes if not b.head), default=0)
    for box in boxes:
        if box.head:
            box.rank = top + 1
    for box in reversed(boxes):  # what feeds only later rows stands near them
        if not box.foot and not box.head and not box.main and len(out[box]) > len(into[box]):
            box.rank = min(link.target.rank for link in out[box]) - 1


def _slots(boxes: Sequence[Box], links: Sequence[Link]) -> tuple[list[list[_Slot]], dict[Link, list[_Slot]]]:
    rows: list[list[_Slot]] = [[] for _ in range(2 * max((b.rank for b in boxes), default=0) + 1)]
    own: dict[Box, _Slot] = {}
    for box in boxes:
        own[box] = _Slot(2 * box.rank, box.left, box.right, box.height, box.main, box.side, box)
        rows[2 * box.rank].append(own[box])
    chains: dict[Link, list[_Slot]] = {}
    for link in links:
        chain = [own[link.source]]
        for row in range(2 * link.source.rank + 1, 2 * link.target.rank):
            extents = link.label if row == 2 * link.source.rank + 1 else (0.0, 0.0, 0.0)
            side = link.side or link.source.side or link.target.side
            left, right, height = max(extents[0], 8.0), max(extents[1], 8.0), extents[2]
            slot = _Slot(row, left, right, height, link.main, 0 if link.main else side)
            rows[row].append(slot)
            chain.append(slot)
        chain.append(own[link.target])
        for a, b in pairwise(chain):
            end = _End(link)
            a.above.append((b, end))
            b.below.append((a, end))
        chains[link] = chain
    return rows, chains


# -- order ---------------------------------------------------------------------------------------------


def _pack(row: list[_Slot]) -> None:
    """Side by side in their order, the main line at 0."""
    x = 0.0
    for i, slot in enumerate(row):
        x += (row[i - 1].right + GAP + slot.left) if i else 0.0
        slot.x = x
    zero = next((s.x for s in row if s.main), x / 2)
    for slot in row:
        slot.x -= zero


def _order(rows: list[list[_Slot]]) -> None:
    for row in rows:
        row.sort(key=lambda s: 0 if s.main else s.side)
        _pack(row)
    best, fewest = [list(r) for r in rows], _crossings(rows)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        upwards = sweep % 2 == 0
        for row in rows if upwards else reversed(rows):
            row.sort(key=lambda s: (_barycentre(s, upwards), s.side))
            _pack(row)
        found = _crossings(rows)
        if found < fewest:
            best, fewest = [list(r) for r in rows], found
    for row, order in zip(rows, best, strict=True):
        row[:] = order
        _pack(row)


def _barycentre(slot: _Slot, from_below: bool) -> float:
    near = slot.below if from_below else slot.above
    if slot.main or not near:
        return slot.x
    return sum(s.x for s, _ in near) / len(near)


def _crossings(rows: list[list[_Slot]]) -> int:
    total = 0
    for row in rows:
        steps = sorted((s.x, t.x) for s in row for t, _ in s.above)
        for i, (a, b) in enumerate(steps):
            total += sum(1 for c, d in steps[i + 1 :] if c > a and d < b)
    return total


# -- places --------------------------------------------------------------------------------------------


def _settle(rows: list[list[_Slot]]) -> None:
    if all(len(row) <= 1 and all(s.main for s in row) for row in rows):
        return
    for _ in range(SWEEPS):
        for row in rows:
            _move(row)
        for row in reversed(rows):
            _move(row)


def _move(row: list[_Slot]) -> None:
    """Every slot as near to where its neighbours want it as the order and the sizes allow."""
    offsets, x = [], 0.0
    for i, slot in enumerate(row):
        x += (row[i - 1].right + GAP + slot.left) if i else 0.0
        offsets.append(x)
    blocks: list[tuple[float, float, int]] = []  # (wanted, weight, how many)
    for slot, offset in zip(row, offsets, strict=True):
        wanted, weight = _wish(slot)
        block = (wanted - offset, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            w, m, n = blocks.pop()
            block = ((w * m + block[0] * block[1]) / (m + block[1]), m + block[1], n + block[2])
        blocks.append(block)
    placed = [w for w, _, n in blocks for _ in range(n)]
    for slot, offset, w in zip(row, offsets, placed, strict=True):
        slot.x = w + offset


def _straighten(rows: list[list[_Slot]], passing: Sequence[Sequence[_Slot]]) -> None:
    """Links over several rows become straight, as far out as the widest row that they pass wants them."""
    if not passing:
        return
    for _ in range(SWEEPS):
        bent = 0.0
        for chain in passing:
            places = [s.x for s in chain]
            bent = max(bent, max(places) - min(places))
            line = max(places) if sum(places) > 0 else min(places)
            for slot in chain:
                slot.line = line
        if bent < 0.5:
            break
        for row in rows:
            _move(row)
    for chain in passing:
        for slot in chain:
            slot.line = None


def _wish(slot: _Slot) -> tuple[float, float]:
    if slot.main:
        return 0.0, 1e9
    if slot.line is not None:
        return slot.line, 1e6
    total = weight = 0.0
    for near, end in slot.below:
        w = _pull(slot, near)
        total, weight = total + w * (near.x + end.low - end.high), weight + w
    for near, end in slot.above:
        w = _pull(slot, near)
        total, weight = total + w * (near.x + end.high - end.low), weight + w
    return (total / weight, weight) if weight else (slot.x, 0.01)


def _pull(a: _Slot, b: _Slot) -> float:
    """Long links rather straight than short."""
    return {0: 8.0, 1: 2.0, 2: 1.0}[(a.box is not None) + (b.box is not None)]


def _ports(rows: list[list[_Slot]]) -> None:
    """Where links end on boxes: the main one in the middle, the others beside it in the order in which they go on."""
    for slot in (s for row in rows for s in row if s.box is not None):
        _spread(slot, [(near, end, end.link.source_x) for near, end in slot.above], upper=True)
        _spread(slot, [(near, end, end.link.target_x) for near, end in slot.below], upper=False)


def _spread(slot: _Slot, ends: list[tuple[_Slot, _End, float | None]], upper: bool) -> None:
    assert slot.box is not None
    free = sorted((e for e in ends if e[2] is None), key=lambda e: (e[0].x, e[1].link.side))
    main = next((i for i, (_, end, _) in enumerate(free) if end.link.main), (len(free) - 1) / 2)
    room = max(0.0, slot.box.body - 12.0)
    pitch = min(PORT, room / max(1.0, main, len(free) - 1 - main))
    for i, (_, end, _) in enumerate(free):
        _set(end, (i - main) * pitch, upper)
    for _, end, fixed in ends:
        if fixed is not None:
            _set(end, fixed, upper)


def _set(end: _End, offset: float, upper: bool) -> None:
    if upper:
        end.low = offset
    else:
        end.high = offset


# -- heights -------------------------------------------------------------------------------------------


def _heights(rows: list[list[_Slot]], chains: dict[Link, list[_Slot]]) -> float:
    """The heights of rows and of the bends between them; sets the places. Returns the whole height."""
    tall = [max((s.height for s in row), default=0.0) for row in rows]
    bends = [_tracks(row) for row in rows]  # of the steps above each row
    gaps = [(TRACK * (1 + max(b.values())) if b else 0.0) for b in bends]
    for i in range(len(rows) - 1):  # less where nothing is written between two rows of boxes
        gaps[i] += CHANNEL if (tall[i] and tall[i + 1]) else CHANNEL * 0.7
    total = sum(tall) + sum(gaps)
    bottom, tops, middles = total, [], []
    for h, gap in zip(tall, gaps, strict=True):
        middles.append(bottom - h / 2)
        tops.append(bottom - h)
        bottom -= h + gap
    for row, middle in zip(rows, middles, strict=True):
        for slot in row:
            if slot.box is not None:
                slot.box.x, slot.box.y = slot.x, middle
    for link, chain in chains.items():
        _route(link, chain, bends, tops, middles)
    return total


def _tracks(row: list[_Slot]) -> dict[_End, int]:
    """A track for each step upwards that moves aside, so that no two run on each other."""
    steps = []
    for slot in row:
        for near, end in slot.above:
            a, b = slot.x + end.low, near.x + end.high
            if abs(a - b) > 0.5:
                steps.append((a, b, end))
    # to the right: the leftmost highest; to the left: the rightmost highest; so that few cross
    steps.sort(key=lambda s: -s[0] if s[1] > s[0] else s[0])
    tracks: dict[_End, int] = {}
    taken: list[list[tuple[float, float]]] = []
    for a, b, end in steps:
        low, high = min(a, b) - TRACK, max(a, b) + TRACK
        busy = [i for i, spans in enumerate(taken) if any(low < b and a < high for a, b in spans)]
        track = max(busy, default=-1) + 1
        if track == len(taken):
            taken.append([])
        taken[track].append((low, high))
        tracks[end] = track
    return tracks


def _route(
    link: Link, chain: list[_Slot], bends: list[dict[_End, int]], tops: list[float], middles: list[float]
) -> None:
    points: list[_Point] = []
    for slot in chain[:-1]:
        near, end = next((n, e) for n, e in slot.above if e.link is link)
        a, b = slot.x + end.low, near.x + end.high
        if not points:
            points.append((a, middles[slot.row] - slot.height / 2))
        if end in bends[slot.row]:
            y = tops[slot.row] - CHANNEL * 0.35 - TRACK * (bends[slot.row][end] + 0.5)
            points += [(a, y), (b, y)]
        if near is chain[-1]:
            points.append((b, middles[near.row] + near.height / 2))
    link.points = points
    link.label_at = (chain[1].x, middles[chain[1].row])
