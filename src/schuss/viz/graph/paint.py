"""The picture's SVG drawn by matplotlib, for PNG and PDF: the few elements and classes that the picture is made of."""

from __future__ import annotations

import base64
import io
import re
from typing import Any
from xml.etree import ElementTree as Tree

from schuss.viz import style
from schuss.viz.graph.sheet import colour

NUMBER = r"-?(?:\d+\.?\d*|\.\d+)"
DASHES = {"down": (0, (3.1, 1.9)), "frame": (0, (0.8, 2.4))}
WIDTHS = {"line": 1.6, "box": 1.2, "frame": 1.0, "sign": 1.2, "bracket": 0.9}


def painted(svg: str) -> Any:
    """A figure of the picture; one unit is a point."""
    plt = style.pyplot()
    root = Tree.fromstring(svg)
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    figure = plt.figure(figsize=(width / 72, height / 72), facecolor=colour("box"))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    _group(ax, root, 0.0, 0.0, ())
    return figure


def _group(ax: Any, element: Any, x: float, y: float, around: tuple[str, ...]) -> None:
    """Draw what is in an element. Our SVG nests a few deep: frames stand beside each other in it, not inside."""
    moved = re.match(rf"translate\(({NUMBER}) ({NUMBER})\)", element.get("transform", ""))
    if moved:
        x, y = x + float(moved[1]), y + float(moved[2])
    inside = (*around, *element.get("class", "").split())
    draw = {"rect": _rect, "path": _path, "text": _text, "image": _image}
    for child in element:
        kind = child.tag.rpartition("}")[2]
        if kind == "g":
            _group(ax, child, x, y, inside)
        elif kind in draw:
            draw[kind](ax, child, x, y, inside, child.get("class", "").split())


def _rect(ax: Any, e: Any, x: float, y: float, around: tuple[str, ...], kinds: list[str]) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    left, top, width, height, radius = (float(e.get(name, 0)) for name in ("x", "y", "width", "height", "rx"))
    if "heat" in kinds:
        alpha = float(e.get("fill-opacity", 1))
        ax.add_patch(Rectangle((x + left, y + top), width, height, color=colour(kinds[1]), alpha=alpha, lw=0))
        return
    name = kinds[0] if kinds else ""
    fill = "closed" if "closed" in around else "input" if "input" in around else "frame" if name == "frame" else "box"
    face = "none" if name == "frame-line" else colour(fill)
    shape = f"round,pad=0,rounding_size={min(radius, width / 2, height / 2)}" if radius else "square,pad=0"
    ax.add_patch(
        FancyBboxPatch((x + left, y + top), width, height, boxstyle=shape, fc=face, ec=colour("line"),
                       lw=WIDTHS.get(name, 0.8), ls=DASHES.get(name, "-"))
    )  # fmt: skip


def _path(ax: Any, e: Any, x: float, y: float, around: tuple[str, ...], kinds: list[str]) -> None:
    from matplotlib.patches import PathPatch

    way = "down" if "down" in kinds or ("down" in around and "up" not in around[-1:]) else "up"
    filled = "head" in kinds or "bars" in kinds
    tone = way if filled or "line" in kinds else "faint" if "rule" in kinds else "soft"
    dashed = DASHES["down"] if "line" in kinds and way == "down" else "-"
    ax.add_patch(
        PathPatch(_traced(e.attrib["d"], x, y), fc=colour(tone) if filled else "none", ec=colour(tone), ls=dashed,
                  lw=0 if filled else WIDTHS.get(kinds[0] if kinds else "", 0.8))
    )  # fmt: skip


def _traced(d: str, x: float, y: float) -> Any:
    """The path of the commands M L H V Q Z and l h v z."""
    from matplotlib.path import Path

    at = start = (0.0, 0.0)
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for name, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        values = [float(v) for v in re.findall(NUMBER, rest)]
        if name in "Zz":
            points.append(start)
            codes.append(Path.CLOSEPOLY)
            at = start
            continue
        size = {"M": 2, "L": 2, "l": 2, "Q": 4}.get(name, 1)
        for i in range(0, len(values), size):
            v = values[i : i + size]
            if name == "Q":
                points += [(v[0], v[1]), (v[2], v[3])]
                codes += [Path.CURVE3, Path.CURVE3]
                at = (v[2], v[3])
                continue
            ends = {"H": lambda: (v[0], at[1]), "V": lambda: (at[0], v[0]), "h": lambda: (at[0] + v[0], at[1])}  # noqa: B023
            ends |= {"v": lambda: (at[0], at[1] + v[0]), "l": lambda: (at[0] + v[0], at[1] + v[1])}  # noqa: B023
            at = ends[name]() if name in ends else (v[0], v[1])
            start = at if name == "M" else start
            points.append(at)
            codes.append(Path.MOVETO if name == "M" else Path.LINETO)
    return Path([(px + x, py + y) for px, py in points], codes)


def _text(ax: Any, e: Any, x: float, y: float, around: tuple[str, ...], kinds: list[str]) -> None:
    tone = next((k for k in ("up", "down") if k in kinds), "soft" if {"soft", "caption"} & set(kinds) else "text")
    ax.text(
        x + float(e.get("x", 0)), y + float(e.get("y", 0)), e.text or "", color=colour(tone), va="baseline",
        ha="right" if "end" in kinds else "left", family="DejaVu Sans Mono", fontsize=float(e.attrib["font-size"]),
        weight="bold" if {"formula", "name"} & set(kinds) else "normal", parse_math=False,
    )  # fmt: skip


def _image(ax: Any, e: Any, x: float, y: float, around: tuple[str, ...], kinds: list[str]) -> None:
    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(e.attrib["href"].partition(",")[2]))))
    width, height = float(e.attrib["width"]), float(e.attrib["height"])
    box = (x, x + width, y + height, y)
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=box, interpolation="nearest", aspect="auto", zorder=1.5)
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())


__all__ = ["painted"]
