"""The words of the benchmarks' command lines."""

from __future__ import annotations

import importlib
from argparse import ArgumentTypeError
from pathlib import Path

import pytest


@pytest.fixture
def arguments(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    return importlib.import_module("arguments")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("count", "12", 12),
        ("workload", "digits", "digits"),
        ("workload", "64,10:8:100", "64,10:8:100"),
        ("workload_or_all", "all", "all"),
        ("side", "torch:fused_ftz", "torch:fused_ftz"),
        ("side", "sklearn", "sklearn"),
        ("layer_sizes", "784,32,10", [784, 32, 10]),
        ("duration", "0.5", 0.5),
    ],
)
def test_words_that_are_known(arguments, kind, text, value):
    assert getattr(arguments, kind)(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("count", "0", "'0' is no whole number from 1 on"),
        ("count", "-1", "'-1' is no whole number"),
        ("workload", "digit", "'digit' is none of digits, digits-512, function, wide, nor sizes:batch:rows"),
        ("workload", "64,0:8:100", "'64,0:8:100' is none of"),
        ("workload", "64:8:100", "'64:8:100' is none of"),
        ("workload_or_all", "every", "'every' is none of"),
        ("side", "torch:fussed", "'torch:fussed' is none of schuss, jax"),
        ("layer_sizes", "784", "'784' is no list of sizes"),
        ("layer_sizes", "784,x", "'x' is no whole number"),
        ("duration", "-1", "'-1' is no number of seconds above 0"),
        ("duration", "nan", "'nan' is no number of seconds"),
    ],
)
def test_words_that_are_not(arguments, kind, text, message):
    with pytest.raises(ArgumentTypeError, match=message):
        getattr(arguments, kind)(text)


def test_every_side_has_its_package(arguments):
    assert arguments.IDIOMS.keys() == importlib.import_module("race").PACKAGES.keys()
