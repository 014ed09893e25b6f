"""RMSprop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import Constraints
from schuss.optim.base import (
    FACTOR,
    RATE,
    SHARE,
    Now,
    Optimizer,
    Rate,
    Scalar,
    Slots,
)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradients divided by a running root mean square:

        g = g + weight_decay * w
        v = alpha * v + (1 - alpha) * g * g
        d = g / (sqrt(v) + eps);   centered: d = g / (sqrt(v - a * a) + eps), a = alpha * a + (1 - alpha) * g
        w = w - lr * d;            momentum mu: b = mu * b + d, w = w - lr * b

    Defaults: lr 1e-2, alpha 0.99, eps 1e-8, weight_decay 0, momentum 0, centered False.
    State: square_avg (v), and if used grad_avg (a) and momentum_buffer (b).
    v - a * a below 0 (by rounding) counts as 0.
    UsageError for lr <= 0, alpha or momentum outside [0, 1), negative eps or weight decay.
    Source: Tieleman and Hinton, lecture 6.5 (2012); centered: Graves (2013).
    """

    lr: Rate = 1e-2
    alpha: Rate = 0.99
    eps: Rate = 1e-8
    weight_decay: Rate = 0.0
    momentum: Rate = 0.0
    centered: bool = False

    constraints: ClassVar[Constraints] = {
        "lr": RATE,
        "alpha": SHARE,
        "eps": FACTOR,
        "weight_decay": FACTOR,
        "momentum": SHARE,
    }

    def slots(self) -> dict[str, float]:
        used = {"square_avg": True, "grad_avg": self.centered, "momentum_buffer": bool(self.momentum)}
        return {name: 0.0 for name, use in used.items() if use}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        decay = {"alpha": now.alpha, "1-alpha": 1.0 - now.alpha, "weight_decay": now.weight_decay}
        return {"lr": now.lr, "eps": now.eps, "momentum": now.momentum, **decay}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        g = g + w * k["weight_decay"] if self.weight_decay else g
        v = s["square_avg"] * k["alpha"] + g * g * k["1-alpha"]
        new = {"square_avg": v}
        if self.centered:
            a = new["grad_avg"] = s["grad_avg"] + (g - s["grad_avg"]) * k["1-alpha"]
            v = ops.maximum(v - a * a, 0.0)
        d = g / (ops.sqrt(v) + k["eps"])
        if self.momentum:
            d = new["momentum_buffer"] = s["momentum_buffer"] * k["momentum"] + d
        return w - d * k["lr"], new
