"""What runs the pages says what fails and where, and shows what came out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pages
import pytest


def run(text: str, folder: Path) -> list[pages.Result]:
    return pages.run(text, "page", folder)


def test_blocks_share_names_and_the_folder(tmp_path: Path):
    text = (
        "# Title\n\n```python\nx = 3\nopen('note.txt', 'w').write('written')\n```\n"
        "\n```text\nnot run\n```\n\n```python fold\nprint(x + 1)\n```\n"
        "\n```console\n$ cat note.txt\n$ echo $COLUMNS\n```\n"
    )
    first, second, third = run(text, tmp_path)
    assert first.printed == ""
    assert second.printed == "4\n"
    assert second.block.words == ["fold"]
    assert third.printed == "$ cat note.txt\nwritten$ echo $COLUMNS\n100\n"
    assert Path.cwd() != tmp_path


def test_an_error_names_page_and_line(tmp_path: Path):
    with pytest.raises(pages.PageError, match=r"^page, block at line 4: ZeroDivisionError: division by zero$"):
        run("Text.\n\n```python\n1 / 0\n```\n", tmp_path)


def test_a_command_that_fails(tmp_path: Path):
    with pytest.raises(pages.PageError, match=r"`schuss info none\.safetensors` ended with 1: Error: "):
        run("```console\n$ schuss info none.safetensors\n```\n", tmp_path)


def test_output_cannot_be_typed(tmp_path: Path):
    with pytest.raises(pages.PageError, match="holds commands alone"):
        run("```console\n$ echo 1\n2\n```\n", tmp_path)


def test_times_of_the_machine_that_builds_can_be_left_out(tmp_path: Path):
    command = "echo 'trained 2 epochs in 0.24 s, 495,608 examples/s'"
    (result,) = run(f"```console untimed\n$ {command}\n```\n", tmp_path)
    assert result.printed.endswith("\ntrained 2 epochs\n")


SERVER = f"""#!{sys.executable}
import signal, sys
signal.signal(signal.SIGINT, lambda number, frame: sys.exit(0))
print("page at http://127.0.0.1:1/x/\\nCtrl-C ends it", flush=True)
signal.pause()
"""


def test_a_server_is_ended_by_ctrl_c(tmp_path: Path):
    schuss = tmp_path / ".bin" / "schuss"
    schuss.parent.mkdir()
    schuss.write_text(SERVER)
    schuss.chmod(0o755)
    (result,) = run("```console\n$ schuss view model.safetensors\n```\n", tmp_path)
    assert result.printed.endswith("page at http://127.0.0.1:1/x/\nCtrl-C ends it\n")


def test_lines_can_be_explained(tmp_path: Path):
    code = "import schuss\n\n\ndef f(x):\n    y = x * x\n    return y\n\n\nprint(schuss.explain(f, 3.0))\n"
    (result,) = run(f"```python\n{code}```\n", tmp_path)
    assert "page.py:5   y = x * x" in result.printed
    assert str(tmp_path) not in result.printed


def test_pictures(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install '.[viz]'")
    text = "```python\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.figure()\nplt.plot([2, 1])\n```\n"
    text += "```python\nclass Own:\n    def _repr_svg_(self):\n        return '<svg></svg>'\n\nOwn()\n```\n"
    drawn, own = run(text, tmp_path)
    assert [picture.count("<svg") for picture in drawn.pictures] == [1, 1]
    assert drawn.pictures[0] != drawn.pictures[1]
    assert own.pictures == ["<svg></svg>"]


def test_docstrings_become_markdown():
    pytest.importorskip("griffe", reason="the site's tools: pip install '.[docs]'")
    markdown = importlib.import_module("docstrings").markdown
    listed = markdown("Short.\n\nname    what it is,\n        in two lines\nother   [N, 3]\n\nw = w - lr * m * 2")
    assert "`name`\n:   what it is, in two lines\n\n`other`\n:   &#91;N, 3&#93;" in listed
    assert listed.endswith("w = w - lr &#42; m &#42; 2")
    assert (
        markdown("a   one\nlonger two\nb   three\nMore.")
        == "`a`\n:   one\n\n`longer`\n:   two\n\n`b`\n:   three\n\nMore."
    )
    assert markdown("a or b\nc or d") == "a or b\nc or d"
    assert markdown("As `a_b * c`:\n\n    g = g * 2") == "As `a_b * c`:\n\n    g = g * 2"


def test_greys_follow_the_page(tmp_path: Path):
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("needs mkdocs: pip install '.[docs]'")
    hooks = importlib.import_module("site_hooks")
    svg = '<?xml version="1.0"?>\n<svg id="a"><g id="b" style="fill: #000000; stroke: #ff0000"/><use href="#b"/></svg>'
    shown = hooks.inline(svg, 'a "label"', themed=True)
    assert "fill: color-mix(in srgb, var(--ink) 100%, var(--paper)); stroke: #ff0000" in shown
    assert shown.startswith('<svg role="img" aria-label="a &quot;label&quot;" >')
    assert 'id="b"' in shown
    assert 'id="a"' not in shown
    assert "#000000" in hooks.inline(svg, "", themed=False)
