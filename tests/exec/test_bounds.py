"""Native code reads nothing beyond its operands: each ends where a page begins that no one may read."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")

GUARDED = """
import ctypes, mmap
import numpy as np

PAGE = mmap.PAGESIZE
protect = ctypes.CDLL(None).mprotect
kept = []

def at_the_end(array):
    '''A copy whose last byte is a page's last.'''
    size = -(-array.nbytes // PAGE) * PAGE
    block = mmap.mmap(-1, size + PAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(block))
    assert protect(ctypes.c_void_p(address + size), PAGE, 0) == 0
    copy = np.frombuffer(block, array.dtype, array.size, size - array.nbytes).reshape(array.shape)
    copy[...] = array
    kept.append(block)
    return copy
"""

OPERANDS = """
from schuss import ops
from schuss.exec.native import NativeExecutor
from schuss.ir import N, TensorType
from schuss.trace import trace

FUNCTIONS = {
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
for name, function in FUNCTIONS.items():
    for dtype in ("float32", "float64"):
        for rows, columns in ((1, 1), (3, 5), (5, 17), (33, 3), (4, 33), (2, 40)):
            numbers = np.random.default_rng(0).random((rows, columns)).astype(dtype)
            if name == "two axes" and rows % 2:
                continue
            for first in (rows,) if name in ("products", "two axes") else (rows, N):
                compiled = NativeExecutor(1).compile(trace(function, [TensorType(dtype, (first, columns))]))
                print(name, dtype, rows, columns, first, flush=True)
                assert np.isfinite(compiled([at_the_end(numbers)])[0]).all()
"""

PANELS = """
from schuss.exec.native import NativeExecutor
from schuss.ir import N, TensorType
from schuss.passes import materialize
from schuss.trace import trace

materialize.LARGE = 1
for dtype in ("float32", "float64"):
    for columns, depth in ((1, 40), (2, 2), (7, 33), (33, 7), (50, 16), (17, 21)):
        types = [TensorType(dtype, s) for s in ((N, depth), (columns, depth))]
        compiled = NativeExecutor(1).compile(trace(lambda x, w: x @ w.T, types))
        for rows in (2, 16, 37):
            print(dtype, columns, depth, rows, flush=True)
            x, w = (at_the_end(np.ones((n, depth), dtype)) for n in (rows, columns))
            assert (compiled([x, w])[0] == depth).all()
        (code,) = compiled._codes.values()
        assert any(stage.packs for stage in code.plan.stages) is (columns > 1)
"""


ORDER = """
from schuss import nn, optim
from schuss.exec import table
from schuss.train.fit import prepare

plain = table.Table.run
table.Table.run = lambda self, order, *rest: plain(self, at_the_end(order), *rest)
data = np.ones((37, 300), np.uint8), np.zeros(37, int)
for threads in (1, 2):
    for batch in (1, 3, 8, 64):
        trainer = prepare(
            nn.Sequential(nn.Linear(300, 256), nn.ReLU(), nn.Linear(256, 2)), data, loss=nn.CrossEntropyLoss(),
            optimizer=optim.SGD(lr=0.1), epochs=2, batch_size=batch, validation=None, seed=0, clip_norm=None,
            threads=threads,
        )
        trainer.train()
        print(threads, batch, trainer.loop.run(np.arange(37), 1, 30, 7, 0), flush=True)
"""


def last_line(script: str) -> str:
    command = [sys.executable, "-c", GUARDED + script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    last = done.stdout.strip().split("\n")[-1]
    assert done.returncode == 0, f"{last}: {done.returncode}\n{done.stderr[-2000:]}"
    return last


def test_nothing_beyond_an_operands_end_is_read() -> None:
    assert last_line(OPERANDS) == "softmax float64 2 40 N"


def test_nothing_beyond_a_matrix_turned_by_panels_is_read() -> None:
    """Nor beyond rows that a product of one column reads by vectors."""
    assert last_line(PANELS) == "float64 17 21 37"


def test_nothing_beyond_the_orders_end_is_read() -> None:
    """Rows of data are asked for some rounds before they are read, by what the order says there."""
    assert last_line(ORDER) == "2 64 7"
