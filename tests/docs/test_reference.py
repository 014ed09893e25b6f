"""The reference lists what the tables have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import reference

from schuss import nn, optim, tables

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


def test_a_row_from_outside_is_listed(monkeypatch: pytest.MonkeyPatch):
    nn.LOSSES.register()(type("Own", (nn.Loss,), {"__module__": "mine"}))
    try:
        assert "::: mine.Own\n" in reference.with_lists("## Losses\n\n::: LOSSES\n")
    finally:
        nn.LOSSES.remove("Own")
