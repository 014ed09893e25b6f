"""The smallest parts of the picture: measured text, numbers in brackets, histograms, small images.

A Piece knows its size before it is placed, so that the layout can keep everything apart. Widths of text are those of a
monospaced font, of which every letter is as wide as another.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass
from html import escape

import numpy as np

from schuss import figures
from schuss.ir.executor import Array
from schuss.viz.graph.summary import Summary

EM = 0.602  # width of a letter of the monospaced font, in its size
TEXT = 11.0
SMALL = 9.5
LINE = 15.0
WIDEST, TALLEST = 5, 4  # numbers of an array that is written out
STRIP, CELLS = 16, 8  # numbers of a row that is written in cells of its heat, and of one line of it


@dataclass(frozen=True)
class Piece:
    """Part of a picture: its size, and its SVG in coordinates from its upper left corner."""

    width: float
    height: float
    svg: str


EMPTY = Piece(0.0, 0.0, "")


def num(value: float) -> str:
    """A coordinate: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"


def width_of(words: str, size: float = TEXT) -> float:
    return len(words) * size * EM


def text(words: str, kind: str = "", size: float = TEXT) -> Piece:
    """One line of text; kind: its class in the style sheet."""
    attributes = f' class="{kind}"' if kind else ""
    body = f'<text{attributes} y="{num(size)}" font-size="{num(size)}">{escape(words, quote=False)}</text>'
    return Piece(width_of(words, size), size * 1.35, body)


def shortened(words: str, most: int) -> str:
    """The words with their middle left out where they are too many."""
    if len(words) <= most:
        return words
    keep = most - 1
    return f"{words[: keep - keep // 2]}…{words[len(words) - keep // 2 :]}"


def at(piece: Piece, x: float, y: float) -> str:
    """The piece's SVG moved to a place."""
    if not piece.svg:
        return ""
    return f'<g transform="translate({num(x)} {num(y)})">{piece.svg}</g>' if x or y else piece.svg


def returned(svg: str) -> str:
    """What only the way back makes known: a debugger shows it when it has come there."""
    return f'<g class="back">{svg}</g>'


def column(parts: list[Piece], gap: float = 2.0, align: str = "left") -> Piece:
    """Pieces below each other."""
    parts = [p for p in parts if p.svg]
    width = max((p.width for p in parts), default=0.0)
    y, body = 0.0, []
    for part in parts:
        x = {"left": 0.0, "right": width - part.width, "middle": (width - part.width) / 2}[align]
        body.append(at(part, x, y))
        y += part.height + gap
    return Piece(width, max(0.0, y - gap), "".join(body))


def row(parts: list[Piece], gap: float = 8.0) -> Piece:
    """Pieces beside each other, their middles on one line."""
    parts = [p for p in parts if p.svg]
    height = max((p.height for p in parts), default=0.0)
    x, body = 0.0, []
    for part in parts:
        body.append(at(part, x, (height - part.height) / 2))
        x += part.width + gap
    return Piece(max(0.0, x - gap), height, "".join(body))


# -- numbers -------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """As everywhere (schuss.figures); True, inf and nan by these words."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return figures.number(value) if math.isfinite(value) else str(float(value)).replace("-", "−")


def _written(array: Array) -> list[str]:
    """An array's numbers in one notation: as many decimals as the largest needs for four digits."""
    flat = array.reshape(-1)
    if array.dtype.kind in "biu":
        return [number(v) for v in flat.tolist()]
    finite = np.abs(flat[np.isfinite(flat)]).astype(np.float64)
    top = float(finite.max()) if finite.size else 0.0
    if not top or not (1e-3 <= top < 1e5) or bool(np.all(finite == np.round(finite))):
        return [number(float(v)) for v in flat]
    decimals = max(0, 3 - math.floor(math.log10(top)))
    if not decimals:
        return [number(float(v)) for v in np.round(flat)]
    shown = [f"{float(v):.{decimals}f}" for v in flat]
    return [("0" if float(s) == 0 else s).replace("-", "−") for s in shown]


def is_tiny(array: Array) -> bool:
    """Whether all its numbers are written."""
    if array.size == 1:
        return True
    return (
        array.size > 0 and array.ndim <= 2 and array.shape[-1] <= WIDEST and (array.ndim == 1 or len(array) <= TALLEST)
    )


def numbers(array: Array, size: float = TEXT) -> Piece:
    """A tiny array: one number, or rows of numbers between brackets."""
    words = _written(array)
    if array.size == 1:
        return text(words[0], "n", size)
    columns = array.shape[-1]
    rows = [words[i : i + columns] for i in range(0, len(words), columns)]
    widths = [max(len(r[c]) for r in rows) * size * EM for c in range(columns)]
    line, gap, margin = size * 1.3, size * 0.75, 6.0
    width, height = sum(widths) + gap * (columns - 1) + 2 * margin, line * len(rows) + 3
    body = []
    for i, words_of_row in enumerate(rows):
        x = margin
        for word, w in zip(words_of_row, widths, strict=True):
            x += w
            y = 1.5 + line * (i + 0.76)
            body.append(f'<text class="n end" x="{num(x)}" y="{num(y)}" font-size="{num(size)}">{word}</text>')
            x += gap
    bottom, inner, end = num(height - 0.75), num(width - 4), num(width - 0.75)
    body.append(f'<path class="bracket" d="M4 .75H.75V{bottom}H4M{inner} .75H{end}V{bottom}H{inner}"/>')
    return Piece(width, height, "".join(body))


def shape_of(array: Array) -> str:
    """64 × 784"""
    return " × ".join(map(str, array.shape)) or "number"


def spread(summary: Summary, kind: str = "up") -> str:
    """0.131 ± 0.308 of values; of gradients, and of what cancels, whose mean says nothing, the norm."""
    if not summary.array.size:
        return "empty"
    if summary.array.size != summary.finite.size:
        return f"{summary.array.size - summary.finite.size:,} not finite"
    if summary.mean is None or summary.std is None or summary.norm is None:
        return "too large"
    if kind == "down" or summary.is_centred:
        return f"norm {summary.norm:.3g}".replace("-", "−")
    return f"{summary.mean:.3g} ± {summary.std:.2g}".replace("-", "−")


def histogram(summary: Summary, kind: str, width: float = 46.0, height: float = 20.0) -> Piece:
    """Bars of how often which value comes; a tick below at 0."""
    counts = summary.histogram
    top = max(counts)
    if not top:
        return EMPTY
    step = width / len(counts)
    path = []
    for i, count in enumerate(counts):
        if count:
            h = max(0.8, (height - 2) * math.sqrt(count / top))
            path.append(f"M{num(i * step)} {num(height - 2)}v{num(-h)}h{num(step * 0.86)}v{num(h)}z")
    line = f'<path class="axis" d="M0 {num(height - 1.5)}H{num(width)}{_zero(summary, width, height)}"/>'
    return Piece(width, height + 2, f'<path class="bars {kind}" d="{"".join(path)}"/>{line}')


def _zero(summary: Summary, width: float, height: float) -> str:
    low, high = summary.low, summary.high
    if low is None or high is None or not low <= 0 <= high or low == high:
        return ""
    return f"M{num(-low / (high - low) * width)} {num(height - 1.5)}v3.5"


def is_strip(array: Array) -> bool:
    """Whether it is one row of some more numbers than are written between brackets."""
    row = WIDEST < array.size <= STRIP and array.shape[-1] == array.size and array.dtype.kind == "f"
    return row and bool(np.isfinite(array).all())


def strip(array: Array, kind: str, size: float = SMALL) -> Piece:
    """A row of numbers in cells whose colour is their size, below it the shape and the norm. kind: up or down."""
    summary, flat = Summary(array), array.reshape(-1).astype(np.float64)
    top = float(np.abs(summary.finite).max()) if summary.finite.size else 0.0
    power = math.floor(math.log10(top)) if top and not 1e-2 <= top < 1e4 else 0
    decimals = 2 if power or not top else max(0, 2 - math.floor(math.log10(top)))
    words = [f"{v / 10.0**power:.{decimals}f}".replace("-", "−") for v in flat]
    lines = -(-len(words) // CELLS)
    columns = -(-len(words) // lines)
    width, height = max(map(len, words)) * size * EM + 6.0, size * 1.6
    body = []
    for i, (word, value) in enumerate(zip(words, flat, strict=True)):
        x, y = i % columns * width, i // columns * height
        share = abs(value) / top if top else 0.0
        cell = f'x="{num(x)}" y="{num(y)}" width="{num(width - 1)}" height="{num(height - 1)}"'
        body.append(f'<rect class="heat {kind}" {cell} fill-opacity="{0.04 + 0.5 * share:.2f}"/>')
        at_x, at_y = num(x + width - 3.5), num(y + size * 1.12)
        body.append(f'<text class="n end" x="{at_x}" y="{at_y}" font-size="{num(size)}">{word}</text>')
    unit = f"in units of 1e{power}  ".replace("-", "−") if power else ""
    caption = text(f"{shape_of(array)}  {unit}{spread(summary, 'down')}", "soft", size)
    return column([Piece(columns * width - 1, lines * height, "".join(body)), caption], 0.0)


def figure(array: Array, kind: str, size: float = TEXT) -> Piece:
    """What an arrow carries: the numbers of a tiny array or a row, else histogram, shape, and mean and spread, or norm.
    kind: up or down.
    """
    if is_tiny(array):
        return numbers(array, size)
    if is_strip(array):
        return strip(array, kind)
    summary = Summary(array)
    words = column([text(shape_of(array), "soft", SMALL), text(spread(summary, kind), "n", SMALL)], 0.0)
    return row([histogram(summary, kind), words], 7.0)


def compact(array: Array, kind: str, size: float = TEXT) -> Piece:
    """The same in one line, for the inside of a box."""
    return numbers(array, size) if is_tiny(array) else text(spread(Summary(array), kind), "n", size)


# -- images --------------------------------------------------------------------------------------------


def picture_side(shape: tuple[int, ...]) -> int | None:
    """The side of the square picture that an example of this shape ([N, 784] or [N, 28, 28]) is, if it is one."""
    rest = [d for d in shape[1:] if d != 1]
    if len(rest) == 2 and rest[0] == rest[1] and 8 <= rest[0] <= 64:
        return rest[0]
    side = math.isqrt(rest[0]) if len(rest) == 1 else 0
    return side if side * side == (rest[0] if rest else -1) and 8 <= side <= 64 else None


def image(array: Array, side: int, width: float = 56.0) -> Piece:
    """The first example as a picture, dark where its values are high, as ink."""
    pixels = array.reshape(len(array), side, side)[0].astype(np.float64)
    low, high = float(pixels.min()), float(pixels.max())
    ink = np.zeros_like(pixels) if not high > low else (pixels - low) / (high - low)
    data = base64.b64encode(_png((255 - np.rint(ink * 255)).astype(np.uint8))).decode()
    size = f'width="{num(width)}" height="{num(width)}"'
    picture = f'<image class="pixels" {size} preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    return Piece(width, width, f'{picture}<rect class="frame-line" {size}/>')


def _png(gray: Array) -> bytes:
    """A PNG file of 8-bit grey values [height, width]."""
    height, width = gray.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), gray], axis=1).tobytes()
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body
