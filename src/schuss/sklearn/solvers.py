"""The optimizers of scikit-learn's MLP, in graph code.

Their numbers are scalars of the state, not of the program: one compiled step serves every rate, momentum and decay, so
that a search over them compiles once. See schuss.optim.base.Updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from schuss import ops
from schuss.ir.executor import Array

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Adam:
    """m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g**2
    w = w - lr sqrt(1 - b2**t) / (1 - b1**t) m / (sqrt(v) + epsilon)

    Unlike schuss.optim.Adam and PyTorch, epsilon is not corrected for the start. Source: Kingma and Ba (2014), the end
    of section 2.
    """

    numbers: ClassVar[tuple[str, ...]] = ("lr", "beta_1", "beta_2", "epsilon")

    def init(self, params: Values) -> dict[str, Array]:
        state = {name: np.zeros(()) for name in self.numbers}
        state |= {"power_1": np.ones(()), "power_2": np.ones(())}
        return state | {f"{slot}/{n}": np.zeros(p.shape, p.dtype) for slot in ("m", "v") for n, p in params.items()}

    def update(self, params: Values, grads: Values, state: Values, step: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        b1, b2 = state["beta_1"], state["beta_2"]
        new = {**state, "power_1": state["power_1"] * b1, "power_2": state["power_2"] * b2}
        rate = state["lr"] * ops.sqrt(1.0 - new["power_2"]) / (1.0 - new["power_1"])
        scalars = (b1, 1.0 - b1, b2, 1.0 - b2, rate, state["epsilon"])
        moved: dict[str, Any] = {}
        for name, w in params.items():
            one, rest, two, other, lr, epsilon = (ops.cast(s, dtype=str(w.dtype)) for s in scalars)
            g = grads[name]
            m = state[f"m/{name}"] * one + g * rest
            v = state[f"v/{name}"] * two + g * g * other
            moved[name] = w - m * lr / (ops.sqrt(v) + epsilon)
            new |= {f"m/{name}": m, f"v/{name}": v}
        return moved, new


@dataclass(frozen=True)
class SGD:
    """v = momentum v - lr g,   w = w + v, or with Nesterov's momentum w + momentum v - lr g.

    The rate is in v: unlike schuss.optim.SGD and PyTorch, another rate does not change steps that were taken.
    """

    nesterov: bool

    numbers: ClassVar[tuple[str, ...]] = ("lr", "momentum")

    def init(self, params: Values) -> dict[str, Array]:
        state = {name: np.zeros(()) for name in self.numbers}
        return state | {f"velocity/{name}": np.zeros(p.shape, p.dtype) for name, p in params.items()}

    def update(self, params: Values, grads: Values, state: Values, step: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        new, moved = dict(state), {}
        for name, w in params.items():
            lr, momentum = (ops.cast(state[n], dtype=str(w.dtype)) for n in self.numbers)
            down = grads[name] * lr
            velocity = new[f"velocity/{name}"] = state[f"velocity/{name}"] * momentum - down
            moved[name] = w + (velocity * momentum - down if self.nesterov else velocity)
        return moved, new


@dataclass(frozen=True)
class GradientSum:
    """Moves nothing: adds up the gradients of the batches, for a solver that wants that of all data."""

    numbers: ClassVar[tuple[str, ...]] = ()

    def init(self, params: Values) -> dict[str, Array]:
        return {f"gradient/{name}": np.zeros(p.shape, p.dtype) for name, p in params.items()}

    def update(self, params: Values, grads: Values, state: Values, step: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(params), {f"gradient/{name}": state[f"gradient/{name}"] + g for name, g in grads.items()}


__all__ = ["SGD", "Adam", "GradientSum"]
