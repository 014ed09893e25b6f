"""Runs the code of a documentation page, in order, as it stands, and gives what it prints and draws.

A page is Markdown. Of its fenced blocks

- ``python`` blocks are executed in one namespace. The pictures of a block are the matplotlib figures that it
  leaves open, and the value of its last expression if that can draw itself (``_repr_svg_``);
- ``console`` blocks hold commands, ``$ schuss ...``, which a shell runs; one that serves a page until Ctrl-C gets
  it, one after ``timeout`` may be stopped by that; of an ``untimed`` block seconds and speeds, which are those of
  whatever machine built the site, are left out;
- other blocks (``text``) are no code.

All of a page runs in one empty folder, so that a command finds the model that a block above it saved. The
site's build (tools/site.py) shows the results and the tests (tests/docs) look at them: nothing is typed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\w+)([^\n`]*)\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
STOPPED = re.compile(r"^timeout ")  # which ends with 124 after it has stopped the command
SERVES = re.compile(r"^schuss (?:view\b|train\b.* --watch\b)")
TIMES = re.compile(r" in [\d.]+ (?:ms|s|min)|,? [\d,.]+ examples/s| [\d.]+ s/epoch")
LONGEST = 120  # seconds a command may take


class PageError(Exception):
    """A block of a page fails. Says the page, the line and why."""


@dataclass
class Block:
    """A fenced block: its language, the words after it, its code, and where it lies in the page's text."""

    language: str
    words: list[str]
    code: str
    line: int
    start: int
    end: int


@dataclass
class Result:
    """What a block printed (for commands: each with its output) and drew (SVG texts)."""

    block: Block
    printed: str = ""
    pictures: list[str] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page that name a language."""
    return [
        Block(m[1], shlex.split(m[2]), m[3], text.count("\n", 0, m.start(3)) + 1, m.start(), m.end())
        for m in FENCE.finditer(text)
    ]


def run(text: str, name: str, folder: Path) -> list[Result]:
    """Run the page's python and console blocks in the folder. PageError for the first one that fails."""
    names: dict[str, Any] = {"__name__": name}
    results = []
    with _inside(folder):
        for block in blocks(text):
            try:
                if block.language == "python":
                    file = str(folder / f"block{len(results)}" / f"{name}.py")
                    results.append(_python(block, file, names))
                elif block.language == "console":
                    results.append(_console(block, folder))
            except Exception as error:
                raise PageError(f"{name}, block at line {block.line}: {type(error).__name__}: {error}") from error
    return results


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """In the folder, with matplotlib (where it is installed) drawing off screen in one plain style."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(folder))
        with contextlib.suppress(ImportError):
            import matplotlib
            import matplotlib.pyplot as plt

            stack.callback(plt.close, "all")
            stack.callback(matplotlib.use, matplotlib.get_backend())
            stack.enter_context(matplotlib.rc_context())
            matplotlib.use("svg")
            plt.rcParams.update({"figure.figsize": (7.0, 3.2), "figure.constrained_layout.use": True})
        yield


# -- Python ------------------------------------------------------------------------------------------


def _python(block: Block, file: str, names: dict[str, Any]) -> Result:
    """Execute a block as a file of its own, whose lines schuss.explain can quote."""
    tree = ast.parse(block.code, file)
    linecache.cache[file] = (len(block.code), None, block.code.splitlines(keepends=True), file)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, file, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), file, "eval"), names)
    return Result(block, _without_folder(printed.getvalue(), file), [*_drawn(value), *_figures(value)])


def _without_folder(printed: str, file: str) -> str:
    """What was printed, without the folder that this run of the page happened to be in."""
    path = Path(file)
    return printed.replace(f"{path.parent}{os.sep}", "").replace(f"{path.parents[1]}{os.sep}", "")


def _drawn(value: Any) -> Iterator[str]:
    """The picture of a value that draws itself."""
    if hasattr(value, "_repr_svg_"):
        yield value._repr_svg_()


def _figures(value: Any) -> Iterator[str]:
    """matplotlib's open figures, and the value's if it is (an axes of) another; all are closed."""
    if "matplotlib" not in sys.modules:
        return
    import matplotlib.pyplot as plt

    figures = [plt.figure(number) for number in plt.get_fignums()]
    shown = getattr(value, "figure", value)
    if hasattr(shown, "savefig") and shown not in figures:
        figures.append(shown)
    for figure in figures:
        yield svg_of(figure)
    plt.close("all")


def svg_of(figure: Any) -> str:
    """A figure as SVG text without a date, so that the same figure gives the same text."""
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "schuss", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


# -- commands ----------------------------------------------------------------------------------------


def _console(block: Block, folder: Path) -> Result:
    """Run the commands of a block; each one's output, errors included, follows it."""
    shown = ""
    for line in block.code.splitlines():
        if not line.startswith("$ "):
            raise ValueError(f"a console block holds commands alone, each after '$ ', not {line!r}")
        shown += f"{line}\n{command(line[2:], folder)}"
    return Result(block, TIMES.sub("", shown) if "untimed" in block.words else shown)


def command(line: str, folder: Path) -> str:
    """What a command writes. ValueError if it fails or takes too long."""
    process = subprocess.Popen(
        line, shell=True, executable="/bin/bash", cwd=folder, env=_environment(folder), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    killer = threading.Timer(LONGEST, os.killpg, (process.pid, signal.SIGKILL))
    killer.start()
    try:
        out = _served(process) if SERVES.match(line) else process.communicate()[0]
    finally:
        killer.cancel()
    code = process.wait()
    if code and not (code == 124 and STOPPED.match(line)):
        raise ValueError(f"`{line}` ended with {code}: {out.strip() or 'it wrote nothing'}")
    return out


def _served(process: subprocess.Popen[str]) -> str:
    """The output of a command that serves until Ctrl-C, which it gets after saying that this is how to end it."""
    assert process.stdout is not None
    out = ""
    for line in process.stdout:
        out += line
        if "Ctrl-C" in line:
            os.killpg(process.pid, signal.SIGINT)
    return out


def _environment(folder: Path) -> dict[str, str]:
    """The surroundings of a command: this interpreter's schuss, no colours, no browser, 100 columns."""
    tools = folder / ".bin"
    if not tools.exists():
        tools.mkdir()
        script = f"#!/bin/sh\nexec '{sys.executable}' -c 'from schuss.cli import main; main()' \"$@\"\n"
        (tools / "schuss").write_text(script, encoding="utf-8")
        (tools / "schuss").chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "BROWSER": "true",
        "PYTHONUNBUFFERED": "1",
    }
