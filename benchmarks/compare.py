"""schuss and its peers, side by side: seconds an epoch, and what each learned.

    pip install -e '.[bench]'
    python benchmarks/compare.py digits                   one workload (see workloads.py)
    python benchmarks/compare.py all --rounds 7
    python benchmarks/compare.py 64,256,256,10:128:20000 --sides schuss jax:scan

The sides take turns (race.py); a side's figure is the median over its turns, with the least and the largest. The
ratio is to schuss. The floor is max(flops / peak, bytes / bandwidth), both measured on this machine just before
(machine.py): no program is faster. Loss (on the training rows) and score (test accuracy; test loss for the function)
show that each side learned.

Workloads: digits, digits-512, function, wide. Sides: schuss; jax:scan (a whole epoch compiled) and jax:step; torch:
eager, foreach or fused (the optimizer's form) and step (the whole step compiled), each also with _ftz, which flushes
denormals; sklearn; mlx. A peer's side says in sides/ what it does. SIDE@PYTHON runs it with another environment's
interpreter, as jax:scan_unthunked@old/bin/python with jax 0.5.3.
"""

from __future__ import annotations

import argparse

from arguments import count, duration, side, workload_or_all
from machine import bandwidth, hardware, peak
from race import installed, race
from workloads import WORKLOADS, Workload, named

SIDES = ["schuss", "jax:scan", "torch:step_ftz", "torch:fused_ftz", "torch:fused", "sklearn"]


def table(work: Workload, names: list[str], given: argparse.Namespace) -> None:
    """Run the race and print it."""
    results = race(names, work.name, given.threads, given.rounds, given.least)
    most = peak(given.threads)
    by_flops, by_bytes = work.flops / most, work.bytes / bandwidth(given.threads)
    floor, why = max((by_flops, f"{most / 1e9:.0f} Gflop/s"), (by_bytes, "memory traffic"))
    print(
        f"\n{work.name}: {'-'.join(map(str, work.sizes))}, batch {work.batch}, {work.rows} rows; {given.rounds} rounds"
    )
    print(f"{hardware(given.threads)}; floor {show(floor)} an epoch ({why})\n")
    print("| side | an epoch: median (least - most) | us a step | ratio | share of peak | loss | score |")
    print("|---|---|---|---|---|---|---|")
    for r in results:
        spread = f"{show(r.median)} ({show(min(r.times))} - {show(max(r.times))})"
        print(
            f"| {r.label} | {spread} | {r.median / work.steps * 1e6:.4g} | {r.median / results[0].median:.2f} "
            f"| {by_flops / r.median * 100:.0f} % | {r.loss:.4g} | {r.score:.4g} |",
            flush=True,
        )


def show(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", nargs="+", type=workload_or_all, help="names, or sizes:batch:rows, or all")
    parser.add_argument(
        "--sides", nargs="+", type=side, default=SIDES, help="scripts of sides/ with an idiom; the first is ours"
    )
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--least", type=duration, default=0.5, help="seconds of one turn")
    given = parser.parse_args()
    names = installed(given.sides)
    for absent in sorted(set(given.sides) - set(names)):
        print(f"not here: {absent}")
    for text in WORKLOADS if "all" in given.workload else given.workload:
        table(named(text), names, given)


if __name__ == "__main__":
    main()
