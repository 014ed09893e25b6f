"""A signature is that of the run whose weights the model has, and acts however the model is called."""

import copy

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import UsageError

RNG = np.random.default_rng(1)
X = RNG.integers(0, 256, (24, 2, 3)).astype(np.uint8)
Y = X[:, 0, 0] / 255
GIVEN = {"loss": nn.MSELoss(), "backend": "reference"}


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 1))


def fit(model, x=X, rate=0.01, **options):
    return schuss.fit(model, (x, Y), optimizer=optim.SGD(lr=rate), **GIVEN, **options)


class Plain:
    def __init__(self):
        self.layer = nn.Linear(6, 1)

    def __call__(self, x, *, times=1.0):
        return self.layer(x.reshape(-1, 6)) * times


class Scales(nn.Module):
    """Gives its part what this was trained on: what acts within must be what acts in a call."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner(x.astype("float32") / 255)


class Ensemble(nn.Module):
    def __init__(self, *members):
        self.members = list(members)

    def forward(self, x):
        return sum(m(x) for m in self.members) / len(self.members)


def error(model):
    return float(np.mean((np.asarray(model(X))[:, 0] - Y) ** 2))


def test_a_wrapper_without_a_signature_is_measured_as_it_answers():
    first, second = network(), network()
    fit(first)
    fit(second, scale=1 / 25)
    for model in (Scales(first), Ensemble(first, second), Ensemble(second, first), nn.Sequential(first)):
        assert nn.holding.own_signature(model) is None
        found = schuss.evaluate(model, (X, Y), loss=nn.MSELoss(), backend="reference")
        assert found["loss"] == pytest.approx(error(model), rel=1e-5)
        task, columns = schuss.api.evaluation.task_on(model, X, Y, nn.MSELoss())
        weights = {name: p.data for name, p in nn.named_parameters(model).items()}
        assert schuss.train.evaluate.losses(task, [weights], columns)[0] == pytest.approx(error(model), rel=1e-5)


@pytest.mark.parametrize("refused", ["resume", "checkpoint"])
def test_a_fit_that_is_refused_changes_no_signature(refused, tmp_path):
    model = network()
    run = fit(model)
    before, wanted = nn.signature_of(model), np.asarray(model(X))
    wrong = {"resume": {"resume": run}, "checkpoint": {"checkpoint": tmp_path / "no" / "where"}}
    with pytest.raises((UsageError, OSError)):
        fit(model, scale=0.5, **wrong[refused])
    assert nn.signature_of(model) is before
    np.testing.assert_array_equal(model(X), wanted)


@pytest.mark.parametrize("way", [schuss.jit, lambda m: schuss.jit(schuss.jit(m))])
def test_fitting_a_model_under_jit_gives_the_model_its_signature(way):
    model = network()
    run = fit(way(model), rate=1e-9)
    assert nn.signature_of(model).inputs[0].scale == 1 / 255
    assert error(model) == pytest.approx(run.last("loss"), rel=1e-4)
    assert error(way(model)) == pytest.approx(run.last("loss"), rel=1e-4)


def test_keyword_arguments_are_scaled():
    model = Plain()
    fit(model)
    np.testing.assert_array_equal(model(x=X), model(X))
    np.testing.assert_array_equal(model(x=X, times=2.0), 2.0 * np.asarray(model(X)))


def test_a_run_that_goes_on_brings_its_signature_back():
    model = network()
    run = fit(model, rate=1e-9, scale=1 / 25)
    fit(model, X.astype("f4") / 255, rate=1e-9)
    assert nn.signature_of(model).inputs[0].scale is None
    run.resume(1)
    assert nn.signature_of(model).inputs[0].scale == 1 / 25
    assert nn.signature_of(model).record["epochs"] == 2
    assert error(model) == pytest.approx(run.last("loss"), rel=1e-4)


def test_a_signature_assigned_to_a_plain_object_acts():
    class Assigned:
        """Nothing has made objects of this class scale yet."""

        def __init__(self):
            self.layer = nn.Linear(6, 1)

        def __call__(self, x):
            return self.layer(x.reshape(-1, 6))

    old, new = Plain(), Assigned()
    fit(old)
    new.layer = copy.deepcopy(old.layer)
    new.signature = nn.signature_of(old)
    assert nn.signature_of(new) is nn.signature_of(old)
    np.testing.assert_array_equal(new(X), old(X))


def test_bytes_before_an_assigned_signature_was_ever_seen_are_not_taken_silently():
    class Bare(Plain):
        def __call__(self, x):
            return self.layer(x.reshape(-1, 6))

    old, new = Plain(), Bare()
    fit(old)
    vars(new)["layer"] = copy.deepcopy(old.layer)
    vars(new)["signature"] = nn.signature_of(old)
    with pytest.warns(UserWarning, match=r"takes bytes as they are.*nn.set_signature"):
        new(X)
    nn.set_signature(new, nn.signature_of(old))
    np.testing.assert_array_equal(new(X), old(X))


def test_a_wrapper_from_a_file_is_not_scaled_twice_when_it_is_trained_on(tmp_path):
    inner = network()
    fit(inner, scale=1 / 25)
    wrapper = Ensemble(inner)
    schuss.save(wrapper, tmp_path / "m")
    loaded = schuss.load(tmp_path / "m")
    assert "the model prepares them itself" in repr(loaded.signature)
    assert fit(loaded, rate=1e-9).last("loss") == pytest.approx(error(wrapper), rel=1e-4)
    assert error(loaded) == pytest.approx(error(wrapper), rel=1e-4)
    schuss.save(loaded, tmp_path / "m")
    again = schuss.load(tmp_path / "m")
    assert fit(Ensemble(again), rate=1e-9).last("loss") == pytest.approx(error(wrapper), rel=1e-4)
    with pytest.raises(UsageError, match=r"the model scales x itself.*leave scale out"):
        fit(again, scale=1 / 255)
