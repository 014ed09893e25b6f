"""Seconds to train an ensemble: fit_many, as many fits one after the other, and scikit-learn's as many fits.

    python benchmarks/many.py [--members 64] [--epochs 5] [--rounds 3] [--threads N] [--no-sklearn]

Networks of 16 inputs, two layers of 32 and one output learn 20,000 rows in batches of 200 by Adam, each from a seed of
its own. The sides take turns; a side's figure is the least over its rounds. The cores' seconds are the process's, all
threads together: on a machine with other work they say more than the clock. `fit` has one thread; perfect scaling is
the threads of fit_many times as fast.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable

import numpy as np
from arguments import count
from machine import hardware

import schuss
from schuss import nn, optim

ROWS, INPUTS, HIDDEN, BATCH, RATE = 20_000, 16, 32, 200, 1e-3


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(INPUTS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
    )


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of the cores."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=count, default=64)
    parser.add_argument("--epochs", type=count, default=5)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--threads", type=count, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--no-sklearn", action="store_true", help="leave out what takes longest")
    given = parser.parse_args()
    draw = np.random.default_rng(0)
    x = draw.standard_normal((ROWS, INPUTS)).astype(np.float32)
    y = (np.sin(2.0 * x[:, :1]) + x[:, 1:2] * x[:, 2:3]).astype(np.float32)
    settings = {
        "loss": nn.MSELoss(), "optimizer": optim.Adam(RATE), "epochs": given.epochs, "batch_size": BATCH,
        "progress": False,
    }  # fmt: skip

    def together() -> None:
        schuss.fit_many(network(), (x, y), members=given.members, threads=given.threads, **settings)

    def alone() -> None:
        for seed in range(given.members):
            schuss.fit(network(), (x, y), seed=seed, threads=1, **settings)

    def theirs() -> None:
        from sklearn.neural_network import MLPRegressor

        for seed in range(given.members):
            MLPRegressor(
                hidden_layer_sizes=(HIDDEN, HIDDEN), batch_size=BATCH, learning_rate_init=RATE, alpha=0.0, tol=0.0,
                max_iter=given.epochs, n_iter_no_change=given.epochs + 1, random_state=seed,
            ).fit(x, y[:, 0])  # fmt: skip

    sides = {"fit_many": together, "fit, one after the other": alone}
    if not given.no_sklearn:
        sides["scikit-learn, one after the other"] = theirs
    schuss.fit(network(), (x, y), threads=1, **settings)  # compiled, as all later ones find it
    warnings.simplefilter("ignore")  # scikit-learn's, of epochs that are too few
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(given.rounds):
        for name, work in sides.items():
            found[name].append(timed(work))
    what = f"{given.members} networks, {given.epochs} epochs, least of {given.rounds} rounds"
    print(f"{hardware(given.threads)}; {what}\n")
    print("| side | seconds | of the cores | a network | times fit_many |")
    print("|---|---|---|---|---|")
    first = min(wall for wall, _ in found["fit_many"])
    for name, rounds in found.items():
        wall, busy = (min(part) for part in zip(*rounds, strict=True))
        print(f"| {name} | {wall:.3f} | {busy:.3f} | {wall / given.members * 1e3:.2f} ms | {wall / first:.2f} |")


if __name__ == "__main__":
    main()
