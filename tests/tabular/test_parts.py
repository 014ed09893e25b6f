"""What the parts of a table's model are called."""

from __future__ import annotations

import pytest

pytest.importorskip("polars")

from schuss.tabular.parts import names_alone, names_beside

SHORT = {"kind": "piecewise", "activation": "relu", "scale": "", "hidden": [64, 64], "epochs": 8}
LINEAR = {"kind": "linear", "loss": 1.0, "weight": 0.5}


def test_parts_that_differ_by_seeds_alone_say_so() -> None:
    parts = [SHORT, {**SHORT, "only": "noise", "lr": 0.1}, SHORT, LINEAR]
    again = ["piecewise relu", "piecewise relu, other seeds", "piecewise relu, other seeds (2)", "linear"]
    assert names_beside(parts) == again
    assert names_alone(parts[1:3])[1] == "piecewise relu 64,64, 8 epochs, other seeds"


def test_other_parts_have_the_names_that_tell_them_apart() -> None:
    long, large, scaled = {**SHORT, "epochs": 16}, {**SHORT, "hidden": [128]}, {**SHORT, "scale": "log"}
    assert names_beside([SHORT, long, large, scaled, LINEAR]) == [
        *3 * ["piecewise relu"], "piecewise relu log", "linear",
    ]  # fmt: skip
    assert names_alone([SHORT, long, large, scaled, LINEAR]) == [
        "piecewise relu 64,64, 8 epochs", "piecewise relu 64,64, 16 epochs", "piecewise relu 128",
        "piecewise relu log 64,64", "linear",
    ]  # fmt: skip
