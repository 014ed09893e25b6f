"""What a laid out picture is made of, before it is written as SVG."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from schuss.viz.graph.boxes import Content, Leaf
from schuss.viz.graph.groups import Group
from schuss.viz.graph.layered import Box
from schuss.viz.graph.pieces import EMPTY, Piece

PAD_X, PAD_Y = 12.0, 7.0  # inside a box
FRAME = 14.0  # inside a frame
HEADER, FOOT = 20.0, 5.0  # of a frame: its name above, and room below
LANE = 4.5  # from the middle of a link to its arrow up, and to its arrow down
REACH = 34.0  # from an input beside a box to the box
PILL = 30.0  # an operation that only turns an input, on the way to the box
BESIDE = 10.0  # between inputs beside a box
NEAR = 13.0  # from the middle of a link to what it carries
MOST_LEAVES = 4  # beside one box; more are one
Points = list[tuple[float, float]]


@dataclass
class Node:
    """A box: an operation, a closed layer or an input at the foot.

    x, y: its upper left corner; operations: those inside.
    """

    kind: str
    name: str
    layer: str
    x: float
    y: float
    width: float
    height: float
    content: Content
    operations: tuple[str, ...] = ()


@dataclass
class Side:
    """An input beside a box. views: the operations on the way; edge: the box's side; towards: -1 left, 1 right."""

    name: str
    reader: str
    leaf: Leaf
    views: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    edge: float
    towards: int


@dataclass
class Frame:
    """An open layer."""

    group: Group
    x: float
    y: float
    width: float
    height: float


@dataclass
class Arrow:
    """A piece of a link. points: from below upwards. end, start: whether a box is there; labels: what it carries."""

    value: str
    to: str
    points: Points
    returns: bool
    start: bool
    end: bool
    up: Piece = EMPTY
    down: Piece = EMPTY
    label_at: tuple[float, float] = (0.0, 0.0)
    backward: int | None = None


Element = Node | Side | Frame | Arrow


@dataclass
class Arrangement:
    """A laid out group. entries, exits: where values enter below and leave above, from its middle line."""

    left: float
    right: float
    height: float
    elements: list[Element]
    entries: dict[str, float]
    exits: dict[str, float]


@dataclass(eq=False)
class Item:
    """A member of a group: a box, or a frame with what is in it."""

    name: str
    operations: set[str]
    content: Content | None = None
    sides: list[Side] = field(default_factory=list)
    inner: Arrangement | None = None
    group: Group | None = None
    box: Box = field(default_factory=lambda: Box(0, 0, 0))


def moved(element: Element, dx: float, dy: float) -> Element:
    """The element at another place."""
    if isinstance(element, Arrow):
        points = [(x + dx, y + dy) for x, y in element.points]
        return replace(element, points=points, label_at=(element.label_at[0] + dx, element.label_at[1] + dy))
    if isinstance(element, Side):
        return replace(element, x=element.x + dx, y=element.y + dy, edge=element.edge + dx)
    return replace(element, x=element.x + dx, y=element.y + dy)
