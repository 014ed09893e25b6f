"""The picture as SVG: self-contained, its colours variables of the page around it, its parts found by their data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from html import escape

from schuss.viz.graph.boxes import short
from schuss.viz.graph.elements import HEADER, LANE, NEAR, PAD_X, PAD_Y, PILL, Arrow, Frame, Node, Side
from schuss.viz.graph.groups import Group
from schuss.viz.graph.network import Network
from schuss.viz.graph.pieces import EMPTY, SMALL, TEXT, Piece, at, num, number, shortened, text, width_of
from schuss.viz.graph.scene import Scene
from schuss.viz.graph.sheet import style

MARGIN = 18.0
CORNER = 7.0  # of bent arrows
HEAD = 7.0  # length of an arrow's head


def render(network: Network, root: Group) -> str:
    """The whole picture."""
    scene = Scene(network, root)
    found = scene.arrange()
    heading = text(f"{short(network.explanation.result)} = {number(float(network.explanation.value))}", "formula", 14.0)
    legend = _legend()
    left = max(found.left, heading.width / 2, legend.width / 2) + MARGIN
    right = max(found.right, heading.width / 2, legend.width / 2) + MARGIN
    top = MARGIN + heading.height + 4
    width, height = left + right, top + found.height + 22 + legend.height + MARGIN
    last = network.forward.get(network.explanation.result, 0)
    body = [f'<g class="result" data-forward="{last}">{at(heading, left - heading.width / 2, MARGIN)}</g>']
    body.append(f'<g transform="translate({num(left)} {num(top)})">{_elements(found.elements, network)}</g>')
    body.append(at(legend, (width - legend.width) / 2, height - MARGIN - legend.height))
    title = f"The computational graph of {network.explanation.title}: values up, gradients down"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="schuss-graph" width="{num(width)}" height="{num(height)}" '
        f'viewBox="0 0 {num(width)} {num(height)}" role="group" aria-label="{_attribute(title)}">'
        f"{style()}{''.join(body)}</svg>"
    )


def _elements(elements: Iterable[object], network: Network) -> str:
    found = list(elements)
    parts = [_frame(e) for e in found if isinstance(e, Frame)]
    parts += _arrows([e for e in found if isinstance(e, Arrow)], network)
    back = {e.name: _reached_back(network, e.operations) for e in found if isinstance(e, Node)}
    parts += [_side(e, network, back.get(e.reader)) for e in found if isinstance(e, Side)]
    parts += [_node(e, network) for e in found if isinstance(e, Node)]
    return "".join(parts)


def _attribute(words: str) -> str:
    return escape(words).replace("\n", "&#10;")


def _legend() -> Piece:
    up = '<g class="up"><path class="line" d="M0 6H22"/><path class="head" d="M28 6l-7 -4v8z"/></g>'
    down = '<g class="down"><path class="line" d="M6 6H28"/><path class="head" d="M0 6l7 -4v8z"/></g>'
    words = [(up, "values go up"), (down, "gradients come down: incoming · local gradient = product, handed on")]
    x, body = 0.0, []
    for arrow, what in words:
        body.append(f'<g transform="translate({num(x)} 0)">{arrow}{at(text(what, "soft", SMALL), 36, 0)}</g>')
        x += 36 + width_of(what, SMALL) + 26
    return Piece(x - 26, 13.0, "".join(body))


# -- boxes ---------------------------------------------------------------------------------------------


def _rect(kind: str, x: float, y: float, width: float, height: float, radius: float) -> str:
    size = f'width="{num(width)}" height="{num(height)}" rx="{num(radius)}"'
    return f'<rect class="{kind}" x="{num(x)}" y="{num(y)}" {size}/>'


def _across(x0: float, x1: float, y: float) -> str:
    """A level arrow."""
    towards = 1 if x1 > x0 else -1
    return f'<path class="line" d="M{num(x0)} {num(y)}H{num(x1 - towards * HEAD * 0.6)}"/>{_head(x1, y, towards, 0)}'


def _order(network: Network, names: Iterable[str]) -> str:
    """When a box is reached on the way up, and on the way down: when its last operation is, by its first."""
    names = list(names)
    forward = max((network.forward.get(n, 0) for n in names), default=0)
    return f' data-forward="{forward}"{_back(_reached_back(network, names))}'


def _reached_back(network: Network, names: Iterable[str]) -> int | None:
    return max((network.backward[n] for n in names if n in network.backward), default=None)


def _back(place: int | None) -> str:
    return "" if place is None else f' data-backward="{place}"'


def _node(node: Node, network: Network) -> str:
    piece = node.content.piece
    inner = at(piece, node.x + (node.width - piece.width) / 2, node.y + (node.height - piece.height) / 2)
    title = f"<title>{escape(node.content.title, quote=False)}</title>"
    if node.kind == "input":
        box = _rect("box", node.x, node.y, node.width, node.height, min(14.0, node.height / 2))
        return f'<g class="input" data-input="{_attribute(node.name)}" data-forward="0">{title}{box}{inner}</g>'
    label = f' aria-label="{_attribute(node.content.title.partition(chr(10))[0])}"'
    box = _rect("box", node.x, node.y, node.width, node.height, 6.0)
    if node.kind == "layer":
        return (
            f'<g class="layer closed" data-layer="{_attribute(node.layer)}"{_order(network, node.operations)}'
            f' data-open="false" tabindex="0" role="button" aria-expanded="false"{label}>{title}{box}'
            f"{_sign(node.x + node.width - 13, node.y + 5, False)}{inner}</g>"
        )
    order = _order(network, [node.name])
    names = f'data-op="{_attribute(node.name)}" data-layer="{_attribute(node.layer)}"'
    return f'<g class="op" {names}{order} tabindex="0" role="button"{label}>{title}{box}{inner}</g>'


def _sign(x: float, y: float, is_open: bool) -> str:
    """A plus in a box that can be opened, a minus in one that can be closed."""
    cross = "" if is_open else f"M{num(x + 4)} {num(y + 1.5)}v5"
    return f'<path class="sign" d="M{num(x + 1.5)} {num(y + 4)}h5{cross}"/>'


def _frame(frame: Frame) -> str:
    group = frame.group
    words = text(shortened(group.label, 60), "name", SMALL + 1)
    body = _rect("frame", frame.x, frame.y, frame.width, frame.height, 10.0)
    body += _sign(frame.x + 8, frame.y + HEADER / 2 - 4, True) + at(words, frame.x + 20, frame.y + 4.5)
    name = _attribute(group.name)
    return (
        f'<g class="layer open" data-layer="{name}" data-open="true" tabindex="0" role="button" aria-expanded="true" '
        f'aria-label="{_attribute(group.label)}">{body}</g>'
    )


def _side(side: Side, network: Network, reader: int | None) -> str:
    """An input beside a box, with the two arrows between them and the operations on the way.

    reader: when the box, or of a closed layer its first operation, is reached on the way down
    """
    t = side.towards
    up, down = side.y + PAD_Y - 1 + side.leaf.up, side.leaf.down
    near = side.x if t > 0 else side.x + side.width
    name = _attribute(side.name)
    ends = [near, *(near - t * (12 + PILL * (i + 0.5)) for i in range(len(side.views))), side.edge]
    body = f'<g class="up" data-from="{name}" data-to="{_attribute(side.reader)}" data-forward="0">'
    body += f"{_across(near, side.edge, up)}</g>"
    back = _back(network.backward.get(side.views[-1]) if side.views else reader)
    if down is not None:
        low = side.y + PAD_Y - 1 + down
        body += f'<g class="down" data-from="{_attribute(side.reader)}" data-to="{name}"{back}>'
        body += f"{_across(side.edge, near, low)}</g>"
    else:
        low = up
    for view, x in zip(side.views, ends[1:], strict=False):
        body += _pill(network, view, x, (up + low) / 2, abs(low - up) + 18)
    box = _rect("box", side.x, side.y, side.width, side.height, 10.0)
    inner = at(side.leaf.piece, side.x + PAD_X - 2, side.y + PAD_Y - 1)
    title = f"<title>{escape(side.leaf.title, quote=False)}</title>"
    return f'{body}<g class="input" data-input="{name}" data-forward="0"{back}>{title}{box}{inner}</g>'


def _pill(network: Network, name: str, x: float, y: float, height: float) -> str:
    """An operation that only turns a parameter, across its arrows."""
    step = network.steps[name]
    word = "T" if step.op == "transpose" else step.op[:3]
    words = text(word, "formula", TEXT)
    box = _rect("box", x - 10, y - height / 2, 20, height, 6.0)
    formula = f"{name} = {step.expression}"
    names = f'data-op="{_attribute(name)}" data-layer="{_attribute(step.scope)}"{_order(network, [name])}'
    return (
        f'<g class="op view" {names} tabindex="0" role="button" aria-label="{_attribute(formula)}">'
        f"<title>{escape(formula, quote=False)}</title>{box}"
        f"{at(words, x - words.width / 2, y - words.height / 2)}</g>"
    )


# -- arrows --------------------------------------------------------------------------------------------


def _head(x: float, y: float, dx: int, dy: int) -> str:
    """An arrow's head with its point here, towards (dx, dy)."""
    bx, by = x - dx * HEAD, y - dy * HEAD
    px, py = -dy * 3.6, dx * 3.6
    return f'<path class="head" d="M{num(x)} {num(y)}L{num(bx + px)} {num(by + py)}L{num(bx - px)} {num(by - py)}Z"/>'


def _arrows(arrows: list[Arrow], network: Network) -> list[str]:
    """Pieces of one link that cross frames are one arrow up and one down."""
    links: dict[tuple[str, str], list[Arrow]] = {}
    for arrow in arrows:
        links.setdefault((arrow.value, arrow.to), []).append(arrow)
    links = {key: _joined(pieces) for key, pieces in links.items()}
    return [_link(value, to, pieces, network) for (value, to), pieces in links.items()]


def _joined(pieces: list[Arrow]) -> list[Arrow]:
    """Pieces that go on where another ends, as one."""
    pieces = sorted(pieces, key=lambda p: -p.points[0][1])
    joined: list[Arrow] = []
    for piece in pieces:
        x, y = piece.points[0]
        i = next((i for i, p in enumerate(joined) if _near(p.points[-1], (x, y)) and p.returns == piece.returns), None)
        if i is None:
            joined.append(piece)
            continue
        low = joined[i]
        label = piece if low.up is EMPTY and low.down is EMPTY else low
        if label is low and (piece.up is not EMPTY or piece.down is not EMPTY):
            joined.append(piece)
            continue
        joined[i] = replace(
            low,
            points=[*low.points[:-1], *piece.points[1:]],
            end=piece.end,
            up=label.up,
            down=label.down,
            label_at=label.label_at,
            backward=low.backward if low.backward is not None else piece.backward,
        )
    return joined


def _near(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return abs(a[0] - b[0]) < 0.6 and abs(a[1] - b[1]) < 0.6


def _link(value: str, to: str, pieces: list[Arrow], network: Network) -> str:
    forward = network.forward.get(value, 0)
    a, b = _attribute(value), _attribute(to)
    body = f'<g class="up" data-from="{a}" data-to="{b}" data-forward="{forward}">'
    body += "".join(_up(p) for p in pieces) + "</g>"
    if any(p.returns for p in pieces):
        numbers = [p.backward for p in pieces if p.backward is not None]
        back = f' data-backward="{max(numbers)}"' if numbers else ""
        body += f'<g class="down" data-from="{b}" data-to="{a}"{back}>'
        body += "".join(_down(p) for p in pieces if p.returns) + "</g>"
    return body


def _up(arrow: Arrow) -> str:
    points = _offset(arrow.points, -LANE if arrow.returns else 0.0)
    body = ""
    if arrow.end:
        x, y = points[-1]
        body = _head(x, y, 0, -1)
        points = [*points[:-1], (x, y + HEAD * 0.6)]
    return f'<path class="line" d="{_path(points)}"/>{body}{_carried(arrow, arrow.up, -1)}'


def _down(arrow: Arrow) -> str:
    points = _offset(arrow.points, LANE)[::-1]
    body = ""
    if arrow.start:
        x, y = points[-1]
        body = _head(x, y, 0, 1)
        points = [*points[:-1], (x, y - HEAD * 0.6)]
    return f'<path class="line" d="{_path(points)}"/>{body}{_carried(arrow, arrow.down, 1)}'


def _carried(arrow: Arrow, piece: Piece, side: int) -> str:
    if piece is EMPTY:
        return ""
    x, y = arrow.label_at
    return at(piece, x + NEAR if side > 0 else x - NEAR - piece.width, y - piece.height / 2)


def _offset(points: list[tuple[float, float]], by: float) -> list[tuple[float, float]]:
    """The corners of a line of vertical and horizontal pieces, moved aside: to the right of the way up for by > 0."""
    moved = []
    for i, (x, y) in enumerate(points):
        before, after = points[max(i - 1, 0)], points[min(i + 1, len(points) - 1)]
        dx = dy = 0.0
        for (x0, y0), (x1, y1) in ((before, (x, y)), ((x, y), after)):
            if abs(x1 - x0) > 0.5:
                dy = by if x1 > x0 else -by
            elif abs(y1 - y0) > 0.01:
                dx = by if y1 < y0 else -by
        moved.append((x + dx, y + dy))
    return moved


def _path(points: list[tuple[float, float]]) -> str:
    """A line through the points with round corners."""
    parts = [f"M{num(points[0][0])} {num(points[0][1])}"]
    for (x0, y0), (x, y), (x1, y1) in zip(points, points[1:], points[2:], strict=False):
        a, b = abs(x - x0) + abs(y - y0), abs(x1 - x) + abs(y1 - y)
        r = min(CORNER, a / 2, b / 2)
        if r < 0.1:
            continue
        ax, ay = x - (x - x0) / a * r, y - (y - y0) / a * r
        bx, by = x + (x1 - x) / b * r, y + (y1 - y) / b * r
        parts.append(f"L{num(ax)} {num(ay)}Q{num(x)} {num(y)} {num(bx)} {num(by)}")
    parts.append(f"L{num(points[-1][0])} {num(points[-1][1])}")
    return "".join(parts)
