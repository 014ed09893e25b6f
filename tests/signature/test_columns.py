"""The columns of data frames go by their names: in another order they give the same numbers, other ones are refused."""

import copy
import pickle

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import DataError, ModelFileError
from schuss.nn.holding import own_signature
from schuss.signature.written import from_json

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

RNG = np.random.default_rng(0)
NAMES = ["age", "height", "weight"]
X = RNG.normal(size=(40, 3)).astype("f4")
Y = X @ np.array([[3.0], [-2.0], [0.5]], "f4")
MIXED = ["weight", "age", "height"]


def pandas_frame(array, names):
    return pd.DataFrame(array, columns=names)


def polars_frame(array, names):
    return pl.DataFrame(array, schema=names)


both = pytest.mark.parametrize("frame", [pandas_frame, polars_frame])


class Layers(nn.Module):
    def __init__(self):
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        return self.out(x)


class Plain:
    """No Module."""

    def __init__(self):
        self.out = nn.Linear(3, 1)

    def __call__(self, x):
        return self.out(x)


class Slots:
    __slots__ = ("out",)

    def __init__(self):
        self.out = nn.Linear(3, 1)

    def __call__(self, x):
        return self.out(x)


class Wrapper(nn.Module):
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


def fit(model, x, y=Y, **options):
    given = {"loss": nn.MSELoss(), "optimizer": optim.SGD(lr=0.1), "epochs": 2, "backend": "reference"}
    schuss.fit(model, (x, y), **{**given, **options})
    return model


def refused(call, *args):
    with pytest.raises(DataError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WAYS = {
    "itself": lambda m: m,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "jit": schuss.jit,
    "freeze": schuss.freeze,
    "wrapper": Wrapper,
    "sequential": nn.Sequential,
    "predict": lambda m: lambda x: schuss.predict(m, x)[:, None],
    "keyword": lambda m: lambda x: m(x=x),
}


@both
@pytest.mark.parametrize("kind", [Layers, Plain, Slots])
@pytest.mark.parametrize("way", WAYS)
def test_another_order_gives_the_same_numbers(frame, kind, way):
    model = WAYS[way](fit(kind(), frame(X, NAMES), Y[:, 0]))
    other = frame(X[:, [2, 0, 1]], MIXED)
    np.testing.assert_array_equal(model(other), model(X))
    np.testing.assert_array_equal(model(frame(X, NAMES)), model(X))
    assert "lacks 'age'" in refused(model, frame(X[:, 1:], NAMES[1:]))


def test_files_slices_and_words(tmp_path):
    model = fit(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), pandas_frame(X, NAMES))
    schuss.save(model, tmp_path / "m")
    loaded = schuss.load(tmp_path / "m")
    other = pandas_frame(X[:, [2, 0, 1]], MIXED)
    np.testing.assert_array_equal(loaded(other), model(X))
    np.testing.assert_array_equal(model[:2](other), model[:2](X))
    assert "(columns 'age', 'height', 'weight')" in repr(loaded.signature)
    assert loaded.signature.inputs[0].columns == tuple(NAMES)
    found = {data: schuss.evaluate(loaded, (x, Y), backend="reference") for data, x in (("a", X), ("b", other))}
    assert found["a"] == found["b"]
    schuss.save(Wrapper(model), tmp_path / "w")
    np.testing.assert_array_equal(schuss.load(tmp_path / "w")(other), model(X))


def test_a_file_whose_names_do_not_fit_is_refused():
    model = fit(Layers(), pandas_frame(X, NAMES))
    written = own_signature(model).to_json()
    assert from_json({"signature": written}).inputs == model.signature.inputs
    for names in (["a", "b"], "abc", [1, 2, 3]):
        written["inputs"][0]["columns"] = names
        with pytest.raises(ModelFileError, match="its columns are no names"):
            from_json({"signature": written})


@both
def test_what_is_wrong_with_the_columns_is_named(frame):
    model = fit(Layers(), frame(X, NAMES))
    told = refused(model, frame(X, ["age", "height", "income"]))
    assert told.startswith(
        "x: the data frame lacks 'weight' and has 'income', which the model was not trained on; give the columns"
    )
    wide = frame(np.hstack([X, Y]), [*NAMES, "price"])
    assert "has 'price', which the model" in refused(schuss.evaluate, model, (wide, Y))
    assert "has 'price', which the model" in refused(schuss.predict, model, wide)
    told = refused(lambda: fit(Layers(), frame(X, NAMES), validation=(wide, Y)))
    assert told.startswith("validation x: the data frame has 'price'")


def test_columns_without_names_go_by_position():
    model = fit(Layers(), pandas_frame(X, NAMES))
    np.testing.assert_array_equal(model(pd.DataFrame(X)), model(X))
    unnamed = fit(Layers(), pd.DataFrame(X))
    assert unnamed.signature.inputs[0].columns is None
    np.testing.assert_array_equal(unnamed(pandas_frame(X, MIXED)), unnamed(X))
    np.testing.assert_array_equal(unnamed(pd.DataFrame(X)[[2, 0, 1]]), unnamed(X))  # numbered, but not in turn
    twice = pandas_frame(X, ["a", "a", "b"])
    model = fit(Layers(), twice)
    np.testing.assert_array_equal(model(twice), model(X))
    assert "has 'a' more than once" in refused(model, twice.iloc[:, [2, 0, 1]])


def test_validation_and_a_second_fit_are_in_the_order_of_the_first():
    named, other = pandas_frame(X, NAMES), pandas_frame(X[:, [2, 0, 1]], MIXED)
    losses = []
    for validation in (named, other, X):
        run = schuss.fit(
            Layers(), (named, Y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=1, backend="reference",
            validation=(validation, Y),
        )  # fmt: skip
        losses.append(run.last("val_loss"))
    assert len(set(losses)) == 1
    first, second, third = (fit(Layers(), named) for _ in range(3))
    for model, x in ((first, named), (second, other), (third, X)):
        fit(model, x)
        assert model.signature.inputs[0].columns == tuple(NAMES)
    np.testing.assert_array_equal(first(X), second(X))
    np.testing.assert_array_equal(first(X), third(X))
    assert fit(first, pandas_frame(X, ["a", "b", "c"])).signature.inputs[0].columns == ("a", "b", "c")


class Two(nn.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(3, 1), nn.Linear(2, 1)

    def forward(self, x, z):
        return self.a(x) + self.b(z)


class OfDict(Two):
    def forward(self, parts):
        return super().forward(parts["x"], parts["z"])


@pytest.mark.parametrize("keyed", [False, True])
def test_several_inputs(keyed, tmp_path):
    z = X[:, :2] * 2
    right = pandas_frame(X, NAMES), pandas_frame(z, ["a", "b"])
    other = pandas_frame(X[:, [2, 0, 1]], MIXED), pandas_frame(z[:, ::-1], ["b", "a"])
    form = (lambda x, z: ({"z": z, "x": x},)) if keyed else (lambda *xs: xs)
    data = (lambda xs: form(*xs)[0]) if keyed else (lambda xs: xs)
    model = fit(OfDict() if keyed else Two(), data(right))
    wanted = model(*form(X, z))
    schuss.save(model, tmp_path / "m")
    for each in (model, schuss.load(tmp_path / "m"), schuss.jit(model)):
        np.testing.assert_array_equal(each(*form(*other)), wanted)
    assert schuss.evaluate(model, (data(other), Y)) == schuss.evaluate(model, (data((X, z)), Y))
    assert "z" in refused(model, *form(other[0], other[0])) or not keyed


def test_targets_of_several_columns(tmp_path):
    y = np.hstack([Y, X[:, :1]])
    right, other = pandas_frame(y, ["price", "age"]), pandas_frame(y[:, ::-1], ["age", "price"])
    model = fit(nn.Linear(3, 2), X, right, validation=(X, other))
    assert model.signature.output.columns == ("price", "age")
    schuss.save(model, tmp_path / "m")
    for each in (model, schuss.load(tmp_path / "m")):
        assert schuss.evaluate(each, (X, other)) == schuss.evaluate(each, (X, y))
    assert "y: the data frame lacks 'price'" in refused(schuss.evaluate, model, (X, pandas_frame(y, ["age", "b"])))
    assert fit(nn.Linear(3, 1), X, pandas_frame(Y, ["price"])).signature.output.columns is None


def test_pictures_and_explanations_take_frames_by_name():
    schuss_viz = pytest.importorskip("schuss.viz")
    model = fit(Layers(), pandas_frame(X, NAMES))
    other = pandas_frame(X[:, [2, 0, 1]], MIXED)
    np.testing.assert_array_equal(schuss_viz.saliency_data(model, other), schuss_viz.saliency_data(model, X))
    run, same = (schuss_viz.as_run(model, x, Y) for x in (other, X))
    np.testing.assert_array_equal(run.data["x0"], same.data["x0"])


@both
def test_a_number_that_is_none_is_named_by_its_column(frame):
    bad = X.copy()
    bad[7, 1] = np.nan
    told = refused(lambda: fit(Layers(), frame(bad, NAMES)))
    assert told == "x: nan at row 7, column 'height'; fill or drop such entries"
    model = fit(Layers(), frame(X, NAMES))
    assert "column 'height'" in refused(schuss.evaluate, model, (frame(bad[:, [2, 0, 1]], MIXED), Y))
    large = X.astype("f8")
    large[3, 2] = 1e300
    assert "at row 3, column 'weight' is beyond float32" in refused(model, frame(large, NAMES))


@both
@pytest.mark.parametrize("derivative", [schuss.grad, schuss.value_and_grad, schuss.jacobian])
def test_gradients_refuse_another_order(frame, derivative):
    """The gradient has the order of its argument: neither the model's nor the frame's would be seen to be it."""

    class Total(Layers):
        def forward(self, x):
            return self.out(x).sum(axis=1)

    model = fit(Total(), frame(X, NAMES), Y[:, 0])
    one = derivative(schuss.jit(model) if derivative is schuss.jacobian else model)
    row = X[:1]
    if derivative is schuss.jacobian:
        np.testing.assert_array_equal(one(frame(row, NAMES)), one(row))
    with pytest.raises(DataError, match=r"another order than in fit; give frame\[\['age', 'height', 'weight'\]\]"):
        derivative(model)(frame(row[:, [2, 0, 1]], MIXED))


@pytest.mark.parametrize("words", [[["no", "yes"]], [["no"], ["a", "b"]], [["no", 1], ["a", "b"]], "no", [[], []]])
def test_words_of_labels_that_do_not_fit_are_damage(words):
    from schuss.ir.types import N, TensorType
    from schuss.signature import Output
    from schuss.signature.written import _output

    output = Output(TensorType("float64", (N, 2)), "classification", kind="bool", words=(("no", "yes"), ("f", "t")))
    assert _output(output.to_json()) == output
    with pytest.raises(ModelFileError, match="its words are no pairs of texts, one for each column"):
        _output({**output.to_json(), "words": words})
