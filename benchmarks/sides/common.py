"""What both sides of a comparison share: the data, the workload and the one JSON line they print."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from typing import Any

SIZES = (784, 128, 64, 10)
RATE = 1e-3


def options() -> argparse.Namespace:
    """Call before importing the framework: thread counts are read from the environment at import."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--idiom", default="")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(given.threads)
    return given


def report(peer: str, version: str, seconds: list[float], loss: float, accuracy: float, **more: Any) -> None:
    """One JSON line: the median epoch (the first, which warms up, left out), and what was learned."""
    median = statistics.median(seconds[1:] or seconds)
    line = {"peer": peer, "version": version, "seconds": median, "epochs": seconds, "loss": loss, "accuracy": accuracy}
    print(json.dumps({**line, **more}))
