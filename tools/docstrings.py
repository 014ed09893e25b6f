"""schuss's docstrings as Markdown, for the API reference.

They are plain text: formulas stand as they are (``w - lr * m``, ``[N, 784]``), and arguments are listed as

    name    what it is,
            on several lines if need be

Such a list becomes a list of definitions; elsewhere what Markdown would take for its own signs is escaped.
Indented text stays as it is.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

ENTRY = re.compile(r"^(\*{0,2}[A-Za-z_][\w.]*(?:, ?\*{0,2}[A-Za-z_][\w.]*)*)( +)(\S.*)$")
CODE = re.compile(r"(``.+?``|`[^`\n]+`)", re.DOTALL)
SIGNS = re.compile(r"([\\*_\[\]<>#|])")


class PlainText(griffe.Extension):
    """Rewrites every docstring that griffe reads."""

    def on_module_members(self, *, mod: griffe.Module, **kwargs: Any) -> None:
        """A function that a package takes from its own file of the same name would hide that file: it stays there."""
        for name, member in list(mod.members.items()):
            if member.is_alias and member.target_path == f"{mod.path}.{name}.{name}":
                del mod.members[name]

    def on_object(self, *, obj: griffe.Object, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """A docstring as Markdown."""
    return "\n\n".join(_paragraph(p) for p in re.split(r"\n\s*\n", text.strip("\n")))


def _paragraph(paragraph: str) -> str:
    lines = paragraph.split("\n")
    listed, rest = _entries(lines)
    if listed:
        found = [f"`{name}`\n:   {_escaped(said)}" for name, said in listed]
        return "\n\n".join([*found, _escaped("\n".join(rest))] if rest else found)
    if lines[0].startswith("    "):
        return paragraph
    first = next((i for i, line in enumerate(lines) if line.startswith("  ")), len(lines))
    if first < len(lines) and all(line.startswith("  ") for line in lines[first:]):
        # an example set further in, with the line that introduces it
        return _escaped("\n".join(lines[:first])) + "\n\n" + "\n".join(f"    {line}" for line in lines[first:])
    return _escaped(paragraph)


def _entries(lines: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """(name, what it is) of a list at the paragraph's start, and the lines after it.

    All texts begin in one column, which leaves a gap somewhere; only a name that is too long for it pushes its text on.
    """
    first = ENTRY.match(lines[0])
    if first is None:
        return [], lines
    column = first.start(3)
    found: list[tuple[str, str]] = []
    gap = False
    for number, line in enumerate(lines):
        entry = ENTRY.match(line)
        if line[:column].strip() == "" and found and len(line) > column:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line[column:].strip()}")
        elif entry and (entry.start(3) == column or (entry.end(1) >= column - 1 and entry[1][0].islower())):
            found.append((entry[1], entry[3]))
            gap = gap or len(entry[2]) > 1
        elif gap and line[0].isupper():
            return found, lines[number:]
        else:
            return [], lines
    return (found, []) if gap else ([], lines)


def _escaped(text: str) -> str:
    """Markdown's signs as HTML entities, outside of `code`."""
    parts = CODE.split(text)
    return "".join(
        part if i % 2 else SIGNS.sub(lambda sign: f"&#{ord(sign[0])};", part) for i, part in enumerate(parts)
    )
