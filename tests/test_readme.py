"""The README's code runs, in order, as it stands; what it shows is what comes out, numbers up to rounding."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks() -> list[tuple[str, str]]:
    """(code, output) of each Python block; the output is the fence that follows it at once, if any."""
    text = README.read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```\n(?:\n```\n(.*?)```)?", text, flags=re.DOTALL)


def test_python_blocks(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    found = blocks()
    assert len(found) >= 4
    for number, (code, shown) in enumerate(found):
        file = tmp_path / "readme.py"  # explain quotes the lines it explains
        file.write_text(code, encoding="utf-8")
        exec(compile(code, str(file), "exec"), names)
        printed = capsys.readouterr().out
        if shown:
            assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split(), f"block {number}"
            pairs = zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True)
            assert all(float(a) == pytest.approx(float(b), rel=0.02, abs=2e-3) for a, b in pairs), f"block {number}"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (README.parent / target).exists(), target
