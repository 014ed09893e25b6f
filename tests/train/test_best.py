"""The best weights of a run, apart from any run."""

from __future__ import annotations

import numpy as np
import pytest

from schuss import EarlyStop
from schuss.train.best import Best
from schuss.train.position import Position


@pytest.mark.parametrize(("metric", "better", "worse"), [("accuracy", 0.9, 0.5), ("loss", 0.1, 0.4)])
def test_more_accuracy_is_better_and_less_loss(metric: str, better: float, worse: float):
    best, at = Best(EarlyStop(metric, patience=2).resolved(["loss", "accuracy"])), Position()
    for epoch, value in enumerate([worse, better, worse]):
        at.epoch = epoch
        best.remember({metric: value}, at, {"w": np.full(2, value)})
    assert (at.best_epoch, at.waited) == (2, 1)
    assert (best.weights["w"] == better).all()
    assert best.waited_long_enough(at) is None
    best.remember({metric: worse}, at, {})
    assert best.waited_long_enough(at) == "no better for 2 epochs"


def test_the_best_weights_are_copies():
    best, weights = Best(None), {"w": np.ones(3)}
    best.remember({"val_loss": 1.0}, Position(), weights)
    weights["w"][:] = 7.0  # as a callback does that changes the model's numbers in place
    assert (best.weights["w"] == 1.0).all()
