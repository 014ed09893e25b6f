"""Seconds of a random search over hyperparameters: 30 settings of a network of digits' size, an epoch each.

    python benchmarks/search.py [--settings 30]

Rate, weight decay, betas, clip norm, dropout and label smoothing are drawn for each setting. These are inputs of the
compiled step, so that the first setting compiles it and all others find it. The cache is empty at the start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time

import numpy as np
from arguments import count
from machine import hardware

import schuss
from schuss import nn, optim

ROWS, PIXELS, HIDDEN, CLASSES = 2_000, 784, 128, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=count, default=30)
    given = parser.parse_args()
    draw = np.random.default_rng(0)
    data = draw.random((ROWS, PIXELS), dtype=np.float32), draw.integers(0, CLASSES, ROWS)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SCHUSS_CACHE_DIR"] = folder
        wall, own = zip(*(_timed(data, draw) for _ in range(given.settings)), strict=True)
    print(hardware(len(os.sched_getaffinity(0))))
    print(f"{given.settings} settings: {sum(wall):.1f} s ({sum(own):.1f} s of the cores)")
    print(f"the first {wall[0]:.2f} s, of the others the median {statistics.median(wall[1:]):.3f} s")


def _timed(data: tuple[np.ndarray, np.ndarray], draw: np.random.Generator) -> tuple[float, float]:
    start, busy = time.perf_counter(), time.process_time()
    model = nn.Sequential(
        nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Dropout(draw.uniform(0.1, 0.6)), nn.Linear(HIDDEN, CLASSES)
    )
    betas = draw.uniform(0.8, 0.95), draw.uniform(0.99, 0.9999)
    optimizer = optim.AdamW(10 ** draw.uniform(-4, -2), betas, weight_decay=10 ** draw.uniform(-6, -2))
    loss, clip = nn.CrossEntropyLoss(label_smoothing=draw.uniform(0.01, 0.2)), draw.uniform(0.5, 2.0)
    schuss.fit(model, data, loss=loss, optimizer=optimizer, clip_norm=clip, validation=0.2, progress=False)
    return time.perf_counter() - start, time.process_time() - busy


if __name__ == "__main__":
    main()
