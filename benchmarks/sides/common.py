"""What the sides of a comparison share: how they are asked, and the one JSON line each prints."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from workloads import Workload, named


def options() -> tuple[argparse.Namespace, Workload]:
    """Call before importing the framework: thread counts are read from the environment at import."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", help="a name, or sizes:batch:rows such as 64,256,256,10:128:20000")
    parser.add_argument("--idiom", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    if given.threads == 1 and hasattr(os, "sched_setaffinity"):  # XLA counts the cores it may use
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    work = named(given.workload)
    given.epochs = given.epochs or work.epochs
    return given, work


def report(side: str, version: str, seconds: list[float], learned: tuple[float, float], **more: Any) -> None:
    """One JSON line: the median epoch (the first, which warms up, left out), loss on all training rows, score.

    The score is the test accuracy for classes, the test loss otherwise.
    """
    median = statistics.median(seconds[1:] or seconds)
    line = {"side": side, "version": version, "seconds": median, "epochs": seconds}
    print(json.dumps({**line, "loss": float(learned[0]), "score": float(learned[1]), **more}))
