"""When a run that no longer gets better ends."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from schuss.constraints import NOT_NEGATIVE, Choice, Constraints, Whole, check
from schuss.errors import UsageError

CONSTRAINTS: Constraints = {
    "metric": lambda given: (
        None if given is None or isinstance(given, str) else "must be the name of a column of the history"
    ),
    "patience": Whole(),
    "min_delta": NOT_NEGATIVE,
    "mode": Choice(("min", "max"), or_none=True),
}
DIRECTIONS = {"loss": "min", "val_loss": "min", "accuracy": "max", "val_accuracy": "max"}


@dataclass(frozen=True)
class EarlyStop:
    """Stop after `patience` epochs without a better value of a column of the history, and restore the best weights.

    metric     the column, as "val_loss" or "val_accuracy"; None: val_loss, or loss without validation data
    patience   so many epochs in a row may be no better
    min_delta  better is what beats the best by more than this
    mode       "min" or "max"; None: by the name for losses and accuracies, and must be given for other metrics

    UsageError for values out of range.
    """

    metric: str | None = None
    patience: int = 5
    min_delta: float = 0.0
    mode: str | None = None

    def __post_init__(self) -> None:
        check("EarlyStop", CONSTRAINTS, vars(self))
        if self.mode is None and self.metric is not None and self.metric not in DIRECTIONS:
            raise UsageError(f'EarlyStop: is a small or a large {self.metric} better? Give mode="min" or mode="max"')

    def resolved(self, columns: Collection[str]) -> EarlyStop:
        """With metric and mode for a history of these columns. UsageError for a metric that is none of them."""
        metric = self.metric or ("val_loss" if "val_loss" in columns else "loss")
        if metric not in columns:
            raise UsageError(f"EarlyStop: the history has no column {metric!r}; it has {', '.join(columns)}")
        return EarlyStop(metric, int(self.patience), float(self.min_delta), self.mode or DIRECTIONS[metric])

    def score(self, value: float) -> float:
        """The value, or its negative: less is better."""
        return -value if self.mode == "max" else value


def early_stop(given: EarlyStop | int | None) -> EarlyStop | None:
    """A number is the patience."""
    return given if given is None or isinstance(given, EarlyStop) else EarlyStop(patience=int(given))


__all__ = ["EarlyStop", "early_stop"]
