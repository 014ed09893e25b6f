"""Each kernel of a training step: its time, and its share of what the machine could do.

    python benchmarks/roofline.py digits [--threads 2]

A kernel's time is counted in cycles by the code itself, on every thread, over an epoch (x86 only); the table gives
the mean over threads. flops counts 2 m k n of a product and 1 for each element of a map; bytes what the kernel's
operands and results hold, each once. The floor is max(flops / peak, bytes / bandwidth of memory): a kernel whose
operands lie in a cache may go below it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import time

import numpy as np
from arguments import count, workload
from machine import bandwidth, hardware, peak
from workloads import Workload, named

from schuss import nn, optim
from schuss.compiler.schedule.cost import cost
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.loop import NativeLoop
from schuss.ir.types import N, TensorType
from schuss.signature.inputs import by_scale
from schuss.train.step import Task, training


def loop_of(work: Workload, threads: int, profile: bool = True) -> NativeLoop:
    """The workload's training loop, its data bound and its state loaded."""
    x, y, _, _ = work.data()
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(work.sizes):
        layers += [nn.Linear(a, b), nn.ReLU() if work.classes else nn.Tanh()]
    model = nn.Sequential(*layers[:-1])
    optimizer = optim.Adam(lr=work.rate) if work.classes else optim.SGD(lr=work.rate, momentum=0.9)
    types = [TensorType(str(a.dtype), (N, *a.shape[1:])) for a in (x, y)]
    loss = nn.CrossEntropyLoss() if work.classes else nn.MSELoss()
    inputs = by_scale([types[0]], 1 / 255 if x.dtype == np.uint8 else None)
    task = Task(model, loss, optimizer, inputs, types[1])
    params = {name: p.data for name, p in nn.named_parameters(model).items()}
    made = training(task)
    loop = NativeExecutor(threads, profile).loop(made.step, work.batch)
    loop.bind({"x0": x, "y": y})
    arrays = {f"param/{n}": v for n, v in params.items()} | {f"opt/{n}": v for n, v in made.state.items()}
    sums = {f"sum/{name}": np.zeros(()) for name in task.sums}
    loop.load(arrays | sums | {"key": np.zeros(2, np.uint32)})
    return loop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", type=workload, help="a name, or sizes:batch:rows")
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--rounds", type=count, default=3)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    if given.threads > cores:
        parser.error(f"{given.threads} threads on {cores} cores: each needs one of its own")
    work = named(given.workload)
    loop = loop_of(work, given.threads)
    order = np.random.default_rng(0).permutation(work.rows).astype(np.int64)
    loop.run(order, work.batch, 0, work.steps, 0)
    warm = loop.cycles()
    start = time.perf_counter()
    for _ in range(given.rounds):
        loop.run(order, work.batch, 0, work.steps, 0)
    seconds = (time.perf_counter() - start) / given.rounds / work.steps
    cycles = (loop.cycles() - warm).mean(axis=0)
    times = cycles / cycles.sum() * seconds
    most, stream = peak(given.threads), bandwidth(given.threads)
    print(f"{hardware(given.threads)}; peak {most / 1e9:.0f} Gflop/s, memory {stream / 1e9:.0f} GB/s")
    print(f"{work.name}, batch {work.batch}: {seconds * 1e6:.1f} us a step\n")
    print("| kernel | shape | shared | us | Mflop | share of peak | MB | GB/s |")
    print("|---|---|---|---|---|---|---|---|")
    for stage, t in zip(loop.plan.stages, times, strict=False):
        c = cost(stage.group, work.batch)
        print(
            f"| {c.label} | {c.shape} | {stage.partition[0]} | {t * 1e6:.2f} | {c.flops / 1e6:.3f} "
            f"| {c.flops / t / most * 100:.0f} % | {c.bytes / 1e6:.3f} | {c.bytes / t / 1e9:.1f} |"
        )
    print(f"| waiting | | | {times[-1] * 1e6:.2f} | | | | |")
    print(f"| whole step | | | {seconds * 1e6:.2f} | | {work.flops / work.steps / seconds / most * 100:.0f} % | | |")


if __name__ == "__main__":
    main()
