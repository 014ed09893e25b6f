"""What is drawn of a model is what it answers: integers are scaled by whoever scales them in a call."""

import numpy as np
import pytest

import schuss
from schuss import nn, viz
from schuss.errors import UsageError
from schuss.web.watch import Finished
from tests.signature.test_kept import Ensemble, Scales, Y, fit, network
from tests.signature.test_kept import X as IMAGES

POINTS = np.random.default_rng(2).integers(0, 256, (24, 1)).astype(np.uint8)
AT = IMAGES[:3]


def ensemble():
    first, second = network(), network()
    fit(first)
    fit(second, scale=1 / 25)
    return Ensemble(second, first)


def own():
    model = network()
    fit(model)
    return model


def loaded(tmp_path):
    schuss.save(ensemble(), tmp_path / "m")
    return schuss.load(tmp_path / "m")


MODELS = {
    "own": lambda folder: own(),
    "wrapper": lambda folder: nn.Sequential(own()),
    "scales itself": lambda folder: Scales(own()),
    "two scales": lambda folder: ensemble(),
    "loaded": loaded,
}


@pytest.fixture(params=MODELS)
def model(request, tmp_path):
    return MODELS[request.param](tmp_path)


def test_activations_end_with_the_model_s_answer(model):
    for x in (AT, AT.astype("f4") / 255):
        layers = viz.activations_data(model, x)
        np.testing.assert_allclose(layers[-1].values, model(x), rtol=1e-5)
        assert not [name for name, _ in layers if name.endswith("input")]


def test_saliency_is_what_the_answer_changes_by(model):
    found = viz.saliency_data(model, AT)
    more = AT.copy()
    more[:, 1, 2] = AT[:, 1, 2] ^ 1
    step = more[:, 1, 2].astype(int) - AT[:, 1, 2]
    np.testing.assert_allclose(found[:, 1, 2] * step, (np.asarray(model(more)) - model(AT))[:, 0], rtol=1e-2, atol=1e-6)


def test_a_loaded_wrapper_takes_floats_as_the_wrapper_does(tmp_path):
    model = ensemble()
    schuss.save(model, tmp_path / "m")
    again = schuss.load(tmp_path / "m")
    for x in (AT, AT.astype("f4"), AT.astype(np.float64) / 255):
        np.testing.assert_allclose(again(x), model(x), rtol=1e-6)


def line(**options):
    return schuss.fit(
        nn.Sequential(nn.Linear(1, 1)), (POINTS, POINTS[:, 0] / 255), loss=nn.MSELoss(), backend="reference", epochs=2,
        optimizer=schuss.optim.SGD(lr=0.01), **options,
    )  # fmt: skip


@pytest.mark.parametrize("depth", [0, 1])
def test_the_function_drawn_is_the_function(depth):
    model = line(scale=1 / 25).model
    for _ in range(depth):
        model = nn.Sequential(model)
    run = viz.as_run(model, POINTS, POINTS[:, 0] / 255, loss=nn.MSELoss())
    found = viz.approximation_data(run, points=3)
    low, high = np.asarray(model(np.array([[0], [1]], np.uint8)))[:, 0]
    np.testing.assert_allclose(found.predictions[-1, :, 0], low + (high - low) * found.axes[0], rtol=1e-4)


def test_an_older_run_is_drawn_by_its_own_scale():
    run = line(scale=1 / 25)
    before = viz.approximation_data(run, points=5).predictions
    answers = Finished(run).subject.predict([100.0])["y"]
    weights = run.model.state_dict()
    schuss.fit(
        run.model,
        (POINTS / np.float32(255), Y),
        loss=nn.L1Loss(),
        optimizer=schuss.optim.SGD(lr=0.1),
        backend="reference",
    )
    run.model.load_state_dict(weights)
    np.testing.assert_array_equal(viz.approximation_data(run, points=5).predictions, before)
    again = viz.approximation_data(run, (POINTS, POINTS[:, 0] / 255), points=5)
    np.testing.assert_array_equal(again.predictions, before)
    np.testing.assert_array_equal(Finished(run).subject.predict([100.0])["y"], answers)


def test_integers_that_are_indices_have_no_slope():
    table = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(3, 1))
    with pytest.raises(UsageError, match="integers that stand for no numbers"):
        viz.saliency_data(table, np.zeros((2, 1), np.int64))
