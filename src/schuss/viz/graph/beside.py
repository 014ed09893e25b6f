"""Boxes with the inputs that stand beside them: how much room they take together, and where each goes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from schuss.viz.graph.boxes import Leaf, short
from schuss.viz.graph.elements import (
    BESIDE,
    FOOT,
    FRAME,
    HEADER,
    PAD_X,
    PAD_Y,
    PILL,
    REACH,
    Element,
    Item,
    Side,
)
from schuss.viz.graph.layered import Box
from schuss.viz.graph.pieces import SMALL, width_of


def side_of(name: str, reader: str, found: Leaf, views: Collection[str], towards: int) -> Side:
    width, height = found.piece.width + 2 * PAD_X - 4, found.piece.height + 2 * PAD_Y - 2
    return Side(name, reader, found, tuple(views), 0.0, 0.0, width, height, 0.0, towards)


def measure(item: Item) -> None:
    """The extents of an item with everything beside it."""
    if item.inner is not None:
        assert item.group is not None
        inner = item.inner
        left = max(inner.left + FRAME, (width_of(short(item.group.label, 60), SMALL + 1) + 40))
        item.box = Box(left, inner.right + FRAME, inner.height + HEADER + FOOT, 0.0)
        return
    assert item.content is not None
    half = item.content.piece.width / 2 + PAD_X
    stacks = {t: [s for s in item.sides if s.towards == t] for t in (-1, 1)}
    extent = {t: max((_reach(s) + s.width for s in stack), default=0.0) for t, stack in stacks.items()}
    tall = max(sum(s.height + BESIDE for s in stack) - BESIDE for stack in stacks.values())
    height = max(item.content.piece.height + 2 * PAD_Y, tall)
    item.box = Box(half + extent[-1], half + extent[1], height, half)


def _reach(side: Side) -> float:
    return REACH + len(side.views) * PILL


def stacked(item: Item, x: float, y: float) -> list[Element]:
    """The inputs beside a box, one below the other, in the middle of its height."""
    elements: list[Element] = []
    for towards in (-1, 1):
        stack = [s for s in item.sides if s.towards == towards]
        free = item.box.height - sum(s.height for s in stack) - BESIDE * (len(stack) - 1)
        top = y + free / 2
        for side in stack:
            edge = x + towards * item.box.body
            left = edge + _reach(side) if towards > 0 else edge - _reach(side) - side.width
            elements.append(replace(side, x=left, y=top, edge=edge))
            top += side.height + BESIDE
    return elements
