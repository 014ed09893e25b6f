"""Pictures of a model: weights, activations, confusion, mistakes, saliency."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

import schuss
from schuss import nn, viz
from schuss.errors import DataError, UsageError

from .support import blobs, class_run, curve_run, fitted, image_run, plane_run, stripes


def logits(model, x):
    return np.asarray(model(x), np.float64)


# -- weights ---------------------------------------------------------------------------------------


def test_weights_are_the_first_layer_as_images():
    model = image_run().model
    found = viz.weights_data(model)
    assert found.shape == (20, 6, 6)
    np.testing.assert_array_equal(found[7].ravel(), model[1].weight.data[7])
    wide = nn.Sequential(nn.Linear(24, 5))
    assert viz.weights_data(wide, shape=(4, 6)).shape == (5, 4, 6)


def test_the_strongest_units_are_shown():
    model = nn.Sequential(nn.Linear(16, 30))
    model[0].load_state_dict({"weight": np.ones((30, 16)) * np.arange(30)[:, None], "bias": np.zeros(30)})
    figure = viz.weights(model, units=4)
    assert [ax.get_title() for ax in figure.axes[:4]] == ["26", "27", "28", "29"]


def test_weights_that_are_no_images():
    with pytest.raises(UsageError, match=r"weights: 2 inputs are no image; if they are one, give shape="):
        viz.weights(plane_run().model)
    with pytest.raises(UsageError, match="does not have 24 numbers"):
        viz.weights(class_run().model, shape=(5, 5))
    with pytest.raises(UsageError, match="no layer with a matrix"):
        viz.weights(nn.Sequential(nn.ReLU()))


# -- activations -----------------------------------------------------------------------------------


def test_activations_are_each_layer_s_output():
    model, (x, _) = image_run().model, stripes(5)
    found = dict(viz.activations_data(model, x))
    assert list(found) == ["0.Flatten", "1.Linear", "2.ReLU", "3.Linear"]
    rows = x.reshape(5, -1).astype("f4") / 255
    np.testing.assert_allclose(found["0.Flatten"], rows, rtol=1e-6)
    hidden = rows @ model[1].weight.data.T + model[1].bias.data
    np.testing.assert_allclose(found["1.Linear"], hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["2.ReLU"], np.maximum(found["1.Linear"], 0))
    np.testing.assert_allclose(found["3.Linear"], model(x), rtol=1e-5, atol=1e-6)


def test_activations_of_one_row_and_of_a_loaded_model(tmp_path):
    model, (x, _) = image_run().model, stripes(5)
    one = viz.activations_data(model, x[2])
    assert [a.values.shape[0] for a in one] == [1] * 4
    np.testing.assert_allclose(one[-1].values, model(x[2:3]), rtol=1e-5, atol=1e-6)
    schuss.save(model, tmp_path / "m.safetensors")
    again = viz.activations_data(schuss.load(tmp_path / "m.safetensors"), x[2].ravel())
    assert [a.name for a in again] == [a.name for a in one]


class Plain:
    """A model without layers of ours."""

    def __init__(self):
        self.w = nn.Parameter(np.linspace(-1, 1, 8, dtype="f4").reshape(4, 2))

    def __call__(self, x):
        return schuss.tanh(x @ self.w)


def test_a_model_without_layers_has_its_output():
    model, x = Plain(), np.ones((3, 4), "f4")
    ((name, values),) = viz.activations_data(model, x)
    assert name == "output"
    np.testing.assert_allclose(values, np.tanh(x @ model.w.data), rtol=1e-5)
    viz.activations(model, x)


def test_the_picture_of_activations_ends_with_the_probabilities():
    figure = viz.activations(image_run().model, stripes(1)[0][0])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles[0] == "input\n6 × 6"
    assert titles[-1] == "probabilities"
    assert min(ax.title.get_fontsize() for ax in figure.axes if ax.get_title()) >= 11
    bars = figure.axes[5].patches
    assert sum(b.get_height() for b in bars) == pytest.approx(1)
    with pytest.raises(DataError, match="rows of shape"):
        viz.activations(image_run().model, np.zeros((2, 5)))


# -- confusion and mistakes --------------------------------------------------------------------------


def test_confusion_is_scikit_learn_s():
    run, (x, y) = class_run(), blobs(seed=5)
    found = viz.confusion_data(run.model, x, y)
    said = logits(run.model, x).argmax(axis=1)
    np.testing.assert_array_equal(found, confusion_matrix(y, said, labels=range(3)))
    assert found.dtype == np.int64
    run = plane_run()
    x, y = run.data["x0"], run.data["y"]
    wanted = confusion_matrix(y, logits(run.model, x)[:, 0] > 0, labels=range(2))
    np.testing.assert_array_equal(viz.confusion_data(run.model, x, y), wanted)


def test_the_picture_of_confusion_has_the_counts():
    run, (x, y) = class_run(), blobs(seed=5)
    matrix = viz.confusion_data(run.model, x, y)
    ax = viz.confusion(run.model, x, y, names=["a", "b", "c"])
    written = {t.get_position(): t.get_text() for t in ax.texts}
    assert all(written[j, i] == (str(n) if n else "·") for (i, j), n in np.ndenumerate(matrix))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    right = np.trace(matrix) / matrix.sum() * 100
    assert ax.get_title().startswith(f"{right:.2f} % right")


def test_mistakes_are_all_that_is_wrong_the_surest_first():
    run, (x, y) = class_run(), blobs(seed=5)
    found = viz.mistakes_data(run.model, x, y)
    raw = logits(run.model, x)
    probabilities = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    wrong = np.flatnonzero(raw.argmax(axis=1) != y)
    assert {m.index for m in found} == set(wrong)
    assert len(found) > 3
    assert all(m.true == y[m.index] != m.said == raw[m.index].argmax() for m in found)
    surest = [m.confidence for m in found]
    assert surest == sorted(surest, reverse=True)
    for m in found:
        assert m.confidence == pytest.approx(probabilities[m.index, m.said])
        assert m.true_share == pytest.approx(probabilities[m.index, m.true])


def test_the_picture_of_mistakes_shows_the_rows():
    model, (x, y) = image_run().model, stripes(400, seed=9)
    y = np.where(np.arange(400) % 7 == 0, (y + 1) % 3, y)
    found = viz.mistakes_data(model, x, y)
    figure = viz.mistakes(model, x, y, count=9)
    assert len(figure.axes) == 9
    assert f"{len(found)} of 400 wrong; the 9 it was surest of" == figure.get_suptitle()
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), x[found[0].index])
    assert figure.axes[0].get_title() == f"true {found[0].true}"
    assert min(min(ax.title.get_fontsize(), ax.xaxis.label.get_fontsize()) for ax in figure.axes) >= 11
    none = viz.mistakes(model, x, np.asarray(model(x)).argmax(axis=1))
    assert none.get_suptitle() == "none of 400 wrong"


def test_labels_and_rows_are_checked():
    run, (x, y) = class_run(), blobs()
    for picture in (viz.confusion, viz.mistakes):
        options = {"shape": (4, 6)} if picture is viz.mistakes else {}
        with pytest.raises(UsageError, match="y must be labels"):
            picture(run.model, x, y.astype(float), **options)
        with pytest.raises(DataError, match="has 240 rows, y has 10"):
            picture(run.model, x, y[:10], **options)
        with pytest.raises(DataError, match="y"):
            picture(run.model, x, y + 7, **options)
    with pytest.raises(UsageError, match="24 inputs are no image"):
        viz.mistakes(run.model, x, y)
    with pytest.raises(UsageError, match="2 names for 3 classes"):
        viz.confusion(run.model, x, y, names="ab")


# -- saliency ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [None, 0, 2])
def test_saliency_is_the_slope_by_finite_differences(of):
    x, y = blobs(60)
    model = nn.to_dtype(nn.Sequential(nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3)), "float64")
    fitted(model, (x.astype(np.float64), y), nn.CrossEntropyLoss(), epochs=2)
    rows = x[:4].astype(np.float64)
    found = viz.saliency_data(model, rows, of)
    assert found.shape == rows.shape
    which = model(rows).argmax(axis=1) if of is None else np.full(4, of)
    for i in range(4):
        for j in (0, 7, 23):
            ends = []
            for side in (1e-6, -1e-6):
                moved = rows.copy()
                moved[i, j] += side
                ends.append(model(moved)[i, which[i]])
            assert found[i, j] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8)


def test_saliency_of_bytes_is_per_grey_level():
    model, (x, _) = image_run().model, stripes(3)
    found = viz.saliency_data(model, x, 1)
    assert found.shape == (3, 6, 6)
    grad = schuss.grad(lambda rows: model(rows)[:, 1].sum())(x.astype("f4") / 255)
    np.testing.assert_allclose(found, grad / 255, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(viz.saliency_data(model, x[1].ravel(), 1), found[1].ravel(), rtol=1e-5, atol=1e-9)


def test_saliency_of_one_number_and_its_errors():
    x = np.array([[0.3]], "f4")
    model = curve_run().model
    slope = schuss.grad(lambda x: model(x).sum())(x)
    np.testing.assert_allclose(viz.saliency_data(model, x), slope, rtol=1e-5)
    with pytest.raises(UsageError, match="of must be an output from 0 to 2, got 3"):
        viz.saliency(image_run().model, stripes(1)[0], 3)
    pair = nn.Sequential(nn.Linear(3, 2))
    fitted(pair, (np.ones((8, 3), "f4"), np.ones((8, 2), "f4")), nn.MSELoss(), epochs=1)
    with pytest.raises(UsageError, match="the model gives 2 numbers; say which with of="):
        viz.saliency(pair, np.ones((1, 3)))
    table = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(UsageError, match="integers that stand for no numbers"):
        viz.saliency(table, np.zeros((2, 1), np.int64))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("picture", [viz.saliency, viz.saliency_data, viz.activations, viz.activations_data])
def test_inputs_that_are_not_finite(picture, bad):
    x = np.zeros((2, 24), "f4")
    x[1, 7] = bad
    with pytest.raises(DataError, match=f"^x: {bad} at row 1, column 7; fill or drop such entries$"):
        picture(class_run().model, x)


def test_pictures_of_saliency():
    figure = viz.saliency(image_run().model, stripes(8)[0])
    assert sum(ax.get_title() == "input" for ax in figure.axes) == 6
    bars = viz.saliency(class_run().model, blobs(2)[0])
    assert len(bars.axes) == 2
    assert len(bars.axes[0].patches) == 24
