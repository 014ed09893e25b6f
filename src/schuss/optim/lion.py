"""Lion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import Constraints, Each
from schuss.optim.base import FACTOR, RATE, SHARE, Now, Optimizer, Rate, Scalar, Slots


@dataclass(frozen=True)
class Lion(Optimizer):
    """Steps of one size, in the sign of a momentum:

        w = w * (1 - lr * weight_decay) - lr * sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g

    Defaults: lr 1e-4, betas (0.9, 0.99), weight_decay 0. State: exp_avg (m).
    UsageError for lr <= 0, betas outside [0, 1), negative weight decay.
    Source: Chen et al., Symbolic discovery of optimization algorithms (2023), algorithm 2.
    """

    lr: Rate = 1e-4
    betas: tuple[Rate, Rate] = (0.9, 0.99)
    weight_decay: Rate = 0.0

    constraints: ClassVar[Constraints] = {"lr": RATE, "betas": Each(SHARE, 2), "weight_decay": FACTOR}

    def slots(self) -> dict[str, float]:
        return {"exp_avg": 0.0}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        b1, b2 = now.betas
        return {"lr": now.lr, "keep": 1.0 - now.lr * now.weight_decay, "b1": b1, "1-b1": 1.0 - b1, "1-b2": 1.0 - b2}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        m = s["exp_avg"]
        direction = ops.sign(m * k["b1"] + g * k["1-b1"])
        kept = w * k["keep"] if self.weight_decay else w
        return kept - direction * k["lr"], {"exp_avg": m + (g - m) * k["1-b2"]}
