"""Optimizers and learning rate schedules, all as graph code. Formulas and defaults are PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schuss import tables
from schuss.asking import asked
from schuss.configured import arguments_of, build
from schuss.errors import UsageError
from schuss.optim.adagrad import Adagrad
from schuss.optim.adam import Adam, AdamW, NAdam
from schuss.optim.base import Optimizer
from schuss.optim.clip import clip_grad_norm, global_norm
from schuss.optim.groups import Group, as_group
from schuss.optim.lion import Lion
from schuss.optim.plateau import ReduceLROnPlateau
from schuss.optim.rmsprop import RMSprop
from schuss.optim.schedules import (
    Constant,
    Cosine,
    CosineWarmRestarts,
    Exponential,
    FlatCosine,
    MultiStep,
    OneCycle,
    OneCycleMomentum,
    Scaled,
    Schedule,
    Step,
    Warmup,
)
from schuss.optim.sgd import SGD
from schuss.registry import Classes

OPTIMIZERS: Classes[type[Optimizer]] = tables.OPTIMIZERS
"""The optimizers by name."""
SCHEDULES: Classes[type[Schedule]] = tables.SCHEDULES
"""The schedules by name."""
_PYTORCHS = {
    "ConstantLR": "Constant",
    "StepLR": "Step",
    "MultiStepLR": "MultiStep",
    "ExponentialLR": "Exponential",
    "CosineAnnealingLR": "Cosine",
    "CosineAnnealingWarmRestarts": "CosineWarmRestarts",
    "OneCycleLR": "OneCycle",
    "LinearLR": "Warmup",
    "LambdaLR": "any function of the step",
    "lr_scheduler": "Step, MultiStep, Cosine, ...",
}


def __getattr__(name: str) -> Any:
    if name in _PYTORCHS:
        ours = _PYTORCHS[name]
        raise AttributeError(f"schuss.optim has no {name}: it is {ours} here, given as the optimizer's lr")
    raise AttributeError(f"module 'schuss.optim' has no attribute {name!r}")


def from_config(config: Mapping[str, Any]) -> Any:
    """An optimizer or schedule from its config(). UsageError for an unknown one or setting."""
    if config.get("type") == "Group":
        settings = {k: _inner(v) for k, v in config.items()}
        return as_group("from_config", {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
    return build({k: _inner(v) for k, v in config.items()}, {**OPTIMIZERS, **SCHEDULES}, "optimizer or schedule")


def named(name: str, lr: Any, weight_decay: float = 0.0) -> Optimizer:
    """The optimizer of a preset. UsageError for a name that is none, and for a weight decay where it has none."""
    make, settings = OPTIMIZERS.preset(name)
    if "weight_decay" in arguments_of(make):
        settings["weight_decay"] = weight_decay
    elif weight_decay:
        raise UsageError(f"{name}: {make.__name__} has no weight decay; leave it out, or take another optimizer")
    return make(**{**settings, "lr": lr})


def rate_of(name: str) -> float:
    """The learning rate of a preset. UsageError where it has none."""
    make, settings = OPTIMIZERS.preset(name)
    rate = settings.get("lr", getattr(make, "lr", None))
    if not isinstance(rate, (int, float)):
        raise UsageError(f"{name}: has no learning rate of its own; give one, as {asked('lr', 0.001)}")
    return float(rate)


def _inner(value: Any) -> Any:
    """A setting: a schedule, groups, or as it is."""
    if isinstance(value, list):
        return [_inner(v) for v in value]
    return from_config(value) if isinstance(value, Mapping) else value


__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "CosineWarmRestarts",
    "Exponential",
    "FlatCosine",
    "Group",
    "Lion",
    "MultiStep",
    "NAdam",
    "OneCycle",
    "OneCycleMomentum",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Scaled",
    "Schedule",
    "Step",
    "Warmup",
    "clip_grad_norm",
    "from_config",
    "global_norm",
    "named",
    "rate_of",
]
