"""fit: what it learns, what it reports, what it accepts and refuses."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import schuss
from schuss import nn, ops, optim
from schuss.data import split_validation
from schuss.errors import DataError, GradientError, SchussError, ShapeError, UsageError
from schuss.ops.philox import key_from_seed
from schuss.train.fit import prepare
from schuss.train.weights import class_table

from .support import blobs, close, fit, line, mlp, same_bits, weights, xor

# -- it learns -----------------------------------------------------------------------------------------


def test_learns_xor():
    model = mlp(2, 8, 2)
    run = fit(model, xor(), optimizer=optim.Adam(lr=0.05), epochs=200, batch_size=4)
    assert run.last("loss") < 0.05
    assert run.last("accuracy") == 1.0
    assert model(xor()[0]).argmax(axis=1).tolist() == [0, 1, 1, 0]


def test_learns_xor_with_one_output():
    x, y = xor()
    run = fit(mlp(2, 8, 1), (x, y), loss=nn.BCEWithLogitsLoss(), optimizer=optim.Adam(lr=0.05), epochs=200)
    assert run.last("loss") < 0.05
    assert run.last("accuracy") == 1.0


def test_learns_blobs():
    data = blobs()
    run = fit(mlp(4, 16, 3), data, epochs=15, validation=blobs(seed=1))
    assert run.history["loss"][0] > 0.4
    assert run.last("loss") < 0.3
    assert run.last("val_accuracy") > 0.9


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_learns_a_line(backend):
    model = nn.Linear(2, 1)
    run = fit(model, line(), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=40, backend=backend)
    assert run.last("loss") < 1e-4
    np.testing.assert_allclose(model.weight.data, [[2, -3]], atol=0.02)
    np.testing.assert_allclose(model.bias.data, [1], atol=0.02)
    assert "accuracy" not in run.history


# -- what it reports -----------------------------------------------------------------------------------


def test_history_has_one_entry_an_epoch_in_every_column():
    lr = optim.Exponential(0.1, gamma=0.5)
    run = fit(mlp(4, 3), blobs(100), epochs=3, validation=blobs(30), optimizer=optim.SGD(lr=lr), batch_size=40)
    assert list(run.history) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    assert all(len(column) == 3 for column in run.history.values())
    assert run.history["epoch"] == [1, 2, 3]
    assert run.history["lr"] == pytest.approx([0.1 * 0.5 ** (3 * e + 2) for e in range(3)])
    assert (run.epochs, run.steps, run.stopped) == (3, 9, None)
    assert run.best == 1 + int(np.argmin(run.history["val_loss"]))
    assert "epochs=3" in repr(run)
    assert run.last("nothing") is None


def test_without_validation_there_is_no_best():
    run = fit(mlp(4, 3), blobs(), backend="reference")
    assert run.best is None
    assert not [name for name in run.history if name.startswith("val_")]


def test_means_are_of_the_examples():
    """With a rate that changes nothing the epoch's loss is the loss of all examples, a short last batch included."""
    x, y = blobs(50)
    model = mlp(4, 3)
    run = fit(model, (x, y), optimizer=optim.SGD(lr=1e-30), epochs=1, batch_size=32)
    logits = model(x).astype("f8")
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert run.last("loss") == pytest.approx(-logp[np.arange(50), y].mean(), rel=1e-5)
    assert run.last("accuracy") == pytest.approx((logits.argmax(axis=1) == y).mean())


def test_means_are_of_their_epoch_alone():
    """With one batch an epoch its loss is that of the weights after the epoch before."""
    data, after = line(), []
    model = nn.Linear(2, 1)

    def look(run):
        after.append(schuss.evaluate(run.model, data, loss=nn.MSELoss(), backend="reference")["loss"])

    run = fit(model, data, loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.1), epochs=4, batch_size=len(data[0]),
              callbacks=[look], backend="reference")  # fmt: skip
    np.testing.assert_allclose(run.history["loss"][1:], after[:-1], rtol=1e-5)
    assert after[-1] < 0.9 * after[0]


def test_validation_is_measured_without_dropout_and_with_the_weights_after_the_epoch():
    x, y = blobs(60)
    model = mlp(4, 8, 3, dropout=0.5)
    run = fit(model, (x, y), epochs=1, validation=(x, y))
    assert run.last("val_accuracy") == pytest.approx((model(x).argmax(axis=1) == y).mean())


def test_a_share_for_validation_is_held_out():
    x, y = blobs(100)
    trainer = prepare(mlp(4, 3), (x, y), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(lr=0.1), epochs=1,
                      batch_size=32, validation=0.25, seed=3, backend="reference")  # fmt: skip
    held = trainer.evaluation._loop._columns["x0"]
    kept = trainer.data["x0"]
    assert (len(kept), len(held)) == (75, 25)
    assert sorted(map(tuple, np.concatenate([kept, held]))) == sorted(map(tuple, x))
    assert "val_loss" in trainer.train().history


@pytest.mark.parametrize("share", [1.0, -0.1, 1.5, 0.999])
def test_a_share_must_leave_something(share):
    with pytest.raises(UsageError, match="validation"):
        fit(mlp(4, 3), blobs(20), validation=share)


def test_validation_share_of_nothing_is_none():
    assert "val_loss" not in fit(mlp(4, 3), blobs(), validation=0.0, backend="reference").history


# -- metrics -------------------------------------------------------------------------------------------


def absolute_error(pred, target):
    return ops.abs(pred - target).mean(axis=1)


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_metrics_of_an_example_and_of_a_batch(backend):
    x, y = line(50)
    model = nn.Linear(2, 1)
    run = fit(
        model, (x, y), loss=nn.MSELoss(), optimizer=optim.SGD(lr=1e-30), epochs=1, validation=(x[:10], y[:10]),
        metrics={"each": absolute_error, "all": lambda p, t: ops.abs(p - t).mean()}, backend=backend,
    )  # fmt: skip
    error = np.abs(model(x) - y)
    assert run.last("each") == pytest.approx(error.mean(), rel=1e-5)
    assert run.last("all") == pytest.approx(error.mean(), rel=1e-5)
    assert run.last("val_each") == pytest.approx(error[:10].mean(), rel=1e-5)


def test_metrics_in_a_list_go_by_their_names():
    run = fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), metrics=[absolute_error], backend="reference")
    assert len(run.history["absolute_error"]) == 2


@pytest.mark.parametrize(
    "metrics",
    [{"loss": absolute_error}, {"count": absolute_error}, {"seconds": absolute_error}, {"val_loss": absolute_error},
     [absolute_error, absolute_error], [lambda p, t: p.mean(), lambda p, t: t.mean()]],
)  # fmt: skip
def test_metrics_need_names_of_their_own(metrics):
    with pytest.raises(UsageError, match=r"metrics need names of their own, .* is taken"):
        fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), metrics=metrics)


def test_an_accuracy_of_ones_own():
    run = fit(mlp(4, 3), blobs(), metrics={"accuracy": lambda p, t: p.mean() * 0.0 + 7.0}, backend="reference")
    assert run.last("accuracy") == 7.0


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.SmoothL1Loss()])
def test_integers_are_numbers_to_a_regression(loss):
    x, y = blobs(30)
    a, b = mlp(4, 1), mlp(4, 1)
    run = fit(a, (x, 10 * y - 5), loss=loss, backend="reference")
    fit(b, (x, (10 * y - 5).astype("f4")), loss=loss, backend="reference")
    assert "accuracy" not in run.history
    close(weights(a), weights(b), 1e-6)


def test_a_metric_of_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"metric wide: must return one value an example, \[N\], or a scalar; got"):
        fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), metrics={"wide": lambda p, t: p - t})


# -- callbacks -----------------------------------------------------------------------------------------


def test_callbacks_see_every_epoch_and_its_weights():
    seen, ends = [], []

    class Watch:
        def begin(self, run):
            seen.append(("begin", run.epochs))

        def epoch(self, run):
            seen.append(("epoch", run.epochs, run.last("loss"), weights(run.model)))

        def end(self, run):
            seen.append(("end", run.epochs))

    class OnlyEnd:
        def end(self, run):
            ends.append(run.stopped)

    model = mlp(4, 3)
    run = fit(model, blobs(), epochs=3, callbacks=[Watch(), OnlyEnd()], backend="reference")
    assert [s[:2] for s in seen] == [("begin", 0), ("epoch", 1), ("epoch", 2), ("epoch", 3), ("end", 3)]
    assert [s[2] for s in seen[1:4]] == run.history["loss"]
    assert not same_bits(seen[1][3], seen[2][3])
    assert same_bits(seen[3][3], weights(model))
    assert ends == [None]


def test_a_function_is_called_after_each_epoch_and_true_stops():
    calls = []

    def stop_after_two(run):
        calls.append(run.epochs)
        return run.epochs == 2

    run = fit(mlp(4, 3), blobs(), epochs=9, callbacks=[stop_after_two], backend="reference")
    assert calls == [1, 2]
    assert run.epochs == 2
    assert "callback" in run.stopped
    other = mlp(4, 3)
    fit(other, blobs(), epochs=2, backend="reference")
    assert same_bits(weights(run.model), weights(other))


@pytest.mark.parametrize("callbacks", [3, lambda run: None, [3], [None], ["print"]])
def test_callbacks_that_are_none(callbacks):
    with pytest.raises(UsageError, match="callbacks must be"):
        fit(mlp(4, 3), blobs(), callbacks=callbacks, backend="reference")


def test_begin_may_stop_the_run():
    run = fit(mlp(4, 3), blobs(), callbacks=[SimpleNamespace(begin=lambda run: True)], backend="reference")
    assert run.epochs == 0


@pytest.mark.parametrize("true", [np.True_, np.array(True), np.array([True]), np.float32(1) > 0])
def test_true_of_numpy_stops_like_python_s(true):
    for callback in (
        lambda run: true,
        SimpleNamespace(begin=lambda run: true),
        SimpleNamespace(epoch=lambda run: true),
    ):
        assert fit(mlp(4, 3), blobs(), epochs=3, callbacks=[callback], backend="reference").epochs < 2


@pytest.mark.parametrize(
    "value", [1, 1.0, "yes", np.float32(1), np.int64(1), np.array([True, True]), [True], np.False_]
)
def test_a_callback_s_other_values_are_by_products(value):
    assert fit(mlp(4, 3), blobs(), epochs=3, callbacks=[lambda run: value], backend="reference").epochs == 3


def test_a_class_in_place_of_a_callback_is_named():
    class Plot(schuss.train.callbacks.Callback):
        pass

    with pytest.raises(UsageError, match=r"callbacks must be objects, not classes: write Plot\(\)"):
        fit(mlp(4, 3), blobs(), callbacks=[Plot], backend="reference")


# -- weights of examples and of classes ----------------------------------------------------------------


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_whole_sample_weights_are_rows_given_twice(backend):
    x, y = blobs(24)
    times = np.array([1, 2, 3] * 8)
    options = {"optimizer": optim.SGD(lr=0.1), "epochs": 5, "batch_size": 100, "shuffle": False, "backend": backend}
    weighted, repeated = mlp(4, 8, 3), mlp(4, 8, 3)
    run = fit(weighted, (x, y), sample_weight=times, **options)
    fit(repeated, (np.repeat(x, times, axis=0), np.repeat(y, times)), **options)
    close(weights(weighted), weights(repeated))
    assert run.history["loss"][0] > 0


def weighted_loss(model, x, y, w):
    logits = model(x).astype("f8")
    logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-(w * logp[np.arange(len(y)), y]).sum() / w.sum())


@pytest.mark.parametrize(
    ("given", "table"),
    [
        ("balanced", [60 / (3 * 30), 60 / (3 * 20), 60 / (3 * 10)]),
        ({0: 0.5, 2: 4.0}, [0.5, 1.0, 4.0]),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        (np.array([1, 2, 3, 9]), [1.0, 2.0, 3.0]),
    ],
)
def test_class_weights(given, table):
    x = np.random.default_rng(0).standard_normal((60, 4)).astype("f4")
    y = np.repeat([0, 1, 2], [30, 20, 10])
    model = mlp(4, 3)
    run = fit(model, (x, y), class_weight=given, optimizer=optim.SGD(lr=1e-30), epochs=1, batch_size=60)
    assert run.last("loss") == pytest.approx(weighted_loss(model, x, y, np.array(table)[y]), rel=1e-5)


def test_both_weights_multiply():
    x, y = blobs(30)
    sample = np.linspace(0.0, 2.0, 30)
    model = mlp(4, 3)
    run = fit(model, (x, y), class_weight=[1, 2, 3], sample_weight=sample, optimizer=optim.SGD(lr=1e-30), epochs=1)
    expected = weighted_loss(model, x, y, sample * np.array([1, 2, 3])[y])
    assert run.last("loss") == pytest.approx(expected, rel=1e-5)


def test_class_weights_do_not_touch_validation():
    x, y = blobs(30)
    model = mlp(4, 3)
    run = fit(model, (x, y), class_weight=[1, 2, 30], validation=(x, y), epochs=1, backend="reference")
    assert run.last("val_loss") == pytest.approx(weighted_loss(model, x, y, np.ones(30)), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_weight": np.ones(7)}, ShapeError, "sample_weight"),
        ({"sample_weight": np.ones((30, 2))}, ShapeError, "sample_weight"),
        ({"sample_weight": -np.ones(30)}, DataError, "sample_weight: weights must not be negative"),
        ({"sample_weight": np.zeros(30)}, DataError, "all zero"),
        ({"sample_weight": np.full(30, np.nan)}, DataError, "sample_weight: nan at row 0"),
        ({"class_weight": "even"}, UsageError, "'balanced', got 'even'"),
        ({"class_weight": [1.0, 2.0]}, UsageError, "class_weight has 2 weights for labels up to 2"),
        ({"class_weight": [1.0, -2.0, 1.0]}, SchussError, "class_weight"),
        ({"class_weight": [1.0, np.nan, 1.0]}, SchussError, "class_weight"),
        ({"class_weight": {0: -1.0}}, SchussError, "class_weight"),
        ({"class_weight": {10**12: 2.0, -1: 2.0}}, SchussError, "class_weight"),
        ({"class_weight": {"cat": 2.0}}, SchussError, "class_weight"),
        ({"class_weight": [0.0, 0.0, 0.0]}, SchussError, "class_weight"),
    ],
)
def test_weights_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=message):
        fit(mlp(4, 3), blobs(30), backend="reference", **options)


@pytest.mark.parametrize(("weighting", "share"), [("data", 2.0), ("batch", 1.0)])
@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_batch_whose_examples_all_weigh_nothing(backend, weighting, share):
    """It changes nothing and is worth nothing."""
    x, y = blobs(20)
    a, b = mlp(4, 3), mlp(4, 3)
    options = {"batch_size": 5, "shuffle": False, "backend": backend, "epochs": 1}
    weight = np.repeat([1, 0], 10)
    run = fit(a, (x, y), sample_weight=weight, weighting=weighting, optimizer=optim.SGD(lr=0.1), **options)
    fit(b, (x[:10], y[:10]), optimizer=optim.SGD(lr=0.1 * share), **options)
    assert np.isfinite(run.last("loss"))
    close(weights(a), weights(b), 1e-6)


def uneven(n=120):
    """Labels of which a tenth is 1, overlapping; float64."""
    rng = np.random.default_rng(3)
    y = (np.arange(n) % 10 == 0).astype(int)
    return rng.standard_normal((n, 3)) + 0.8 * y[:, None], y


def pull(x, y, options, **fitted):
    """How far small batches move a logistic regression away from scikit-learn's optimum, for a step and a rate of 1."""
    best = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000, **fitted.pop("sklearn")).fit(x, y, **fitted)
    model = nn.to_dtype(nn.Linear(3, 1), "float64")
    start = {"weight": best.coef_, "bias": best.intercept_}
    nn.load_state_dict(model, start)
    given = {"loss": nn.BCEWithLogitsLoss(), "optimizer": optim.SGD(lr=1e-7), "epochs": 1, "batch_size": 4}
    fit(model, (x, y), **given, **options)
    return max(abs(p.data - start[n]).max() for n, p in nn.named_parameters(model).items()) / 1e-7 / (len(y) / 4)


def test_balanced_weights_in_small_batches_have_scikit_learns_optimum():
    x, y = uneven()
    assert pull(x, y, {"class_weight": "balanced"}, sklearn={"class_weight": "balanced"}) < 1e-5
    assert pull(x, y, {"class_weight": "balanced", "weighting": "batch"}, sklearn={"class_weight": "balanced"}) > 1e-2
    table = {0: 0.5, 1: 7.0}
    assert pull(x, y, {"class_weight": table}, sklearn={"class_weight": table}) < 1e-5


def test_sample_weights_in_small_batches_have_scikit_learns_optimum():
    x, y = uneven()
    w = np.random.default_rng(0).uniform(0, 9, len(y))
    assert pull(x, y, {"sample_weight": w}, sklearn={}, sample_weight=w) < 1e-5
    table = {0: 0.5, 1: 7.0}
    both = {"sample_weight": w, "class_weight": table}
    assert pull(x, y, both, sklearn={"class_weight": table}, sample_weight=w) < 1e-5


def test_weights_of_one_are_no_weights():
    a, b = mlp(4, 3), mlp(4, 3)
    fit(a, blobs(40), sample_weight=np.full(40, 7.0))
    fit(b, blobs(40))
    close(weights(a), weights(b), 1e-6)


def test_the_weights_of_version_0_1_0():
    """Each batch divided by its own sum of weights, as before there was a choice."""
    x, y = blobs(40)
    w = np.linspace(0.5, 4.0, 40)
    model, steps = mlp(4, 3), []
    options = {"batch_size": 8, "shuffle": False, "optimizer": optim.SGD(lr=1e-30)}
    run = fit(model, (x, y), sample_weight=w, weighting="batch", epochs=1, **options)
    for at in range(0, 40, 8):
        steps.append(weighted_loss(model, x[at : at + 8], y[at : at + 8], w[at : at + 8]))
    assert run.last("loss") == pytest.approx(np.mean(steps), rel=1e-5)


def test_class_weights_beside_ignored_labels():
    """These count neither in the balance nor in the mean."""
    x, y = np.random.default_rng(0).standard_normal((30, 4)).astype("f4"), np.repeat([0, 1, 2], [15, 9, 6])
    some = np.where(np.arange(30) % 3 == 2, -1, y)
    some[:5] = -1  # of class 0 five are left, of the others six and four
    model = mlp(4, 3)
    loss = nn.CrossEntropyLoss(ignore_index=-1)
    options = {
        "loss": loss,
        "class_weight": "balanced",
        "optimizer": optim.SGD(lr=1e-30),
        "epochs": 1,
        "batch_size": 30,
    }
    run = fit(model, (x, some), **options)
    kept = some >= 0
    balanced = kept.sum() / (3 * np.bincount(y[kept]))
    expected = weighted_loss(model, x[kept], y[kept], balanced[y[kept]])
    assert run.last("loss") == pytest.approx(expected, rel=1e-5)
    assert "accuracy" in run.history


def test_balanced_weights_are_of_the_classes_there_are():
    y = np.array([0, 0, 2, 0])
    np.testing.assert_allclose(class_table("balanced", y, np.ones(4, bool))[y], [2 / 3, 2 / 3, 2, 2 / 3])


def test_class_weight_needs_classes():
    with pytest.raises(UsageError, match="class_weight needs labels, one an example"):
        fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), class_weight=[1, 2])


def test_a_plain_loss_cannot_be_weighted():
    with pytest.raises(UsageError, match="elements"):
        fit(nn.Linear(2, 1), line(), loss=lambda p, t: ((p - t) ** 2).mean(), sample_weight=np.ones(60))


# -- clipping and early stops ----------------------------------------------------------------------------


def test_clip_norm_bounds_the_step():
    model = nn.Linear(2, 1)
    nn.initialize(model, 0)
    before = weights(model)
    fit(model, line(), loss=nn.MSELoss(), optimizer=optim.SGD(lr=1.0), epochs=1, batch_size=60, clip_norm=0.01)
    change = np.concatenate([(weights(model)[n] - before[n]).ravel() for n in before])
    assert np.linalg.norm(change) == pytest.approx(0.01, rel=1e-3)


def test_early_stop_restores_the_best_weights():
    """Validation labels are the training labels turned round: what is learned makes it worse."""
    x, y = blobs(90)
    kept = {}
    model = mlp(4, 8, 3)
    run = fit(
        model, (x, y), epochs=50, validation=(x, (y + 1) % 3), early_stop=3, optimizer=optim.Adam(lr=1e-2),
        callbacks=[lambda run: kept.__setitem__(run.epochs, weights(run.model))],
    )  # fmt: skip
    assert run.epochs == run.best + 3
    assert run.best == 1 + int(np.argmin(run.history["val_loss"]))
    assert "no better for 3 epochs" in run.stopped
    assert same_bits(weights(model), kept[run.best])
    assert not same_bits(weights(model), kept[run.epochs])


def test_early_stop_without_validation_watches_the_training_loss():
    run = fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), optimizer=optim.SGD(lr=1e-30), epochs=20, early_stop=2,
              batch_size=60, shuffle=False, backend="reference")  # fmt: skip
    assert (run.epochs, run.best) == (3, 1)


def test_a_run_to_the_end_with_early_stop_also_has_the_best_weights():
    kept = {}
    model = mlp(4, 3)
    x, y = blobs()
    run = fit(model, (x, y), epochs=4, early_stop=9, validation=(x, (y + 1) % 3), backend="reference",
              callbacks=[lambda run: kept.__setitem__(run.epochs, weights(run.model))])  # fmt: skip
    assert run.stopped is None
    assert run.best == 1
    assert same_bits(weights(model), kept[1])


# -- data of every kind ----------------------------------------------------------------------------------


def test_bytes_stay_bytes_and_are_scaled():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (96, 10), dtype=np.uint8)
    y = (x[:, 0] > 127).astype("i8")
    options = {
        "loss": nn.CrossEntropyLoss(),
        "optimizer": optim.Adam(lr=1e-2),
        "epochs": 3,
        "batch_size": 32,
        "validation": None,
        "seed": 0,
    }
    as_bytes, as_floats = mlp(10, 8, 2), mlp(10, 8, 2)
    trainer = prepare(as_bytes, (x, y), **options, scale=1 / 255)
    assert trainer.data["x0"] is x
    assert trainer.loop._columns["x0"] is x
    trainer.train()
    prepare(as_floats, ((x / 255).astype("f4"), y), **options).train()
    close(weights(as_bytes), weights(as_floats), 1e-4)


def test_a_scale_of_ones_own():
    rng = np.random.default_rng(0)
    x, y = rng.integers(-5, 6, (40, 4)), np.arange(40) % 3
    a, b = mlp(4, 3), mlp(4, 3)
    fit(a, (x, y), scale=0.2, backend="reference")
    fit(b, ((x * 0.2).astype("f4"), y), backend="reference")
    close(weights(a), weights(b))


def test_bytes_are_scaled_beside_floats_that_are_not():
    x, y = blobs(60)
    rng = np.random.default_rng(0)
    left = rng.integers(0, 256, (60, 2), dtype=np.uint8)
    a, b = TwoInputs(), TwoInputs()
    fit(a, ((left, x[:, 2:]), y), backend="reference", scale=1 / 255)
    fit(b, (((left / 255).astype("f4"), x[:, 2:]), y), backend="reference")
    close(weights(a), weights(b), 1e-5)


def test_integers_too_large_are_refused():
    with pytest.raises(DataError, match="x: 18446744073709551615 is too large for int64"):
        fit(mlp(4, 3), (np.full((3, 4), 2**64 - 1, "u8"), np.zeros(3, int)))


def test_other_integers_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    x, y = rng.integers(-5, 6, (40, 4)), np.arange(40) % 3
    a, b = mlp(4, 3), mlp(4, 3)
    fit(a, (x, y), backend="reference")
    fit(b, (x.astype("f4"), y), backend="reference")
    close(weights(a), weights(b))


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "uint64", "bool", "int32"])
def test_integers_of_every_width(dtype):
    x = np.random.default_rng(0).integers(0, 2, (40, 4))
    y = np.arange(40) % 3
    a, b = mlp(4, 3), mlp(4, 3)
    fit(a, (x.astype(dtype), y.astype(dtype) if dtype != "bool" else y), backend="reference")
    fit(b, (x.astype("f4"), y), backend="reference")
    close(weights(a), weights(b))


def test_float64_data_for_a_float32_model():
    x, y = blobs(60)
    a, b = mlp(4, 3), mlp(4, 3)
    fit(a, (x.astype("f8"), y))
    fit(b, (x, y))
    assert same_bits(weights(a), weights(b))
    assert a[0].weight.data.dtype == np.float32


def test_a_float64_model():
    model, other = nn.to_dtype(mlp(4, 8, 3), "float64"), nn.to_dtype(mlp(4, 8, 3), "float64")
    run = fit(model, blobs(), validation=blobs(30))
    fit(other, blobs(), validation=blobs(30), backend="reference")
    assert all(w.dtype == np.float64 for w in weights(model).values())
    close(weights(model), weights(other), 1e-12)
    assert run.last("val_loss") > 0


class Interface:
    """An array in no more than numpy's array interface."""

    def __init__(self, array):
        self.array = array
        self.__array_interface__ = array.__array_interface__


def forms(x):
    jnp = pytest.importorskip("jax.numpy", reason="an oracle: pip install '.[test]'")
    return {"list": x.tolist(), "dlpack": jnp.asarray(x), "interface": Interface(x), "fortran": np.asfortranarray(x),
            "strided": np.repeat(x, 2, axis=0)[::2], "big-endian": x.astype(">f4"), "half": x.astype("f2")}  # fmt: skip


@pytest.mark.parametrize("form", ["list", "dlpack", "interface", "fortran", "strided", "big-endian", "half"])
def test_arrays_in_every_form(form):
    x, y = blobs(40)
    x = x.astype("f2").astype("f4")
    a, b = mlp(4, 3), mlp(4, 3)
    fit(a, (forms(x)[form], y.tolist()))
    fit(b, (x, y))
    assert same_bits(weights(a), weights(b))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.ones((3, 4), "f4"), UsageError, r"pair \(x, y\)"),
        ((np.ones((3, 4)), np.zeros(5, int)), DataError, "x has 3 examples but y has 5"),
        ((np.ones((0, 4)), np.zeros(0, int)), DataError, "x has no examples"),
        ((np.ones(()), np.zeros(1, int)), ShapeError, "x: needs an axis of examples"),
        ((np.full((3, 4), np.nan), np.zeros(3, int)), DataError, "x: nan at row 0, column 0"),
        ((np.ones((3, 4)), np.array([0.0, np.inf, 1.0])), DataError, "y: inf at row 1"),
        ((np.ones((3, 4)), np.array([0, 1, 3])), DataError, "label 3 at row 2 is not below the 3 classes"),
        ((np.ones((3, 4)), np.array([0, -1, 2])), DataError, "label -1 at row 1 is negative"),
        ((np.ones((3, 5)), np.zeros(3, int)), ShapeError, "Linear"),
        (([[1.0], [1.0, 2.0]], [0, 1]), DataError, "x: cannot be read as an array"),
        ((np.ones((3, 4), complex), np.zeros(3, int)), DataError, "complex"),
        (((np.ones((3, 4)), np.ones((2, 4))), np.zeros(3, int)), DataError, "has 2"),
        ((np.ones((3, 4)), 1), SchussError, "y"),
    ],
)
def test_data_that_does_not_fit(data, error, message):
    with pytest.raises(error, match=message):
        fit(mlp(4, 3), data, backend="reference")


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0}, {"epochs": 2.5}, {"batch_size": 0}, {"batch_size": True}, {"early_stop": 0}, {"threads": 0},
        {"clip_norm": 0.0}, {"clip_norm": float("nan")}, {"seed": -1}, {"seed": 2**64}, {"optimizer": "adam"},
        {"loss": "mse"}, {"backend": "gpu"}, {"scale": float("nan")}, {"scale": "big"}, {"clip_norm": "1"},
        {"seed": 1.5}, {"seed": "a"}, {"validation": "half"}, {"validation": (1, 2, 3, 4)}, {"metrics": [3]},
        {"validation": True}, {"clip_norm": float("inf")}, {"scale": 0.0},
    ],
)  # fmt: skip
def test_options_that_do_not_fit(options):
    name = next(iter(options))
    with pytest.raises(UsageError, match=name):
        fit(mlp(4, 3), blobs(30), **{"backend": "reference", **options})


def test_a_model_without_parameters():
    with pytest.raises(UsageError, match="no parameters"):
        fit(nn.Sequential(nn.ReLU()), blobs())


def test_validation_rows_shaped_unlike_training_rows():
    x, y = blobs(30)
    with pytest.raises(ShapeError, match="validation x"):
        fit(mlp(4, 3), (x, y), validation=(x[:, :3], y))
    with pytest.raises(SchussError, match="validation"):
        fit(mlp(4, 3), (x, y), validation=((x, x), y))
    with pytest.raises(DataError, match="validation y: label 7"):
        fit(mlp(4, 3), (x, y), validation=(x, y + 5))


# -- models of every kind --------------------------------------------------------------------------------


class TwoInputs:
    """No Module: two inputs, a layer each."""

    def __init__(self):
        self.left = nn.Linear(2, 5)
        self.right = nn.Linear(2, 5)
        self.out = nn.Linear(5, 3)

    def __call__(self, a, b):
        return self.out(ops.tanh(self.left(a)) * self.right(b))


def test_several_inputs():
    x, y = blobs(90)
    a, b = TwoInputs(), TwoInputs()
    run = fit(a, ((x[:, :2], x[:, 2:]), y), epochs=15, validation=0.2, optimizer=optim.Adam(lr=0.03))
    assert run.last("loss") < 0.6 * run.history["loss"][0]
    fit(b, ((x[:, :2], x[:, 2:]), y), epochs=15, validation=0.2, optimizer=optim.Adam(lr=0.03), backend="reference")
    close(weights(a), weights(b), 1e-3)


class Residual(nn.Module):
    """A skip connection around a layer that is used twice."""

    def __init__(self):
        self.first = nn.Linear(4, 6)
        self.again = nn.Linear(6, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        h = ops.tanh(self.first(x))
        for _ in range(2):
            h = h + ops.tanh(self.again(h))
        return self.out(h)


def test_skip_connections_and_shared_layers():
    a, b = Residual(), Residual()
    run = fit(a, blobs(), epochs=5)
    assert list(nn.named_parameters(a)) == [f"{n}.{p}" for n in ("first", "again", "out") for p in ("weight", "bias")]
    assert run.last("loss") < 0.7 * run.history["loss"][0]
    fit(b, blobs(), epochs=5, backend="reference")
    close(weights(a), weights(b), 1e-4)


def test_a_shared_layer_learns_from_both_uses():
    """y = w (w x): after one step, w moved by the gradient through both."""
    shared = nn.Linear(1, 1, bias=False)
    shared.weight.data = np.array([[2.0]])
    x = np.ones((4, 1), "f4")
    fit(nn.Sequential(shared, shared), (x, np.zeros((4, 1), "f4")), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.001),
        epochs=1)  # fmt: skip
    assert shared.weight.data[0, 0] == pytest.approx(2 - 0.001 * 4 * 2**3, rel=1e-5)


# -- losses and optimizers of one's own --------------------------------------------------------------------


def test_a_loss_of_ones_own():
    own, ours = nn.Linear(2, 1), nn.Linear(2, 1)
    fit(own, line(), loss=lambda pred, target: ((pred - target) ** 2).mean())
    fit(ours, line(), loss=nn.MSELoss())
    close(weights(own), weights(ours), 1e-6)


class Halving:
    """A plain object: steps of the gradient, halved each time, with the number of steps as its state."""

    def init(self, params):
        return {"steps": np.zeros((), "f4")}

    def update(self, params, grads, state, step):
        rate = 0.1 * 0.5 ** state["steps"]
        return {n: w - rate * grads[n] for n, w in params.items()}, {"steps": state["steps"] + 1.0}


def test_an_optimizer_of_ones_own():
    own, ours = nn.Linear(2, 1), nn.Linear(2, 1)
    run = fit(own, line(), loss=nn.MSELoss(), optimizer=Halving())
    fit(ours, line(), loss=nn.MSELoss(), optimizer=optim.SGD(lr=optim.Exponential(0.1, gamma=0.5)))
    close(weights(own), weights(ours), 1e-5)
    assert run.history["lr"] == [None, None]


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (lambda p, g, s, t: ({}, s), "returned no parameter 'weight'"),
        (lambda p, g, s, t: (p, {}), "returned no state 'steps'"),
        (lambda p, g, s, t: ({n: w.sum() for n, w in p.items()}, s), "turned parameter 'weight' from"),
    ],
)
def test_an_optimizer_that_loses_things(update, message):
    optimizer = SimpleNamespace(init=Halving().init, update=update)
    with pytest.raises(UsageError, match=message):
        fit(nn.Linear(2, 1), line(), loss=nn.MSELoss(), optimizer=optimizer)


def test_a_loss_that_is_no_scalar():
    with pytest.raises(GradientError, match=r"must return a floating scalar, got float32\[N,1\]; reduce it with mean"):
        fit(nn.Linear(2, 1), line(), loss=lambda p, t: p - t)
    with pytest.raises(GradientError, match=r"computed from pred and target .*, got a float"):
        fit(nn.Linear(2, 1), line(), loss=lambda p, t: 1.0)


def wrong_loss(pred, target):
    return (pred @ target).mean()  # shapes do not fit


def branching_loss(pred, target):
    return pred.mean() if pred.mean() > 0 else target.mean()


@pytest.mark.parametrize("loss", [wrong_loss, branching_loss])
def test_an_error_in_a_loss_names_its_line(loss):
    line_number = loss.__code__.co_firstlineno + 1
    with pytest.raises(SchussError, match=rf"test_fit\.py:{line_number}\b") as caught:
        fit(nn.Linear(2, 1), line(), loss=loss)
    assert "\n" not in str(caught.value)


def test_an_error_of_pythons_own_in_a_loss_passes():
    with pytest.raises(KeyError, match="missing"):
        fit(nn.Linear(2, 1), line(), loss=lambda p, t: {}["missing"])


# -- the same bits, or not ---------------------------------------------------------------------------------


def trained(**options):
    model = mlp(4, 8, 3, dropout=0.3)
    fit(model, blobs(100), **options)
    return weights(model)


def test_the_same_seed_gives_the_same_bits():
    first = trained(seed=5)
    assert same_bits(first, trained(seed=5))
    assert same_bits(first, trained(seed=5, threads=1))
    assert not same_bits(first, trained(seed=6))


def test_the_seed_reaches_weights_shuffle_and_dropout():
    def one(seed, dropout, batch):
        model = mlp(4, 8, 3, dropout=dropout)
        nn.initialize(model, 0)
        fit(model, blobs(100), seed=seed, batch_size=batch)
        return weights(model)

    assert not same_bits(one(1, 0.0, 32), one(2, 0.0, 32)), "the shuffle"
    assert not same_bits(one(1, 0.5, 100), one(2, 0.5, 100)), "dropout"
    assert not same_bits(weights_of_seed(1), weights_of_seed(2)), "fresh weights"


def weights_of_seed(seed):
    model = mlp(4, 3)
    nn.initialize(model, seed)
    return weights(model)


def test_without_shuffle_rows_come_in_order():
    x, y = blobs(64)
    a, b = mlp(4, 3), mlp(4, 3)
    nn.initialize(a, 0)
    nn.initialize(b, 0)
    fit(a, (x, y), epochs=1, shuffle=False, optimizer=optim.SGD(lr=0.1))
    for half in (slice(32), slice(32, 64)):
        fit(b, (x[half], y[half]), epochs=1, shuffle=False, optimizer=optim.SGD(lr=0.1))
    close(weights(a), weights(b), 1e-6)


def test_dropout_is_drawn_anew_in_each_step():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(50, 1, bias=False))
    model[1].weight.data = np.zeros((1, 50))
    x, seen = np.ones((1, 50), "f4"), []
    fit(model, (x, np.ones((1, 1), "f4")), loss=nn.MSELoss(), optimizer=optim.SGD(lr=0.01), epochs=3,
        callbacks=[lambda run: seen.append(weights(run.model)["1.weight"])])  # fmt: skip
    moved = [seen[0] != 0, seen[1] != seen[0], seen[2] != seen[1]]
    assert all(10 < m.sum() < 40 for m in moved)
    assert not (moved[0] == moved[1]).all()
    assert not (moved[1] == moved[2]).all()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_native_and_reference_agree_after_an_epoch(dropout):
    """Dropout's bits are equal, so even then only rounding differs."""
    models = [mlp(4, 16, 8, 3, dropout=dropout) for _ in range(2)]
    runs = [
        fit(m, blobs(), epochs=1, batch_size=16, backend=b)
        for m, b in zip(models, ["native", "reference"], strict=True)
    ]
    close(weights(models[0]), weights(models[1]), 1e-4)
    assert runs[0].last("loss") == pytest.approx(runs[1].last("loss"), rel=1e-5)


@pytest.mark.parametrize(("rows", "batch", "steps"), [(10, 4, 3), (10, 10, 1), (10, 64, 1), (9, 4, 3), (1, 1, 1)])
def test_batches_of_every_length(rows, batch, steps):
    a, b = mlp(4, 5, 3), mlp(4, 5, 3)
    run = fit(a, blobs(rows), epochs=1, batch_size=batch)
    fit(b, blobs(rows), epochs=1, batch_size=batch, backend="reference")
    assert run.steps == steps
    close(weights(a), weights(b), 1e-4)


# -- going on, and predicting --------------------------------------------------------------------------------


def test_a_second_call_goes_on_from_the_first():
    data = blobs()
    options = {"optimizer": optim.SGD(lr=0.05), "batch_size": 200, "shuffle": False}
    once, twice = mlp(4, 3), mlp(4, 3)
    fit(once, data, epochs=4, **options)
    first = fit(twice, data, epochs=2, **options)
    second = fit(twice, data, epochs=2, **options)
    assert second.history["loss"][0] < first.last("loss")
    close(weights(once), weights(twice), 1e-6)


def test_many_threads_predict_the_same():
    model = mlp(4, 16, 3)
    fit(model, blobs())
    inputs = [blobs(n, seed=n)[0] for n in (1, 7, 64, 300)]
    expected = [model(x) for x in inputs]
    wrong: list[int] = []

    def predict():
        for _ in range(10):
            for x, e in zip(inputs, expected, strict=True):
                if not np.array_equal(model(x), e):
                    wrong.append(len(x))

    threads = [threading.Thread(target=predict) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads)
    assert not wrong


def test_fits_in_several_threads_do_not_meet():
    expected = trained(seed=1)
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(same_bits(expected, trained(seed=1)))) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert results == [True] * 3


def test_the_callers_data_and_random_state_are_untouched():
    x, y = blobs()
    before = x.tobytes(), y.tobytes()
    np.random.seed(0)
    state = np.random.get_state()[1].tobytes()
    fit(mlp(4, 8, 3, dropout=0.5), (x, y), validation=0.2)
    assert (x.tobytes(), y.tobytes()) == before
    assert np.random.get_state()[1].tobytes() == state


def test_fit_is_at_the_top():
    assert schuss.fit.__module__ == "schuss.train.fit"


def test_a_model_called_on_bytes_scales_them_as_its_fit_did():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (64, 10), dtype=np.uint8)
    y = (x[:, 0] > 127).astype("i8")
    model = mlp(10, 8, 2)
    before = model(x)
    fit(model, (x, y), epochs=1, batch_size=16, scale=1 / 255)
    floats = model((x / 255).astype("f4"))
    np.testing.assert_allclose(model(x), floats, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(x.astype(np.int64)), floats, rtol=1e-5, atol=1e-6)
    assert np.abs(before).max() > 5 * np.abs(floats).max()  # an unfitted model takes the numbers as they are


def test_indices_beside_bytes_are_not_scaled():
    class Both(nn.Module):
        def __init__(self) -> None:
            self.table = nn.Embedding(3, 4)
            self.image = nn.Linear(5, 4)
            self.out = nn.Linear(4, 2)

        def forward(self, image, which):
            return self.out(schuss.tanh(self.image(image) + self.table(which)))

    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 5), dtype=np.uint8)
    which = rng.integers(0, 3, 60)
    model = Both()
    run = fit(
        model,
        ((image, which), (which > 0).astype(int)),
        epochs=60,
        batch_size=60,
        optimizer=optim.Adam(lr=0.05),
        scale=1 / 255,
    )
    assert run.last("accuracy") > 0.95
    np.testing.assert_allclose(model(image, which), model((image / 255).astype("f4"), which), rtol=1e-4, atol=1e-5)


def test_squares_against_labels_are_one_hot_with_many_outputs_and_numbers_with_one():
    x, y = blobs(60)
    assert "accuracy" in fit(mlp(4, 8, 3), (x, y), loss=nn.MSELoss()).history
    assert "accuracy" not in fit(mlp(4, 8, 1), (x, y), loss=nn.MSELoss()).history


def test_a_loss_of_ones_own_takes_counts():
    x, y = blobs(60)

    def poisson(pred, target):
        return (schuss.exp(pred[:, 0]) - target * pred[:, 0]).mean()

    assert "accuracy" not in fit(mlp(4, 8, 1), (x, y + 1), loss=poisson).history


# -- weights with validation data ----------------------------------------------------------------------------


def per_example(model, x, y):
    out = np.asarray(model(x), np.float64)
    return np.log(np.exp(out - out.max(1, keepdims=True)).sum(1)) + out.max(1) - out[np.arange(len(y)), y]


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_share_held_out_takes_its_weights_along(backend):
    """The trained weights are those of a fit that is given the same rows and weights apart."""
    x, y = blobs(100)
    weight = np.random.default_rng(3).random(100).astype("f4")
    model, apart = mlp(4, 3), mlp(4, 3)
    run = fit(model, (x, y), validation=0.3, sample_weight=weight, backend=backend)
    train, held = split_validation(100, 0.3, key_from_seed(0))
    again = fit(apart, (x[train], y[train]), validation=(x[held], y[held], weight[held]), sample_weight=weight[train],
                backend=backend)  # fmt: skip
    assert same_bits(weights(model), weights(apart))
    assert run.history["val_loss"] == again.history["val_loss"]
    wanted = np.average(per_example(model, x[held], y[held]), weights=weight[held])
    assert run.history["val_loss"][-1] == pytest.approx(wanted, rel=1e-5)
    assert run.history["val_accuracy"][-1] == (model(x[held]).argmax(1) == y[held]).mean(), "metrics are not weighted"


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_weights_of_validation_data_alone_change_no_bit_of_the_training(backend):
    x, y = blobs(80)
    held_x, held_y = blobs(30, seed=1)
    weight = np.linspace(0, 5, 30)
    model, other = mlp(4, 3), mlp(4, 3)
    run = fit(model, (x, y), validation=(held_x, held_y, weight), backend=backend)
    plain = fit(other, (x, y), validation=(held_x, held_y), backend=backend)
    assert same_bits(weights(model), weights(other))
    losses = per_example(model, held_x, held_y)
    assert run.history["val_loss"][-1] == pytest.approx(np.average(losses, weights=weight), rel=1e-5)
    assert plain.history["val_loss"][-1] == pytest.approx(losses.mean(), rel=1e-5)


def test_class_weights_have_no_part_in_validation():
    x, y = blobs(90)
    run = fit(mlp(4, 3), (x, y), validation=(x, y), class_weight={0: 9.0, 1: 0.1}, backend="reference")
    assert run.history["val_loss"][-1] == pytest.approx(per_example(run.model, x, y).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (np.ones(29), r"validation weights: needs one number an example, 30 in all, got shape \[29\]"),
        (np.zeros(30), "validation weights: weights must not be negative, nor all zero"),
        (-np.ones(30), "validation weights: weights must not be negative"),
        (np.full(30, np.nan), "validation weights: nan at row 0"),
        ("balanced", "validation weights: "),
    ],
)
def test_bad_weights_of_validation_data(weight, said):
    with pytest.raises(SchussError, match=said):
        fit(mlp(4, 3), blobs(), validation=(*blobs(30), weight), backend="reference")


def test_a_share_held_out_without_any_weight():
    x, y = blobs(20)
    _, held = split_validation(20, 0.2, key_from_seed(0))
    weight = np.ones(20)
    weight[held] = 0
    with pytest.raises(SchussError, match="the weights of the validation data leave every example without weight"):
        fit(mlp(4, 3), (x, y), validation=0.2, sample_weight=weight, backend="reference")


def test_an_error_of_a_layer_names_the_line_that_trains_and_none_of_pythons_own():
    model = nn.Sequential(nn.Linear(5, 3))
    with pytest.raises(ShapeError, match=r"must have 5 features") as caught:
        schuss.fit(
            model,
            (np.ones((10, 4), np.float32), np.ones((10, 3), np.float32)),
            loss=nn.MSELoss(),
            optimizer=optim.SGD(),
        )
    assert f"(line: {__file__}:" in str(caught.value)
