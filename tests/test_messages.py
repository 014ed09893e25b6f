"""What is said of mistakes that newcomers make: what, where, and how to mend it, on one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import schuss
from schuss import nn, optim
from schuss.cli import schuss as command
from schuss.data import Dataset, load_mnist
from schuss.errors import DTypeError, ModelFileError, ShapeError, UsageError

PICTURES = np.zeros((6, 3, 8, 8), np.float32)
LABELS = np.arange(6) % 2


def fit(model: Any, x: Any = PICTURES, y: Any = LABELS, *more: Any, **options: Any) -> Any:
    given = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.SGD(lr=0.1), "backend": "reference", **options}
    return schuss.fit(model, (x, y), *more, **given)


def conv(*layers: Any) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 2, 3), *layers)


class Parts(nn.layers.Layer):
    def __init__(self, *parts: Any, width: int) -> None:
        self.parts, self.width = parts, width


class Others(nn.layers.Layer):
    def __init__(self, width: int, **others: Any) -> None:
        self.width, self.others = width, others


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    return lambda: function(*args, **kwargs)


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (call(fit, conv(), PICTURES.transpose(0, 2, 3, 1)), ShapeError, "channels come first: x.transpose(0, 3, 1, 2)"),
        (call(nn.Conv1d(3, 2, 3), np.zeros((6, 8, 3))), ShapeError, "channels come first: x.transpose(0, 2, 1)"),
        (call(nn.Conv2d(1, 2, 3), PICTURES[:, 0]), ShapeError, "give each example its axis of channels: x[:, None]"),
        (call(fit, conv(), PICTURES.reshape(6, -1)), ShapeError, "give rows their axes: x.reshape(-1, 3, H, W)"),
        (call(fit, conv(nn.Flatten(), nn.Linear(70, 2))), ShapeError, "last axis: nn.Linear(72, 2) takes these"),
        (call(fit, conv(nn.Linear(72, 2))), ShapeError, "(put nn.Flatten() before it)"),
        (call(fit, conv(nn.Linear(70, 2))), ShapeError, "(put nn.Flatten() before it with nn.Linear(72, 2))"),
        (call(fit, conv(nn.Linear(6, 2))), ShapeError, "put nn.Flatten() before the model's last Linear"),
        (call(schuss.fit, conv(), PICTURES, LABELS), UsageError, "fit: takes model, data by position"),
        (call(fit, conv(), PICTURES, LABELS, nn.MSELoss()), UsageError, "write fit(model, (x, y), loss="),
        (call(schuss.fit, conv(), (PICTURES, LABELS)), UsageError, "fit: loss and optimizer are missing; write fit("),
        (call(fit, conv(), epoch=3), UsageError, "no argument 'epoch'; did you mean 'epochs'?; it takes model, data"),
        (call(fit, conv(), lr=3), UsageError, "no argument 'lr'; give it to the optimizer, as optim.Adam(lr=1e-3)"),
        (call(fit, (PICTURES, LABELS), conv()), UsageError, "the model comes first, then the data"),
        (call(schuss.evaluate, conv(), PICTURES, LABELS), UsageError, "write evaluate(model, (x, y))"),
        (call(schuss.evaluate, conv(), "mnist"), UsageError, "schuss.data.load_dataset('mnist') reads it"),
        (call(schuss.predict, conv(), "digit.png"), UsageError, "schuss.data.load_rows('digit.png') reads them"),
        (call(nn.Embedding(9, 2), np.zeros((4, 2))), DTypeError, "convert them with .astype('int64')"),
        (call(nn.Embedding, 9, 2, padding_idx=9), UsageError, "padding_idx must be a whole number between -9 and 8"),
        (call(nn.Embedding, 9, 2, device="cpu"), TypeError, "Embedding: there is no argument 'device'; leave it out"),
        (call(nn.Linear, in_feature=9), UsageError, "Linear: there is no argument 'in_feature'; did you mean"),
        (call(Parts, 1, 2), UsageError, "Parts: width is missing"),
        (call(Parts, width=1, heigth=2), UsageError, "it takes *parts, width"),
        (call(Others, depth=1), UsageError, "Others: width is missing"),
        (call(schuss.optim.Adam, learning_rate=1e-3), UsageError, "'learning_rate'; the learning rate is lr"),
        (call(schuss.optim.Adam, 1e-3, beta=(0.9, 0.99)), TypeError, "Adam: there is no argument 'beta'; did you mean"),
        (call(nn.MSELoss, reduce=True), UsageError, "MSELoss: there is no argument 'reduce'; did you mean"),
        (call(nn.init.Normal, 0.0, 1.0, 2.0), UsageError, "Normal: takes mean, std by position"),
        (call(schuss.optim.OneCycle, 0.1), UsageError, "OneCycle: steps is missing"),
        (call(nn.ReLU, 1), UsageError, "ReLU: takes nothing by position"),
        (call(nn.ReLU, inplace=True), UsageError, "leave it out, as tensors never change; it takes none"),
        (call(nn.Conv2d, 9, 2), UsageError, "Conv2d: kernel_size is missing"),
        (call(fit, nn.Flatten()), UsageError, "no parameters to learn"),
    ],
)  # fmt: skip
def test_a_newcomer_s_mistake(wrong: Any, error: type[Exception], said: str):
    with pytest.raises(error) as told:
        wrong()
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_type_error_of_the_user_s_own_is_left_as_it_is():
    class Own(nn.Layer):
        def __init__(self, size: Any) -> None:
            self.size = size + 1

    with pytest.raises(TypeError, match="can only concatenate"):
        Own("a")
    with pytest.raises(UsageError, match="Own: size is missing"):
        Own()


def test_to_check_arguments_a_signature_is_found_once(monkeypatch: pytest.MonkeyPatch):
    optim.Adam(lr=1e-3)
    monkeypatch.setattr("inspect.signature", None)
    optim.Adam(lr=1e-2, betas=(0.8, 0.9))


@pytest.mark.parametrize("content", [b"import schuss\nprint(1)\n", b"\x80\x02}q\x00." + b"x" * 50])
def test_a_file_that_is_no_model(content: bytes, tmp_path: Any):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(
        ModelFileError, match=r"f: is no model file, or was cut \(.*schuss\.save and .* make model files"
    ):
        schuss.load(tmp_path / "f")


def test_names_in_one_of_several_targets_are_refused_with_a_mend():
    names = np.array(["a", "b"])[LABELS]
    with pytest.raises(schuss.errors.DataError, match=r"^y\[0\]: .*labels = np\.unique\(values, return_inverse=True\)"):
        fit(conv(), y=(names, LABELS), loss=lambda pred, target: pred.mean())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian", "mnist"], "no such command 'trian'; did you mean 'train'?; there are train, evaluate"),
        (["zzz"], "no such command 'zzz'; there are train"),
        (["train", "mnist", "--epoch", "3"], "--epochs"),
    ],
)
def test_a_command_that_is_not_there(arguments: list[str], said: str):
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_a_data_set_says_what_it_is():
    told = repr(load_mnist())
    assert "x uint8[60000, 28, 28], y int64[60000]" in told
    assert "classes  10: 0, 1, 2" in told
    assert "scale    1/255" in told
    some = Dataset(PICTURES, LABELS, PICTURES, LABELS, "own\x1b", 2, (3, 8, 8))
    assert repr(some).splitlines()[0] == "Dataset('own\\x1b',"
    assert len(repr(load_mnist())) < 400
