"""Sides that take turns at one workload: A B C A B C ..., one at a time, so that a slow minute hits all of them.

A side is a script of sides/, an idiom, and the interpreter it runs with where that is not this one (a peer's older
release in an environment of its own, with schuss installed beside it for the data). Each is a process that stays; one
turn is some epochs, timed by the side itself from end to end. The first turns, which compile and warm up, do not count.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SIDES = Path(__file__).parent / "sides"
PAUSE = 0.1  # seconds before a turn, so that the threads of the side before have stopped waiting for work
PACKAGES = {"schuss": "schuss", "jax": "jax", "mlx": "mlx", "torch": "torch", "sklearn": "sklearn"}


@dataclass
class Result:
    """One side: its seconds an epoch turn by turn, and what it learned."""

    name: str
    times: list[float] = field(default_factory=list)
    version: str = ""
    loss: float = float("nan")
    score: float = float("nan")

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def label(self) -> str:
        return f"{self.version} {self.name.partition('@')[0].partition(':')[2]}".strip()


class Side:
    """A running process of a side, named script:idiom@interpreter."""

    def __init__(self, name: str, workload: str, threads: int) -> None:
        what, _, python = name.partition("@")
        script, _, idiom = what.partition(":")
        command = [python or sys.executable, str(SIDES / f"{script}_side.py"), workload, "--threads", str(threads)]
        command += ["--idiom", idiom] if idiom else []
        self.result = Result(name)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, epochs: int) -> float:
        """Seconds of one epoch, of so many run now."""
        self._process.stdin.write(f"{epochs}\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise SystemExit(f"{self.result.name} ended with exit code {self._process.wait()}")
        return float(line)

    def end(self) -> Result:
        """What it learned."""
        out, _ = self._process.communicate()
        line: dict[str, Any] = json.loads(out.splitlines()[-1])
        self.result.version = f"{line['side']} {line['version']}"
        self.result.loss, self.result.score = line["loss"], line["score"]
        return self.result

    def stop(self) -> None:
        """Whatever it is doing."""
        self._process.kill()
        self._process.wait()


def installed(names: list[str]) -> list[str]:
    """Those that can run here: the package is installed (or another environment is named), and a C++ compiler where
    torch.compile needs one."""
    able = [n for n in names if "@" in n or importlib.util.find_spec(PACKAGES[n.partition(":")[0]])]
    return [n for n in able if "torch:step" not in n or shutil.which("c++")]


def race(names: list[str], workload: str, threads: int, rounds: int, least: float, warm: int = 2) -> list[Result]:
    """Turns of at least so many seconds (of whole epochs), rounds times; the sides in the order given."""
    sides: list[Side] = []
    try:
        epochs = []
        for name in names:
            sides.append(Side(name, workload, threads))
            seconds = [sides[-1].turn(1) for _ in range(warm)][-1]
            epochs.append(max(1, round(least / seconds)))
        for _ in range(rounds):
            for side, count in zip(sides, epochs, strict=True):
                time.sleep(PAUSE)
                side.result.times.append(side.turn(count))
        return [side.end() for side in sides]
    finally:
        for side in sides:
            side.stop()
