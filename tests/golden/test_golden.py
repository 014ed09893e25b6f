"""Trainings end with the weights they ended with when they were recorded, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schuss.compiler.schedule.sharing import Sharing

from .trainings import CASES, HISTORY, digest

RECORD = json.loads((Path(__file__).parent / "record.json").read_text())
SAMPLE = ("momentum", "dropout", "bytes", "a user's class", "a table", "a gradient penalty", "attention")


def test_the_record_is_complete():
    assert set(RECORD) == set(CASES)
    assert set(HISTORY) <= set(CASES)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_ends_with_the_same_weights(name: str):
    assert digest(name) == RECORD[name]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["", "avx2"], ids=["this machine", "avx2"])
@pytest.mark.parametrize("name", CASES)
def test_every_training_ends_with_the_same_weights(name: str, target: str, monkeypatch: pytest.MonkeyPatch):
    """With AVX-512, where this machine has it, as with AVX2, on one thread as on two, whether or not it pays to share a
    step. Without FMA: to rounding only."""
    monkeypatch.setenv("SCHUSS_TARGET", target)
    monkeypatch.setattr(Sharing, "worth", True)
    for threads in (1, 2):
        assert digest(name, threads=threads) == RECORD[name], f"{threads} threads"
