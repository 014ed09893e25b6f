"""Code for 64-bit Arm is generated and assembled, on whatever machine this runs, and where it can be emulated, run."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import ops
from schuss.backprop import backprop
from schuss.compiler.draft import Draft
from schuss.compiler.llvm.jit import assembly, compile_object
from schuss.compiler.llvm.target import aarch64_target, host_target
from schuss.compiler.pipeline import run
from schuss.compiler.schedule.sharing import Sharing
from schuss.compiler.storage import Storage
from schuss.ir import N, TensorType
from schuss.trace import trace
from tests.compiler.arm import on_arm
from tests.golden.test_golden import RECORD
from tests.golden.trainings import digest


def module_text(function, types, target):
    return run(Draft(trace(function, types), Storage(64), threads=2, target=target)).llvm


def network(x, w, v, y):
    loss = (ops.logsumexp(ops.tanh(x @ w.T) @ v, axis=1) - ops.pick(ops.tanh(x @ w.T) @ v, y)).mean()
    return loss, *backprop(loss, [w, v])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_with_its_gradients(dtype):
    target = aarch64_target()
    types = [
        TensorType(dtype, (N, 20)),
        TensorType(dtype, (30, 20)),
        TensorType(dtype, (30, 10)),
        TensorType("uint8", (N,)),
    ]
    text = module_text(network, types, target)
    code = compile_object(text, target)
    assert code[:4] == b"\x7fELF"
    assert code[18] == 183, "EM_AARCH64"
    listing = assembly(text, target)
    assert "fmla" in listing, "vectors multiply and add"
    assert "yield" in listing, "a waiting thread says so"
    assert "fpcr" in listing.lower(), "denormals are flushed"


# -- run, by an emulator ---------------------------------------------------------------------------

TRAININGS = (  # of the golden record
    "momentum",
    "clipped",
    "adamw, one cycle",
    "label smoothing",
    "gelu and norm",
    "dropout",
    "bytes",
    "float64",
    "large matrices",
    "long rows",
    "long sums",
    "an embedding",
    "a table",
    "take and scatter",
    "segments",
    "the largest of a group",
    "the largest three",
    "pads and slices",
    "reductions over several axes",
    "attention, in heads, with dropout",
    "third derivatives",
)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", TRAININGS)
def test_trainings_end_with_the_same_bits(name, threads, monkeypatch, tmp_path):
    """The weights are those of the golden record, on one thread as on two."""
    monkeypatch.setattr(Sharing, "worth", True)
    ran = on_arm(monkeypatch, tmp_path)
    assert digest(name, threads=threads) == RECORD[name]
    assert set(ran) == {threads}


MATHS = ("exp", "expm1", "log", "log1p", "sin", "cos", "sinpi", "cospi", "tanh", "sigmoid")
MATHS += ("erf", "rsqrt", "sqrt", "floor", "gelu")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elementary_functions_have_the_same_bits(dtype, monkeypatch, tmp_path):
    """At large and small, negative and special numbers. Two NaN are alike: x86 makes negative ones, Arm positive."""
    if not host_target().fma:
        pytest.skip("this machine does not multiply and add with one rounding: results agree to rounding only")
    rng = np.random.default_rng(0)
    finite = rng.standard_normal(900) * 10.0 ** rng.integers(-6, 6, 900)
    x = np.concatenate([finite, [0.0, -0.0, np.inf, -np.inf, np.nan]]).astype(dtype)

    def function(x):
        made = [getattr(ops, name)(x) for name in MATHS]
        whole, total = x[:900].astype("int32"), ops.sum(x[:899] * x[:899])
        return [*made, ops.pow(ops.abs(x), 0.3), ops.remainder(x, 0.7), whole, total]

    expected = schuss.jit(function)(x)
    on_arm(monkeypatch, tmp_path)
    found = schuss.jit(function)(x)
    for name, a, b in zip([*MATHS, "pow", "remainder", "int32", "sum"], expected, found, strict=True):
        assert np.where(a == a, a, 0).tobytes() == np.where(b == b, b, 0).tobytes(), name
        assert np.array_equal(a, b, equal_nan=True), name
