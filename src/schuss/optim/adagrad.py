"""Adagrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schuss import ops
from schuss.optim.base import Now, Optimizer, Rate, Scalar, Slots, check_not_negative, check_rate


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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rate("Adagrad", self.lr)
        check_not_negative(
            "Adagrad",
            lr_decay=self.lr_decay,
            weight_decay=self.weight_decay,
            initial_accumulator_value=self.initial_accumulator_value,
            eps=self.eps,
        )

    def slots(self) -> dict[str, float]:
        return {"sum": self.initial_accumulator_value}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        lr = now.lr / ((t - 1.0) * now.lr_decay + 1.0) if self.lr_decay else now.lr
        return {"lr": lr, "eps": now.eps, "weight_decay": now.weight_decay}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        g = g + w * k["weight_decay"] if self.weight_decay else g
        v = s["sum"] + g * g
        return w - g * k["lr"] / (ops.sqrt(v) + k["eps"]), {"sum": v}
