"""Prints src/schuss/compiler/llvm/coefficients.py: polynomials of exp, erf and sin pi, with the error of each fit.

    python tools/fit_polynomials.py > src/schuss/compiler/llvm/coefficients.py        # needs mpmath; takes seconds

e**r = 1 + r + r^2 T(r) for |r| <= ln 2 / 2; erf(x) = x + x P(x^2) for |x| < 1 and 1 - exp(Q(x - 1)) beyond, where
exp(Q) = erfc, up to where erf is 1. T, P and Q interpolate at Chebyshev points in 60 digits, which comes within a
small factor of the best polynomial. Q is in powers of x - 1 because near 1 its error counts most and must be small.
sin(pi q) = pi q + q^3 S(q^2) for |q| <= 1/2, likewise.
The other functions use plain series and need no fit.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60


def fit(f: Callable[[mp.mpf], mp.mpf], low: float, high: float, degree: int, origin: float = 0.0) -> list[mp.mpf]:
    """Coefficients in x - origin, lowest first, of the interpolant at the Chebyshev points of [low, high]."""
    n = degree + 1
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    nodes = [middle + half * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    matrix = mp.matrix([[(x - origin) ** j for j in range(n)] for x in nodes])
    return list(mp.lu_solve(matrix, mp.matrix([f(x) for x in nodes])))


def value(c: list[mp.mpf], x: mp.mpf) -> mp.mpf:
    return mp.polyval(c[::-1], x)


def tail(r: mp.mpf) -> mp.mpf:
    """(e**r - 1 - r) / r^2, by its series"""
    return mp.fsum(r**k / mp.factorial(k + 2) for k in range(40))


def near(z: mp.mpf) -> mp.mpf:
    """erf(sqrt z) / sqrt z - 1, which loses less to rounding than with the 1"""
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def turned(z: mp.mpf) -> mp.mpf:
    """(sin(pi q) - pi q) / q^3 of z = q^2, by its series"""
    return mp.fsum((-1) ** k * mp.pi ** (2 * k + 1) * z ** (k - 1) / mp.factorial(2 * k + 1) for k in range(1, 40))


def show(name: str, c: list[mp.mpf]) -> None:
    print(f"{name} = (")
    for a in c:
        print(f"    {float(a)!r},")
    print(")")


def main() -> None:
    print('"""Coefficients of exp, erf and sin pi, as tools/fit_polynomials.py prints them."""\n')
    print("from __future__ import annotations\n")
    edge = mp.log(2) / 2
    grid = [mp.mpf(k) / 400 for k in range(1, 401)]
    degrees = (("FLOAT32", 4.0, 5, 6, 9, 3), ("FLOAT64", 6.0, 10, 11, 25, 8))
    for dtype, end, deg_exp, deg_near, deg_far, deg_sine in degrees:
        t = fit(tail, -edge, edge, deg_exp)
        p = fit(near, 0.0, 1.0, deg_near)
        q = fit(lambda x: mp.log(mp.erfc(x)), 1.0, end, deg_far, origin=1.0)
        rs = [edge * (2 * u - 1) for u in grid]
        wrong = max(abs((1 + r + r**2 * value(t, r)) / mp.exp(r) - 1) for r in rs)
        worst = max(abs((value(p, z) - near(z)) / (1 + near(z))) for z in grid)
        xs = [1 + (mp.mpf(end) - 1) * u for u in grid]
        far = max(abs(mp.exp(value(q, x - 1)) - mp.erfc(x)) for x in xs)
        print(f"# relative error of exp {mp.nstr(wrong, 3)}, of erf below 1 {mp.nstr(worst, 3)}, ", end="")
        print(f"absolute error of erf beyond {mp.nstr(far, 3)}")
        sine = fit(turned, 0.0, 0.25, deg_sine)
        zs = [z / 4 for z in grid]
        part = max(abs((mp.pi + z * value(sine, z)) * mp.sqrt(z) / mp.sinpi(mp.sqrt(z)) - 1) for z in zs)
        print(f"# relative error of sin pi {mp.nstr(part, 3)}")
        show(f"EXP_{dtype}", t)
        show(f"ERF_NEAR_{dtype}", p)
        show(f"ERF_FAR_{dtype}", q)
        show(f"SIN_PI_{dtype}", sine)


if __name__ == "__main__":
    main()
