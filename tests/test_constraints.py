"""What the values of parameters must be: kinds, ranges, one form of message; every class has its table."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from schuss import nn, optim
from schuss.constraints import FRACTION, POSITIVE, Choice, Each, Flag, Number, Scheduled, Whole, check
from schuss.errors import UsageError


@pytest.mark.parametrize(
    "kind, fine, wrong, words",
    [
        (Whole(), (1, np.int64(7)), (0, True, 1.0, "1", None), "must be a whole number of at least 1"),
        (Whole(0, 2**64 - 1), (0, 2**64 - 1), (-1, 2**64), r"must be a whole number between 0 and 2\*\*64 - 1"),
        (Whole(None, or_none=True), (-5, None), (1.5, False), "must be a whole number or None"),
        (Number(), (-1e300, 0, np.float32(2)), (math.nan, math.inf, True, "1", None), "must be a finite number"),
        (POSITIVE, (1e-300, 3), (0, -1, math.inf), "must be a positive number"),
        (FRACTION, (0, 0.999), (1, -0.1, math.nan), r"must be a number in \[0, 1\)"),
        (Number(0, 1, open="low high"), (0.5,), (0, 1), r"must be a number in \(0, 1\)"),
        (Number(2, open="low"), (2.1,), (2,), "must be a number above 2"),
        (Number(1), (1, 5), (0.5,), "must be a number of at least 1"),
        (Number(0, or_none=True), (0, None), (-1,), "must be a number of at least 0"),
        (Scheduled(POSITIVE), (1, lambda step: step), (0, "x"), "must be a positive number or a schedule"),
        (Flag(), (True, np.bool_(False)), (0, 1, None, "yes"), "must be True or False"),
        (Choice(("a", "b")), ("a",), ("c", None, 1), "must be one of a, b"),
        (Each(Whole(), 2), ([1, 2], (3, 4)), ([1], 1, [1, 2, 3], [1, 0], "ab"), "must be a "),
    ],
)
def test_kinds(kind: Any, fine: tuple[Any, ...], wrong: tuple[Any, ...], words: str) -> None:
    for value in fine:
        check("f", {"x": kind}, {"x": value})
    for value in wrong:
        with pytest.raises(UsageError, match=rf"^f: x(\[\d\])? {words}"):
            check("f", {"x": kind}, {"x": value})


def test_what_was_given_is_told_but_not_at_length() -> None:
    for value, told in (
        (-1, "got -1"),
        ("x" * 99, "got str"),
        (np.zeros(99), "got ndarray"),
        ([1, 2], r"got \[1, 2\]"),
    ):
        with pytest.raises(UsageError, match=rf"{told}$"):
            check("f", {"x": POSITIVE}, {"x": value})


def test_a_class_in_place_of_a_schedule_is_named_with_its_call() -> None:
    with pytest.raises(
        UsageError, match=r"SGD: lr must be a schedule, not a class: write Cosine\(\.\.\.\) with its settings$"
    ):
        optim.SGD(optim.Cosine)  # type: ignore[arg-type]


def test_sizes_may_be_numpys_and_are_written_as_pythons() -> None:
    layer = nn.Linear(np.prod([2, 3]), np.int64(4))  # type: ignore[arg-type]
    assert layer.config()["in_features"] == 6
    assert type(layer.config()["in_features"]) is int


SETTINGS = [*nn.LOSSES.values(), *optim.OPTIMIZERS.values(), *optim.SCHEDULES.values()]


@pytest.mark.parametrize("cls", SETTINGS, ids=lambda cls: cls.__name__)
def test_a_table_names_settings_there_are(cls: Any) -> None:
    assert set(cls.constraints) <= {f.name for f in fields(cls)}
    numbers = {f.name for f in fields(cls) if f.type in ("float", "int", "Rate")}
    assert numbers <= set(cls.constraints), "a number without a constraint"


def test_the_kinds_cost_no_numpy() -> None:
    code = "import sys, schuss.constraints; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
