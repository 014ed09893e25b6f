"""What optimizers have in common: an update rule for one parameter, applied to all of them in graph code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from schuss import ops
from schuss.errors import UsageError
from schuss.nn.config import Configured
from schuss.trace import notice

Array = NDArray[Any]
Scalar = Any
"""A Python number, or a scalar tensor."""
Rate = float | Callable[[Any], Any]
"""A learning rate: a number, or a schedule: step (int64 scalar tensor, from 0) -> float64 scalar tensor."""
Slots = dict[str, Any]
LR_FACTOR = "lr_factor"


class Updates(Protocol):
    """What fit asks of an optimizer; a user's own needs no more."""

    def init(self, params: dict[str, Array]) -> dict[str, Array]:
        """The state before the first step, by names of the optimizer's choice."""

    def update(
        self, params: dict[str, Any], grads: dict[str, Any], state: dict[str, Any], step: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """New parameters and state, as tensors; step is an int64 scalar tensor that counts from 0."""


@dataclass(frozen=True)
class Optimizer(Configured):
    """Base of the optimizers. State arrays are named slot/parameter, as exp_avg/0.weight.

    A subclass names its slots, works out the step's scalars once for all parameters (`scalars`, in float64)
    and updates one parameter (`one`). Formulas and defaults are PyTorch's; g is the gradient, w the
    parameter, t the step counted from 1.

    One more state, the float64 scalar lr_factor, multiplies the rate or the schedule's value. It starts at 1, which
    changes no bit, and no step changes it: it is there for whoever steers a run from outside.
    """

    lr: Rate

    shared_scalars: ClassVar[tuple[str, ...]] = ()  # float64 state all parameters share; starts at 1

    def slots(self) -> dict[str, float]:
        """The names of the arrays kept for each parameter, with their first value."""
        return {}

    def scalars(self, t: Any, lr: Scalar, shared: Slots) -> dict[str, Scalar]:
        """Coefficients of this step, in float64; may replace entries of `shared`, the global state."""
        return {"lr": lr}

    def one(self, w: Any, g: Any, s: Slots, k: dict[str, Scalar]) -> tuple[Any, Slots]:
        """The new parameter and its new slots."""
        raise NotImplementedError

    def init(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """The state before the first step."""
        state: dict[str, Array] = {name: np.ones(()) for name in (LR_FACTOR, *self.shared_scalars)}
        for slot, first in self.slots().items():
            for name, w in params.items():
                state[f"{slot}/{name}"] = np.full(w.shape, first, w.dtype)
        return state

    def update(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], state: Mapping[str, Any], step: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """New parameters and new state. step is an int64 scalar that counts from 0; lr_factor may be left out."""
        shared = {name: state[name] for name in self.shared_scalars}
        at = ops.cast(step, dtype="float64")
        lr = rate_at(self.lr, step)
        if LR_FACTOR in state:
            lr = state[LR_FACTOR] * (lr if isinstance(lr, (int, float)) else ops.cast(lr, dtype="float64"))
        scalars = self.scalars(at + 1.0, lr, shared)
        as_dtype: dict[str, dict[str, Scalar]] = {}
        new_params: dict[str, Any] = {}
        new_state: dict[str, Any] = {n: state[n] for n in (LR_FACTOR,) if n in state} | shared
        for name, w in params.items():
            dtype = str(w.dtype)
            if dtype not in as_dtype:
                as_dtype[dtype] = {k: cast_scalar(v, dtype) for k, v in scalars.items()}
            slots = {slot: state[f"{slot}/{name}"] for slot in self.slots()}
            new_params[name], slots = self.one(w, grads[name], slots, as_dtype[dtype])
            new_state.update({f"{slot}/{name}": value for slot, value in slots.items()})
        return new_params, new_state


def rate_at(lr: Rate, step: Any) -> Scalar:
    """The learning rate at a step: the number, or the schedule's value."""
    if not callable(lr):
        return lr
    notice(lr)
    return lr(step)


def cast_scalar(value: Scalar, dtype: str) -> Scalar:
    """A coefficient in the parameter's dtype; Python numbers take the dtype they meet."""
    return value if isinstance(value, (int, float)) else ops.cast(value, dtype=dtype)


def decayed(g: Any, w: Any, weight_decay: float) -> Any:
    """g + weight_decay * w: the gradient of an L2 penalty added."""
    return g + w * weight_decay if weight_decay else g


# -- checks --------------------------------------------------------------------------------------------


def check_rate(owner: str, lr: Any) -> None:
    """UsageError unless the learning rate is a positive number or a schedule."""
    if callable(lr):
        return
    if isinstance(lr, bool) or not isinstance(lr, (int, float, np.number)) or not 0.0 < float(lr) < math.inf:
        raise UsageError(f"{owner}: lr must be a positive number or a schedule, got {lr!r}")


def check_not_negative(owner: str, **values: float) -> None:
    """UsageError unless each value is a finite number of at least 0."""
    for name, value in values.items():
        if not 0.0 <= value < math.inf:
            raise UsageError(f"{owner}: {name} must not be negative, got {value!r}")


def check_fraction(owner: str, **values: float) -> None:
    """UsageError unless each value is in [0, 1)."""
    for name, value in values.items():
        if not 0.0 <= value < 1.0:
            raise UsageError(f"{owner}: {name} must be in [0, 1), got {value!r}")


def check_betas(owner: str, betas: Any) -> None:
    """UsageError unless betas are two numbers in [0, 1)."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise UsageError(f"{owner}: betas must be two numbers in [0, 1), got {betas!r}")
    check_fraction(owner, **{"betas[0]": betas[0], "betas[1]": betas[1]})
