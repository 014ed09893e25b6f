"""The estimate by which a step is shared among threads or not."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import nn, optim
from schuss.compiler.schedule.sharing import sharing
from schuss.compiler.tuning import DEFAULT
from schuss.exec.native.executor import NativeExecutor
from schuss.exec.native.loop import NativeLoop
from schuss.ir.types import N, TensorType
from schuss.train.step import Task, training


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a state fits into a core's own cache is asked of one of 1 MiB."""
    monkeypatch.setenv("SCHUSS_MACHINE", "cores=2,cache=1048576")


def loop(width: int, depth: int, batch: int, threads: int = 2) -> NativeLoop:
    """A step of `depth` square layers."""
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    nn.initialize(model, 0)
    optimizer = optim.Adam()
    types = TensorType("float32", (N, width)), TensorType("uint8", (N,))
    task = Task(model, nn.CrossEntropyLoss(), optimizer, types[:1], types[1])
    return NativeExecutor(threads).loop(training(task).step, batch)


@pytest.mark.parametrize(
    ("width", "depth", "batch", "threads"),
    [
        (128, 4, 64, 2),  # much to compute
        (128, 4, 1, 1),  # one example: threads would hand each other all weights for little computing
        (8, 2, 64, 1),  # less to compute than one meeting takes
    ],
)
def test_shared_where_it_gains(width: int, depth: int, batch: int, threads: int) -> None:
    assert loop(width, depth, batch).threads == threads


def test_one_thread_saves_nothing() -> None:
    found = loop(64, 2, 64, threads=1).sharing
    assert found.saved == found.cross_core == 0
    assert not found.worth


def test_what_is_handed_over_counts_where_one_cache_would_hold_it() -> None:
    found = loop(64, 2, 16)
    count = lambda cache: sharing(found.plan, 2, 0, cache)  # noqa: E731
    assert count(found.plan.arena - 1).cross_core == 0
    near = count(found.plan.arena)
    weights = 4 * (2 * 64 * 64 + 64 * 10)
    assert near.cross_core >= weights / 2, "half of the weights at least"
    assert near.spent == pytest.approx(near.barriers * DEFAULT.barrier + near.cross_core / DEFAULT.cross_core_bytes)
    assert np.isclose(near.saved, count(0).saved)
