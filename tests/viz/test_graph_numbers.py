"""viz.graph: its numbers are those of schuss.grad, in the picture and for programs."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import schuss
from schuss import nn, viz
from schuss.viz.graph.pieces import number

from .graphcases import (
    ARGUMENTS,
    CASES,
    Shared,
    Skips,
    X,
    Y,
    digits,
    groups,
    loss_of,
    made,
    parsed,
    towers,
    two_layers,
    words,
)


@pytest.mark.parametrize("model", [two_layers, Skips, Shared])
def test_the_gradients_are_grad_s(model):
    model = made(model())
    loss = nn.MSELoss()
    expected = schuss.grad(lambda model, x, y: loss(model(x), y))(model, X, Y)
    found = {i["name"]: i["gradient"]["numbers"] for i in viz.graph(model, X, Y, loss=loss).to_json()["inputs"][:-2]}
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-6)


def test_the_gradients_of_a_function_are_grad_s():
    expected = schuss.grad(loss_of, argnums=range(6))(*ARGUMENTS)
    inputs = viz.graph(loss_of, *ARGUMENTS).to_json()["inputs"]
    for entry, gradient in zip(inputs, expected, strict=True):
        np.testing.assert_allclose(entry["gradient"]["numbers"], gradient, rtol=1e-12)


def test_the_numbers_that_stand_in_the_picture():
    """Of the sigmoid: its value, incoming gradient, local gradient and product, by hand."""
    picture = viz.graph(loss_of, *ARGUMENTS)
    root = parsed(picture)
    W1, b1, W2, b2, x, y = ARGUMENTS
    s = 1 / (1 + np.exp(-(x @ W1 + b1)))
    incoming = 2 * (s @ W2 + b2 - y) @ W2.T
    (box,) = (g for g in groups(root, "op") if g.get("data-op") == "S")
    shown = words(box)
    assert shown[0] == "S = sigmoid(L1)"
    for expected in (s * (1 - s), incoming * s * (1 - s)):
        for value in expected.ravel():
            assert f"{value:.4f}" in shown
    (up,) = (g for g in groups(root, "up") if g.get("data-from") == "S")
    assert words(up) == ["S =", *(f"{v:.4f}" for v in s.ravel())]
    (down,) = (g for g in groups(root, "down") if g.get("data-to") == "S")
    assert words(down) == ["∂loss/∂S =", *(f"{v:.3f}" for v in incoming.ravel())]


def test_what_a_closed_layer_hands_back():
    """Cross entropy reads its input in three places; below its box stands the whole gradient."""
    picture = towers(collapse=True)
    name = next(op["name"] for op in picture.to_json()["ops"] if op["layer"] == "o.Linear" and op["op"] == "add")
    gradient = picture.explanation[name].incoming
    (down,) = (g for g in groups(parsed(picture), "down") if g.get("data-to") == name)
    assert down.get("data-from") == "CrossEntropyLoss"
    assert len(picture.explanation[name].came_from) > 1
    np.testing.assert_allclose([float(w.replace("−", "-")) for w in words(down)[1:]], gradient.ravel(), atol=6e-5)


def test_the_json():
    """Its keys, and a product that is incoming times local."""
    found = CASES["two layers"]().to_json()
    json.dumps(found, allow_nan=False)
    assert set(found) == {"title", "loss", "result", "order", "ops", "inputs"}
    assert found["order"] == [op["name"] for op in found["ops"]]
    assert found["ops"][-1]["name"] == found["result"] == "loss"
    assert found["ops"][-1]["value"]["numbers"] == pytest.approx(found["loss"])
    op = next(op for op in found["ops"] if op["op"] == "sigmoid")
    keys = [
        "name",
        "op",
        "layer",
        "expression",
        "rules",
        "line",
        "reads",
        "value",
        "incoming",
        "came_from",
        "flows",
        "forward",
        "backward",
    ]
    assert list(op) == keys
    (flow,) = op["flows"]
    product = np.multiply(op["incoming"]["numbers"], flow["local"]["numbers"])
    np.testing.assert_allclose(flow["product"]["numbers"], product, rtol=1e-6)
    value = op["value"]
    assert value["shape"] == [2, 3]
    assert sum(value["hist"]) == 6
    assert value["edges"] == [value["min"], value["max"]]
    assert value["mean"] == pytest.approx(np.mean(value["numbers"]))
    assert value["std"] == pytest.approx(np.std(value["numbers"]))


def test_one_operation_as_json():
    picture = CASES["two layers"]()
    assert [op["name"] for op in picture.to_json("1.Sigmoid")["ops"]] == ["1.Sigmoid"]
    assert [i["name"] for i in picture.to_json("0.bias")["inputs"]] == ["0.bias"]


def test_large_arrays_are_summarised():
    op = next(op for op in digits(5).to_json()["ops"] if op["op"] == "relu")
    assert op["value"]["numbers"] is None
    assert sum(op["value"]["hist"]) == 5 * 16


def test_numbers_that_are_not_finite():
    picture = viz.graph(lambda x: (x * 2.0).sum(), np.array([np.inf, -np.inf, np.nan, 1e300, -1e300, 3.0]))
    found = picture.to_json()
    json.dumps(found, allow_nan=False)
    value = found["inputs"][0]["value"]
    assert value["numbers"][:3] == ["inf", "-inf", "nan"]
    assert value["nonfinite"] == 3
    assert found["loss"] is None
    assert "3 not finite" in words(parsed(picture))
    assert "loss = inf" in words(parsed(viz.graph(lambda x: (x * 1e308).sum(), np.array([1e308, 1.0]))))


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (-0.5, "−0.5"), (3, "3"), (1e-7, "1e−7"), (123456.0, "123,456"), (True, "True")]
)
def test_numbers_are_written_with_four_digits(value, shown):
    assert number(value) == shown


def test_numbers_of_an_array_are_written_alike():
    from schuss.viz.graph.pieces import _written

    assert _written(np.array([22643.6, -1.25])) == ["22,644", "−1"]
    assert _written(np.array([22643.6, np.inf, -np.inf, np.nan])) == ["22,644", "inf", "−inf", "nan"]
    assert _written(np.array([1.5e6, 22.5])) == ["1,500,000", "22.5"]
    assert _written(np.array([150.25, 2.0])) == ["150.2", "2.0"]


def test_a_row_of_some_numbers_is_a_strip_with_its_norm():
    """Not a barcode; and of gradients that cancel neither mean nor spread is said."""
    from schuss.viz.graph.pieces import figure, spread
    from schuss.viz.graph.summary import Summary

    row = np.linspace(-1, 1, 10, dtype=np.float32).reshape(1, 10)
    drawn = figure(row, "down").svg
    assert drawn.count('class="heat down"') == 10
    assert "−1.00" in drawn
    assert f"norm {np.linalg.norm(row):.3g}" in drawn
    assert "±" not in drawn
    small = figure(row * np.float32(3e-6), "down").svg
    assert "in units of 1e−6" in small
    assert "−3.00" in small
    many = np.concatenate([row, -row], axis=1)
    assert "heat" not in figure(many, "down").svg
    assert spread(Summary(many), "up") == f"norm {np.linalg.norm(many):.3g}"  # its mean is no more than rounding
    assert spread(Summary(many + 3), "up").startswith("3 ± 0.6")
    assert spread(Summary(many + 3), "down").startswith("norm")
    assert Summary(np.array([3e300, 4e300])).norm == pytest.approx(5e300)
    assert Summary(np.zeros(3)).norm == 0


def test_the_weights_gradients_of_a_closed_layer_are_numbered_for_the_steps():
    """Or a debugger would show them before the way back has come to the layer."""
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
    x, y = np.ones((1, 3), np.float32), np.zeros(1, np.int64)
    nn.initialize(model, 0)
    svg = viz.graph(model, x, y, loss=nn.CrossEntropyLoss(), collapse=True).svg
    weights = re.findall(
        r'<g class="input" data-input="[02]\.(?:weight|bias)" data-forward="0"( data-backward="\d+")?>', svg
    )
    assert len(weights) == 4
    assert all(weights)
    assert len(re.findall(r'<g class="down" [^>]*data-backward="\d+">', svg)) == svg.count('<g class="down" ')


def test_the_picture_is_saved_as_png_and_pdf(tmp_path):
    """With the numbers, the heat and the picture of the input that the SVG has."""
    from PIL import Image

    model = nn.Sequential(nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 10))
    nn.initialize(model, 0)
    x = np.linspace(0, 1, 64, dtype=np.float32)[None]
    made = viz.graph(model, x, np.array([2]), loss=nn.CrossEntropyLoss())
    for ending, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<svg")):
        made.save(tmp_path / f"g.{ending}")
        assert (tmp_path / f"g.{ending}").read_bytes().startswith(start)
    shown = np.asarray(Image.open(tmp_path / "g.png").convert("RGB")).astype(int)
    wide, high = (float(v) for v in re.findall(r'(?:width|height)="([\d.]+)"', made.svg)[:2])
    assert shown.shape[:2] == (pytest.approx(2 * high, abs=2), pytest.approx(2 * wide, abs=2))
    up, down = (np.abs(shown - np.array(rgb)).sum(axis=2) < 12 for rgb in ((10, 103, 166), (192, 74, 0)))
    assert min(up.sum(), down.sum()) > 1000
    with pytest.raises(schuss.errors.UsageError, match=r"\.svg, \.png or \.pdf"):
        made.save(tmp_path / "g.bmp")
