"""A loss of the user's own, written as a function or as a class derived from nn.Loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.analysis.runs import loss_name
from schuss.errors import GradientError, ShapeError, UsageError

from .support import fit, line, same_bits, weights

X, Y = line(48)


def quantile(pred, target):
    error = target - pred[:, 0]
    return schuss.maximum(0.9 * error, -0.1 * error)


def product(pred, target):
    return pred * target


class Own(nn.Loss):
    def __init__(self, of):
        self.of, self.seen = of, []

    def elements(self, pred, target):
        self.seen.append((pred, target))
        return self.of(pred, target)


def both_ways(of, y, model=lambda: nn.Linear(2, 1)):
    """The trained weights, and what was seen, by a function and by a class."""
    inner, own = Own(of), Own(of)
    for loss, used in ((lambda p, t: inner.elements(p, t).mean(), inner), (own, own)):
        trained = model()
        fit(trained, (X, y), loss=loss, backend="reference")
        yield weights(trained), used.seen


@pytest.mark.parametrize(
    ("of", "y"),
    [
        (quantile, Y[:, 0]),
        (quantile, (10 * Y[:, 0]).astype(np.int32)),
        (product, Y),
        (lambda p, t: schuss.abs(p - schuss.one_hot(t, classes=1, dtype="float32")), np.zeros(48, np.int64)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_class_gets_what_a_function_gets(of, y):
    (trained, seen), (same, as_class) = both_ways(of, y)
    assert same_bits(trained, same)
    assert [[str(a.type) for a in pair] for pair in seen] == [[str(a.type) for a in pair] for pair in as_class]


def test_both_are_refused_where_examples_meet_each_other():
    for ways in (Own(lambda p, t: (p - t) ** 2), lambda p, t: ((p - t) ** 2).mean()):
        with pytest.raises(ShapeError, match="every example with every other"):
            fit(nn.Linear(2, 1), (X, Y[:, 0]), loss=ways, backend="reference")


def test_labels_are_left_to_a_loss_of_ones_own():
    """Beside several outputs they are no one-hot rows, and need not be classes."""
    hits = Own(lambda p, t: (p - schuss.cast(t, dtype="float32")[:, None]) ** 2)
    run = fit(nn.Linear(2, 3), (X, np.arange(48)), loss=hits, epochs=1, backend="reference")
    assert "accuracy" not in run.history
    assert {str(t.type) for _, t in hits.seen} == {"int64[N]"}


class Two(nn.Module):
    def __init__(self):
        self.a, self.b = nn.Linear(2, 1), nn.Linear(2, 3)

    def forward(self, x):
        return {"a": self.a(x), "b": self.b(x)}


def test_several_come_in_their_form():
    def of(pred, target):
        return (pred["a"][:, 0] - target[0]) ** 2 + (pred["b"] - target[1]).mean(axis=1) ** 2

    (trained, _), (same, _) = both_ways(of, (Y[:, 0], np.repeat(Y, 3, axis=1)), Two)
    assert same_bits(trained, same)


def test_weights_of_examples_need_a_class_and_the_message_is_right():
    w = np.arange(48) % 2
    with pytest.raises(UsageError, match=r"class Own\(nn.Loss\) with a method elements\(self, pred, target\)"):
        fit(nn.Linear(2, 1), (X, Y), loss=lambda p, t: quantile(p, t[:, 0]).mean(), sample_weight=w)
    model, half = nn.Linear(2, 1), nn.Linear(2, 1)
    options = {"backend": "reference", "batch_size": 48, "optimizer": optim.SGD(lr=0.1)}
    fit(model, (X, Y[:, 0]), loss=Own(quantile), sample_weight=w, **options)
    fit(half, (X[1::2], Y[1::2, 0]), loss=Own(quantile), **options)
    for name, value in weights(half).items():
        np.testing.assert_allclose(weights(model)[name], value, rtol=1e-5)


def test_arrays_give_arrays():
    pred, target = np.array([[1.0], [3.0]]), [2.0, 2.0]
    assert Own(quantile)(pred, target) == pytest.approx((0.9 + 0.1) / 2)
    assert Own(quantile).per_example(pred, target) == pytest.approx([0.9, 0.1])


class Slope(nn.Module):
    """A function u of one number and its derivative, as two columns or as a tuple."""

    def __init__(self, together):
        self.body, self.together = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)), together

    def forward(self, x):
        found = self.body(x), schuss.grad(lambda z: self.body(z).sum())(x)
        return schuss.concatenate(list(found), axis=1) if self.together else found


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("as_class", [True, False])
def test_what_compares_other_numbers_is_evaluated(together, as_class, tmp_path):
    """A loss of u + u' is no comparison of outputs with targets: errors of these are not defined, the loss is."""
    x, y = X[:, :1], Y[:, 0]

    def of(pred, target):
        u, slope = (pred[:, 0], pred[:, 1]) if together else (pred[0][:, 0], pred[1][:, 0])
        return (u + slope - target) ** 2

    def equation(pred, target):
        return of(pred, target).mean()

    loss, model = Own(of) if as_class else equation, Slope(together)
    fit(model, (x, y), loss=loss, backend="reference")
    u, slope = np.asarray(model(x)).T if together else (part[:, 0] for part in model(x))
    found = schuss.evaluate(model, (x, y), backend="reference")
    assert found == {"loss": pytest.approx(((u + slope - y) ** 2).mean(), rel=1e-5)}
    schuss.save(model, tmp_path / "m")
    loaded = schuss.load(tmp_path / "m")
    name = "Own" if as_class else "equation"
    with pytest.raises(UsageError, match=f"trained with {name}, a loss of your own that is not kept: give loss="):
        schuss.evaluate(loaded, (x, y))
    assert schuss.evaluate(loaded, (x, y), loss=loss, backend="reference") == pytest.approx(found)


class Undefined(nn.Loss):
    pass


class Number(nn.Loss):
    def elements(self, pred, target):
        return 1.0


class Nothing(nn.Loss):
    def elements(self, pred, target):
        pred[:, 0] - target


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (Undefined(), r"Undefined: has no elements: define elements\(self, pred, target\)"),
        (Number(), "Number: elements must return a tensor computed from pred and target .*, got a float"),
        (Nothing(), "Nothing: elements must return .*, got None: is a return missing"),
        (lambda p, y: 1.0, "the loss must return a tensor computed from pred and target .*, got a float"),
        (lambda p, y: np.float32(1), "the loss must return a tensor computed from .*, got a float32"),
        (lambda p, y: None, "the loss must return a tensor computed from .*, got None: is a return missing"),
    ],
)
def test_a_loss_that_computes_nothing_is_told_what_it_must(loss, words):
    x = np.ones((6, 2), "f4")
    with pytest.raises((UsageError, GradientError), match=words):
        schuss.fit(nn.Linear(2, 1), (x, x[:, 0]), loss=loss, optimizer=optim.SGD(0.1), epochs=1, backend="reference")


@dataclass(frozen=True)
class Focal(nn.CrossEntropyLoss):
    """Its outputs are read as those of what it is derived from."""

    def elements(self, pred, target):
        each = super().elements(pred, target)
        return each * (1 - schuss.exp(-each)) ** 2


class Signed(nn.Loss):
    """Says itself how outputs are read: of -1 and 1."""

    admits = nn.Admits("yes or no", "logits")
    label = "log of 1 + exp(-margin)"

    def elements(self, pred, target):
        return schuss.softplus(-pred[:, 0] * (2.0 * target - 1.0))

    def probabilities(self, outputs, axis=1):
        return 1 / (1 + np.exp(-outputs))


def test_what_a_loss_of_ones_own_says_is_heard():
    labels = (Y[:, 0] > 0).astype(np.int64)
    model = nn.Linear(2, 2)
    fit(model, (X, labels), loss=Focal())
    raw = np.exp(model(X).astype(np.float64))
    np.testing.assert_allclose(schuss.predict_proba(model, X), raw / raw.sum(1, keepdims=True), rtol=1e-6)

    model = nn.Linear(2, 1)
    run = fit(model, (X, labels), loss=Signed())
    assert run.history["accuracy"]
    assert loss_name(run.task) == "log of 1 + exp(-margin)"
    yes = 1 / (1 + np.exp(-model(X).astype(np.float64)))
    np.testing.assert_allclose(schuss.predict_proba(model, X), np.concatenate([1 - yes, yes], 1), rtol=1e-6)
    assert np.array_equal(schuss.predict(model, X), labels.dtype.type(yes[:, 0] > 0.5))


def test_a_loss_that_says_nothing_means_no_probabilities():
    model = nn.Linear(2, 1)
    fit(model, (X, Y), loss=Own(product))
    with pytest.raises(UsageError, match=r"trained with a loss Own, not for classes; apply schuss.softmax"):
        schuss.predict_proba(model, X)
