"""Several targets, and dicts of inputs, targets and outputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import DataError, SchussError, ShapeError, UsageError

from .support import fit, same_bits, weights

try:
    from polars import Series as PolarsSeries
except ImportError:  # no dependency of the suite
    PolarsSeries = pd.Series

RNG = np.random.default_rng(0)
X = RNG.standard_normal((48, 4)).astype("f4")
NUMBER, LABEL = X[:, 0] * 2 - X[:, 1], (X[:, 1] > 0).astype(int)


class Two(nn.Module):
    """A number and a class of each row; a tuple, or a dict by their names."""

    def __init__(self, names: tuple[str, ...] | None = None) -> None:
        self.number, self.label, self.names = nn.Linear(4, 1), nn.Linear(4, 2), names

    def forward(self, x):
        both = self.number(x), self.label(x)
        return both if self.names is None else dict(zip(self.names, both, strict=True))


class Parts(nn.Module):
    """Takes a dict of a table of bytes and numbers."""

    def __init__(self) -> None:
        self.left, self.right = nn.Linear(4, 1), nn.Linear(2, 1)

    def forward(self, x):
        return self.left(x["left"]) + self.right(x["right"])


def both(pred, target):
    number, label = pred.values() if isinstance(pred, dict) else pred
    a, b = target.values() if isinstance(target, dict) else target
    return nn.MSELoss()(number, a) + nn.CrossEntropyLoss()(label, b)


def squares(pred, target):
    return nn.MSELoss()(pred["a"], target)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_two_targets_are_learned(backend):
    def right(pred, target):
        return schuss.cast(schuss.argmax(pred[1], axis=1) == target[1], dtype="float32")

    model = Two()
    options = {"loss": both, "metrics": [right], "optimizer": optim.Adam(lr=0.05), "epochs": 40, "backend": backend}
    run = fit(model, (X, (NUMBER, LABEL)), validation=(X, (NUMBER, LABEL)), **options)
    assert run.last("val_loss") < 0.3
    assert run.last("val_right") > 0.9
    number, label = model(X)
    want = ((number[:, 0] - NUMBER) ** 2).mean() + nn.CrossEntropyLoss()(label, LABEL)
    assert run.last("val_loss") == pytest.approx(want, rel=1e-4)
    assert schuss.evaluate(model, (X, (NUMBER, LABEL)), loss=both)["loss"] == pytest.approx(want, rel=1e-4)


def test_every_form_is_the_same_run():
    ways = [
        (Two(), (NUMBER, LABEL)),
        (Two(), [NUMBER, LABEL]),
        (Two(), (list(NUMBER), list(LABEL))),
        (Two(("r", "c")), {"a": NUMBER, "b": LABEL}),
    ]
    made = []
    for model, y in ways:
        fit(model, (X, y), loss=both, epochs=1, backend="reference")
        made.append(weights(model))
    assert all(same_bits(made[0], other) for other in made[1:])


def test_a_share_is_held_out_of_every_target():
    run = fit(Two(), (X, {"a": NUMBER, "b": LABEL}), loss=both, validation=0.25, epochs=1, backend="reference")
    assert run.data.keys() == {"x0", "y", "y1"}
    assert [len(a) for a in run.data.values()] == [36] * 3
    assert np.isfinite(run.last("val_loss"))


def test_dicts_of_validation_data_go_by_their_names():
    one, other = Two(), Two()
    given = {"a": NUMBER, "b": LABEL}
    turned = {"b": LABEL, "a": NUMBER}
    options = {"loss": both, "epochs": 1, "backend": "reference"}
    run = fit(one, (X, given), validation=(X, turned), **options)
    assert run.history["val_loss"] == fit(other, (X, given), validation=(X, given), **options).history["val_loss"]
    with pytest.raises(ShapeError, match="validation y: is a dict of b, in training it was a dict of a, b"):
        fit(Two(), (X, given), validation=(X, {"b": LABEL}), **options)
    with pytest.raises(ShapeError, match="validation y: is several arrays, in training it was a dict"):
        fit(Two(), (X, given), validation=(X, (NUMBER, LABEL)), **options)
    with pytest.raises(SchussError, match="validation"):
        fit(Two(), (X, (NUMBER, LABEL)), validation=(X, NUMBER), **options)


def test_a_dict_of_inputs(tmp_path):
    images = RNG.integers(0, 256, (48, 4)).astype(np.uint8)
    x = {"left": images, "right": X[:, :2]}
    turned = {"right": X[:, :2], "left": images}
    model = Parts()
    options = {"loss": nn.MSELoss(), "scale": 1 / 255, "epochs": 3, "validation": (turned, NUMBER)}
    run = fit(model, (x, NUMBER), **options)
    assert [i.name for i in model.signature.inputs] == ["left", "right"]
    want = images / 255 @ model.left.weight.data.T + X[:, :2] @ model.right.weight.data.T
    want = want + model.left.bias.data + model.right.bias.data
    for given in (x, turned):
        np.testing.assert_allclose(model(given), want, rtol=1e-4, atol=1e-5)
    found = schuss.evaluate(model, (turned, NUMBER))
    assert found["loss"] == pytest.approx(run.last("val_loss"), rel=1e-5)
    path = tmp_path / "m.safetensors"
    schuss.save(model, path)
    again = schuss.load(path)
    np.testing.assert_allclose(again(turned), model(x), rtol=1e-6)
    assert again.signature.inputs == model.signature.inputs
    with pytest.raises(UsageError, match="the model takes a dict of left, right, got a dict of left"):
        again({"left": images})


def test_files_keep_the_names_of_outputs_and_targets(tmp_path):
    model = Two(("r", "c"))
    fit(model, (X, {"a": NUMBER, "b": LABEL}), loss=both, epochs=1, backend="reference")
    assert "target a" in repr(model.signature)
    path = tmp_path / "m.safetensors"
    schuss.save(model, path)
    again = schuss.load(path)
    assert again.signature.targets == model.signature.targets
    want, got = model(X), again(X)
    assert list(got) == ["r", "c"]
    assert all(np.array_equal(got[k], want[k]) for k in want)


def test_a_run_of_several_targets_goes_on(tmp_path):
    whole, parts = Two(), Two()
    data = (X, {"a": NUMBER, "b": LABEL})
    options = {"loss": both, "backend": "reference", "batch_size": 16}
    fit(whole, data, epochs=4, **options)
    fit(parts, data, epochs=2, checkpoint=tmp_path / "run.ckpt", **options)
    fit(parts, data, epochs=4, resume=tmp_path / "run.ckpt", **options)
    assert same_bits(weights(whole), weights(parts))


def test_one_of_several_outputs():
    run = fit(Two(("a", "b")), (X, NUMBER), loss=squares, epochs=1, backend="reference")
    assert np.isfinite(run.last("loss"))


@pytest.mark.parametrize("model", [Two(), Two(("a", "b"))])
@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.CrossEntropyLoss()])
def test_a_loss_of_ours_says_what_to_write(model, loss):
    with pytest.raises(UsageError, match=r"takes one prediction and got a (tuple|dict) of 2; write a loss of your own"):
        fit(model, (X, LABEL), loss=loss, backend="reference")


def test_lists_of_inputs():
    """Arrays with a row for each example are inputs, as in Keras; rows are rows, as in scikit-learn."""

    class Sum(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(4, 1), nn.Linear(4, 1)

        def forward(self, a, b):
            return self.a(a) + self.b(b)

    listed, paired = Sum(), Sum()
    options = {"loss": nn.MSELoss(), "epochs": 1, "backend": "reference"}
    fit(listed, ([X, X], NUMBER), **options)
    fit(paired, ((X, X), NUMBER), **options)
    assert same_bits(weights(listed), weights(paired))
    rows, whole = nn.Linear(4, 1), nn.Linear(4, 1)
    fit(rows, (list(X), NUMBER), **options)
    fit(whole, (X, NUMBER), **options)
    assert same_bits(weights(rows), weights(whole))
    assert np.array_equal(rows(list(X[:3])), rows(X[:3]))


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        ((X, (NUMBER, LABEL[:5])), {}, DataError, r"x has 48 examples but y\[1\] has 5"),
        ((X, {"a": NUMBER, "b": LABEL[:5]}), {}, DataError, r"x has 48 examples but y\['b'\] has 5"),
        ((X, {}), {}, DataError, "y is an empty dict"),
        ((X, {"a": {"b": NUMBER}}), {}, DataError, r"y\['a'\]: a dict has arrays by their names"),
        ((X, {0: NUMBER}), {}, DataError, "by their names"),
        ((X, (NUMBER, LABEL)), {"class_weight": "balanced"}, UsageError, "class_weight is for one target"),
        ((X, (NUMBER, LABEL)), {"sample_weight": np.ones(48)}, UsageError, "write it as a class"),
        ((X, {"a": NUMBER, "b": np.array(["u", "v"] * 24)}), {}, DataError, r"y\['b'\].*it is text"),
    ],
)
def test_what_does_not_fit(data, options, error, message):
    with pytest.raises(error, match=message):
        fit(Two(), data, loss=both, backend="reference", **options)


def test_weights_with_a_loss_that_gives_them():
    class Both:
        def __call__(self, pred, target):
            return self.per_example(pred, target).mean()

        def per_example(self, pred, target):
            return nn.MSELoss().per_example(pred[0], target[0]) + nn.CrossEntropyLoss().per_example(pred[1], target[1])

    run = fit(Two(), (X, (NUMBER, LABEL)), loss=Both(), sample_weight=np.ones(48), epochs=1, backend="reference")
    assert np.isfinite(run.last("loss"))


def test_a_tuple_for_a_model_of_one_argument_and_names_among_several_targets_name_the_mend() -> None:
    with pytest.raises(UsageError, match=r"x is 2 arrays, and the model takes \(x.*; give it forward\(self, a, b\)"):
        fit(nn.Linear(4, 1), ((X, X), NUMBER[:, None]), loss=nn.MSELoss())
    names = np.array(["cat", "dog"])[LABEL]
    mend = r"number its values: labels = np\.unique\(values, return_inverse=True\)\[1\]"
    for given, what in (
        ((NUMBER, names), r"y\[1\]"),
        ((list(NUMBER), list(names)), r"y\[1\]"),
        ((names, NUMBER), r"y\[0\]"),
        ((list(names), NUMBER), r"y\[0\]"),
        ({"n": NUMBER, "l": names}, r"y\['l'\]"),
        ({"n": NUMBER, "l": list(names)}, r"y\['l'\]"),
        ({"n": NUMBER, "l": pd.Series(names)}, r"y\['l'\]"),
        ({"n": NUMBER, "l": PolarsSeries(names)}, r"y\['l'\]"),
    ):
        with pytest.raises(DataError, match=f"{what}.* text.*{mend}"):
            fit(Two(), (X, given), loss=lambda p, t: p[0].mean())
