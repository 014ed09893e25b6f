"""Functions of one and two inputs, and films of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import schuss
from schuss import nn, viz
from schuss.analysis.approximation import chosen_of
from schuss.errors import UsageError

from .support import class_run, curve, curve_run, fitted, plane_run


def test_the_last_moment_is_the_model_and_the_first_the_start():
    run = curve_run()
    data = viz.approximation_data(run, points=50, target=curve)
    (x,) = data.axes
    assert data.predictions.shape == (6, 50, 1)
    assert data.kind == "values"
    np.testing.assert_allclose(data.predictions[-1], run.model(x[:, None]), rtol=1e-5, atol=1e-6)
    first = run.path[0].weights
    hidden = np.tanh(x[:, None] @ first["0.weight"].T + first["0.bias"])
    wanted = hidden @ first["2.weight"].T + first["2.bias"]
    np.testing.assert_allclose(data.predictions[0], wanted, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(data.target[:, 0], curve(x))
    assert data.epochs[0] == 0
    assert data.epochs[-1] == 20
    assert x[0] < -1
    assert x[-1] > 1


def test_two_inputs_give_probabilities_on_a_grid():
    run = plane_run()
    data = viz.approximation_data(run, points=20, moments=[0, -1])
    first, second = data.axes
    assert data.predictions.shape == (2, 20, 20, 1)
    assert data.kind == "probabilities"
    at = np.array([[first[3], second[15]]], "f4")
    wanted = 1 / (1 + np.exp(-run.model(at)))
    assert data.predictions[-1, 15, 3, 0] == pytest.approx(wanted[0, 0], rel=1e-4)
    assert data.y.dtype.kind == "i"


def test_many_classes_add_up_to_one():
    x = np.random.default_rng(0).uniform(-1, 1, (90, 2)).astype("f4")
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3))
    run = fitted(model, (x, np.arange(90) % 3), nn.CrossEntropyLoss(), epochs=2)
    data = viz.approximation_data(run, points=10)
    np.testing.assert_allclose(data.predictions.sum(axis=-1), 1)
    figure = viz.approximation(data)
    assert len(figure.axes) == 6


def test_bytes_are_scaled_as_in_training():
    x = np.arange(0, 256, 4, dtype=np.uint8)[:, None]
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    run = fitted(model, (x, (x / 255.0).astype("f4") ** 2), nn.MSELoss(), epochs=5, scale=1 / 255)
    data = viz.approximation_data(run, points=30, moments=1)
    at = int(np.argmin(np.abs(data.axes[0] - 100)))
    wanted = run.model(np.array([[data.axes[0][at] / 255]], "f4"))
    assert data.predictions[0, at, 0] == pytest.approx(wanted[0, 0], rel=1e-4)


def test_a_model_with_data_of_its_own():
    run = curve_run()
    x = np.linspace(0, 4, 33)[:, None]
    data = viz.approximation_data(run.model, (x, curve(x)), points=40)
    assert len(data.predictions) == 1
    assert np.isnan(data.losses[0])
    assert data.axes[0][-1] > 4
    with_path = viz.approximation_data(run, (x, curve(x)), points=40, moments=3)
    np.testing.assert_allclose(with_path.predictions[-1], data.predictions[0], rtol=1e-6)
    bare = viz.approximation_data(replace(run, path=[]), points=40)
    assert len(bare.predictions) == 1


def test_moments_are_chosen_densely_at_the_start():
    assert chosen_of(100, 6) == [0, 2, 5, 15, 39, 99]
    assert chosen_of(5, 6) == [0, 1, 2, 3, 4]
    assert chosen_of(7, 1) == [6]
    assert chosen_of(1, 4) == [0]
    for count in range(2, 40):
        for most in range(2, 12):
            found = chosen_of(count, most)
            assert len(found) == min(count, most) == len(set(found))
            assert (found[0], found[-1]) == (0, count - 1)


def test_errors():
    run = curve_run()
    with pytest.raises(UsageError, match="draws functions of 1 or 2 inputs, the model takes 24"):
        viz.approximation(class_run())
    with pytest.raises(UsageError, match=r"train it with fit\(..., record=True\)"):
        viz.approximation(replace(run, path=[]), moments=3)
    with pytest.raises(UsageError, match=r"give data=\(x, y\)"):
        viz.approximation(run.model)
    with pytest.raises(UsageError, match="must be a pair"):
        viz.approximation(run.model, run.data["x0"])
    with pytest.raises(UsageError, match="there is none at index 9999"):
        viz.approximation(run, moments=[0, 9999])
    with pytest.raises(UsageError, match="moments must be at least 1"):
        viz.approximation(run, moments=0)


def test_json():
    data = viz.approximation_data(plane_run(), points=5, moments=2)
    found = json.loads(json.dumps(replace(data, losses=[float("nan"), 1.0]).to_json(), allow_nan=False))
    assert np.shape(found["predictions"]) == (2, 5, 5, 1)
    assert found["losses"] == [None, 1.0]


def test_pictures_draw_what_the_data_says():
    data = viz.approximation_data(curve_run(), points=50, target=curve)
    ax = viz.approximation(data)
    lines = [line for line in ax.lines if line.get_label().startswith("epoch")]
    assert len(lines) == 6
    np.testing.assert_array_equal(lines[-1].get_ydata(), data.predictions[-1, :, 0])
    figure = viz.approximation(plane_run(), moments=4, points=20)
    assert len(figure.axes) == 4
    one = figure.axes[0].figure.add_subplot()
    assert viz.approximation(plane_run(), points=20, ax=one) is one


def test_values_of_two_inputs_with_their_target():
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype("f4")
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    run = fitted(model, (x, x[:, :1] * x[:, 1:]), nn.MSELoss(), epochs=2)
    figure = viz.approximation(run, points=15, moments=2, target=lambda a, b: a * b)
    assert figure.axes[0].get_title() == "target"
    figure.canvas.draw()


def test_a_gif_has_a_picture_for_each_moment(tmp_path):
    path = viz.animate(curve_run(), tmp_path / "curve.gif", frames=5, seconds=1.0, target=curve)
    with Image.open(path) as film:
        assert film.n_frames == 5
        assert film.size == (640, 480)
        first = np.asarray(film.convert("RGB"), int)
        film.seek(4)
        assert np.abs(np.asarray(film.convert("RGB"), int) - first).mean() > 1


def test_an_mp4_can_be_read_back(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="films need the extra: pip install '.[viz]'")
    path = viz.animate(plane_run(), tmp_path / "plane.mp4", frames=4, seconds=2.0, points=20)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
    assert frames == 6  # the last is held for a second
    assert seconds == pytest.approx(3, abs=0.2)


def test_a_film_of_many_inputs_is_the_descent(tmp_path):
    from matplotlib.pyplot import get_fignums

    land = viz.landscape_data(class_run(), size=5)
    path = viz.animate(land, tmp_path / "descent.gif", frames=3)
    with Image.open(path) as film:
        assert film.n_frames == 3
    whole = viz.animate(class_run(), tmp_path / "descent2.gif", frames=2)
    with Image.open(whole) as film:
        assert film.n_frames == 2
    assert not get_fignums()


def test_errors_of_films(tmp_path):
    with pytest.raises(UsageError, match=r"must end in .gif or .mp4, got 'film.avi'"):
        viz.animate(curve_run(), tmp_path / "film.avi")
    with pytest.raises(UsageError, match="record=True"):
        viz.animate(replace(curve_run(), path=[]), tmp_path / "film.gif")
    with pytest.raises(UsageError, match="2 or more frames"):
        viz.animate(curve_run(), tmp_path / "film.gif", frames=1)
    with pytest.raises(FileNotFoundError):
        viz.animate(curve_run(), tmp_path / "nowhere" / "film.gif", frames=2)
    assert not list(tmp_path.iterdir())


def test_a_loaded_model_s_function_says_its_epochs(tmp_path):
    """Not "epoch 0" over a model of 20."""
    run = curve_run()
    schuss.save(run.model, tmp_path / "m")
    model = schuss.load(tmp_path / "m")
    shown = viz.approximation_data(model, (run.data["x0"], run.data["y"]), points=5)
    assert shown.epochs == [20.0]
