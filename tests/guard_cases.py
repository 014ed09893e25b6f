"""Native code under guard pages (see guard): a process that ends by itself has read or written outside.

    python tests/guard_cases.py table                    all cases of the table of operations, and with lengths of 0
    python tests/guard_cases.py graphs FIRST LAST STEPS  random graphs, by their seeds
    python tests/guard_cases.py operands                 kernels that read in vectors, for many lengths
    python tests/guard_cases.py panels                   products that turn their right operand
    python tests/guard_cases.py training                 whole epochs: state, data and the order of the examples

A last argument "quick" leaves out LLVM's own work, half of the time: the addresses are the same; and of the table, the
operands and the trainings it takes a thin sample.
"""

from __future__ import annotations

import contextlib
import faulthandler
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from graphs import arrays_for, fewest_rows, together
from guard import SIDES, guarded, separate
from numeric import type_of

import schuss
from schuss import nn, ops, optim
from schuss.compiler.llvm import jit
from schuss.compiler.llvm.target import Target
from schuss.compiler.schedule.sharing import Sharing
from schuss.compiler.tuning import DEFAULT, Tuning
from schuss.errors import SchussError
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.reference import ReferenceExecutor
from schuss.ir.graph import Graph
from schuss.ir.types import N, TensorType, bind
from schuss.ops.registry import REGISTRY
from schuss.trace import trace

if TYPE_CHECKING:
    from opcases import Sample

TOGETHER = 25  # graphs in one program
THIN = 3  # of so many calls of an operation a thin sample has one


def check(graph: Graph, *groups: Sequence[np.ndarray], threads: int = 1, tuning: Tuning = DEFAULT) -> None:
    """The same from native code, guarded on either side, as from the reference, for each group of arrays."""
    with separate():
        compiled = NativeExecutor(threads, tuning=tuning).compile(graph)
        for arrays in groups:
            expected = ReferenceExecutor().compile(graph)(arrays)
            for side in SIDES:
                with guarded(side):
                    found = compiled(arrays)
                for f, e in zip(found, expected, strict=True):
                    assert f.shape == e.shape
                    assert f.dtype == e.dtype
                    close = np.isclose(f, e, rtol=2e-3, atol=2e-3, equal_nan=True)
                    assert not close.size or close.mean() > 0.9, (f, e)  # some fall on the other side of a jump


# -- operations ---------------------------------------------------------------------------------------


def shrunk(sample: Sample) -> Iterator[tuple[dict[str, Any], list[np.ndarray]]]:
    """The sample, and with each of its lengths made 0 in turn, in the attributes too."""
    for dtype in ("float32", "float64"):
        yield sample.attrs, sample.arrays([0], dtype)
    lengths = {d for a in sample.args for d in a.shape} | {v for v in sample.attrs.values() if type(v) is int and v > 1}
    for gone in lengths:
        args = [type(a)(tuple(0 if d == gone else d for d in a.shape), a.draw, a.dtype) for a in sample.args]
        for attrs in (sample.attrs, {k: _without(v, gone) for k, v in sample.attrs.items()}):
            yield attrs, [a.array(np.random.default_rng(0), "float32") for a in args]


def _without(value: Any, gone: int) -> Any:
    if type(value) is tuple:
        return tuple(_without(v, gone) for v in value)
    return 0 if type(value) is int and value == gone else value


def call(name: str, attrs: dict[str, Any]) -> Callable[..., Any]:
    return lambda *xs: REGISTRY[name](*xs, **attrs)


def allowed(name: str, attrs: dict[str, Any], arrays: list[np.ndarray]) -> bool:
    """Whether the type rule takes it, and the data are no fault of the sample's (an index out of a shrunk axis)."""
    try:
        graph = trace(call(name, attrs), [type_of(a) for a in arrays])
        ReferenceExecutor().compile(graph)(arrays)
    except SchussError:
        return False
    return True


def table(thin: bool) -> None:
    from opcases import CASES  # which needs jax

    for number, (name, case) in enumerate(CASES.items()):
        some = [(attrs, arrays) for s in case.samples for attrs, arrays in shrunk(s)]
        if thin:
            some = some[number % THIN :: THIN] or some
        calls = [(attrs, arrays) for attrs, arrays in some if allowed(name, attrs, arrays)]
        print(name, len(calls), flush=True)
        if not calls:
            continue
        counts = [len(arrays) for _, arrays in calls]

        def function(*xs: Any, n: str = name, c: Any = calls, k: Any = counts) -> list[Any]:
            rest = iter(xs)
            return [call(n, attrs)(*itertools.islice(rest, j)) for (attrs, _), j in zip(c, k, strict=True)]

        arrays = [a for _, given in calls for a in given]
        check(trace(function, [type_of(a) for a in arrays]), arrays)


# -- random graphs --------------------------------------------------------------------------------------


def graphs(thin: bool, first: int, last: int, steps: int) -> None:
    for start in range(first, last, TOGETHER):
        seeds = range(start, min(start + TOGETHER, last))
        print("seeds", seeds, flush=True)
        graph = together(seeds, steps)
        least = fewest_rows(graph)
        pairs = any(n.type.shape.count(N) > 1 for n in graph.nodes)  # then each number of rows has a program of its own
        some = ((5, 8), (0, 1), (33, 60), (2, 2), (17, 18))[start // TOGETHER % 5]
        rows = dict.fromkeys(max(n, least) for n in some[: 1 if pairs else 2])
        check(graph, *(arrays_for(graph, n, np.random.default_rng(start)) for n in rows), threads=1 + start % 2)


# -- operands ---------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "maps": lambda x: ops.tanh(x) * 2.0,
    "rows": lambda x: x.sum(axis=1),
    "columns": lambda x: x.sum(axis=0),
    "all": lambda x: x.sum(),
    "turned": lambda x: x.T.sum(axis=1),
    "turned maps": lambda x: ops.exp(x.T) + 1.0,
    "largest": lambda x: ops.max(x, axis=0),
    "largest of turned": lambda x: ops.max(x.T, axis=1),
    "two axes": lambda x: ops.reshape(x, shape=(2, x.shape[0] // 2, x.shape[1]))[:, :, ::2].sum(axis=(0, 2)),
    "products": lambda x: x @ x.T,
    "turned products": lambda x: x.T @ x,
    "every other": lambda x: x[:, ::2].sum(axis=1) if x.shape[1] > 2 else x.sum(axis=1),
    "softmax": lambda x: ops.softmax(x, axis=1),
}


def operands(thin: bool) -> None:
    shapes = ((1, 1), (3, 5), (5, 17), (33, 3), (4, 33), (2, 40))
    for number, (rows, columns) in enumerate(shapes):
        for first in (rows, N)[number % 2 :: 2] if thin else (rows, N):
            fits = [
                f
                for name, f in FUNCTIONS.items()
                if not (name == "products" and first == N) and not (name == "two axes" and (first == N or rows % 2))
            ]
            print(rows, columns, first, flush=True)
            types = [TensorType(dtype, (first, columns)) for dtype in ("float32", "float64")]
            graph = trace(lambda x, y, fs=fits: [f(v) for f in fs for v in (x, y)], types)
            numbers = np.random.default_rng(0).random((rows, columns))
            check(graph, [numbers.astype("float32"), numbers])


def panels(thin: bool) -> None:
    for columns, depth in ((1, 40), (2, 2), (7, 33), (33, 7), (50, 16), (17, 21)):
        print(columns, depth, flush=True)
        types = [TensorType(d, s) for d in ("float32", "float64") for s in ((N, depth), (columns, depth))]
        graph = trace(lambda x, w, y, v: (x @ w.T, y @ v.T), types)
        rng = np.random.default_rng(0)
        arrays = ([rng.random(bind(t.shape, {N: n})).astype(t.dtype) for t in types] for n in (2, 16, 37))
        check(graph, *arrays, tuning=Tuning(panel_bytes=1))


# -- training ---------------------------------------------------------------------------------------------


class Coded(nn.Module):
    """Bytes and a category, with dropout."""

    def __init__(self) -> None:
        self.of, self.first, self.last = nn.Embedding(5, 3), nn.Linear(300, 64), nn.Linear(67, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any, category: Any) -> Any:
        return self.last(ops.concatenate(self.drop(ops.relu(self.first(x))), self.of(category), axis=1))


def training(thin: bool) -> None:
    rng = np.random.default_rng(0)
    x, category, y = rng.random((37, 300)).astype("float32"), np.arange(37) % 5, np.arange(37) % 2
    for batch, threads in ((1, 1), (3, 2), (8, 2), (64, 2))[:: 2 if thin else 1]:
        weights = []
        for side in SIDES:
            print(batch, threads, side, flush=True)
            model = Coded()
            options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(), "epochs": 2, "batch_size": batch}
            with separate(), guarded(side), mock.patch.object(Sharing, "worth", True):
                schuss.fit(model, ((x, category), y), validation=((x, category), y), threads=threads, **options)
            weights.append(b"".join(v.tobytes() for v in nn.state_dict(model).values()))
        model = Coded()
        schuss.fit(model, ((x, category), y), **options)
        assert weights == [b"".join(v.tobytes() for v in nn.state_dict(model).values())] * 2


RUNS = {"table": table, "operands": operands, "panels": panels, "training": training, "graphs": graphs}


def main(what: str, *rest: str) -> None:
    faulthandler.enable()
    warnings.simplefilter("error", RuntimeWarning)
    thin = rest[-1:] == ("quick",)
    with contextlib.ExitStack() as stack:
        if thin:
            rest = rest[:-1]
            stack.enter_context(mock.patch.object(jit, "PASSES", ()))
            stack.enter_context(mock.patch.object(Target, "machine", _plain_machine))
        RUNS[what](thin, *map(int, rest))


def _plain_machine(self: Target) -> Any:
    import llvmlite.binding as llvm

    return llvm.Target.from_triple(self.triple).create_target_machine(
        cpu=self.cpu, features=self.features, opt=0, reloc="pic"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
