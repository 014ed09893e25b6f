"""The landscape by its numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

import schuss
from schuss import nn, optim, viz
from schuss.analysis import surface as surfaces
from schuss.analysis.plane import filter_normalised
from schuss.analysis.runs import as_run, final_weights, sample
from schuss.errors import UsageError
from schuss.train.evaluate import losses

from .support import blobs, class_run, curve_run, fitted, image_run, plane_run


def flat(weights):
    return np.concatenate([np.asarray(w, np.float64).ravel() for w in weights.values()])


def centre(land):
    return land.loss[list(land.b).index(0.0), list(land.a).index(0.0)]


@pytest.fixture(scope="module")
def land():
    return viz.landscape_data(class_run(), size=9, rows=100)


@pytest.mark.parametrize("around", ["path", "random"])
@pytest.mark.parametrize("size", [5, 8])
def test_the_centre_is_the_loss_at_the_weights(around, size):
    run = class_run()
    found = viz.landscape_data(run, around=around, size=size, rows=None)
    assert found.loss.shape == (size, size)
    wanted = float(nn.CrossEntropyLoss()(run.model(run.data["x0"]), run.data["y"]))
    assert centre(found) == found.centre_loss == pytest.approx(wanted, rel=1e-5)
    assert found.rows == len(run.data["y"])


def test_the_rows_are_a_fixed_sample(land):
    run = class_run()
    data = sample(run.data, 100)
    assert len(data["y"]) == 100 == land.rows
    wanted = losses(run.task, [final_weights(run)], data)[0]
    assert land.centre_loss == pytest.approx(wanted, rel=1e-5)


def test_the_ends_of_the_path_are_the_real_ends(land):
    run = class_run()
    data = sample(run.data, 100)
    first, last = run.path[0].weights, run.path[-1].weights
    np.testing.assert_allclose(land.path[-1], 0, atol=1e-5)
    away = flat(first) - flat(final_weights(run))
    np.testing.assert_allclose(land.path[0], [away @ flat(d) for d in land.directions], rtol=1e-4, atol=1e-5)
    wanted = losses(run.task, [first, last], data)
    np.testing.assert_allclose(land.path_loss[[0, -1]], wanted, rtol=1e-6)
    assert land.path_loss[0] > land.path_loss[-1]
    assert len(land.path) == len(land.path_loss) == len(run.path) > 3


def test_the_plane_is_that_of_the_principal_components(land):
    points = np.stack([flat(m.weights) for m in class_run().path])
    wanted = PCA(2).fit(points)
    for ours, theirs in zip(land.directions, wanted.components_, strict=True):
        assert abs(flat(ours) @ theirs) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(land.shares, wanted.explained_variance_ratio_, rtol=1e-4)
    assert land.explained == pytest.approx(sum(wanted.explained_variance_ratio_), rel=1e-4)
    assert 0.5 < land.explained <= 1


def test_any_point_is_the_loss_at_its_weights(land):
    run = class_run()
    data = sample(run.data, 100)
    for i, j in ((0, 0), (8, 3), (2, 7)):
        at = {
            n: w + land.a[i] * land.directions[0][n] + land.b[j] * land.directions[1][n]
            for n, w in final_weights(run).items()
        }
        hidden = np.tanh(data["x0"] @ at["0.weight"].T + at["0.bias"])
        logits = (hidden @ at["3.weight"].T + at["3.bias"]).astype(np.float64)
        each = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(100), data["y"]]
        assert land.loss[j, i] == pytest.approx(each.mean(), rel=1e-4)


def test_the_grid_holds_the_path_with_room(land):
    assert (land.path.min(axis=0) > [land.a[0], land.b[0]]).all()
    assert (land.path.max(axis=0) < [land.a[-1], land.b[-1]]).all()
    assert np.ptp(land.a) == pytest.approx(np.ptp(land.b))
    np.testing.assert_allclose(np.diff(land.a), land.a[1] - land.a[0])


def test_random_directions_are_filter_normalised():
    run = class_run()
    found = viz.landscape_data(run, around="random", size=5, seed=3)
    weights = final_weights(run)
    for direction in found.directions:
        for name, d in direction.items():
            if d.ndim == 1:
                assert not d.any()
            else:
                np.testing.assert_allclose(np.linalg.norm(d, axis=1), np.linalg.norm(weights[name], axis=1), rtol=1e-5)
    assert not np.allclose(*(d["0.weight"] for d in found.directions))
    np.testing.assert_allclose(found.a, [-1, -0.5, 0, 0.5, 1])
    assert 0 <= found.explained < 0.5
    assert found.shares is None
    other = viz.landscape_data(run, around="random", size=5, seed=4)
    assert not np.allclose(found.loss, other.loss)


def test_filters_of_more_axes_are_normalised_each():
    rng = np.random.default_rng(0)
    weight, direction = rng.standard_normal((2, 4, 3, 5, 5))
    found = filter_normalised(direction, weight)
    np.testing.assert_allclose(np.sqrt((found**2).sum((1, 2, 3))), np.sqrt((weight**2).sum((1, 2, 3))))


class Skip(nn.Module):
    """A model of a class of one's own, in which the first layer's values are used twice."""

    def __init__(self):
        self.first = nn.Linear(24, 6)
        self.second = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        h = self.first(x) * 0.5 + 0.25
        return self.last(h + schuss.tanh(self.second(schuss.relu(h))))


def models():
    x, y = blobs()
    yield "tanh", nn.Sequential(nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3)), (x, y), nn.CrossEntropyLoss(), {}
    yield "skip", Skip(), (x, y), nn.CrossEntropyLoss(), {}
    yield (
        "weighted",
        nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 3)),
        (x, y),
        nn.CrossEntropyLoss(),
        {"sample_weight": np.linspace(0, 2, len(y))},
    )
    leaky = nn.Sequential(nn.Linear(24, 8), nn.LeakyReLU(), nn.Linear(8, 3))  # takes its input twice
    yield "leaky", leaky, (x, y), nn.CrossEntropyLoss(), {}
    yield "linear", nn.Linear(24, 1), (x, x[:, :1] * 2), nn.MSELoss(), {}
    yield "bytes", nn.Sequential(nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 3)), (
        (40 * (x.reshape(-1, 4, 6) + 3)).clip(0, 255).astype(np.uint8), y,
    ), nn.CrossEntropyLoss(), {}  # fmt: skip
    yield (
        "norm",
        nn.Sequential(nn.Linear(24, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3)),
        (x, y),
        (nn.CrossEntropyLoss()),
        {},
    )
    doubles = nn.to_dtype(nn.Sequential(nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3)), "float64")
    yield "float64", doubles, (x, y), nn.CrossEntropyLoss(), {}


@pytest.mark.parametrize("case", list(models()), ids=lambda c: c[0])
def test_the_shortcut_changes_nothing(case, monkeypatch):
    """What is affine in the weights is computed once; the whole forward pass at each point must give the same."""
    _, model, data, loss, options = case
    run = fitted(model, data, loss, epochs=2, **options)
    quick = viz.landscape_data(run, size=5, rows=90)
    assert surfaces.split(run.task, sample(run.data, 90)) is not None
    monkeypatch.setattr(surfaces, "split", lambda task, data: None)
    whole = viz.landscape_data(run, size=5, rows=90)
    np.testing.assert_allclose(quick.loss, whole.loss, rtol=2e-5)
    np.testing.assert_array_equal(quick.path_loss, whole.path_loss)


def test_the_shortcut_is_left_out_where_it_saves_nothing(monkeypatch):
    run = plane_run()  # two inputs: three columns of twelve are more than two
    assert surfaces.split(run.task, run.data) is None
    table = nn.Sequential(nn.Embedding(50, 8), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3))
    run = fitted(table, (np.arange(60).reshape(60, 1) % 50, np.arange(60) % 3), nn.CrossEntropyLoss(), epochs=1)
    found = viz.landscape_data(run, size=3)
    assert found.centre_loss == pytest.approx(losses(run.task, [final_weights(run)], run.data)[0], rel=1e-5)
    first = nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3))
    run = fitted(first, blobs(), nn.CrossEntropyLoss(), epochs=1)  # a product of two weights is not affine
    assert surfaces.split(run.task, run.data) is None
    run = class_run()
    monkeypatch.setattr(surfaces, "MOST", 100)
    assert surfaces.split(run.task, run.data) is None


def test_the_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(surfaces, "LEAST", 1.0)  # so that small work is shared out, too
    one, four = (viz.landscape_data(class_run(), size=7, threads=t) for t in (1, 4))
    np.testing.assert_array_equal(one.loss, four.loss)


def test_an_interrupt_ends_all_threads(monkeypatch):
    monkeypatch.setattr(surfaces, "LEAST", 1.0)
    seen = []

    def interrupt(done, total):
        seen.append(done)
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        viz.landscape_data(class_run(), size=9, threads=3, progress=interrupt)
    assert max(seen) == 5


def test_progress_is_told():
    calls = []
    viz.landscape_data(class_run(), size=4, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 16) for i in range(1, 17)]


def test_a_path_on_a_line_or_of_one_point():
    run = class_run()
    start, end = run.path[0], run.path[-1]
    for path in ([start, end], [end]):
        found = viz.landscape_data(replace_path(run, path), size=5)
        gram = [[flat(p) @ flat(q) for q in found.directions] for p in found.directions]
        np.testing.assert_allclose(gram, np.eye(2), atol=1e-5)
        assert np.isfinite(found.loss).all()
    found = viz.landscape_data(replace_path(run, [start, end]), size=5)
    assert found.explained == pytest.approx(1)


def replace_path(run, path):
    return replace(run, path=path)


def test_weights_that_were_kept_from_an_earlier_epoch_are_the_centre():
    x, y = blobs()
    model = nn.Sequential(nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3))
    run = fitted(
        model, (x, y), nn.CrossEntropyLoss(), epochs=40, validation=0.3, early_stop=2, optimizer=optim.Adam(0.1)
    )
    assert run.stopped
    found = viz.landscape_data(run, size=3, rows=None)
    assert found.centre_loss == pytest.approx(losses(run.task, [final_weights(run)], run.data)[0], rel=1e-5)
    assert np.abs(found.path[-1]).max() > 1e-3


def test_a_model_by_itself_has_a_landscape_too(tmp_path):
    run = image_run()
    schuss.save(run.model, tmp_path / "model.safetensors")
    model = schuss.load(tmp_path / "model.safetensors")
    again = as_run(model, run.data["x0"].reshape(90, 36), run.data["y"])
    found = viz.landscape_data(again, around="random", size=3)
    wanted = viz.landscape_data(run, around="random", size=3)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-6)
    assert found.path.shape == (0, 2)
    assert found.explained is None


def test_json(land):
    spoiled = replace(land, loss=np.where(land.loss == land.loss.max(), np.inf, land.loss))
    found = json.loads(json.dumps(spoiled.to_json(), allow_nan=False))
    assert np.shape(found["loss"]) == (9, 9)
    assert sum(v is None for row in found["loss"] for v in row) == 1
    assert found["loss_name"] == "cross entropy (nats)"
    assert found["path"] == land.path.tolist()


def test_errors():
    run = replace_path(class_run(), [])
    with pytest.raises(UsageError, match=r"recorded no path of weights; train it with fit\(..., record=True\)"):
        viz.landscape_data(run)
    viz.landscape_data(run, around="random", size=3)
    with pytest.raises(UsageError, match="takes what fit returned"):
        viz.landscape_data(run.model, around="random")
    for bad in ({"around": "there"}, {"size": 2}, {"rows": 0}, {"size": 4.5}):
        with pytest.raises(UsageError, match="landscape: "):
            viz.landscape_data(class_run(), **bad)
    with pytest.raises(UsageError, match="kind must be"):
        viz.landscape(class_run(), kind="globe")


def test_pictures(land):
    from matplotlib.figure import Figure

    ax = viz.landscape(land)
    assert "principal component" in ax.get_xlabel()
    assert ax.get_aspect() == 1
    surface = viz.landscape(land, "surface")
    assert surface.name == "3d"
    mine = Figure().add_subplot()
    assert viz.landscape(land, ax=mine) is mine
    with pytest.raises(UsageError, match="projection='3d'"):
        viz.landscape(land, "surface", ax=mine)
    path = next(line for line in ax.lines if line.get_label() == "_path")
    np.testing.assert_array_equal(np.c_[path.get_data()], land.path)


def test_picture_of_a_run_with_losses_that_are_not_finite(land):
    spoiled = replace(land, loss=np.where(land.loss > np.median(land.loss), np.nan, land.loss))
    viz.landscape(spoiled).figure.canvas.draw()
    viz.landscape(spoiled, "surface").figure.canvas.draw()
    assert viz.landscape(curve_run(), size=3).get_title().startswith("loss around the path, 96 rows")
