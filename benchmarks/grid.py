"""Step time over the size of the network and of the batch, against the fastest peer at each point.

    pip install -e '.[bench]'
    python benchmarks/grid.py [--rounds 5] [--sides schuss jax:scan torch:fused_ftz torch:step_ftz]

A point is a width w, a depth d and a batch: w inputs, d hidden layers of w ReLU units, 10 classes, cross entropy,
Adam, float32. An epoch has as many batches as fill about a quarter of a second (2,000 at most; 2 at least, and 16 of
small batches). The sides take turns; the figure is the median of their turns.
"""

from __future__ import annotations

import argparse
import itertools

from arguments import count, side
from machine import hardware, peak
from race import installed, race
from workloads import named

WIDTHS, DEPTHS, BATCHES = (8, 32, 128, 512, 2048), (1, 4, 16), (1, 64, 4096)
SIDES = ["schuss", "jax:scan", "torch:fused_ftz"]
SPEED = 100e9  # about how many operations a second, to choose the length of an epoch
EPOCH = 0.25  # seconds; at least two steps, and 16 of up to 64 examples: what an epoch's end costs is not a step's
MOST = 1 << 25  # numbers of data at most


def point(width: int, depth: int, batch: int) -> str:
    """The workload's name: sizes:batch:rows."""
    sizes = (*(width,) * (depth + 1), 10)
    flops = 6 * batch * sum(a * b for a, b in itertools.pairwise(sizes))
    steps = min(max(int(EPOCH * SPEED / flops), 16 if batch <= 64 else 2), 2000, max(MOST // (width * batch), 2))
    return f"{','.join(map(str, sizes))}:{batch}:{steps * batch}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="+", type=side, default=SIDES)
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--widths", nargs="+", type=count, default=WIDTHS)
    parser.add_argument("--depths", nargs="+", type=count, default=DEPTHS)
    parser.add_argument("--batches", nargs="+", type=count, default=BATCHES)
    given = parser.parse_args()
    names = installed(given.sides)
    if len(names) < 2:
        raise SystemExit(f"nothing to compare: of the sides only {' '.join(names) or 'none'} can run here")
    most = peak(given.threads)
    print(f"{hardware(given.threads)}; {most / 1e9:.0f} Gflop/s; us a step, median of {given.rounds} turns\n")
    print(f"| width | depth | batch | {' | '.join(names)} | fastest peer / schuss | share of peak |")
    print("|---" * (len(names) + 5) + "|")
    slower, points = [], 0
    for width, depth, batch in itertools.product(given.widths, given.depths, given.batches):
        work = named(point(width, depth, batch))
        results = race(names, work.name, given.threads, given.rounds, 0.2)
        steps = [r.median / work.steps for r in results]
        ratio = min(steps[1:]) / steps[0]
        points += 1
        if ratio < 1:
            slower.append((width, depth, batch))
        figures = " | ".join(f"{t * 1e6:.4g}" for t in steps)
        share = work.flops / work.steps / steps[0] / most * 100
        print(f"| {width} | {depth} | {batch} | {figures} | {ratio:.2f} | {share:.0f} % |", flush=True)
    print(f"\nfaster than the fastest peer at {points - len(slower)} of {points} points; not at {slower or 'none'}")


if __name__ == "__main__":
    main()
