"""Models whose inputs have lengths beside N that are open: how they are declared, called, trained again and refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim
from schuss.cli import main
from schuss.errors import ShapeError, UsageError
from schuss.ir.types import N, Sym, TensorType

T = Sym("T")
SEQUENCES = TensorType("float32", (N, T, 8))
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 5, 8)).astype("f4"), RNG.integers(0, 3, 12)


class Pooled(nn.Module):
    def __init__(self) -> None:
        self.inner, self.outer = nn.Linear(8, 4), nn.Linear(4, 3)

    def forward(self, *xs: Any) -> Any:
        total = self.inner(xs[0])
        for x in xs[1:]:
            total = total + self.inner(x)
        return self.outer(schuss.mean(schuss.tanh(total), axis=1))


def loaded(path: Path, inputs: int = 1) -> Any:
    model = Pooled()
    schuss.save(model, path, inputs=[SEQUENCES] * inputs)
    return schuss.load(path)


def fit(model: Any, x: Any) -> Any:
    loss, adam = nn.CrossEntropyLoss(), optim.Adam()
    return schuss.fit(model, (x, Y), loss=loss, optimizer=adam, backend="reference", progress=False)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((N, np.array([8, 8])), r"a length is N, for the examples, or a whole number"),
        ((Sym, Sym, 8), r"Sym is a class: write Sym\('T'\)"),
        ((N, "T", 8), r"got 'T'; a length that is open is a symbol, as Sym\('T'\)"),
        ((N, None, 8), "a whole number, got None; a length that is open is a symbol"),
        ((N, -1, 8), "a whole number, got -1"),
        ((N, 2.5, 8), "a whole number, got 2.5"),
        ((N, True, 8), "a whole number, got True"),
        ((4, T, 8), r"the first axis, and no other, is that of the examples, N: .*, got \(4, T, 8\)"),
        ((T, 5, 8), "the first axis, and no other, is that of the examples"),
        ((T, N, 8), "the first axis, and no other, is that of the examples"),
        ((N, N, 8), "the first axis, and no other, is that of the examples"),
        (8, r"the shape of an input is a tuple, as \(N, 784\), got 8"),
    ],
)
def test_what_is_no_shape_of_an_input(tmp_path: Path, shape: Any, said: str):
    with pytest.raises(UsageError, match=f"^save: .*{said}"):
        schuss.save(Pooled(), tmp_path / "m", inputs=TensorType("float32", shape))
    assert not (tmp_path / "m").exists()


def test_dtypes_and_lengths_of_numpy(tmp_path: Path):
    with pytest.raises(UsageError, match="save: 'float16' is no dtype of an input; one of float32, "):
        schuss.save(Pooled(), tmp_path / "m", inputs=TensorType("float16", (N, T, 8)))
    given: Any = TensorType(np.float32, [N, np.int64(5), 8])  # type: ignore[arg-type]
    schuss.save(Pooled(), tmp_path / "m", inputs=given)
    assert str(schuss.load(tmp_path / "m").signature.inputs[0]) == "float32[N,5,8]"


def test_trained_again_it_still_takes_any_length(tmp_path: Path):
    model = loaded(tmp_path / "m")
    run = fit(model, X)
    assert str(model.signature.inputs[0]) == "float32[N,T,8]"
    run.resume(1)
    schuss.save(model, tmp_path / "m")
    again = schuss.load(tmp_path / "m")
    assert str(again.signature.inputs[0]) == "float32[N,T,8]"
    np.testing.assert_array_equal(again(X[:, :3]), model(X[:, :3]))
    fit(model, RNG.normal(size=(12, 2, 8)).astype("f4"))
    assert str(model.signature.inputs[0]) == "float32[N,T,8]"


def test_two_lengths_of_one_symbol(tmp_path: Path):
    """Not even where the one would be broadcast."""
    model = loaded(tmp_path / "m", 2)
    said = "^x1: axis 1 is 4 long, and axis 1 of x0 is 1; both lengths are T$"
    for call in (model, schuss.jit(model), lambda *xs: fit(model, xs)):
        with pytest.raises(ShapeError, match=said):
            call(X[:, :1], X[:, :4])
    assert model(X[:, :4], X[:, :4]).shape == (12, 3)


def test_a_length_of_0_is_told(tmp_path: Path):
    model = loaded(tmp_path / "m", 2)
    with pytest.warns(UserWarning, match="x0: T is 0: a mean over an axis without elements is NaN") as told:
        assert np.isnan(model(X[:, :0], X[:, :0])).all()
    assert [Path(w.filename) for w in told] == [Path(__file__)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(X[:, :1], X[:, :1])


def test_flatten_is_advised_where_it_mends():
    linear = nn.Sequential(nn.Linear(40, 2))
    with pytest.raises(ShapeError, match=r"put nn\.Flatten"):
        linear(X)
    with pytest.raises(ShapeError, match=r"Flatten\(\) before it with nn\.Linear\(32, 2\)"):
        linear(X[:, :4])


def test_the_plan_of_an_open_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = loaded(tmp_path / "m")
    fit(model, X)
    schuss.save(model, tmp_path / "m")
    with pytest.raises(SystemExit):
        main(["graph", str(tmp_path / "m"), "--plan"])
    assert "the input x float32[N,T,8] has a length that is open, T, and a step is compiled" in capsys.readouterr().err
