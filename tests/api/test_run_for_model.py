"""A run of fit in the place of its model; a checkpoint in the place of a model file."""

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import ModelFileError, UsageError

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.array(["cat", "dog"])[(X[:, 0] > 0).astype(int)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    model = nn.Sequential(nn.Linear(3, 2))
    return schuss.fit(
        model, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(0.1), epochs=1, seed=0, progress=False,
        backend="reference", checkpoint=tmp_path_factory.mktemp("run") / "run.ckpt",
    )  # fmt: skip


def test_a_run_does_where_a_model_is_wanted(run, tmp_path) -> None:
    model = run.model
    assert schuss.evaluate(run, (X, Y)) == schuss.evaluate(model, (X, Y))
    assert (schuss.predict(run, X) == schuss.predict(model, X)).all()
    assert (schuss.predict_proba(run, X) == schuss.predict_proba(model, X)).all()
    for name, given in (("run", run), ("model", model)):
        schuss.save(given, tmp_path / name)
    assert (tmp_path / "run").read_bytes() == (tmp_path / "model").read_bytes()
    assert nn.signature_of(run) is model.signature
    assert nn.state_dict(run).keys() == nn.state_dict(model).keys() == {"0.weight", "0.bias"}
    want = np.asarray(model(X))
    assert (schuss.freeze(run)(X) == want).all()
    assert (schuss.jit(run, backend="reference")(X) == want).all()
    assert schuss.jacobian(run)(X[0]).shape == (2, 3)


def test_pictures_take_a_run_for_its_model(run) -> None:
    from schuss import viz

    x, model = X[:4], run.model
    assert (viz.confusion_data(run, X, Y) == viz.confusion_data(model, X, Y)).all()
    assert (viz.saliency_data(run, x) == viz.saliency_data(model, x)).all()
    assert (viz.activations_data(run, x)[0].values == viz.activations_data(model, x)[0].values).all()
    assert viz.as_run(run, X, Y).model is model
    assert repr(viz.graph(run, x, Y[:4])) == repr(viz.graph(model, x, Y[:4]))


def test_fit_of_a_run_says_what_goes_on_with_it(run) -> None:
    with pytest.raises(UsageError, match=r"run\.resume\(epochs\) goes on with it, fit\(run\.model, \.\.\.\) begins"):
        schuss.fit(run, (X, Y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(0.1))


def test_a_checkpoint_is_no_model(run) -> None:
    path = run.state.options.checkpoint
    with pytest.raises(ModelFileError, match=r"run\.ckpt: is the checkpoint of a run, not a model; .*--resume"):
        schuss.load(path)


def test_a_run_that_is_called_names_its_model(run) -> None:
    with pytest.raises(UsageError, match=r"a run is not called: write run\.model\(x\)"):
        run(X)
