"""Where a run is: for whoever shows it, and for a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a run is, for whoever shows it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    examples: int
    means: Mapping[str, float]
    rates: Mapping[str, float | None] = field(default_factory=dict)  # of the last step: lr, and lr/NAME of each group


@dataclass
class Position:
    """Everything beside the arrays that a checkpoint must hold to go on bit for bit."""

    epoch: int = 0
    step: int = 0  # within the epoch
    counter: int = 0  # over the whole run
    history: dict[str, list[Any]] = field(default_factory=dict)
    best_loss: float = math.inf  # or the score of another metric: less is better
    best_epoch: int | None = None
    waited: int = 0  # epochs since the best
    epoch_seconds: float = 0.0
    changes: list[dict[str, Any]] = field(default_factory=list)  # made by hand

    def epochs(self, steps: int) -> float:
        """Epochs done, with fractions; steps: of an epoch."""
        return self.epoch + self.step / steps


__all__ = ["Position", "Progress"]
