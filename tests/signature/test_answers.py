"""What a model says: measured, as classes and as probabilities, by what its signature knows."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as of_sklearn

import schuss
from schuss import nn, optim, viz
from schuss.data import Dataset
from schuss.errors import DataError, UsageError
from schuss.web.session import view

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype("f4")
LABELS = np.argmax(X[:, :3], axis=1)
NAMES = np.array(["cat", "dog", "eel"])[LABELS]


def fit(model, x, y, loss, **options):
    given = {"optimizer": optim.Adam(lr=0.05), "epochs": 8, "batch_size": 30, "backend": "reference"}
    schuss.fit(model, (x, y), loss=loss, **{**given, **options})
    return model


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def of_names():
    return fit(nn.Linear(4, 3), X, NAMES, nn.CrossEntropyLoss())


@pytest.fixture(scope="module")
def of_numbers():
    return fit(nn.Linear(4, 2), X, X[:, 1:3], nn.MSELoss())


def test_a_classifier_answers_by_name(of_names, tmp_path):
    z = of_names(X)
    said = np.array(["cat", "dog", "eel"])[z.argmax(axis=1)]
    schuss.save(of_names, tmp_path / "m")
    for model in (of_names, copy.deepcopy(of_names), schuss.load(tmp_path / "m")):
        np.testing.assert_array_equal(schuss.predict(model, X), said)
        np.testing.assert_allclose(schuss.predict_proba(model, X), softmax(z), rtol=1e-5)
        np.testing.assert_array_equal(model.predict(X), said)
        np.testing.assert_array_equal(model.predict_proba(X), schuss.predict_proba(model, X))
    found = schuss.evaluate(of_names, (X, list(NAMES)), backend="reference")
    assert found.keys() == {"loss", "accuracy"}
    assert found["accuracy"] == pytest.approx(of_sklearn.accuracy_score(NAMES, said))
    assert found["loss"] == pytest.approx(of_sklearn.log_loss(NAMES, softmax(z)), rel=1e-4)
    assert schuss.evaluate(of_names, (X, np.take(of_names.signature.classes, LABELS)), backend="reference") == found
    with pytest.raises(DataError, match="'ant' at row 0 is none of the classes cat, dog, eel"):
        schuss.evaluate(of_names, (X[:1], ["ant"]))


def test_labels_stay_labels():
    """What predict gives can be compared with what fit was given, class names of a data set or not."""
    data = Dataset(X[:60], LABELS[:60], X[60:], LABELS[60:], "points", 3, (4,), None, ("cat", "dog", "eel"))
    model = nn.Linear(4, 3)
    schuss.fit(model, data, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(), backend="reference")
    assert model.signature.classes == ("cat", "dog", "eel")
    assert schuss.predict(model, X).dtype == np.int64
    right = (schuss.predict(model, data.x_test) == data.y_test).mean()
    assert schuss.evaluate(model, data, backend="reference")["accuracy"] == pytest.approx(right)


def test_numbers_are_measured_as_scikit_learn_does(of_numbers):
    said = of_numbers(X)
    np.testing.assert_allclose(schuss.predict(of_numbers, X), said, rtol=1e-6)
    mine = schuss.evaluate(of_numbers, (X, X[:, 1:3]), metrics={"worst": lambda p, t: schuss.max(abs(p - t), axis=1)})
    assert list(mine) == ["loss", "mean_absolute_error", "root_mean_squared_error", "r2", "worst"]
    error = of_sklearn.mean_squared_error(X[:, 1:3], said)
    assert mine["loss"] == pytest.approx(error, rel=1e-4)
    assert mine["root_mean_squared_error"] == pytest.approx(np.sqrt(error), rel=1e-4)
    assert mine["mean_absolute_error"] == pytest.approx(of_sklearn.mean_absolute_error(X[:, 1:3], said), rel=1e-4)
    r2 = of_sklearn.r2_score(X[:, 1:3], said, multioutput="variance_weighted")
    assert mine["r2"] == pytest.approx(r2, rel=1e-4)
    one = fit(nn.Linear(4, 1), X, X[:, 0], nn.MSELoss())
    assert schuss.predict(one, X).shape == (90,)


def test_probabilities_of_every_loss_for_classes():
    yes = (X[:, 0] > 0).astype(int)
    binary = fit(nn.Linear(4, 1), X, yes, nn.BCEWithLogitsLoss())
    p = schuss.predict_proba(binary, X)
    np.testing.assert_allclose(p, np.stack([1 - p[:, 1], p[:, 1]], axis=1))
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-binary(X)[:, 0])), rtol=1e-4)
    np.testing.assert_array_equal(schuss.predict(binary, X), p.argmax(axis=1))
    logs = fit(nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax()), X, LABELS, nn.NLLLoss())
    np.testing.assert_allclose(schuss.predict_proba(logs, X).sum(axis=1), 1, rtol=1e-5)
    soft = fit(nn.Linear(4, 3), X, np.eye(3, dtype="f4")[LABELS], nn.CrossEntropyLoss())
    np.testing.assert_allclose(schuss.predict_proba(soft, X), softmax(soft(X)), rtol=1e-5)


def test_no_probabilities(of_numbers):
    with pytest.raises(UsageError, match=r"nn.MSELoss, not for classes; apply schuss.softmax"):
        schuss.predict_proba(of_numbers, X)
    own = fit(nn.Linear(4, 3), X, LABELS, lambda p, t: 2.0 * nn.CrossEntropyLoss()(p, t))
    with pytest.raises(UsageError, match="a loss of your own"):
        schuss.predict_proba(own, X)
    with pytest.raises(UsageError, match=r"does not know its loss, since it was not fitted; fit it, or apply"):
        schuss.predict_proba(nn.Linear(X.shape[1], 2), X)
    with pytest.raises(UsageError, match="give loss="):
        schuss.evaluate(nn.Linear(4, 1), (X, X[:, 0]))
    found = schuss.evaluate(nn.Linear(4, 1), (X, X[:, :1]), loss=nn.MSELoss(), backend="reference")
    assert found["loss"] > 0


def test_raw_data_go_in_everywhere():
    images = RNG.integers(0, 256, (90, 2, 2)).astype(np.uint8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    fit(model, images, (images[:, 0, 0] > 127).astype(int), nn.CrossEntropyLoss())
    floats = images * np.float32(1 / 255)
    rows = images.reshape(90, 4)
    for other in (images, rows, rows.astype(np.int64), floats):
        np.testing.assert_allclose(schuss.predict_proba(model, other), softmax(model(floats)), rtol=1e-4, atol=1e-6)
    y = (images[:, 0, 0] > 127).astype(np.uint8)
    assert schuss.evaluate(model, (rows, y))["loss"] == pytest.approx(schuss.evaluate(model, (floats, y))["loss"], 1e-4)


def test_several_inputs():
    class Two(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(4, 3), nn.Linear(2, 3)

        def forward(self, x, z):
            return self.a(x) + self.b(z)

    z = X[:, :2] * 2
    model = fit(Two(), (X, z), NAMES, nn.CrossEntropyLoss())
    np.testing.assert_allclose(schuss.predict_proba(model, (X, z)), softmax(model(X, z)), rtol=1e-5)
    assert schuss.evaluate(model, ((X, z), NAMES))["accuracy"] == np.mean(schuss.predict(model, (X, z)) == NAMES)


def test_rows_of_another_order_of_axes_are_refused():
    """Sizes agree, and the numbers would land in other places."""
    x = RNG.normal(size=(30, 4, 6)).astype("f4")
    model = fit(nn.Sequential(nn.Flatten(), nn.Linear(24, 2)), x, LABELS[:30] % 2, nn.CrossEntropyLoss(), epochs=1)
    said = schuss.predict(model, x)
    for same in (x.reshape(30, 24), x[:, None], x[..., None]):
        np.testing.assert_array_equal(schuss.predict(model, same), said)
    for one in (x[0], x[0].ravel()):
        np.testing.assert_array_equal(schuss.predict(model, one), said[:1])
    for other in (x.transpose(0, 2, 1), x.reshape(30, 2, 12), x[0].T):
        with pytest.raises(DataError, match=r"rows of shape \[4, 6\].*give rows as in training, or flat"):
            schuss.predict(model, other)
    with pytest.raises(DataError, match="as in training, or flat"):
        schuss.evaluate(model, (x.transpose(0, 2, 1), LABELS[:30] % 2))


def test_what_the_loss_leaves_out_evaluate_leaves_out():
    y = LABELS.copy()
    y[::3] = -100
    model = fit(nn.Linear(4, 3), X, y, nn.CrossEntropyLoss(ignore_index=-100), epochs=1)
    found = schuss.evaluate(model, (X, y), backend="reference")
    kept = y != -100
    assert found["accuracy"] == pytest.approx((schuss.predict(model, X)[kept] == y[kept]).mean())
    assert found["loss"] == pytest.approx(of_sklearn.log_loss(y[kept], softmax(model(X[kept]))), rel=1e-4)
    with pytest.raises(DataError, match="label 3"):
        schuss.evaluate(model, (X, np.where(kept, y + 1, y)), backend="reference")


@pytest.mark.parametrize("axis", [1, -1])
def test_probabilities_of_sequences_are_along_the_axis_of_the_classes(axis, tmp_path):
    """Not over classes and positions together; [N, 3, 3] would take either axis."""
    y = np.stack([LABELS, LABELS[::-1], LABELS], axis=1)
    model = fit(nn.Sequential(nn.Linear(4, 9), Fold()), X, y, nn.CrossEntropyLoss(axis=axis), epochs=1)
    e = np.exp(model(X).astype(np.float64))
    schuss.save(model, tmp_path / "m")
    for each in (model, schuss.load(tmp_path / "m")):
        np.testing.assert_allclose(schuss.predict_proba(each, X), e / e.sum(axis=axis, keepdims=True), rtol=1e-5)


class Fold(nn.Module):
    def forward(self, x):
        return schuss.reshape(x, shape=(x.shape[0], 3, 3))


def test_logits_are_not_measured_as_numbers():
    soft = np.eye(3, dtype="f4")[LABELS] * 0.7 + 0.1
    model = fit(nn.Linear(4, 3), X, soft, nn.CrossEntropyLoss(), epochs=1)
    assert schuss.evaluate(model, (X, soft), backend="reference").keys() == {"loss"}
    assert "r2" in schuss.evaluate(model, (X, soft), loss=nn.MSELoss(), backend="reference")


YES = X[:, 0] > 0


def assert_counted_on_the_page(model, y):
    """The page counts the same labels."""
    session = view(model, "m", Dataset(X, y, X, y, "yes or no", None if y.dtype.kind == "f" else 2, (4,)))
    about = session.hello()
    assert (about["task"], about["classes"]) == ("classes", 2)
    assert "accuracy" in session.subject.task.metrics
    one = session.subject.predict(X[0].tolist())["y"]
    np.testing.assert_allclose(one, schuss.predict_proba(model, X[:1])[0], rtol=1e-5)


@pytest.mark.parametrize(
    "y",
    [YES, YES.astype("f4"), YES.astype("f8"), YES.astype("u1"), YES[:, None], YES[:, None].astype("f8"),
     YES[:, None].astype("i8"), YES.tolist()],
)  # fmt: skip
def test_yes_and_no_are_labels_whatever_their_type(y, tmp_path):
    """predict gives what was learned, in its shape and dtype, so that both can be compared."""
    model = nn.Linear(4, 1)
    options = {"optimizer": optim.Adam(0.05), "epochs": 5, "validation": (X, y), "backend": "reference"}
    run = schuss.fit(model, (X, y), loss=nn.BCEWithLogitsLoss(), **options)
    schuss.save(model, tmp_path / "m")
    given = np.asarray(y)
    right = ((model(X)[:, 0] > 0) == YES).mean()
    for each in (model, schuss.load(tmp_path / "m")):
        said = schuss.predict(each, X)
        assert (said.dtype, said.shape) == (given.dtype, given.shape)
        assert (said == given).mean() == right
        assert schuss.evaluate(each, (X, y), backend="reference").keys() == {"loss", "accuracy"}
        np.testing.assert_array_equal(schuss.predict_proba(each, X).argmax(axis=1) == 1, said.reshape(-1) == 1)
        counts = viz.confusion_data(each, X, y)
        assert np.trace(counts) / counts.sum() == pytest.approx(right)
        assert len(viz.mistakes_data(each, X, y)) == counts.sum() - np.trace(counts)
        assert_counted_on_the_page(each, given)
    assert run.last("accuracy") > 0.5
    assert run.last("val_accuracy") == pytest.approx(right)
    assert schuss.evaluate(model, (X, y), backend="reference")["accuracy"] == pytest.approx(right)
    assert model.signature.output.task == "classification"


@pytest.mark.parametrize("held", [False, True])
def test_soft_yes_and_no_stay_numbers(held):
    soft = YES * np.float32(0.4) + np.float32(0.3)
    model, hard = nn.Linear(4, 1), YES.astype("f4")
    options = {"validation": (X, soft if held else hard), "backend": "reference"}
    run = schuss.fit(model, (X, hard if held else soft), loss=nn.BCEWithLogitsLoss(), optimizer=optim.SGD(), **options)
    assert "accuracy" not in run.history
    assert model.signature.output.task == "regression"
    np.testing.assert_allclose(schuss.predict(model, X), model(X)[:, 0], rtol=1e-6)


def test_a_hard_question_measured_on_soft_answers_is_a_loss():
    model = fit(nn.Linear(4, 1), X, YES.astype("f4"), nn.BCEWithLogitsLoss(), epochs=1)
    assert schuss.evaluate(model, (X, YES * 0.5), backend="reference").keys() == {"loss"}
    as_bool = fit(nn.Linear(4, 1), X, YES, nn.BCEWithLogitsLoss(), epochs=1)
    found = schuss.evaluate(as_bool, (X, YES.astype("f4")), backend="reference")
    assert found["accuracy"] == pytest.approx((schuss.predict(as_bool, X) == YES).mean())


@pytest.mark.parametrize("kind", ["bool", "i2", "u1", "i8"])
@pytest.mark.parametrize("column", [False, True])
def test_labels_keep_their_type(kind, column):
    y = (YES[:, None] if column else YES).astype(kind)
    model = fit(nn.Linear(4, 2), X, y, nn.CrossEntropyLoss(), epochs=1)
    said = schuss.predict(model, X)
    assert (said.dtype, said.shape) == (y.dtype, y.shape)
    assert schuss.evaluate(model, (X, y), backend="reference")["accuracy"] == pytest.approx((said == y).mean())
    assert schuss.predict_proba(model, X).shape == (90, 2)
    names = np.array(["no", "yes"])[y.astype(int)]
    assert schuss.predict(fit(nn.Linear(4, 2), X, names, nn.CrossEntropyLoss(), epochs=1), X).shape == y.shape


def test_a_type_without_room_for_the_classes_is_not_kept():
    model = fit(nn.Linear(4, 3), X, YES, nn.CrossEntropyLoss(), epochs=1)
    assert schuss.predict(model, X).dtype == np.int64


@pytest.mark.parametrize("axis", [1, -1])
def test_sequences_are_answered_by_their_classes(axis, tmp_path):
    y = np.stack([LABELS, LABELS[::-1], LABELS], axis=1).astype("i4")
    names = np.array(["cat", "dog", "eel"])[y]
    for given in (y, names):
        model = fit(nn.Sequential(nn.Linear(4, 9), Fold()), X, given, nn.CrossEntropyLoss(axis=axis), epochs=1)
        schuss.save(model, tmp_path / "m")
        for each in (model, schuss.load(tmp_path / "m")):
            said = schuss.predict(each, X)
            assert (said.shape, said.dtype.kind) == (given.shape, given.dtype.kind)
            np.testing.assert_array_equal(said == given, model(X).argmax(axis=axis) == y)
            found = schuss.evaluate(each, (X, given), backend="reference")
            assert found["accuracy"] == pytest.approx((said == given).mean())


def test_a_metric_called_accuracy_makes_no_classes():
    def near(pred, target):
        return schuss.abs(pred[:, 0] - target) < 0.1

    model = fit(nn.Linear(4, 1), X, X[:, 0], nn.MSELoss(), epochs=1, metrics={"accuracy": near})
    np.testing.assert_allclose(schuss.predict(model, X), model(X)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("loss", [nn.BCEWithLogitsLoss(), nn.MSELoss()])
def test_labels_that_become_rows_are_told_of(loss):
    run = schuss.fit(nn.Linear(4, 3), (X, LABELS), loss=loss, optimizer=optim.SGD(), backend="reference")
    assert f"one-hot rows with the 3 outputs by {type(loss).__name__}" in run.prepared["target"]


@pytest.mark.parametrize("kind", ["bool", "f4", "i8"])
def test_several_yes_or_no_an_example(kind, tmp_path):
    y = (X[:, :3] > 0).astype(kind)
    model = fit(nn.Linear(4, 3), X, y, nn.BCEWithLogitsLoss())
    schuss.save(model, tmp_path / "m")
    for each in (model, schuss.load(tmp_path / "m")):
        said = schuss.predict(each, X)
        assert (said.dtype, said.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(said == 1, model(X) > 0)
        np.testing.assert_allclose(schuss.predict_proba(each, X), 1 / (1 + np.exp(-model(X))), rtol=1e-5)
        assert schuss.evaluate(each, (X, y), backend="reference").keys() == {"loss"}


def test_what_is_the_input_is_no_label():
    """By value: an array, a copy of it and a list of its numbers are one."""
    flags = (X > 0).astype("f4")
    for y in (flags, flags.copy(), flags.astype("f8"), flags.tolist()):
        model = fit(nn.Linear(4, 4), flags, y, nn.BCEWithLogitsLoss(), epochs=1)
        np.testing.assert_allclose(schuss.predict(model, flags), model(flags), rtol=1e-6)
    model = fit(nn.Linear(4, 4), flags, 1 - flags, nn.BCEWithLogitsLoss(), epochs=1)
    assert set(np.unique(schuss.predict(model, flags))) <= {0, 1}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ask", [schuss.predict, schuss.predict_proba, lambda m, x: m.predict(x)])
def test_rows_without_an_answer_get_none(of_names, ask, bad):
    x = X[:3].copy()
    x[1, 2] = bad
    with pytest.raises(DataError, match=rf"x: {bad} at row 1, column 2; fill or drop"):
        ask(of_names, x)
    frame = pd.DataFrame(X[:60], columns=list("abcd"))
    model = fit(nn.Linear(4, 3), frame, LABELS[:60], nn.CrossEntropyLoss(), epochs=1)
    with pytest.raises(DataError, match=rf"x: {bad} at row 1, column 'c'; fill or drop"):
        ask(model, pd.DataFrame(x, columns=list("abcd"))[list("dcba")])
    assert not np.isfinite(of_names(x)[1]).all()  # a call computes with what it gets


def test_a_row_of_several_inputs_names_its_input():
    model = fit(Both(), (X, X[:, :1]), LABELS, nn.CrossEntropyLoss(), epochs=1)
    with pytest.raises(DataError, match=r"x\[1\]: nan at row 0, column 0"):
        model.predict((X[:2], np.full((2, 1), np.nan, "f4")))


class Both(nn.Module):
    def __init__(self):
        self.first, self.second = nn.Linear(4, 3), nn.Linear(1, 3)

    def forward(self, a, b):
        return self.first(a) + self.second(b)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.int8, np.uint8, bool])
@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.HuberLoss(), lambda p, y: schuss.mean(abs(p[:, 0] - y))])
def test_whole_numbers_are_measured_as_numbers(kind, loss):
    y = np.round(3 + X[:, 0]).clip(0).astype(kind)
    trained = y + 5 if kind is not bool else y.astype("f4")  # beyond a label of one output
    model = fit(nn.Linear(4, 1), X, trained, loss, epochs=1)
    found = schuss.evaluate(model, (X, y), backend="reference")
    pred, truth = model(X)[:, 0].astype("f8"), y.astype("f8")
    assert found["mean_absolute_error"] == pytest.approx(of_sklearn.mean_absolute_error(truth, pred))
    assert found["r2"] == pytest.approx(of_sklearn.r2_score(truth, pred))


def test_bytes_that_are_input_and_target_are_measured_in_the_models_scale():
    images = RNG.integers(0, 256, (60, 2, 2), dtype=np.uint8)
    model = fit(nn.Sequential(nn.Flatten(), nn.Linear(4, 4), Square()), images, images, nn.MSELoss(), epochs=1)
    found = schuss.evaluate(model, (images, images), backend="reference")
    assert found["root_mean_squared_error"] == pytest.approx(np.sqrt(found["loss"]), rel=1e-5)


class Square(nn.Module):
    def forward(self, x):
        return schuss.reshape(x, (x.shape[0], 2, 2))


@pytest.mark.parametrize(
    ("model", "words"),
    [([nn.Linear(4, 1)], r"is a list; chain layers by nn.Sequential"), ((nn.Linear(4, 1),), "is a tuple; chain layers"),
     ("m.model", r"is a str; schuss.load\(path\)"), (None, "is a NoneType; give an nn.Module")],
)  # fmt: skip
def test_what_is_no_model_is_refused(model, words, tmp_path):
    asks = [
        lambda: fit(model, X, X[:, 0], nn.MSELoss()),
        lambda: schuss.evaluate(model, (X, X[:, 0]), loss=nn.MSELoss()),
        lambda: schuss.predict(model, X),
    ]
    for ask in asks:
        with pytest.raises(UsageError, match=f"the model cannot be called, it {words}"):
            ask()


def test_save_names_the_order_of_its_arguments(of_names):
    with pytest.raises(
        UsageError, match=r"save: the model comes first, then the file: schuss.save\(model, 'a.model'\)"
    ):
        schuss.save("a.model", of_names)


def test_labels_and_names_of_classes_are_not_mixed():
    """Which name a label stands for is known in the data alone: the order of the alphabet would turn these around."""
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(np.int64)
    names = np.where(labels, "a yes", "z no")

    def fitted(y, **more):
        asked = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(0.1), "epochs": 1, "backend": "reference"}
        return schuss.fit(nn.Sequential(nn.Linear(3, 2)), (x, y), progress=False, **asked, **more).model

    by_name, by_label = fitted(names), fitted(labels)
    for y in (labels, labels == 1, labels.tolist()):
        with pytest.raises(
            DataError, match=r"holds labels, and the training names of classes \('a yes', 'z no'\): give"
        ):
            schuss.evaluate(by_name, (x, y))
    with pytest.raises(DataError, match="y holds names of classes, and the model was trained on labels without names"):
        schuss.evaluate(by_label, (x, names))
    with pytest.raises(DataError, match="validation y holds labels, and the training names of classes"):
        fitted(names, validation=(x, labels))
    with pytest.raises(DataError, match="validation y holds names of classes, and the training labels without names"):
        fitted(labels, validation=(x, names))
    assert schuss.evaluate(by_name, (x, names))["accuracy"] == np.mean(schuss.predict(by_name, x) == names)


def test_labels_are_refused_where_probabilities_were_learned():
    model = fit(nn.Linear(4, 3), X, np.eye(3, dtype="f4")[LABELS], nn.CrossEntropyLoss(), epochs=1)
    for y, mend in ((LABELS, r"np.eye\(3\)\[y\]"), (LABELS > 0, r"np.eye\(3\)\[y.astype\(int\)\]")):
        with pytest.raises(DataError, match=rf"y: holds labels, .* probabilities float32\[N,3\].*{mend}"):
            schuss.evaluate(model, (X, y))
    assert schuss.evaluate(model, (X, np.eye(3)[LABELS]), backend="reference")["loss"] > 0


def test_a_model_of_a_dict_answers_and_names_what_it_takes():
    class Both(nn.Module):
        def __init__(self) -> None:
            self.a, self.b = nn.Linear(4, 1), nn.Linear(4, 1)

        def forward(self, x):
            return self.a(x["u"]) - self.b(x["v"])

    model, given = Both(), {"u": X, "v": X[::-1].copy()}
    fit(model, given, X[:, :1], nn.MSELoss())
    for x in (given, dict(reversed(given.items()))):
        np.testing.assert_allclose(schuss.predict(model, x), model(given), rtol=1e-5, atol=1e-6)
    for x, message in (({"u": X}, "a dict of u, and the model takes one of u, v"), ({**given, "w": X}, "of u, v, w")):
        with pytest.raises(DataError, match=message):
            schuss.predict(model, x)
    plain = fit(nn.Linear(4, 1), X, X[:, :1], nn.MSELoss())
    with pytest.raises(DataError, match="x is a dict, and the model takes none"):
        schuss.predict(plain, given)
