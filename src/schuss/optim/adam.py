"""Adam and its kin: AdamW, NAdam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from schuss import ops
from schuss.constraints import Constraints, Each
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

Betas = tuple[Rate, Rate]


def _moments(g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Any]:
    """m = b1*m + (1-b1)*g and v = b2*v + (1-b2)*g*g."""
    m = s["exp_avg"] + (g - s["exp_avg"]) * k["1-b1"]
    v = s["exp_avg_sq"] * k["b2"] + g * g * k["1-b2"]
    return m, v


@dataclass(frozen=True)
class Adam(Optimizer):
    """Moments of the gradient, corrected for their start at 0:

        g = g + weight_decay * w
        m = b1 * m + (1 - b1) * g,   v = b2 * v + (1 - b2) * g * g
        w = w - lr * m / (1 - b1**t) / (sqrt(v / (1 - b2**t)) + eps)

    Defaults: lr 1e-3, betas (0.9, 0.999), eps 1e-8, weight_decay 0. State: exp_avg (m), exp_avg_sq (v).
    Computed as w - a * m / (sqrt(v) + e) with a = lr * sqrt(1 - b2**t) / (1 - b1**t) and
    e = eps * sqrt(1 - b2**t), which are one number each for all parameters.
    UsageError for lr <= 0, betas outside [0, 1), negative eps or weight decay.
    Source: Kingma and Ba, Adam (ICLR 2015), algorithm 1 and the end of section 2.
    """

    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Rate = 1e-8
    weight_decay: Rate = 0.0

    slot_names: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")

    constraints: ClassVar[Constraints] = {
        "lr": RATE,
        "betas": Each(SHARE, 2),
        "eps": FACTOR,
        "weight_decay": FACTOR,
    }

    def slots(self) -> dict[str, float]:
        return dict.fromkeys(self.slot_names, 0.0)

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        b1, b2 = now.betas
        root = ops.sqrt(1.0 - ops.pow(b2, t))
        of_moments = {"1-b1": 1.0 - b1, "b2": b2, "1-b2": 1.0 - b2, "weight_decay": now.weight_decay}
        return {"a": root / (1.0 - ops.pow(b1, t)) * now.lr, "e": root * now.eps, **of_moments}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        g = g + w * k["weight_decay"] if self.weight_decay else g
        m, v = _moments(g, s, k)
        return w - m * k["a"] / (ops.sqrt(v) + k["e"]), {"exp_avg": m, "exp_avg_sq": v}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay is w = w * (1 - lr * weight_decay) before the step, past the moments.

    Defaults: Adam's, with weight_decay 1e-2. UsageError as for Adam.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization (ICLR 2019).
    """

    weight_decay: Rate = 1e-2

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        return {**super().scalars(t, now, shared), "keep": 1.0 - now.lr * now.weight_decay}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        m, v = _moments(g, s, k)
        kept = w * k["keep"] if self.weight_decay else w
        return kept - m * k["a"] / (ops.sqrt(v) + k["e"]), {"exp_avg": m, "exp_avg_sq": v}


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum: mu_t = b1 * (1 - 0.96**(t * momentum_decay) / 2), p_t = mu_1 ... mu_t

        g = g + weight_decay * w,   m and v as in Adam
        d = (1 - mu_t) / (1 - p_t) * g + mu_(t+1) / (1 - p_(t+1)) * m
        w = w - lr * d / (sqrt(v / (1 - b2**t)) + eps)

    Defaults: lr 2e-3, betas (0.9, 0.999), eps 1e-8, weight_decay 0, momentum_decay 4e-3. State: exp_avg,
    exp_avg_sq and the scalar mu_product (p). UsageError as for Adam, and for a negative momentum_decay.
    Source: Dozat, Incorporating Nesterov momentum into Adam (2016), with PyTorch's schedule of mu.
    """

    lr: Rate = 2e-3
    momentum_decay: Rate = 4e-3

    shared_scalars: ClassVar[tuple[str, ...]] = ("mu_product",)

    constraints: ClassVar[Constraints] = {**Adam.constraints, "momentum_decay": FACTOR}

    def scalars(self, t: Any, now: Now, shared: Slots) -> dict[str, Scalar]:
        mu, mu_next = (now.betas[0] * (1.0 - 0.5 * ops.pow(0.96, at * now.momentum_decay)) for at in (t, t + 1.0))
        product = shared["mu_product"] * mu
        shared["mu_product"] = product
        base = super().scalars(t, now, shared)
        root = ops.sqrt(1.0 - ops.pow(now.betas[1], t))
        ahead = 1.0 - product * mu_next
        a, b = root * (1.0 - mu) / (1.0 - product) * now.lr, root * mu_next / ahead * now.lr
        return {**base, "a": a, "b": b}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        g = g + w * k["weight_decay"] if self.weight_decay else g
        m, v = _moments(g, s, k)
        return w - (g * k["a"] + m * k["b"]) / (ops.sqrt(v) + k["e"]), {"exp_avg": m, "exp_avg_sq": v}
