"""How much a busy neighbour on every core slows an epoch: its fair share would be 2.

    python benchmarks/neighbour.py [digits function] [--sides schuss jax:scan torch:fused_ftz]

Each side by itself, first on the machine as it is, then beside one process a core that does nothing but spin. (The
sides take no turns here: some libraries' threads go on spinning after their turn, and would be neighbours too.)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from arguments import count, side, workload
from compare import show
from machine import hardware
from race import installed, race

SPIN = "import os\nos.sched_setaffinity(0, {%d})\nwhile True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="*", type=workload, default=["digits", "function"])
    parser.add_argument("--sides", nargs="+", type=side, default=["schuss", "jax:scan", "torch:fused_ftz"])
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--rounds", type=count, default=5)
    given = parser.parse_args()
    names = installed(given.sides)
    print(hardware(given.threads))
    print("\n| workload | side | an epoch | beside a neighbour: median (least - most) | slower by |")
    print("|---|---|---|---|---|")
    for task in given.workload:
        for name in names:
            quiet = race([name], task, given.threads, given.rounds, 0.5)[0]
            team = [subprocess.Popen([sys.executable, "-c", SPIN % core]) for core in sorted(os.sched_getaffinity(0))]
            try:
                busy = race([name], task, given.threads, given.rounds, 1.0)[0]
            finally:
                for process in team:
                    process.kill()
                    process.wait()
            spread = f"{show(busy.median)} ({show(min(busy.times))} - {show(max(busy.times))})"
            slower = busy.median / quiet.median
            print(f"| {task} | {quiet.label} | {show(quiet.median)} | {spread} | {slower:.2f} |", flush=True)


if __name__ == "__main__":
    main()
