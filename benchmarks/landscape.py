"""Seconds for the loss landscape of a run: 51 x 51 points over 10,000 digits, and the same in PyTorch.

    pip install -e '.[bench,viz]'
    python benchmarks/landscape.py [--sizes 784,128,64,10] [--size 51] [--rows 10000] [--rounds 3] [--threads 2]

schuss: viz.landscape_data as it is called, with everything: the plane from the recorded path, compilation, the grid and
the losses along the path. PyTorch, float32, on the same plane and rows, the grid alone:

forward         weights at a point from flat vectors, theta + a p + b q, views of them through F.linear, in inference
                mode; in chunks of rows, of the length that is fastest here
forward, split  the same with our shortcut written by hand: x @ W' of the first layer at three points only, then sums

The sides take turns, each with the whole grid; the figure is the median of the rounds. All losses must agree to 1e-4.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from arguments import count, layer_sizes
from machine import hardware, peak
from race import PAUSE, installed

import schuss
from schuss import nn, optim, viz
from schuss.analysis.landscape import Landscape
from schuss.data import load_mnist

CHUNKS = (500, 1000, 2000, 5000, 10_000)


def trained(sizes: list[int]) -> Any:
    """One epoch over the digits, recorded."""
    digits = load_mnist()
    pairs = list(itertools.pairwise(sizes))
    layers = [layer for a, b in pairs for layer in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers[:-1])
    return schuss.fit(
        model, digits.flat, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(lr=1e-3), epochs=1, record=0.1
    )


class Torch:
    """The grid of a landscape in PyTorch."""

    def __init__(self, run: Any, land: Landscape, threads: int) -> None:
        import torch

        from schuss.analysis.runs import final_weights, sample

        torch.set_num_threads(threads)
        self.torch = torch
        data = sample(run.data, land.rows)
        self.x = torch.from_numpy(np.array(data["x0"])).float() / 255
        self.y = torch.from_numpy(np.array(data["y"])).long()
        ends = [final_weights(run), *land.directions]
        self.shapes = [v.shape for v in ends[0].values()]
        flat = [torch.from_numpy(np.concatenate([v.ravel() for v in end.values()])) for end in ends]
        self.theta, self.p, self.q = flat
        self.a, self.b = land.a.tolist(), land.b.tolist()
        self.chunk = len(self.x)

    def tensors(self, flat: Any) -> list[Any]:
        """Views of a flat vector with the parameters' shapes."""
        parts = flat.split([int(np.prod(s)) for s in self.shapes])
        return [part.view(*shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def head(self, h: Any, weights: list[Any], y: Any) -> float:
        """The summed loss from the first layer's values before their activation."""
        F = self.torch.nn.functional
        for w, b in zip(weights[2::2], weights[3::2], strict=True):
            h = F.linear(F.relu(h), w, b)
        return F.cross_entropy(h, y, reduction="sum").item()

    def forward(self) -> np.ndarray:
        F, n, chunks = self.torch.nn.functional, len(self.x), range(0, len(self.x), self.chunk)
        found = []
        with self.torch.inference_mode():
            for b, a in itertools.product(self.b, self.a):
                weights = self.tensors(self.theta + a * self.p + b * self.q)
                parts = [(self.x[i : i + self.chunk], self.y[i : i + self.chunk]) for i in chunks]
                found.append(sum(self.head(F.linear(x, *weights[:2]), weights, y) for x, y in parts) / n)
        return np.array(found).reshape(len(self.b), len(self.a))

    def split(self) -> np.ndarray:
        F, n, chunks = self.torch.nn.functional, len(self.x), range(0, len(self.x), self.chunk)
        found = []
        with self.torch.inference_mode():
            still, first, second = (
                F.linear(self.x, *self.tensors(v)[:2]).split(self.chunk) for v in (self.theta, self.p, self.q)
            )
            y = [self.y[i : i + self.chunk] for i in chunks]
            for b, a in itertools.product(self.b, self.a):
                weights = self.tensors(self.theta + a * self.p + b * self.q)
                sums = (s.add(p, alpha=a).add_(q, alpha=b) for s, p, q in zip(still, first, second, strict=True))
                found.append(sum(self.head(h, weights, t) for h, t in zip(sums, y, strict=True)) / n)
        return np.array(found).reshape(len(self.b), len(self.a))

    def choose_chunk(self, of: Callable[[], np.ndarray]) -> None:
        """The length of chunk that is fastest for a few points."""
        a, b = self.a, self.b
        self.a, self.b = a[:5], b[:2]
        times = {}
        for self.chunk in CHUNKS:
            of()
            times[self.chunk] = timed(of)[0]
        self.chunk = min(times, key=times.__getitem__)
        self.a, self.b = a, b


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=layer_sizes, default=[784, 128, 64, 10])
    parser.add_argument("--size", type=count, default=51)
    parser.add_argument("--rows", type=count, default=10_000)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--threads", type=count, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    if given.size < 3 or (given.sizes[0], given.sizes[-1]) != (784, 10):
        parser.error("sizes go from 784 to 10, and a landscape has at least 3 points a side")
    if not installed(["torch"]):
        raise SystemExit("PyTorch is not here: pip install -e '.[bench,viz]'")
    run = trained(given.sizes)

    def ours() -> Landscape:
        return viz.landscape_data(run, size=given.size, rows=given.rows, threads=given.threads, progress=False)

    land = viz.landscape_data(run, size=given.size, rows=given.rows, threads=given.threads, progress=False)
    torch = Torch(run, land, given.threads)
    sides: dict[str, Callable[[], Any]] = {"schuss": ours}
    chunks = {}
    for name, side in (("PyTorch, forward", torch.forward), ("PyTorch, forward, split", torch.split)):
        torch.choose_chunk(side)
        chunks[name], sides[name] = torch.chunk, side
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(given.rounds):
        for name, side in sides.items():
            torch.chunk = chunks.get(name, 0)
            time.sleep(PAUSE)
            seconds, result = timed(side)
            times[name].append(seconds)
            loss = result.loss if isinstance(result, Landscape) else result
            apart = float(np.max(np.abs(loss - land.loss) / land.loss))
            if not apart < 1e-4:
                raise SystemExit(f"{name} computes something else: {apart} apart")
    flops = 2 * given.rows * sum(a * b for a, b in itertools.pairwise(given.sizes)) * given.size**2
    print(f"{hardware(given.threads)}; {peak(given.threads) / 1e9:.0f} Gflop/s; {given.rounds} rounds")
    print(f"{'-'.join(map(str, given.sizes))}, {given.size} x {given.size} points over {given.rows:,} digits: ", end="")
    print(f"{flops / 1e12:.2f} Tflop of products; {len(run.path)} moments\n")
    print("| side | seconds: median (least - most) | ratio |\n|---|---|---|")
    median = statistics.median(times["schuss"])
    for name, each in times.items():
        spread = f"{statistics.median(each):.2f} ({min(each):.2f} - {max(each):.2f})"
        label = name if name not in chunks else f"{name}, chunks of {chunks[name]}"
        print(f"| {label} | {spread} | {statistics.median(each) / median:.2f} |")


if __name__ == "__main__":
    main()
