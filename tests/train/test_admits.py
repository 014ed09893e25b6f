"""fit checks its data, and the model's first predictions, against what the loss admits."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.errors import DataError, SchussError
from schuss.io.tensors import write_tensors
from schuss.train.checkpoint import Checkpoint
from schuss.train.fit import prepare

from .support import blobs, fit, line, mlp, weights

X, Y = blobs(24)
SIGN = np.where(Y > 0, 1.0, -1.0)


@pytest.mark.parametrize(
    ("outputs", "y", "loss", "message"),
    [
        (1, (Y > 0).astype(int), nn.CrossEntropyLoss(), "an output for each class.*nn.BCEWithLogitsLoss"),
        (1, (Y > 0).astype(int), nn.NLLLoss(), "an output for each class"),
        (1, (Y > 0).astype(float), nn.CrossEntropyLoss(), "an output for each class"),
        (3, Y.astype(float), nn.CrossEntropyLoss(), r"y|target must be integer class numbers.*astype\(int\)"),
        (3, np.eye(3)[Y] * 2, nn.CrossEntropyLoss(), "y 2 at row 0.* is not between 0 and 1"),
        (3, np.eye(3)[Y] + np.eye(3)[(Y + 1) % 3], nn.CrossEntropyLoss(), "y: probabilities sum to 2 at row 0"),
        (1, SIGN, nn.BCEWithLogitsLoss(), r"y -1 at row 0 is not between 0 and 1.*\(y > 0\)"),
        (1, SIGN.astype(int), nn.BCEWithLogitsLoss(), "y -1 at row 0"),
        (1, (Y > 0) * np.uint8(255), nn.BCEWithLogitsLoss(), "y 255 at row 1"),
        (1, (Y > 0) * 255.0, nn.BCEWithLogitsLoss(), "y 255 at row 1.* y / 255"),
        (2, Y, nn.BCEWithLogitsLoss(), "label 2 at row 2 is not below the 2 classes"),
        (2, Y, nn.MSELoss(), "label 2 at row 2 is not below the 2 classes"),
        (3, Y, nn.NLLLoss(), "takes log-probabilities.*nn.LogSoftmax.*nn.CrossEntropyLoss"),
    ],
)  # fmt: skip
def test_what_a_loss_is_not_made_for(outputs, y, loss, message):
    model = mlp(4, outputs)
    nn.initialize(model)
    before = weights(model)
    with pytest.raises(SchussError, match=message) as caught:
        fit(model, (X, y), loss=loss, backend="reference")
    assert type(loss).__name__ in str(caught.value)
    assert all(np.array_equal(before[n], w) for n, w in weights(model).items())


def test_validation_targets_are_checked_too():
    good = (X, (Y > 0).astype(float))
    with pytest.raises(SchussError, match="validation y -1 at row 0"):
        fit(mlp(4, 1), good, loss=nn.BCEWithLogitsLoss(), validation=(X, SIGN), backend="reference")


def test_log_probabilities_may_be_learned():
    model = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax())
    run = fit(model, (X, Y), loss=nn.NLLLoss(), epochs=1, backend="reference")
    assert run.last("loss") > 0


@pytest.mark.parametrize(
    ("model", "loss", "y", "layer"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.Softmax()), nn.CrossEntropyLoss(), Y, "Softmax"),
        (nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), nn.BCEWithLogitsLoss(), Y > 0, "Sigmoid"),
    ],
)
def test_probabilities_in_place_of_logits_are_told_of(model, loss, y, layer):
    with pytest.warns(UserWarning, match=rf"{type(loss).__name__} takes logits.*nn.{layer}\(\)") as told:
        fit(model, (X, y), loss=loss, epochs=1, backend="reference")
    assert "support.py" in {Path(w.filename).name for w in told}  # the line that calls schuss.fit


def test_logits_are_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(mlp(4, 3), (X, Y), epochs=1, backend="reference")
        fit(mlp(4, 1), (X, Y > 0), loss=nn.BCEWithLogitsLoss(), epochs=1, backend="reference")


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_sequences_with_ignored_targets(backend):
    """Five steps of four numbers, of which the largest is the class; some are not known."""
    x = np.random.default_rng(0).standard_normal((60, 5, 4)).astype("f4")
    y = x.argmax(-1)
    y[::3, 2:] = -100
    loss = nn.CrossEntropyLoss(ignore_index=-100, axis=-1)
    model = mlp(4, 16, 4)
    run = fit(model, (x, y), loss=loss, epochs=40, optimizer=optim.Adam(lr=2e-2), backend=backend, validation=(x, y))
    assert run.last("val_accuracy") > 0.9
    right = (model(x).argmax(-1) == y)[y >= 0].mean()
    assert run.last("val_accuracy") == pytest.approx(right)
    with pytest.raises(SchussError, match=r"label -100 at row 0, column 2 is negative.*\(ignore_index=-100\)"):
        fit(mlp(4, 4), (x, y), loss=nn.CrossEntropyLoss(axis=-1), backend="reference")


def test_a_weighted_yes():
    """pos_weight moves the mean probability as so many more of them would."""
    x, y = np.zeros((40, 1), "f4"), np.arange(40) % 4 == 0
    model = nn.Linear(1, 1)
    options = {"optimizer": optim.Adam(lr=0.1), "epochs": 200, "batch_size": 40, "backend": "reference"}
    fit(model, (x, y), loss=nn.BCEWithLogitsLoss(pos_weight=3.0), **options)
    assert 1 / (1 + np.exp(-model(x)[0, 0])) == pytest.approx(0.5, abs=1e-3)


def test_a_loss_of_ones_own_that_says_nothing_is_left_alone():
    class Squares(nn.Loss):
        def elements(self, pred, target):
            return (pred - target) ** 2

    x, y = line()
    run = fit(nn.Linear(2, 1), (x, (10 * y).astype(int)), loss=Squares(), epochs=1, backend="reference")
    assert "accuracy" not in run.history


def test_a_checkpoint_of_0_1_0_with_weights_means_the_rule_of_then(tmp_path):
    def trainer(weighting):
        options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(), "backend": "reference"}
        return prepare(mlp(4, 3), (X, Y), class_weight=[1, 2, 3], weighting=weighting, **options)

    path = tmp_path / "run.ckpt"
    begun = trainer("batch")
    begun.train()
    meta = {"settings": {}, "position": asdict(begun.position)}  # as that version wrote it: without its own number
    write_tensors(path, begun.snapshot(), meta)
    with pytest.raises(SchussError, match='give weighting="batch" to go on'):
        Checkpoint(path, {}).resume(trainer("data"))
    assert Checkpoint(path, {}).resume(trainer("batch"))


@pytest.mark.parametrize(
    ("y", "mend"),
    [
        ([-1, 1, 1, -1], r"\(y \+ 1\) // 2 of -1 and 1"),
        ([-1, 0, 1, -1], r"np.unique\(y, return_inverse=True\)\[1\], or leave rows of no class out by .*=-1\)"),
        ([-1, -1, -1, -1], r"leave rows of no class out by CrossEntropyLoss\(ignore_index=-1\)"),
    ],
)
def test_negative_labels_may_be_classes(y, mend):
    x = np.ones((4, 2), "f4")
    with pytest.raises(DataError, match=f"label -1 at row 0 is negative; labels count from 0: .*{mend}"):
        schuss.fit(nn.Linear(2, 3), (x, np.array(y)), loss=nn.CrossEntropyLoss(), optimizer=optim.SGD(0.1), epochs=1)


@pytest.mark.parametrize(
    ("turn", "mend"),
    [
        (lambda x: x / 255, "give the bytes of 0 to 255 as in training, not divided by 255"),
        (lambda x: x / 2, "give whole numbers as in training"),
        (lambda x: x * 1.0, r"convert it with .astype\('uint8'\)"),
    ],
)
def test_floats_beside_bytes_are_told_a_mend_that_keeps_them(turn, mend):
    x, y = np.arange(1, 33, dtype=np.uint8).reshape(8, 2, 2), np.arange(8) % 2
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(0.1), "epochs": 1, "validation": (turn(x), y)}
    with pytest.raises(DataError, match=f"validation x: is float64, the model was trained on uint8; {mend}"):
        schuss.fit(model, (x, y), **given)


@pytest.mark.parametrize("kind", ["f4", "i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_weights_take_labels_in_every_form_the_loss_takes(kind, shape):
    x, y = np.linspace(-1, 1, 16, dtype="f4").reshape(8, 2), np.arange(8) // 5
    weight = np.array([0.5, 2.0])[y]
    given = {"loss": nn.BCEWithLogitsLoss(), "optimizer": optim.SGD(0.1), "epochs": 1, "backend": "reference"}
    found = []
    for options in ({"class_weight": {0: 0.5, 1: 2.0}}, {"sample_weight": weight.reshape(shape)}):
        run = schuss.fit(nn.Linear(2, 1), (x, y.astype(kind).reshape(shape)), **given, **options)
        found.append(run.history["loss"])
    plain = schuss.fit(nn.Linear(2, 1), (x, y), **given, class_weight={0: 0.5, 1: 2.0})
    assert found[0] == found[1] == plain.history["loss"]
