"""The pictures beside small ones that were looked at, with tolerance: of fixed numbers, so that drawing alone counts.

python -m tests.viz.test_images     draws tests/viz/reference again; look at each before it is committed
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schuss import nn, viz
from schuss.analysis.approximation import Approximation
from schuss.analysis.history import History
from schuss.analysis.landscape import Landscape
from schuss.ir.types import N, TensorType
from schuss.signature import CLASSIFICATION, Output, Signature
from schuss.signature.inputs import by_scale

from .support import stripes

REFERENCE = Path(__file__).parent / "reference"
DPI = 40
TOLERANCE = 6.0  # root mean square of 255: other versions of matplotlib and its fonts stay below, a lost curve does not


def landscape() -> Landscape:
    a = np.linspace(-2, 8, 21)
    b = np.linspace(-5, 5, 21)
    loss = 0.05 + 0.03 * (a[None, :] - 0.5 * b[:, None]) ** 2 + 0.12 * (b[:, None] + np.sin(a[None, :])) ** 2
    t = np.linspace(0, 1, 9)
    path = np.stack([6 * (1 - t) ** 2, 2 * np.sin(3 * t) * (1 - t)], axis=1)
    along = 0.05 + 0.03 * (path[:, 0] - 0.5 * path[:, 1]) ** 2 + 0.12 * (path[:, 1] + np.sin(path[:, 0])) ** 2
    return Landscape(a, b, loss, path, along, ({}, {}), 0.05, 0.953, (0.88, 0.073), 1000, "cross entropy (nats)")


def history() -> History:
    epoch = np.arange(1.0, 7)
    fine = np.linspace(0, 6, 31)
    epochs = {
        "epoch": epoch, "loss": 0.5 / epoch, "val_loss": 0.2 + 0.3 / epoch, "accuracy": 1 - 0.3 / epoch,
        "val_accuracy": 0.9 - 0.2 / epoch, "lr": 0.01 * 0.7**epoch, "seconds": epoch,
    }  # fmt: skip
    moments = {"step": 10 * fine, "epoch": fine, "loss": 0.6 / (fine + 0.3), "accuracy": 1 - 0.5 / (fine + 1)}
    moments["lr"] = 0.01 * 0.7**fine
    norms = {"step": 10 * fine, "epoch": fine, "gradient_norm": 2 / (1 + fine)}
    change = {"step": 30, "epoch": 3.0, "what": "lr", "from": 0.01, "to": 0.005}
    return History(epochs, moments, norms, [change], 10.0, "cross entropy (nats)")


def curves() -> Approximation:
    x = np.linspace(-1, 1, 60)
    grown = np.stack([k * np.sin(4 * x) for k in (0.1, 0.4, 0.7, 0.95)])[..., None]
    rows = np.linspace(-0.9, 0.9, 40)[:, None]
    noisy = np.sin(4 * rows) + 0.1 * np.cos(40 * rows)
    return Approximation((x,), grown, "values", np.sin(4 * x)[:, None], rows, noisy, [0, 1, 5, 20], [2, 0.5, 0.1, 0.01])


def regions(kind: str) -> Approximation:
    x = np.linspace(-1, 1, 40)
    a, b = np.meshgrid(x, x)
    rows = np.random.default_rng(0).uniform(-0.9, 0.9, (80, 2))
    if kind == "values":
        values = np.stack([k * np.sin(3 * a) * b for k in (0.3, 1.0)])[..., None]
        y = (np.sin(3 * rows[:, 0]) * rows[:, 1])[:, None]
        return Approximation((x, x), values, kind, values[1], rows, y, [0, 20], [0.3, 0.01])
    scores = np.stack([a + b, b - a, -2 * b], axis=-1)
    share = np.stack([np.exp(k * scores) / np.exp(k * scores).sum(axis=-1, keepdims=True) for k in (0.5, 4)])
    y = np.stack([rows.sum(axis=1), rows[:, 1] - rows[:, 0], -2 * rows[:, 1]], axis=1).argmax(axis=1)
    return Approximation((x, x), share, "probabilities", None, rows, y, [0, 20], [1.1, 0.2])


def model() -> Any:
    """Weights by formula, for 6 x 6 bytes and three classes."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 20), nn.ReLU(), nn.Linear(20, 3))
    unit, row, column = np.ogrid[:20, :6, :6]
    first = np.sin(0.7 * (unit + 1) * row / 3) * np.cos(0.5 * (unit + 2) * column / 3) / 4
    state = {"1.weight": first.reshape(20, 36), "1.bias": np.linspace(-0.2, 0.2, 20)}
    state |= {"3.weight": np.sin(np.arange(60)).reshape(3, 20), "3.bias": np.zeros(3)}
    nn.load_state_dict(network, state)
    types = (TensorType("uint8", (N, 6, 6)),), TensorType("int64", (N,))
    output = Output(types[1], CLASSIFICATION)
    nn.set_signature(network, Signature(by_scale(types[0], 1 / 255), output, nn.CrossEntropyLoss()))
    return network


PICTURES = {
    "landscape_contour": lambda: viz.landscape(landscape()),
    "landscape_surface": lambda: viz.landscape(landscape(), "surface"),
    "history": lambda: viz.history(history()),
    "curves": lambda: viz.approximation(curves()),
    "regions": lambda: viz.approximation(regions("probabilities")),
    "values": lambda: viz.approximation(regions("values")),
    "weights": lambda: viz.weights(model()),
    "activations": lambda: viz.activations(model(), stripes(1)[0]),
    "confusion": lambda: viz.confusion(model(), *stripes(90)),
    "mistakes": lambda: viz.mistakes(model(), *stripes(90), count=12),
    "saliency": lambda: viz.saliency(model(), stripes(2)[0]),
}
CASES = [(name, "default") for name in PICTURES] + [(n, "dark_background") for n in ("landscape_contour", "regions")]


def draw(name: str, style: str, file: Path) -> None:
    from matplotlib import pyplot as plt

    with plt.style.context(["default", style]):
        picture = PICTURES[name]()
        figure = picture if hasattr(picture, "savefig") else picture.figure
        figure.savefig(file, dpi=DPI)
    plt.close("all")


def file_name(name: str, style: str) -> str:
    return f"{name}.png" if style == "default" else f"{name}_dark.png"


@pytest.mark.parametrize(("name", "style"), CASES)
def test_the_picture_is_as_it_was(name, style, tmp_path):
    from matplotlib.testing.compare import compare_images

    drawn, wanted = tmp_path / "drawn.png", tmp_path / "wanted.png"
    draw(name, style, drawn)
    shutil.copy(REFERENCE / file_name(name, style), wanted)  # the comparison writes beside it where they differ
    assert compare_images(str(wanted), str(drawn), tol=TOLERANCE) is None


def test_the_comparison_sees_a_lost_curve(tmp_path):
    from matplotlib.testing.compare import compare_images

    drawn, wanted = tmp_path / "drawn.png", tmp_path / "wanted.png"
    ax = viz.approximation(curves())
    ax.lines[-1].remove()
    ax.figure.savefig(drawn, dpi=DPI)
    shutil.copy(REFERENCE / "curves.png", wanted)
    assert compare_images(str(wanted), str(drawn), tol=TOLERANCE) is not None


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    REFERENCE.mkdir(exist_ok=True)
    for name, style in CASES:
        file = REFERENCE / file_name(name, style)
        draw(name, style, file)
        Image.open(file).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    main()
