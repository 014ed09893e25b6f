"""The package: what it holds, what it loads, what it says without matplotlib."""

from __future__ import annotations

import subprocess
import sys

import pytest

from schuss import viz
from schuss.errors import UsageError

from .support import class_run, image_run, stripes


def test_every_name_is_there():
    for name in viz.__all__:
        assert callable(getattr(viz, name)), name
    assert set(viz.__all__) <= set(dir(viz))
    with pytest.raises(AttributeError, match="no attribute 'mountain_range'"):
        _ = viz.mountain_range


def test_a_picture_s_name_stays_the_function():
    from schuss.analysis.confusion import confusion_data
    from schuss.analysis.landscape import Landscape

    assert viz.Landscape is Landscape
    assert viz.confusion_data is confusion_data
    assert callable(viz.landscape)
    assert callable(viz.confusion)


def test_importing_it_loads_no_matplotlib_nor_do_the_numbers():
    code = """
import sys
import schuss.viz as viz
assert "numpy" not in sys.modules or True
before = set(sys.modules)
import numpy as np
from schuss import nn
model = nn.Sequential(nn.Linear(4, 3))
x, y = np.eye(4, dtype="f4"), np.array([0, 1, 2, 0])
viz.confusion_data(model, x, y), viz.activations_data(model, x), viz.saliency_data(model, x, 0)
run = viz.as_run(model, x, y, loss=nn.CrossEntropyLoss())
viz.landscape_data(run, around="random", size=3)
assert not any(name.startswith(("matplotlib", "imageio", "rich")) for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    run, model, (x, y) = class_run(), image_run().model, stripes(4)
    calls = (
        lambda: viz.history(run),
        lambda: viz.landscape(run),
        lambda: viz.approximation(run),
        lambda: viz.animate(run, "film.gif"),
        lambda: viz.weights(model),
        lambda: viz.activations(model, x),
        lambda: viz.confusion(model, x, y),
        lambda: viz.mistakes(model, x, y),
        lambda: viz.saliency(model, x),
    )
    for call in calls:
        with pytest.raises(
            UsageError, match=r"^pictures need matplotlib: pip install '.\[viz\]' in the folder of schuss$"
        ):
            call()


def test_without_imageio_a_gif_is_offered(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match=r"pip install '.\[viz\]' in the folder of schuss \(or write a .gif\)"):
        viz.animate(class_run(), tmp_path / "film.mp4", frames=2)


def test_a_bar_is_drawn_on_a_terminal_alone(monkeypatch, capsys):
    from schuss.analysis import progress

    monkeypatch.setattr(progress, "QUIET", 0.0)
    monkeypatch.setattr(progress, "REDRAW", 0.0)
    assert list(progress.counted(range(4), 4, None, "work")) == [0, 1, 2, 3]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress.counted(range(4), 4, None, "work")) == [0, 1, 2, 3]
    assert "work" in capsys.readouterr().err
    assert list(progress.counted(range(4), 4, False, "work")) == [0, 1, 2, 3]
    assert capsys.readouterr().err == ""


def test_the_loss_of_a_model_that_was_never_trained_must_be_given():
    import numpy as np

    from schuss import nn

    model = nn.Sequential(nn.Linear(4, 3))
    with pytest.raises(UsageError, match="loss the model was trained with is not known: give loss="):
        viz.as_run(model, np.eye(4), np.arange(4))
