"""What stands in each box: an operation with its formula, local gradient and product; a closed layer; an input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from schuss.explanation.explanation import Flow, Step
from schuss.ir.executor import Array
from schuss.viz.graph.formulas import of_layer
from schuss.viz.graph.groups import Group
from schuss.viz.graph.network import Network
from schuss.viz.graph.pieces import (
    EM,
    EMPTY,
    SMALL,
    TEXT,
    Piece,
    at,
    column,
    compact,
    figure,
    image,
    number,
    picture_side,
    returned,
    row,
    shape_of,
    shortened,
    text,
    width_of,
)

TITLE = 12.5
LONGEST = 46  # letters of a formula
NAME = 20  # letters of a name in a caption
SIGN = 14.0  # the plus of a closed layer, beside its title
INLINE = 12  # letters of a name that stands before its numbers


class Line(NamedTuple):
    """A line of a box: what it is, by which formula, its numbers."""

    label: str
    formula: str
    figure: Piece


@dataclass(frozen=True)
class Content:
    """The inside of a box with the text that appears on pointing at it."""

    piece: Piece
    title: str


def short(name: str, most: int = NAME) -> str:
    """A name for captions: the innermost layer of a nested one, the key of an entry of a dict."""
    entry = re.fullmatch(r"\w+\['([^']+)'\]", name)
    return shortened(entry[1] if entry else name.rpartition("/")[2] or name, most)


def pretty(formula: str) -> str:
    """Code as a formula: × as a dot, a true minus."""
    formula = re.sub(r"\d+\.\d{4,}(e[+-]?\d+)?", lambda found: f"{float(found[0]):.4g}", formula)
    formula = re.sub(r"(?<!\*)\s*\*\s*(?!\*)", " · ", formula)
    return re.sub(r"(?<![\w])-(?=[\w(])|(?<= )-(?= )", "−", formula)


def renamed(formula: str, names: Sequence[str]) -> str:
    """The formula with long names shortened."""
    for name in sorted(names, key=len, reverse=True):
        brief = short(name)
        if brief != name:
            formula = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", brief, formula)
    return formula


# -- an operation --------------------------------------------------------------------------------------


def operation(network: Network, name: str) -> Content:
    step = network.steps[name]
    names = [name, *(i for i in step.inputs if i)]
    title = f"{short(name)} = {pretty(renamed(step.expression, names))}"
    lines = [] if step.incoming is None else _lines(network, step)
    if step.incoming is None:
        lines = [Line("", "no gradient comes here", EMPTY)]
    return Content(_box(shortened(title, LONGEST), lines), f"{name} = {step.expression}\n{step.rule}")


def _box(title: str, lines: Sequence[Line], more: Piece = EMPTY) -> Piece:
    """The title over a table of lines, whose columns are aligned."""
    head = text(title, "formula", TITLE)
    if not lines:
        return column([head, more], 3.0)
    labels = max(width_of(line.label) for line in lines)
    formulas = max(width_of(line.formula) for line in lines)
    gap, equals, y, body = 10.0, 20.0, 0.0, []
    x = labels + gap if labels else 0.0
    for line in lines:
        height = max(TEXT * 1.35, line.figure.height)
        middle = y + height / 2 - TEXT * 0.68
        body.append(at(text(line.label, "soft"), 0.0, middle))
        body.append(at(text(line.formula), x, middle))
        if line.figure.svg:
            body.append(at(text("=", "soft"), x + formulas + (equals - TEXT * EM) / 2, middle))
            body.append(at(line.figure, x + formulas + equals, y + (height - line.figure.height) / 2))
        y += height + 2
    figures = max(line.figure.width for line in lines)
    width = x + formulas + (equals + figures if figures else 0.0)
    table = Piece(width, y - 2, returned("".join(body)))
    return column([head, more, table], 4.0)


def _lines(network: Network, step: Step) -> list[Line]:
    lines: list[Line] = []
    seen: list[Flow] = []
    for flow in step.flows:
        if any(f.to == flow.to and np.array_equal(f.product, flow.product, equal_nan=True) for f in seen):
            last = lines[-1]
            lines[-1] = last._replace(label=f"{last.label} twice")
            continue
        seen.append(flow)
        lines += _flow_lines(step, flow)
    if not lines:
        lines = [Line("", "hands nothing back", EMPTY)]
    return lines


def _flow_lines(step: Step, flow: Flow) -> list[Line]:
    to = f"→ {short(flow.to)}"
    names = [step.name, *(i for i in step.inputs if i)]
    rule = pretty(renamed(flow.rule, names))
    product = compact(flow.product, "down")
    if flow.local is None:
        return [Line(to, shortened(rule, LONGEST - 8), product)]
    total = "Σ " if flow.summed else ""
    first = flow.local.reshape(-1)[0] if flow.local.size else 0.0
    if np.all(flow.local == first):
        if first == 1 and not total and product.height > 2 * TEXT and flow.product.shape == step.value.shape:
            return [Line(to, "incoming · 1, as it came", EMPTY)]
        return [Line(to, f"{total}incoming · {number(float(first))}", product)]
    how = shortened(_local_formula(rule), LONGEST - 16) or f"∂{short(step.name, 12)}/∂{short(flow.to, 12)}"
    return [
        Line("local", how, compact(flow.local, "up")),
        Line(to, f"{total}incoming · local", product),
    ]


def _local_formula(rule: str) -> str:
    """The local gradient's own formula, from what a rule makes of an incoming gradient; "" if it is not a factor."""
    for start, local in (("incoming · ", ""), ("−incoming · ", "−"), ("incoming / ", "1 / ")):
        if rule.startswith(start):
            return local + rule.removeprefix(start)
    return re.sub(r"\bincoming\b", "1", rule) if rule.startswith(("incoming where", "0 where")) else ""


# -- a closed group ------------------------------------------------------------------------------------


def closed(network: Network, group: Group, values: Sequence[tuple[str, Sequence[str]]]) -> Content:
    """A layer as one box. values: what comes in, each with the operations inside that read it."""
    names = group.operations()
    ops = [network.steps[n].op for n in names]
    known = of_layer(group.label, ops) if group.kind == "layer" else None
    count = f"{len(ops):,} operations"
    lines = []
    for value, readers in values:
        product = network.product(value, readers)
        if product is not None:
            how = known[1] if known and len(values) == 1 else "chain rule"
            lines.append(Line(f"→ {short(value)}", how, compact(product, "down")))
    what = known[0] if known else _in_words(group, ops)
    label = shortened(pretty(group.label) if group.kind == "line" else group.label, LONGEST)
    head = f"{label}  × {group.times}" if group.times > 1 else label
    piece = _box(head, lines, text(shortened(what, LONGEST + 6), "" if known else "soft"))
    return Content(replace(piece, width=max(piece.width, width_of(head, TITLE) + SIGN)), f"{group.name}: {count}")


def _in_words(group: Group, ops: Sequence[str]) -> str:
    kinds = list(dict.fromkeys(ops))
    if group.kind == "line":
        return f"{len(ops)} operations"
    return f"{len(ops):,} operations: {', '.join(kinds[:4])}{', …' if len(kinds) > 4 else ''}"


# -- an input ------------------------------------------------------------------------------------------


class Leaf(NamedTuple):
    """An input's box, with the heights at which its value leaves it and its gradient arrives; None: none does."""

    piece: Piece
    up: float
    down: float | None
    title: str


def leaf(network: Network, name: str, readers: Sequence[str]) -> Leaf:
    """A parameter, target or constant beside what reads it: its value over the gradient that arrives from there."""
    value = network.leaves[name]
    uses = len(network.readers.get(name, ()))
    back = network.product(name, readers)
    shape = f"{short(name)}  {shape_of(value)}" if value.size > 1 else short(name)
    part = f", one of {uses} uses" if uses > len(readers) else ""
    gradient = None if back is None else figure(back, "down")
    return _leaf(shape + part, figure(value, "up"), gradient, f"{name}: {value.dtype}")


def _leaf(head: str, value: Piece, back: Piece | None, title: str) -> Leaf:
    top = text(head, "name", TEXT)
    parts = [top, value, *([back] if back is not None else [])]
    y = top.height + 4
    up = y + value.height / 2
    down = None if back is None else y + value.height + 7 + back.height / 2
    width = max(p.width for p in parts)
    body = at(top, 0, 0) + at(value, 0, y)
    height = y + value.height
    if back is not None:
        rule = f'<path class="rule" d="M0 {height + 3.5:.1f}H{width:.1f}"/>'
        body += returned(rule + at(back, 0, height + 7))
        height += 7 + back.height
    return Leaf(Piece(width, height, body), up, down, title)


def many_leaves(network: Network, names: Sequence[str], group: Group) -> Leaf:
    """Many parameters of one closed layer as one box: all their numbers together."""
    inside = set(group.operations())
    values = np.concatenate([network.leaves[n].reshape(-1) for n in names])
    found = [network.product(n, [r for r in network.readers[n] if r in inside]) for n in names]
    backs = [b.reshape(-1) for b in found if b is not None]
    back = figure(np.concatenate(backs), "down") if backs else None
    return _leaf(f"{len(names):,} inputs", figure(values, "up"), back, f"{', '.join(names[:12])}")


def data_leaf(network: Network, name: str) -> Content:
    """An input at the foot of the picture. Its numbers are on the arrow; a picture is shown as one."""
    value = network.leaves[name]
    side = picture_side(value.shape)
    parts = [text(short(name), "formula", TITLE), text(f"{shape_of(value)} {value.dtype}", "soft", SMALL)]
    words = column(parts, 1.0)
    piece = row([image(value, side), words], 10.0) if side is not None and len(value) else words
    return Content(piece, f"{name}: {value.dtype} {shape_of(value)}")


# -- beside the arrows ---------------------------------------------------------------------------------


def value_label(network: Network, name: str, narrow: bool) -> Piece:
    """Left of an arrow up. narrow: its name above its numbers, not before them."""
    caption, numbers = short(name), figure(network.value(name), "up")
    if narrow or len(caption) > INLINE:
        return column([text(caption, "caption up", SMALL), numbers], 0.0, "right")
    return row([text(f"{caption} =", "caption up", TEXT), numbers], 6.0)


def gradient_label(name: str, product: Array, result: str, share: str | None, narrow: bool) -> Piece:
    """Right of an arrow down. share: the reader it comes from, where other readers' gradients are added to it."""
    words = f"∂{short(result, 14)}/∂{short(name, 14)}" if share is None else f"{short(share, 14)} → {short(name, 14)}"
    numbers = figure(product, "down")
    if narrow or share is not None or len(words) > INLINE + 7:
        return column([text(words, "caption down", SMALL), numbers], 0.0)
    return row([text(f"{words} =", "caption down", TEXT), numbers], 6.0)
