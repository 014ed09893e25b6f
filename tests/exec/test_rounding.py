"""The caller's floating-point state: native code computes as ever, and leaves it as it was."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform

import numpy as np
import pytest

from schuss import ops
from schuss.exec.native.executor import NativeExecutor
from schuss.ir import N, TensorType
from schuss.trace import trace

MODES = {"x86_64": (0, 0x400, 0x800, 0xC00), "aarch64": (0, 0x400000, 0x800000, 0xC00000)}.get(platform.machine(), ())
pytestmark = pytest.mark.skipif(not MODES or ctypes.util.find_library("m") is None, reason="needs fesetround")


@pytest.fixture
def libm():
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    yield library
    library.fesetround(0)


@pytest.mark.parametrize("threads", [1, 2])
def test_rounds_to_nearest_whatever_the_caller_does(libm, threads):
    types = [TensorType("float32", (N, 33)), TensorType("float32", (33, 40))]
    f = NativeExecutor(threads).compile(trace(lambda x, w: ops.exp(x @ w) / 3.0, types))
    x, w = (np.random.default_rng(0).standard_normal(s).astype("f4") for s in ((64, 33), (33, 40)))
    expected = f([x, w])[0].tobytes()
    for mode in MODES:
        libm.fesetround(mode)
        found = f([x, w])[0]
        after = libm.fegetround()
        libm.fesetround(0)
        assert found.tobytes() == expected, mode
        assert after == mode
