"""Initializers: first values of parameters, bit for bit the same on every platform.

An initializer is called with a random key (uint32[2]) and a shape, and returns float64 values that the
parameter rounds to its dtype. Only + - * / and square roots are used, which IEEE 754 rounds in one way;
logarithm and sine are series of our own. `fan_in` is shape[1] and `fan_out` shape[0], as for a Linear weight
(out, in), each times the product of any further axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from schuss.configured import Configured
from schuss.constraints import FINITE, NOT_NEGATIVE, Constraints, check
from schuss.errors import UsageError
from schuss.ir.executor import Array
from schuss.nn.parameter import Initializer

LN2 = 0.6931471805599453


def uniforms(key: Array, shape: tuple[int, ...], stream: int = 0) -> Array:
    """float64 values (k + 1/2) / 2**32 for random 32-bit k: inside (0, 1), exact."""
    from schuss.ops.philox import random_bits

    bits = random_bits(key, stream, 0, math.prod(shape))
    values: Array = (bits.astype(np.float64) + 0.5) * 2.0**-32
    return values.reshape(shape)


def _log(x: Array) -> Array:
    """Natural logarithm of positive values: 2 artanh((m-1)/(m+1)) + e ln 2 for x = m 2**e, m near 1."""
    m, e = np.frexp(x)
    small = m < 0.7071067811865476
    m = np.where(small, m * 2.0, m)
    z = (m - 1.0) / (m + 1.0)
    z2 = z * z
    series = np.zeros_like(z)
    for k in range(21, 0, -2):  # |z| < 0.172, so the first term left out is below 1e-18
        series = series * z2 + 1.0 / k
    return 2.0 * z * series + (e - small) * LN2


def _sin(x: Array) -> Array:
    """Sine on [-pi/2, pi/2] by its Taylor series; the first term left out is below 1e-18."""
    x2 = x * x
    series = np.zeros_like(x)
    for k in range(23, 0, -2):
        series = 1.0 - series * x2 / ((k + 1.0) * (k + 2.0))
    return x * series


def normals(key: Array, shape: tuple[int, ...]) -> Array:
    """Standard normal float64 values: sqrt(-2 ln u) sin(pi (v - 1/2)) for uniform u and v.

    Source: Box and Muller, A note on the generation of random normal deviates (1958).
    """
    radius = np.sqrt(-2.0 * _log(uniforms(key, shape, stream=0)))
    return radius * _sin((uniforms(key, shape, stream=1) - 0.5) * math.pi)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out). UsageError for fewer than two axes."""
    if len(shape) < 2:
        raise UsageError(f"init: fan_in and fan_out need at least two axes, got shape {list(shape)}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


@dataclass(frozen=True)
class Constant(Configured):
    """Every value the same."""

    value: float = 0.0

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return np.full(shape, self.value, np.float64)


@dataclass(frozen=True)
class Zeros(Configured):
    """0."""

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Configured):
    """1."""

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class Uniform(Configured):
    """Uniform on (low, high)."""

    low: float = 0.0
    high: float = 1.0

    constraints: ClassVar[Constraints] = {"low": FINITE, "high": FINITE}

    def __post_init__(self) -> None:
        check("init.Uniform", self.constraints, vars(self))
        if self.low > self.high:
            raise UsageError(f"init.Uniform: low must not be above high, got {self.low} and {self.high}")

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return self.low + (self.high - self.low) * uniforms(key, shape)


@dataclass(frozen=True)
class Normal(Configured):
    """Normal of the given mean and standard deviation."""

    mean: float = 0.0
    std: float = 1.0

    constraints: ClassVar[Constraints] = {"mean": FINITE, "std": NOT_NEGATIVE}

    def __post_init__(self) -> None:
        check("init.Normal", self.constraints, vars(self))

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return self.mean + self.std * normals(key, shape)


@dataclass(frozen=True)
class PaddedNormal(Configured):
    """Normal of mean 0 and deviation 1, but for one row of 0, that of what only fills up (nn.Embedding)."""

    row: int = 0

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        found = normals(key, shape)
        found[self.row] = 0.0
        return found


def _centred(key: Array, shape: tuple[int, ...], bound: float) -> Array:
    return bound * (2.0 * uniforms(key, shape) - 1.0)


@dataclass(frozen=True)
class LinearDefault(Configured):
    """Uniform on (-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's initializer of a Linear layer's weight.

    PyTorch writes it as kaiming_uniform_(a=sqrt(5)). Source: LeCun et al., Efficient BackProp (1998).
    """

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return _centred(key, shape, 1.0 / math.sqrt(fans(shape)[0]))


@dataclass(frozen=True)
class XavierUniform(Configured):
    """Uniform within gain * sqrt(6 / (fan_in + fan_out)). Source: Glorot and Bengio (AISTATS 2010)."""

    gain: float = 1.0

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return _centred(key, shape, self.gain * math.sqrt(6.0 / sum(fans(shape))))


@dataclass(frozen=True)
class XavierNormal(Configured):
    """Normal, std = gain * sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio (AISTATS 2010)."""

    gain: float = 1.0

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return self.gain * math.sqrt(2.0 / sum(fans(shape))) * normals(key, shape)


@dataclass(frozen=True)
class KaimingUniform(Configured):
    """Uniform within sqrt(6 / ((1 + a*a) fan_in)), a a leaky ReLU's slope. Source: He et al. (ICCV 2015)."""

    a: float = 0.0

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return _centred(key, shape, math.sqrt(6.0 / ((1.0 + self.a * self.a) * fans(shape)[0])))


@dataclass(frozen=True)
class KaimingNormal(Configured):
    """Normal, std = sqrt(2 / ((1 + a*a) fan_in)), a a leaky ReLU's slope. Source: He et al. (ICCV 2015)."""

    a: float = 0.0

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return math.sqrt(2.0 / ((1.0 + self.a * self.a) * fans(shape)[0])) * normals(key, shape)


@dataclass(frozen=True)
class LecunNormal(Configured):
    """Normal, std = sqrt(1 / fan_in); what SELU wants. Source: LeCun et al., Efficient BackProp (1998)."""

    def __call__(self, key: Array, shape: tuple[int, ...]) -> Array:
        return math.sqrt(1.0 / fans(shape)[0]) * normals(key, shape)


INITIALIZERS: dict[str, Initializer] = {
    "default": LinearDefault(),
    "xavier_uniform": XavierUniform(),
    "xavier_normal": XavierNormal(),
    "kaiming_uniform": KaimingUniform(),
    "kaiming_normal": KaimingNormal(),
    "lecun_normal": LecunNormal(),
    "zeros": Zeros(),
}
"""Initializers of a Linear weight by name."""


def named(given: str | Initializer) -> Initializer:
    """The initializer of a name; an initializer is returned as it is. UsageError for an unknown name."""
    if not isinstance(given, str):
        return given
    if given not in INITIALIZERS:
        raise UsageError(f"init: unknown initializer {given!r}; one of {', '.join(INITIALIZERS)}")
    return INITIALIZERS[given]


def config_of(given: Any) -> Any:
    """A name or config for a file; None for an initializer that is not ours."""
    for name, known in INITIALIZERS.items():
        if given == known:
            return name
    return given.config() if isinstance(given, Configured) else None
