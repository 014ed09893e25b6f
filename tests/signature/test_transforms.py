"""Transforms: what becomes of raw data goes with the model; one from outside the package like those in it."""

import copy
import dataclasses
import json
import pickle

import numpy as np
import pytest

import schuss
from schuss import nn, ops, optim, viz
from schuss.errors import ModelFileError, ShapeError, UsageError
from schuss.ir.types import N, TensorType
from schuss.signature import Input, Output, Scale, Signature, Standardize, Transform
from schuss.signature.transforms import from_json, to_json
from schuss.signature.written import from_json as signature_from_json
from schuss.tables import TRANSFORMS

RNG = np.random.default_rng(0)
CITIES = ("Bern", "Chur", "Sion")


@dataclasses.dataclass(frozen=True)
class Table(Transform):
    """A frame's ages, some missing, and cities, some unseen: standardized, with a flag; and a column for each city."""

    median: float
    mean: float
    std: float
    cities: tuple[str, ...]

    def read(self, x):
        age = np.asarray(x["age"], np.float64)
        known = {city: i for i, city in enumerate(self.cities)}
        codes = [known.get(city, len(self.cities)) for city in x["city"]]
        return np.stack([np.nan_to_num(age), np.isnan(age), np.array(codes)], axis=1)

    def prepared(self, x, dtype):
        x = ops.cast(x, dtype=dtype)
        age = (ops.where(x[:, 1] > 0, self.median, x[:, 0]) - self.mean) / self.std
        city = ops.one_hot(ops.cast(x[:, 2], dtype="int64"), classes=len(self.cities) + 1, dtype=dtype)
        return ops.concatenate([age[:, None], x[:, 1:2], city], axis=1)

    def prepared_type(self, type, dtype):
        return TensorType(dtype, (type.shape[0], 3 + len(self.cities)))

    def in_words(self):
        return f"a table of ages and {len(self.cities)} cities"


@pytest.fixture(autouse=True)
def _registered():
    TRANSFORMS.register()(Table)
    yield
    TRANSFORMS.remove("Table")


def frame(ages, cities):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"age": np.asarray(ages, np.float64), "city": list(cities)})


def by_hand(people):
    """What Table makes of a frame."""
    age = np.asarray(people["age"], np.float64)
    missing = np.isnan(age)
    one_hot = np.array([[c == city for city in CITIES] + [c not in CITIES] for c in people["city"]])
    standard = (np.where(missing, 40.0, age) - 41.0) / 12.0
    return np.column_stack([standard, missing, one_hot]).astype(np.float32)


@pytest.fixture(scope="module")
def people():
    ages = RNG.uniform(20, 60, 50)
    ages[::7] = np.nan
    return frame(ages, RNG.choice(CITIES, 50))


def fit(model, x, y, scale, **options):
    given = {"loss": nn.MSELoss(), "optimizer": optim.Adam(1e-2), "epochs": 3, "backend": "reference"}
    return schuss.fit(model, (x, y), scale=scale, **{**given, **options})


TABLE = Table(40.0, 41.0, 12.0, CITIES)
UNSEEN = [[33.0, "Sion"], [np.nan, "Rome"]]


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_a_table_of_ones_own(people, backend, tmp_path):
    """A run by the raw frame is the run by what the transform makes of it, and whatever has the model takes frames."""
    y = RNG.normal(size=50).astype(np.float32)
    model, twin = nn.Linear(6, 1), nn.Linear(6, 1)
    run = fit(model, people, y, TABLE, backend=backend, validation=(people[:9], y[:9]))
    other = fit(twin, by_hand(people), y, None, backend=backend, validation=(by_hand(people)[:9], y[:9]))
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(run.history[name], other.history[name], rtol=2e-4)

    some = frame(*zip(*UNSEEN, strict=True))
    expected = model.weight.data @ by_hand(some).T + model.bias.data[:, None]
    schuss.save(model, tmp_path / "m")
    holders = [model, copy.deepcopy(model), pickle.loads(pickle.dumps(model)), schuss.load(tmp_path / "m")]
    for holder in [*holders, schuss.jit(model, backend=backend), schuss.freeze(model)]:
        for given in (some, some[["city", "age"]]):  # by name
            np.testing.assert_allclose(np.asarray(holder(given)).T, expected, rtol=1e-4, atol=1e-5)
    for holder in holders:
        assert holder.signature.inputs == model.signature.inputs
        np.testing.assert_allclose(schuss.predict(holder, some), expected[0], rtol=1e-4, atol=1e-5)
        assert schuss.evaluate(holder, (people[:9], y[:9]), loss=nn.MSELoss())["loss"] == pytest.approx(
            run.last("val_loss"), rel=1e-4
        )
    assert "a table of ages and 3 cities" in repr(model.signature)
    again = fit(model, people, y, None, backend=backend)  # its weights go on, and so does what they were trained on
    assert model.signature.inputs[0].transform == TABLE
    assert again.history["loss"][0] == pytest.approx(run.history["loss"][-1], rel=0.2)


def test_gradients_go_through_it_in_the_users_units(people):
    model = nn.Linear(6, 1)
    fit(model, people, np.zeros(50, np.float32), TABLE)
    raw = TABLE.read(people[1:3]).astype(np.float32)
    slope = schuss.grad(lambda x: model(x).sum())(raw)
    np.testing.assert_allclose(slope[:, 0], model.weight.data[0, 0] / 12.0, rtol=1e-5)
    picture = viz.graph(model, people[1:3], np.zeros(2, np.float32))
    assert picture.explanation.value == pytest.approx(float((np.asarray(model(people[1:3])) ** 2).mean()), rel=1e-5)


def test_standardized_columns(tmp_path):
    x = (RNG.normal(size=(60, 3)) * [1, 50, 1e-3] + [5, -300, 0]).astype(np.float32)
    y = ((x - x.mean(0)) / x.std(0)).sum(axis=1)
    scale, model, twin = Standardize.of(x), nn.Linear(3, 1), nn.Linear(3, 1)
    np.testing.assert_allclose(scale.mean, x.mean(0, np.float64))
    np.testing.assert_allclose(scale.std, x.std(0, np.float64), rtol=1e-6)
    losses = [fit(m, data, y, s).history["loss"] for m, data, s in
              ((model, x, scale), (twin, (x - x.mean(0)) / x.std(0), None))]  # fmt: skip
    np.testing.assert_allclose(*losses, rtol=1e-3)
    schuss.save(model, tmp_path / "m")
    np.testing.assert_array_equal(schuss.load(tmp_path / "m")(x), model(x))
    np.testing.assert_allclose(schuss.predict(model, x[:4]), model(x[:4])[:, 0], rtol=1e-6)
    auto = nn.Linear(3, 3)
    fit(auto, x, x, scale)  # targets that are the input itself
    assert auto.signature.target_transform == scale
    whole = nn.Linear(3, 1)
    bytes_ = RNG.integers(0, 256, (60, 3)).astype(np.uint8)
    fit(whole, bytes_, y, Standardize.of(bytes_))
    np.testing.assert_allclose(whole(bytes_), whole(bytes_.astype(np.float32)), rtol=1e-5, atol=1e-6)
    assert Standardize.of(np.ones((4, 1))).std == (1.0,)


def test_several_inputs_have_one_each():
    class Both(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(2, 1), nn.Linear(3, 1)

        def forward(self, given):
            return self.a(given["left"]) + self.b(given["right"])

    x = {"left": RNG.normal(9, 3, (30, 2)).astype("f4"), "right": RNG.integers(0, 256, (30, 3)).astype("u1")}
    model, left = Both(), Standardize.of(x["left"])
    fit(model, x, np.zeros(30, "f4"), {"left": left, "right": 1 / 255})
    assert [i.transform for i in model.signature.inputs] == [left, Scale(1 / 255)]
    for wrong in (left, (left, 0.5, 0.5), {"up": left}):
        with pytest.raises(UsageError, match="give one for each input"):
            fit(Both(), x, np.zeros(30, "f4"), wrong)


@pytest.mark.parametrize(
    "scale, message",
    [
        (Standardize, "scale must be a positive number, a transform"),
        (object(), "scale must be a positive number, a transform"),
        ((1 / 255, -1), "scale must be a positive number, a transform"),
    ],
)
def test_what_is_no_transform(scale, message):
    with pytest.raises(UsageError, match=message):
        fit(nn.Linear(2, 1), np.zeros((4, 2), "f4"), np.zeros(4, "f4"), scale)


def test_a_file_says_what_it_needs():
    for transform in (None, Scale(1 / 255), Standardize((1.0,), (2.0,)), TABLE):
        assert from_json(json.loads(json.dumps(to_json(transform)))) == transform
    signature = Signature((Input("x", TensorType("float32", (N, 3)), TABLE, columns=("age", "city")),),
                          Output(TensorType("float32", (N,)), transform=Scale(0.5)))  # fmt: skip
    written = json.loads(json.dumps(signature.to_json()))
    assert signature_from_json({"signature": written}) == signature
    for wrong in (
        {"type": "Wavelet"}, {"type": "Scale", "factor": -1}, {"type": "Scale", "factor": 1, "more": 1}, {}, [1], "1",
        {"type": "Standardize", "mean": [0], "std": [0]}, {"type": "Standardize", "mean": "ab", "std": [1, 2]},
        {"type": "Standardize", "mean": 1, "std": 2}, {"type": ["Scale"], "factor": 1},
        {"type": "Standardize", "mean": [float("nan")], "std": [1]}, {"type": "Table", "median": 1},
    ):  # fmt: skip
        written["inputs"][0]["scale"] = wrong
        with pytest.raises(ModelFileError, match="scale"):
            signature_from_json({"signature": written})


def test_rows_of_other_columns():
    with pytest.raises(ShapeError, match=r"Standardize: is of 2 columns, the rows are float32\[N, ?3\]"):
        Standardize((0.0, 1.0), (1.0, 1.0)).prepared_type(TensorType("float32", (N, 3)), "float32")


def test_a_column_of_equal_numbers_has_a_deviation_of_1():
    """The mean of ten 0.1 is not quite 0.1: their computed deviation is 1e-17, by which nothing may be divided."""
    x = np.c_[np.full(10, 0.1), np.arange(10.0)]
    found = Standardize.of(x)
    assert found.std[0] == 1
    assert found.std[1] == pytest.approx(np.arange(10.0).std())


@pytest.mark.parametrize("x", [[["a", "b"]], [[1.0], [2.0, 3.0]], np.zeros((0, 3)), [1.0, 2.0]])
def test_what_cannot_be_standardized_is_one_line(x):
    with pytest.raises(UsageError, match=r"^Standardize\.of: takes [^\n]*$"):
        Standardize.of(x)


def test_a_class_that_is_defined_again_has_another_key():
    """In a notebook: what was compiled for the old one does something else."""

    def define():
        @dataclasses.dataclass(frozen=True)
        class Again(Transform):
            factor: float

        return Again

    assert define()(2.0).key != define()(2.0).key
