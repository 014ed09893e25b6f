"""The style sheet of graph pictures: colours are variables of the page around them, with a fallback each."""

from __future__ import annotations

# name: (colour, the variable to follow where a page sets that but not this)
_VARIABLES = {
    "box": ("#ffffff", ""),
    "closed": ("#f4f5f7", "box"),
    "input": ("#fbfbfc", "box"),
    "frame": ("#fafafb", "box"),
    "up": ("#0a67a6", ""),
    "down": ("#c04a00", ""),
    "text": ("#15181c", ""),
    "soft": ("#5b636e", "text"),
    "line": ("#8d959f", ""),
    "faint": ("#d5d9df", "line"),
}
_RULES = """
text{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,"Liberation Mono",monospace;fill:$text;white-space:pre}
.end{text-anchor:end}
.formula{font-weight:600}
.soft,.caption{fill:$soft}
.name{font-weight:600;fill:$text}
.caption.up{fill:$up}
.caption.down{fill:$down}
.box{fill:$box;stroke:$line;stroke-width:1.2}
.closed>.box{fill:$closed}
.input>.box{fill:$input;stroke-width:1}
.frame{fill:$frame;stroke:$line;stroke-width:1;stroke-dasharray:1 3;stroke-linecap:round}
.sign{fill:none;stroke:$soft;stroke-width:1.2}
.up>path.line{fill:none;stroke:$up;stroke-width:1.6}
.down>path.line{fill:none;stroke:$down;stroke-width:1.6;stroke-dasharray:5 3}
.up>path.head{fill:$up}
.down>path.head{fill:$down}
.bars.up,.heat.up{fill:$up}
.bars.down,.heat.down{fill:$down}
.axis,.rule,.frame-line{fill:none;stroke:$line;stroke-width:.8}
.rule{stroke:$faint}
.bracket{fill:none;stroke:$soft;stroke-width:.9}
.pixels{image-rendering:pixelated}
.op:focus,.layer:focus{outline:none}
.op:focus>.box,.layer:focus>.box,.layer:focus>.frame{stroke:$up;stroke-width:2.4;stroke-dasharray:none}
"""


def colour(name: str) -> str:
    """One of the picture's colours, as a program without variables shows it."""
    return _VARIABLES[name][0]


def style() -> str:
    """The rules, each colour twice: plain for programs without variables, then as --g-NAME with that fallback."""
    rules = []
    for line in _RULES.strip().splitlines():
        selector, _, body = line.rstrip("}").partition("{")
        parts = []
        for part in body.split(";"):
            key, _, value = part.partition(":")
            if value.startswith("$"):
                plain, other = _VARIABLES[value[1:]]
                fallback = f"var(--g-{other},{plain})" if other else plain
                part = f"{key}:{plain};{key}:var(--g-{value[1:]},{fallback})"
            parts.append(part)
        selectors = ",".join(f".schuss-graph {s}" for s in selector.split(","))
        rules.append(f"{selectors}{{{';'.join(parts)}}}")
    return "<style>" + "\n".join(rules).replace("&", "&amp;").replace("<", "&lt;") + "</style>"
