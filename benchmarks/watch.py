"""What watching costs: examples a second with and without `schuss train --watch`, in turns.

    python benchmarks/watch.py [digits function large] [--rounds 8] [--seconds 10] [--browser]

Each turn is the command itself, in a process of its own: plain, then watched by a client (another process on the same
cores) that reads the whole stream, then plain again. With --browser a third side has a headless Chromium with the page
open: that includes what the browser costs for drawing.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import hardware

COMMAND = [sys.executable, "-c", "from schuss.cli import main; main()"]
READER = """
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1] + "events") as stream:
    size = sum(len(line) for line in stream)
print(size)
"""
WORKLOADS: dict[str, tuple[list[str], float]] = {  # options of train, and about how many seconds an epoch takes
    "digits": (["mnist"], 0.45),
    "function": (["{function}", "--hidden", "32,32", "--activation", "tanh", "--batch-size", "32"], 0.005),
    "large": (["mnist", "--hidden", "1024,1024", "--batch-size", "256"], 4.0),
}


def function(folder: Path) -> Path:
    """20,000 rows of a smooth function of 16 numbers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(21_000, 16)).astype(np.float32)
    y = np.sin(x @ rng.normal(size=(16, 1)) / 2).astype(np.float32)
    path = folder / "function.npz"
    np.savez(path, x_train=x[:20_000], y_train=y[:20_000], x_test=x[20_000:], y_test=y[20_000:])
    return path


def plain(options: list[str]) -> dict[str, Any]:
    """The result of a run as it is."""
    done = subprocess.run([*COMMAND, *options], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def watched(options: list[str], open_page: Any) -> dict[str, Any]:
    """The result of a run whose page open_page(address) looks at; that is a process."""
    run = subprocess.Popen([*COMMAND, *options, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stderr is not None
    client = None
    try:
        address = re.search(r"http\S+", run.stderr.readline())
        assert address is not None
        client = open_page(address[0])
        found: dict[str, Any] = json.loads(run.stdout.readline())
        run.send_signal(signal.SIGINT)
        run.wait(20)
        return found
    finally:
        for process in (run, client):
            if process is not None:
                process.kill()
                process.wait()


def reading(address: str) -> Any:
    """A client that reads the stream."""
    return subprocess.Popen([sys.executable, "-c", READER, address], stdout=subprocess.DEVNULL)


def browsing(address: str) -> Any:
    """A browser with the page open."""
    profile = tempfile.mkdtemp(prefix="schuss-browser-")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    flags.append(f"--user-data-dir={profile}")
    program = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    return subprocess.Popen([program, *flags, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def speeds(options: list[str], rounds: int, browser: bool) -> dict[str, list[float]]:
    """Examples a second of each side, turn by turn; the first round, which compiles, does not count."""
    found: dict[str, list[float]] = {"plain": [], "watched": []}
    if browser:
        found["browser"] = []
    for number in range(rounds + 1):
        for side, known in found.items():
            if side == "plain":
                result = plain(options)
            else:
                result = watched(options, reading if side == "watched" else browsing)
            if number:
                known.append(result["examples_per_second"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", default=["digits", "function"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--browser", action="store_true")
    given = parser.parse_args()
    print(hardware(given.threads))
    print("\n| workload | side | examples/s: median (least - most) | share of plain: median (least - most) |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        data = function(Path(folder))
        for name in given.workload:
            chosen, epoch = WORKLOADS[name]
            options = ["train", *(o.format(function=data) for o in chosen), "--quiet", "--json"]
            options += ["--epochs", str(max(1, round(given.seconds / epoch))), "--threads", str(given.threads)]
            found = speeds(options, given.rounds, given.browser)
            for side, values in found.items():
                shares = [100 * a / b for a, b in zip(values, found["plain"], strict=True)]
                middle = f"{statistics.median(values):,.0f} ({min(values):,.0f} - {max(values):,.0f})"
                share = f"{statistics.median(shares):.1f} % ({min(shares):.1f} - {max(shares):.1f})"
                print(f"| {name} | {side} | {middle} | {'' if side == 'plain' else share} |", flush=True)


if __name__ == "__main__":
    main()
