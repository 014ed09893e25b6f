"""Prints the coefficients of erf in src/schuss/codegen/erf.py, with the error each fit reaches.

    python tools/fit_polynomials.py        # needs mpmath; takes seconds

erf(x) = x P(x^2) for |x| < 1 and 1 - exp(Q(t)) beyond, where exp(Q) = erfc and t runs from -1 to 1 over the interval on
which erf is not yet 1. P and Q interpolate at Chebyshev points in 60 digits, which comes within a small factor of the
best polynomial. The other functions use plain series and need no fit.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60


def chebyshev(f: Callable[[mp.mpf], mp.mpf], low: float, high: float, degree: int) -> list[mp.mpf]:
    """Coefficients in u = (x - middle) / half, lowest first, of the interpolant at Chebyshev points."""
    n = degree + 1
    nodes = [mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    values = [f(middle + half * u) for u in nodes]
    matrix = mp.matrix([[u**j for j in range(n)] for u in nodes])
    return list(mp.lu_solve(matrix, mp.matrix(values)))


def shifted(c: list[mp.mpf], low: float, high: float) -> list[mp.mpf]:
    """The same polynomial in x itself."""
    middle, half = (mp.mpf(low) + high) / 2, (mp.mpf(high) - low) / 2
    result = [mp.mpf(0)] * len(c)
    for j, a in enumerate(c):
        for i in range(j + 1):
            result[i] += a * mp.binomial(j, i) * (-middle) ** (j - i) / half**j
    return result


def near(z: mp.mpf) -> mp.mpf:
    """erf(sqrt z) / sqrt z"""
    x = mp.sqrt(z)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def show(name: str, c: list[mp.mpf]) -> None:
    print(f"{name} = (")
    for a in c:
        print(f"    {float(a)!r},")
    print(")")


def main() -> None:
    for dtype, end, deg_near, deg_far in (("float32", 4.0, 6, 9), ("float64", 6.0, 11, 25)):
        p = shifted(chebyshev(near, 0.0, 1.0, deg_near), 0.0, 1.0)
        q = chebyshev(lambda x: mp.log(mp.erfc(x)), 1.0, end, deg_far)
        middle, half = (1 + end) / 2, (end - 1) / 2
        grid = [mp.mpf(k) / 400 for k in range(1, 401)]
        worst = max(abs(mp.polyval(p[::-1], z) / near(z) - 1) for z in grid)
        xs = [1 + (mp.mpf(end) - 1) * k / 400 for k in range(401)]
        far = max(abs(mp.exp(mp.polyval(q[::-1], (x - middle) / half)) - mp.erfc(x)) for x in xs)
        print(f"# {dtype}: relative error below 1 {mp.nstr(worst, 3)}, absolute error beyond {mp.nstr(far, 3)}")
        show(f"ERF_NEAR_{dtype.upper()}", p)
        show(f"ERF_FAR_{dtype.upper()}", q)


if __name__ == "__main__":
    main()
