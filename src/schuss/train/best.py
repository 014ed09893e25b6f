"""The best weights of a run, and when it has waited long enough for better ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schuss.ir.executor import Array
from schuss.train.early_stop import EarlyStop
from schuss.train.position import Position


class Best:
    """The best weights so far: by the metric of `stop`, or by the validation loss.

    stop     when the run ends; None: never because of these
    weights  by parameter name; none before the first epoch has ended
    """

    def __init__(self, stop: EarlyStop | None) -> None:
        self.stop = stop
        self.weights: dict[str, Array] = {}

    def remember(self, row: Mapping[str, Any], at: Position, weights: Mapping[str, Array]) -> None:
        """After an epoch: keep copies of its weights if its row of the history is the best."""
        score = row["val_loss"] if self.stop is None else self.stop.score(row[str(self.stop.metric)])
        at.waited += 1
        if score < at.best_loss - (self.stop.min_delta if self.stop else 0.0):
            at.best_loss, at.best_epoch, at.waited = score, at.epoch + 1, 0
            self.weights = {name: value.copy() for name, value in weights.items()}

    def waited_long_enough(self, at: Position) -> str | None:
        """Why the run ends, if nothing better came for so long."""
        if self.stop is None or at.waited < self.stop.patience:
            return None
        return f"no better for {self.stop.patience} epochs"

    @property
    def is_restored(self) -> bool:
        """Whether the model gets these weights at the end, not the last ones."""
        return self.stop is not None and bool(self.weights)


__all__ = ["Best"]
