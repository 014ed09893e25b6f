"""What a person sees in a real terminal: the live line at 80 and at 200 columns, and the result after it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="there is no tmux here: apt-get install tmux")
PROGRAM = "from schuss.cli import main; main()"
SECONDS = 60


class Terminal:
    """A tmux session of its own, in which schuss runs."""

    def __init__(self, folder: Path, width: int, words: list[str], colour: bool) -> None:
        self.socket = str(folder / "tmux")
        command = shlex.join([sys.executable, "-c", PROGRAM, *words])
        own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}  # tmux has a size
        environment = {**own, "TERM": "xterm-256color"} | ({} if colour else {"NO_COLOR": "1"})
        size = ["-x", str(width), "-y", "24"]
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", *size, f"{command}; echo ended; sleep {SECONDS}", env=environment
        )

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        found = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, env=env, check=True)
        return found.stdout

    def until(self, pattern: str, escapes: bool = False) -> str:
        """The screen as soon as it shows the pattern."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            screen = self._tmux("capture-pane", "-p", *(["-e"] if escapes else []))
            if re.search(pattern, screen):
                return screen
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} on the screen:\n{screen}")

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.mark.parametrize(("width", "colour"), [(80, True), (200, True), (80, False)])
def test_the_live_line_and_the_result(tmp_path: Path, width: int, colour: bool) -> None:
    words = ["train", "mnist", "--hidden", "16", "--epochs", "30"]
    terminal = Terminal(tmp_path, width, words, colour)
    try:
        live = terminal.until(r"epoch \d+/30.*examples/s", escapes=True)
        line = next(row for row in live.splitlines() if "epoch" in row)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
        assert len(plain) <= width
        for part in ("loss", "accuracy", "examples/s"):
            assert part in plain
        assert re.search(r"\x1b\[[0-9;]*3\d", line) if colour else not re.search(r"\x1b\[[0-9;]*3\d", line)
        last = terminal.until("ended")
    finally:
        terminal.close()
    assert not re.search(r"epoch \d+/", last), "the live line is gone"
    assert re.search(r"^test accuracy +\d\d\.\d\d %$", last, flags=re.MULTILINE)
