"""Seconds an epoch of a 784-128-64-10 network on the 60,000 MNIST digits: schuss and PyTorch, side by side.

    pip install -e '.[bench]'
    python benchmarks/compare.py                 # batch 64, 2 threads, 3 rounds

ReLU, cross entropy, Adam at 1e-3, every row of the shuffled epoch, the short last batch included; float32.
Each side is a process of its own, run in turn (A B C A B C ...), one at a time; a side's figure is the median of
its epochs after the first, and the table gives the median, the least and the largest over the rounds. Loss and test
accuracy show that both learned. PyTorch runs its eager idioms; the fastest is what the ratio is against.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

SIDES = Path(__file__).parent / "sides"
RUNS = [
    ("schuss_side.py", ""),
    ("torch_side.py", "fused_ftz"),
    ("torch_side.py", "fused"),
    ("torch_side.py", "foreach_ftz"),
]


def measure(script: str, idiom: str, given: argparse.Namespace) -> dict[str, Any]:
    """One process, one JSON line."""
    command = [sys.executable, str(SIDES / script), "--idiom", idiom, "--threads", str(given.threads)]
    command += ["--batch", str(given.batch), "--epochs", str(given.epochs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return line


def cpu_name() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(given.rounds):
        for script, idiom in RUNS:
            line = measure(script, idiom, given)
            found.setdefault((line["peer"], line["idiom"]), []).append(line)
    medians = {key: statistics.median(r["seconds"] for r in rows) for key, rows in found.items()}
    ours = medians[("schuss", "fit")]
    steps = -(-60000 // given.batch)
    cores = f"{given.threads} of {os.cpu_count()} cores"
    print(f"{cpu_name()}, {cores}, batch {given.batch}, Python {platform.python_version()}")
    print("| side | s an epoch (median, least - largest) | us a step | ratio | train loss | test accuracy |")
    print("|---|---|---|---|---|---|")
    for (peer, idiom), rows in found.items():
        times = [r["seconds"] for r in rows]
        median = medians[(peer, idiom)]
        print(
            f"| {peer} {rows[0]['version']} {idiom} | {median:.3f} ({min(times):.3f} - {max(times):.3f}) "
            f"| {median / steps * 1e6:.0f} | {median / ours:.1f} | {statistics.median(r['loss'] for r in rows):.4f} "
            f"| {statistics.median(r['accuracy'] for r in rows):.4f} |"
        )


if __name__ == "__main__":
    main()
