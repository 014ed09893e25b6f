"""Stochastic gradient descent, with momentum and Nesterov's form of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import Constraints
from schuss.errors import UsageError
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
class SGD(Optimizer):
    """w = w - lr * d, where with momentum mu and dampening tau

        g = g + weight_decay * w
        b = g at the first step, then mu * b + (1 - tau) * g
        d = g (no momentum), b (momentum) or g + mu * b (nesterov)

    Defaults: lr 1e-3, all else 0. State: momentum_buffer, if momentum is used. UsageError for lr <= 0,
    momentum outside [0, 1), negative weight decay, or nesterov without momentum or with dampening.
    Source: Sutskever, Martens, Dahl and Hinton (ICML 2013); Polyak (1964).
    """

    lr: Rate = 1e-3
    momentum: Rate = 0.0
    dampening: Rate = 0.0
    weight_decay: Rate = 0.0
    nesterov: bool = False

    constraints: ClassVar[Constraints] = {"lr": RATE, "momentum": SHARE, "dampening": FACTOR, "weight_decay": FACTOR}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and (self.momentum == 0.0 or self.dampening != 0.0):
            raise UsageError("SGD: nesterov needs momentum above 0 and dampening 0")

    def slots(self) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if self.momentum else {}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        scalars = {"lr": now.lr, "momentum": now.momentum, "weight_decay": now.weight_decay}
        # The buffer starts at 0, so taking all of g at the first step makes it g.
        taken = ops.where(ops.equal(t, 1.0), 1.0, 1.0 - now.dampening + t * 0.0) if self.dampening else 1.0
        return {**scalars, "taken": taken}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        g = g + w * k["weight_decay"] if self.weight_decay else g
        if not self.momentum:
            return w - g * k["lr"], {}
        buffer = s["momentum_buffer"] * k["momentum"] + (g * k["taken"] if self.dampening else g)
        direction = g + buffer * k["momentum"] if self.nesterov else buffer
        return w - direction * k["lr"], {"momentum_buffer": buffer}
