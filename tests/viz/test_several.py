"""Pictures of models with several targets, or dicts: drawn of all of it, or refused in a line."""

from __future__ import annotations

import numpy as np
import pytest

import schuss
from schuss import nn, optim, viz
from schuss.data import Dataset
from schuss.errors import DataError, SchussError, ShapeError, UsageError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((16, 2)).astype("f4")
NUMBER, LABEL = X[:, :1] * 2, (X[:, 1] > 0).astype(int)


class Two(nn.Module):
    def __init__(self, names: tuple[str, ...] | None = None) -> None:
        self.number, self.label, self.names = nn.Linear(2, 1), nn.Linear(2, 2), names

    def forward(self, x):
        both = self.number(x), self.label(x)
        return both if self.names is None else dict(zip(self.names, both, strict=True))


class Named(nn.Module):
    """A dict in, a dict out."""

    def __init__(self) -> None:
        self.only = nn.Linear(2, 1)

    def forward(self, x):
        return {"a": self.only(x["left"])}


class One(nn.Module):
    """One array for two targets."""

    def __init__(self) -> None:
        self.only = nn.Linear(2, 3)

    def forward(self, x):
        return self.only(x)


def both(pred, target):
    number, label = pred.values() if isinstance(pred, dict) else pred
    a, b = target.values() if isinstance(target, dict) else target
    return nn.MSELoss()(number, a) + nn.CrossEntropyLoss()(label, b)


def single(pred, target):
    return nn.MSELoss()(pred["a"], target)


def columns(pred, target):
    return nn.MSELoss()(pred[:, :1], target[0]) + nn.CrossEntropyLoss()(pred[:, 1:], target[1])


CASES = {
    "tuple": (Two(), X, (NUMBER, LABEL), both, "was trained on 2 targets"),
    "dict": (Two(("a", "b")), X, {"a": NUMBER, "b": LABEL}, both, "was trained on 2 targets"),
    "named": (Named(), {"left": X}, NUMBER, single, "takes a dict of left"),
    "columns": (One(), X, (NUMBER, LABEL), columns, "was trained on 2 targets"),
}


@pytest.fixture(params=CASES, scope="module")
def case(request):
    model, x, y, loss, why = CASES[request.param]
    options = {"loss": loss, "optimizer": optim.Adam(0.01), "epochs": 3, "batch_size": 8, "record": True}
    run = schuss.fit(model, (x, y), backend="reference", progress=False, **options)
    return run, x, y, loss, why


def measured(case):
    run, x, y, loss, _ = case
    return schuss.evaluate(run.model, (x, y), loss=loss, backend="reference")["loss"]


def test_the_landscape_is_of_all_targets(case):
    found = viz.landscape_data(case[0], around="random", size=5, progress=False)
    assert found.centre_loss == pytest.approx(measured(case), rel=1e-5)
    assert len(viz.history_data(case[0]).to_json()["moments"]) > 0


def test_the_graph_is_of_all_targets(case):
    run, x, y, loss, _ = case
    loss_now = viz.graph(run.model, x, y, loss=loss).explanation.steps[-1].value
    assert float(np.asarray(loss_now)) == pytest.approx(measured(case), rel=1e-5)


def test_targets_of_the_graph_have_the_dtypes_of_the_training():
    model = Two()
    nn.initialize(model)
    wanted = np.asarray(viz.graph(model, X, (NUMBER, LABEL), loss=both).explanation.steps[-1].value)
    given = NUMBER.astype(np.float64), LABEL.astype(bool)
    found = np.asarray(viz.graph(model, X, given, loss=both).explanation.steps[-1].value)
    assert found.dtype == wanted.dtype
    assert found == wanted


def test_targets_of_another_task_are_refused_in_a_line():
    asked = {"optimizer": optim.Adam(0.01), "epochs": 1, "backend": "reference", "progress": False}
    model = schuss.fit(nn.Sequential(nn.Linear(2, 2)), (X, LABEL), loss=nn.CrossEntropyLoss(), **asked).model
    for y, words in ((LABEL + 5, "label 5 at row|label 6 at row"), (X[:, 0], "must be integer class numbers")):
        with pytest.raises(SchussError, match=words):
            viz.as_run(model, X, y)
    with pytest.raises(DataError, match=r"takes rows of shape \[2\]"):
        viz.as_run(model, np.ones((16, 3), "f4"), LABEL)
    numbers = schuss.fit(nn.Sequential(nn.Linear(2, 1)), (X, X[:, :1]), loss=nn.MSELoss(), **asked).model
    with pytest.raises(ShapeError, match=r"pred float32\[N,1\] and target float32\[N,2\] must have one shape"):
        viz.as_run(numbers, X, X)


def test_names_of_classes_are_for_models_that_know_them():
    """Which of a model's labels a name stands for must be known; numbers are not compared with names' labels."""
    asked = {"optimizer": optim.Adam(0.01), "epochs": 1, "backend": "reference", "progress": False}
    names = np.array(["a", "b"])[LABEL]
    labels = schuss.fit(nn.Sequential(nn.Linear(2, 2)), (X, LABEL), loss=nn.CrossEntropyLoss(), **asked).model
    numbers = schuss.fit(nn.Sequential(nn.Linear(2, 2)), (X, X), loss=nn.MSELoss(), **asked).model
    for model, words in ((labels, "labels without names: give labels as in training"), (numbers, "numbers")):
        for measure in (
            lambda model=model: schuss.evaluate(model, (X, names)),
            lambda model=model: viz.as_run(model, X, names),
            lambda model=model: viz.confusion_data(model, X, names),
            lambda model=model: viz.graph(model, X[:2], names[:2]),
        ):
            with pytest.raises(DataError, match=f"y holds names of classes, and the model was trained on {words}$"):
                measure()


def test_a_data_set_with_names_of_its_own_order_is_measured_by_the_models():
    asked = {"optimizer": optim.Adam(0.1), "epochs": 1, "backend": "reference", "progress": False}
    names = np.array(["a", "b"])[LABEL]
    model = schuss.fit(nn.Sequential(nn.Linear(2, 2)), (X, names), loss=nn.CrossEntropyLoss(), **asked).model
    data = Dataset(X, names, X, names, "own", 2, (2,), class_names=("b", "a"))
    assert schuss.evaluate(model, data) == schuss.evaluate(model, (X, names))


def test_the_function_is_refused_in_a_line(case):
    run, x, y, _, why = case
    for draw in (lambda: viz.approximation(run), lambda: viz.approximation(run.model, (x, y))):
        with pytest.raises(UsageError, match=f"approximation: the model {why}; the function is drawn of one array"):
            draw()


def test_pictures_of_examples_are_drawn_or_refused(case):
    run, x, _, _, why = case
    refused = DataError, "where one array is read|takes a dict of left, not an array"
    if "dict of" in why:
        with pytest.raises(refused[0], match=refused[1]):
            viz.activations_data(run.model, x)
    else:
        found = {a.name: a.values for a in viz.activations_data(run.model, x)}
        results = run.model(x)
        several = list(results.values()) if isinstance(results, dict) else results
        for result in [several] if isinstance(several, np.ndarray) else several:
            assert any(v.shape == np.shape(result) and np.allclose(v, result, atol=1e-6) for v in found.values())
    if isinstance(run.model, One):
        assert viz.saliency_data(run.model, x, of=0).shape == x.shape
        return
    with pytest.raises(refused[0], match=refused[1]):
        viz.saliency_data(run.model, x)
    with pytest.raises(SchussError):
        viz.confusion_data(run.model, x, LABEL)


def test_the_page(case):
    pytest.importorskip("starlette", reason="the page needs the extra: pip install '.[web]'")
    from schuss.web.watch import Finished, _of_model

    run, x, y, _, why = case
    session = Finished(run)
    subject = session.subject
    picture = subject.graph("train", 0)
    part = {k: v[:1] for k, v in x.items()} if isinstance(x, dict) else x[:1]
    first = {k: v[:1] for k, v in y.items()} if isinstance(y, dict) else tuple(v[:1] for v in y)
    alone = schuss.evaluate(run.model, (part, y[:1] if isinstance(y, np.ndarray) else first), loss=case[3])
    assert float(np.asarray(picture.explanation.steps[-1].value)) == pytest.approx(alone["loss"], rel=1e-5)
    assert subject.function() == {"kind": "none", "why": f"the model {why}; the function is drawn of one array to one"}
    assert subject.quality() is None
    assert subject.image is None
    with pytest.raises(UsageError, match=why):
        subject.predict([0.0, 1.0])
    with pytest.raises(UsageError, match=why):
        subject.sample("train", 0)
    for shown in (session, _of_model(run.model, None), _of_model(run.model, (x, y))):
        assert shown.hello()["troubles"] == []
        assert shown.subject.function()["kind"] == "none"
