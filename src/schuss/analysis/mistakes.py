"""The examples a classifier gets wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from schuss.analysis.confusion import predicted
from schuss.api.outputs import by_class


@dataclass(frozen=True)
class Mistake:
    """An example the model gets wrong.

    index       its row in x
    confidence  the probability of the class it said (for a loss without probabilities: its score)
    true_share  that of the true class
    """

    index: int
    true: int
    said: int
    confidence: float
    true_share: float


def mistakes_data(model: Any, x: Any, y: Any) -> list[Mistake]:
    """Every example that is not recognised, the surest first.

    UsageError if y holds no labels; DataError if rows do not fit the model or labels its outputs.
    """
    outputs, labels = predicted(model, x, y, "mistakes")
    values = by_class(outputs.shares)  # of a score, too
    said = outputs.classes
    wrong = np.flatnonzero(said != labels)
    order = wrong[np.argsort(-values[wrong, said[wrong]], kind="stable")]
    return [
        Mistake(int(i), int(labels[i]), int(said[i]), float(values[i, said[i]]), float(values[i, labels[i]]))
        for i in order
    ]
