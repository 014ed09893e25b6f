"""A learning rate that falls when a metric stops getting better."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from schuss.constraints import NOT_NEGATIVE, POSITIVE, Choice, Constraints, Number, Scheduled, Whole
from schuss.errors import UsageError
from schuss.optim.base import Rate, rate_at
from schuss.optim.schedules import Schedule
from schuss.trace import hyper


@dataclass(frozen=True)
class ReduceLROnPlateau(Schedule):
    """lr, multiplied by `factor` after more than `patience` epochs in a row without a better value of a metric.

    lr         a number, or a schedule, which is multiplied
    mode       whether a small ("min") or a large ("max") metric is good; None: by its name for losses and accuracies
    factor, patience, threshold, threshold_mode, cooldown, min_lr, eps   as PyTorch's: a value is better if it is below
               best * (1 - threshold) ("rel") or best - threshold ("abs"), with "max" above best * (1 + threshold) or
               best + threshold; for `cooldown` epochs after a reduction none counts; the rate stays at least min_lr,
               and is left alone where it would fall by no more than eps
    metric     a column of the history; None: val_loss, or loss without validation data

    fit asks it after each epoch, whose rate is in the history; in a loop of your own schuss.Updater.epoch does.
    UsageError for settings out of range, and in fit for a metric that the run has not.
    """

    lr: Rate
    mode: str | None = None
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8
    metric: str | None = None

    constraints: ClassVar[Constraints] = {
        "lr": Scheduled(POSITIVE),
        "mode": Choice(("min", "max"), or_none=True),
        "factor": Number(0, 1, open="low high"),
        "patience": Whole(0),
        "threshold": NOT_NEGATIVE,
        "threshold_mode": Choice(("rel", "abs")),
        "cooldown": Whole(0),
        "min_lr": NOT_NEGATIVE,
        "eps": NOT_NEGATIVE,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.metric is not None and self.mode is None and _good(self.metric) is None:
            raise UsageError(
                f'ReduceLROnPlateau: is a small or a large {self.metric} better? Give mode="min" or mode="max"'
            )

    @property
    def length(self) -> int | None:
        return getattr(self.lr, "length", None)

    def __call__(self, step: Any) -> Any:
        return rate_at(self.lr, step) if callable(self.lr) else super().__call__(step)

    def at(self, t: Any) -> Any:
        return t * 0.0 + hyper("lr", self.lr, t)

    def check(self, columns: Collection[str]) -> None:
        if self.metric is not None and self.metric not in columns:
            known = ", ".join(columns)
            raise UsageError(f"ReduceLROnPlateau: the history has no column {self.metric!r}; it has {known}")

    def after_epoch(self, history: Mapping[str, Sequence[float]], rate: float) -> float:
        metric = self.metric or ("val_loss" if "val_loss" in history else "loss")
        if metric not in history:
            raise UsageError(f"ReduceLROnPlateau: there is no {metric!r} among {', '.join(history) or 'no metrics'}")
        if not self.waited_enough(history[metric], self.mode or _good(metric) or "min"):
            return rate
        lower = max(rate * self.factor, self.min_lr)
        return lower if rate - lower > self.eps else rate

    def waited_enough(self, values: Sequence[float], mode: str) -> bool:
        """Whether the last of the metric's values is the one after which the rate falls."""
        sign = 1.0 if mode == "min" else -1.0
        best, bad, cooling, falls = sign * math.inf, 0, 0, False
        for value in values:
            better = sign * (self._bar(best, sign) - value) > 0
            best, bad = (value, 0) if better else (best, bad + 1)
            if cooling > 0:
                cooling, bad = cooling - 1, 0
            falls = bad > self.patience
            if falls:
                cooling, bad = self.cooldown, 0
        return falls

    def _bar(self, best: float, sign: float) -> float:
        """What a value must beat."""
        return best * (1.0 - sign * self.threshold) if self.threshold_mode == "rel" else best - sign * self.threshold


def _good(metric: str) -> str | None:
    """Which values are good, for a metric whose name says so."""
    plain = metric.removeprefix("val_")
    return {"loss": "min", "accuracy": "max"}.get(plain)


__all__ = ["ReduceLROnPlateau"]
