"""The reference lists what the tables have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import reference

from schuss import nn, ops, optim, tables

FOR_AUTHORS = {"Kind", "Op", "op", "lookup"}  # of operations
PAGES = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "listed"),
    [
        ("nn", [*nn.LAYERS, *nn.LOSSES]),
        ("optim", [*optim.OPTIMIZERS, *optim.SCHEDULES]),
        ("data", [type(s()).__name__ for n, s in tables.SOURCES.items() if n != "table"]),
    ],
)
def test_every_row_is_on_the_page_once(page: str, listed: list[str]):
    text = reference.with_lists((PAGES / f"{page}.md").read_text("utf-8"))
    assert not reference.LINE.search(text)
    found = re.findall(r"^::: schuss\.[\w.]*\.(\w+)$", text, re.MULTILINE)
    for name in listed:
        assert found.count(name) == 1, name


def test_every_operation_is_on_the_page():
    listed = re.findall(r"^::: ([\w.]+)$", (PAGES / "ops.md").read_text("utf-8"), re.MULTILINE)
    members = ", ".join(re.findall(r"members: \[(.*)\]", (PAGES / "ops.md").read_text("utf-8"))).split(", ")
    known = {
        name: getattr(ops, name) for name in ops.__all__ if name not in FOR_AUTHORS and callable(getattr(ops, name))
    }
    assert len(known) > 100
    for name, function in known.items():
        module = getattr(function, "body", function).__module__
        assert module in listed, f"{name} of {module}"
        assert module not in ("schuss.ops.convolve", "schuss.ops.window") or name in members, name


def test_a_row_from_outside_is_listed(monkeypatch: pytest.MonkeyPatch):
    nn.LOSSES.register()(type("Own", (nn.Loss,), {"__module__": "mine"}))
    try:
        assert "::: mine.Own\n" in reference.with_lists("## Losses\n\n::: LOSSES\n")
    finally:
        nn.LOSSES.remove("Own")
