"""Seconds from the start of a process to a network that reads 97.0 % of the test digits.

    pip install -e '.[bench]'
    python benchmarks/cold.py [--rounds 5]

Each script of cold/ imports its library, loads the digits and trains 784-128-64-10 (ReLU, Adam at 5e-3, batch 256)
until the accuracy on the 10,000 test digits is 97.0 %, which schuss asks once an epoch and the others, whose steps are
slower, three times an epoch. The whole process is timed, from outside. For schuss twice: with its caches (the decoded
digits and the compiled step) and, as after an installation, with none. jax also with its own cache of compiled code.
`import torch` alone is timed in the same run. The processes take turns; the seed is the round.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from arguments import count
from machine import hardware

from schuss.data import load_mnist

HERE = Path(__file__).parent / "cold"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        digits = load_mnist()
        data = Path(folder) / "mnist.npz"
        np.savez(data, x=digits.x_train_flat, y=digits.y_train, xt=digits.x_test_flat, yt=digits.y_test)
        runs = {
            "schuss": ["schuss", ("SCHUSS_CACHE_DIR", f"{folder}/warm")],
            "schuss, nothing cached": ["schuss", ("SCHUSS_CACHE_DIR", "")],
            "jax": ["jax", ("CACHE", "")],
            "jax, its cache on": ["jax", ("CACHE", f"{folder}/jax")],
            "scikit-learn": ["sklearn", ("CACHE", "")],
            "PyTorch": ["torch", ("CACHE", "")],
            "import torch": ["import_torch", ("CACHE", "")],
        }
        times: dict[str, list[float]] = {}
        reached: dict[str, list[str]] = {}
        for turn in range(given.rounds + 1):
            for name, (script, (variable, value)) in runs.items():
                package = script.removeprefix("import_")
                if importlib.util.find_spec(package) is None:
                    continue
                if variable == "SCHUSS_CACHE_DIR" and not value:
                    value = tempfile.mkdtemp(dir=folder)
                command = [sys.executable, str(HERE / f"{script}.py"), str(turn), str(data)]
                start = time.perf_counter()
                done = subprocess.run(
                    command, env={**os.environ, variable: value}, check=True, capture_output=True, text=True
                )
                seconds = time.perf_counter() - start
                if turn:  # the first fills caches
                    times.setdefault(name, []).append(seconds)
                    reached.setdefault(name, []).append(done.stdout.strip())
    print(f"{hardware(len(os.sched_getaffinity(0)))}; {given.rounds} rounds\n")
    print("| process | seconds: median (least - most) | test accuracy reached |")
    print("|---|---|---|")
    for name, found in times.items():
        spread = f"{statistics.median(found):.2f} ({min(found):.2f} - {max(found):.2f})"
        print(f"| {name} | {spread} | {min(reached[name])} |")


if __name__ == "__main__":
    main()
