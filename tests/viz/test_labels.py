"""No label of a picture lies on another or is cut off, however long names and numbers are."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from schuss import nn, viz
from tests.viz.support import blobs, class_run, fitted, image_run, stripes

NAMES = ["Wide-brimmed hat", "Ankle boot", "Trouser"]


def boxes(figure):
    """(text, its place) of all that is drawn; ticks outside their axes are not."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    renderer, hidden = figure.canvas.get_renderer(), outside(figure)
    for artist in figure.findobj(Text):
        if artist.get_visible() and artist.get_text().strip() and id(artist) not in hidden:
            yield artist.get_text(), artist.get_window_extent(renderer)


def outside(figure):
    """The ids of the labels of such ticks."""
    found = set()
    axes = [*figure.axes, *(child for ax in figure.axes for child in ax.child_axes)]
    for axis in (axis for ax in axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        room = 1e-6 * (high - low)
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low - room <= tick.get_loc() <= high + room:
                found |= {id(tick.label1), id(tick.label2)}
    return found


def faults(figure):
    """What lies on something else or is cut off, in words."""
    found = []
    texts = list(boxes(figure))
    for (s, a), (t, b) in combinations(texts, 2):
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5:
            found.append(f"{s!r} lies on {t!r}")
    for text, box in texts:
        if box.x0 < -0.5 or box.y0 < -0.5 or box.x1 > figure.bbox.width + 0.5 or box.y1 > figure.bbox.height + 0.5:
            found.append(f"{text!r} is cut off")
    return found


class Wordy(nn.Module):
    def __init__(self):
        self.encoder_of_everything_there_is = nn.Sequential(nn.Linear(24, 40), nn.LeakyReLU(), nn.Linear(40, 14))

    def forward(self, x):
        return self.encoder_of_everything_there_is(x)


def wordy():
    x, y = blobs(48)
    return viz.activations(fitted(Wordy(), (x, y), nn.CrossEntropyLoss(), epochs=1).model, x[:1])


def dependences(share=False, ends=(-30_000, 450_000)):
    from schuss.tabular.explainer import Axis
    from schuss.viz import tables

    mean = np.linspace(0.2, 0.9, 20)[:, None] if share else np.linspace(*ends, 20)[:, None]
    days = np.linspace(1.4e12, 1.6e12, 20).tolist()
    axes = [
        Axis(
            "the surface's mean temperature, by the hour and in degrees",
            "number",
            True,
            np.linspace(99_000, 101_000, 20).tolist(),
        ),
        Axis("region of origin as declared", "category", False, [f"Saint Vincent and the {i}" for i in range(20)]),
        Axis("the day of the last inspection of all that there were", "date", True, days),
        Axis("clock", "time", True, np.linspace(0, 86_000_000, 20).tolist()),
        Axis("concentration", "number", True, np.linspace(1e-6, 9e-5, 20).tolist()),
        Axis("at", "moment", True, np.linspace(1.58e12, 1.583e12, 20).tolist()),
    ]
    names = ["dear"] if not share else ["dear, and very much so in all of the years", "cheap"]
    drawn = [(axis, mean.repeat(len(names), 1), None if share else mean.T + 1000) for axis in axes]
    return tables.dependences(drawn, names, "The prediction of what a house costs", share)


def importance():
    from schuss.viz import tables

    names = (["a column of a very long name", "another column that goes with it"], ["b"])
    lines = [{"columns": n, "rise": 2e5, "error": 3e4, "sure": n == ["b"]} for n in names]
    return tables.importance(lines, "rise of RMSE")


PICTURES = {
    "dependences": dependences,
    "dependences of millions": lambda: dependences(ends=(25_000_000, 215_000_000)),
    "dependences of shares": lambda: dependences(share=True),
    "importance": importance,
    "history of many steps": lambda: viz.history(replace(viz.history_data(class_run()), steps_per_epoch=46_900.0)),
    "confusion": lambda: viz.confusion(image_run().model, *stripes(), names=NAMES),
    "mistakes": lambda: viz.mistakes(image_run().model, stripes()[0], (stripes()[1] + 1) % 3, names=NAMES),
    "activations of long names": wordy,
    "saliency": lambda: viz.saliency(image_run().model, stripes()[0][:6]),
    "saliency of numbers": lambda: viz.saliency(class_run().model, 1e-7 * np.ones((6, 24), np.float32)),
    "landscape": lambda: viz.landscape(class_run(), size=7).get_figure(),
    "weights": lambda: viz.weights(image_run().model),
}


def test_an_importance_that_may_be_chance_says_so():
    drawn = importance()
    assert [(text.get_text(), text.xy[1]) for text in drawn.texts] == [("may be chance", 0)]
    assert [bar.get_alpha() or bar.get_facecolor()[3] for bar in drawn.patches] == [0.35, 1.0]


@pytest.mark.parametrize("name", PICTURES)
def test_no_label_lies_on_another(name):
    picture = PICTURES[name]()
    assert faults(picture if hasattr(picture, "savefig") else picture.get_figure()) == []
