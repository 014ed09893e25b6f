"""Elementary functions in vector code: straight-line, every lane alone, the same bits whatever the width.

Each reduces its argument to a small interval and sums a series there. Results are within about 1 ulp for exp and
log, 3 for the others (tests/compiler/test_vecmath.py measures them), NaN and infinities as in C99. float32's sin, cos
and pow go through float64. Without a fused multiply-add (plain SSE2) results differ in the last place.

Sources: Cody and Waite, Software Manual for the Elementary Functions (1980); Muller, Elementary Functions (2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import llvmlite.ir as ir

from schuss.compiler.llvm import coefficients
from schuss.compiler.llvm.builder import filled
from schuss.compiler.llvm.target import Target

F32, F64 = ir.FloatType(), ir.DoubleType()
LN2 = {"f32": (0.693145751953125, 1.428606765330187e-06), "f64": (0.6931471803691238, 1.9082149292705877e-10)}
HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)  # 33 + 33 bits, and the rest
EXP = {"f32": coefficients.EXP_FLOAT32, "f64": coefficients.EXP_FLOAT64}
LOG_TERMS = {"f32": 5, "f64": 11}
SIN_PI = {"f32": coefficients.SIN_PI_FLOAT32, "f64": coefficients.SIN_PI_FLOAT64}
EXP_RANGE = {"f32": (-104.0, 89.0), "f64": (-746.0, 710.0)}  # beyond, the result is 0 or infinite
TANH_END = {"f32": 9.02, "f64": 19.1}  # beyond, it rounds to 1
MANTISSA = {"f32": 23, "f64": 52}
BIAS = {"f32": 127, "f64": 1023}
SQRT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
ERF = {
    "f32": (coefficients.ERF_NEAR_FLOAT32, coefficients.ERF_FAR_FLOAT32, 4.0),
    "f64": (coefficients.ERF_NEAR_FLOAT64, coefficients.ERF_FAR_FLOAT64, 6.0),
}


class MathEmitter:
    """Functions of float or double values, scalar or vector of any width."""

    def __init__(self, b: Any, target: Target) -> None:
        self.b = b
        self.target = target

    # -- small pieces ------------------------------------------------------------------------------

    def _kind(self, x: Any) -> str:
        element = x.type.element if isinstance(x.type, ir.VectorType) else x.type
        return "f32" if isinstance(element, ir.FloatType) else "f64"

    def _const(self, value: float, like: Any) -> Any:
        return filled(like.type, value)

    def _integers(self, x: Any) -> Any:
        """The integer type of x's shape and size."""
        bits = ir.IntType(32 if self._kind(x) == "f32" else 64)
        return ir.VectorType(bits, x.type.count) if isinstance(x.type, ir.VectorType) else bits

    def _call(self, name: str, *args: Any) -> Any:
        type = args[0].type
        shape = f"v{type.count}" if isinstance(type, ir.VectorType) else ""
        full = f"llvm.{name}.{shape}{self._kind(args[0])}"
        function = self.b.module.globals.get(full)
        if function is None:
            function = ir.Function(self.b.module, ir.FunctionType(type, [type] * len(args)), full)
        return self.b.call(function, list(args))

    def _fma(self, x: Any, y: Any, z: Any) -> Any:
        if self.target.fma:
            return self._call("fma", x, y, z)
        return self.b.fadd(self.b.fmul(x, y), z)

    def _round(self, x: Any) -> Any:
        """The nearest integer of a number below 2**22 (float32) or 2**51, as a float."""
        if self.target.rounding:
            return self._call("rint", x)
        magic = self._const(1.5 * 2.0 ** MANTISSA[self._kind(x)], x)
        return self.b.fsub(self.b.fadd(x, magic), magic)

    def _series(self, x: Any, c: Sequence[float]) -> Any:
        """c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule."""
        result = self._const(c[-1], x)
        for a in reversed(c[:-1]):
            result = self._fma(result, x, self._const(a, x))
        return result

    def _select(self, condition: Any, x: Any, y: Any) -> Any:
        return self.b.select(condition, x, y)

    def _less(self, x: Any, y: Any) -> Any:
        return self.b.fcmp_ordered("<", x, y)

    def _equal(self, x: Any, y: Any) -> Any:
        return self.b.fcmp_ordered("==", x, y)

    def _is_nan(self, x: Any) -> Any:
        return self.b.fcmp_unordered("uno", x, x)

    def _abs(self, x: Any) -> Any:
        return self._call("fabs", x)

    def _clamp(self, x: Any, low: float, high: float) -> Any:
        bottom, top = self._const(low, x), self._const(high, x)
        x = self._select(self._less(x, bottom), bottom, x)
        return self._select(self._less(top, x), top, x)

    def _power_of_two(self, n: Any, like: Any) -> Any:
        """2**n for integers n in the range of normal exponents."""
        kind = self._kind(like)
        bits = self.b.add(n, filled(n.type, BIAS[kind]))
        return self.b.bitcast(self.b.shl(bits, filled(n.type, MANTISSA[kind])), like.type)

    def _scale(self, p: Any, n: Any) -> Any:
        """p * 2**n in two steps, so that neither factor overflows and denormals are rounded once."""
        half = self.b.ashr(n, filled(n.type, 1))
        return self.b.fmul(self.b.fmul(p, self._power_of_two(half, p)), self._power_of_two(self.b.sub(n, half), p))

    def _exponential(self, x: Any, low: Any = None) -> tuple[Any, Any]:
        """(n, p) with e**(x + low) = 2**n (1 + p): r = x + low - n ln 2, p = r + r^2 T(r), |r| <= ln 2 / 2."""
        kind = self._kind(x)
        n = self._round(self.b.fmul(x, self._const(1 / math.log(2), x)))
        large = self._fma(self.b.fneg(n), self._const(LN2[kind][0], x), x)  # exact
        small = self.b.fmul(n, self._const(LN2[kind][1], x))
        if low is not None:
            small = self.b.fsub(small, low)
        r = self.b.fsub(large, small)
        # what rounding r loses counts in its first power only, which is therefore added in its two parts
        rest = self._fma(self.b.fmul(r, r), self._series(r, EXP[kind]), self.b.fneg(small))
        return self.b.fptosi(n, self._integers(x)), self.b.fadd(large, rest)

    def _keep_nan(self, x: Any, result: Any) -> Any:
        """NaN for NaN; also makes the undefined integers a NaN leads to of no consequence."""
        return self._select(self._is_nan(x), x, result)

    # -- exponentials ------------------------------------------------------------------------------

    def exp(self, x: Any, low: Any = None) -> Any:
        """e**(x + low) = 2**n (1 + p)"""
        kind = self._kind(x)
        inside = self._clamp(x, *EXP_RANGE[kind])
        if low is not None:
            low = self._select(self._equal(inside, x), low, self._const(0.0, x))
        n, p = self._exponential(inside, low)
        return self._keep_nan(x, self._scale(self.b.fadd(self._const(1.0, x), p), n))

    def expm1(self, x: Any) -> Any:
        """(2**n - 1) + 2**n p"""
        kind = self._kind(x)
        inside = self._clamp(x, -MANTISSA[kind] - 2.0, EXP_RANGE[kind][1])
        n, p = self._exponential(inside)
        most = filled(n.type, MANTISSA[kind] + 4)
        small = self._select(self.b.icmp_signed("<", n, most), n, most)
        s = self._power_of_two(small, x)
        one = self._const(1.0, x)
        near = self._fma(s, p, self.b.fsub(s, one))
        far = self._scale(self.b.fadd(one, p), n)
        result = self._select(self.b.icmp_signed("<", n, most), near, far)
        result = self._select(self._equal(x, self._const(0.0, x)), x, result)
        return self._keep_nan(x, result)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + e**-x), or e**x / (1 + e**x) where x is negative"""
        one = self._const(1.0, x)
        z = self.exp(self.b.fneg(self._abs(x)))
        top = self._select(self._less(x, self._const(0.0, x)), z, one)
        return self.b.fdiv(top, self.b.fadd(one, z))

    def tanh(self, x: Any) -> Any:
        """(e**2|x| - 1) / (e**2|x| + 1), with x's sign"""
        two = self._const(2.0, x)
        inside = self._clamp(self._abs(x), 0.0, TANH_END[self._kind(x)])
        n, p = self._exponential(self.b.fmul(two, inside))
        s = self._power_of_two(n, x)
        e = self._fma(s, p, self.b.fsub(s, self._const(1.0, x)))
        return self._keep_nan(x, self._call("copysign", self.b.fdiv(e, self.b.fadd(e, two)), x))

    # -- logarithms --------------------------------------------------------------------------------

    def _split(self, x: Any) -> tuple[Any, Any]:
        """(e as a float, f) with x = 2**e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for x > 0."""
        kind = self._kind(x)
        tiny = self._less(x, self._const(2.0 ** (1 - BIAS[kind]), x))
        scale = 2.0 ** (MANTISSA[kind] + 2)
        x = self._select(tiny, self.b.fmul(x, self._const(scale, x)), x)
        bits = self.b.bitcast(x, self._integers(x))
        shift = filled(bits.type, MANTISSA[kind])
        e = self.b.ashr(self.b.sub(bits, filled(bits.type, SQRT_HALF_BITS[kind])), shift)
        m = self.b.bitcast(self.b.sub(bits, self.b.shl(e, shift)), x.type)
        exponent = self.b.sitofp(e, x.type)
        missing = self._const(-(MANTISSA[kind] + 2.0), x)
        exponent = self._select(tiny, self.b.fadd(exponent, missing), exponent)
        return exponent, self.b.fsub(m, self._const(1.0, x))

    def log(self, x: Any) -> Any:
        """e ln 2 + log(1 + f), the latter 2 artanh(s) with s = f / (2 + f)"""
        kind = self._kind(x)
        e, f = self._split(x)
        s = self.b.fdiv(f, self.b.fadd(self._const(2.0, x), f))
        z = self.b.fmul(s, s)
        r = self.b.fmul(z, self._series(z, [2 / (2 * k + 1) for k in range(1, LOG_TERMS[kind] + 1)]))
        half = self.b.fmul(self._const(0.5, x), self.b.fmul(f, f))
        # f - (f*f/2 - s (f*f/2 + r)) is log(1 + f) with its large parts subtracted exactly
        inner = self._fma(s, self.b.fadd(half, r), self.b.fmul(e, self._const(LN2[kind][1], x)))
        tail = self.b.fsub(self.b.fsub(half, inner), f)
        result = self.b.fsub(self.b.fmul(e, self._const(LN2[kind][0], x)), tail)
        return self._log_edges(x, result)

    def _log_edges(self, x: Any, result: Any) -> Any:
        zero, infinity = self._const(0.0, x), self._const(math.inf, x)
        result = self._select(self._equal(x, infinity), infinity, result)
        result = self._select(self._equal(x, zero), self._const(-math.inf, x), result)
        result = self._select(self._less(x, zero), self._const(math.nan, x), result)
        return self._keep_nan(x, result)

    def log1p(self, x: Any) -> Any:
        """log(u) + (x - (u - 1)) / u with u = 1 + x rounded"""
        one = self._const(1.0, x)
        u = self.b.fadd(one, x)
        # the part of x that rounding u lost, taken from the larger of the two
        larger = self._less(one, self._abs(x))
        lost = self._select(larger, self.b.fsub(one, self.b.fsub(u, x)), self.b.fsub(x, self.b.fsub(u, one)))
        result = self.b.fadd(self.log(u), self.b.fdiv(lost, u))
        plain = self.b.or_(self._equal(x, self._const(math.inf, x)), self._equal(x, self._const(0.0, x)))
        result = self._select(plain, x, result)
        return self._select(self._equal(x, self._const(-1.0, x)), self._const(-math.inf, x), result)

    # -- trigonometry ------------------------------------------------------------------------------

    def sin(self, x: Any) -> Any:
        return self._in_float64(x, lambda y: self._sine(y, 0))

    def cos(self, x: Any) -> Any:
        return self._in_float64(x, lambda y: self._sine(y, 1))

    def _in_float64(self, x: Any, function: Any) -> Any:
        if self._kind(x) == "f64":
            return function(x)
        wide = ir.VectorType(F64, x.type.count) if isinstance(x.type, ir.VectorType) else F64
        return self.b.fptrunc(function(self.b.fpext(x, wide)), x.type)

    def _sine(self, x: Any, quarter: int) -> Any:
        """sin(x + quarter pi/2): pi/2 is subtracted in three parts, then the series.

        The parts serve for |x| below 2**30, below 2**20 without a fused multiply-add; beyond 2**30 NaN says so.
        """
        n = self._round(self.b.fmul(x, self._const(2 / math.pi, x)))
        r = x
        for part in HALF_PI:
            r = self._fma(self.b.fneg(n), self._const(part, x), r)
        z = self.b.fmul(r, r)
        odd = [(-1) ** k / math.factorial(2 * k + 1) for k in range(1, 9)]
        even = [(-1) ** k / math.factorial(2 * k) for k in range(2, 9)]
        sine = self._fma(self.b.fmul(z, r), self._series(z, odd), r)
        cosine = self._fma(
            self.b.fmul(z, z), self._series(z, even), self._fma(z, self._const(-0.5, x), self._const(1.0, x))
        )
        integers = self._integers(x)
        at = self.b.add(self.b.fptosi(n, integers), filled(integers, quarter))
        one, two, zero = (filled(integers, i) for i in (1, 2, 0))
        value = self._select(self.b.icmp_signed("!=", self.b.and_(at, one), zero), cosine, sine)
        value = self._select(self.b.icmp_signed("!=", self.b.and_(at, two), zero), self.b.fneg(value), value)
        if quarter == 0:
            value = self._select(self._equal(x, self._const(0.0, x)), x, value)
        near = self._less(self._abs(x), self._const(2.0**30, x))
        return self._select(near, value, self._const(math.nan, x))

    def sinpi(self, x: Any) -> Any:
        """sin(pi x): whole turns are taken off, which is exact, and what is left folded into [-1/2, 1/2]."""
        turn, one = self._turn(x), self._const(1.0, x)
        upper, lower = self.b.fsub(one, turn), self.b.fsub(self.b.fneg(one), turn)
        turn = self._select(self._less(turn, upper), turn, upper)
        turn = self._select(self._less(turn, lower), lower, turn)
        return self._select(self._equal(x, self._const(0.0, x)), x, self._half_wave(turn))

    def cospi(self, x: Any) -> Any:
        """cos(pi x) = sin(pi (1/2 - |x|))"""
        return self._half_wave(self.b.fsub(self._const(0.5, x), self._abs(self._turn(x))))

    def _turn(self, x: Any) -> Any:
        """x less an even number, in [-1, 1]; NaN of what is not finite."""
        if not self.target.rounding:  # first to where numbers can be rounded; far away all are even
            far = self._const(2.0 ** (MANTISSA[self._kind(x)] + 1), x)
            x = self._select(self._less(self._abs(x), far), x, self.b.fsub(x, x))
            x = self._without(x, 4096.0)
        return self._without(x, 2.0)

    def _without(self, x: Any, period: float) -> Any:
        """x less the nearest multiple of a power of two, which is exact."""
        whole = self._round(self.b.fmul(x, self._const(1 / period, x)))
        return self._fma(whole, self._const(-period, x), x)

    def _half_wave(self, q: Any) -> Any:
        """sin(pi q) for |q| <= 1/2."""
        square = self.b.fmul(q, q)
        rest = self.b.fmul(self.b.fmul(q, square), self._series(square, SIN_PI[self._kind(q)]))
        return self._fma(q, self._const(math.pi, q), rest)

    # -- erf ---------------------------------------------------------------------------------------

    def erf(self, x: Any) -> Any:
        """x + x P(x^2) below 1, 1 - exp(Q(|x| - 1)) beyond (tools/fit_polynomials.py)"""
        near, far, end = ERF[self._kind(x)]
        a = self._clamp(self._abs(x), 0.0, end)
        one = self._const(1.0, x)
        inner = self._fma(x, self._series(self.b.fmul(x, x), near), x)
        outer = self._call("copysign", self.b.fsub(one, self.exp(self._series(self.b.fsub(a, one), far))), x)
        return self._keep_nan(x, self._select(self._less(a, one), inner, outer))

    # -- powers ------------------------------------------------------------------------------------

    def rsqrt(self, x: Any) -> Any:
        return self.b.fdiv(self._const(1.0, x), self._call("sqrt", x))

    def pow(self, x: Any, y: Any) -> Any:
        """|x|**y as e**(y log |x|), the logarithm to more than double precision, then the special cases."""
        if self._kind(x) == "f64":
            return self._power(x, y)
        wide = ir.VectorType(F64, x.type.count) if isinstance(x.type, ir.VectorType) else F64
        return self.b.fptrunc(self._power(self.b.fpext(x, wide), self.b.fpext(y, wide)), x.type)

    def _power(self, x: Any, y: Any) -> Any:
        b = self.b
        a = self._abs(x)
        high, low = self._long_log(a)
        top = b.fmul(y, high)
        rest = b.fmul(y, low)
        if self.target.fma:
            rest = b.fadd(self._fma(y, high, b.fneg(top)), rest)
        return self._power_edges(x, y, a, self.exp(top, rest))

    def _long_log(self, a: Any) -> tuple[Any, Any]:
        """log a as high + low, good to some 60 bits."""
        b = self.b
        e, f = self._split(a)
        d = b.fadd(self._const(2.0, a), f)
        lost = b.fsub(f, b.fsub(d, self._const(2.0, a)))
        s = b.fdiv(f, d)
        error = b.fdiv(b.fsub(self._fma(b.fneg(s), d, f), b.fmul(s, lost)), d)
        z = b.fmul(s, s)
        r = b.fmul(b.fmul(s, z), self._series(z, [2 / (2 * k + 1) for k in range(1, LOG_TERMS["f64"] + 1)]))
        main = b.fmul(e, self._const(LN2["f64"][0], a))  # exact: the constant ends in zeros
        two_s = b.fadd(s, s)
        total = b.fadd(main, two_s)
        back = b.fsub(total, main)
        carried = b.fadd(b.fsub(main, b.fsub(total, back)), b.fsub(two_s, back))
        small = self._fma(e, self._const(LN2["f64"][1], a), b.fadd(b.fadd(error, error), r))
        low = b.fadd(carried, small)
        high = b.fadd(total, low)
        return high, b.fadd(b.fsub(total, high), low)

    def _power_edges(self, x: Any, y: Any, a: Any, result: Any) -> Any:
        """IEEE 754-2019's cases of pow."""
        b = self.b
        zero, one, infinity, nan = (self._const(v, x) for v in (0.0, 1.0, math.inf, math.nan))
        whole = self._equal(self._call("trunc", y) if self.target.rounding else self._truncated(y), y)
        halved = b.fmul(y, self._const(0.5, x))
        even = self._equal(self._call("trunc", halved) if self.target.rounding else self._truncated(halved), halved)
        odd = b.and_(whole, b.not_(even))
        grows = b.not_(b.xor(self._less(zero, y), self._less(one, a)))  # y > 0 and a > 1, or neither
        extreme = self._select(grows, infinity, zero)
        endless = b.or_(self._equal(self._abs(y), infinity), b.or_(self._equal(a, zero), self._equal(a, infinity)))
        result = self._select(endless, extreme, result)
        signed = b.and_(odd, self._negative(x))
        result = self._select(signed, b.fneg(result), result)
        improper = b.and_(
            b.and_(self._less(x, zero), self._less(a, infinity)),
            b.and_(b.not_(whole), self._less(self._abs(y), infinity)),
        )
        result = self._select(improper, nan, result)
        result = self._select(b.or_(self._is_nan(x), self._is_nan(y)), nan, result)
        unit = b.and_(self._equal(a, one), self._equal(self._abs(y), infinity))
        always = b.or_(b.or_(self._equal(y, zero), self._equal(x, one)), unit)
        return self._select(always, one, result)

    def _negative(self, x: Any) -> Any:
        """Whether the sign bit is set, also of -0."""
        return self._less(self._call("copysign", self._const(1.0, x), x), self._const(0.0, x))

    def _truncated(self, x: Any) -> Any:
        """Towards zero, where there is no instruction for it; numbers from 2**51 on are whole already."""
        big = self._const(2.0**51, x)
        inside = self._select(self._less(self._abs(x), big), x, self._const(0.0, x))
        cut = self.b.sitofp(self.b.fptosi(inside, self._integers(x)), x.type)
        return self._select(self._less(self._abs(x), big), cut, x)
