"""Elementary functions against high precision: errors in units of the last place, special values, widths, CPUs."""

from __future__ import annotations

import ctypes
import math

import llvmlite.ir as ir
import numpy as np
import pytest

from schuss.compiler.llvm.builder import Builder
from schuss.compiler.llvm.jit import Library, compile_object
from schuss.compiler.llvm.loops import for_range
from schuss.compiler.llvm.target import _host, host_target
from schuss.compiler.llvm.vecmath import MathEmitter
from schuss.ops import REGISTRY

I64, POINTER = ir.IntType(64), ir.PointerType()
_built = {}


def kernel(name, dtype, width, target):
    """A function of (x, y, out, n) that applies the emitter's `name` to arrays whose length divides by width."""
    key = (name, dtype, width, target.features)
    if key in _built:
        return _built[key]
    module = ir.Module()
    module.triple = target.triple
    element = ir.FloatType() if dtype == "float32" else ir.DoubleType()
    type = element if width == 1 else ir.VectorType(element, width)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER] * 3 + [I64]), "run")
    b = Builder(function.append_basic_block())
    x, y, out, n = function.args
    with for_range(b, I64(0), n, width) as i:
        values = []
        for source in (x, y) if name == "pow" else (x,):
            value = b.load(b.gep(source, [i], source_etype=element), typ=type)
            value.align = 4
            values.append(value)
        result = getattr(MathEmitter(b, target), name)(*values)
        b.store(result, b.gep(out, [i], source_etype=element)).align = 4
    b.ret_void()
    library = Library(compile_object(str(module), target), target)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(library.address("run"))
    _built[key] = (library, call)
    return _built[key]


def apply(name, x, y=None, width=16, target=None):
    x = np.ascontiguousarray(x)
    pad = -len(x) % 16
    xs = np.concatenate([x, np.ones(pad, x.dtype)])
    ys = np.concatenate([x if y is None else y, np.ones(pad, x.dtype)]).astype(x.dtype)
    out = np.empty_like(xs)
    _, call = kernel(name, str(x.dtype), width, target or host_target())
    call(xs.ctypes.data, ys.ctypes.data, out.ctypes.data, len(xs))
    return out[: len(x)]


def exact(name, x, y=None):
    """float32: numpy and math in float64. float64: mpmath, one by one."""
    if x.dtype == np.float32:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            if name == "erf":
                return np.array([math.erf(v) for v in wide])
            if name == "sigmoid":
                return np.where(wide > 0, 1 / (1 + np.exp(-wide)), np.exp(wide) / (1 + np.exp(wide)))
            if name == "pow":
                return np.power(wide, y.astype(np.float64))
            if name == "rsqrt":
                return 1 / np.sqrt(wide)
            if name in ("sinpi", "cospi"):
                return REGISTRY[name].body(wide)  # itself compared with mpmath below
            return getattr(np, name)(wide)
    mp = pytest.importorskip("mpmath", reason="an oracle: pip install '.[test]'").mp.clone()
    mp.prec = 140
    functions = {"sigmoid": lambda v: 1 / (1 + mp.exp(-v)), "rsqrt": lambda v: 1 / mp.sqrt(v), "log1p": mp.log1p}
    function = functions.get(name) or (mp.power if name == "pow" else getattr(mp, name))
    if name == "pow":
        return [function(mp.mpf(float(a)), mp.mpf(float(b))) for a, b in zip(x, y, strict=True)]
    return [function(mp.mpf(float(a))) for a in x]


def ulps(found, true):
    """Largest distance in units of the last place of the true value; subnormal results are left out."""
    if found.dtype == np.float32:
        unit = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
        keep = (np.abs(true) > 1.2e-38) & (np.abs(true) < 3.4e38)
        return float(np.max(np.abs(found.astype(np.float64) - true)[keep] / unit[keep]))
    errors = [
        abs(f - t) / math.ulp(float(t)) for f, t in zip(found.tolist(), true, strict=True) if abs(float(t)) > 1e-300
    ]
    return float(max(errors))


LIMITS32 = {
    "exp": 1,
    "expm1": 2,
    "log": 1,
    "log1p": 2,
    "sin": 1,
    "cos": 1,
    "sinpi": 3,
    "cospi": 3,
    "tanh": 2.5,
    "sigmoid": 2.5,
    "erf": 2.5,
    "rsqrt": 1.5,
}
LIMITS64 = {
    "exp": 1,
    "expm1": 2,
    "log": 1,
    "log1p": 2,
    "sin": 2,
    "cos": 2,
    "sinpi": 3,
    "cospi": 3,
    "tanh": 3,
    "sigmoid": 2.5,
    "erf": 3,
    "rsqrt": 1.5,
}


def domain(name, dtype, n):
    """Every exponent alike (a stratified sample), and the range where the function does something."""
    rng = np.random.default_rng(1)
    if dtype == np.float32:
        bits = rng.integers(0, 2**32, n, dtype=np.uint64).astype(np.uint32)
        wild = bits.view(np.float32)
    else:
        wild = rng.integers(0, 2**63, n, dtype=np.int64).view(np.float64) * rng.choice([-1, 1], n)
    tame = np.concatenate([rng.normal(0, s, n // 4) for s in (0.1, 1, 10, 50)]).astype(dtype)
    x = np.concatenate([wild, tame])
    x = x[np.isfinite(x) & (np.abs(x) > np.finfo(dtype).tiny)]
    if name in ("sin", "cos"):
        x = x[np.abs(x) < 2.0**20]
    if name in ("log", "rsqrt"):
        x = np.abs(x)
    if name == "log1p":
        x = x[x > -1]
    if name in ("exp", "expm1"):
        x = x[x < (88.7 if dtype == np.float32 else 709.7)]
    return x


@pytest.mark.parametrize("name", sorted(LIMITS32))
def test_float32(name):
    x = domain(name, np.float32, 100_000)
    assert ulps(apply(name, x), exact(name, x)) <= LIMITS32[name]


@pytest.mark.parametrize("name", sorted(LIMITS64))
def test_float64(name):
    x = domain(name, np.float64, 1500)
    assert ulps(apply(name, x), exact(name, x)) <= LIMITS64[name]


def test_pow():
    """Without a fused multiply-add (plain SSE2) large powers of float64 lose some bits more."""
    rng = np.random.default_rng(2)
    for dtype, limit, n in ((np.float32, 1, 50_000), (np.float64, 4 if host_target().fma else 128, 2000)):
        x = np.exp(rng.normal(0, 3, n)).astype(dtype)
        y = rng.normal(0, 8, n).astype(dtype)
        true = exact("pow", x, y)
        magnitude = np.array([abs(float(t)) for t in true])
        keep = (magnitude < np.finfo(dtype).max / 4) & (magnitude > np.finfo(dtype).tiny * 4)
        true = true[keep] if isinstance(true, np.ndarray) else [t for t, k in zip(true, keep, strict=True) if k]
        assert ulps(apply("pow", x, y)[keep], true) <= limit


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, 1e30, -1e30, 1e-30, 1.5, 1e9]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(LIMITS32))
def test_special_values(name, dtype):
    x = np.array(SPECIAL, dtype)
    if name in ("sin", "cos"):
        x = x[~(np.abs(x) >= 2.0**30) | ~np.isfinite(x)]
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            expected = np.where(
                np.isnan(x), x, np.where(x > 0, 1 / (1 + np.exp(-x)), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
            )
        elif name in ("sinpi", "cospi"):
            expected = REGISTRY[name].body(x.astype(np.float64))
        elif name == "erf":
            expected = np.array([math.erf(v) for v in x], dtype)
        else:
            expected = (1 / np.sqrt(x)) if name == "rsqrt" else getattr(np, name)(x)
    found = apply(name, x)
    if name in ("sin", "cos"):
        assert np.isnan(apply(name, np.array([1e30, -2e9, 2.0**30], dtype))).all()
    np.testing.assert_allclose(found, expected.astype(dtype), rtol=1e-5)
    zeros = expected == 0
    assert np.array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_powers(dtype):
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    found = apply("pow", x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    zeros = expected == 0
    assert np.array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


@pytest.mark.parametrize("name", [*sorted(LIMITS32), "pow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_width(name, dtype):
    x = np.abs(domain(name, dtype, 2000)) if name == "pow" else domain(name, dtype, 2000)
    whole = apply(name, x)
    for width in (1, 4, 8):
        assert apply(name, x, width=width).tobytes() == whole.tobytes()


@pytest.mark.parametrize("name", sorted(LIMITS32))
def test_masked_cpus(name, monkeypatch):
    """AVX2: the same bits. Plain SSE2, without a fused multiply-add: close."""
    monkeypatch.delenv("SCHUSS_TARGET", raising=False)  # they are compared with the machine as it is
    x = domain(name, np.float32, 3000)
    whole = apply(name, x)
    assert apply(name, x, width=8, target=_host("avx2")).tobytes() == whole.tobytes()
    sse2 = apply(name, x, width=4, target=_host("sse2"))
    assert ulps(sse2, exact(name, x)) <= LIMITS32[name] + 1.5


def test_no_library_calls():
    """Everything is made of instructions: no exp or pow of the C library, on any CPU."""
    from schuss.compiler.llvm.jit import assembly
    from schuss.compiler.llvm.target import aarch64_target

    for target in (host_target(), _host("sse2"), aarch64_target()):
        module = ir.Module()
        module.triple = target.triple
        function = ir.Function(module, ir.FunctionType(ir.FloatType(), [ir.FloatType()]), "run")
        b = Builder(function.append_basic_block())
        emitter = MathEmitter(b, target)
        total = function.args[0]
        for name in LIMITS32:
            total = getattr(emitter, name)(total)
        b.ret(emitter.pow(total, function.args[0]))
        listing = assembly(str(module), target)
        assert not [
            line for line in listing.splitlines() if line.strip().startswith(("call", "bl\t", "jmp\t_", "b\t_"))
        ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "erf"])
def test_all_of_float32(name):
    """Every one of the 2**32 inputs, erf's truth by the float64 kernel (itself within 3 ulp of float64)."""
    worst = 0.0
    for start in range(0, 2**32, 2**22):
        x = np.arange(start, start + 2**22, dtype=np.uint64).astype(np.uint32).view(np.float32)
        x = x[np.isfinite(x) & (np.abs(x) > np.finfo(np.float32).tiny)]
        x = x[x < 88.7] if name == "exp" else np.abs(x) if name == "log" else x
        if len(x):
            true = apply("erf", x.astype(np.float64)) if name == "erf" else exact(name, x)
            worst = max(worst, ulps(apply(name, x), true)) if (np.abs(true) > 1.2e-38).any() else worst
    assert worst <= LIMITS32[name]
