"""Which arrays are rows of a model's input: one rule of predict, evaluate and calls (schuss.signature.rows)."""

import dataclasses
import re

import numpy as np
import pytest

import schuss
from schuss import nn
from schuss.errors import DataError, SchussError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (6, 1, 4, 6), dtype=np.uint8)
Y = np.arange(6) % 2


@dataclasses.dataclass
class Plain:
    conv: object
    out: object

    def __call__(self, x):
        return self.out(nn.Flatten()(nn.ReLU()(self.conv(x))))


def trained(model, x=X):
    schuss.fit(model, (x, Y), loss=nn.CrossEntropyLoss(), optimizer=schuss.optim.SGD(lr=0.01), backend="reference")
    return model


def plain():
    return Plain(nn.Conv2d(1, 2, 3), nn.Linear(16, 2))


def chain():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


def calls(model):
    """What takes rows and gives the model's outputs."""
    return {
        "call": model,
        "frozen": schuss.freeze(model),
        "jit": schuss.jit(model),
        "traced": schuss.jit(lambda x: model(x * 1)),
        "probabilities": lambda x: np.log(schuss.predict_proba(model, x)),
    }


@pytest.fixture(scope="module", params=[chain, plain], ids=["Module", "plain object"])
def model(request):
    return trained(request.param())


ROWS = [(6, 1, 4, 6), (6, 4, 6), (6, 4, 6, 1), (6, 24), (1, 1, 4, 6), (1, 4, 6), (1, 24), (4, 4, 6)]


@pytest.mark.parametrize("shape", ROWS, ids=str)
def test_rows_of_any_of_these_shapes_are_the_same_rows(model, shape):
    """[1, 4, 6] and [4, 4, 6] too: the first axis is that of the examples, never the channels'."""
    x = X[: shape[0]]
    said = np.asarray(model(x))
    for name, call in calls(model).items():
        found = np.asarray(call(x.reshape(shape)))
        if name == "probabilities":
            found, said_here = found - found[:, :1], said - said[:, :1]
        else:
            said_here = said
        np.testing.assert_allclose(found, said_here, rtol=1e-4, atol=1e-5, err_msg=name)
    y = Y[: shape[0]]
    assert schuss.evaluate(model, (x.reshape(shape), y)) == schuss.evaluate(model, (x, y))


@pytest.mark.parametrize("shape", [(4, 6), (24,)], ids=str)
def test_one_example_gets_its_axis_in_predict_and_calls_name_the_mend(model, shape):
    one = X[0].reshape(shape)
    assert schuss.predict(model, one) == schuss.predict(model, X[:1])
    for name, call in calls(model).items():
        if name == "probabilities":
            continue
        with pytest.raises(ShapeError, match=r"trained on rows \[1, 4, 6\] and x is .*: give (x\[None\]|rows as)"):
            call(one)
    np.testing.assert_array_equal(model(one[None]), model(X[:1]))


@pytest.mark.parametrize("shape", [(6, 6, 4), (6, 5, 6), (6, 2, 12), (6, 25)], ids=str)
def test_other_rows_are_refused_by_all_with_those_of_the_training(model, shape):
    x = np.resize(X, shape)
    for name, call in calls(model).items():
        with pytest.raises((ShapeError, DataError), match=r"rows (of shape )?\[1, 4, 6\]") as told:
            call(x)
        assert "\n" not in str(told.value), name


def test_channels_last_are_told_by_name():
    model = trained(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(16, 2)), np.repeat(X, 3, axis=1))
    wrong = np.repeat(X, 3, axis=1).transpose(0, 2, 3, 1)
    for call in (*calls(model).values(), lambda x: schuss.evaluate(model, (x, Y))):
        with pytest.raises(SchussError, match=re.escape("x.transpose(0, 3, 1, 2)")):
            call(wrong)
    with pytest.raises(ShapeError, match=r"one example without the examples' axis: give x\[None\]"):
        model(X[0].repeat(3, axis=0))


def test_what_is_told_to_give_is_taken(model):
    """x[None] is advised only where it helps."""
    for shape in ((4, 6), (24,), (1, 1, 1, 4, 6), (1, 1, 1, 1, 4, 6)):
        x = np.resize(X, shape)
        with pytest.raises(ShapeError) as told:
            model(x)
        advised = "give x[None]" in str(told.value)
        assert advised == (len(shape) < 3), shape
        if advised:
            assert model(x[None]).shape == (1, 2)


def test_one_mend_is_told():
    model = trained(nn.Sequential(nn.Flatten(), nn.Linear(24, 2)))
    with pytest.raises(
        ShapeError, match=r"24 features on its last axis \(line: .*; the model was trained on .* x\[None\]"
    ):
        model(X[0, 0])
    with pytest.raises(ShapeError, match=r"24 features on its last axis: nn.Linear\(6, 2\) takes these"):
        nn.Sequential(nn.Flatten(), nn.Linear(24, 2))(X[0, 0])  # nothing else is known


def test_a_data_frame_is_rows_too():
    pd = pytest.importorskip("pandas")
    x = RNG.normal(size=(6, 1, 16)).astype("f4")

    @dataclasses.dataclass
    class Flat:
        out: object

        def __call__(self, x):
            return self.out(nn.Flatten()(x))

    for model in (trained(Flat(nn.Linear(16, 2)), x), trained(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), x)):
        np.testing.assert_allclose(model(pd.DataFrame(x[:, 0])), model(x), rtol=1e-5)


def test_an_error_of_a_call_keeps_its_frames():
    """In whose code it was, though the rows of the training are told with it."""

    class Own(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(4, 2)

        def forward(self, x):
            return self.inner(x)

    model = trained(Own(), RNG.normal(size=(6, 4)).astype("f4"))
    with pytest.raises(ShapeError, match=r"trained on rows \[4\]") as told:
        model(np.zeros((6, 3), "f4"))
    assert "return self.inner(x)" in [str(entry.statement).strip() for entry in told.traceback]


def test_a_call_takes_what_layers_take():
    """Whole rows with axes in front, and one row, as Linear takes them: a result's shape never hangs on a length 1."""
    x = RNG.normal(size=(6, 4)).astype("f4")
    model = trained(nn.Sequential(nn.Linear(4, 2)), x)
    for shape in ((6, 1, 4), (2, 3, 4), (1, 1, 4)):
        rows = np.resize(x, shape)
        np.testing.assert_allclose(model(rows).reshape(-1, 2), model(rows.reshape(-1, 4)), rtol=1e-5)
        assert model(rows).shape == (*shape[:-1], 2)
    assert model(x[0]).shape == (2,)
    assert schuss.jacobian(model)(x[0]).shape == (2, 4)
    one = trained(nn.Sequential(nn.Linear(1, 2)), x[:, :1])
    assert schuss.jacobian(one)(x[0, :1]).shape == (2, 1)
    assert one(x[0, :1]).shape == (2,)


def test_a_part_that_takes_the_same_data_reads_them_alike(model, tmp_path):
    if isinstance(model, Plain):
        pytest.skip("has no parts by number")
    np.testing.assert_array_equal(model[:2](X[:, 0]), model[:2](X))
    schuss.save(model, tmp_path / "m")
    np.testing.assert_array_equal(schuss.load(tmp_path / "m")(X.reshape(6, -1)), model(X))


def test_an_assigned_signature_with_other_rows_is_another_form():
    """Compiled calls depend on the shapes of rows."""
    model = trained(chain())
    flat = X.reshape(6, -1).astype("f4")
    model(flat)
    known = model.signature
    given = known.inputs[0]
    nn.set_signature(model, None)
    with pytest.raises(ShapeError):
        model(flat)
    nn.set_signature(model, dataclasses.replace(known, inputs=(dataclasses.replace(given, name="pixels"),)))
    assert model(flat).shape == (6, 2)
