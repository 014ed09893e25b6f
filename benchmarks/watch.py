"""What watching costs: examples a second with and without `schuss train --watch`, in turns.

    python benchmarks/watch.py [digits function large] [--rounds 10] [--seconds 10] [--browser]

Each turn is the command itself, in a process of its own: plain, then watched by a client (another process on the same
cores) that reads the whole stream, then plain again. With --browser (needs playwright) a third side has the page open
in headless Chromium: that includes what the browser costs for drawing. Clients have started before the run does.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from arguments import count, duration, one_of
from machine import hardware

COMMAND = [sys.executable, "-c", "from schuss.cli import main; main()"]
READER = """
import sys, urllib.request
for address in sys.stdin:
    with urllib.request.urlopen(address.strip() + "events") as stream:
        for line in stream:
            pass
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


def watched(options: list[str], open_page: Callable[[str], Any]) -> dict[str, Any]:
    """The result of a run whose page open_page(address) looks at."""
    run = subprocess.Popen([*COMMAND, *options, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stderr is not None
    try:
        address = re.search(r"http\S+", run.stderr.readline())
        if address is None:
            raise SystemExit("no page opened: pip install -e '.[web]', and schuss train --watch must run here")
        open_page(address[0])
        found: dict[str, Any] = json.loads(run.stdout.readline())
        run.terminate()
        run.wait(20)
        return found
    finally:
        run.kill()
        run.wait()


@contextmanager
def reading() -> Iterator[Callable[[str], Any]]:
    """A client that reads the streams of the addresses it is given."""
    client = subprocess.Popen([sys.executable, "-c", READER], stdin=subprocess.PIPE, text=True)
    assert client.stdin is not None

    def read(address: str) -> None:
        client.stdin.write(f"{address}\n")  # type: ignore[union-attr]
        client.stdin.flush()  # type: ignore[union-attr]

    try:
        yield read
    finally:
        client.kill()
        client.wait()


@contextmanager
def browsing() -> Iterator[Callable[[str], Any]]:
    """A browser that opens the addresses it is given."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise SystemExit("--browser needs playwright: pip install -e '.[browser]'") from None

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        yield lambda address: page.goto(address, wait_until="commit")
        browser.close()


def speeds(options: list[str], rounds: int, browser: bool) -> dict[str, list[float]]:
    """Examples a second of each side, turn by turn; the first round, which compiles, does not count."""
    found: dict[str, list[float]] = {"plain": [], "watched": []}
    with ExitStack() as stack:
        clients = {"watched": stack.enter_context(reading())}
        if browser:
            found["browser"], clients["browser"] = [], stack.enter_context(browsing())
        for number in range(rounds + 1):
            for side, known in found.items():
                result = watched(options, clients[side]) if side in clients else plain(options)
                if number:
                    known.append(result["examples_per_second"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", type=one_of(WORKLOADS), default=["digits", "function"])
    parser.add_argument("--rounds", type=count, default=10)
    parser.add_argument("--seconds", type=duration, default=10.0)
    parser.add_argument("--threads", type=count, default=2)
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
