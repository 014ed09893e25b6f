"""How long small parts take that a person waits for: random bits for a shuffle, the bundled digits, a picture of 1,000
operations, and the end of `schuss train` after Ctrl-C.

    python benchmarks/parts.py [--rounds 5]

Each figure is the median of the rounds, in milliseconds, with the least and the most.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import count
from machine import hardware


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bits() -> float:
    """60,000 random words: one epoch's shuffle of MNIST."""
    from schuss.ops.philox import key_from_seed, random_bits

    return timed(lambda: random_bits(key_from_seed(0), 0, 0, 60_000))


def decoded() -> float:
    """The digits unpacked, as on their first use."""
    from schuss.data import bundled

    return timed(lambda: bundled.decode(bundled.BUNDLE))


def picture() -> float:
    """The graph of a network of 90 equal blocks, laid out and written as SVG."""
    from schuss import nn, viz

    model = nn.Sequential(*[layer for _ in range(90) for layer in (nn.Linear(4, 4), nn.Tanh())], nn.Linear(4, 1))
    graph = viz.graph(model, np.ones((3, 4), np.float32), np.ones((3, 1), np.float32), loss=nn.MSELoss())
    return timed(lambda: graph.svg)


def stopped() -> float:
    """From Ctrl-C to the end of the process, in the middle of a run on the digits."""
    command = [sys.executable, "-c", "from schuss.cli import main; main()", "train", "mnist", "--epochs", "1000"]
    environment = {**os.environ, "SCHUSS_MACHINE": "cores=1,cache=1048576"}
    process = subprocess.Popen([*command, "--threads", "2"], stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    process.stderr.readline()  # two threads on one core: said as training begins
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    return timed(lambda: process.communicate(timeout=60))


PARTS = {
    "random bits, 60,000": bits,
    "digits decoded": decoded,
    "picture of a deep graph": picture,
    "end after Ctrl-C": stopped,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=5)
    given = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in PARTS}
    for _ in range(given.rounds):
        for name, part in PARTS.items():
            found[name].append(part() * 1000)
    print(f"{hardware(os.cpu_count() or 1)}; {given.rounds} rounds")
    for name, values in found.items():
        print(f"{name:26} {statistics.median(values):8.1f} ms  ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()
