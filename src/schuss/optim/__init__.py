"""Optimizers and learning rate schedules, all as graph code. Formulas and defaults are PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schuss.nn.config import build
from schuss.optim.adagrad import Adagrad
from schuss.optim.adam import Adam, AdamW, NAdam
from schuss.optim.base import Optimizer
from schuss.optim.clip import clip_grad_norm, global_norm
from schuss.optim.lion import Lion
from schuss.optim.rmsprop import RMSprop
from schuss.optim.schedules import Constant, Cosine, Exponential, OneCycle, Schedule, Step, Warmup
from schuss.optim.sgd import SGD

OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.__name__: cls for cls in (SGD, RMSprop, Adagrad, Adam, AdamW, NAdam, Lion)
}
"""The optimizers by name."""
SCHEDULES: dict[str, type[Schedule]] = {
    cls.__name__: cls for cls in (Constant, Step, Exponential, Cosine, OneCycle, Warmup)
}
"""The schedules by name."""


def from_config(config: Mapping[str, Any]) -> Any:
    """An optimizer or schedule from its config(). UsageError for an unknown one or setting."""
    inner = {k: from_config(v) if isinstance(v, Mapping) else v for k, v in config.items()}
    return build(inner, {**OPTIMIZERS, **SCHEDULES}, "optimizer or schedule")


__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Exponential",
    "Lion",
    "NAdam",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Step",
    "Warmup",
    "clip_grad_norm",
    "from_config",
    "global_norm",
]
