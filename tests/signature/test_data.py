"""What fit makes of raw data: bytes that are images, flags or codes; targets that are the input; names of classes."""

import copy
import warnings

import numpy as np
import pytest
from numeric import type_of
from opcases import CASES

import schuss
import schuss.viz
from schuss import nn, optim
from schuss.data import Dataset, labels_of, load_dataset, load_mnist, names_in
from schuss.errors import DataError, UsageError
from schuss.ir.types import N, TensorType
from schuss.ops.registry import REGISTRY
from schuss.signature import Scale
from schuss.signature.indices import _carries, _index_operand, used_as_indices
from schuss.trace import trace

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 12)).astype(np.uint8)
CODES = RNG.integers(0, 10, 60)
BRIGHT = (PIXELS[:, 0] > 127).astype(int)


def fit(model, x, y, loss=None, **options):
    return schuss.fit(
        model, (x, y), loss=loss or nn.MSELoss(), optimizer=optim.Adam(lr=0.01), backend="reference", **options
    )


def scales(model):
    return [i.scale for i in model.signature.inputs]


# -- bytes --------------------------------------------------------------------------------------------------


def test_flags_train_alike_in_every_dtype():
    hot = np.eye(10)[CODES]
    found = {}
    for dtype in (np.uint8, np.int8, np.int32, bool, np.float32):
        model = nn.Linear(10, 1)
        found[dtype] = fit(model, hot.astype(dtype), CODES / 10, epochs=3).last("loss")
        assert scales(model) == [None]
    assert len(set(found.values())) == 1


@pytest.mark.parametrize("shape", [(60, 3, 4), (60, 1, 3, 4)])
def test_images_are_scaled(shape):
    images, model = PIXELS.reshape(shape), nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    run = fit(model, images, BRIGHT / 2)
    assert scales(model) == [1 / 255]
    assert run.record()["prepared"]["x"].startswith("uint8[N, ")
    assert "multiplied by 1/255" in run.record()["prepared"]["x"]
    np.testing.assert_allclose(model(images), model(images * np.float32(1 / 255)), rtol=1e-5, atol=1e-6)


def test_planes_of_flags_are_no_images():
    planes = (PIXELS > 127).astype(np.uint8).reshape(60, 3, 4)
    model, as_floats = (nn.Sequential(nn.Flatten(), nn.Linear(12, 1)) for _ in range(2))
    run = fit(model, planes, BRIGHT / 2)
    assert scales(model) == [None]
    assert run.last("loss") == fit(as_floats, planes.astype("f4"), BRIGHT / 2).last("loss")


def test_rows_of_bytes_are_numbers_and_the_user_is_told():
    with pytest.warns(UserWarning, match=r"x holds bytes up to 255 in rows of 12.*scale=1/255") as caught:
        fit(nn.Linear(12, 1), PIXELS, BRIGHT / 2)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="x holds bytes"):
        fit(model := nn.Linear(12, 1), PIXELS, BRIGHT / 2)
    fit(model, PIXELS[:40], BRIGHT[:40] / 2)  # once for a model
    for given in (1 / 255, 1, 0.5):
        model = nn.Linear(12, 1)
        fit(model, PIXELS, BRIGHT / 2, scale=given)  # warnings are errors here
        assert scales(model) == [given]


def test_a_scale_with_nothing_to_scale():
    with pytest.warns(UserWarning, match="scale= is for integers, and x holds floats"):
        fit(nn.Linear(12, 1), PIXELS.astype("f4") / 255, BRIGHT / 2, scale=1 / 255)


# -- codes --------------------------------------------------------------------------------------------------


class Table(nn.Module):
    """Codes in the first column, numbers in the others."""

    def __init__(self):
        self.table, self.out = nn.Embedding(256, 3), nn.Linear(14, 1)

    def forward(self, x):
        return self.out(schuss.concatenate(self.table(x[:, 0].astype("int64")), x[:, 1:].astype("float32"), axis=1))


class OneHot(nn.Module):
    def __init__(self):
        self.out = nn.Linear(10, 1)

    def forward(self, x):
        return self.out(schuss.one_hot(x, classes=10))


class Picked(nn.Module):
    """Takes from a parameter by x - 1, given as an image of codes."""

    def __init__(self):
        self.rows = nn.Parameter(np.ones((10, 2)))

    def forward(self, x):
        return schuss.take(self.rows, x - 1, axis=0).sum(axis=(1, 2))


def test_codes_fit_an_embedding_in_every_dtype():
    found = {}
    for dtype in (np.uint8, np.int32, np.int64):
        model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 1))
        found[dtype] = fit(model, CODES.astype(dtype), CODES / 10, epochs=2).last("loss")
        assert scales(model) == [None]
        model(CODES.astype(dtype))
    assert len(set(found.values())) == 1


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (OneHot, CODES.astype(np.uint8)),
        (Table, PIXELS),
        (Picked, CODES.astype(np.uint8).reshape(-1, 1, 1) + 1),
    ],
)
def test_what_is_used_as_an_index_is_not_scaled(model, x):
    made = model()
    fit(made, x, np.zeros((60, 2) if model is Picked else 60, "f4"))
    assert scales(made) == [None]
    with pytest.raises(UsageError, match="scale= has nothing to scale"):
        fit(made, x, np.zeros((60, 2) if model is Picked else 60, "f4"), scale=0.5)


def test_codes_beside_an_image_that_must_be_floats():
    class Both(nn.Module):
        def __init__(self):
            self.table, self.out = nn.Embedding(10, 3), nn.Linear(15, 1)

        def forward(self, image, code):
            pixels = nn.Flatten()(schuss.softplus(image))  # refuses integers
            return self.out(schuss.concatenate(pixels, self.table(code), axis=1))

    model = Both()
    fit(model, (PIXELS.reshape(-1, 3, 4), CODES.astype(np.uint8)), BRIGHT / 2)
    assert scales(model) == [1 / 255, None]
    fit(model, (PIXELS, CODES.astype(np.uint8)), BRIGHT / 2, scale=0.25)
    assert scales(model) == [0.25, None]


def test_which_operands_hold_indices_and_which_results_their_numbers():
    """Of all operations, by what their records say of structure, checks and slopes."""
    indices, without = {}, set()
    for name, op in REGISTRY.items():
        if name in CASES:  # others are tests' own
            sample = CASES[name].samples[0]
            types = [type_of(a) for a in sample.arrays([0])]
            (node,) = trace(lambda *xs, op=op, attrs=sample.attrs: op(*xs, **attrs), types).outputs
            indices[name] = _index_operand(node)
            without |= set() if _carries(node) else {name}
    assert {n: i for n, i in indices.items() if i is not None} == {
        "take": 1,
        "scatter_add": 1,
        "set_rows": 1,
        "coalesce": 1,
        "one_hot": 0,
        "check_index": 0,
    }
    unlike = {"matmul", "dot_general", "count", "random_bits", "random_uniform"}  # of floats, shapes and keys
    assert without == {"argmax", "argsort"} | unlike


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: schuss.one_hot(x[:, 0] * 2, classes=3), True),
        (lambda x: schuss.take(np.arange(9.0), schuss.max(x, axis=1)), True),
        (lambda x: schuss.take(x, np.array([0, 1]), axis=1), False),
        (lambda x: schuss.take(np.arange(9.0), schuss.take(x, np.array([0]), axis=1)), True),
        (lambda x: schuss.one_hot(schuss.argmax(x, axis=1), classes=4), False),
        (lambda x: x.astype("float32") * 2.0, False),
        (lambda x: schuss.one_hot((x.astype("float32") * 2.0).astype("int64"), classes=3), False),
    ],
)
def test_indices_in_a_graph(function, expected):
    assert used_as_indices(trace(function, [TensorType("uint8", (N, 4))], ["x0"])) == ({"x0"} if expected else set())


# -- targets ------------------------------------------------------------------------------------------------


def test_a_target_that_is_the_input_is_treated_as_the_input():
    images = PIXELS.reshape(60, 3, 4)

    class Auto(nn.Module):
        def __init__(self):
            self.code = nn.Linear(12, 12)

        def forward(self, x):
            return self.code(nn.Flatten()(x)).reshape((-1, 3, 4))

    as_floats, losses = images * np.float32(1 / 255), {}
    for name, x, y in (
        ("same", images, images),
        ("memory", images, images[:]),
        ("floats", as_floats, as_floats),
    ):
        model = Auto()
        losses[name] = fit(model, x, y, epochs=2, validation=(x[:9], y[:9])).history["val_loss"]
        assert model.signature.target_transform == (None if name == "floats" else Scale(1 / 255))
    np.testing.assert_allclose(losses["same"], losses["floats"], rtol=1e-5)
    assert losses["same"] == losses["memory"]
    model = Auto()
    assert fit(model, images, images.copy()).last("loss") > 1000  # another array of bytes stays what it is
    assert model.signature.target_transform is None


def test_pictures_of_an_autoencoder_have_its_loss():
    model = nn.Sequential(nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 12))
    run = fit(model, PIXELS, PIXELS, nn.BCEWithLogitsLoss(), scale=1 / 255, batch_size=60)
    measured = schuss.evaluate(model, (PIXELS, PIXELS))["loss"]
    assert measured == pytest.approx(
        schuss.evaluate(model, (PIXELS / 255, (PIXELS / 255).astype("f4")))["loss"], rel=1e-4
    )
    assert measured < run.last("loss") < 1
    found = schuss.viz.graph(model, PIXELS, PIXELS).to_json()["loss"]
    assert found == pytest.approx(measured, rel=1e-4)
    figures = schuss.viz.as_run(model, PIXELS, PIXELS)
    assert figures.task.target_transform == Scale(1 / 255)


def test_rows_that_are_their_own_target():
    model = nn.Linear(12, 12)
    assert fit(model, PIXELS, PIXELS, scale=1 / 255, epochs=2).last("loss") < 2
    assert "multiplied by 1/255 as the input" in repr(model.signature)


# -- a data set ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    d = load_mnist()
    return Dataset(
        d.x_train[:300], d.y_train[:300], d.x_test[:200], d.y_test[:200], d.name, d.classes, d.feature_shape, d.scale,
        d.class_names,
    )  # fmt: skip


def test_a_data_set_is_taken_as_it_is(digits):
    whole, flat = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), nn.Linear(784, 10)
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(), "backend": "reference", "validation": 0.1}
    schuss.fit(whole, digits, **given)
    schuss.fit(flat, digits.flat, **given)
    for model, x in ((whole, digits.x_test), (flat, digits.x_test_flat)):
        assert scales(model) == [1 / 255]
        assert model.signature.classes == tuple("0123456789")
        np.testing.assert_allclose(model(x), model(x * np.float32(1 / 255)), rtol=1e-4, atol=1e-5)
    rows = nn.Linear(784, 10)
    assert schuss.fit(rows, digits, **given).last("loss") == schuss.fit(nn.Linear(784, 10), digits.flat, **given).last(
        "loss"
    )
    assert schuss.evaluate(rows, digits) == schuss.evaluate(rows, digits.flat)
    with pytest.raises(DataError, match=r"has training and test rows: give data.x_train or data.x_test"):
        rows(digits)
    schuss.fit(flat, digits.flat, **given, scale=0.5)
    assert scales(flat) == [0.5]
    assert digits.flat.class_names == digits.class_names


def test_what_is_no_data():
    for wrong in ({"x": PIXELS}, 3, (PIXELS,), PIXELS):
        with pytest.raises(UsageError, match=r"fit: data must be a pair \(x, y\) or a schuss.data.Dataset"):
            schuss.fit(nn.Linear(12, 1), wrong, loss=nn.MSELoss(), optimizer=optim.Adam())


# -- names of classes -----------------------------------------------------------------------------------------

NAMES = np.array(["eel", "cat", "dog"])
Y = NAMES[np.arange(60) % 3]
ROWS = RNG.normal(size=(60, 4)).astype("f4")


@pytest.mark.parametrize(
    "hold",
    [
        lambda y: y,
        lambda y: list(map(str, y)),
        lambda y: y.astype(object),
        lambda y: y.astype("S"),
        lambda y: pytest.importorskip("pandas").Series(y),
        lambda y: pytest.importorskip("pandas").Series(y).astype("category"),
        lambda y: pytest.importorskip("polars").Series(list(map(str, y))),
    ],
)
def test_names_become_labels_and_are_kept(hold):
    model, with_labels = nn.Linear(4, 3), nn.Linear(4, 3)
    loss = nn.CrossEntropyLoss()
    names = {"cat": 2.0, "dog": 1.0, "eel": 1.0}
    run = fit(model, ROWS, hold(Y), loss, validation=(ROWS[:6], hold(Y[:6])), class_weight=names)
    labels = np.array([2, 0, 1])[np.arange(60) % 3]  # cat, dog, eel in the order of their names
    numbers = {0: 2.0, 1: 1.0, 2: 1.0}
    other = fit(with_labels, ROWS, labels, loss, validation=(ROWS[:6], labels[:6]), class_weight=numbers)
    assert run.last("val_loss") == other.last("val_loss")
    assert model.signature.classes == ("cat", "dog", "eel")
    assert copy.deepcopy(model).signature.classes == ("cat", "dog", "eel")
    assert with_labels.signature.classes is None


def test_names_that_do_not_fit():
    loss = nn.CrossEntropyLoss()
    with pytest.raises(DataError, match="validation y: 'ant' at row 1 is none of the classes cat, dog, eel"):
        fit(nn.Linear(4, 3), ROWS, Y, loss, validation=(ROWS[:2], ["cat", "ant"]))
    with pytest.raises(UsageError, match=r"names of 3 classes and MSELoss is for numbers; use nn.CrossEntropyLoss"):
        fit(nn.Linear(4, 1), ROWS, Y)
    with pytest.raises(DataError, match="class_weight: 'ant' is none of the classes: cat, dog, eel"):
        fit(nn.Linear(4, 3), ROWS, Y, loss, class_weight={"ant": 2.0})
    with pytest.raises(DataError, match="nan at row 1 is no name of a class"):
        fit(nn.Linear(4, 3), ROWS, [float("nan") if i == 1 else name for i, name in enumerate(Y)], loss)
    with pytest.raises(DataError, match="2 classes"):
        fit(nn.Linear(4, 2), ROWS, Y, loss)


def test_a_data_set_of_names(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=ROWS, y_train=Y, x_test=ROWS[:9], y_test=Y[:9])
    read = load_dataset(tmp_path / "d.npz")
    assert (read.classes, read.class_names) == (3, ("cat", "dog", "eel"))
    made = Dataset(ROWS, Y, ROWS[:9], Y[:9], "d", 3, (4,))
    for data in (read, made):
        model = nn.Linear(4, 3)
        schuss.fit(model, data, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(), backend="reference")
        assert model.signature.classes == ("cat", "dog", "eel")
        schuss.evaluate(model, data)
    np.savez(tmp_path / "d.npz", x_train=ROWS, y_train=Y, x_test=ROWS[:9], y_test=["ant"] * 9)
    with pytest.raises(DataError, match="y_test: 'ant' at row 0 is none of the classes"):
        load_dataset(tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", x_train=ROWS, y_train=Y, x_test=ROWS[:9], y_test=np.arange(9))
    with pytest.raises(DataError, match="y_test: int64 does not go with <U3"):
        load_dataset(tmp_path / "d.npz")
    np.savez(tmp_path / "d.npz", x_train=Y[:, None], y_train=Y, x_test=Y[:9, None], y_test=Y[:9])
    with pytest.raises(DataError, match="x_train: dtype <U3 is not supported"):
        load_dataset(tmp_path / "d.npz")


def test_labels_of_names():
    assert names_in((np.arange(3), np.arange(3))) is None
    assert names_in([["a"], ["b"]]).shape == (2, 1)
    assert names_in([1, 2]) is None
    assert names_in(np.ones(3)) is None
    labels, classes = labels_of(np.array([["b"], ["a"]]), None, "y")
    assert (labels.tolist(), classes) == ([[1], [0]], ("a", "b"))
    assert labels_of(np.array(["b"]), ("c", "b"), "y")[0].tolist() == [1]


def test_the_bundled_digits_say_what_they_are():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_mnist().scale == 1 / 255
    assert load_mnist().class_names == tuple("0123456789")


def test_pictures_of_a_run_take_its_data_as_it_did_though_the_model_was_fitted_again():
    """The newer signature scales; the older run's bytes were numbers."""
    rng = np.random.default_rng(0)
    flags, pixels = rng.integers(0, 2, (16, 3), dtype=np.uint8), rng.integers(2, 256, (16, 3), dtype=np.uint8)
    y = (flags @ np.array([1.0, 2.0, 3.0]))[:, None]
    model = nn.Sequential(nn.Linear(3, 1))
    options = {"loss": nn.MSELoss(), "optimizer": optim.SGD(0.01), "backend": "reference", "epochs": 1}
    older = schuss.fit(model, (flags, y), **options)
    schuss.fit(model, (pixels, y), scale=1 / 255, **options)
    layer = model[0]
    expected = ((flags @ layer.weight.data.T + layer.bias.data - y) ** 2).mean()
    found = schuss.viz.landscape_data(older, around="random", size=5, progress=False)
    assert found.centre_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_bytes_beside_floats_are_refused(shape):
    """Validation of bytes would be measured as numbers up to 255 by a model that learns from scaled floats."""
    raw = np.random.default_rng(0).integers(0, 256, (12, *shape)).astype("u1")
    x, y = (raw / 255).astype("f4"), np.arange(12) % 2
    model, loss = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), nn.CrossEntropyLoss()
    with pytest.raises(DataError, match="validation x: holds bytes, and the training float32; scale"):
        fit(model, x, y, loss, validation=(raw, y))
    assert "val_loss" in fit(model, x, y, loss, validation=((raw > 99).astype("u1"), y)).history
