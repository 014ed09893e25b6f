"""What the sides of a comparison share: how they are asked, how they are told to run, and what they answer.

A side is a process of its own. It makes itself ready, then runs epochs when a line tells it how many, so that sides
can take turns; when its input ends it says what it has learned.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from arguments import count, workload
from workloads import Workload, named


def options() -> tuple[argparse.Namespace, Workload]:
    """Call before importing the framework: thread counts are read from the environment at import."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", type=workload, help="a name, or sizes:batch:rows such as 64,256,256,10:128:20000")
    parser.add_argument("--idiom", default="")
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    if given.threads == 1 and hasattr(os, "sched_setaffinity"):  # XLA counts the cores it may use
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return given, named(given.workload)


def answer(seconds: float) -> None:
    """The seconds of one epoch of the last turn."""
    print(seconds, flush=True)


def next_turn() -> int:
    """Epochs to run now; 0 when there are no more turns."""
    return int(sys.stdin.readline() or 0)


def serve(epoch: Callable[[], object]) -> None:
    """Run epochs, turn by turn."""
    while count := next_turn():
        start = time.perf_counter()
        for _ in range(count):
            epoch()
        answer((time.perf_counter() - start) / count)


def report(side: str, version: str, idiom: str, loss: float, score: float) -> None:
    """One JSON line at the end: the loss on all training rows, and the test accuracy (classes) or test loss."""
    line = {"side": side, "version": version, "idiom": idiom}
    print(json.dumps({**line, "loss": float(loss), "score": float(score)}), flush=True)
