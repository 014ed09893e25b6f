"""The record in a model file: what no run writes is left out, by name, and the rest stays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.io.record import sound


def saved(path: Any, record: Any) -> Any:
    """A model with such a record in its file, loaded again."""
    model = nn.Sequential(nn.Linear(2, 3))
    x, y = np.zeros((6, 2), np.float32), np.arange(6) % 3
    schuss.fit(model, (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=2, threads=1)
    schuss.save(model, path, record=record)
    return schuss.load(path)


def test_what_a_run_writes_is_sound(tmp_path: Any):
    control = schuss.Control()
    control.set_rate(0.5)
    model = nn.Sequential(nn.Linear(2, 3))
    data = np.zeros((6, 2), np.float32), np.arange(6) % 3
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(lr=0.1), "validation": 0.5, "threads": 1}
    run = schuss.fit(model, data, epochs=3, control=control, **options)
    schuss.save(model, tmp_path / "m")
    seen = schuss.load(tmp_path / "m").signature
    assert seen.left_out == ""
    assert seen.record == {**run.record(), "batch_size": 64, "seed": 0, "clip_norm": None}


GOOD = {"history": {"epoch": [1, 2], "loss": [0.5, None], "lr": [math.nan, 1]}, "epochs": 2, "mine": {"a": [1]}}


@pytest.mark.parametrize(
    "name, value, why",
    [
        ("history", 3, "no mapping of columns"),
        ("history", {"loss": 3}, "its column 'loss' is no list of numbers"),
        ("history", {"loss": [0.5, "x"]}, "its column 'loss' is no list of numbers"),
        ("history", {"loss": [0.5, True]}, "its column 'loss' is no list of numbers"),
        ("history", {"loss": [10**400]}, "its column 'loss' is no list of numbers"),
        ("history", {"loss": [-(10**400)]}, "its column 'loss' is no list of numbers"),
        ("history", {"loss": [0.5], "lr": [1, 2, 3]}, "columns of 1 to 3 entries"),
        ("epochs", "many", "no whole number"),
        ("epochs", 2.5, "no whole number"),
        ("epochs", -1, "no whole number"),
        ("batch_size", [64], "no whole number"),
        ("seconds", "1 s", "no number"),
        ("test_accuracy", {}, "no number"),
        ("settings", "mnist", "no mapping"),
        ("changes", {"what": "lr"}, "no list of changes made by hand"),
        ("changes", [{"what": "lr", "from": 1, "to": 2}], "no list of changes made by hand"),
        ("changes", [{"what": "lr", "step": 1, "epoch": 1, "from": "x", "to": 2}], "no list of changes made by hand"),
    ],
)
def test_what_no_run_writes(tmp_path: Any, name: str, value: Any, why: str):
    model = saved(tmp_path / "m", {**GOOD, name: value})
    seen = model.signature
    assert seen.left_out == f"left out of the record of its training: {name} ({why})"
    assert str(seen.record) == str({k: v for k, v in GOOD.items() if k != name})
    assert model.record[name] == value


def test_several_and_none():
    assert sound({"epochs": "x", "seconds": "y"}) == (
        {},
        "left out of the record of its training: epochs (no whole number), seconds (no number)",
    )
    assert sound({"epochs": None, "history": {}, "changes": []})[1] == ""
    assert sound(["x"]) == ({}, "the record of its training is left out (no mapping)")
