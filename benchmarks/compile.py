"""How long `import schuss` takes, and making the 784-128-64-10 training step: with nothing cached, and from the cache.

    python benchmarks/compile.py [--rounds 5]

Every figure is of a process of its own. The step: planned and compiled for batch 64 and Adam, without importing the
modules that do it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from arguments import count
from machine import hardware

SCRIPT = """
import json, time
start = time.perf_counter()
import schuss
imported = time.perf_counter() - start
import numpy as np
import schuss.compiler.link, schuss.exec.native.executor
from schuss import nn, optim
made = []
plain = schuss.exec.native.loop.NativeLoop.__init__
def timed(*given, **named):
    start = time.perf_counter()
    plain(*given, **named)
    made.append(time.perf_counter() - start)
schuss.exec.native.loop.NativeLoop.__init__ = timed
model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
data = np.zeros((64, 784), np.uint8), np.zeros(64, int)
schuss.fit(model, data, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(), epochs=1, batch_size=64, scale=1 / 255)
print(json.dumps([imported, made[0]]))
"""


def times(folder: str) -> list[float]:
    """Seconds of the import and of the step, in a new process with this cache folder."""
    environment = {**os.environ, "SCHUSS_CACHE_DIR": folder}
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, env=environment)
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=5)
    given = parser.parse_args()
    found: dict[str, list[float]] = {"import schuss": [], "step, nothing cached": [], "step, cached": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            found["step, nothing cached"].append(times(folder)[1])
            imported, step = times(folder)
        found["import schuss"].append(imported)
        found["step, cached"].append(step)
    print(f"{hardware(os.cpu_count() or 1)}; {given.rounds} rounds\n\n| what | ms: median (least - most) |\n|---|---|")
    for name, seconds in found.items():
        ms = [1000 * s for s in seconds]
        print(f"| {name} | {statistics.median(ms):.0f} ({min(ms):.0f} - {max(ms):.0f}) |")


if __name__ == "__main__":
    main()
