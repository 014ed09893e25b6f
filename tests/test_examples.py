"""Each example runs, learns what it says and gives the same numbers twice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_two_layer_regression(capsys):
    module = load("two_layer_regression")
    first, last = module.main()
    text = capsys.readouterr().out
    assert first > 0.2
    assert last < 1e-6
    assert module.main() == (first, last)
    # L1 = x W1 + b1 for the first point (0, 1): (0.3, 0.4) + (0, 0.1), and its sigmoid.
    assert "[[ 0.3,  0.5]" in text.replace("0.30000", "0.3").replace("0.50000", "0.5")
    assert "rule      d loss/d L1 = incoming * S * (1 - S)" in text
    assert "incoming @ weights['W2']ᵀ" in text


def test_two_layer_binary(capsys):
    assert load("two_layer_binary").main() == 1.0
    assert "0 xor 1 = 1   probability of 1: 0.9" in capsys.readouterr().out


def test_two_layer_digits(capsys):
    accuracy = load("two_layer_digits").main(epochs=1)
    assert accuracy > 0.92
    assert "d loss/d weights['W1'] = float32[784, 64]" in capsys.readouterr().out


def test_single_layer_descent(capsys):
    w, b = load("single_layer_descent").main()
    assert w == pytest.approx(2.0, abs=1e-5)
    assert b == pytest.approx(-1.0, abs=1e-5)
    text = capsys.readouterr().out
    assert "   0  -1.00000   1.50000" in text


def test_universal_approximation(capsys):
    variance, loss = load("universal_approximation").main()
    assert loss < 0.05 * variance
    assert capsys.readouterr().out.count("\n") >= 20


def test_every_example_has_a_test():
    names = {p.stem for p in EXAMPLES.glob("*.py")}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert names <= tested
