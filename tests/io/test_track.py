"""A model file that keeps the path of its run: the landscape is that of the run itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import schuss
from schuss import nn, optim, viz
from schuss.analysis.landscape import track_of
from schuss.errors import ModelFileError, UsageError
from schuss.io.model import read_model
from schuss.io.tensors import read_tensors, write_tensors


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    return (np.eye(8)[y] + 0.5 * rng.standard_normal((90, 8))).astype(np.float32), y


@pytest.fixture(scope="module")
def run() -> Any:
    model = nn.Sequential(nn.Linear(8, 40), nn.Tanh(), nn.Linear(40, 3))
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": optim.Adam(lr=0.02), "threads": 1}
    return schuss.fit(model, data(), epochs=8, batch_size=10, record=1e-5, **options)


@pytest.fixture
def file(run: Any, tmp_path: Path) -> Path:
    schuss.save(run.model, tmp_path / "m", track=track_of(run))
    return tmp_path / "m"


def test_the_landscape_of_a_loaded_model_is_the_run_s(run: Any, file: Path):
    again = viz.as_run(schuss.load(file), *data())
    one, other = (viz.landscape_data(r, size=7, progress=False) for r in (run, again))
    assert len(other.path) > 5
    for name in ("a", "b", "loss", "path", "path_loss", "centre_loss", "explained", "shares", "rows"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for mine, kept in zip(one.directions, other.directions, strict=True):
        assert all((mine[n] == kept[n]).all() for n in {**mine, **kept})


def test_only_when_asked(run: Any, file: Path, tmp_path: Path):
    """A file with a path holds two sets of weights more."""
    plain = tmp_path / "plain"
    schuss.save(run.model, plain)
    assert schuss.load(plain).signature.track is None
    weights = sum(w.nbytes for w in nn.state_dict(run.model).values())
    assert 0 < file.stat().st_size - plain.stat().st_size - 2 * weights < 24 * 200 + 2000
    assert "shares" not in read_model(plain)[1]
    one, other = (schuss.load(path)(data()[0]) for path in (plain, file))
    np.testing.assert_array_equal(one, other)
    schuss.save(schuss.load(file), plain)
    assert schuss.load(plain).signature.track is None


def test_a_model_of_any_class(run: Any, tmp_path: Path):
    class Mine:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __call__(self, x: Any) -> Any:
            return self.inner(x)

    track = track_of(run)
    named = tuple({f"inner.{n}": w for n, w in d.items()} for d in track.directions)
    mine = Mine(run.model)
    inputs = run.model.signature.inputs
    schuss.save(mine, tmp_path / "m", inputs=inputs, loss=nn.CrossEntropyLoss(), track=replace(track, directions=named))
    loaded = schuss.load(tmp_path / "m")
    assert loaded.signature.track.directions[0].keys() == named[0].keys()


DAMAGE: dict[str, Any] = {
    "no coordinates": lambda t, d: t.pop("path/at"),
    "no losses": lambda t, d: t.pop("path/loss"),
    "a direction too few": lambda t, d: [t.pop(n) for n in list(t) if n.startswith("path/1/")],
    "an array too many": lambda t, d: t.update({"path/2/0.bias": t["0.bias"]}),
    "another shape": lambda t, d: t.update({"path/0/0.bias": t["0.bias"][:2]}),
    "another dtype": lambda t, d: t.update({"path/0/0.bias": t["0.bias"].astype(np.float64)}),
    "coordinates of another number": lambda t, d: t.update({"path/at": t["path/at"][1:]}),
    "a loss alone": lambda t, d: t.update({"path/loss": np.array(1.0)}),
    "no moments": lambda t, d: t.update({"path/at": t["path/at"][:0], "path/loss": t["path/loss"][:0]}),
    "a direction that is not finite": lambda t, d: t.update({"path/0/0.bias": t["0.bias"] * np.nan}),
    "no shares": lambda t, d: d.pop("shares"),
    "a share that is none": lambda t, d: d.update({"shares": [0.5, "x"]}),
    "a share below nothing": lambda t, d: d.update({"shares": [0.5, -0.5]}),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_damage_is_one_line(file: Path, how: str):
    tensors, description = read_tensors(file)
    DAMAGE[how](tensors, description)
    write_tensors(file, tensors, description)
    with pytest.raises(ModelFileError, match=f"^{file}: the path it keeps is damaged: its arrays do not fit") as said:
        schuss.load(file)
    assert "\n" not in str(said.value)


def test_a_track_of_another_model_is_not_saved(run: Any, tmp_path: Path):
    other = nn.Sequential(nn.Linear(8, 40), nn.Tanh(), nn.Linear(40, 3, bias=False))
    other(data()[0])
    with pytest.raises(UsageError, match="another model"):
        schuss.save(other, tmp_path / "m", track=track_of(run))
    assert not list(tmp_path.iterdir())
