"""Activations: elementwise layers (and softmax along an axis) with PyTorch's names and defaults."""

from __future__ import annotations

from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import FINITE, POSITIVE, Choice, Constraints
from schuss.nn.formula import described
from schuss.nn.layers import Layer
from schuss.trace import Tensor, as_tensor


class Activation(Layer):
    """A layer that is one function of its input. Shapes and dtypes stay; the input must be floating."""

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.function(as_tensor(x))
        return y

    def function(self, x: Tensor) -> Any:
        raise NotImplementedError


class Sigmoid(Activation):
    """1 / (1 + exp(-x))"""

    def function(self, x: Tensor) -> Any:
        return ops.sigmoid(x)


class Tanh(Activation):
    """tanh x"""

    def function(self, x: Tensor) -> Any:
        return ops.tanh(x)


class ReLU(Activation):
    """max(x, 0); its slope at 0 is 0"""

    def function(self, x: Tensor) -> Any:
        return ops.relu(x)


class LeakyReLU(Activation):
    """x where x > 0, else negative_slope * x. Source: Maas, Hannun and Ng (2013)."""

    formula = described("y = x, or a·x where x < 0", "incoming, or a · incoming", "greater mul where")
    settings = ("negative_slope",)
    constraints: ClassVar[Constraints] = {"negative_slope": FINITE}

    def __init__(self, negative_slope: float = 0.01) -> None:
        self._check(negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def function(self, x: Tensor) -> Any:
        return ops.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(Activation):
    """x where x > 0, else alpha * (exp(x) - 1). Source: Clevert, Unterthiner and Hochreiter (2016)."""

    settings = ("alpha",)
    constraints: ClassVar[Constraints] = {"alpha": FINITE}

    def __init__(self, alpha: float = 1.0) -> None:
        self._check(alpha=alpha)
        self.alpha = alpha

    def function(self, x: Tensor) -> Any:
        return ops.elu(x, alpha=self.alpha)


class SELU(Activation):
    """scale * ELU(x, alpha), both chosen to keep mean 0 and variance 1. Source: Klambauer et al. (2017)."""

    def function(self, x: Tensor) -> Any:
        return ops.selu(x)


class GELU(Activation):
    """x * Phi(x), Phi the normal distribution function; approximate="tanh" its approximation by tanh.

    Source: Hendrycks and Gimpel, Gaussian error linear units (2016).
    """

    formula = described("y = x · Φ(x)", "incoming · (Φ(x) + x · φ(x))", "add erf mul")
    settings = ("approximate",)
    constraints: ClassVar[Constraints] = {"approximate": Choice(("none", "tanh"))}

    def __init__(self, approximate: str = "none") -> None:
        self._check(approximate=approximate)
        self.approximate = approximate

    def function(self, x: Tensor) -> Any:
        return ops.gelu(x, approximate=self.approximate)


class SiLU(Activation):
    """x * sigmoid(x), also called swish. Source: Elfwing, Uchibe and Doya (2018)."""

    formula = described("y = x · σ(x)", "incoming · (σ + x · σ · (1 − σ))", "mul sigmoid")

    def function(self, x: Tensor) -> Any:
        return ops.silu(x)


class Hardswish(Activation):
    """0 up to -3, x from 3 on, x * (x / 6 + 1/2) between: close to SiLU, without an exponential. Source: Howard et al.,
    MobileNetV3 (2019)."""

    def function(self, x: Tensor) -> Any:
        return ops.hardswish(x)


class Mish(Activation):
    """x * tanh(softplus(x)). Source: Misra, Mish (2019)."""

    def function(self, x: Tensor) -> Any:
        return ops.mish(x)


class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, in a form that does not overflow"""

    settings = ("beta",)
    constraints: ClassVar[Constraints] = {"beta": POSITIVE}

    def __init__(self, beta: float = 1.0) -> None:
        self._check(beta=beta)
        self.beta = beta

    def function(self, x: Tensor) -> Any:
        return ops.softplus(x, beta=self.beta)


class Softmax(Activation):
    """exp(x_i) / sum over j of exp(x_j) along the axis dim (default the last)"""

    formula = described("y = exp x / Σ exp x", "y · (incoming − Σ incoming · y)", "div exp max stop_gradient sub sum")
    settings = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def function(self, x: Tensor) -> Any:
        return ops.softmax(x, axis=self.dim)


class LogSoftmax(Activation):
    """x_i - log(sum over j of exp(x_j)) along the axis dim (default the last)"""

    formula = described(
        "y = x − log Σ exp x", "incoming − softmax(x) · Σ incoming", "exp log max stop_gradient sub sum"
    )
    settings = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def function(self, x: Tensor) -> Any:
        return ops.log_softmax(x, axis=self.dim)
