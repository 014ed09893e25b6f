"""Adagrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import NOT_NEGATIVE, Constraints
from schuss.optim.base import FACTOR, RATE, Now, Optimizer, Rate, Scalar, Slots


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares so far:

        g = g + weight_decay * w
        v = v + g * g
        w = w - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(v) + eps)

    Defaults: lr 1e-2, lr_decay 0, weight_decay 0, initial_accumulator_value 0 (of v), eps 1e-10.
    State: sum (v). UsageError for lr <= 0 or any negative setting.
    Source: Duchi, Hazan and Singer (JMLR 2011).
    """

    lr: Rate = 1e-2
    lr_decay: Rate = 0.0
    weight_decay: Rate = 0.0
    initial_accumulator_value: float = 0.0
    eps: Rate = 1e-10

    constraints: ClassVar[Constraints] = {
        "lr": RATE,
        "lr_decay": FACTOR,
        "weight_decay": FACTOR,
        "initial_accumulator_value": NOT_NEGATIVE,
        "eps": FACTOR,
    }

    def slots(self) -> dict[str, float]:
        return {"sum": self.initial_accumulator_value}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        lr = now.lr / ((t - 1.0) * now.lr_decay + 1.0) if self.lr_decay else now.lr
        return {"lr": lr, "eps": now.eps, "weight_decay": now.weight_decay}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        g = g + w * k["weight_decay"] if self.weight_decay else g
        v = s["sum"] + g * g
        return w - g * k["lr"] / (ops.sqrt(v) + k["eps"]), {"sum": v}
